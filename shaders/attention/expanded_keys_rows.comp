#version 460
#extension GL_GOOGLE_include_directive : require
// expanded_keys.comp for CPUs. An invocation computes four numbers for 16 positions. All lanes share one read
// of the positions' latents, and all 16 positions share what is decoded of a weight.
layout(local_size_x_id = 5) in;
#define RESULT_ELEMENT float
#include "attention/expanded_keys.glsl"
#include "quant/decode.glsl"
const uint POSITIONS = 16u, DEPTH = 64u;                           // DEPTH: values of r at once
shared vec4 latents[POSITIONS * DEPTH / 4u];
shared uint row_at[POSITIONS];

void main() {
    const uint lane = gl_LocalInvocationID.x, lanes = gl_WorkGroupSize.x, j0 = gl_WorkGroupID.y * POSITIONS;
    const uint o0 = gl_WorkGroupID.x * lanes * 4u;
    const uint width = args.n_out + (VALUES ? 0u : args.n_rope);
    const uint head_at = args.out_base + (args.first_head + gl_WorkGroupID.z) * KV_BLOCK * width;
    const uint size = row_size(TYPE, VALUES ? args.kv_rank : args.n_out);
    const uint first = gl_WorkGroupID.z * (VALUES ? args.n_out : args.kv_rank) * size;
    for (uint p = lane; p < POSITIONS; p += lanes)
        row_at[p] = cache_row(args.first_position + min(j0 + p, args.n_positions - 1u));
    barrier();
    if (!VALUES && gl_WorkGroupID.x == 0u)
        for (uint i = lane; i < POSITIONS * args.n_rope / 4u; i += lanes) {
            const uint p = i / (args.n_rope / 4u), k = i % (args.n_rope / 4u) * 4u;
            const vec4 c = cache4_fast(row_at[p], args.kv_rank + k);
            if (j0 + p < args.n_positions)
                for (uint e = 0u; e < 4u; e++)
                    result_out[head_at + (j0 + p) * width + args.n_out + k + e] = c[e];
        }

    // keys: four adjacent numbers, decoded together; values: rows of the weight, a workgroup's width apart
    uint o[4];
    for (uint e = 0u; e < 4u; e++) o[e] = o0 + (VALUES ? e * lanes + lane : lane * 4u + e);
    vec4 sum[POSITIONS];
    for (uint p = 0u; p < POSITIONS; p++) sum[p] = vec4(0.0);
    for (uint r0 = 0u; r0 < args.kv_rank; r0 += DEPTH) {
        const uint n = min(args.kv_rank - r0, DEPTH);
        barrier(); // all invocations have read the last latents
        for (uint i = lane; i < POSITIONS * n / 4u; i += lanes) {
            const uint p = i / (n / 4u), r = i % (n / 4u);
            latents[p * DEPTH / 4u + r] = cache4_fast(row_at[p], r0 + r * 4u);
        }
        barrier();
        for (uint r = 0u; r < n; r += 4u)
            for (uint e = 0u; e < 4u; e++) {
                const vec4 v = VALUES ? w4(TYPE, first + min(o[e], args.n_out - 1u) * size, r0 + r)
                                      : w4(TYPE, first + (r0 + r + e) * size, min(o[0], args.n_out - 4u));
                for (uint p = 0u; p < POSITIONS; p++) {
                    const vec4 c = latents[p * DEPTH / 4u + r / 4u];
                    if (VALUES)
                        sum[p][e] = fma(v.w, c.w, fma(v.z, c.z, fma(v.y, c.y, fma(v.x, c.x, sum[p][e]))));
                    else sum[p] = fma(vec4(c[e]), v, sum[p]);
                }
            }
    }
    for (uint p = 0u; p < POSITIONS; p++)
        for (uint e = 0u; e < 4u; e++)
            if (j0 + p < args.n_positions && o[e] < args.n_out)
                result_out[head_at + (j0 + p) * width + o[e]] = sum[p][e];
}
