#version 460
#extension GL_GOOGLE_include_directive : require
#include "attention/index_store.h"
// Prepares the lightning indexer's queries and key of a token. Each query head has one workgroup. One more
// workgroup takes the key, which goes through a layer norm into the cache. The first n_rope values are
// rotated in pairs (i, i + n_rope / 2). Exact: sums are those of rms_norm.comp.
layout(local_size_x = 64) in;
layout(constant_id = 0) const uint CACHE = 0;                      // type of the cache: F32 or F16
layout(constant_id = 1) const uint PAGE = 64;                      // FATHOM_PAGE
layout(binding = 0) buffer Q { float q[]; };                       // [n_tokens][n_heads][n_key]
layout(binding = 1) readonly buffer K { float key[]; };            // [n_tokens][n_key]
layout(binding = 2) readonly buffer W { float w[]; };              // [n_key]
layout(binding = 3) readonly buffer B { float b[]; };              // [n_key]
layout(binding = 4) readonly buffer Table { float table[]; };      // [n_positions][n_rope / 2]{ cos, sin }
layout(binding = 5) readonly buffer Position { uint position[]; };
layout(binding = 6) readonly buffer PageTable { uint page_table[]; };
layout(binding = 7) writeonly buffer Pages { uint pages[]; };      // [n_pages][PAGE][n_key]
shared float partial[64];

uint from, at; // where the token's key begins, and the token's position
float mean, scale;

float sum_all(float v) {
    const uint lane = gl_LocalInvocationID.x;
    barrier(); // all invocations have read the last sum
    partial[lane] = v;
    for (uint half_n = 32u; half_n > 0u; half_n /= 2u) {
        barrier();
        if (lane < half_n) {
            precise float pair = partial[lane] + partial[lane + half_n];
            partial[lane] = pair;
        }
    }
    barrier();
    return partial[0];
}

// Pair i of the rotary part, rotated by the angle of this position
vec2 rotated(uint i, float x, float y) {
    const uint angle = args.table_base + at * args.n_rope + 2u * i;
    const float c = table[angle], s = table[angle + 1u];
    precise vec2 v = vec2(x * c - y * s, x * s + y * c);
    return v;
}

float normed(uint i) {
    precise float v = (key[from + i] - mean) * scale;
    v = v * w[args.w_base + i];
    v = v + b[args.b_base + i];
    return v;
}

float element(uint i) {
    const uint half_n = args.n_rope / 2u, pair = i % half_n;
    if (i >= args.n_rope) return normed(i);
    const vec2 v = rotated(pair, normed(pair), normed(pair + half_n));
    return i < half_n ? v.x : v.y;
}
vec2 cache_pair(uint i) { return vec2(element(2u * i), element(2u * i + 1u)); }
uint row_width() { return args.n_key; }
#include "include/cache_write.glsl"

void rotate_query(uint first) {
    const uint half_n = args.n_rope / 2u;
    for (uint i = gl_LocalInvocationID.x; i < half_n; i += 64u) {
        const vec2 v = rotated(i, q[first + i], q[first + half_n + i]);
        q[first + i] = v.x;
        q[first + half_n + i] = v.y;
    }
}

void store_key() {
    const uint lane = gl_LocalInvocationID.x;
    precise float sum = 0.0, squares = 0.0;
    for (uint i = lane; i < args.n_key; i += 64u) sum = sum + key[from + i];
    mean = sum_all(sum) * args.inv_n_key;
    for (uint i = lane; i < args.n_key; i += 64u) {
        precise float d = key[from + i] - mean;
        squares = squares + d * d;
    }
    precise float variance = sum_all(squares) * args.inv_n_key + args.eps;
    scale = exact_rsqrt(variance);
    const uint entry = at / PAGE;
    if (entry >= args.n_table) return; // the same for the whole workgroup
    const uint page = page_table[args.page_table_base + entry];
    if (page < args.n_pages)
        write_row(args.pages_base + (page * PAGE + at % PAGE) * row_words(), 0u, row_width(), lane, 64u);
}

void main() {
    const uint slot = gl_WorkGroupID.x;
    for (uint t = gl_WorkGroupID.y; t < args.n_tokens; t += gl_NumWorkGroups.y) {
        at = position[args.position_base] + t;
        if (at >= args.n_positions) return;
        from = args.k_base + t * args.n_key;
        if (slot < args.n_heads) rotate_query(args.q_base + (t * args.n_heads + slot) * args.n_key);
        else store_key();
    }
}
