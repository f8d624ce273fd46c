#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#include "expert_down.h"
// Down projections for many tokens on a CPU: a workgroup is one subgroup and takes two rows of one expert, or of the shared one, an
// invocation, for all tokens that chose it, and stores the parts of y; expert_down_sum.comp adds them up. Columns are multiples of 32.
layout(local_size_x_id = 3) in;
layout(constant_id = 0) const uint DOWN_TYPE = 0;
layout(constant_id = 1) const uint SHARED_TYPE = 0;
layout(constant_id = 2) const uint TOKENS = 4;
layout(binding = 0) readonly buffer H { vec4 h[]; };                  // [n_tokens][top_k * n_inter + n_shared]
layout(binding = 1) readonly buffer Ids { uint ids[]; };              // [n_tokens][top_k]
layout(binding = 2) writeonly buffer Parts { float parts[]; };        // [n_tokens][top_k + 1][n_rows]; the shared expert's last
layout(binding = 3) readonly buffer Down { uint down_words[]; };      // [n_experts][n_rows][n_inter], a window
layout(binding = 4) readonly buffer SharedDown { uint shared_words[]; }; // [n_rows][n_shared], a window
#define W_NAME down
#define W_WORD(i) down_words[i]
#include "quant/decode.glsl"
#define W_NAME shared_down
#define W_WORD(i) shared_words[i]
#include "quant/decode.glsl"
#define X4(i) h[i]
#include "expert_group.glsl"
#include "expert_rows.glsl"
ADD_PAIR(down, down)
ADD_PAIR(shared_down, shared_down)

void main() {
    const job mine = find_job(args.expert_first / args.n_rows, (args.expert_end - args.expert_first) / args.n_rows, args.n_rows,
        args.first_row, args.end_row, 2u * gl_WorkGroupSize.x);
    if (mine.n_rows == 0u) return;
    if (mine.is_expert) find_group(mine.expert);
    const uint n = mine.is_expert ? group_size : args.n_tokens, lane = gl_LocalInvocationID.x, next = lane + gl_WorkGroupSize.x;
    const uint row = mine.first_row + min(lane, mine.n_rows - 1u), next_row = mine.first_row + min(next, mine.n_rows - 1u);
    for (uint start = 0u; start < n; start += TOKENS) {
        float sum[TOKENS], next_sum[TOKENS];
        uint h_at[TOKENS], out_at[TOKENS];
        [[unroll]] for (uint t = 0u; t < TOKENS; t++) {
            const uint choice = find_choice(mine, min(start + t, n - 1u)), token = choice / (args.top_k + 1u);
            const uint at = args.h_base + token * args.h_stride + (choice - token * (args.top_k + 1u)) * args.n_inter;
            h_at[t] = subgroupMin(at / 4u); // the same everywhere: now the compiler knows
            out_at[t] = args.parts_base + choice * args.n_rows;
        }
        if (mine.is_expert) {
            const uint size = row_size(DOWN_TYPE, args.n_inter), first = mine.expert * args.n_rows - args.down_row;
            down_add_pair(DOWN_TYPE, DOWN_TYPE, (first + row) * size, (first + next_row) * size, args.n_inter, h_at, sum, next_sum);
        } else {
            const uint size = row_size(SHARED_TYPE, args.n_shared);
            shared_down_add_pair(SHARED_TYPE, SHARED_TYPE, (row - args.shared_row) * size, (next_row - args.shared_row) * size,
                args.n_shared, h_at, sum, next_sum);
        }
        [[unroll]] for (uint t = 0u; t < TOKENS; t++) {
            if (start + t >= n) break;
            if (lane < mine.n_rows) parts[out_at[t] + row] = sum[t];
            if (next < mine.n_rows) parts[out_at[t] + next_row] = next_sum[t];
        }
    }
}
