#version 460
#extension GL_GOOGLE_include_directive : require
// y[t][m][r] = residual[t][m][r] + sum_k w[m][r][k] * x[t][m][k]. A workgroup
// computes 4 rows for up to 4 tokens. Exact: lane l of 32 adds quads l, l + 32, … in
// order, x y z w within a quad; then a tree adds the lanes; the residual comes last.
// n_cols alone decides the order; neither the number of tokens nor the slice matters.
layout(local_size_x = 32) in;
#define X_ELEMENT float
#include "matmul/matmul.glsl"
layout(constant_id = 2) const uint TOKENS = 4;                         // 1 to 4
#include "quant/decode.glsl"
const uint ROWS = 4u;
shared float partial[ROWS * 4u][33]; // [output][lane]; 33 keeps the outputs in different banks

void main() {
    const uint lane = gl_LocalInvocationID.x, mat = gl_WorkGroupID.z, token = gl_WorkGroupID.y * TOKENS;
    const uint size = row_size(TYPE, args.n_cols);
    const uint x_at = args.x_base + (args.first_mat + mat) * args.x_mat_stride;
    for (uint row = gl_WorkGroupID.x * ROWS; row < args.n_rows; row += gl_NumWorkGroups.x * ROWS) {
        precise float sum[ROWS][4];
        // Past the end the last one is computed again, and not stored
        uint row_at[ROWS], token_at[4];
        for (uint r = 0u; r < ROWS; r++)
            row_at[r] = (mat * args.n_rows + min(row + r, args.n_rows - 1u)) * size;
        for (uint t = 0u; t < TOKENS; t++)
            token_at[t] = x_at + min(token + t, args.n_tokens - 1u) * args.x_token_stride;
        for (uint r = 0u; r < ROWS; r++)
            for (uint t = 0u; t < TOKENS; t++) sum[r][t] = 0.0;

        for (uint k = lane * 4u; k < args.n_cols; k += 128u) {
            vec4 quad[4];
            for (uint t = 0u; t < TOKENS; t++)
                quad[t] =
                    vec4(x[token_at[t] + k], x[token_at[t] + k + 1u], x[token_at[t] + k + 2u],
                    x[token_at[t] + k + 3u]);
            for (uint r = 0u; r < ROWS; r++) {
                const vec4 v = w4(TYPE, row_at[r], k);
                for (uint t = 0u; t < TOKENS; t++) {
                    sum[r][t] = sum[r][t] + v.x * quad[t].x;
                    sum[r][t] = sum[r][t] + v.y * quad[t].y;
                    sum[r][t] = sum[r][t] + v.z * quad[t].z;
                    sum[r][t] = sum[r][t] + v.w * quad[t].w;
                }
            }
        }
        barrier(); // all invocations have read the last rows' partial
        for (uint r = 0u; r < ROWS; r++)
            for (uint t = 0u; t < TOKENS; t++) partial[r * TOKENS + t][lane] = sum[r][t];
        barrier();
        // one invocation an output: the tree needs no barriers
        const uint r = lane / TOKENS, t = lane % TOKENS;
        if (r < ROWS && row + r < args.n_rows && token + t < args.n_tokens) {
            for (uint half_n = 16u; half_n > 0u; half_n /= 2u)
                for (uint i = 0u; i < half_n; i++) {
                    precise float pair = partial[lane][i] + partial[lane][i + half_n];
                    partial[lane][i] = pair;
                }
            const uint at = (token + t) * args.y_token_stride + (args.first_mat + mat) * args.y_mat_stride +
                args.first_row + row + r;
            precise float result = partial[lane][0];
            if (RESIDUAL) result = residual[args.residual_base + at] + result;
            y[args.y_base + at] = result;
        }
    }
}
