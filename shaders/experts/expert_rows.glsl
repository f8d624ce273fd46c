// 2 * PAIRS rows an invocation for several tokens at once, for CPUs. Blocks are decoded once for all tokens,
// x is loaded once for all rows. Define before the include: constants TOKENS and PAIRS; broadcast.glsl and
// its preconditions.
// The dot products of X(x_at[t]) .. with PAIRS rows of A and PAIRS rows of B, which may be the same weight,
// go to a_sum[t][r] and b_sum[t][r].
#define ADD_PAIRS(A, B) \
    void A##_add_pairs(const uint a_type, const uint b_type, uint a_at[PAIRS], uint b_at[PAIRS], \
        uint n_cols, uint x_at[TOKENS], out float a_sum[TOKENS][PAIRS], out float b_sum[TOKENS][PAIRS]) { \
        [[unroll]] for (uint t = 0u; t < TOKENS; t++) \
            [[unroll]] for (uint r = 0u; r < PAIRS; r++) a_sum[t][r] = b_sum[t][r] = 0.0; \
        for (uint k = 0u; k < n_cols; k += 32u) { \
            vec4 a[PAIRS][8], b[PAIRS][8]; \
            float a_scale[PAIRS], b_scale[PAIRS]; \
            [[unroll]] for (uint r = 0u; r < PAIRS; r++) { \
                a_scale[r] = A##32(a_type, a_at[r], k, a[r]); \
                b_scale[r] = B##32(b_type, b_at[r], k, b[r]); \
            } \
            [[unroll]] for (uint t = 0u; t < TOKENS; t++) { \
                vec4 v[8]; \
                float v_sum; \
                load32(x_at[t] + k, v, v_sum); \
                [[unroll]] for (uint r = 0u; r < PAIRS; r++) { \
                    vec4 a_part = a[r][0] * v[0], b_part = b[r][0] * v[0]; \
                    [[unroll]] for (uint i = 1u; i < 8u; i++) { \
                        a_part = fma(a[r][i], v[i], a_part); \
                        b_part = fma(b[r][i], v[i], b_part); \
                    } \
                    a_sum[t][r] += a_scale[r] * ((a_part.x + a_part.y) + (a_part.z + a_part.w)); \
                    b_sum[t][r] += b_scale[r] * ((b_part.x + b_part.y) + (b_part.z + b_part.w)); \
                } \
            } \
        } \
    }
