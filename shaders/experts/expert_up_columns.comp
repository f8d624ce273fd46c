#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_buffer_reference2 : require
#extension GL_EXT_buffer_reference_uvec2 : require
#extension GL_KHR_shader_subgroup_ballot : require
#extension GL_KHR_shader_subgroup_basic : require
// expert_up_vec.comp with a column an invocation, for CPUs;
// see include/columns.glsl. n_cols is a multiple of 64.
layout(local_size_x_id = 4) in;
#define X_ELEMENT float
#include "experts/expert_up.glsl"
layout(constant_id = 4) const uint LANES = 8;
layout(constant_id = 5) const uint ROWS = 128; // of a workgroup, of both weights
layout(constant_id = 6) const uint UNITS = 16;
#define X(i) x[i]
// The gate's rows first, then up's
const uint TOKENS = 1u, SLOTS = 2u * ROWS;
#include "include/columns.glsl"
#include "include/tiles.glsl"
#include "experts/expert_swiglu.glsl"

// n rows of gate and up, from these rows of the bound slices on
void add_both(const uint gate_type, const uint up_type, Bound gate, Bound up, uint gate_row, uint up_row,
    uint n, uint x_at) {
    const uint n_units = args.n_cols / 64u, gate_size = row_size(gate_type, args.n_cols),
        up_size = row_size(up_type, args.n_cols);
    for (uint next = 0u; next < n_units; next += UNITS) {
        const uint first = first_unit(next, n_units), from[TOKENS] = uint[TOKENS](x_at + first * 64u);
        load_columns(gate_type, from, next - first, 1.0);
        add_column_tile(
            gate_type, gate, gate_row * gate_size + row_size(gate_type, first * 64u), gate_size, n, 0u);
        if (up_type != gate_type) load_columns(up_type, from, next - first, 1.0);
        add_column_tile(up_type, up, up_row * up_size + row_size(up_type, first * 64u), up_size, n, ROWS);
    }
}

void add_tile() {
    const uint lane = gl_LocalInvocationID.x, token = tile.y;
    const uint slot = tile.x / max(args.expert_tiles, 1u), x_at = args.x_base + token * args.n_cols;
    const bool is_expert = args.expert_tiles != 0u && slot < args.top_k;
    const Bound gate =
        choose(is_expert, BOUND(args.gate_address, gate_words),
        BOUND(args.shared_gate_address, shared_gate_words));
    const Bound up =
        choose(is_expert, BOUND(args.up_address, up_words), BOUND(args.shared_up_address, shared_up_words));
    // Rows of this workgroup, where the first result goes, and the first row of each weight
    uint n, out_at, gate_row, up_row;
    clear_sums();
    if (is_expert) {
        const uint start = (tile.x - slot * args.expert_tiles) * ROWS,
            e = ids[args.ids_base + token * args.top_k + slot];
        const uint first = max(e * args.n_inter + start, args.expert_first);
        const uint end = min(e * args.n_inter + min(start + ROWS, args.n_inter), args.expert_end);
        if (first >= end) return;
        n = end - first;
        out_at = slot * args.n_inter + (first - e * args.n_inter);
        gate_row = first - args.gate_row;
        up_row = first - args.up_row;
    } else {
        const uint first = args.shared_first +
            (tile.x - (args.expert_tiles != 0u ? args.top_k * args.expert_tiles : 0u)) * ROWS;
        n = min(ROWS, args.shared_end - first);
        out_at = args.top_k * args.n_inter + first;
        gate_row = first - args.shared_gate_row;
        up_row = first - args.shared_up_row;
    }
    // Experts and shared expert of the same types share a
    // loop, because drivers compile the loop at every start.
    if (is_expert || (GATE_TYPE == SHARED_GATE_TYPE && UP_TYPE == SHARED_UP_TYPE))
        add_both(GATE_TYPE, UP_TYPE, gate, up, gate_row, up_row, n, x_at);
    else add_both(SHARED_GATE_TYPE, SHARED_UP_TYPE, gate, up, gate_row, up_row, n, x_at);
    subgroupMemoryBarrierShared();
    out_at += args.h_base + token * args.h_stride;
    for (uint r = lane; r < n; r += LANES) h[out_at + r] = swiglu(total(r), total(ROWS + r));
}

void main() {
    for (uint round = 0u; take_tile(round); round++) add_tile();
}
