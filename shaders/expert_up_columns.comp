#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_buffer_reference2 : require
#extension GL_EXT_buffer_reference_uvec2 : require
#extension GL_KHR_shader_subgroup_ballot : require
#extension GL_KHR_shader_subgroup_basic : require
#include "expert_up.h"
// expert_up_vec.comp with a column an invocation, for CPUs; see include/columns.glsl. n_cols is a multiple of 64.
layout(local_size_x_id = 4) in;
layout(constant_id = 0) const uint GATE_TYPE = 0;
layout(constant_id = 1) const uint UP_TYPE = 0;
layout(constant_id = 2) const uint SHARED_GATE_TYPE = 0;
layout(constant_id = 3) const uint SHARED_UP_TYPE = 0;
layout(constant_id = 4) const uint LANES = 8;
layout(constant_id = 5) const uint ROWS = 128;                               // of a workgroup, of both weights
layout(constant_id = 6) const uint UNITS = 16;
layout(binding = 0) readonly buffer X { float x[]; };                        // [n_tokens][n_cols]
layout(binding = 1) readonly buffer Ids { uint ids[]; };                     // [n_tokens][top_k]
layout(binding = 2) writeonly buffer H { float h[]; };                       // [n_tokens][top_k * n_inter + n_shared]
layout(binding = 3) readonly buffer Gate { uint gate_words[]; };             // [n_experts][n_inter][n_cols], a window
layout(binding = 4) readonly buffer Up { uint up_words[]; };
layout(binding = 5) readonly buffer SharedGate { uint shared_gate_words[]; }; // [n_shared][n_cols], a window
layout(binding = 6) readonly buffer SharedUp { uint shared_up_words[]; };
#define X(i) x[i]
const uint TOKENS = 1u, SLOTS = 2u * ROWS; // first the gate's rows, then up's
#include "include/columns.glsl"
#include "include/tiles.glsl"
#include "expert_swiglu.glsl"

// Rows of both weights from the one at gate_row and up_row of what is bound
void add_both(const uint gate_type, const uint up_type, uvec2 gate, uvec2 up, uint gate_row, uint up_row, uint gate_bytes, uint up_bytes, uint n, uint x_at) {
    const uint n_units = args.n_cols / 64u, gate_size = row_size(gate_type, args.n_cols), up_size = row_size(up_type, args.n_cols);
    for (uint next = 0u; next < n_units; next += UNITS) {
        const uint first = first_unit(next, n_units), from[TOKENS] = uint[TOKENS](x_at + first * 64u);
        load_columns(gate_type, from, next - first, 1.0);
        add_window(gate_type, gate, gate_row * gate_size + row_size(gate_type, first * 64u), gate_size, n, gate_bytes, 0u);
        if (up_type != gate_type) load_columns(up_type, from, next - first, 1.0);
        add_window(up_type, up, up_row * up_size + row_size(up_type, first * 64u), up_size, n, up_bytes, ROWS);
    }
}

void add_tile() {
    const uint lane = gl_LocalInvocationID.x, token = tile.y;
    const uint slot = tile.x / max(args.expert_tiles, 1u), x_at = args.x_base + token * args.n_cols;
    uint n, out_at; // rows of this workgroup, and where the first of them goes
    clear_sums();
    if (args.expert_tiles != 0u && slot < args.top_k) {
        const uint start = (tile.x - slot * args.expert_tiles) * ROWS, e = ids[args.ids_base + token * args.top_k + slot];
        const uint first = max(e * args.n_inter + start, args.expert_first);
        const uint end = min(e * args.n_inter + min(start + ROWS, args.n_inter), args.expert_end);
        if (first >= end) return;
        n = end - first;
        out_at = slot * args.n_inter + (first - e * args.n_inter);
        add_both(GATE_TYPE, UP_TYPE, uvec2(args.gate_address[0], args.gate_address[1]), uvec2(args.up_address[0], args.up_address[1]),
            first - args.gate_row, first - args.up_row, 4u * gate_words.length(), 4u * up_words.length(), n, x_at);
    } else {
        const uint first = args.shared_first + (tile.x - (args.expert_tiles != 0u ? args.top_k * args.expert_tiles : 0u)) * ROWS;
        n = min(ROWS, args.shared_end - first);
        out_at = args.top_k * args.n_inter + first;
        add_both(SHARED_GATE_TYPE, SHARED_UP_TYPE, uvec2(args.shared_gate_address[0], args.shared_gate_address[1]),
            uvec2(args.shared_up_address[0], args.shared_up_address[1]), first - args.shared_gate_row, first - args.shared_up_row,
            4u * shared_gate_words.length(), 4u * shared_up_words.length(), n, x_at);
    }
    subgroupMemoryBarrierShared();
    out_at += args.h_base + token * args.h_stride;
    for (uint r = lane; r < n; r += LANES) h[out_at + r] = swiglu(total(r), total(ROWS + r));
}

void main() {
    for (uint round = 0u; take_tile(round); round++) add_tile();
}
