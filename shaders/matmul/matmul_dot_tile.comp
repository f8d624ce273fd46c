#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_spirv_intrinsics : require
// matmul_tile.comp with integer dot products: a workgroup of 16 x 16 computes 64 rows for 16 * TOKENS tokens
// from tiles of signed bytes. Weights have a type of quant/packed.h, x is aligned to 16 bytes.
layout(local_size_x = 256) in;
#define X_ELEMENT vec4
#include "matmul/matmul.glsl"
#define WEIGHTS 1u
layout(constant_id = 2) const uint TOKENS = 4;                         // of an invocation: 1, 2 or 4
#include "quant/decode.glsl"
#define X4(i) x[i]
#include "matmul/dot_tile.glsl"
LOAD_TILE(w, 0u)

void main() {
    const uint id = gl_LocalInvocationID.x, mat = gl_WorkGroupID.z, token = gl_WorkGroupID.y * TILE_TOKENS,
        n_blocks = args.n_cols / 32u;
    if (id < TILE_TOKENS)
        x_at[id] =
            (args.x_base + (args.first_mat + mat) * args.x_mat_stride +
            min(token + id, args.n_tokens - 1u) * args.x_token_stride) / 4u;
    barrier();
    for (uint first = gl_WorkGroupID.x * TILE_ROWS; first < args.n_rows;
        first += gl_NumWorkGroups.x * TILE_ROWS) {
        vec4 sum[TOKENS];
        [[unroll]] for (uint t = 0u; t < TOKENS; t++) sum[t] = vec4(0.0);
        for (uint block = 0u; block < n_blocks; block += TILE_BLOCKS) {
            w_load(TYPE, args.n_cols, mat * args.n_rows + first, args.n_rows - first, block);
            x_load(args.n_cols, block);
            multiply(has_halves(TYPE), has_minimum(TYPE), 0u, min(TILE_BLOCKS, n_blocks - block), sum);
            barrier();
        }
        [[unroll]] for (uint t = 0u; t < TOKENS; t++) {
            const uint at = token + id / 16u + 16u * t, row = first + id % 16u;
            if (at >= args.n_tokens) continue;
            const uint i =
                at * args.y_token_stride + (args.first_mat + mat) * args.y_mat_stride + args.first_row + row;
            for (uint r = 0u; r < 64u && row + r < args.n_rows; r += 16u)
                y[args.y_base + i + r] = RESIDUAL ? residual[args.residual_base + i + r] + sum[t][r / 16u]
                    : sum[t][r / 16u];
        }
    }
}
