// Multi-head latent attention, absorbed: all heads share a position's row, which is the key; its first kv_rank values are the value.
// q[n_tokens][n_heads][kv_rank + n_rope]
layout(constant_id = 8) const bool SELECTED = false;               // of the cache, only the positions that selected[] names
layout(binding = 7) readonly buffer Selected { uint selected[]; }; // [n_tokens][top_k]
uint row_width() { return args.kv_rank + args.n_rope; }
uint key_width() { return args.kv_rank + args.n_rope; }
uint value_width() { return args.kv_rank; }
uint query_at(uint token, uint head) { return args.q_base + (token * args.n_heads + head) * key_width(); }

struct Heads { uint first, end, key, value; };                     // heads [first, end); where key and value begin in a row

Heads pick_heads(uint group, uint n) { return Heads(group * n, args.n_heads, 0u, 0u); }

uint attended_position(uint i) {
    return SELECTED ? selected[args.selected_base + (args.first_token + gl_WorkGroupID.z) * args.top_k + i] : i;
}
