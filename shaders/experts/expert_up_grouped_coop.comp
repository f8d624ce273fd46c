#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_cooperative_matrix : require
// expert_up_grouped.comp on matrix units: float16 operands, float32 sums; see matrix_tile.glsl. The number of
// columns is a multiple of 32.
#define X_ELEMENT vec4
#include "experts/expert_up.glsl"
#define TILE_CONSTANT 4
#define WEIGHTS 2u
#include "matmul/matrix_tile.glsl"
#include "experts/expert_up_decode.glsl"
#include "experts/expert_group.glsl"
LOAD_TILE(gate, 0u)
LOAD_TILE(up, 1u)
LOAD_TILE(shared_gate, 0u)
LOAD_TILE(shared_up, 1u)

const float NO_LIMIT = 3.4028234e38;

void main() {
    const uint id = gl_LocalInvocationID.x, n_inter = max(args.n_inter, 1u);
    const job mine =
        find_job(args.expert_first / n_inter, (args.expert_end - args.expert_first) / n_inter, n_inter,
        args.shared_first, args.shared_end, TILE_ROWS);
    if (mine.n_rows == 0u) return;
    const uint n = mine.is_expert ? find_group(mine.expert) : args.n_tokens,
               row = mine.is_expert ? mine.expert * args.n_inter + mine.first_row : mine.first_row;
    for (uint start = 0u; start < n; start += TILE_TOKENS) {
        SUM sum[2u * SUMS];
        float seen[QUADS];
        x_begin();
        do {
            [[unroll]] for (uint s = 0u; s < 2u * SUMS; s++) sum[s] = SUM(0.0);
            [[unroll]] for (uint i = 0u; i < QUADS; i++) seen[i] = 0.0;
            for (uint k = 0u; k < args.n_cols; k += TILE_COLS) {
                if (mine.is_expert) {
                    gate_load(GATE_TYPE, args.n_cols, row - args.gate_row, mine.n_rows, k);
                    up_load(UP_TYPE, args.n_cols, row - args.up_row, mine.n_rows, k);
                } else {
                    shared_gate_load(SHARED_GATE_TYPE, args.n_cols, row - args.shared_gate_row, mine.n_rows,
                        k);
                    shared_up_load(SHARED_UP_TYPE, args.n_cols, row - args.shared_up_row, mine.n_rows, k);
                }
                [[unroll]] for (uint i = 0u; i < QUADS; i++) {
                    const uint t = (id + i * INVOCATIONS) / 8u, quad = id % 8u;
                    if (t >= TILE_TOKENS) continue;
                    const uint token = find_choice(mine, min(start + t, n - 1u)) / (args.top_k + 1u);
                    x_store(t, quad, x[(args.x_base + token * args.n_cols + k) / 4u + quad], seen[i]);
                }
                barrier();
                MULTIPLY(sum)
                barrier();
            }
        } while (x_rescale(seen));
        [[unroll]] for (uint s = 0u; s < SUMS; s++) {
            const uint out_at = gl_SubgroupID * M * N, first_row = sub_row(s / SUB_TOKENS),
                first_token = sub_token(s % SUB_TOKENS);
            SUM up = sum[SUMS + s];
            if (args.limit < NO_LIMIT) {
                STORE_SUM(up)
                for (uint i = id % LANES; i < M * N; i += LANES) {
                    const float most = args.limit * x_scale[first_token + i / M];
                    out_tile[out_at + i] = clamp(out_tile[out_at + i], -most, most);
                }
                barrier();
                coopMatLoad(up, out_tile, out_at, M, gl_CooperativeMatrixLayoutColumnMajor);
                barrier();
            }
            STORE_SUM(sum[s])
            for (uint i = id % LANES; i < M * N; i += LANES) {
                const float g = min(out_tile[out_at + i] / x_scale[first_token + i / M], args.limit);
                out_tile[out_at + i] = g / (1.0 + exp(-g));
            }
            barrier();
            SUM gate;
            coopMatLoad(gate, out_tile, out_at, M, gl_CooperativeMatrixLayoutColumnMajor);
            const SUM product = up * gate;
            STORE_SUM(product)
            for (uint i = id % LANES; i < M * N; i += LANES) {
                const uint r = first_row + i % M, t = first_token + i / M;
                if (r >= mine.n_rows || start + t >= n) continue;
                const uint choice = find_choice(mine, start + t), token = choice / (args.top_k + 1u),
                    slot = choice - token * (args.top_k + 1u);
                h[args.h_base + token * args.h_stride + slot * args.n_inter + mine.first_row + r] =
                    out_tile[out_at + i] / x_scale[t];
            }
        }
    }
}
