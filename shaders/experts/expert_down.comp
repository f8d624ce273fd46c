#version 460
#extension GL_GOOGLE_include_directive : require
#include "experts/expert_down.h"
// Weighted sum of ROWS rows a workgroup, in the exact order. Workgroups: row tiles x tokens.
layout(local_size_x = 32) in;
layout(constant_id = 0) const uint DOWN_TYPE = 0;
layout(constant_id = 1) const uint SHARED_TYPE = 0;
layout(constant_id = 2) const bool SHARED = false;
layout(constant_id = 6) const bool RESIDUAL = true;
layout(binding = 0) readonly buffer H { float h[]; };                 // [n_tokens][top_k * n_inter + n_shared]
layout(binding = 1) readonly buffer Ids { uint ids[]; };              // [n_tokens][top_k]
layout(binding = 2) readonly buffer Weights { float weights[]; };     // [n_tokens][top_k]
layout(binding = 3) readonly buffer Residual { float residual[]; };   // [n_tokens][n_rows]; may be y
layout(binding = 4) writeonly buffer Y { float y[]; };                // [n_tokens][n_rows]
layout(binding = 5) readonly buffer Down { uint down_words[]; };      // [n_experts][n_rows][n_inter], a window
layout(binding = 6) readonly buffer SharedDown { uint shared_words[]; }; // [n_rows][n_shared], a window
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

#define W_NAME down
#define W_WORD(i) down_words[i]
#include "quant/decode.glsl"
#define W_NAME shared_down
#define W_WORD(i) shared_words[i]
#include "quant/decode.glsl"
ROWS_OF(down)
ROWS_OF(shared_down)

void main() {
    const uint lane = gl_LocalInvocationID.x, token = gl_WorkGroupID.y, first = args.first_row + gl_WorkGroupID.x * ROWS;
    const uint n = min(ROWS, args.end_row - first), h_at = args.h_base + token * args.h_stride;
    precise float sum = 0.0;
    if (RESIDUAL && lane < n) sum = residual[args.residual_base + token * args.n_rows + first + lane];
    if (SHARED) {
        shared_down_rows(SHARED_TYPE, first - args.shared_row, n, args.n_shared, h_at + args.top_k * args.n_inter);
        barrier();
        if (lane < n) sum = sum + dots_sum(lane);
    }
    for (uint slot = 0u; slot < args.top_k; slot++) {
        // ids are the same for the whole workgroup, and so is all that decides where it goes
        const uint row = ids[args.ids_base + token * args.top_k + slot] * args.n_rows + first;
        const uint begin = max(row, args.expert_first), end = min(row + n, args.expert_end);
        if (begin >= end) continue;
        barrier();
        down_rows(DOWN_TYPE, begin - args.down_row, end - begin, args.n_inter, h_at + slot * args.n_inter);
        barrier();
        if (row + lane >= begin && row + lane < end) {
            precise float part = weights[args.weights_base + token * args.top_k + slot] * dots_sum(row + lane - begin);
            sum = sum + part;
        }
    }
    if (lane < n) y[args.y_base + token * args.n_rows + first + lane] = sum;
}
