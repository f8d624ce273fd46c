// Attention over splits of the cache. The result is exact: splits are aligned to absolute positions, so a
// token's result depends on the token's own position alone. Order of the sums:
//   score   one invocation a position: four sums, of the elements 4i, 4i + 1, 4i + 2, 4i + 3, then
//           (0 + 1) + (2 + 3), times scale
//   l       16 sums, of the positions i, i + 16, …, then in order
//   values  positions in order
layout(local_size_x = 64) in;
#include "attention/attention_split.glsl"
const uint HEADS = 4u, PARTS = 16u;                                // HEADS * PARTS invocations
shared float p[HEADS * SPLIT], part[HEADS * PARTS];

void scores(Heads heads, uint first, uint n) {
    uint q_at[HEADS];
    for (uint h = 0u; h < HEADS; h++)
        q_at[h] = query_at(args.first_token + gl_WorkGroupID.z, min(heads.first + h, heads.end - 1u));
    for (uint j = gl_LocalInvocationID.x; j < n; j += 64u) {
        const uint row = cache_row(attended_position(first + j));
        precise vec4 sum[HEADS];
        for (uint h = 0u; h < HEADS; h++) sum[h] = vec4(0.0);
        for (uint k = 0u; k < key_width(); k += 4u) {
            const vec4 c = cache4(row, heads.key + k);
            for (uint h = 0u; h < HEADS; h++) {
                const uint i = q_at[h] + k;
                sum[h] = sum[h] + c * vec4(q[i], q[i + 1u], q[i + 2u], q[i + 3u]);
            }
        }
        for (uint h = 0u; h < HEADS; h++) {
            precise float s = (sum[h].x + sum[h].y) + (sum[h].z + sum[h].w);
            s = s * args.scale;
            p[h * SPLIT + j] = s;
        }
    }
}

// Replaces a head's scores by exp(score - m), and writes m and the sum to the scratch buffer. PARTS
// invocations share a head.
void soften(Heads heads, uint split, uint n) {
    const uint h = gl_LocalInvocationID.x / PARTS, i = gl_LocalInvocationID.x % PARTS;
    float m = p[h * SPLIT];
    for (uint j = 1u; j < n; j++) m = max(m, p[h * SPLIT + j]);
    barrier();
    precise float l = 0.0;
    for (uint j = i; j < n; j += PARTS) {
        precise float d = p[h * SPLIT + j] - m;
        const float e = exact_exp(d);
        p[h * SPLIT + j] = e;
        l = l + e;
    }
    part[h * PARTS + i] = l;
    barrier();
    if (i == 0u && heads.first + h < heads.end) {
        precise float sum = 0.0;
        for (uint s = 0u; s < PARTS; s++) sum = sum + part[h * PARTS + s];
        scratch[partial_at(split, heads.first + h) + value_width()] = m;
        scratch[partial_at(split, heads.first + h) + value_width() + 1u] = sum;
    }
}

void values(Heads heads, uint split, uint first, uint n) {
    for (uint k = gl_LocalInvocationID.x * 4u; k < value_width(); k += 256u) {
        precise vec4 sum[HEADS];
        for (uint h = 0u; h < HEADS; h++) sum[h] = vec4(0.0);
        for (uint j = 0u; j < n; j++) {
            const vec4 c = cache4(cache_row(attended_position(first + j)), heads.value + k);
            for (uint h = 0u; h < HEADS; h++) sum[h] = sum[h] + p[h * SPLIT + j] * c;
        }
        for (uint h = 0u; h < HEADS && heads.first + h < heads.end; h++)
            for (uint i = 0u; i < 4u; i++) scratch[partial_at(split, heads.first + h) + k + i] = sum[h][i];
    }
}

void main() {
    if (MERGE) {
        merge(gl_WorkGroupID.y);
        return;
    }
    const Heads heads = pick_heads(gl_WorkGroupID.y, HEADS);
    const uint n_all = n_attended();
    for (uint split = gl_WorkGroupID.x; split * SPLIT < n_all; split += gl_NumWorkGroups.x) {
        const uint first = split * SPLIT, n = min(n_all - first, SPLIT);
        scores(heads, first, n);
        barrier();
        soften(heads, split, n);
        values(heads, split, first, n);
        barrier(); // all invocations have read p
    }
}
