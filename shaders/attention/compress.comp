#version 460
#extension GL_GOOGLE_include_directive : require
#include "attention/compress.h"
#include "include/exact.glsl"
// One workgroup for each compressed row that the tokens may complete. The row is the mean of its positions,
// weighted element by element, then normed and rotated, and goes into the cache. Positions before the first
// token come from the state. Exact: positions are added in order, and the norm is that of rms_norm.comp.
layout(local_size_x = 64) in;
layout(constant_id = 0) const uint CACHE = 0;                      // type of the cache: F32, F16 or Q8_0
layout(constant_id = 1) const uint PAGE = 64;                      // FATHOM_PAGE
layout(constant_id = 2) const bool OVERLAP = false;
layout(binding = 0) readonly buffer Kv { float kv[]; };            // [n_tokens][width()]
layout(binding = 1) readonly buffer Gate { float gate[]; };        // [n_tokens][width()]
layout(binding = 2) readonly buffer Bias { float bias[]; };        // [ratio][width()]
layout(binding = 3) readonly buffer State { float state[]; };      // [n_state]{ kv[width()], gate[width()] }
layout(binding = 4) readonly buffer W { float w[]; };              // [n_key]
layout(binding = 5) readonly buffer Table { float table[]; };      // [n_positions][n_rope / 2]{ cos, sin }
layout(binding = 6) readonly buffer Position { uint position[]; };
layout(binding = 7) readonly buffer PageTable { uint page_table[]; };
layout(binding = 8) writeonly buffer Pages { uint pages[]; };      // [n_pages][PAGE] rows
const uint MAX_KEY = 512u;
shared float pooled[MAX_KEY], partial[64];

uint at;     // position of the first token
uint begins; // first of the row's own positions
float scale;

uint width() { return OVERLAP ? 2u * args.n_key : args.n_key; }

// kv of position p, and gate with its bias
vec2 element(uint p, uint column) {
    const uint here = (p - at) * width() + column,
        kept = args.state_base + p % args.n_state * 2u * width() + column;
    const bool is_new = p >= at;
    precise float g = is_new ? gate[args.gate_base + here] : state[kept + width()];
    g = g + bias[args.bias_base + p % args.ratio * width() + column];
    return vec2(is_new ? kv[args.kv_base + here] : state[kept], g);
}

float pool(uint column) {
    const uint older = OVERLAP && begins > 0u ? args.ratio : 0u, n = older + args.ratio;
    float most = uintBitsToFloat(0xff800000u);
    for (uint j = 0u; j < n; j++)
        most = max(most, element(begins - older + j, column + (OVERLAP && j >= older ? args.n_key : 0u)).y);
    precise float sum = 0.0, l = 0.0;
    for (uint j = 0u; j < n; j++) {
        const vec2 e = element(begins - older + j, column + (OVERLAP && j >= older ? args.n_key : 0u));
        precise float d = e.y - most;
        const float p = exact_exp(d);
        sum = sum + p * e.x;
        l = l + p;
    }
    precise float mean = sum * exact_reciprocal(l);
    return mean;
}

vec2 cache_pair(uint i) {
    const uint first_rotated = args.n_key - args.n_rope;
    precise vec2 v = vec2(pooled[2u * i], pooled[2u * i + 1u]) * scale;
    v = v * vec2(w[args.w_base + 2u * i], w[args.w_base + 2u * i + 1u]);
    if (2u * i < first_rotated) return v;
    const uint angle = args.table_base + begins * args.n_rope + 2u * i - first_rotated;
    const float c = table[angle], s = table[angle + 1u];
    precise vec2 rotated = vec2(v.x * c - v.y * s, v.x * s + v.y * c);
    return rotated;
}
uint row_width() { return args.n_key; }
#include "include/cache_write.glsl"

void main() {
    const uint lane = gl_LocalInvocationID.x;
    at = position[args.position_base];
    const uint row = at / args.ratio + gl_WorkGroupID.x;
    begins = row * args.ratio;
    const uint entry = (args.first_row + row) / PAGE;
    // the same for the whole workgroup
    if (begins + args.ratio > at + args.n_tokens || begins >= args.n_positions || entry >= args.n_table)
        return;
    const uint page = page_table[args.page_table_base + entry];
    if (page >= args.n_pages) return;
    precise float sum = 0.0;
    for (uint i = lane; i < args.n_key; i += 64u) {
        const float v = pool(i);
        pooled[i] = v;
        sum = sum + v * v;
    }
    partial[lane] = sum;
    for (uint half_n = 32u; half_n > 0u; half_n /= 2u) {
        barrier();
        if (lane < half_n) {
            precise float pair = partial[lane] + partial[lane + half_n];
            partial[lane] = pair;
        }
    }
    barrier();
    precise float mean = partial[0] * args.inv_n_key + args.eps;
    scale = exact_rsqrt(mean);
    write_row(args.pages_base + (page * PAGE + (args.first_row + row) % PAGE) * row_words(), 0u, row_width(),
        lane, 64u);
}
