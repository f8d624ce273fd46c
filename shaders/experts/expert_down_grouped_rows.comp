#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_KHR_shader_subgroup_ballot : require
// Down projections for many tokens on a CPU. A workgroup is one subgroup. An invocation takes 2 * PAIRS rows
// of one expert, or of the shared one, for all tokens that chose the expert, and stores the parts of y.
// expert_down_sum.comp adds the parts. The number of columns is a multiple of 32.
layout(local_size_x_id = 3) in;
#define H_ELEMENT float
#define GROUPED
#include "experts/expert_down.glsl"
layout(constant_id = 2) const uint TOKENS = 4;
layout(constant_id = 4) const uint PAIRS = 2;
#include "experts/expert_down_decode.glsl"
#define X(i) h[i]
#include "include/broadcast.glsl"
#define ONE_SUBGROUP
#include "experts/expert_group.glsl"
#include "experts/expert_rows.glsl"
ADD_PAIRS(down, down)
ADD_PAIRS(shared_down, shared_down)

void main() {
    const uint lanes = gl_WorkGroupSize.x;
    const job mine =
        find_job(args.expert_first / args.n_rows, (args.expert_end - args.expert_first) / args.n_rows,
        args.n_rows, args.first_row, args.end_row, 2u * PAIRS * lanes);
    if (mine.n_rows == 0u) return;
    const uint n = mine.is_expert ? find_group(mine.expert) : args.n_tokens;
    const uint size =
        mine.is_expert ? row_size(DOWN_TYPE, args.n_inter) : row_size(SHARED_TYPE, args.n_shared);
    uint row[2][PAIRS], at[2][PAIRS];
    [[unroll]] for (uint r = 0u; r < 2u * PAIRS; r++) {
        const uint this_row = mine.first_row + min(gl_LocalInvocationID.x + r * lanes, mine.n_rows - 1u);
        row[r & 1u][r >> 1] = this_row;
        at[r & 1u][r >> 1] =
            (mine.is_expert ? mine.expert * args.n_rows + this_row - args.down_row
            : this_row - args.shared_row) * size;
    }
    for (uint start = 0u; start < n; start += TOKENS) {
        float sum[TOKENS][PAIRS], next_sum[TOKENS][PAIRS];
        uint h_at[TOKENS], out_at[TOKENS];
        [[unroll]] for (uint t = 0u; t < TOKENS; t++) {
            const uint choice = find_choice(mine, min(start + t, n - 1u)), token = choice / (args.top_k + 1u);
            const uint first =
                args.h_base + token * args.h_stride + (choice - token * (args.top_k + 1u)) * args.n_inter;
            h_at[t] = subgroupMin(first); // the same in all lanes; subgroupMin() tells the compiler
            out_at[t] = args.parts_base + choice * args.n_rows;
        }
        if (mine.is_expert)
            down_add_pairs(DOWN_TYPE, DOWN_TYPE, at[0], at[1], args.n_inter, h_at, sum, next_sum);
        else
            shared_down_add_pairs(SHARED_TYPE, SHARED_TYPE, at[0], at[1], args.n_shared, h_at, sum, next_sum);
        [[unroll]] for (uint t = 0u; t < TOKENS; t++)
            [[unroll]] for (uint r = 0u; r < 2u * PAIRS; r++)
                if (start + t < n && gl_LocalInvocationID.x + r * lanes < mine.n_rows)
                    parts[out_at[t] + row[r & 1u][r >> 1]] =
                        (r & 1u) == 0u ? sum[t][r >> 1] : next_sum[t][r >> 1];
    }
}
