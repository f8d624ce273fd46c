#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_ballot : require
#include "experts/expert_gate.h"
// expert_gate_vec.comp with ROWS rows an invocation, for CPUs. Columns are multiples of 32.
layout(local_size_x_id = 5) in;
layout(constant_id = 0) const uint TYPE = 0;
layout(constant_id = 1) const uint SCORE = 1;
layout(constant_id = 2) const uint GROUP_SCORE = 0;
layout(constant_id = 3) const bool NORMALISE = false;
layout(constant_id = 4) const bool HAS_BIAS = false;
layout(constant_id = 6) const uint ROWS = 2;                         // a workgroup's width apart
const bool AHEAD = false;                                           // a router is small
layout(binding = 0) readonly buffer W { uint words[]; };            // [n_experts][n_cols], this window's rows
layout(binding = 1) readonly buffer X { float x[]; };               // [n_tokens][n_cols]
layout(binding = 2) readonly buffer Bias { float bias[]; };         // [n_experts]
layout(binding = 3) writeonly buffer Ids { uint ids[]; };           // [n_tokens][top_k]
layout(binding = 4) writeonly buffer Weights { float weights[]; };  // [n_tokens][top_k]
layout(binding = 5) coherent buffer Scratch { uint scratch[]; };    // counter[n_tokens], logits[n_tokens][n_experts]
#define W_NAME w
#define W_WORD(i) words[i]
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
    w_add_rows(TYPE, at, args.n_cols, args.x_base + token * args.n_cols, 1.0, (tile + ROWS * lanes) * size, args.n_rows * size - 4u, sum);
    [[unroll]] for (uint r = 0u; r < ROWS; r++)
        if (first + r * lanes < args.n_rows) scratch[logits + args.first_row + first + r * lanes] = floatBitsToUint(sum[r] + read_nothing());
    finish(token, logits);
}
