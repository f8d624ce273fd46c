#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_ballot : require
#include "expanded_keys.h"
// expanded_keys.comp for CPUs: an invocation makes four numbers of POSITIONS positions; what is decoded of a weight serves them all. The workgroup is one
// subgroup, whose lanes load a part of the latents each and hand it round (see include/broadcast.glsl).
layout(local_size_x_id = 5) in;
layout(constant_id = 0) const uint CACHE = 0;                      // type of the cache: F32, F16 or Q8_0
layout(constant_id = 1) const uint PAGE = 64;                      // FATHOM_PAGE
layout(constant_id = 2) const uint TYPE = 0;
layout(constant_id = 3) const bool VALUES = false;
layout(constant_id = 4) const uint BLOCK = 512;                    // rows of a head
layout(constant_id = 6) const uint POSITIONS = 32;                 // up to 8, or a multiple of it
layout(binding = 0) readonly buffer W { uint words[]; };           // [heads][kv_rank][n_out], VALUES: [heads][n_out][kv_rank]
layout(binding = 1) readonly buffer PageTable { uint page_table[]; };
layout(binding = 2) readonly buffer Pages { uint pages[]; };
layout(binding = 3) writeonly buffer Out { float result_out[]; };  // [n_heads][BLOCK][n_out + (VALUES ? 0 : n_rope)]
uint row_width() { return args.kv_rank + args.n_rope; }
#include "include/cache_read.glsl"
#define W_NAME w
#define W_WORD(i) words[i]
#include "quant/decode.glsl"
const uint LANES = gl_WorkGroupSize.x, DEPTH = 2u * LANES;          // DEPTH: r of one decoding; a lane loads two
const uint AT_ONCE = POSITIONS < 8u ? POSITIONS : 8u;              // those whose sums are in registers

float loaded[DEPTH * 4u];                                          // [r][number]

// Numbers o[] of r0 to r0 + DEPTH - 1; zeros past the last r.
void load_weights(uint first, uint size, uint o[4], uint r0) {
    for (uint r = 0u; r < DEPTH; r += 4u)
        for (uint e = 0u; e < 4u; e++) {
            const bool there = r0 + r < args.kv_rank; // kv_rank is a multiple of 4
            const uint from = there ? r0 + r : 0u;
            const vec4 v = VALUES ? w4(TYPE, first + o[e] * size, from) : w4(TYPE, first + (from + e) * size, o[0]);
            for (uint i = 0u; i < 4u; i++) loaded[VALUES ? (r + i) * 4u + e : (r + e) * 4u + i] = there ? v[i] : 0.0;
        }
}

void main() {
    const uint lane = gl_LocalInvocationID.x, j0 = gl_WorkGroupID.y * POSITIONS, o0 = gl_WorkGroupID.x * LANES * 4u;
    const uint width = args.n_out + (VALUES ? 0u : args.n_rope);
    const uint head_at = args.out_base + (args.first_head + gl_WorkGroupID.z) * BLOCK * width;
    const uint size = row_size(TYPE, VALUES ? args.kv_rank : args.n_out);
    const uint first = gl_WorkGroupID.z * (VALUES ? args.n_out : args.kv_rank) * size;
    uint row_at[POSITIONS];
    [[unroll]] for (uint p = 0u; p < POSITIONS; p += LANES) {
        const uint mine = cache_row(args.first_position + min(j0 + p + lane, args.n_positions - 1u));
        [[unroll]] for (uint i = 0u; i < LANES && p + i < POSITIONS; i++) row_at[p + i] = subgroupBroadcast(mine, i);
    }
    uint o[4], from[4]; // keys: four adjacent numbers, decoded together; values: rows of the weight, a workgroup's width apart
    [[unroll]] for (uint e = 0u; e < 4u; e++) {
        o[e] = o0 + (VALUES ? e * LANES + lane : lane * 4u + e);
        from[e] = min(o[e], args.n_out - (VALUES ? 1u : 4u));
    }
    float sum[POSITIONS * 4u];
    [[unroll]] for (uint i = 0u; i < POSITIONS * 4u; i++) sum[i] = 0.0;
    for (uint r0 = 0u; r0 < args.kv_rank; r0 += DEPTH) {
        load_weights(first, size, from, r0);
        [[unroll]] for (uint p0 = 0u; p0 < POSITIONS; p0 += AT_ONCE)
            [[unroll]] for (uint p = 0u; p < AT_ONCE; p++) {
                const vec2 mine = cache2_fast(row_at[p0 + p], min(r0 + lane * 2u, args.kv_rank - 2u));
                [[unroll]] for (uint i = 0u; i < LANES; i++) {
                    const vec2 c = subgroupBroadcast(mine, i);
                    [[unroll]] for (uint e = 0u; e < 4u; e++) {
                        const uint to = (p0 + p) * 4u + e, r = i * 2u;
                        sum[to] = fma(loaded[r * 4u + 4u + e], c.y, fma(loaded[r * 4u + e], c.x, sum[to]));
                    }
                }
            }
    }
    [[unroll]] for (uint p = 0u; p < POSITIONS; p++) {
        if (j0 + p < args.n_positions) {
            const uint to = head_at + (j0 + p) * width;
            [[unroll]] for (uint e = 0u; e < 4u; e++)
                if (o[e] < args.n_out) result_out[to + o[e]] = sum[p * 4u + e];
            for (uint k = lane * 2u; !VALUES && gl_WorkGroupID.x == 0u && k < args.n_rope; k += LANES * 2u) {
                const vec2 c = cache2_fast(row_at[p], args.kv_rank + k);
                result_out[to + args.n_out + k] = c.x;
                result_out[to + args.n_out + k + 1u] = c.y;
            }
        }
    }
}
