#version 460
#extension GL_GOOGLE_include_directive : require
#include "latent_attention.h"
// Absorbed attention. A workgroup takes one split of SPLIT positions, up to HEADS heads, one token; a second dispatch (MERGE) adds the
// splits up. Exact: the split is aligned to absolute positions, so that what a token gets depends on its own position alone.
//   score   one invocation a position: four sums, of the elements 4i, 4i + 1, 4i + 2, 4i + 3, then (0 + 1) + (2 + 3), times scale
//   l       16 sums, of the positions i, i + 16, …, then in order
//   values  positions in order
layout(local_size_x = 64) in;
layout(constant_id = 0) const uint CACHE = 0;                      // type of the cache: F32, F16 or Q8_0
layout(constant_id = 1) const uint PAGE = 64;                      // FATHOM_PAGE
layout(constant_id = 2) const uint SPLIT = 256;                    // FATHOM_SPLIT
layout(constant_id = 3) const bool MERGE = false;
layout(binding = 0) readonly buffer Q { float q[]; };              // [n_tokens][n_heads][kv_rank + n_rope]
layout(binding = 1) readonly buffer Position { uint position[]; };
layout(binding = 2) readonly buffer PageTable { uint page_table[]; };
layout(binding = 3) readonly buffer Pages { uint pages[]; };       // [n_pages][PAGE][kv_rank + n_rope]
layout(binding = 4) buffer Scratch { float scratch[]; };           // [tokens][n_splits][n_heads][kv_rank + 2]
layout(binding = 5) writeonly buffer Out { float result_out[]; };  // [n_tokens][n_heads][kv_rank]
#include "include/latent_read.glsl"
#include "latent_merge.glsl"
const uint HEADS = 4u, PARTS = 16u;                                // HEADS * PARTS invocations
shared float p[HEADS * SPLIT], part[HEADS * PARTS];

void scores(uint head, uint first, uint n) {
    uint q_at[HEADS];
    for (uint h = 0u; h < HEADS; h++)
        q_at[h] = args.q_base + ((args.first_token + gl_WorkGroupID.z) * args.n_heads + min(head + h, args.n_heads - 1u)) * latent_width();
    for (uint j = gl_LocalInvocationID.x; j < n; j += 64u) {
        const uint row = latent_row(first + j);
        precise vec4 sum[HEADS];
        for (uint h = 0u; h < HEADS; h++) sum[h] = vec4(0.0);
        for (uint k = 0u; k < latent_width(); k += 4u) {
            const vec4 c = latent4(row, k);
            for (uint h = 0u; h < HEADS; h++) {
                const uint i = q_at[h] + k;
                sum[h] = sum[h] + c * vec4(q[i], q[i + 1u], q[i + 2u], q[i + 3u]);
            }
        }
        for (uint h = 0u; h < HEADS; h++) {
            precise float s = (sum[h].x + sum[h].y) + (sum[h].z + sum[h].w);
            s = s * args.scale;
            p[h * SPLIT + j] = s;
        }
    }
}

// Turns a head's scores into exp(score - m), and writes m and their sum. PARTS invocations a head.
void soften(uint head, uint split, uint n) {
    const uint h = gl_LocalInvocationID.x / PARTS, i = gl_LocalInvocationID.x % PARTS;
    float m = p[h * SPLIT];
    for (uint j = 1u; j < n; j++) m = max(m, p[h * SPLIT + j]);
    barrier();
    precise float l = 0.0;
    for (uint j = i; j < n; j += PARTS) {
        precise float d = p[h * SPLIT + j] - m;
        const float e = exact_exp(d);
        p[h * SPLIT + j] = e;
        l = l + e;
    }
    part[h * PARTS + i] = l;
    barrier();
    if (i == 0u && head + h < args.n_heads) {
        precise float sum = 0.0;
        for (uint s = 0u; s < PARTS; s++) sum = sum + part[h * PARTS + s];
        scratch[partial_at(split, head + h) + args.kv_rank] = m;
        scratch[partial_at(split, head + h) + args.kv_rank + 1u] = sum;
    }
}

void values(uint head, uint split, uint first, uint n) {
    for (uint k = gl_LocalInvocationID.x * 4u; k < args.kv_rank; k += 256u) {
        precise vec4 sum[HEADS];
        for (uint h = 0u; h < HEADS; h++) sum[h] = vec4(0.0);
        for (uint j = 0u; j < n; j++) {
            const vec4 c = latent4(latent_row(first + j), k);
            for (uint h = 0u; h < HEADS; h++) sum[h] = sum[h] + p[h * SPLIT + j] * c;
        }
        for (uint h = 0u; h < HEADS && head + h < args.n_heads; h++)
            for (uint i = 0u; i < 4u; i++) scratch[partial_at(split, head + h) + k + i] = sum[h][i];
    }
}

void main() {
    if (MERGE) {
        merge(gl_WorkGroupID.y);
        return;
    }
    const uint head = gl_WorkGroupID.y * HEADS, at = token_position();
    for (uint split = gl_WorkGroupID.x; split <= at / SPLIT; split += gl_NumWorkGroups.x) {
        const uint first = split * SPLIT, n = min(at - first + 1u, SPLIT);
        scores(head, first, n);
        barrier();
        soften(head, split, n);
        values(head, split, first, n);
        barrier(); // p has been read
    }
}
