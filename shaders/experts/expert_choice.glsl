// The second half of the router: the workgroup that stores the last logits of a token scores the experts and
// chooses. Any local size gives the same bits. Define before the include: bindings x, bias, ids, weights,
// scratch; constants SCORE, GROUP_SCORE, NORMALISE, HAS_BIAS. With hashed experts, a table holds the experts
// of every token of the vocabulary, and only their weights are computed.
#define MAX_EXPERTS 512
#define MAX_GROUPS 32
#define MAX_TOP_K 16
#define SUM_LANES 32
#define SCORE_SOFTMAX 1u
#define SCORE_SIGMOID 2u
#define GROUP_TOP2 1u

layout(constant_id = 7) const bool HASHED = false;
layout(binding = 6) readonly buffer Table { uint table[]; };   // [n_vocab][top_k]
layout(binding = 7) readonly buffer Tokens { uint tokens[]; }; // [n_tokens]
shared float score[MAX_EXPERTS];  // logits, then scores
shared float biased[MAX_EXPERTS];
shared uint key[MAX_EXPERTS];     // orders the biased scores; 0: cannot be chosen
shared uint chosen[MAX_EXPERTS];
shared uint group_key[MAX_GROUPS];
shared float partial[SUM_LANES];
shared float best[MAX_TOP_K];     // scores of the chosen experts
#define COUNTER(i) scratch[i]
#include "include/last_group.glsl"

#define MINUS_INFINITY uintBitsToFloat(0xff800000u)

// Unsigned integers above 0, in the order of the floats. A
// NaN is the least, so that the order is always defined.
uint order_of(float f) {
    const uint bits = floatBitsToUint(f);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return 1u;
    return (bits & 0x80000000u) != 0u ? ~bits : bits | 0x80000000u;
}

// Subnormals become 0, because some devices flush them
float normal_or_zero(float f) {
    return f < 1.17549435e-38 ? 0.0 : f;
}

float partial_sum() {
    precise float sum[SUM_LANES / 2];
    for (uint l = 0u; l < SUM_LANES / 2; l++) sum[l] = partial[l] + partial[l + SUM_LANES / 2];
    for (uint h = SUM_LANES / 4; h > 0u; h /= 2u)
        for (uint l = 0u; l < h; l++) sum[l] = sum[l] + sum[l + h];
    return sum[0];
}

void softmax(uint lane) {
    for (uint l = lane; l < SUM_LANES; l += gl_WorkGroupSize.x) {
        float m = MINUS_INFINITY;
        for (uint e = l; e < args.n_experts; e += SUM_LANES) m = max(m, score[e]);
        partial[l] = m;
    }
    barrier();
    float m = partial[0];
    for (uint l = 1u; l < SUM_LANES; l++) m = max(m, partial[l]);
    barrier();
    for (uint l = lane; l < SUM_LANES; l += gl_WorkGroupSize.x) {
        precise float sum = 0.0;
        for (uint e = l; e < args.n_experts; e += SUM_LANES) {
            precise float below = score[e] - m;
            const float p = exact_exp(below);
            score[e] = p;
            sum = sum + p;
        }
        partial[l] = sum;
    }
    barrier();
    const float inverse = exact_reciprocal(partial_sum());
    for (uint e = lane; e < args.n_experts; e += gl_WorkGroupSize.x) {
        precise float p = score[e] * inverse;
        score[e] = normal_or_zero(p);
    }
}

// Excludes the experts of all groups but the n_groups_used best ones
void drop_groups(uint lane) {
    const uint n = args.n_experts / args.n_groups;
    barrier();
    for (uint g = lane; g < args.n_groups; g += gl_WorkGroupSize.x) {
        float first = MINUS_INFINITY, second = MINUS_INFINITY;
        for (uint i = 0u; i < n; i++) {
            const float s = biased[g * n + i];
            if (s > first) {
                second = first;
                first = s;
            } else if (s > second) {
                second = s;
            }
        }
        precise float both = first + second;
        group_key[g] = order_of(GROUP_SCORE == GROUP_TOP2 ? both : first);
    }
    barrier();
    for (uint e = lane; e < args.n_experts; e += gl_WorkGroupSize.x) {
        const uint group = e / n, mine = group_key[group];
        uint better = 0u;
        for (uint g = 0u; g < args.n_groups; g++)
            if (group_key[g] > mine || (group_key[g] == mine && g < group)) better++;
        if (better >= args.n_groups_used) key[e] = 0u;
    }
}

// Chooses the top_k experts with the highest biased scores
void pick_best(uint lane, uint token) {
    for (uint e = args.n_experts + lane; e < min(args.n_experts + 3u, MAX_EXPERTS); e += gl_WorkGroupSize.x)
        key[e] = 0u; // pads the last four
    for (uint e = lane; e < args.n_experts; e += gl_WorkGroupSize.x) {
        precise float s = score[e];
        if (HAS_BIAS) s = s + bias[args.bias_base + e];
        biased[e] = s;
        key[e] = order_of(s);
    }
    if (args.n_groups > 1u) drop_groups(lane);
    barrier();
    // An expert is chosen if fewer than top_k experts are better. Its place is the number of chosen experts
    // of lower number. No sorting is needed. The loops go by fours, because lavapipe ends an invocation's
    // loops after 65535 rounds in all.
    for (uint e = lane; e < args.n_experts; e += gl_WorkGroupSize.x) {
        const uint mine = key[e];
        uint better = 0u;
        for (uint other = 0u; other < args.n_experts; other += 4u)
            [[unroll]] for (uint i = 0u; i < 4u; i++)
                better += key[other + i] > mine || (key[other + i] == mine && other + i < e) ? 1u : 0u;
        chosen[e] = better < args.top_k ? 1u : 0u;
    }
    barrier();
    for (uint e = lane; e < args.n_experts; e += gl_WorkGroupSize.x) {
        if (chosen[e] == 0u) continue;
        uint slot = 0u;
        for (uint other = 0u; other < e; other++) slot += chosen[other];
        best[slot] = score[e];
        ids[args.ids_base + token * args.top_k + slot] = e;
    }
}

void look_up(uint lane, uint token) {
    barrier();
    const uint at = args.table_base + min(tokens[args.tokens_base + token], args.n_vocab - 1u) * args.top_k;
    for (uint slot = lane; slot < args.top_k; slot += gl_WorkGroupSize.x) {
        const uint e = min(table[at + slot], args.n_experts - 1u);
        best[slot] = score[e];
        ids[args.ids_base + token * args.top_k + slot] = e;
    }
}

void choose(uint lane, uint token, uint logits) {
    for (uint e = lane; e < args.n_experts; e += gl_WorkGroupSize.x) {
        score[e] = uintBitsToFloat(scratch[logits + e]);
        scratch[logits + e] = 0u;
    }
    barrier();
    if (SCORE == SCORE_SOFTMAX) {
        softmax(lane);
    } else {
        for (uint e = lane; e < args.n_experts; e += gl_WorkGroupSize.x)
            score[e] =
                normal_or_zero(SCORE == SCORE_SIGMOID ? exact_sigmoid(score[e])
                : exact_sqrt_softplus(score[e]));
    }
    if (HASHED) look_up(lane, token);
    else pick_best(lane, token);
    barrier();
    for (uint slot = lane; slot < args.top_k; slot += gl_WorkGroupSize.x) {
        precise float w = best[slot];
        if (NORMALISE) {
            precise float sum = 0.0;
            for (uint i = 0u; i < args.top_k; i++) sum = sum + best[i];
            w = w * exact_reciprocal(max(sum, 6.103515625e-5));
        }
        w = w * args.scale;
        weights[args.weights_base + token * args.top_k + slot] = w;
    }
}

// Ends a workgroup that has stored its logits at scratch[logits ..]. The last workgroup of the token chooses.
void finish(uint token, uint logits) {
    const uint lane = gl_LocalInvocationID.x;
    if (is_last_group(args.scratch_base + token, args.n_tiles)) choose(lane, token, logits);
}
