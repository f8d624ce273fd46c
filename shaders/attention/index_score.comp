#version 460
#extension GL_GOOGLE_include_directive : require
// An invocation takes a position. Exact: a head's dot product is four sums, of the elements 4i, 4i + 1, 4i +
// 2, 4i + 3, then (0 + 1) + (2 + 3); heads are added in order.
layout(local_size_x = 64) in;
#include "attention/index_score.glsl"

void main() {
    const uint n = n_seen();
    for (uint at = gl_WorkGroupID.x * TILE + gl_LocalInvocationID.x; at < n;
        at += gl_NumWorkGroups.x * TILE) {
        const uint row = cache_row(at);
        precise float score = 0.0;
        for (uint h = 0u; h < args.n_heads; h++) {
            const uint query = query_at(h);
            precise vec4 sum = vec4(0.0);
            for (uint k = 0u; k < args.n_key; k += 4u)
                sum = sum +
                    cache4(row, k) *
                    vec4(q[query + k], q[query + k + 1u], q[query + k + 2u], q[query + k + 3u]);
            precise float dot_h = (sum.x + sum.y) + (sum.z + sum.w);
            score = score + head_weight(h) * max(dot_h, 0.0);
        }
        scores[score_at(at)] = score;
    }
}
