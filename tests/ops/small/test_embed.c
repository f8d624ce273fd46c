#include "ops/harness.h"
#include "shaders/quant/types.h"
#include <stdio.h>

#define CASE(NAME, name, number, elements, bytes) {number, 33, 3 * elements, 3, 4},

static const struct embed_case {
    enum fathom_type type;
    uint32_t n_rows, n_cols, n_tokens, offset_words;
} cases[] = {
    {FATHOM_F32, 5, 4, 1, 4},
    {FATHOM_F32, 37, 68, 7, 1},
    {FATHOM_F16, 37, 68, 7, 3},
    {FATHOM_BF16, 37, 68, 7, 4},
    {FATHOM_Q8_0, 33, 32, 3, 1},
    {FATHOM_Q8_0, 33, 1056, 9, 4},
    {FATHOM_Q4_0, 33, 32, 3, 1},
    {FATHOM_Q4_0, 33, 1056, 9, 4},
    {FATHOM_F16, 64, 2048, 5, 4},
    {FATHOM_BF16, 64, 96, 5, 1},
    {FATHOM_F32, 64, 2048, 130, 4},
    {FATHOM_Q4_1, 33, 96, 3, 4},
    {FATHOM_Q5_0, 33, 96, 3, 4},
    {FATHOM_Q5_1, 33, 96, 3, 4},
    {FATHOM_Q2_K, 33, 512, 3, 4},
    {FATHOM_Q3_K, 33, 512, 3, 4},
    {FATHOM_Q4_K, 33, 512, 3, 4},
    {FATHOM_Q5_K, 33, 512, 3, 4},
    {FATHOM_Q6_K, 33, 768, 3, 4},
    {FATHOM_IQ4_NL, 33, 96, 3, 4},
    {FATHOM_IQ4_XS, 33, 512, 3, 4},
    READ_TYPES(CASE) //
    {FATHOM_F8_E4M3, 33, 224, 3, 4},
    {FATHOM_IQ2_XXS, 33, 512, 3, 4},
    {FATHOM_IQ2_XS, 33, 512, 3, 4},
    {FATHOM_IQ2_S, 33, 512, 3, 4},
    {FATHOM_IQ3_XXS, 33, 512, 3, 4},
    {FATHOM_IQ3_S, 33, 512, 3, 4},
    {FATHOM_IQ1_S, 33, 512, 3, 4},
    {FATHOM_IQ1_M, 33, 512, 3, 4},
    {FATHOM_Q4_0, 10000, 2048, 1, 4},
    {FATHOM_Q4_0, 10000, 2048, 512, 4},
};

static const char *name(size_t i, char *buffer, size_t size) {
    const struct embed_case *c = &cases[i];
    snprintf(buffer, size, "type %d %ux%u, %u tokens", (int)c->type, c->n_rows, c->n_cols, c->n_tokens);
    return buffer;
}

static void run(struct op_test *test, size_t index) {
    const struct embed_case *c = &cases[index];
    if (test->small_slices && 4 * (uint64_t)c->n_tokens * c->n_cols > 16384) return;
    const uint8_t *bytes;
    const struct fathom_weight *w = op_weight(test, c->type, 1, c->n_rows, c->n_cols, 1.0f, &bytes);
    const size_t n = (size_t)c->n_tokens * c->n_cols, row_size = (size_t)fathom_row_size(c->type, c->n_cols);
    uint32_t *ids = op_alloc(test, c->n_tokens * sizeof(*ids));
    float *want = op_alloc(test, n * sizeof(*want));
    for (uint32_t t = 0; t < c->n_tokens; t++) {
        ids[t] = t == 0 ? c->n_rows - 1 : op_random(test) % c->n_rows;
        exact_row(c->type, bytes + ids[t] * row_size, c->n_cols, want + (size_t)t * c->n_cols);
    }
    test->offset_words = c->offset_words;
    const struct fathom_view x = op_output(test, n);
    struct fathom_embed_params params = {
        .size = sizeof(params),
        .w = w,
        .ids = op_input(test, ids, c->n_tokens),
        .x = x,
        .n_tokens = c->n_tokens,
    };
    fathom_embed(test->stream, &params);
    op_run(test, op_takes(test, c->n_cols % 32 ? 0 : FM_CALL_BLOCKS));
    op_check_equal(test, "x", op_result(test, x), want, n); // a copy: all variants are exact
    if (index != 0) return;

    op_begin(test);
    params.n_tokens = 2;
    fathom_embed(test->stream, &params);
    op_run_refused(test, "ids has 4 bytes, needs 4 * 2");
    params.w = NULL;
    fathom_embed(test->stream, &params);
    op_run_refused(test, "no weight for w");
}

int main(int argc, char **argv) {
    return op_test_main(argc, argv,
        &(struct op_suite){
            .op = "embed",
            .n_cases = sizeof(cases) / sizeof(cases[0]) - 2,
            .n_bench_cases = 2,
            .name = name,
            .run = run,
            .small_range = 16384,
        });
}
