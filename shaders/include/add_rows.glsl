// Several rows an invocation for one token, for CPUs. Activations are loaded once for all lanes and rows; no
// sum crosses lanes. Define before the include: constants ROWS and AHEAD, the decoders, broadcast.glsl and
// its preconditions, args.zero (see read_ahead.glsl).
#include "include/read_ahead.glsl"

// The activations for w64_dot: X(at) to X(at + 63)
void load_pair(const uint type, uint at, out vec4 a[8], out vec4 b[8], out vec2 sums) {
    const uint lane = gl_SubgroupInvocationID, a_place = pair_place(0u, lane), b_place = pair_place(1u, lane);
    vec2 mine = vec2(0.0);
    [[unroll]] for (uint i = 0u; i < 32u; i += LANES) {
        const float a_x = X(at + i + lane), b_x = X(at + 32u + i + lane);
        mine += vec2(pair_has_offset(type, a_place) ? a_x : 0.0, pair_has_offset(type, b_place) ? b_x : 0.0);
        const vec2 x = vec2(a_x / float(1u << a_place), b_x / float(1u << b_place));
        [[unroll]] for (uint j = 0u; j < LANES; j++) {
            const vec2 one = subgroupBroadcast(x, j);
            a[(i + j) >> 2][(i + j) & 3u] = one.x;
            b[(i + j) >> 2][(i + j) & 3u] = one.y;
        }
    }
    sums = sum_of_lanes(mine);
}

// Adds factor times the dot products of X(x_at) .. with the rows at byte offsets at[] to sum[]. With AHEAD,
// also reads ahead from offset next, up to `last`.
#define ADD_ROWS(NAME) \
    void NAME##_add_rows(const uint type, uint at[ROWS], uint n_cols, uint x_at, float factor, uint next, \
        uint last, inout float sum[ROWS]) { \
        if (has_pairs(type) && n_cols % 64u == 0u) { \
            for (uint k = 0u; k < n_cols; k += 64u) { \
                READ_AHEAD(NAME, type, ROWS, k, next, last) \
                vec4 a[8], b[8]; \
                vec2 sums; \
                load_pair(type, x_at + k, a, b, sums); \
                [[unroll]] for (uint r = 0u; r < ROWS; r++) \
                    sum[r] += factor * NAME##64_dot(type, at[r], k, a, b, sums); \
            } \
        } else { \
            for (uint k = 0u; k < n_cols; k += 32u) { \
                READ_AHEAD(NAME, type, ROWS, k, next, last) \
                vec4 v[8]; \
                float v_sum; \
                load32(x_at + k, v, v_sum); \
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
