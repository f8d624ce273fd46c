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
                    a_part = fma(a[i], v, a_part); \
                    b_part = fma(b[i], v, b_part); \
                } \
                a_sum[t] += a_scale * ((a_part.x + a_part.y) + (a_part.z + a_part.w)); \
                b_sum[t] += b_scale * ((b_part.x + b_part.y) + (b_part.z + b_part.w)); \
            } \
        } \
    }
