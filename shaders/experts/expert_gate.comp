#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "experts/expert_gate.h"
// Router: logits of ROWS experts a workgroup, in the exact order; the token's last workgroup chooses. Workgroups: row tiles x tokens.
layout(local_size_x = 32) in;
layout(constant_id = 0) const uint TYPE = 0;
layout(constant_id = 1) const uint SCORE = 1;
layout(constant_id = 2) const uint GROUP_SCORE = 0;
layout(constant_id = 3) const bool NORMALISE = false;
layout(constant_id = 4) const bool HAS_BIAS = false;
layout(binding = 0) readonly buffer W { uint words[]; };            // [n_experts][n_cols], this window's rows
layout(binding = 1) readonly buffer X { float x[]; };               // [n_tokens][n_cols]
layout(binding = 2) readonly buffer Bias { float bias[]; };         // [n_experts]
layout(binding = 3) writeonly buffer Ids { uint ids[]; };           // [n_tokens][top_k]
layout(binding = 4) writeonly buffer Weights { float weights[]; };  // [n_tokens][top_k]
layout(binding = 5) coherent buffer Scratch { uint scratch[]; };    // counter[n_tokens], logits[n_tokens][n_experts]
#define W_NAME w
#define W_WORD(i) words[i]
#include "quant/decode.glsl"
#define ROWS 8
#define N_DOTS ROWS
#include "experts/expert_dots.glsl"
#include "experts/expert_choice.glsl"

void main() {
    const uint lane = gl_LocalInvocationID.x, token = gl_WorkGroupID.y, first = gl_WorkGroupID.x * ROWS;
    const uint n = min(ROWS, args.n_rows - first), size = row_size(TYPE, args.n_cols), x_at = args.x_base + token * args.n_cols;
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
