#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
// A workgroup holds TILE positions and 32 heads at a time in shared memory, 16 elements of each. An
// invocation computes 4 positions x 4 heads.
layout(local_size_x = 128) in;
#include "attention/index_score.glsl"
const uint HEADS = 32u, CHUNK = 16u, STRIDE = CHUNK + 1u;
shared float keys[TILE * STRIDE], queries[HEADS * STRIDE], parts[8u * TILE];
shared uint row_at[TILE];

void main() {
    const uint lane = gl_LocalInvocationID.x, column = lane % 16u, heads = lane / 16u * 4u, n = n_seen();
    for (uint first = gl_WorkGroupID.x * TILE; first < n; first += gl_NumWorkGroups.x * TILE) {
        barrier(); // all invocations have read the last tile's rows and parts
        if (lane < TILE) row_at[lane] = cache_row(min(first + lane, n - 1u));
        float score[4];
        [[unroll]] for (uint i = 0u; i < 4u; i++) score[i] = 0.0;
        for (uint head = 0u; head < args.n_heads; head += HEADS) {
            float sum[4][4]; // [position][head]
            [[unroll]] for (uint i = 0u; i < 4u; i++)
                [[unroll]] for (uint j = 0u; j < 4u; j++) sum[i][j] = 0.0;
            for (uint k = 0u; k < args.n_key; k += CHUNK) {
                barrier(); // the rows are written; all invocations have read the last chunk
                for (uint i = lane; i < TILE * CHUNK / 4u; i += 128u) {
                    const uint at = i / (CHUNK / 4u), e = i % (CHUNK / 4u) * 4u;
                    const vec4 v = k + e < args.n_key ? cache4_fast(row_at[at], k + e) : vec4(0.0);
                    [[unroll]] for (uint c = 0u; c < 4u; c++) keys[at * STRIDE + e + c] = v[c];
                }
                for (uint i = lane; i < HEADS * CHUNK; i += 128u) {
                    const uint h = head + i / CHUNK, e = k + i % CHUNK;
                    queries[i / CHUNK * STRIDE + i % CHUNK] =
                        h < args.n_heads && e < args.n_key ? q[query_at(h) + e] : 0.0;
                }
                barrier();
                for (uint e = 0u; e < CHUNK; e++) {
                    float a[4], b[4];
                    [[unroll]] for (uint i = 0u; i < 4u; i++) {
                        a[i] = keys[(column + 16u * i) * STRIDE + e];
                        b[i] = queries[(heads + i) * STRIDE + e];
                    }
                    [[unroll]] for (uint i = 0u; i < 4u; i++)
                        [[unroll]] for (uint j = 0u; j < 4u; j++) sum[i][j] = fma(a[i], b[j], sum[i][j]);
                }
            }
            [[unroll]] for (uint j = 0u; j < 4u; j++) {
                const float w = head + heads + j < args.n_heads ? head_weight(head + heads + j) : 0.0;
                [[unroll]] for (uint i = 0u; i < 4u; i++) score[i] += w * max(sum[i][j], 0.0);
            }
        }
        [[unroll]] for (uint i = 0u; i < 4u; i++) parts[lane / 16u * TILE + column + 16u * i] = score[i];
        barrier();
        if (lane < TILE && first + lane < n) {
            float total = 0.0;
            [[unroll]] for (uint i = 0u; i < 8u; i++) total += parts[i * TILE + lane];
            scores[score_at(first + lane)] = total;
        }
    }
}
