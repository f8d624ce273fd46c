#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
// Router: logits of ROWS experts a workgroup, in the exact order. The last workgroup of a token chooses.
// Workgroups: row tiles x tokens.
layout(local_size_x = 32) in;
#define X_ELEMENT float
#include "experts/expert_gate.glsl"
#include "quant/decode.glsl"
#define ROWS 8
#define N_DOTS ROWS
#include "experts/expert_dots.glsl"
#include "experts/expert_choice.glsl"

void main() {
    const uint lane = gl_LocalInvocationID.x, token = gl_WorkGroupID.y, first = gl_WorkGroupID.x * ROWS;
    const uint n = min(ROWS, args.n_rows - first), size = row_size(TYPE, args.n_cols),
        x_at = args.x_base + token * args.n_cols;
    for (uint i = 0u; i < n; i++) {
        precise float sum = 0.0;
        for (uint k = 4u * lane; k < args.n_cols; k += 4u * DOT_LANES) {
            const vec4 v = w4(TYPE, (first + i) * size, k);
            sum = sum + v.x * x[x_at + k];
            sum = sum + v.y * x[x_at + k + 1u];
            sum = sum + v.z * x[x_at + k + 2u];
            sum = sum + v.w * x[x_at + k + 3u];
        }
        dots[i][lane] = sum;
    }
    barrier();
    const uint logits = args.scratch_base + args.n_tokens + token * args.n_experts;
    if (lane < n) scratch[logits + args.first_row + first + lane] = floatBitsToUint(dots_sum(lane));
    finish(token, logits);
}
