#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_ballot : require
// expert_gate_vec.comp with ROWS rows an invocation, for CPUs. The number of columns is a multiple of 32.
layout(local_size_x_id = 5) in;
#define X_ELEMENT float
#include "experts/expert_gate.glsl"
layout(constant_id = 6) const uint ROWS = 2; // rows of an invocation, a workgroup's width apart
const bool AHEAD = false;                    // a router is small
#include "quant/decode.glsl"
#define X(i) x[i]
#include "include/broadcast.glsl"
#include "include/add_rows.glsl"
#include "experts/expert_choice.glsl"
ADD_ROWS(w)

void main() {
    const uint token = gl_WorkGroupID.y, lanes = gl_WorkGroupSize.x, size = row_size(TYPE, args.n_cols);
    const uint tile = gl_WorkGroupID.x * ROWS * lanes, first = tile + gl_LocalInvocationID.x;
    const uint logits = args.scratch_base + args.n_tokens + token * args.n_experts;
    float sum[ROWS];
    uint at[ROWS];
    [[unroll]] for (uint r = 0u; r < ROWS; r++) {
        sum[r] = 0.0;
        at[r] = min(first + r * lanes, args.n_rows - 1u) * size;
    }
    w_add_rows(TYPE, at, args.n_cols, args.x_base + token * args.n_cols, 1.0, (tile + ROWS * lanes) * size,
        args.n_rows * size - 4u, sum);
    [[unroll]] for (uint r = 0u; r < ROWS; r++)
        if (first + r * lanes < args.n_rows)
            scratch[logits + args.first_row + first + r * lanes] = floatBitsToUint(sum[r] + read_nothing());
    finish(token, logits);
}
