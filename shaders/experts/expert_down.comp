#version 460
#extension GL_GOOGLE_include_directive : require
// Weighted sum of ROWS rows a workgroup, in the exact order. Workgroups: row tiles x tokens.
layout(local_size_x = 32) in;
#define H_ELEMENT float
#include "experts/expert_down.glsl"
#define ROWS 16
#define N_DOTS ROWS
#include "experts/expert_dots.glsl"

#define ROWS_OF(NAME) \
    void NAME##_rows(const uint type, uint first_row, uint n, uint n_cols, uint h_at) { \
        const uint size = row_size(type, n_cols), lane = gl_LocalInvocationID.x; \
        for (uint i = 0u; i < n; i++) { \
            precise float sum = 0.0; \
            for (uint k = 4u * lane; k < n_cols; k += 4u * DOT_LANES) { \
                const vec4 v = NAME##4(type, (first_row + i) * size, k); \
                sum = sum + v.x * h[h_at + k]; \
                sum = sum + v.y * h[h_at + k + 1u]; \
                sum = sum + v.z * h[h_at + k + 2u]; \
                sum = sum + v.w * h[h_at + k + 3u]; \
            } \
            dots[i][lane] = sum; \
        } \
    }

#include "experts/expert_down_decode.glsl"
ROWS_OF(down)
ROWS_OF(shared_down)

void main() {
    const uint lane = gl_LocalInvocationID.x, token = gl_WorkGroupID.y,
        first = args.first_row + gl_WorkGroupID.x * ROWS;
    const uint n = min(ROWS, args.end_row - first), h_at = args.h_base + token * args.h_stride;
    precise float sum = 0.0;
    if (RESIDUAL && lane < n) sum = residual[args.residual_base + token * args.n_rows + first + lane];
    if (SHARED) {
        shared_down_rows(SHARED_TYPE, first - args.shared_row, n, args.n_shared,
            h_at + args.top_k * args.n_inter);
        barrier();
        if (lane < n) sum = sum + dots_sum(lane);
    }
    for (uint slot = 0u; slot < args.top_k; slot++) {
        // ids are the same for the whole workgroup, and so is every condition on them
        const uint row = ids[args.ids_base + token * args.top_k + slot] * args.n_rows + first;
        const uint begin = max(row, args.expert_first), end = min(row + n, args.expert_end);
        if (begin >= end) continue;
        barrier();
        down_rows(DOWN_TYPE, begin - args.down_row, end - begin, args.n_inter, h_at + slot * args.n_inter);
        barrier();
        if (row + lane >= begin && row + lane < end) {
            precise float part =
                weights[args.weights_base + token * args.top_k + slot] * dots_sum(row + lane - begin);
            sum = sum + part;
        }
    }
    if (lane < n) y[args.y_base + token * args.n_rows + first + lane] = sum;
}
