#include "ops/harness.h"
#include <math.h>
#include <stdio.h>

static const struct mix_case {
    uint32_t n_tokens, n, n_iterations, offset_words;
    bool mixes;
    float spread; // of the residual streams
} cases[] = {
    {1, 1, 1, 1, true, 1},
    {3, 37, 20, 1, true, 2},
    {7, 96, 20, 4, true, 1},
    {5, 65, 2, 3, false, 30},
    {129, 36, 3, 4, true, 1e-3f},
    {2, 4096, 20, 4, true, 1},
    {1, 4096, 20, 4, true, 1},
    {512, 4096, 20, 4, true, 1},
};
enum { N_BENCH = 2, S = FATHOM_RESIDUALS, LANES = 256 };
static const float eps = 1e-6f, norm_eps = 1e-5f;

static const char *name(size_t i, char *buffer, size_t size) {
    snprintf(buffer, size, "%u values, %u tokens, %s%u iterations", cases[i].n, cases[i].n_tokens,
        cases[i].mixes ? "" : "only y, ", cases[i].n_iterations);
    return buffer;
}

struct token {
    const float *x, *logits, *scale, *base, *w; // of the one token
};

// ---- In double precision ---------------------------------------------------------------------------------

static void normalise(double comb[S][S], bool rows) {
    for (int i = 0; i < S; i++) {
        double sum = 0;
        for (int j = 0; j < S; j++) sum += rows ? comb[i][j] : comb[j][i];
        for (int j = 0; j < S; j++) *(rows ? &comb[i][j] : &comb[j][i]) /= sum + (double)eps;
    }
}

static void reference(
    const struct mix_case *c, const struct token *in, double *y, double *bound, double *mix) {
    double squares = 0, pre[S], comb[S][S], sum = 0;
    for (uint32_t i = 0; i < S * c->n; i++) squares += (double)in->x[i] * in->x[i];
    const double norm = 1 / sqrt(squares / (S * c->n) + (double)norm_eps);
    for (int i = 0; i < S; i++)
        pre[i] = 1 / (1 + exp(-(in->logits[i] * norm * in->scale[0] + in->base[i]))) + (double)eps;
    for (uint32_t k = 0; k < c->n; k++) {
        y[k] = bound[k] = 0;
        for (uint32_t i = 0; i < S; i++) {
            y[k] += pre[i] * in->x[i * c->n + k];
            bound[k] += fabs(pre[i] * in->x[i * c->n + k]);
        }
        sum += y[k] * y[k];
    }
    const double y_norm = 1 / sqrt(sum / c->n + (double)norm_eps);
    for (uint32_t k = 0; k < c->n; k++) {
        y[k] *= y_norm * in->w[k];
        // sums of squares of n numbers of the same relative error; the weights' own 2e-6
        bound[k] = (c->n * 0x1p-24 + 1e-5) * (bound[k] * y_norm * fabs((double)in->w[k]) + fabs(y[k]));
    }
    if (!c->mixes) return;
    for (int i = 0; i < S; i++)
        mix[i] = 2 / (1 + exp(-(in->logits[S + i] * norm * in->scale[1] + in->base[S + i])));
    for (int i = 0; i < S; i++) {
        double row = 0;
        for (int j = 0; j < S; j++)
            row += comb[i][j] =
                exp(in->logits[S * (2 + i) + j] * norm * in->scale[2] + in->base[S * (2 + i) + j]);
        for (int j = 0; j < S; j++) comb[i][j] = comb[i][j] / row + (double)eps;
    }
    normalise(comb, false);
    for (uint32_t i = 1; i < c->n_iterations; i++) normalise(comb, true), normalise(comb, false);
    for (int i = 0; i < S; i++)
        for (int j = 0; j < S; j++) mix[S * (1 + i) + j] = comb[i][j];
}

// ---- As the plain shader computes it ---------------------------------------------------------------------

static float tree(float *lanes) {
    for (uint32_t half_n = LANES / 2; half_n; half_n /= 2)
        for (uint32_t i = 0; i < half_n; i++) lanes[i] = lanes[i] + lanes[i + half_n];
    return lanes[0];
}

static float affine(const struct token *in, uint32_t i, uint32_t which, float norm) {
    return in->logits[i] * norm * in->scale[which] + in->base[i];
}
static float sum4(float a, float b, float c, float d) {
    return (a + b) + (c + d);
}

static void norm_columns(float comb[S][S]) {
    for (int j = 0; j < S; j++) {
        const float inverse = exact_reciprocal(sum4(comb[0][j], comb[1][j], comb[2][j], comb[3][j]) + eps);
        for (int i = 0; i < S; i++) comb[i][j] = comb[i][j] * inverse;
    }
}

static void norm_rows(float comb[S][S]) {
    for (int i = 0; i < S; i++) {
        const float inverse = exact_reciprocal(sum4(comb[i][0], comb[i][1], comb[i][2], comb[i][3]) + eps);
        for (int j = 0; j < S; j++) comb[i][j] = comb[i][j] * inverse;
    }
}

static void twin_mix(const struct mix_case *c, const struct token *in, float norm, float *mix) {
    float comb[S][S];
    for (uint32_t i = 0; i < S; i++) mix[i] = 2.0f * exact_sigmoid(affine(in, S + i, 1, norm));
    for (uint32_t i = 0; i < S; i++) {
        float v[S], most = -INFINITY;
        for (uint32_t j = 0; j < S; j++) most = fmaxf(most, v[j] = affine(in, S * (2 + i) + j, 2, norm));
        for (uint32_t j = 0; j < S; j++) v[j] = exact_exp(v[j] - most);
        const float inverse = exact_reciprocal(sum4(v[0], v[1], v[2], v[3]));
        for (uint32_t j = 0; j < S; j++) comb[i][j] = v[j] * inverse + eps;
    }
    norm_columns(comb);
    for (uint32_t i = 1; i < c->n_iterations; i++) norm_rows(comb), norm_columns(comb);
    for (uint32_t i = 0; i < S; i++)
        for (uint32_t j = 0; j < S; j++) mix[S * (1 + i) + j] = comb[i][j];
}

static void twin_all(const struct mix_case *c, const struct token *in, float *y, float *mix) {
    float lanes[LANES] = {0}, squares[LANES] = {0}, pre[S];
    for (uint32_t i = 0; i < S * c->n; i++) lanes[i % LANES] = lanes[i % LANES] + in->x[i] * in->x[i];
    const float norm = exact_rsqrt(tree(lanes) * (1.0f / ((float)c->n * S)) + norm_eps);
    for (uint32_t i = 0; i < S; i++) pre[i] = exact_sigmoid(affine(in, i, 0, norm)) + eps;
    for (uint32_t k = 0; k < c->n; k++) {
        y[k] = pre[0] * in->x[k];
        for (uint32_t i = 1; i < S; i++) y[k] = y[k] + pre[i] * in->x[i * c->n + k];
        squares[k % LANES] = squares[k % LANES] + y[k] * y[k];
    }
    const float y_norm = exact_rsqrt(tree(squares) * (1.0f / (float)c->n) + norm_eps);
    for (uint32_t k = 0; k < c->n; k++) y[k] = y[k] * y_norm * in->w[k];
    if (c->mixes) twin_mix(c, in, norm, mix);
}

static void run(struct op_test *test, size_t index) {
    const struct mix_case *c = &cases[index];
    const uint32_t n_logits = c->mixes ? FATHOM_MIX_LOGITS : S;
    const size_t n_y = (size_t)c->n_tokens * c->n, n_x = n_y * S, n_mix = (size_t)c->n_tokens * FATHOM_MIX;
    const float *x = op_random_floats(test, n_x, -c->spread, c->spread),
                *logits =
                    op_random_floats(test, (size_t)c->n_tokens * n_logits, -3 * c->spread, 3 * c->spread);
    const float *scale = op_random_floats(test, 3, 0.1f, 1), *base = op_random_floats(test, n_logits, -2, 2),
                *w = op_random_floats(test, c->n, 0.5f, 2);
    test->offset_words = c->offset_words;
    struct fathom_hyper_mix_params params = {
        .size = sizeof(params),
        .x = op_input(test, x, n_x),
        .logits = op_input(test, logits, (size_t)c->n_tokens * n_logits),
        .scale = op_input(test, scale, c->mixes ? 3 : 1),
        .base = op_input(test, base, n_logits),
        .w = op_input(test, w, c->n),
        .y = op_output(test, n_y),
        .n_tokens = c->n_tokens,
        .n = c->n,
        .n_iterations = c->n_iterations,
        .eps = eps,
        .norm_eps = norm_eps,
    };
    if (c->mixes) params.mix = op_output(test, n_mix);
    fathom_hyper_mix(test->stream, &params);
    op_run(test, true);

    const float *y = op_result(test, params.y), *mix = c->mixes ? op_result(test, params.mix) : NULL;
    double *want = op_alloc(test, c->n * sizeof(*want)), *bound = op_alloc(test, c->n * sizeof(*bound)),
           want_mix[FATHOM_MIX], bound_mix[FATHOM_MIX];
    float *twin = op_alloc(test, c->n * sizeof(*twin)), twin_of_mix[FATHOM_MIX];
    for (uint32_t t = 0; t < c->n_tokens; t++) {
        const struct token in = {x + (size_t)t * S * c->n, logits + (size_t)t * n_logits, scale, base, w};
        reference(c, &in, want, bound, want_mix);
        twin_all(c, &in, twin, twin_of_mix);
        op_check(test, "y", y + (size_t)t * c->n, want, bound, c->n);
        if (test->exact) op_check_equal(test, "y, exact", y + (size_t)t * c->n, twin, c->n);
        if (!c->mixes) continue;
        for (int i = 0; i < FATHOM_MIX; i++) bound_mix[i] = (c->n * 0x1p-24 + 4e-5) * fabs(want_mix[i]);
        op_check(test, "mix", mix + (size_t)t * FATHOM_MIX, want_mix, bound_mix, FATHOM_MIX);
        if (test->exact)
            op_check_equal(test, "mix, exact", mix + (size_t)t * FATHOM_MIX, twin_of_mix, FATHOM_MIX);
    }
    if (index != 0) return;

    op_begin(test);
    params.base.size -= 4;
    fathom_hyper_mix(test->stream, &params);
    op_run_refused(test, "base has");
    params.n_iterations = 0;
    fathom_hyper_mix(test->stream, &params);
    op_run_refused(test, "n_iterations is 0");
}

int main(int argc, char **argv) {
    return op_test_main(argc, argv,
        &(struct op_suite){
            .op = "hyper_mix",
            .n_cases = sizeof(cases) / sizeof(cases[0]) - N_BENCH,
            .n_bench_cases = N_BENCH,
            .name = name,
            .run = run,
        });
}
