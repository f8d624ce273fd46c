#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
// matmul.comp for many tokens. A workgroup of 16 x 16 computes 64 rows for 16 * TOKENS tokens, in steps of 32
// columns that are dequantised in shared memory. An invocation holds 4 rows x TOKENS tokens. n_cols is a
// multiple of 32, x is aligned to 16 bytes.
layout(local_size_x = 256) in;
#define X_ELEMENT vec4
#include "matmul/matmul.glsl"
layout(constant_id = 2) const uint TOKENS = 4;                         // of an invocation: 1, 2 or 4
#include "quant/decode.glsl"
const uint ROWS = 64u, COLS = 32u;
// [column][row]: four rows are one read; 4 more against bank conflicts
shared float w_tile[COLS][ROWS + 4u];
shared float x_tile[COLS][64u + 4u];                                   // [column][token]

void load_weights(uint i, uint row_at, uint part) {
    vec4 low, high;
    const float scale = w8(TYPE, row_at, part, low, high);
    const uint k = (part & 3u) * 4u;
    [[unroll]] for (uint j = 0u; j < 4u; j++) {
        w_tile[k + j][i] = scale * low[j];
        w_tile[k + 16u + j][i] = scale * high[j];
    }
}

void main() {
    const uint id = gl_LocalInvocationID.x, mat = gl_WorkGroupID.z, n_here = 16u * TOKENS,
        token = gl_WorkGroupID.y * n_here;
    // Each invocation loads a quarter of a block
    const uint size = row_size(TYPE, args.n_cols), tile_row = id / 4u, tile_part = id % 4u;
    const uint row_lane = id % 16u * 4u, token_lane = id / 16u * TOKENS;
    const uint x_at = (args.x_base + (args.first_mat + mat) * args.x_mat_stride) / 4u;
    for (uint row = gl_WorkGroupID.x * ROWS; row < args.n_rows; row += gl_NumWorkGroups.x * ROWS) {
        const uint row_at = (mat * args.n_rows + min(row + tile_row, args.n_rows - 1u)) * size;
        vec4 sum[4];
        [[unroll]] for (uint t = 0u; t < TOKENS; t++) sum[t] = vec4(0.0);
        for (uint k = 0u; k < args.n_cols; k += COLS) {
            load_weights(tile_row, row_at, k / 8u + tile_part);
            for (uint i = id; i < n_here * 8u; i += 256u) {
                const uint t = i / 8u, quad = i % 8u;
                const vec4 v =
                    x[x_at + min(token + t, args.n_tokens - 1u) * (args.x_token_stride / 4u) + k / 4u + quad];
                [[unroll]] for (uint j = 0u; j < 4u; j++) x_tile[quad * 4u + j][t] = v[j];
            }
            barrier();
            [[unroll]] for (uint c = 0u; c < COLS; c++) {
                const vec4 w =
                    vec4(w_tile[c][row_lane], w_tile[c][row_lane + 1u], w_tile[c][row_lane + 2u],
                    w_tile[c][row_lane + 3u]);
                [[unroll]] for (uint t = 0u; t < TOKENS; t++) sum[t] += w * x_tile[c][token_lane + t];
            }
            barrier();
        }
        [[unroll]] for (uint t = 0u; t < TOKENS; t++) {
            const uint at = token + token_lane + t;
            if (at >= args.n_tokens) continue;
            const uint i = at * args.y_token_stride + (args.first_mat + mat) * args.y_mat_stride +
                args.first_row + row + row_lane;
            for (uint r = 0u; r < 4u && row + row_lane + r < args.n_rows; r++)
                y[args.y_base + i + r] = RESIDUAL ? residual[args.residual_base + i + r] + sum[t][r]
                    : sum[t][r];
        }
    }
}
