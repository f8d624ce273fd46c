// Dots of the fast variants: several rows at once, so that x is read once for all of them, weights decoded by blocks where the format has
// blocks. Before: constants BY_ROW (each invocation has its own rows; else the workgroup shares each row) and ROWS; X4(i), x by fours.
const uint LANES = BY_ROW ? 1u : gl_WorkGroupSize.x;

// Adds factor times this lane's part of the dots of x[4 * x_at ..] with the rows at byte offsets at[] to sum[]
#define ADD_DOTS(NAME) \
    void NAME##_add_dots(uint type, uint at[ROWS], uint n_cols, uint x_at, float factor, inout float sum[ROWS]) { \
        const uint lane = BY_ROW ? 0u : gl_LocalInvocationID.x; \
        if (!has_blocks(type)) { \
            for (uint quad = lane; quad < n_cols / 4u; quad += LANES) { \
                const vec4 v = factor * X4(x_at + quad); \
                [[unroll]] for (uint r = 0u; r < ROWS; r++) sum[r] += dot(NAME##4(type, at[r], 4u * quad), v); \
            } \
        } else if (BY_ROW) { \
            for (uint block = 0u; block < n_cols / 32u; block++) { \
                vec4 v[8]; \
                [[unroll]] for (uint i = 0u; i < 8u; i++) v[i] = X4(x_at + 8u * block + i); \
                [[unroll]] for (uint r = 0u; r < ROWS; r++) { \
                    vec4 q[8]; \
                    const float scale = NAME##32(type, at[r], 32u * block, q); \
                    vec4 part = q[0] * v[0]; \
                    [[unroll]] for (uint i = 1u; i < 8u; i++) part += q[i] * v[i]; \
                    sum[r] += factor * scale * ((part.x + part.y) + (part.z + part.w)); \
                } \
            } \
        } else { \
            /* neighbours read neighbouring quarters of blocks */ \
            for (uint part = lane; part < n_cols / 8u; part += LANES) { \
                const uint quad = x_at + (part >> 2) * 8u + (part & 3u); \
                const vec4 a = factor * X4(quad), b = factor * X4(quad + 4u); \
                [[unroll]] for (uint r = 0u; r < ROWS; r++) { \
                    vec4 low, high; \
                    const float scale = NAME##8(type, at[r], part, low, high); \
                    sum[r] += scale * (dot(low, a) + dot(high, b)); \
                } \
            } \
        } \
    }

#ifdef N_SUMS
// Sums over the workgroup, of a row or several: sums_of(i) after reduce_store(i, …) of all and a barrier
shared float sums[N_SUMS][32]; // [sum][subgroup]
void reduce_store(uint i, float value) {
    const float sum = subgroupAdd(value);
    if (subgroupElect()) sums[i][gl_SubgroupID] = sum;
}
float sums_of(uint i) {
    float sum = 0.0;
    for (uint s = 0u; s < gl_NumSubgroups; s++) sum += sums[i][s];
    return sum;
}
#endif
