#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_spirv_intrinsics : require
// expert_down_grouped.comp with integer dot products, from
// tiles of signed bytes. Weights have types of quant/packed.h.
layout(local_size_x = 256) in;
#define H_ELEMENT vec4
#define GROUPED
#include "experts/expert_down.glsl"
#define WEIGHTS 1u
layout(constant_id = 2) const uint TOKENS = 1;                        // of an invocation: 1, 2 or 4
#include "experts/expert_down_decode.glsl"
#define X4(i) h[i]
#include "experts/expert_group.glsl"
#include "matmul/dot_tile.glsl"
LOAD_TILE(down, 0u)
LOAD_TILE(shared_down, 0u)

void main() {
    const uint id = gl_LocalInvocationID.x;
    const bool halves = has_halves(DOWN_TYPE) || has_halves(SHARED_TYPE),
        minimum = has_minimum(DOWN_TYPE) || has_minimum(SHARED_TYPE);
    const job mine =
        find_job(args.expert_first / args.n_rows, (args.expert_end - args.expert_first) / args.n_rows,
        args.n_rows, args.first_row, args.end_row, TILE_ROWS);
    if (mine.n_rows == 0u) return;
    const uint n = mine.is_expert ? find_group(mine.expert) : args.n_tokens,
        n_cols = mine.is_expert ? args.n_inter : args.n_shared, n_blocks = n_cols / 32u;
    for (uint start = 0u; start < n; start += TILE_TOKENS) {
        if (id < TILE_TOKENS) {
            const uint choice = find_choice(mine, min(start + id, n - 1u)),
                token = choice / (args.top_k + 1u);
            x_at[id] =
                (args.h_base + token * args.h_stride + (choice - token * (args.top_k + 1u)) * args.n_inter) /
                4u;
        }
        barrier();
        vec4 sum[TOKENS];
        [[unroll]] for (uint t = 0u; t < TOKENS; t++) sum[t] = vec4(0.0);
        for (uint block = 0u; block < n_blocks; block += TILE_BLOCKS) {
            if (mine.is_expert)
                down_load(DOWN_TYPE, n_cols, mine.expert * args.n_rows + mine.first_row - args.down_row,
                    mine.n_rows, block);
            else shared_down_load(SHARED_TYPE, n_cols, mine.first_row - args.shared_row, mine.n_rows, block);
            x_load(n_cols, block);
            multiply(halves, minimum, 0u, min(TILE_BLOCKS, n_blocks - block), sum);
            barrier();
        }
        [[unroll]] for (uint t = 0u; t < TOKENS; t++) {
            const uint at = start + id / 16u + 16u * t;
            if (at >= n) continue;
            for (uint r = 0u; r < 4u && id % 16u + 16u * r < mine.n_rows; r++)
                parts[args.parts_base + find_choice(mine, at) * args.n_rows + mine.first_row + id % 16u +
                    16u * r] = sum[t][r];
        }
    }
}
