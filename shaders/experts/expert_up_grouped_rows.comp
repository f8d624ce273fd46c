#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_KHR_shader_subgroup_ballot : require
// SwiGLU for many tokens on a CPU. A workgroup is one subgroup. An invocation takes PAIRS rows of one expert
// for all tokens that chose the expert. The number of columns is a multiple of 32.
layout(local_size_x_id = 5) in;
#define X_ELEMENT float
#include "experts/expert_up.glsl"
layout(constant_id = 4) const uint TOKENS = 4;
layout(constant_id = 6) const uint PAIRS = 2;
#include "experts/expert_up_decode.glsl"
#define X(i) x[i]
#include "include/broadcast.glsl"
#define ONE_SUBGROUP
#include "experts/expert_group.glsl"
#include "experts/expert_rows.glsl"
ADD_PAIRS(gate, up)
ADD_PAIRS(shared_gate, shared_up)

#include "experts/expert_swiglu.glsl"

void main() {
    const uint n_inter = max(args.n_inter, 1u), lanes = gl_WorkGroupSize.x;
    const job mine =
        find_job(args.expert_first / n_inter, (args.expert_end - args.expert_first) / n_inter, n_inter,
        args.shared_first, args.shared_end, PAIRS * lanes);
    if (mine.n_rows == 0u) return;
    const uint n = mine.is_expert ? find_group(mine.expert) : args.n_tokens;
    uint row[PAIRS], gate_at[PAIRS], up_at[PAIRS];
    [[unroll]] for (uint r = 0u; r < PAIRS; r++) {
        row[r] = mine.first_row + min(gl_LocalInvocationID.x + r * lanes, mine.n_rows - 1u);
        const uint e = mine.expert * args.n_inter + row[r];
        gate_at[r] = mine.is_expert ? (e - args.gate_row) * row_size(GATE_TYPE, args.n_cols)
                                    : (row[r] - args.shared_gate_row) *
                                        row_size(SHARED_GATE_TYPE, args.n_cols);
        up_at[r] = mine.is_expert ? (e - args.up_row) * row_size(UP_TYPE, args.n_cols)
                                  : (row[r] - args.shared_up_row) * row_size(SHARED_UP_TYPE, args.n_cols);
    }
    for (uint start = 0u; start < n; start += TOKENS) {
        float gate[TOKENS][PAIRS], up[TOKENS][PAIRS];
        uint x_at[TOKENS], out_at[TOKENS];
        [[unroll]] for (uint t = 0u; t < TOKENS; t++) {
            const uint choice = find_choice(mine, min(start + t, n - 1u)), token = choice / (args.top_k + 1u),
                       slot = choice - token * (args.top_k + 1u);
            // The same in all lanes; subgroupMin() tells the compiler
            x_at[t] = subgroupMin(args.x_base + token * args.n_cols);
            out_at[t] = args.h_base + token * args.h_stride + slot * args.n_inter;
        }
        if (mine.is_expert) gate_add_pairs(GATE_TYPE, UP_TYPE, gate_at, up_at, args.n_cols, x_at, gate, up);
        else
            shared_gate_add_pairs(SHARED_GATE_TYPE, SHARED_UP_TYPE, gate_at, up_at, args.n_cols, x_at, gate,
                up);
        [[unroll]] for (uint t = 0u; t < TOKENS; t++)
            [[unroll]] for (uint r = 0u; r < PAIRS; r++)
                if (start + t < n && gl_LocalInvocationID.x + r * lanes < mine.n_rows)
                    h[out_at[t] + row[r]] = swiglu(gate[t][r], up[t][r]);
    }
}
