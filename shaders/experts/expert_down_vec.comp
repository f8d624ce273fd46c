#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_arithmetic : require
// Weighted sum of a tile of rows a workgroup. Workgroups: row tiles x tokens.
layout(local_size_x_id = 3) in;
#define H_ELEMENT vec4
#define NORM_AFTER
#include "experts/expert_down.glsl"
layout(constant_id = 4) const uint ROWS = 4;
#include "experts/expert_down_decode.glsl"
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
        // slices hold whole experts
        const uint row = ids[args.ids_base + token * args.top_k + slot] * args.n_rows;
        if (row < args.expert_first || row >= args.expert_end) continue;
        [[unroll]] for (uint r = 0u; r < ROWS; r++)
            at[r] = (row - args.down_row + min(first + r, last)) * row_size(DOWN_TYPE, args.n_inter);
        down_add_dots(
            DOWN_TYPE, at, args.n_inter, h_at + slot * args.n_inter / 4u,
            weights[args.weights_base + token * args.top_k + slot], sum);
    }
    const uint y_at = token * args.n_rows;
    [[unroll]] for (uint r = 0u; r < ROWS; r++) reduce_store(r, sum[r]);
    barrier();
    if (lane < ROWS && first + lane <= last)
        y[args.y_base + y_at + first + lane] =
            (RESIDUAL ? residual[args.residual_base + y_at + first + lane] : 0.0) + sums_of(lane);
    if (NORM) norm_after(token, token + 1u, args.n_rows, token, gl_NumWorkGroups.x);
}
