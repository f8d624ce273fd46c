// Two rows an invocation for several tokens at once, for CPUs: blocks are decoded once for all tokens, x is the same for all invocations.
// Before: constant TOKENS, X4(i).
// Adds the dots of x[4 * x_at[t] ..] with a row of A and a row of B, which may be the same weight, to a_sum[t] and b_sum[t]
#define ADD_PAIR(A, B) \
    void A##_add_pair(const uint a_type, const uint b_type, uint a_at, uint b_at, uint n_cols, uint x_at[TOKENS], out float a_sum[TOKENS], \
        out float b_sum[TOKENS]) { \
        [[unroll]] for (uint t = 0u; t < TOKENS; t++) a_sum[t] = b_sum[t] = 0.0; \
        for (uint k = 0u; k < n_cols; k += 32u) { \
            vec4 a[8], b[8]; \
            const float a_scale = A##32(a_type, a_at, k, a), b_scale = B##32(b_type, b_at, k, b); \
            [[unroll]] for (uint t = 0u; t < TOKENS; t++) { \
                vec4 a_part = vec4(0.0), b_part = vec4(0.0); \
                [[unroll]] for (uint i = 0u; i < 8u; i++) { \
                    const vec4 v = X4(x_at[t] + k / 4u + i); \
                    a_part += a[i] * v; \
                    b_part += b[i] * v; \
                } \
                a_sum[t] += a_scale * ((a_part.x + a_part.y) + (a_part.z + a_part.w)); \
                b_sum[t] += b_scale * ((b_part.x + b_part.y) + (b_part.z + b_part.w)); \
            } \
        } \
    }

// Several rows an invocation for one token, for CPUs. Before: constant ROWS, read_ahead.glsl.
// Adds factor times the dots of x[4 * x_at ..] with the rows at byte offsets at[] to sum[], and reads ahead from offset next to `last`.
#define ADD_ROWS(NAME) \
    void NAME##_add_rows(const uint type, uint at[ROWS], uint n_cols, uint x_at, float factor, uint next, uint last, inout float sum[ROWS]) { \
        for (uint k = 0u; k < n_cols; k += 32u) { \
            read_ahead |= NAME##_bits16(ahead_at(type, ROWS, k, next, last)); \
            vec4 v[8]; \
            [[unroll]] for (uint i = 0u; i < 8u; i++) v[i] = X4(x_at + k / 4u + i); \
            const float v_sum = has_minimum(type) ? sum_of(v) : 0.0; \
            [[unroll]] for (uint r = 0u; r < ROWS; r++) { \
                vec4 q[8]; \
                const vec2 scale = factor * NAME##32_parts(type, at[r], k, q); \
                vec4 part = q[0] * v[0]; \
                [[unroll]] for (uint i = 1u; i < 8u; i++) part += q[i] * v[i]; \
                sum[r] += scale.x * ((part.x + part.y) + (part.z + part.w)); \
                if (has_minimum(type)) sum[r] += scale.y * v_sum; \
            } \
        } \
    }
