#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_cooperative_matrix : require
// expert_down_grouped.comp on matrix units: float16 operands, float32 sums; see matrix_tile.glsl. The number
// of columns is a multiple of 32.
#define H_ELEMENT vec4
#define GROUPED
#include "experts/expert_down.glsl"
#define TILE_CONSTANT 2
#define WEIGHTS 1u
#include "matmul/matrix_tile.glsl"
#include "experts/expert_down_decode.glsl"
#include "experts/expert_group.glsl"
LOAD_TILE(down, 0u)
LOAD_TILE(shared_down, 0u)

void main() {
    const uint id = gl_LocalInvocationID.x;
    const job mine =
        find_job(args.expert_first / args.n_rows, (args.expert_end - args.expert_first) / args.n_rows,
        args.n_rows, args.first_row, args.end_row, TILE_ROWS);
    if (mine.n_rows == 0u) return;
    const uint n = mine.is_expert ? find_group(mine.expert) : args.n_tokens,
        n_cols = mine.is_expert ? args.n_inter : args.n_shared;
    for (uint start = 0u; start < n; start += TILE_TOKENS) {
        SUM sum[SUMS];
        float seen[QUADS];
        x_begin();
        do {
            [[unroll]] for (uint s = 0u; s < SUMS; s++) sum[s] = SUM(0.0);
            [[unroll]] for (uint i = 0u; i < QUADS; i++) seen[i] = 0.0;
            for (uint k = 0u; k < n_cols; k += TILE_COLS) {
                if (mine.is_expert)
                    down_load(DOWN_TYPE, n_cols, mine.expert * args.n_rows + mine.first_row - args.down_row,
                        mine.n_rows, k);
                else shared_down_load(SHARED_TYPE, n_cols, mine.first_row - args.shared_row, mine.n_rows, k);
                [[unroll]] for (uint i = 0u; i < QUADS; i++) {
                    const uint t = (id + i * INVOCATIONS) / 8u, quad = id % 8u;
                    if (t >= TILE_TOKENS) continue;
                    const uint choice = find_choice(mine, min(start + t, n - 1u)),
                        token = choice / (args.top_k + 1u);
                    const uint at = args.h_base + token * args.h_stride +
                        (choice - token * (args.top_k + 1u)) * args.n_inter + k;
                    x_store(t, quad, h[at / 4u + quad], seen[i]);
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
                if (r >= mine.n_rows || start + t >= n) continue;
                parts[args.parts_base + find_choice(mine, start + t) * args.n_rows + mine.first_row + r] =
                    out_tile[gl_SubgroupID * M * N + i] / x_scale[t];
            }
        }
    }
}
