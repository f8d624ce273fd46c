// Adds biases to queries, keys and values, norms the heads, and rotates queries and keys. A workgroup takes
// one head of one token. Queries are written back in place, keys and values go to the cache. Include this
// file after the argument block; define after it `float sum_all(float v)`, the sum over the workgroup.
layout(constant_id = 0) const uint CACHE = 0;                      // type of the cache: F32, F16 or Q8_0
layout(constant_id = 1) const uint PAGE = 64;                      // FATHOM_PAGE
layout(constant_id = 2) const bool BIAS = false;
layout(constant_id = 3) const bool NORM = false;
// pairs are (i, i + n_head / 2), else (2i, 2i + 1)
layout(constant_id = 4) const bool HALVES = false;
layout(binding = 0) buffer Qkv { float qkv[]; };                   // [n_tokens][n_heads + 2 * n_kv][n_head]
layout(binding = 1) readonly buffer QBias { float q_bias[]; };     // [n_heads][n_head]
layout(binding = 2) readonly buffer KBias { float k_bias[]; };     // [n_kv][n_head]
layout(binding = 3) readonly buffer VBias { float v_bias[]; };
layout(binding = 4) readonly buffer QNorm { float q_norm[]; };     // [n_head]
layout(binding = 5) readonly buffer KNorm { float k_norm[]; };
layout(binding = 6) readonly buffer Table { float table[]; };      // [n_positions][n_head / 2]{ cos, sin }
layout(binding = 7) readonly buffer Position { uint position[]; };
layout(binding = 8) readonly buffer PageTable { uint page_table[]; };
layout(binding = 9) writeonly buffer Pages { uint pages[]; };      // [n_pages][PAGE][2][n_kv][n_head]

uint row_width() { return 2u * args.n_kv * args.n_head; }

// slot: the head; queries, keys, values in order. from: the
// head's first value in qkv[]. at: the token's position.
uint slot, from, at;
float scale;         // of the head's norm

// Value i of the head, with its bias
float biased(uint i) {
    precise float v = qkv[from + i];
    if (BIAS) {
        const uint k = slot - args.n_heads;
        v = v + (slot < args.n_heads ? q_bias[args.q_bias_base + slot * args.n_head + i]
            : slot < args.n_heads + args.n_kv ? k_bias[args.k_bias_base + k * args.n_head + i]
            : v_bias[args.v_bias_base + (k - args.n_kv) * args.n_head + i]);
    }
    return v;
}

bool is_value() { return slot >= args.n_heads + args.n_kv; }

float normed(uint i) {
    precise float v = biased(i);
    if (NORM && !is_value()) {
        v = v * scale;
        v = v * (slot < args.n_heads ? q_norm[args.q_norm_base + i] : k_norm[args.k_norm_base + i]);
    }
    return v;
}

// The two values of pair `i`, rotated by the pair's angle
vec2 rotated(uint i) {
    const uint a_at = HALVES ? i : 2u * i, b_at = HALVES ? i + args.n_head / 2u : 2u * i + 1u;
    const uint angle = args.table_base + at * args.n_head + 2u * i;
    const float a = normed(a_at), b = normed(b_at), c = table[angle], s = table[angle + 1u];
    precise vec2 v;
    v.x = a * c - b * s;
    v.y = a * s + b * c;
    return v;
}

// Value i of the head after the rotation
float rotated_value(uint i) {
    const vec2 v = rotated(HALVES ? i % (args.n_head / 2u) : i / 2u);
    return (HALVES ? i >= args.n_head / 2u : i % 2u == 1u) ? v.y : v.x;
}

vec2 cache_pair(uint i) {
    const uint k = 2u * i % args.n_head;
    if (is_value()) return vec2(biased(k), biased(k + 1u));
    if (HALVES) return vec2(rotated_value(k), rotated_value(k + 1u));
    return rotated(k / 2u);
}
#include "include/cache_write.glsl"

void main() {
    const uint lane = gl_LocalInvocationID.x, lanes = gl_WorkGroupSize.x,
        n_slots = args.n_heads + 2u * args.n_kv;
    slot = gl_WorkGroupID.x;
    for (uint t = gl_WorkGroupID.y; t < args.n_tokens; t += gl_NumWorkGroups.y) {
        at = position[args.position_base] + t;
        const uint entry = at / PAGE;
        if (at >= args.n_positions || entry >= args.n_table) return; // the same for the whole workgroup
        const uint page = page_table[args.page_table_base + entry];
        if (page >= args.n_pages) return;
        from = args.qkv_base + (t * n_slots + slot) * args.n_head;
        if (NORM && !is_value()) {
            precise float sum = 0.0;
            for (uint i = lane; i < args.n_head; i += lanes) {
                const float v = biased(i);
                sum = sum + v * v;
            }
            precise float mean = sum_all(sum) * args.inv_n_head + args.eps;
            scale = exact_rsqrt(mean);
        }
        if (slot >= args.n_heads) {
            const uint first = (slot - args.n_heads) * args.n_head;
            write_row(args.pages_base + (page * PAGE + at % PAGE) * row_words(), first, first + args.n_head,
                lane, lanes);
            continue;
        }
        for (uint i = lane; i < args.n_head / 2u; i += lanes) { // an invocation reads only what it writes
            const vec2 v = rotated(i);
            qkv[from + (HALVES ? i : 2u * i)] = v.x;
            qkv[from + (HALVES ? i + args.n_head / 2u : 2u * i + 1u)] = v.y;
        }
    }
}
