#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "matmul.h"
// matmul.comp with a row an invocation, for CPUs: x is read once for all lanes, and nothing is reduced. A card would want neighbours to read
// neighbouring words. n_cols is a multiple of 32, x starts at 16 bytes.
layout(local_size_x_id = 3) in;
layout(constant_id = 0) const uint TYPE = 0;
layout(constant_id = 1) const bool RESIDUAL = false;
layout(constant_id = 2) const uint TOKENS = 1;                         // at most 8
layout(constant_id = 4) const uint ROWS = 1;                           // of an invocation, a workgroup's width apart; at most 4
layout(constant_id = 5) const bool NORM = false;                        // of y, too
layout(binding = 0) readonly buffer W { uint words[]; };
layout(binding = 1) readonly buffer X { vec4 x[]; };
layout(binding = 2) readonly buffer Residual { float residual[]; };
layout(binding = 3) coherent buffer Y { float y[]; };
#define NORM_BINDING 4
#include "include/norm_after.glsl"
#define W_NAME w
#define W_WORD(i) words[i]
#include "quant/decode.glsl"
#include "include/read_ahead.glsl"

void main() {
    const uint mat = gl_WorkGroupID.z, token = gl_WorkGroupID.y * TOKENS, size = row_size(TYPE, args.n_cols);
    uint x_at[8]; // past the end the last one is computed again, and not stored
    [[unroll]] for (uint t = 0u; t < TOKENS; t++)
        x_at[t] = (args.x_base + (args.first_mat + mat) * args.x_mat_stride + min(token + t, args.n_tokens - 1u) * args.x_token_stride) / 4u;
    const uint step_rows = gl_WorkGroupSize.x * ROWS, all = gl_NumWorkGroups.z * args.n_rows * size;
    for (uint row = gl_WorkGroupID.x * step_rows + gl_LocalInvocationID.x; row < args.n_rows; row += gl_NumWorkGroups.x * step_rows) {
        float sum[4][8];
        uint row_at[4];
        [[unroll]] for (uint r = 0u; r < ROWS; r++) {
            row_at[r] = (mat * args.n_rows + min(row + r * gl_WorkGroupSize.x, args.n_rows - 1u)) * size;
            [[unroll]] for (uint t = 0u; t < TOKENS; t++) sum[r][t] = 0.0;
        }
        const uint next = (mat * args.n_rows + row - gl_LocalInvocationID.x + step_rows) * size;
        for (uint k = 0u; k < args.n_cols; k += 32u) {
            read_ahead |= w_bits16(ahead_at(TYPE, ROWS, k, next, all - 4u));
            if (TOKENS == 1u && has_blocks(TYPE)) { // holds x and passes by the rows; below it is the other way round
                vec4 v[8];
                [[unroll]] for (uint i = 0u; i < 8u; i++) v[i] = x[x_at[0] + k / 4u + i];
                const float v_sum = has_minimum(TYPE) ? sum_of(v) : 0.0;
                [[unroll]] for (uint r = 0u; r < ROWS; r++) {
                    vec4 q[8];
                    const vec2 scale = w32_parts(TYPE, row_at[r], k, q);
                    vec4 p = q[0] * v[0];
                    [[unroll]] for (uint i = 1u; i < 8u; i++) p += q[i] * v[i];
                    sum[r][0] += scale.x * ((p.x + p.y) + (p.z + p.w));
                    if (has_minimum(TYPE)) sum[r][0] += scale.y * v_sum;
                }
                continue;
            }
            vec4 q[4][8];
            float scale[4];
            [[unroll]] for (uint r = 0u; r < ROWS; r++) scale[r] = w32(TYPE, row_at[r], k, q[r]);
            [[unroll]] for (uint t = 0u; t < TOKENS; t++) {
                vec4 p[4];
                [[unroll]] for (uint r = 0u; r < ROWS; r++) p[r] = vec4(0.0);
                [[unroll]] for (uint i = 0u; i < 8u; i++) {
                    const vec4 v = x[x_at[t] + k / 4u + i];
                    [[unroll]] for (uint r = 0u; r < ROWS; r++) p[r] += q[r][i] * v;
                }
                [[unroll]] for (uint r = 0u; r < ROWS; r++) sum[r][t] += scale[r] * ((p[r].x + p[r].y) + (p[r].z + p[r].w));
            }
        }
        [[unroll]] for (uint t = 0u; t < TOKENS; t++) {
            const uint at = (token + t) * args.y_token_stride + (args.first_mat + mat) * args.y_mat_stride + args.first_row + row;
            [[unroll]] for (uint r = 0u; r < ROWS; r++) {
                const uint i = at + r * gl_WorkGroupSize.x;
                if (token + t < args.n_tokens && row + r * gl_WorkGroupSize.x < args.n_rows)
                    y[args.y_base + i] = RESIDUAL ? residual[args.residual_base + i] + (sum[r][t] + read_nothing()) : sum[r][t] + read_nothing();
            }
        }
    }
    if (NORM) norm_after(token, min(token + TOKENS, args.n_tokens), args.n_rows, gl_WorkGroupID.y, gl_NumWorkGroups.x);
}
