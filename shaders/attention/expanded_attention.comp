#version 460
#extension GL_GOOGLE_include_directive : require
// Causal attention over one block of expanded keys and values. A workgroup takes a token and a head. The
// state o[n_v], m, l is the result of the earlier blocks. The block that holds a token's own position writes
// the token's result. Exact.
layout(local_size_x = 64) in;
#define KV_ELEMENT float
#include "attention/expanded_attention.glsl"
#include "include/exact.glsl"
shared float p[KV_BLOCK], part[64];

void main() {
    const uint lane = gl_LocalInvocationID.x, t = args.first_token + gl_WorkGroupID.x,
        head = gl_WorkGroupID.y;
    const uint at = args.position + t;
    if (at < args.first_position) return; // the token's result is complete; the same for the whole workgroup
    const uint n = min(at - args.first_position + 1u, args.n_positions);
    const uint q_at = args.q_base + (t * args.n_heads + head) * args.width,
        row = args.keys_base + head * KV_BLOCK * args.width;
    for (uint j = lane; j < n; j += 64u) {
        precise vec4 sum = vec4(0.0);
        for (uint k = 0u; k < args.width; k += 4u) {
            const uint a = q_at + k, b = row + j * args.width + k;
            sum = sum +
                vec4(q[a], q[a + 1u], q[a + 2u], q[a + 3u]) *
                vec4(keys[b], keys[b + 1u], keys[b + 2u], keys[b + 3u]);
        }
        precise float s = (sum.x + sum.y) + (sum.z + sum.w);
        s = s * args.scale;
        p[j] = s;
    }
    barrier();
    const bool begun = args.first_position > 0u;
    const uint state_at = args.state_base + (t * args.n_heads + head) * args.state_width,
        m_at = state_at + args.n_v;
    const float m_old = begun ? state[m_at] : p[0], l_old = begun ? state[m_at + 1u] : 0.0;
    float m = m_old;
    for (uint j = 0u; j < n; j++) m = max(m, p[j]);
    barrier();
    precise float own = 0.0;
    for (uint j = lane; j < n; j += 64u) {
        precise float d = p[j] - m;
        const float e = exact_exp(d);
        p[j] = e;
        own = own + e;
    }
    part[lane] = own;
    barrier();
    precise float d_old = m_old - m;
    const float keep = exact_exp(d_old);
    precise float l = l_old * keep;
    for (uint i = 0u; i < 64u; i++) l = l + part[i];
    const bool done = at < args.first_position + KV_BLOCK;
    const float inverse = exact_reciprocal(l);
    const uint v_at = args.values_base + head * KV_BLOCK * args.n_v,
        out_at = args.out_base + (t * args.n_heads + head) * args.n_v;
    for (uint k = lane; k < args.n_v; k += 64u) {
        precise float sum = begun ? state[state_at + k] * keep : 0.0;
        for (uint j = 0u; j < n; j++) sum = sum + p[j] * values[v_at + j * args.n_v + k];
        precise float result = sum * inverse;
        if (done) result_out[out_at + k] = result;
        else state[state_at + k] = sum;
    }
    if (!done && lane == 0u) {
        state[m_at] = m;
        state[m_at + 1u] = l;
    }
}
