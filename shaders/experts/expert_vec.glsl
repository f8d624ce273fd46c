// Dot products of the variants for cards. The workgroup shares each of several rows, so x is read once for
// all of them. Weights whose format has blocks are decoded by quarters of blocks. Define before the include:
// constants ROWS and N_SUMS; X4(i), x by fours.

// Adds factor times this lane's part of the dot products of
// x[4 * x_at ..] with the rows at byte offsets at[] to sum[]
#define ADD_DOTS(NAME) \
    void NAME##_add_dots(const uint type, uint at[ROWS], uint n_cols, uint x_at, float factor, \
        inout float sum[ROWS]) { \
        const uint lane = gl_LocalInvocationID.x, lanes = gl_WorkGroupSize.x; \
        if (!has_blocks(type)) { \
            for (uint quad = lane; quad < n_cols / 4u; quad += lanes) { \
                const vec4 v = factor * X4(x_at + quad); \
                [[unroll]] for (uint r = 0u; r < ROWS; r++) \
                    sum[r] += dot(NAME##4(type, at[r], 4u * quad), v); \
            } \
        } else { \
            /* neighbours read neighbouring quarters of blocks */ \
            for (uint part = lane; part < n_cols / 8u; part += lanes) { \
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

// Sums over the workgroup, of one row or several. Call
// reduce_store(i, …) for all rows, then a barrier, then sums_of(i).
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
