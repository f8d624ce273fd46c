#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_cooperative_matrix : require
// matmul.comp for many tokens on matrix units: float16 operands, float32 sums; see matrix_tile.glsl. n_cols
// is a multiple of 32, x is aligned to 16 bytes.
#define X_ELEMENT vec4
#include "matmul/matmul.glsl"
#define TILE_CONSTANT 2
#define WEIGHTS 1u
#include "matmul/matrix_tile.glsl"
#include "quant/decode.glsl"
LOAD_TILE(w, 0u)

void main() {
    const uint id = gl_LocalInvocationID.x, mat = gl_WorkGroupID.z, token = gl_WorkGroupID.y * TILE_TOKENS;
    const uint x_at = (args.x_base + (args.first_mat + mat) * args.x_mat_stride) / 4u;
    for (uint row = gl_WorkGroupID.x * TILE_ROWS; row < args.n_rows; row += gl_NumWorkGroups.x * TILE_ROWS) {
        SUM sum[SUMS];
        float seen[QUADS];
        x_begin();
        do {
            [[unroll]] for (uint s = 0u; s < SUMS; s++) sum[s] = SUM(0.0);
            [[unroll]] for (uint i = 0u; i < QUADS; i++) seen[i] = 0.0;
            for (uint k = 0u; k < args.n_cols; k += TILE_COLS) {
                w_load(TYPE, args.n_cols, mat * args.n_rows + row, args.n_rows - row, k);
                [[unroll]] for (uint i = 0u; i < QUADS; i++) {
                    const uint t = (id + i * INVOCATIONS) / 8u, quad = id % 8u;
                    if (t >= TILE_TOKENS) continue;
                    x_store(t, quad,
                        x[x_at + min(token + t, args.n_tokens - 1u) * (args.x_token_stride / 4u) + k / 4u +
                        quad], seen[i]);
                }
                barrier();
                MULTIPLY(sum)
                barrier();
            }
        } while (x_rescale(seen));
        [[unroll]] for (uint s = 0u; s < SUMS; s++) {
            STORE_SUM(sum[s])
            for (uint i = id % LANES; i < M * N; i += LANES) {
                const uint r = sub_row(s / SUB_TOKENS) + i % M, t = sub_token(s % SUB_TOKENS) + i / M;
                if (row + r >= args.n_rows || token + t >= args.n_tokens) continue;
                const uint at = (token + t) * args.y_token_stride +
                    (args.first_mat + mat) * args.y_mat_stride + args.first_row + row + r;
                const float v = out_tile[gl_SubgroupID * M * N + i] / x_scale[t];
                y[args.y_base + at] = RESIDUAL ? residual[args.residual_base + at] + v : v;
            }
        }
    }
}
