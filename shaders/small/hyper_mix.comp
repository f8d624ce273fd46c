#version 460
#extension GL_GOOGLE_include_directive : require
#include "small/hyper_mix.h"
#include "include/exact.glsl"
// Hyper-connections before a block: the weights of a token's residual streams,
// the Sinkhorn chain, the mixed stream and its norm. A workgroup a token. Exact:
// lane l adds the squares l, l + LANES, … in order, then a tree adds the lanes.
#define LANES 256
layout(local_size_x = LANES) in;
// The residual streams are mixed with each other after the block
layout(constant_id = 0) const bool MIX = true;
layout(binding = 0) readonly buffer X { float x[]; };              // [n_tokens][STREAMS][n]
// [n_tokens][STREAMS * (2 + STREAMS)], without MIX [n_tokens][STREAMS]
layout(binding = 1) readonly buffer Logits { float logits[]; };
layout(binding = 2) readonly buffer Scale { float scale[]; };
layout(binding = 3) readonly buffer Base { float base[]; };
layout(binding = 4) readonly buffer W { float w[]; };              // [n]
layout(binding = 5) writeonly buffer Y { float y[]; };             // [n_tokens][n]
// [n_tokens]{ post[STREAMS], comb[STREAMS][STREAMS] }
layout(binding = 6) writeonly buffer Mix { float mix_out[]; };
const uint STREAMS = 4u, N_LOGITS = STREAMS * (2u + STREAMS);
shared float partial[LANES], weight[N_LOGITS], pre[STREAMS], comb[STREAMS * STREAMS];

float sum_all(float v) {
    const uint lane = gl_LocalInvocationID.x;
    barrier(); // all invocations have read the last sum
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

// A token's logit i, after norm, scale and shift
float affine(uint token, uint i, float norm) {
    precise float m = logits[args.logits_base + token * (MIX ? N_LOGITS : STREAMS) + i] * norm;
    m = m * scale[args.scale_base + min(i / STREAMS, 2u)];
    m = m + base[args.base_base + i];
    return m;
}

// Divides one row or column of the matrix by its sum. Round 0 is a softmax of the rows. Columns follow, then
// rows and columns alternate.
void norm_line(uint line, uint round) {
    const bool rows = round % 2u == 0u;
    const uint first = rows ? line * STREAMS : line, step = rows ? 1u : STREAMS;
    precise float sum =
        (comb[first] + comb[first + step]) + (comb[first + 2u * step] + comb[first + 3u * step]);
    if (round > 0u) sum = sum + args.eps;
    const float inverse = exact_reciprocal(sum);
    for (uint i = 0u; i < STREAMS; i++) {
        precise float v = comb[first + i * step] * inverse;
        if (round == 0u) v = v + args.eps;
        comb[first + i * step] = v;
    }
}

// Fills pre[], and writes the weights that mix the residual streams after the block. A lane computes one
// weight; four lanes share the Sinkhorn chain.
void weigh(uint token, float norm) {
    const uint lane = gl_LocalInvocationID.x, at = args.mix_base + token * STREAMS * (1u + STREAMS);
    if (lane < (MIX ? N_LOGITS : STREAMS)) weight[lane] = affine(token, lane, norm);
    barrier();
    if (lane < (MIX ? 2u : 1u) * STREAMS) {
        const float s = exact_sigmoid(weight[lane]);
        precise float with_eps = s + args.eps, doubled = s + s;
        if (lane < STREAMS) pre[lane] = with_eps;
        else mix_out[at + lane - STREAMS] = doubled;
    } else if (MIX && lane < N_LOGITS) {
        const uint row = lane / STREAMS * STREAMS;
        precise float below =
            weight[lane] - max(max(weight[row], weight[row + 1u]), max(weight[row + 2u], weight[row + 3u]));
        comb[lane - 2u * STREAMS] = exact_exp(below);
    }
    for (uint round = 0u; MIX && round < 2u * args.n_iterations; round++) {
        barrier();
        if (lane < STREAMS) norm_line(lane, round);
    }
    barrier();
    if (MIX && lane < STREAMS * STREAMS) mix_out[at + STREAMS + lane] = comb[lane];
}

// The sum over the residual streams at value i, weighted by pre[]
float mixed(uint i) {
    precise float v = pre[0] * x[i];
    for (uint j = 1u; j < STREAMS; j++) v = v + pre[j] * x[i + j * args.n];
    return v;
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
        weigh(t, norm);

        precise float squares = 0.0;
        for (uint i = lane; i < n; i += LANES) {
            const float v = mixed(x_at + i);
            squares = squares + v * v;
        }
        precise float y_mean = sum_all(squares) * args.inv_n + args.norm_eps;
        const float y_norm = exact_rsqrt(y_mean);
        for (uint i = lane; i < n; i += LANES) {
            precise float v = mixed(x_at + i) * y_norm;
            v = v * w[args.w_base + i];
            y[args.y_base + t * n + i] = v;
        }
    }
}
