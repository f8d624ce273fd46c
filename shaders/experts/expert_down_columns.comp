#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_buffer_reference2 : require
#extension GL_EXT_buffer_reference_uvec2 : require
#extension GL_KHR_shader_subgroup_ballot : require
#extension GL_KHR_shader_subgroup_basic : require
// expert_down_vec.comp with a column an invocation, for CPUs; see include/columns.glsl. The number of columns
// is a multiple of 64. Workgroups: row tiles x tokens.
layout(local_size_x_id = 3) in;
#define H_ELEMENT float
#define NORM_AFTER
#include "experts/expert_down.glsl"
layout(constant_id = 3) const uint LANES = 8;
layout(constant_id = 4) const uint ROWS = 128;                       // of a workgroup
layout(constant_id = 7) const uint UNITS = 16;
#define X(i) h[i]
const uint TOKENS = 1u, SLOTS = ROWS;
#include "include/columns.glsl"
#include "include/tiles.glsl"

void add_tile() {
    const uint token = tile.y, first = args.first_row + tile.x * ROWS, n = min(ROWS, args.end_row - first);
    const uint h_at = args.h_base + token * args.h_stride, choice = token * args.top_k;
    clear_sums();
    // Round 0 is the shared expert; the chosen ones follow. Experts of one type share a loop, because drivers
    // compile the loop at every start.
    for (uint i = SHARED ? 0u : 1u; i <= args.top_k; i++) {
        const bool is_expert = i > 0u;
        const Bound w =
            choose(is_expert, BOUND(args.down_address, down_words), BOUND(args.shared_address, shared_words));
        uint row = first - args.shared_row, n_cols = args.n_shared, slot = args.top_k;
        float weight = 1.0;
        if (is_expert) {
            slot = i - 1u;
            // slices hold whole experts
            const uint start = ids[args.ids_base + choice + slot] * args.n_rows;
            if (start < args.expert_first || start >= args.expert_end) continue;
            row = start - args.down_row + first;
            n_cols = args.n_inter;
            weight = weights[args.weights_base + choice + slot];
        }
        const uint from[TOKENS] = uint[TOKENS](h_at + slot * args.n_inter);
        if (is_expert || DOWN_TYPE == SHARED_TYPE)
            add_columns(DOWN_TYPE, w, row * row_size(DOWN_TYPE, n_cols), n_cols, n, from, weight, 0u);
        else add_columns(SHARED_TYPE, w, row * row_size(SHARED_TYPE, n_cols), n_cols, n, from, weight, 0u);
    }
    subgroupMemoryBarrierShared();
    for (uint r = gl_LocalInvocationID.x; r < n; r += LANES) {
        const uint i = token * args.n_rows + first + r;
        y[args.y_base + i] = (RESIDUAL ? residual[args.residual_base + i] : 0.0) + total(r);
    }
    if (NORM) norm_after(token, token + 1u, args.n_rows, token, gl_NumWorkGroups.x);
}

void main() {
    for (uint round = 0u; take_tile(round); round++) add_tile();
}
