#version 460
#extension GL_GOOGLE_include_directive : require
// SwiGLU of ROWS rows a workgroup, in the exact order. Workgroups:
// (top_k slots x expert tiles, then shared tiles) x tokens.
layout(local_size_x = 32) in;
#define X_ELEMENT float
#include "experts/expert_up.glsl"
#define ROWS 8
#define N_DOTS (2 * ROWS)
#include "experts/expert_dots.glsl"

// Adds the lane's part of the dot products of row_count rows of NAME into dots[at ..]
#define ROWS_OF(NAME) \
    void NAME##_rows(const uint type, uint first_row, uint n, uint x_at, uint at) { \
        const uint size = row_size(type, args.n_cols), lane = gl_LocalInvocationID.x; \
        for (uint i = 0u; i < n; i++) { \
            precise float sum = 0.0; \
            for (uint k = 4u * lane; k < args.n_cols; k += 4u * DOT_LANES) { \
                const vec4 v = NAME##4(type, (first_row + i) * size, k); \
                sum = sum + v.x * x[x_at + k]; \
                sum = sum + v.y * x[x_at + k + 1u]; \
                sum = sum + v.z * x[x_at + k + 2u]; \
                sum = sum + v.w * x[x_at + k + 3u]; \
            } \
            dots[at + i][lane] = sum; \
        } \
    }

#include "experts/expert_up_decode.glsl"
ROWS_OF(gate)
ROWS_OF(up)
ROWS_OF(shared_gate)
ROWS_OF(shared_up)

void main() {
    const uint lane = gl_LocalInvocationID.x, token = gl_WorkGroupID.y,
        slot = gl_WorkGroupID.x / max(args.expert_tiles, 1u);
    const uint x_at = args.x_base + token * args.n_cols;
    uint first, n, out_at; // rows of this workgroup, and where the first result goes
    if (args.expert_tiles != 0u && slot < args.top_k) {
        const uint start = (gl_WorkGroupID.x - slot * args.expert_tiles) * ROWS,
            e = ids[args.ids_base + token * args.top_k + slot];
        const uint begin = max(e * args.n_inter + start, args.expert_first);
        const uint end = min(e * args.n_inter + min(start + ROWS, args.n_inter), args.expert_end);
        if (begin >= end) return;
        first = begin;
        n = end - begin;
        out_at = slot * args.n_inter + (begin - e * args.n_inter);
        gate_rows(GATE_TYPE, first - args.gate_row, n, x_at, 0u);
        up_rows(UP_TYPE, first - args.up_row, n, x_at, ROWS);
    } else {
        first = args.shared_first +
            (gl_WorkGroupID.x - (args.expert_tiles != 0u ? args.top_k * args.expert_tiles : 0u)) * ROWS;
        n = min(ROWS, args.shared_end - first);
        out_at = args.top_k * args.n_inter + first;
        shared_gate_rows(SHARED_GATE_TYPE, first - args.shared_gate_row, n, x_at, 0u);
        shared_up_rows(SHARED_UP_TYPE, first - args.shared_up_row, n, x_at, ROWS);
    }
    barrier();
    if (lane >= n) return;
    precise float y =
        exact_silu(min(dots_sum(lane), args.limit)) * clamp(dots_sum(ROWS + lane), -args.limit, args.limit);
    h[args.h_base + token * args.h_stride + out_at + lane] = y;
}
