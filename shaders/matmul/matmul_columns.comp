#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_buffer_reference2 : require
#extension GL_EXT_buffer_reference_uvec2 : require
#extension GL_KHR_shader_subgroup_ballot : require
#extension GL_KHR_shader_subgroup_basic : require
// matmul.comp with a column an invocation, for CPUs; see include/columns.glsl. n_cols is a multiple of 64.
layout(local_size_x_id = 3) in;
#define X_ELEMENT float
#define NORM_AFTER
#include "matmul/matmul.glsl"
layout(constant_id = 2) const uint TOKENS = 1;
layout(constant_id = 3) const uint LANES = 8;
layout(constant_id = 4) const uint ROWS = 128;                         // of a workgroup
layout(constant_id = 6) const uint UNITS = 16;
#define X(i) x[i]
const uint SLOTS = TOKENS * ROWS;
#include "include/columns.glsl"
#include "include/tiles.glsl"

void add_tile() {
    const uint mat = tile.z, token = tile.y * TOKENS;
    uint x_at[TOKENS]; // past the end the last one is computed again, and not stored
    [[unroll]] for (uint t = 0u; t < TOKENS; t++)
        x_at[t] = args.x_base + (args.first_mat + mat) * args.x_mat_stride +
            min(token + t, args.n_tokens - 1u) * args.x_token_stride;
    for (uint first = tile.x * ROWS; first < args.n_rows; first += gl_NumWorkGroups.x * ROWS) {
        const uint n = min(ROWS, args.n_rows - first);
        clear_sums();
        add_columns(TYPE, BOUND(args.w_address, words),
            (mat * args.n_rows + first) * row_size(TYPE, args.n_cols), args.n_cols, n, x_at, 1.0, 0u);
        subgroupMemoryBarrierShared();
        for (uint r = gl_LocalInvocationID.x; r < n; r += LANES)
            [[unroll]] for (uint t = 0u; t < TOKENS; t++) {
                const uint i = (token + t) * args.y_token_stride +
                    (args.first_mat + mat) * args.y_mat_stride + args.first_row + first + r;
                const float sum = total(r * TOKENS + t);
                if (token + t < args.n_tokens)
                    y[args.y_base + i] = RESIDUAL ? residual[args.residual_base + i] + sum : sum;
            }
    }
    if (NORM) norm_after(token, min(token + TOKENS, args.n_tokens), args.n_rows, tile.y, gl_NumWorkGroups.x);
}

void main() {
    for (uint round = 0u; take_tile(round); round++) add_tile();
}
