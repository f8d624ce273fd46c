#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_arithmetic : require
// SwiGLU of a tile of rows a workgroup. Workgroups: (top_k slots x expert tiles, then shared tiles) x tokens.
layout(local_size_x_id = 4) in;
#define X_ELEMENT vec4
#include "experts/expert_up.glsl"
layout(constant_id = 5) const uint ROWS = 2;
#include "experts/expert_up_decode.glsl"
#define X4(i) x[i]
#define N_SUMS (2 * ROWS)
#include "experts/expert_vec.glsl"
ADD_DOTS(gate)
ADD_DOTS(up)
ADD_DOTS(shared_gate)
ADD_DOTS(shared_up)

#include "experts/expert_swiglu.glsl"

void main() {
    const uint lane = gl_LocalInvocationID.x, token = gl_WorkGroupID.y,
        slot = gl_WorkGroupID.x / max(args.expert_tiles, 1u);
    const uint x_at = (args.x_base + token * args.n_cols) / 4u;
    float gate[ROWS], up[ROWS];
    uint gate_at[ROWS], up_at[ROWS];
    [[unroll]] for (uint r = 0u; r < ROWS; r++) gate[r] = up[r] = 0.0;
    uint first, n, out_at; // rows of this workgroup, and where the first result goes
    if (args.expert_tiles != 0u && slot < args.top_k) {
        const uint start = (gl_WorkGroupID.x - slot * args.expert_tiles) * ROWS,
            e = ids[args.ids_base + token * args.top_k + slot];
        first = max(e * args.n_inter + start, args.expert_first);
        const uint end = min(e * args.n_inter + min(start + ROWS, args.n_inter), args.expert_end);
        if (first >= end) return;
        n = end - first;
        out_at = slot * args.n_inter + (first - e * args.n_inter);
        [[unroll]] for (uint r = 0u; r < ROWS; r++) {
            const uint row = first + min(r, n - 1u);
            gate_at[r] = (row - args.gate_row) * row_size(GATE_TYPE, args.n_cols);
            up_at[r] = (row - args.up_row) * row_size(UP_TYPE, args.n_cols);
        }
        gate_add_dots(GATE_TYPE, gate_at, args.n_cols, x_at, 1.0, gate);
        up_add_dots(UP_TYPE, up_at, args.n_cols, x_at, 1.0, up);
    } else {
        first = args.shared_first +
            (gl_WorkGroupID.x - (args.expert_tiles != 0u ? args.top_k * args.expert_tiles : 0u)) * ROWS;
        n = min(ROWS, args.shared_end - first);
        out_at = args.top_k * args.n_inter + first;
        [[unroll]] for (uint r = 0u; r < ROWS; r++) {
            const uint row = first + min(r, n - 1u);
            gate_at[r] = (row - args.shared_gate_row) * row_size(SHARED_GATE_TYPE, args.n_cols);
            up_at[r] = (row - args.shared_up_row) * row_size(SHARED_UP_TYPE, args.n_cols);
        }
        shared_gate_add_dots(SHARED_GATE_TYPE, gate_at, args.n_cols, x_at, 1.0, gate);
        shared_up_add_dots(SHARED_UP_TYPE, up_at, args.n_cols, x_at, 1.0, up);
    }
    out_at += args.h_base + token * args.h_stride;
    [[unroll]] for (uint r = 0u; r < ROWS; r++) {
        reduce_store(r, gate[r]);
        reduce_store(ROWS + r, up[r]);
    }
    barrier();
    if (lane < n) h[out_at + lane] = swiglu(sums_of(lane), sums_of(ROWS + lane));
}
