#include "ops/expert.h"
#include <stdio.h>
#include <string.h>

static const struct gate_case {
    enum fathom_type type;
    uint32_t n_experts, n_cols, n_tokens, top_k, n_groups, n_groups_used;
    enum fathom_gate_score score;
    enum fathom_group_score group_score;
    bool bias, normalise;
    float scale;
    uint32_t offset_words;
    uint32_t n_vocab; // not 0: a table chooses the experts
} cases[] = {
    {FATHOM_F32, 5, 36, 1, 1, 0, 0, FATHOM_GATE_SOFTMAX, FATHOM_GROUP_MAX, false, false, 1.0f, 4},
    {FATHOM_F32, 8, 68, 3, 8, 1, 1, FATHOM_GATE_SIGMOID, FATHOM_GROUP_MAX, true, true, 2.5f, 4},
    {FATHOM_F16, 16, 132, 7, 4, 4, 2, FATHOM_GATE_SIGMOID, FATHOM_GROUP_TOP2, true, true, 2.5f, 4},
    {FATHOM_BF16, 16, 100, 33, 3, 8, 3, FATHOM_GATE_SOFTMAX, FATHOM_GROUP_MAX, false, false, 16.0f, 3},
    {FATHOM_Q8_0, 64, 160, 7, 6, 0, 0, FATHOM_GATE_SOFTMAX, FATHOM_GROUP_MAX, false, false, 1.0f, 4},
    {FATHOM_Q4_0, 33, 64, 3, 2, 11, 1, FATHOM_GATE_SOFTMAX, FATHOM_GROUP_TOP2, true, true, 1.0f, 4},
    {FATHOM_F32, 160, 132, 7, 6, 8, 3, FATHOM_GATE_SOFTMAX, FATHOM_GROUP_MAX, false, false, 16.0f, 4},
    {FATHOM_F32, 256, 260, 33, 8, 8, 4, FATHOM_GATE_SIGMOID, FATHOM_GROUP_TOP2, true, true, 2.5f, 4},
    {FATHOM_BF16, 512, 64, 5, 16, 32, 8, FATHOM_GATE_SIGMOID, FATHOM_GROUP_TOP2, true, true, 2.5f, 4},
    {FATHOM_F32, 8, 68, 7, 3, 0, 0, FATHOM_GATE_SQRT_SOFTPLUS, FATHOM_GROUP_MAX, true, true, 1.5f, 4},
    {FATHOM_BF16, 256, 96, 5, 6, 0, 0, FATHOM_GATE_SQRT_SOFTPLUS, FATHOM_GROUP_MAX, true, true, 2.5f, 3},
    {FATHOM_F32, 16, 96, 5, 6, 0, 0, FATHOM_GATE_SQRT_SOFTPLUS, FATHOM_GROUP_MAX, false, true, 1.5f, 4, 37},
    {FATHOM_F16, 33, 64, 3, 3, 0, 0, FATHOM_GATE_SIGMOID, FATHOM_GROUP_MAX, false, true, 1.0f, 4, 5},
    {FATHOM_Q4_K, 9, 256, 3, 2, 0, 0, FATHOM_GATE_SOFTMAX, FATHOM_GROUP_MAX, true, false, 1.0f, 4},
    {FATHOM_IQ2_XXS, 9, 256, 3, 2, 3, 2, FATHOM_GATE_SIGMOID, FATHOM_GROUP_MAX, true, true, 1.0f, 4},
    {FATHOM_F8_E4M3, 8, 96, 3, 2, 0, 0, FATHOM_GATE_SIGMOID, FATHOM_GROUP_MAX, true, false, 1.0f, 4},
    // timed only: V2-Lite, R1
    {FATHOM_F32, 64, 2048, 1, 6, 0, 0, FATHOM_GATE_SOFTMAX, FATHOM_GROUP_MAX, false, false, 1.0f, 4},
    {FATHOM_F32, 256, 7168, 1, 8, 8, 4, FATHOM_GATE_SIGMOID, FATHOM_GROUP_TOP2, true, true, 2.5f, 4},
    {FATHOM_F32, 64, 2048, 64, 6, 0, 0, FATHOM_GATE_SOFTMAX, FATHOM_GROUP_MAX, false, false, 1.0f, 4},
};
enum { N_CASES = sizeof(cases) / sizeof(cases[0]), N_BENCH = 3, SMALL_RANGE = 16384, MAX_EXPERTS = 512 };

static const char *name(size_t i, char *buffer, size_t size) {
    const struct gate_case *c = &cases[i];
    snprintf(buffer, size, "type %d, %u of %u x %u, %u of %u groups, %s%s%s, %u tokens", (int)c->type,
        c->top_k, c->n_experts, c->n_cols, c->n_groups_used, c->n_groups,
        c->score == FATHOM_GATE_SOFTMAX       ? "softmax"
            : c->score == FATHOM_GATE_SIGMOID ? "sigmoid"
                                              : "sqrt softplus",
        c->group_score == FATHOM_GROUP_TOP2 ? ", top 2" : "",
        c->n_vocab    ? ", hashed"
            : c->bias ? ", bias"
                      : "",
        c->n_tokens);
    return buffer;
}

// The choice by scores in double precision. *margin becomes the distance of the nearest decision from the
// other outcome.
static void choose(const struct gate_case *c, const double *biased, uint32_t *ids, double *margin) {
    const uint32_t n_groups = c->n_groups ? c->n_groups : 1, n = c->n_experts / n_groups;
    double group[32];
    bool out[MAX_EXPERTS] = {false}, chosen[MAX_EXPERTS] = {false};
    *margin = INFINITY;
    for (uint32_t g = 0; g < n_groups; g++) {
        double first = -INFINITY, second = -INFINITY;
        for (uint32_t e = g * n; e < (g + 1) * n; e++) {
            second = fmax(second, fmin(first, biased[e]));
            first = fmax(first, biased[e]);
        }
        group[g] = c->group_score == FATHOM_GROUP_TOP2 ? first + second : first;
    }
    bool kept[32] = {false};
    double last = INFINITY;
    for (uint32_t i = 0; n_groups > 1 && i <= c->n_groups_used && i < n_groups; i++) {
        uint32_t best = n_groups;
        for (uint32_t g = 0; g < n_groups; g++)
            if (!kept[g] && (best == n_groups || group[g] > group[best])) best = g;
        if (i == c->n_groups_used)
            *margin = last - group[best];
        else
            kept[best] = true;
        last = group[best];
    }
    for (uint32_t e = 0; e < c->n_experts; e++) out[e] = n_groups > 1 && !kept[e / n];
    for (uint32_t i = 0; i <= c->top_k; i++) {
        uint32_t best = c->n_experts;
        for (uint32_t e = 0; e < c->n_experts; e++)
            if (!out[e] && !chosen[e] && (best == c->n_experts || biased[e] > biased[best])) best = e;
        if (best == c->n_experts) break;
        if (i == c->top_k)
            *margin = fmin(*margin, last - biased[best]);
        else
            chosen[best] = true;
        last = biased[best];
    }
    for (uint32_t e = 0, s = 0; e < c->n_experts; e++)
        if (chosen[e]) ids[s++] = e;
}

struct reference {
    uint32_t ids[16], twin_ids[16];
    double weights[16], bounds[16], margin;
    float twin_weights[16];
};

static float tree(const float *lanes) {
    float sum[32];
    memcpy(sum, lanes, sizeof(sum));
    for (uint32_t half_n = 16; half_n; half_n /= 2)
        for (uint32_t i = 0; i < half_n; i++) sum[i] = sum[i] + sum[i + half_n];
    return sum[0];
}

// The plain variant's operations, in the same order
static void compute_twin(
    const struct gate_case *c, float *scores /* logits */, const float *bias, struct reference *ref) {
    if (c->score == FATHOM_GATE_SOFTMAX) {
        float most = -INFINITY, lanes[32] = {0};
        for (uint32_t e = 0; e < c->n_experts; e++) most = fmaxf(most, scores[e]);
        for (uint32_t e = 0; e < c->n_experts; e++) {
            scores[e] = exact_exp(scores[e] - most);
            lanes[e % 32] = lanes[e % 32] + scores[e];
        }
        const float inverse = exact_reciprocal(tree(lanes));
        for (uint32_t e = 0; e < c->n_experts; e++) scores[e] = scores[e] * inverse;
    } else {
        for (uint32_t e = 0; e < c->n_experts; e++)
            scores[e] =
                c->score == FATHOM_GATE_SIGMOID ? exact_sigmoid(scores[e]) : exact_sqrt_softplus(scores[e]);
    }
    double biased[MAX_EXPERTS], margin;
    for (uint32_t e = 0; e < c->n_experts; e++) biased[e] = (double)(bias ? scores[e] + bias[e] : scores[e]);
    if (c->n_vocab)
        memcpy(ref->twin_ids, ref->ids, sizeof(ref->ids));
    else
        choose(c, biased, ref->twin_ids, &margin);
    float sum = 0;
    for (uint32_t s = 0; s < c->top_k; s++) sum = sum + scores[ref->twin_ids[s]];
    const float inverse = exact_reciprocal(fmaxf(sum, 6.103515625e-5f));
    for (uint32_t s = 0; s < c->top_k; s++) {
        const float score = scores[ref->twin_ids[s]];
        ref->twin_weights[s] = (c->normalise ? score * inverse : score) * c->scale;
    }
}

static void compute(const struct op_test *test, const struct gate_case *c, const struct fathom_weight *w,
    const uint8_t *bytes, const float *x, const float *bias, struct reference *ref) {
    double scores[MAX_EXPERTS], biased[MAX_EXPERTS], error = 0, most = -INFINITY, total = 0;
    float logits[MAX_EXPERTS];
    for (uint32_t e = 0; e < c->n_experts; e++) {
        const struct expert_dot dot = expert_dot(test, w, bytes, e, x);
        scores[e] = dot.value;
        logits[e] = dot.twin;
        error = fmax(error, dot.bound);
        most = fmax(most, dot.value);
    }
    for (uint32_t e = 0; e < c->n_experts; e++) total += exp(scores[e] - most);
    for (uint32_t e = 0; e < c->n_experts; e++) {
        scores[e] = c->score == FATHOM_GATE_SOFTMAX ? exp(scores[e] - most) / total
            : c->score == FATHOM_GATE_SIGMOID       ? 1 / (1 + exp(-scores[e]))
                                                    : sqrt(fmax(scores[e], 0) + log1p(exp(-fabs(scores[e]))));
        biased[e] = bias ? scores[e] + bias[e] : scores[e];
    }
    ref->margin = INFINITY;
    if (!c->n_vocab) choose(c, biased, ref->ids, &ref->margin);
    // a score's relative error is at most twice that of the logits, plus that of its own few operations
    const double relative = 2 * error + 1e-6;
    ref->margin -= 4 * relative;
    double sum = 0;
    for (uint32_t s = 0; s < c->top_k; s++) sum += scores[ref->ids[s]];
    for (uint32_t s = 0; s < c->top_k; s++) {
        ref->weights[s] = scores[ref->ids[s]] / (c->normalise ? fmax(sum, 6.103515625e-5) : 1) * c->scale;
        ref->bounds[s] = (c->normalise ? 2 : 1) * relative * ref->weights[s];
    }
    compute_twin(c, logits, bias, ref);
}

static void check_token(struct op_test *test, const struct gate_case *c, const struct reference *ref,
    bool tie, const uint32_t *ids, const float *weights) {
    if (test->exact) {
        op_check_equal(test, "ids, exact", ids, ref->twin_ids, c->top_k);
        op_check_equal(test, "weights, exact", weights, ref->twin_weights, c->top_k);
    }
    if (!tie && ref->margin <= 0) return; // another order of additions may change the choice
    op_check_equal(test, "ids", ids, ref->ids, c->top_k);
    op_check(test, "weights", weights, ref->weights, ref->bounds, c->top_k);
}

static void run(struct op_test *test, size_t index) {
    const struct gate_case *c = &cases[index];
    const size_t n_x = (size_t)c->n_tokens * c->n_cols, n_chosen = (size_t)c->n_tokens * c->top_k;
    const size_t n_scratch = (size_t)fathom_expert_gate_scratch(c->n_tokens, c->n_experts) / 4;
    if (test->small_slices && (4 * n_x > SMALL_RANGE - 256 || 4 * n_scratch > SMALL_RANGE - 256)) return;
    const uint8_t *bytes;
    const struct fathom_weight *w = op_weight(test, c->type, 1, c->n_experts, c->n_cols, 1.0f, &bytes);
    float *x = op_random_floats(test, n_x, -0.5f, 0.5f),
          *bias = op_random_floats(test, c->n_experts, -0.5f, 0.5f);
    // all of the first token's scores are equal, and nearly all of its biases: ties of experts and of groups.
    // The last token's scores are NaNs.
    for (uint32_t k = 0; k < c->n_cols; k++) x[k] = 0;
    for (uint32_t e = 0; e < c->n_experts; e++) bias[e] = floorf(4 * bias[e]) / 4;
    const bool no_numbers = c->n_tokens > 3;
    if (no_numbers) x[n_x - 2] = NAN;
    test->offset_words = c->offset_words;
    const struct fathom_view scratch = op_input(test, op_alloc(test, 4 * n_scratch), n_scratch);
    struct fathom_expert_gate_params params = {
        .size = sizeof(params),
        .w = w,
        .x = op_input(test, x, n_x),
        .ids = op_output(test, n_chosen),
        .weights = op_output(test, n_chosen),
        .scratch = scratch,
        .n_tokens = c->n_tokens,
        .top_k = c->top_k,
        .n_groups = c->n_groups,
        .n_groups_used = c->n_groups_used,
        .score = c->score,
        .group_score = c->group_score,
        .normalise = c->normalise,
        .scale = c->scale,
    };
    const uint32_t *tokens = NULL, *table = NULL;
    if (c->n_vocab) { // the last token is not in the vocabulary, and gets the last row
        uint32_t *all = op_alloc(test, c->n_vocab * c->top_k * sizeof(*all)),
                 *own = op_alloc(test, c->n_tokens * sizeof(*own));
        for (uint32_t i = 0; i < c->n_vocab * c->top_k; i++)
            all[i] = (i / c->top_k * 7 + i % c->top_k * 5) % c->n_experts;
        for (uint32_t t = 0; t < c->n_tokens; t++)
            own[t] = t + 1 < c->n_tokens ? op_random(test) % c->n_vocab : c->n_vocab + 3;
        params.table = op_input(test, table = all, (size_t)c->n_vocab * c->top_k);
        params.tokens = op_input(test, tokens = own, c->n_tokens);
        params.n_vocab = c->n_vocab;
    }
    if (c->bias) params.bias = op_input(test, bias, c->n_experts);
    fathom_expert_gate(test->stream, &params);
    op_run(test,
        op_takes(test, (c->offset_words % 4 ? 0 : FM_CALL_ALIGNED) | (c->n_cols % 32 ? 0 : FM_CALL_BLOCKS)));

    const uint32_t *ids = op_result(test, params.ids);
    const float *weights = op_result(test, params.weights);
    op_check_equal(test, "scratch", op_result(test, scratch), op_alloc(test, 4 * n_scratch), n_scratch);
    for (uint32_t t = 0; t < c->n_tokens - no_numbers; t++) {
        struct reference ref = {0};
        if (table)
            memcpy(ref.ids, table + (tokens[t] < c->n_vocab ? tokens[t] : c->n_vocab - 1) * c->top_k,
                c->top_k * sizeof(*table));
        compute(test, c, w, bytes, x + (size_t)t * c->n_cols, c->bias ? bias : NULL, &ref);
        check_token(test, c, &ref, t == 0, ids + (size_t)t * c->top_k, weights + (size_t)t * c->top_k);
    }
    const uint32_t *last = ids + n_chosen - c->top_k;
    for (uint32_t s = 0; no_numbers && !table && s < c->top_k; s++) {
        const float in_order = last[s] < c->n_experts && (s == 0 || last[s] > last[s - 1]);
        op_check(test, "ascending ids of NaNs", &in_order, &(double){1}, &(double){0}, 1);
    }
    if (index >= N_CASES - N_BENCH) return;

    // refused: a scratch too small; groups that do not divide the experts
    op_begin(test);
    params.scratch.size -= 4;
    fathom_expert_gate(test->stream, &params);
    op_run_refused(test, "scratch has");
    params.n_groups = 7;
    fathom_expert_gate(test->stream, &params);
    op_run_refused(test, "7 groups");
}

int main(int argc, char **argv) {
    return op_test_main(argc, argv,
        &(struct op_suite){
            .op = "expert_gate",
            .n_cases = N_CASES - N_BENCH,
            .n_bench_cases = N_BENCH,
            .name = name,
            .run = run,
            .small_range = SMALL_RANGE,
        });
}
