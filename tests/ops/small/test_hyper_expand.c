#include "ops/harness.h"
#include <math.h>
#include <stdio.h>

static const struct expand_case {
    uint32_t n_tokens, n, offset_words;
    bool mixes;
} cases[] = {
    {1, 1, 1, true},
    {3, 37, 1, true},
    {7, 96, 4, false},
    {129, 65, 4, true},
    {2, 4096, 4, true},
    {1, 4096, 4, true},
    {512, 4096, 4, true},
};
enum { N_BENCH = 2, S = FATHOM_RESIDUALS };

static const char *name(size_t i, char *buffer, size_t size) {
    snprintf(buffer, size, "%u values, %u tokens%s", cases[i].n, cases[i].n_tokens,
        cases[i].mixes ? "" : ", copied");
    return buffer;
}

static void run(struct op_test *test, size_t index) {
    const struct expand_case *c = &cases[index];
    const size_t n_y = (size_t)c->n_tokens * c->n, n_x = n_y * S, n_mix = (size_t)c->n_tokens * FATHOM_MIX;
    const float *x = op_random_floats(test, n_x, -2, 2), *y = op_random_floats(test, n_y, -2, 2),
                *mix = op_random_floats(test, n_mix, 0, 2);
    test->offset_words = c->offset_words;
    struct fathom_hyper_expand_params params = {
        .size = sizeof(params),
        .x = op_input(test, x, n_x),
        .y = op_input(test, y, n_y),
        .n_tokens = c->n_tokens,
        .n = c->n,
    };
    if (c->mixes) params.mix = op_input(test, mix, n_mix);
    fathom_hyper_expand(test->stream, &params);
    op_run(test, true);

    float *twin = op_alloc(test, n_x * sizeof(*twin));
    double *want = op_alloc(test, n_x * sizeof(*want)), *bound = op_alloc(test, n_x * sizeof(*bound));
    for (uint32_t t = 0; t < c->n_tokens; t++)
        for (uint32_t i = 0; i < S; i++)
            for (uint32_t k = 0; k < c->n; k++) {
                const float *post = mix + (size_t)t * FATHOM_MIX, *comb = post + S,
                            out = y[(size_t)t * c->n + k];
                const size_t at = ((size_t)t * S + i) * c->n + k;
                want[at] = twin[at] = out;
                if (!c->mixes) continue;
                want[at] = (double)post[i] * out;
                twin[at] = out * post[i];
                double magnitude = fabs(want[at]);
                for (uint32_t j = 0; j < S; j++) {
                    const float old = x[((size_t)t * S + j) * c->n + k];
                    want[at] += (double)comb[j * S + i] * old;
                    magnitude += fabs((double)comb[j * S + i] * old);
                    twin[at] = twin[at] + comb[j * S + i] * old;
                }
                bound[at] = 6 * 0x1p-24 * magnitude;
            }
    const float *got = op_result(test, params.x);
    op_check(test, "x", got, want, bound, n_x);
    if (test->exact) op_check_equal(test, "x, exact", got, twin, n_x);
    if (index != 0) return;

    op_begin(test);
    params.mix.size -= 4;
    fathom_hyper_expand(test->stream, &params);
    op_run_refused(test, "mix has");
    params.n = 0;
    fathom_hyper_expand(test->stream, &params);
    op_run_refused(test, "n is 0");
}

int main(int argc, char **argv) {
    return op_test_main(argc, argv,
        &(struct op_suite){
            .op = "hyper_expand",
            .n_cases = sizeof(cases) / sizeof(cases[0]) - N_BENCH,
            .n_bench_cases = N_BENCH,
            .name = name,
            .run = run,
        });
}
