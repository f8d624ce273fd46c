#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
// SwiGLU for many tokens. A workgroup takes 64 rows of one expert for all tokens that chose the expert. The
// number of columns is a multiple of 32.
layout(local_size_x = 128) in;
#define X_ELEMENT vec4
#include "experts/expert_up.glsl"
layout(constant_id = 4) const uint TOKENS = 1;
#include "experts/expert_up_decode.glsl"
#define X4(i) x[i]
#include "experts/expert_group.glsl"
#include "experts/expert_tile.glsl"
// [column][row / 4]
shared vec4 gate_tile[TILE_COLS][TILE_ROWS / 4u + 1u], up_tile[TILE_COLS][TILE_ROWS / 4u + 1u];
LOAD_TILE(gate, gate_tile)
LOAD_TILE(up, up_tile)
LOAD_TILE(shared_gate, gate_tile)
LOAD_TILE(shared_up, up_tile)

#include "experts/expert_swiglu.glsl"

void main() {
    const uint id = gl_LocalInvocationID.x, n_inter = max(args.n_inter, 1u);
    const job mine =
        find_job(args.expert_first / n_inter, (args.expert_end - args.expert_first) / n_inter, n_inter,
        args.shared_first, args.shared_end, TILE_ROWS);
    if (mine.n_rows == 0u) return;
    const uint n = mine.is_expert ? find_group(mine.expert) : args.n_tokens,
               row = mine.is_expert ? mine.expert * args.n_inter + mine.first_row : mine.first_row;
    for (uint start = 0u; start < n; start += TILE_TOKENS) {
        vec4 gate[TOKENS], up[TOKENS];
        [[unroll]] for (uint t = 0u; t < TOKENS; t++) gate[t] = up[t] = vec4(0.0);
        for (uint k = 0u; k < args.n_cols; k += TILE_COLS) {
            if (mine.is_expert) {
                gate_load(GATE_TYPE, args.n_cols, row - args.gate_row, mine.n_rows, k);
                up_load(UP_TYPE, args.n_cols, row - args.up_row, mine.n_rows, k);
            } else {
                shared_gate_load(SHARED_GATE_TYPE, args.n_cols, row - args.shared_gate_row, mine.n_rows, k);
                shared_up_load(SHARED_UP_TYPE, args.n_cols, row - args.shared_up_row, mine.n_rows, k);
            }
            for (uint i = id; i < TILE_TOKENS * 8u; i += 128u) {
                const uint token = find_choice(mine, min(start + i / 8u, n - 1u)) / (args.top_k + 1u);
                x_load(i / 8u, i % 8u, (args.x_base + token * args.n_cols + k) / 4u);
            }
            barrier();
            [[unroll]] for (uint c = 0u; c < TILE_COLS; c++) {
                const vec4 g = gate_tile[c][id % 16u], u = up_tile[c][id % 16u];
                [[unroll]] for (uint t = 0u; t < TOKENS; t++) {
                    const float v = x_tile[c][id / 16u + 8u * t];
                    gate[t] += g * v;
                    up[t] += u * v;
                }
            }
            barrier();
        }
        [[unroll]] for (uint t = 0u; t < TOKENS; t++) {
            const uint at = start + id / 16u + 8u * t;
            if (at >= n) continue;
            const uint choice = find_choice(mine, at), token = choice / (args.top_k + 1u),
                slot = choice - token * (args.top_k + 1u);
            const vec4 y = swiglu(gate[t], up[t]);
            for (uint r = 0u; r < 4u && id % 16u * 4u + r < mine.n_rows; r++)
                h[args.h_base + token * args.h_stride + slot * args.n_inter + mine.first_row + id % 16u * 4u +
                    r] = y[r];
        }
    }
}
