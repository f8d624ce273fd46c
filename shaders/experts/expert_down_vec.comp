#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#include "experts/expert_down.h"
// Weighted sum of a tile of rows a workgroup. Workgroups: row tiles x tokens.
layout(local_size_x_id = 3) in;
layout(constant_id = 0) const uint DOWN_TYPE = 0;
layout(constant_id = 1) const uint SHARED_TYPE = 0;
layout(constant_id = 2) const bool SHARED = false;
layout(constant_id = 4) const uint ROWS = 4;
layout(constant_id = 5) const bool NORM = false;                     // of y, too
layout(constant_id = 6) const bool RESIDUAL = true;
layout(binding = 0) readonly buffer H { vec4 h[]; };                  // [n_tokens][top_k * n_inter + n_shared]
layout(binding = 1) readonly buffer Ids { uint ids[]; };              // [n_tokens][top_k]
layout(binding = 2) readonly buffer Weights { float weights[]; };     // [n_tokens][top_k]
layout(binding = 3) readonly buffer Residual { float residual[]; };   // [n_tokens][n_rows]; may be y
layout(binding = 4) coherent buffer Y { float y[]; };                // [n_tokens][n_rows]
layout(binding = 5) readonly buffer Down { uint down_words[]; };      // [n_experts][n_rows][n_inter], a window
layout(binding = 6) readonly buffer SharedDown { uint shared_words[]; }; // [n_rows][n_shared], a window
#define NORM_BINDING 7
#include "include/norm_after.glsl"
#define W_NAME down
#define W_WORD(i) down_words[i]
#include "quant/decode.glsl"
#define W_NAME shared_down
#define W_WORD(i) shared_words[i]
#include "quant/decode.glsl"
#define X4(i) h[i]
#define N_SUMS ROWS
#include "experts/expert_vec.glsl"
ADD_DOTS(down)
ADD_DOTS(shared_down)

void main() {
    const uint lane = gl_LocalInvocationID.x, token = gl_WorkGroupID.y;
    const uint first = args.first_row + gl_WorkGroupID.x * ROWS, last = args.end_row - 1u;
    const uint h_at = (args.h_base + token * args.h_stride) / 4u;
    float sum[ROWS];
    uint at[ROWS];
    [[unroll]] for (uint r = 0u; r < ROWS; r++) sum[r] = 0.0;
    if (SHARED) {
        [[unroll]] for (uint r = 0u; r < ROWS; r++)
            at[r] = (min(first + r, last) - args.shared_row) * row_size(SHARED_TYPE, args.n_shared);
        shared_down_add_dots(SHARED_TYPE, at, args.n_shared, h_at + args.top_k * args.n_inter / 4u, 1.0, sum);
    }
    for (uint slot = 0u; slot < args.top_k; slot++) {
        // windows hold whole experts
        const uint row = ids[args.ids_base + token * args.top_k + slot] * args.n_rows;
        if (row < args.expert_first || row >= args.expert_end) continue;
        [[unroll]] for (uint r = 0u; r < ROWS; r++)
            at[r] = (row - args.down_row + min(first + r, last)) * row_size(DOWN_TYPE, args.n_inter);
        down_add_dots(
            DOWN_TYPE, at, args.n_inter, h_at + slot * args.n_inter / 4u, weights[args.weights_base + token * args.top_k + slot], sum);
    }
    const uint y_at = token * args.n_rows;
    [[unroll]] for (uint r = 0u; r < ROWS; r++) reduce_store(r, sum[r]);
    barrier();
    if (lane < ROWS && first + lane <= last)
        y[args.y_base + y_at + first + lane] =
            (RESIDUAL ? residual[args.residual_base + y_at + first + lane] : 0.0) + sums_of(lane);
    if (NORM) norm_after(token, token + 1u, args.n_rows, token, gl_NumWorkGroups.x);
}
