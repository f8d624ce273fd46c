#version 460
#extension GL_GOOGLE_include_directive : require
#include "expanded_attention.h"
// expanded_attention.comp for tiles of 16 * EACH tokens x 32 keys, with the softmax carried from tile to tile. z counts groups of 128
// values, each with its own m and l in the state.
layout(local_size_x = 128) in;
layout(constant_id = 0) const uint BLOCK = 512;
layout(constant_id = 1) const uint EACH = 4;                       // 1, 2 or 4: an invocation scores EACH tokens x 4 keys
layout(binding = 0) readonly buffer Q { float q[]; };              // [tokens][n_heads][width]
layout(binding = 1) readonly buffer Keys { float keys[]; };        // [n_heads][BLOCK][width]
layout(binding = 2) readonly buffer Values { float values[]; };    // [n_heads][BLOCK][n_v]
layout(binding = 3) buffer State { float state[]; };               // [tokens][n_heads][n_v, then m and l of every group]
layout(binding = 4) writeonly buffer Out { float result_out[]; };  // [tokens][n_heads][n_v]
const uint TOKENS = 16u * EACH, KEYS = 32u, DEPTH = 8u, STRIDE = 9u; // DEPTH: fours of a row at once; STRIDE spreads the banks
const uint SHARE = 128u / TOKENS;                                  // invocations a token for the softmax
const uint ROWS = TOKENS / 4u;                                     // tokens whose means an invocation carries, for four values
const float LOWEST = -3.0e38, MASKED = -3.4e38;                    // finite, so that no difference is a NaN
shared vec4 q_tile[TOKENS * STRIDE], k_tile[KEYS * STRIDE], p[TOKENS * STRIDE];
shared float part[128], m_of[TOKENS], l_of[TOKENS], keep_of[TOKENS];

vec4 q4(uint i) { return vec4(q[i], q[i + 1u], q[i + 2u], q[i + 3u]); }
vec4 key4(uint i) { return vec4(keys[i], keys[i + 1u], keys[i + 2u], keys[i + 3u]); }
vec4 value4(uint i) { return vec4(values[i], values[i + 1u], values[i + 2u], values[i + 3u]); }

uint token_of(uint row) { return gl_WorkGroupID.x * TOKENS + row; } // of this dispatch

// Scores of the tile's tokens with keys j0 to j0 + 31 into p, masked where a key lies behind the token or past the block.
void scores(uint j0) {
    const uint lane = gl_LocalInvocationID.x, head = gl_WorkGroupID.y, fours = args.width / 4u;
    float sum[EACH * 4u];
    for (uint i = 0u; i < EACH * 4u; i++) sum[i] = 0.0;
    for (uint from = 0u; from < fours; from += DEPTH) {
        for (uint i = lane; i < (TOKENS + KEYS) * DEPTH; i += 128u) {
            const uint row = i / DEPTH, four = from + i % DEPTH;
            vec4 v = vec4(0.0);
            if (row < TOKENS) {
                if (four < fours && token_of(row) < args.n_tokens)
                    v = q4(args.q_base + ((args.first_token + token_of(row)) * args.n_heads + head) * args.width + four * 4u);
                q_tile[row * STRIDE + i % DEPTH] = v;
            } else {
                const uint j = j0 + row - TOKENS;
                if (four < fours && j < args.n_positions) v = key4(args.keys_base + (head * BLOCK + j) * args.width + four * 4u);
                k_tile[(row - TOKENS) * STRIDE + i % DEPTH] = v;
            }
        }
        barrier();
        for (uint four = 0u; four < DEPTH; four++) {
            vec4 b[4];
            for (uint c = 0u; c < 4u; c++) b[c] = k_tile[(lane % 8u + 8u * c) * STRIDE + four];
            for (uint e = 0u; e < EACH; e++) {
                const vec4 a = q_tile[(lane / 8u + 16u * e) * STRIDE + four];
                for (uint c = 0u; c < 4u; c++)
                    sum[e * 4u + c] = fma(a.w, b[c].w, fma(a.z, b[c].z, fma(a.y, b[c].y, fma(a.x, b[c].x, sum[e * 4u + c]))));
            }
        }
        barrier();
    }
    for (uint e = 0u; e < EACH; e++)
        for (uint c = 0u; c < 4u; c++) {
            const uint row = lane / 8u + 16u * e, k = lane % 8u + 8u * c, at = args.position + args.first_token + token_of(row);
            const bool seen = j0 + k < args.n_positions && args.first_position + j0 + k <= at;
            p[row * STRIDE + k / 4u][k % 4u] = seen ? sum[e * 4u + c] * args.scale : MASKED;
        }
    barrier();
}

// Scores in p to exp(score - m); m, l and the factor for what was summed before are kept for every token.
void soften() {
    const uint lane = gl_LocalInvocationID.x, row = lane / SHARE, i = lane % SHARE;
    float m = MASKED;
    for (uint four = i; four < 8u; four += SHARE) {
        const vec4 s = p[row * STRIDE + four];
        m = max(m, max(max(s.x, s.y), max(s.z, s.w)));
    }
    part[lane] = m;
    barrier();
    const float m_old = m_of[row];
    m = m_old;
    for (uint s = 0u; s < SHARE; s++) m = max(m, part[row * SHARE + s]);
    barrier(); // part and m_of have been read
    float l = 0.0;
    for (uint four = i; four < 8u; four += SHARE) {
        const vec4 e = exp(p[row * STRIDE + four] - m);
        p[row * STRIDE + four] = e;
        l += (e.x + e.y) + (e.z + e.w);
    }
    part[lane] = l;
    barrier();
    if (i == 0u) {
        for (uint s = 1u; s < SHARE; s++) l += part[lane + s];
        const float keep = exp(m_old - m);
        keep_of[row] = keep;
        l_of[row] = l_of[row] * keep + l;
        m_of[row] = m;
    }
    barrier();
}

void main() {
    const uint lane = gl_LocalInvocationID.x, head = gl_WorkGroupID.y;
    const uint first_at = args.position + args.first_token + token_of(0u);
    const uint last_at = args.position + args.first_token + min(token_of(TOKENS), args.n_tokens) - 1u;
    if (last_at < args.first_position) return; // all done; the same for the whole workgroup
    const uint n = min(last_at - args.first_position + 1u, args.n_positions);
    const bool begun = args.first_position > 0u;
    const uint k = gl_WorkGroupID.z * 128u + lane % 32u * 4u, first_row = lane / 32u * ROWS; // values k to k + 3 of these tokens
    const bool has_values = k < args.n_v;
    const uint stats_at = args.n_v + 2u * gl_WorkGroupID.z;

    if (lane < TOKENS) {
        const uint at = args.state_base + ((args.first_token + token_of(lane)) * args.n_heads + head) * args.state_width + stats_at;
        const bool kept = begun && token_of(lane) < args.n_tokens;
        m_of[lane] = kept ? state[at] : LOWEST;
        l_of[lane] = kept ? state[at + 1u] : 0.0;
    }
    vec4 mean[ROWS];
    for (uint r = 0u; r < ROWS; r++) {
        mean[r] = vec4(0.0);
        if (begun && has_values && token_of(first_row + r) < args.n_tokens) {
            const uint at = args.state_base + ((args.first_token + token_of(first_row + r)) * args.n_heads + head) * args.state_width + k;
            mean[r] = vec4(state[at], state[at + 1u], state[at + 2u], state[at + 3u]);
        }
    }
    for (uint j0 = 0u; j0 < n; j0 += KEYS) {
        scores(j0);
        soften();
        for (uint r = 0u; r < ROWS; r++) mean[r] *= keep_of[first_row + r];
        for (uint four = 0u; four < KEYS / 4u && j0 + four * 4u < n; four++) {
            vec4 v[4];
            for (uint c = 0u; c < 4u; c++) {
                const uint j = min(j0 + four * 4u + c, n - 1u); // past n, p is 0
                v[c] = has_values ? value4(args.values_base + (head * BLOCK + j) * args.n_v + k) : vec4(0.0);
            }
            for (uint r = 0u; r < ROWS; r++) {
                const vec4 w = p[(first_row + r) * STRIDE + four];
                for (uint c = 0u; c < 4u; c++) mean[r] = fma(vec4(w[c]), v[c], mean[r]);
            }
        }
        barrier(); // p and keep_of have been read
    }

    for (uint r = 0u; r < ROWS; r++) {
        const uint row = first_row + r, at = first_at + row;
        if (!has_values || token_of(row) >= args.n_tokens || at < args.first_position) continue;
        const uint index = (args.first_token + token_of(row)) * args.n_heads + head;
        if (at < args.first_position + BLOCK) {
            const float inverse = 1.0 / l_of[row];
            for (uint c = 0u; c < 4u; c++) result_out[args.out_base + index * args.n_v + k + c] = mean[r][c] * inverse;
        } else {
            const uint state_at = args.state_base + index * args.state_width;
            for (uint c = 0u; c < 4u; c++) state[state_at + k + c] = mean[r][c];
            if (lane % 32u == 0u) {
                state[state_at + stats_at] = m_of[row];
                state[state_at + stats_at + 1u] = l_of[row];
            }
        }
    }
}
