#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_arithmetic : require
// Router: logits of a tile of experts a workgroup. The last
// workgroup of a token chooses. Workgroups: row tiles x tokens.
layout(local_size_x_id = 5) in;
#define X_ELEMENT vec4
#include "experts/expert_gate.glsl"
layout(constant_id = 6) const uint ROWS = 2;
#include "quant/decode.glsl"
#define X4(i) x[i]
#define N_SUMS ROWS
#include "experts/expert_vec.glsl"
#include "experts/expert_choice.glsl"
ADD_DOTS(w)

void main() {
    const uint lane = gl_LocalInvocationID.x, token = gl_WorkGroupID.y, size = row_size(TYPE, args.n_cols);
    const uint first = gl_WorkGroupID.x * ROWS;
    const uint logits = args.scratch_base + args.n_tokens + token * args.n_experts;
    float sum[ROWS];
    uint at[ROWS];
    [[unroll]] for (uint r = 0u; r < ROWS; r++) {
        sum[r] = 0.0;
        at[r] = min(first + r, args.n_rows - 1u) * size;
    }
    w_add_dots(TYPE, at, args.n_cols, (args.x_base + token * args.n_cols) / 4u, 1.0, sum);
    [[unroll]] for (uint r = 0u; r < ROWS; r++) reduce_store(r, sum[r]);
    barrier();
    if (lane < ROWS && first + lane < args.n_rows)
        scratch[logits + args.first_row + first + lane] = floatBitsToUint(sums_of(lane));
    finish(token, logits);
}
