// Multi-head latent attention, absorbed. All heads share a position's row, which is the key; the first
// kv_rank values of the row are the value. Queries are q[n_tokens][n_heads][kv_rank + n_rope].
layout(constant_id = 8) const bool SELECTED = false; // attend only to the positions in selected[]
// the cache holds a sliding window and compressed rows
layout(constant_id = 9) const bool SLIDING_WINDOW = false;
layout(constant_id = 10) const bool SINKS = false;
layout(binding = 7) readonly buffer Selected { uint selected[]; }; // [n_tokens][top_k]
layout(binding = 8) readonly buffer Sinks { float sinks[]; };      // [n_heads]
#define SINK(head) sinks[args.sinks_base + (head)]
uint row_width() { return args.kv_rank + args.n_rope; }
uint key_width() { return args.kv_rank + args.n_rope; }
uint value_width() { return args.kv_rank; }
uint query_at(uint token, uint head) { return args.q_base + (token * args.n_heads + head) * key_width(); }

struct Heads { uint first, end, key, value; }; // heads [first, end); where key and value begin in a row

Heads pick_heads(uint group, uint n) { return Heads(group * n, args.n_heads, 0u, 0u); }

// A token attends to the positions up to its own, or to the selected ones of them. With SLIDING_WINDOW, a
// token attends to the compressed rows of the complete groups of `ratio` positions up to its own, or to the
// selected ones of them, and then to the last `sliding_window` positions.
uint token_position();
uint n_compressed() {
    const uint n = args.ratio == 0u ? 0u : (token_position() + 1u) / args.ratio;
    return SELECTED ? min(n, args.top_k) : n;
}

uint n_attended() {
    const uint at = token_position();
    return min(
        SLIDING_WINDOW ? n_compressed() + min(at + 1u, args.sliding_window) : at + 1u, args.max_positions);
}

uint attended_position(uint i) {
    uint first = 0u; // compressed rows stand behind the positions
    if (SLIDING_WINDOW) {
        const uint n = n_compressed(), at = token_position();
        if (i >= n) return at + 1u - min(at + 1u, args.sliding_window) + (i - n);
        first = args.first_compressed;
    }
    return first +
        (SELECTED ? selected[args.selected_base + (args.first_token + gl_WorkGroupID.z) * args.top_k + i]
        : i);
}
