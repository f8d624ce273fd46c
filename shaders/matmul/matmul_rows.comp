#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_ballot : require
// matmul.comp with a row an invocation, for CPUs. x is loaded once for all
// lanes; no sum crosses lanes. (On a card, neighbouring invocations should read
// neighbouring words.) n_cols is a multiple of 32, x is aligned to 16 bytes.
layout(local_size_x_id = 3) in;
#define X_ELEMENT float
#define NORM_AFTER
#include "matmul/matmul.glsl"
layout(constant_id = 2) const uint TOKENS = 1;    // at most 8
layout(constant_id = 4) const uint ROWS = 1;      // of an invocation, a workgroup's width apart; at most 4
layout(constant_id = 6) const bool AHEAD = false; // see read_ahead.glsl
#include "quant/decode.glsl"
#define X(i) x[i]
#include "include/broadcast.glsl"
#include "include/add_rows.glsl"
ADD_ROWS(w)

// A round decodes the rows' blocks once for all tokens. sum: [token][row]
void add_tokens(uint row_at[ROWS], uint x_at[TOKENS], uint next, uint last, inout float sum[TOKENS][ROWS]) {
    for (uint k = 0u; k < args.n_cols; k += 32u) {
        READ_AHEAD(w, TYPE, ROWS, k, next, last)
        vec4 q[ROWS][8];
        float scale[ROWS];
        [[unroll]] for (uint r = 0u; r < ROWS; r++) scale[r] = w32(TYPE, row_at[r], k, q[r]);
        [[unroll]] for (uint t = 0u; t < TOKENS; t++) {
            vec4 v[8];
            float v_sum;
            load32(x_at[t] + k, v, v_sum);
            [[unroll]] for (uint r = 0u; r < ROWS; r++) {
                vec4 p = q[r][0] * v[0];
                [[unroll]] for (uint i = 1u; i < 8u; i++) p = fma(q[r][i], v[i], p);
                sum[t][r] += scale[r] * ((p.x + p.y) + (p.z + p.w));
            }
        }
    }
}

void main() {
    const uint mat = gl_WorkGroupID.z, token = gl_WorkGroupID.y * TOKENS, size = row_size(TYPE, args.n_cols);
    uint x_at[TOKENS]; // past the end the last one is computed again, and not stored
    [[unroll]] for (uint t = 0u; t < TOKENS; t++)
        x_at[t] = args.x_base + (args.first_mat + mat) * args.x_mat_stride +
            min(token + t, args.n_tokens - 1u) * args.x_token_stride;
    const uint step_rows = gl_WorkGroupSize.x * ROWS, all = gl_NumWorkGroups.z * args.n_rows * size;
    for (uint first = gl_WorkGroupID.x * step_rows; first < args.n_rows;
        first += gl_NumWorkGroups.x * step_rows) {
        const uint row = first + gl_LocalInvocationID.x;
        uint row_at[ROWS];
        float sum[TOKENS][ROWS];
        [[unroll]] for (uint r = 0u; r < ROWS; r++) {
            row_at[r] = (mat * args.n_rows + min(row + r * gl_WorkGroupSize.x, args.n_rows - 1u)) * size;
            [[unroll]] for (uint t = 0u; t < TOKENS; t++) sum[t][r] = 0.0;
        }
        const uint next = (mat * args.n_rows + first + step_rows) * size;
        if (TOKENS == 1u) w_add_rows(TYPE, row_at, args.n_cols, x_at[0], 1.0, next, all - 4u, sum[0]);
        else add_tokens(row_at, x_at, next, all - 4u, sum);
        [[unroll]] for (uint t = 0u; t < TOKENS; t++) {
            const uint at = (token + t) * args.y_token_stride + (args.first_mat + mat) * args.y_mat_stride +
                args.first_row + row;
            [[unroll]] for (uint r = 0u; r < ROWS; r++) {
                const uint i = at + r * gl_WorkGroupSize.x;
                if (token + t < args.n_tokens && row + r * gl_WorkGroupSize.x < args.n_rows)
                    y[args.y_base + i] = RESIDUAL
                        ? residual[args.residual_base + i] + (sum[t][r] + read_nothing())
                        : sum[t][r] + read_nothing();
            }
        }
    }
    if (NORM)
        norm_after(token, min(token + TOKENS, args.n_tokens), args.n_rows, gl_WorkGroupID.y,
            gl_NumWorkGroups.x);
}
