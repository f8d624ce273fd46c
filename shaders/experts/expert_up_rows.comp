#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_ballot : require
// expert_up_vec.comp with ROWS rows an invocation, for CPUs. x is loaded once for all lanes and rows; no sum
// crosses lanes. The number of columns is a multiple of 32.
layout(local_size_x_id = 4) in;
#define X_ELEMENT float
#include "experts/expert_up.glsl"
layout(constant_id = 5) const uint ROWS = 2;      // rows of an invocation, a workgroup's width apart
layout(constant_id = 6) const bool AHEAD = false; // see read_ahead.glsl
#include "experts/expert_up_decode.glsl"
#define X(i) x[i]
#include "include/broadcast.glsl"
#include "include/add_rows.glsl"
ADD_ROWS(gate)
ADD_ROWS(up)
ADD_ROWS(shared_gate)
ADD_ROWS(shared_up)

#include "experts/expert_swiglu.glsl"

void main() {
    const uint lane = gl_LocalInvocationID.x, lanes = gl_WorkGroupSize.x, tile = ROWS * lanes,
        token = gl_WorkGroupID.y;
    const uint slot = gl_WorkGroupID.x / max(args.expert_tiles, 1u), x_at = args.x_base + token * args.n_cols;
    float gate[ROWS], up[ROWS];
    uint gate_at[ROWS], up_at[ROWS];
    [[unroll]] for (uint r = 0u; r < ROWS; r++) gate[r] = up[r] = 0.0;
    uint first, n, out_at; // rows of this workgroup, and where the first result goes
    if (args.expert_tiles != 0u && slot < args.top_k) {
        const uint start = (gl_WorkGroupID.x - slot * args.expert_tiles) * tile,
            e = ids[args.ids_base + token * args.top_k + slot];
        first = max(e * args.n_inter + start, args.expert_first);
        const uint end = min(e * args.n_inter + min(start + tile, args.n_inter), args.expert_end);
        if (first >= end) return;
        n = end - first;
        out_at = slot * args.n_inter + (first - e * args.n_inter);
        const uint gate_size = row_size(GATE_TYPE, args.n_cols), up_size = row_size(UP_TYPE, args.n_cols);
        [[unroll]] for (uint r = 0u; r < ROWS; r++) {
            const uint row = first + min(lane + r * lanes, n - 1u);
            gate_at[r] = (row - args.gate_row) * gate_size;
            up_at[r] = (row - args.up_row) * up_size;
        }
        gate_add_rows(GATE_TYPE, gate_at, args.n_cols, x_at, 1.0, (end - args.gate_row) * gate_size,
            (args.expert_end - args.gate_row) * gate_size - 4u, gate);
        up_add_rows(
            UP_TYPE, up_at, args.n_cols, x_at, 1.0, (end - args.up_row) * up_size,
            (args.expert_end - args.up_row) * up_size - 4u, up);
    } else {
        first = args.shared_first +
            (gl_WorkGroupID.x - (args.expert_tiles != 0u ? args.top_k * args.expert_tiles : 0u)) * tile;
        n = min(tile, args.shared_end - first);
        out_at = args.top_k * args.n_inter + first;
        const uint gate_size = row_size(SHARED_GATE_TYPE, args.n_cols),
            up_size = row_size(SHARED_UP_TYPE, args.n_cols);
        [[unroll]] for (uint r = 0u; r < ROWS; r++) {
            const uint row = first + min(lane + r * lanes, n - 1u);
            gate_at[r] = (row - args.shared_gate_row) * gate_size;
            up_at[r] = (row - args.shared_up_row) * up_size;
        }
        shared_gate_add_rows(SHARED_GATE_TYPE, gate_at, args.n_cols, x_at, 1.0,
            (first + n - args.shared_gate_row) * gate_size,
            (args.shared_end - args.shared_gate_row) * gate_size - 4u, gate);
        shared_up_add_rows(SHARED_UP_TYPE, up_at, args.n_cols, x_at, 1.0,
            (first + n - args.shared_up_row) * up_size, (args.shared_end - args.shared_up_row) * up_size - 4u,
            up);
    }
    out_at += args.h_base + token * args.h_stride + lane;
    [[unroll]] for (uint r = 0u; r < ROWS; r++)
        if (lane + r * lanes < n) h[out_at + r * lanes] = swiglu(gate[r], up[r]) + read_nothing();
}
