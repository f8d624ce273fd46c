#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_arithmetic : require
// matmul.comp for few tokens. A workgroup of one subgroup or more shares ROWS rows; neighbouring invocations
// read neighbouring quarters of blocks; x is read once for all rows. n_cols is a multiple of 32, x is aligned
// to 16 bytes.
layout(local_size_x_id = 3) in;
#define X_ELEMENT vec4
#define NORM_AFTER
#include "matmul/matmul.glsl"
layout(constant_id = 2) const uint TOKENS = 1;                         // at most 8
layout(constant_id = 4) const uint ROWS = 4;                           // at most 4
#include "quant/decode.glsl"
// [row and token][subgroup]: at most 16 subgroups
shared float partial[32][16];

void main() {
    const uint lane = gl_LocalInvocationID.x, mat = gl_WorkGroupID.z, token = gl_WorkGroupID.y * TOKENS,
        size = row_size(TYPE, args.n_cols);
    uint x_at[8]; // past the end the last one is computed again, and not stored
    [[unroll]] for (uint t = 0u; t < TOKENS; t++)
        x_at[t] =
            (args.x_base + (args.first_mat + mat) * args.x_mat_stride +
            min(token + t, args.n_tokens - 1u) * args.x_token_stride) / 4u;
    for (uint row = gl_WorkGroupID.x * ROWS; row < args.n_rows; row += gl_NumWorkGroups.x * ROWS) {
        float sum[4][8];
        uint row_at[4];
        [[unroll]] for (uint r = 0u; r < ROWS; r++) {
            row_at[r] = (mat * args.n_rows + min(row + r, args.n_rows - 1u)) * size;
            [[unroll]] for (uint t = 0u; t < TOKENS; t++) sum[r][t] = 0.0;
        }
        for (uint part = lane; part < args.n_cols / 8u; part += gl_WorkGroupSize.x) {
            vec4 low[4], high[4];
            float scale[4];
            [[unroll]] for (uint r = 0u; r < ROWS; r++) scale[r] = w8(TYPE, row_at[r], part, low[r], high[r]);
            const uint at = (part >> 2) * 8u + (part & 3u);
            [[unroll]] for (uint t = 0u; t < TOKENS; t++) {
                const vec4 a = x[x_at[t] + at], b = x[x_at[t] + at + 4u];
                [[unroll]] for (uint r = 0u; r < ROWS; r++)
                    sum[r][t] += scale[r] * (dot(low[r], a) + dot(high[r], b));
            }
        }
        // All invocations have read the last rows' partial
        if (gl_NumSubgroups > 1u) barrier();
        [[unroll]] for (uint r = 0u; r < ROWS; r++)
            [[unroll]] for (uint t = 0u; t < TOKENS; t++) {
                sum[r][t] = subgroupAdd(sum[r][t]);
                if (gl_NumSubgroups > 1u && subgroupElect())
                    partial[r * TOKENS + t][gl_SubgroupID] = sum[r][t];
            }
        if (gl_NumSubgroups > 1u) barrier();
        [[unroll]] for (uint r = 0u; r < ROWS; r++)
            [[unroll]] for (uint t = 0u; t < TOKENS; t++) {
                if (lane != (r * TOKENS + t) % gl_WorkGroupSize.x || row + r >= args.n_rows ||
                    token + t >= args.n_tokens)
                    continue;
                float result = sum[r][t];
                if (gl_NumSubgroups > 1u) {
                    result = 0.0;
                    for (uint i = 0u; i < gl_NumSubgroups; i++) result += partial[r * TOKENS + t][i];
                }
                const uint i = (token + t) * args.y_token_stride +
                    (args.first_mat + mat) * args.y_mat_stride + args.first_row + row + r;
                y[args.y_base + i] = RESIDUAL ? residual[args.residual_base + i] + result : result;
            }
    }
    if (NORM)
        norm_after(token, min(token + TOKENS, args.n_tokens), args.n_rows, gl_WorkGroupID.y,
            gl_NumWorkGroups.x);
}
