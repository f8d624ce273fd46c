#include "ops/harness.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct select_case {
    // n_values: different scores; 0: any
    uint32_t n_tokens, first_token, position, top_k, max_rows, ratio, n_values, offset_words;
} cases[] = {
    {1, 0, 0, 1, 1, 0, 0, 1},
    {7, 0, 0, 3, 7, 0, 0, 4},
    {3, 2, 200, 24, 300, 1, 0, 1},
    {5, 0, 130, 100, 135, 0, 3, 4}, // ties
    {2, 0, 1000, 512, 1002, 0, 1, 4},
    {9, 0, 20, 6, 8, 4, 0, 4},
    {2, 1, 4000, 64, 1001, 4, 40, 1},
    {4, 0, 50, 100, 64, 1, 0, 4}, // all
    {1, 0, 32767, 2048, 32768, 1, 0, 4},
};
enum { N_BENCH = 1 };

static const char *name(size_t i, char *buffer, size_t size) {
    snprintf(buffer, size, "best %u, %u tokens from %u on at %u, a row every %u, %u values", cases[i].top_k,
        cases[i].n_tokens, cases[i].first_token, cases[i].position, cases[i].ratio, cases[i].n_values);
    return buffer;
}

struct ranked {
    float score;
    uint32_t at;
};
static int better_first(const void *a, const void *b) {
    const struct ranked *x = a, *y = b;
    return x->score != y->score ? (x->score < y->score) - (x->score > y->score)
                                : (x->at > y->at) - (x->at < y->at);
}

static void run(struct op_test *test, size_t index) {
    const struct select_case *c = &cases[index];
    const uint32_t end = c->first_token + c->n_tokens;
    const size_t n_scores = (size_t)c->n_tokens * c->max_rows, n_selected = (size_t)end * c->top_k;
    float *scores = op_random_floats(test, n_scores, -2, 2);
    for (size_t i = 0; i < n_scores && c->n_values; i++)
        scores[i] = c->n_values > 1 ? (float)(op_random(test) % c->n_values) - 1.0f : i % 2 ? 0.0f : -0.0f;
    test->offset_words = c->offset_words;
    struct fathom_index_select_params params = {
        .size = sizeof(params),
        .scores = op_input(test, scores, n_scores),
        .position = op_input(test, &c->position, 1),
        .selected = op_output(test, n_selected),
        .n_tokens = c->n_tokens,
        .first_token = c->first_token,
        .top_k = c->top_k,
        .max_positions = c->max_rows,
        .ratio = c->ratio,
    };
    fathom_index_select(test->stream, &params);
    op_run(test, true);

    uint32_t *want = op_alloc(test, n_selected * sizeof(*want));
    for (size_t i = 0; i < n_selected; i++) want[i] = op_poison();
    struct ranked *ranked = op_alloc(test, c->max_rows * sizeof(*ranked));
    bool *chosen = op_alloc(test, c->max_rows);
    for (uint32_t i = 0; i < c->n_tokens; i++) {
        const uint32_t t = c->first_token + i, seen = (c->position + t + 1) / (c->ratio ? c->ratio : 1);
        for (uint32_t j = 0; j < seen; j++)
            ranked[j] = (struct ranked){scores[(size_t)i * c->max_rows + j], j};
        qsort(ranked, seen, sizeof(*ranked), better_first);
        memset(chosen, 0, c->max_rows);
        for (uint32_t j = 0; j < seen && j < c->top_k; j++) chosen[ranked[j].at] = true;
        for (uint32_t j = 0, n = 0; j < seen; j++)
            if (chosen[j]) want[(size_t)t * c->top_k + n++] = j;
    }
    op_check_equal(test, "selected", op_result(test, params.selected), want, n_selected);
    if (index != 0) return;

    op_begin(test);
    params.top_k = 2;
    fathom_index_select(test->stream, &params);
    op_run_refused(test, "selected has");
    params.top_k = 0;
    fathom_index_select(test->stream, &params);
    op_run_refused(test, "top_k is 0");
}

int main(int argc, char **argv) {
    return op_test_main(argc, argv,
        &(struct op_suite){
            .op = "index_select",
            .n_cases = sizeof(cases) / sizeof(cases[0]) - N_BENCH,
            .n_bench_cases = N_BENCH,
            .name = name,
            .run = run,
        });
}
