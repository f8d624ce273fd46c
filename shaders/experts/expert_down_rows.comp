#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_ballot : require
// expert_down_vec.comp with ROWS rows an invocation, for CPUs. h is loaded once for all lanes and rows; no
// sum crosses lanes. The number of columns is a multiple of 32. Workgroups: row tiles x tokens.
layout(local_size_x_id = 3) in;
#define H_ELEMENT float
#define NORM_AFTER
#include "experts/expert_down.glsl"
layout(constant_id = 4) const uint ROWS = 2;      // rows of an invocation, a workgroup's width apart
layout(constant_id = 7) const bool AHEAD = false; // see read_ahead.glsl
#include "experts/expert_down_decode.glsl"
#define X(i) h[i]
#include "include/broadcast.glsl"
#include "include/add_rows.glsl"
ADD_ROWS(down)
ADD_ROWS(shared_down)

void main() {
    const uint token = gl_WorkGroupID.y, lane = gl_LocalInvocationID.x, lanes = gl_WorkGroupSize.x,
        tile = ROWS * lanes;
    const uint first = args.first_row + gl_WorkGroupID.x * tile, last = args.end_row - 1u;
    const uint h_at = args.h_base + token * args.h_stride, choice = token * args.top_k;
    float sum[ROWS];
    uint at[ROWS];
    [[unroll]] for (uint r = 0u; r < ROWS; r++) sum[r] = 0.0;
    if (SHARED) {
        const uint size = row_size(SHARED_TYPE, args.n_shared), base = args.shared_row;
        [[unroll]] for (uint r = 0u; r < ROWS; r++)
            at[r] = (min(first + lane + r * lanes, last) - base) * size;
        shared_down_add_rows(SHARED_TYPE, at, args.n_shared, h_at + args.top_k * args.n_inter, 1.0,
            (first + tile - base) * size, (args.end_row - base) * size - 4u, sum);
    }
    const uint size = row_size(DOWN_TYPE, args.n_inter), end = (args.expert_end - args.down_row) * size;
    for (uint slot = 0u; slot < args.top_k; slot++) {
        // slices hold whole experts
        const uint row = ids[args.ids_base + choice + slot] * args.n_rows;
        if (row < args.expert_first || row >= args.expert_end) continue;
        [[unroll]] for (uint r = 0u; r < ROWS; r++)
            at[r] = (row - args.down_row + min(first + lane + r * lanes, last)) * size;
        // next: these rows of the next expert, or, after the last expert, the next rows of the first one
        const bool more = slot + 1u < args.top_k;
        const uint next =
            ids[args.ids_base + choice + (more ? slot + 1u : 0u)] * args.n_rows + first + (more ? 0u : tile);
        down_add_rows(DOWN_TYPE, at, args.n_inter, h_at + slot * args.n_inter,
            weights[args.weights_base + choice + slot],
            next < args.down_row ? 0u : (next - args.down_row) * size, end - 4u, sum);
    }
    const uint y_at = token * args.n_rows + first + lane;
    [[unroll]] for (uint r = 0u; r < ROWS; r++)
        if (first + lane + r * lanes <= last)
            y[args.y_base + y_at + r * lanes] =
                (RESIDUAL ? residual[args.residual_base + y_at + r * lanes] : 0.0) + sum[r] + read_nothing();
    if (NORM) norm_after(token, token + 1u, args.n_rows, token, gl_NumWorkGroups.x);
}
