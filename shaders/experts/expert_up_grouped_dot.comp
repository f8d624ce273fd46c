#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_spirv_intrinsics : require
// expert_up_grouped.comp with integer dot products, from tiles
// of signed bytes. Weights have types of quant/packed.h.
layout(local_size_x = 256) in;
#define X_ELEMENT vec4
#include "experts/expert_up.glsl"
#define WEIGHTS 2u
layout(constant_id = 4) const uint TOKENS = 1;                               // of an invocation: 1 or 2
#include "experts/expert_up_decode.glsl"
#define X4(i) x[i]
#include "experts/expert_group.glsl"
#include "matmul/dot_tile.glsl"
LOAD_TILE(gate, 0u)
LOAD_TILE(up, 1u)
LOAD_TILE(shared_gate, 0u)
LOAD_TILE(shared_up, 1u)

#include "experts/expert_swiglu.glsl"

void main() {
    const uint id = gl_LocalInvocationID.x, n_inter = max(args.n_inter, 1u), n_blocks = args.n_cols / 32u;
    const bool gate_halves = has_halves(GATE_TYPE) || has_halves(SHARED_GATE_TYPE),
        up_halves = has_halves(UP_TYPE) || has_halves(SHARED_UP_TYPE);
    const bool gate_minimum = has_minimum(GATE_TYPE) || has_minimum(SHARED_GATE_TYPE);
    const bool up_minimum = has_minimum(UP_TYPE) || has_minimum(SHARED_UP_TYPE);
    const job mine =
        find_job(args.expert_first / n_inter, (args.expert_end - args.expert_first) / n_inter, n_inter,
        args.shared_first, args.shared_end, TILE_ROWS);
    if (mine.n_rows == 0u) return;
    const uint n = mine.is_expert ? find_group(mine.expert) : args.n_tokens,
               row = mine.is_expert ? mine.expert * args.n_inter + mine.first_row : mine.first_row;
    for (uint start = 0u; start < n; start += TILE_TOKENS) {
        if (id < TILE_TOKENS)
            x_at[id] =
                (args.x_base + find_choice(mine, min(start + id, n - 1u)) / (args.top_k + 1u) * args.n_cols) /
                4u;
        barrier();
        vec4 gate[TOKENS], up[TOKENS];
        [[unroll]] for (uint t = 0u; t < TOKENS; t++) gate[t] = up[t] = vec4(0.0);
        for (uint block = 0u; block < n_blocks; block += TILE_BLOCKS) {
            if (mine.is_expert) {
                gate_load(GATE_TYPE, args.n_cols, row - args.gate_row, mine.n_rows, block);
                up_load(UP_TYPE, args.n_cols, row - args.up_row, mine.n_rows, block);
            } else {
                shared_gate_load(SHARED_GATE_TYPE, args.n_cols, row - args.shared_gate_row, mine.n_rows,
                    block);
                shared_up_load(SHARED_UP_TYPE, args.n_cols, row - args.shared_up_row, mine.n_rows, block);
            }
            x_load(args.n_cols, block);
            multiply(gate_halves, gate_minimum, 0u, min(TILE_BLOCKS, n_blocks - block), gate);
            multiply(up_halves, up_minimum, 1u, min(TILE_BLOCKS, n_blocks - block), up);
            barrier();
        }
        [[unroll]] for (uint t = 0u; t < TOKENS; t++) {
            const uint at = start + id / 16u + 16u * t;
            if (at >= n) continue;
            const uint choice = find_choice(mine, at), token = choice / (args.top_k + 1u),
                slot = choice - token * (args.top_k + 1u);
            const vec4 y = swiglu(gate[t], up[t]);
            for (uint r = 0u; r < 4u && id % 16u + 16u * r < mine.n_rows; r++)
                h[args.h_base + token * args.h_stride + slot * args.n_inter + mine.first_row + id % 16u +
                    16u * r] = y[r];
        }
    }
}
