// Several rows an invocation for one token, for CPUs: activations are read once for all lanes and rows, and nothing is reduced.
// Before: constant ROWS, X4(i), the decoders, args.zero (see read_ahead.glsl).
#include "include/read_ahead.glsl"

// What 32 elements' minimum is multiplied by
float sum_of(vec4 v[8]) {
    vec4 sum = v[0];
    for (uint i = 1u; i < 8u; i++) sum += v[i];
    return (sum.x + sum.y) + (sum.z + sum.w);
}

// Adds factor times the dots of x[4 * x_at ..] with the rows at byte offsets at[] to sum[], and reads ahead from offset next to `last`.
#define ADD_ROWS(NAME) \
    void NAME##_add_rows(const uint type, uint at[ROWS], uint n_cols, uint x_at, float factor, uint next, uint last, inout float sum[ROWS]) { \
        if (has_pairs(type) && n_cols % 64u == 0u) { \
            for (uint k = 0u; k < n_cols; k += 64u) { \
                READ_AHEAD(NAME, type, ROWS, k, next, last) \
                vec4 a[8], b[8]; \
                [[unroll]] for (uint i = 0u; i < 8u; i++) { \
                    a[i] = X4(x_at + k / 4u + i); \
                    b[i] = X4(x_at + k / 4u + 8u + i); \
                } \
                const float a_sum = sum_of(a), b_sum = sum_of(b); \
                [[unroll]] for (uint r = 0u; r < ROWS; r++) sum[r] += factor * NAME##64_dot(type, at[r], k, a, b, a_sum, b_sum); \
            } \
        } else { \
            for (uint k = 0u; k < n_cols; k += 32u) { \
                READ_AHEAD(NAME, type, ROWS, k, next, last) \
                vec4 v[8]; \
                [[unroll]] for (uint i = 0u; i < 8u; i++) v[i] = X4(x_at + k / 4u + i); \
                const float v_sum = has_minimum(type) ? sum_of(v) : 0.0; \
                [[unroll]] for (uint r = 0u; r < ROWS; r++) { \
                    vec4 q[8]; \
                    const vec2 scale = factor * NAME##32_parts(type, at[r], k, q); \
                    vec4 part = q[0] * v[0]; \
                    [[unroll]] for (uint i = 1u; i < 8u; i++) part = fma(q[i], v[i], part); \
                    sum[r] += scale.x * ((part.x + part.y) + (part.z + part.w)); \
                    if (has_minimum(type)) sum[r] += scale.y * v_sum; \
                } \
            } \
        } \
    }
