#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
// Down projections for many tokens. A workgroup takes 64 rows of one expert, or of the shared one, for all
// tokens that chose the expert, and stores the parts of y. expert_down_sum.comp adds the parts. The number of
// columns is a multiple of 32.
layout(local_size_x = 128) in;
#define H_ELEMENT vec4
#define GROUPED
#include "experts/expert_down.glsl"
layout(constant_id = 2) const uint TOKENS = 1;
#include "experts/expert_down_decode.glsl"
#define X4(i) h[i]
#include "experts/expert_group.glsl"
#include "experts/expert_tile.glsl"
shared vec4 w_tile[TILE_COLS][TILE_ROWS / 4u + 1u]; // [column][row / 4]
LOAD_TILE(down, w_tile)
LOAD_TILE(shared_down, w_tile)

void main() {
    const uint id = gl_LocalInvocationID.x;
    const job mine =
        find_job(args.expert_first / args.n_rows, (args.expert_end - args.expert_first) / args.n_rows,
        args.n_rows, args.first_row, args.end_row, TILE_ROWS);
    if (mine.n_rows == 0u) return;
    const uint n = mine.is_expert ? find_group(mine.expert) : args.n_tokens,
        n_cols = mine.is_expert ? args.n_inter : args.n_shared;
    for (uint start = 0u; start < n; start += TILE_TOKENS) {
        vec4 sum[TOKENS];
        [[unroll]] for (uint t = 0u; t < TOKENS; t++) sum[t] = vec4(0.0);
        for (uint k = 0u; k < n_cols; k += TILE_COLS) {
            if (mine.is_expert)
                down_load(DOWN_TYPE, n_cols, mine.expert * args.n_rows + mine.first_row - args.down_row,
                    mine.n_rows, k);
            else shared_down_load(SHARED_TYPE, n_cols, mine.first_row - args.shared_row, mine.n_rows, k);
            for (uint i = id; i < TILE_TOKENS * 8u; i += 128u) {
                const uint choice = find_choice(mine, min(start + i / 8u, n - 1u)),
                    token = choice / (args.top_k + 1u);
                x_load(
                    i / 8u, i % 8u,
                    (args.h_base + token * args.h_stride +
                    (choice - token * (args.top_k + 1u)) * args.n_inter + k) / 4u);
            }
            barrier();
            [[unroll]] for (uint c = 0u; c < TILE_COLS; c++) {
                const vec4 w = w_tile[c][id % 16u];
                [[unroll]] for (uint t = 0u; t < TOKENS; t++) sum[t] += w * x_tile[c][id / 16u + 8u * t];
            }
            barrier();
        }
        [[unroll]] for (uint t = 0u; t < TOKENS; t++) {
            const uint at = start + id / 16u + 8u * t;
            if (at >= n) continue;
            for (uint r = 0u; r < 4u && id % 16u * 4u + r < mine.n_rows; r++)
                parts[args.parts_base + find_choice(mine, at) * args.n_rows + mine.first_row + id % 16u * 4u +
                    r] = sum[t][r];
        }
    }
}
