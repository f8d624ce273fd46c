#version 460
#extension GL_GOOGLE_include_directive : require
#include "expanded_attention.h"
// expanded_attention.comp for CPUs: a workgroup takes TOKENS tokens of a head; lanes are keys, then values, and what is the same for all of
// them (queries, probabilities) is read once. The state lies in memory; it is carried every KEYS keys.
layout(local_size_x_id = 2) in;
layout(constant_id = 0) const uint BLOCK = 512;
layout(constant_id = 1) const uint TOKENS = 16;                    // 4, 8, 16
layout(constant_id = 2) const uint LANES = 8;
layout(binding = 0) readonly buffer Q { float q[]; };              // [tokens][n_heads][width]
layout(binding = 1) readonly buffer Keys { float keys[]; };        // [n_heads][BLOCK][width]
layout(binding = 2) readonly buffer Values { float values[]; };    // [n_heads][BLOCK][n_v]
layout(binding = 3) buffer State { float state[]; };               // [tokens][n_heads][state_width]
layout(binding = 4) writeonly buffer Out { float result_out[]; };  // [tokens][n_heads][n_v]
const uint FOURS = TOKENS / 4u, KEYS = 256u;
const float LOWEST = -3.0e38, MASKED = -3.4e38;                    // finite, so that no difference is a NaN
shared vec4 p[FOURS * KEYS], part[FOURS * LANES];                  // of four tokens and a key; of four tokens and a lane
shared vec4 m_of[FOURS], l_of[FOURS], keep_of[FOURS];

uint index_of(uint row) { // of a token's head; past the last token, that one
    return (args.first_token + min(gl_WorkGroupID.x * TOKENS + row, args.n_tokens - 1u)) * args.n_heads + gl_WorkGroupID.y;
}

void scores(uint j0, uint n) {
    const uint first_at = args.position + args.first_token + gl_WorkGroupID.x * TOKENS;
    uint q_at[TOKENS];
    for (uint t = 0u; t < TOKENS; t++) q_at[t] = args.q_base + index_of(t) * args.width;
    for (uint j = gl_LocalInvocationID.x; j < n; j += LANES) {
        const uint key = args.keys_base + (gl_WorkGroupID.y * BLOCK + j0 + j) * args.width;
        float sum[TOKENS];
        for (uint t = 0u; t < TOKENS; t++) sum[t] = 0.0;
        for (uint k = 0u; k < args.width; k += 4u) {
            const vec4 c = vec4(keys[key + k], keys[key + k + 1u], keys[key + k + 2u], keys[key + k + 3u]);
            for (uint t = 0u; t < TOKENS; t++) {
                const uint i = q_at[t] + k;
                sum[t] = fma(c.w, q[i + 3u], fma(c.z, q[i + 2u], fma(c.y, q[i + 1u], fma(c.x, q[i], sum[t]))));
            }
        }
        for (uint t = 0u; t < TOKENS; t++)
            p[t / 4u * KEYS + j][t % 4u] = args.first_position + j0 + j <= first_at + t ? sum[t] * args.scale : MASKED;
    }
}

// Scores to exp(score - m); m and l are carried on.
void soften(uint n) {
    const uint lane = gl_LocalInvocationID.x;
    for (uint four = 0u; four < FOURS; four++) {
        vec4 m = vec4(MASKED);
        for (uint j = lane; j < n; j += LANES) m = max(m, p[four * KEYS + j]);
        part[four * LANES + lane] = m;
    }
    barrier();
    vec4 l[FOURS], m_new[FOURS];
    for (uint four = 0u; four < FOURS; four++) {
        m_new[four] = m_of[four];
        for (uint i = 0u; i < LANES; i++) m_new[four] = max(m_new[four], part[four * LANES + i]);
        l[four] = vec4(0.0);
        for (uint j = lane; j < n; j += LANES) {
            const vec4 e = exp(p[four * KEYS + j] - m_new[four]);
            p[four * KEYS + j] = e;
            l[four] += e;
        }
    }
    barrier(); // part has been read
    for (uint four = 0u; four < FOURS; four++) part[four * LANES + lane] = l[four];
    barrier();
    if (lane == 0u)
        for (uint four = 0u; four < FOURS; four++) {
            const vec4 keep = exp(m_of[four] - m_new[four]);
            vec4 sum = l_of[four] * keep;
            for (uint i = 0u; i < LANES; i++) sum += part[four * LANES + i];
            keep_of[four] = keep;
            l_of[four] = sum;
            m_of[four] = m_new[four];
        }
}

void main() {
    const uint lane = gl_LocalInvocationID.x, first_at = args.position + args.first_token + gl_WorkGroupID.x * TOKENS;
    const uint rows = min(args.n_tokens - gl_WorkGroupID.x * TOKENS, TOKENS), last_at = first_at + rows - 1u;
    if (last_at < args.first_position) return; // all done; the same for the whole workgroup
    const uint n_seen = min(last_at - args.first_position + 1u, args.n_positions);
    for (uint t = lane; t < TOKENS; t += LANES) {
        const uint at = args.state_base + index_of(t) * args.state_width + args.n_v;
        m_of[t / 4u][t % 4u] = args.first_position > 0u ? state[at] : LOWEST;
        l_of[t / 4u][t % 4u] = args.first_position > 0u ? state[at + 1u] : 0.0;
    }
    for (uint j0 = 0u; j0 < n_seen; j0 += KEYS) {
        const uint n = min(n_seen - j0, KEYS);
        const bool begun = args.first_position + j0 > 0u, last = j0 + KEYS >= n_seen;
        scores(j0, n);
        barrier();
        soften(n);
        barrier();
        for (uint k = lane * 4u; k < args.n_v; k += LANES * 4u) {
            vec4 mean[TOKENS];
            for (uint t = 0u; t < TOKENS; t++) {
                const uint at = args.state_base + index_of(t) * args.state_width + k;
                mean[t] = begun ? keep_of[t / 4u][t % 4u] * vec4(state[at], state[at + 1u], state[at + 2u], state[at + 3u]) : vec4(0.0);
            }
            for (uint j = 0u; j < n; j++) {
                const uint at = args.values_base + (gl_WorkGroupID.y * BLOCK + j0 + j) * args.n_v + k;
                const vec4 v = vec4(values[at], values[at + 1u], values[at + 2u], values[at + 3u]);
                for (uint four = 0u; four < FOURS; four++) {
                    const vec4 w = p[four * KEYS + j];
                    for (uint t = 0u; t < 4u; t++) mean[four * 4u + t] = fma(vec4(w[t]), v, mean[four * 4u + t]);
                }
            }
            for (uint t = 0u; t < rows; t++) {
                if (first_at + t < args.first_position) continue; // done with an earlier block
                const bool done = last && first_at + t < args.first_position + BLOCK;
                const uint at = done ? args.out_base + index_of(t) * args.n_v + k : args.state_base + index_of(t) * args.state_width + k;
                const vec4 v = done ? mean[t] * (1.0 / l_of[t / 4u][t % 4u]) : mean[t];
                for (uint e = 0u; e < 4u; e++) {
                    if (done) result_out[at + e] = v[e];
                    else state[at + e] = v[e];
                }
            }
        }
        barrier(); // p has been read
    }
    for (uint t = lane; t < rows; t += LANES)
        if (first_at + t >= args.first_position + BLOCK) {
            const uint at = args.state_base + index_of(t) * args.state_width + args.n_v;
            state[at] = m_of[t / 4u][t % 4u];
            state[at + 1u] = l_of[t / 4u][t % 4u];
        }
}
