#version 460
#extension GL_GOOGLE_include_directive : require
// expanded_keys.comp as a tiled matrix product. A workgroup computes 64 positions x 64 numbers of one head,
// an invocation 4 x 4 of them.
layout(local_size_x = 256) in;
#define RESULT_ELEMENT float
#include "attention/expanded_keys.glsl"
#include "quant/decode.glsl"
// DEPTH: values of r at once; STRIDE: fours of a tile's row, and one against bank conflicts
const uint DEPTH = 32u, STRIDE = 17u;
shared vec4 latents[DEPTH * STRIDE], weights[DEPTH * STRIDE];      // [r][position / 4], [r][number / 4]
shared uint row_at[64];

void load(uint r0, uint o0) {
    const uint size = row_size(TYPE, VALUES ? args.kv_rank : args.n_out);
    for (uint i = gl_LocalInvocationID.x; i < 64u * DEPTH / 4u; i += 256u) {
        const uint j = i / (DEPTH / 4u), r = i % (DEPTH / 4u) * 4u;
        const vec4 c = r0 + r < args.kv_rank ? cache4_fast(row_at[j], r0 + r) : vec4(0.0);
        for (uint k = 0u; k < 4u; k++) latents[(r + k) * STRIDE + j / 4u][j % 4u] = c[k];
        if (VALUES) {
            const vec4 v = r0 + r < args.kv_rank && o0 + j < args.n_out
                ? w4(TYPE, (gl_WorkGroupID.z * args.n_out + o0 + j) * size, r0 + r) : vec4(0.0);
            for (uint k = 0u; k < 4u; k++) weights[(r + k) * STRIDE + j / 4u][j % 4u] = v[k];
        } else {
            const uint row = i / 16u, o = i % 16u * 4u;
            weights[row * STRIDE + o / 4u] = r0 + row < args.kv_rank && o0 + o < args.n_out
                ? w4(TYPE, (gl_WorkGroupID.z * args.kv_rank + r0 + row) * size, o0 + o) : vec4(0.0);
        }
    }
}

void main() {
    const uint lane = gl_LocalInvocationID.x, o0 = gl_WorkGroupID.x * 64u, j0 = gl_WorkGroupID.y * 64u;
    const uint width = args.n_out + (VALUES ? 0u : args.n_rope);
    const uint head_at = args.out_base + (args.first_head + gl_WorkGroupID.z) * KV_BLOCK * width;
    if (lane < 64u) row_at[lane] = cache_row(args.first_position + min(j0 + lane, args.n_positions - 1u));
    barrier();
    if (!VALUES && gl_WorkGroupID.x == 0u)
        for (uint i = lane; i < 64u * args.n_rope / 4u; i += 256u) {
            const uint j = i / (args.n_rope / 4u), k = i % (args.n_rope / 4u) * 4u;
            const vec4 c = cache4_fast(row_at[j], args.kv_rank + k);
            if (j0 + j < args.n_positions)
                for (uint e = 0u; e < 4u; e++)
                    result_out[head_at + (j0 + j) * width + args.n_out + k + e] = c[e];
        }

    const uint of = lane % 16u, jf = lane / 16u;
    vec4 sum[4];
    for (uint i = 0u; i < 4u; i++) sum[i] = vec4(0.0);
    for (uint r0 = 0u; r0 < args.kv_rank; r0 += DEPTH) {
        load(r0, o0);
        barrier();
        for (uint r = 0u; r < DEPTH; r++) {
            const vec4 c = latents[r * STRIDE + jf], v = weights[r * STRIDE + of];
            for (uint i = 0u; i < 4u; i++) sum[i] = fma(vec4(c[i]), v, sum[i]);
        }
        barrier();
    }
    const uint o = o0 + of * 4u;
    for (uint i = 0u; i < 4u; i++) {
        const uint j = j0 + jf * 4u + i;
        if (j < args.n_positions && o < args.n_out)
            for (uint e = 0u; e < 4u; e++) result_out[head_at + j * width + o + e] = sum[i][e];
    }
}
