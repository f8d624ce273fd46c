#version 460
#extension GL_GOOGLE_include_directive : require
#include "hyper_mix.h"
#include "include/exact.glsl"
// Hyper-connections before a block: the weights of a token's streams, the Sinkhorn chain, the mixed stream and its norm. A workgroup a token.
// Exact: lane l adds the squares l, l + LANES, … in order, then a tree over the lanes.
#define LANES 256
layout(local_size_x = LANES) in;
layout(constant_id = 0) const bool MIX = true;                     // the streams are mixed with each other behind the block
layout(binding = 0) readonly buffer X { float x[]; };              // [n_tokens][STREAMS][n]
layout(binding = 1) readonly buffer Logits { float logits[]; };    // [n_tokens][STREAMS * (2 + STREAMS)], without MIX [n_tokens][STREAMS]
layout(binding = 2) readonly buffer Scale { float scale[]; };
layout(binding = 3) readonly buffer Base { float base[]; };
layout(binding = 4) readonly buffer W { float w[]; };              // [n]
layout(binding = 5) writeonly buffer Y { float y[]; };             // [n_tokens][n]
layout(binding = 6) writeonly buffer Mix { float mix_out[]; };     // [n_tokens]{ post[STREAMS], comb[STREAMS][STREAMS] }
const uint STREAMS = 4u;
shared float partial[LANES];

float sum_all(float v) {
    const uint lane = gl_LocalInvocationID.x;
    barrier(); // the last sum has been read
    partial[lane] = v;
    for (uint half_n = LANES / 2u; half_n > 0u; half_n /= 2u) {
        barrier();
        if (lane < half_n) {
            precise float pair = partial[lane] + partial[lane + half_n];
            partial[lane] = pair;
        }
    }
    barrier();
    return partial[0];
}

// Four of the token's logits, normed, scaled and shifted
vec4 affine(uint token, uint first, uint which, float norm) {
    const uint at = args.logits_base + token * (MIX ? STREAMS * (2u + STREAMS) : STREAMS) + first, b = args.base_base + first;
    precise vec4 m = vec4(logits[at], logits[at + 1u], logits[at + 2u], logits[at + 3u]) * norm;
    m = m * scale[args.scale_base + which];
    m = m + vec4(base[b], base[b + 1u], base[b + 2u], base[b + 3u]);
    return m;
}

vec4 sigmoid4(vec4 v) { return vec4(exact_sigmoid(v.x), exact_sigmoid(v.y), exact_sigmoid(v.z), exact_sigmoid(v.w)); }
vec4 reciprocal4(vec4 v) { return vec4(exact_reciprocal(v.x), exact_reciprocal(v.y), exact_reciprocal(v.z), exact_reciprocal(v.w)); }

vec4 softmax4(vec4 v) {
    const float most = max(max(v.x, v.y), max(v.z, v.w));
    precise vec4 d = v - most;
    precise vec4 e = vec4(exact_exp(d.x), exact_exp(d.y), exact_exp(d.z), exact_exp(d.w));
    precise float sum = (e.x + e.y) + (e.z + e.w);
    e = e * exact_reciprocal(sum);
    e = e + args.eps;
    return e;
}

vec4 norm_row(vec4 row) {
    precise float sum = (row.x + row.y) + (row.z + row.w);
    sum = sum + args.eps;
    precise vec4 normed = row * exact_reciprocal(sum);
    return normed;
}

vec4 column_inverse(vec4 a, vec4 b, vec4 c, vec4 d) {
    precise vec4 sum = (a + b) + (c + d);
    sum = sum + args.eps;
    return reciprocal4(sum);
}

void write_row(uint at, vec4 v) {
    for (uint i = 0u; i < STREAMS; i++) mix_out[at + i] = v[i];
}

void write_mix(uint token, float norm) {
    const uint at = args.mix_base + token * STREAMS * (1u + STREAMS);
    precise vec4 post = 2.0 * sigmoid4(affine(token, STREAMS, 1u, norm));
    write_row(at, post);
    precise vec4 a = softmax4(affine(token, 2u * STREAMS, 2u, norm)), b = softmax4(affine(token, 3u * STREAMS, 2u, norm));
    precise vec4 c = softmax4(affine(token, 4u * STREAMS, 2u, norm)), d = softmax4(affine(token, 5u * STREAMS, 2u, norm));
    for (uint i = 0u; i < args.n_iterations; i++) {
        if (i > 0u) {
            a = norm_row(a);
            b = norm_row(b);
            c = norm_row(c);
            d = norm_row(d);
        }
        const vec4 inverse = column_inverse(a, b, c, d);
        a = a * inverse;
        b = b * inverse;
        c = c * inverse;
        d = d * inverse;
    }
    write_row(at + STREAMS, a);
    write_row(at + 2u * STREAMS, b);
    write_row(at + 3u * STREAMS, c);
    write_row(at + 4u * STREAMS, d);
}

void main() {
    const uint lane = gl_LocalInvocationID.x, n = args.n;
    for (uint t = gl_WorkGroupID.x; t < args.n_tokens; t += gl_NumWorkGroups.x) {
        const uint x_at = args.x_base + t * STREAMS * n;
        precise float sum = 0.0;
        for (uint i = lane; i < STREAMS * n; i += LANES) {
            const float v = x[x_at + i];
            sum = sum + v * v;
        }
        precise float mean = sum_all(sum) * args.inv_all + args.norm_eps;
        const float norm = exact_rsqrt(mean);
        precise vec4 pre = sigmoid4(affine(t, 0u, 0u, norm)) + args.eps;
        if (MIX && lane == 0u) write_mix(t, norm);

        precise float squares = 0.0;
        for (uint i = lane; i < n; i += LANES) {
            precise float v = pre.x * x[x_at + i];
            v = v + pre.y * x[x_at + n + i];
            v = v + pre.z * x[x_at + 2u * n + i];
            v = v + pre.w * x[x_at + 3u * n + i];
            squares = squares + v * v;
        }
        precise float y_mean = sum_all(squares) * args.inv_n + args.norm_eps;
        const float y_norm = exact_rsqrt(y_mean);
        for (uint i = lane; i < n; i += LANES) {
            precise float v = pre.x * x[x_at + i];
            v = v + pre.y * x[x_at + n + i];
            v = v + pre.z * x[x_at + 2u * n + i];
            v = v + pre.w * x[x_at + 3u * n + i];
            v = v * y_norm;
            v = v * w[args.w_base + i];
            y[args.y_base + t * n + i] = v;
        }
    }
}
