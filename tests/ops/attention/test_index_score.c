#include "ops/cache_rows.h"
#include <stdio.h>

static const struct score_case {
    enum fathom_type type;
    // max_rows 0: as many rows as tokens see
    uint32_t n_tokens, first_token, n_heads, n_key, position, max_rows, ratio, offset_words;
} cases[] = {
    {FATHOM_F32, 1, 0, 1, 4, 0, 0, 0, 1},
    {FATHOM_F32, 3, 2, 5, 36, 61, 0, 1, 4},
    {FATHOM_F16, 7, 0, 33, 32, 120, 300, 0, 1},
    {FATHOM_F16, 2, 0, 64, 128, 64, 0, 0, 4},
    {FATHOM_F32, 7, 0, 4, 32, 0, 0, 4, 4},
    {FATHOM_F32, 5, 3, 3, 36, 777, 1000, 4, 1},
    {FATHOM_F16, 40, 0, 40, 20, 500, 0, 1, 4},
    {FATHOM_F16, 1, 0, 64, 128, 16383, 0, 1, 4},
    {FATHOM_F16, 128, 0, 64, 128, 1000, 0, 1, 4},
};
enum { N_BENCH = 2 };

static const char *name(size_t i, char *buffer, size_t size) {
    snprintf(buffer, size, "type %d, tokens %u to %u at %u, %u heads of %u, a row every %u",
        (int)cases[i].type, cases[i].first_token, cases[i].first_token + cases[i].n_tokens - 1,
        cases[i].position, cases[i].n_heads, cases[i].n_key, cases[i].ratio);
    return buffer;
}

static void run(struct op_test *test, size_t index) {
    const struct score_case *c = &cases[index];
    const uint32_t end = c->first_token + c->n_tokens, ratio = c->ratio ? c->ratio : 1,
                   n_rows = (c->position + end) / ratio, max_rows = c->max_rows ? c->max_rows : n_rows;
    const size_t n_q = (size_t)end * c->n_heads * c->n_key, n_scores = (size_t)c->n_tokens * max_rows;
    const float scale = 0.37f, *q = op_random_floats(test, n_q, -1, 1),
                *weights = op_random_floats(test, (size_t)end * c->n_heads, -1, 1);
    const struct cache_rows rows = cache_rows(test, c->type, n_rows, max_rows, c->n_key);
    test->offset_words = c->offset_words;
    struct fathom_index_score_params params = {
        .size = sizeof(params),
        .q = op_input(test, q, n_q),
        .weights = op_input(test, weights, (size_t)end * c->n_heads),
        .position = op_input(test, &c->position, 1),
        .scores = op_output(test, n_scores),
        .cache = {.pages = rows.pages, .page_table = rows.page_table, .type = c->type, .n_key = c->n_key},
        .n_tokens = c->n_tokens,
        .first_token = c->first_token,
        .n_heads = c->n_heads,
        .max_positions = max_rows,
        .ratio = c->ratio,
        .scale = scale,
    };
    fathom_index_score(test->stream, &params);
    op_run(test, true);

    const float *got = op_result(test, params.scores);
    const uint32_t step =
        index < sizeof(cases) / sizeof(cases[0]) - N_BENCH ? 1 : 61; // of large cases only some rows
    for (uint32_t i = 0; i < c->n_tokens; i++) {
        const uint32_t t = c->first_token + i, seen = (c->position + t + 1) / ratio;
        for (uint32_t j = i % step; j < max_rows; j += step) {
            const float *at = got + (size_t)i * max_rows + j;
            if (j >= seen) {
                const uint32_t poison = op_poison();
                op_check_equal(test, "what follows", at, &poison, 1);
                continue;
            }
            double want = 0, bound = 0;
            float twin = 0;
            for (uint32_t h = 0; h < c->n_heads; h++) {
                const float *query = q + ((size_t)t * c->n_heads + h) * c->n_key,
                            *key = rows.rows + (size_t)j * c->n_key;
                const float weight = weights[(size_t)t * c->n_heads + h];
                double dot = 0, magnitude = 0;
                float sum[4] = {0};
                for (uint32_t k = 0; k < c->n_key; k++) {
                    dot += (double)query[k] * key[k];
                    magnitude += fabs((double)query[k] * key[k]);
                    sum[k % 4] = sum[k % 4] + key[k] * query[k];
                }
                want += (double)scale * weight * fmax(dot, 0);
                bound +=
                    (double)scale * fabs((double)weight) * magnitude * (c->n_key + c->n_heads + 8) * 0x1p-24;
                twin = twin + weight * scale * fmaxf((sum[0] + sum[1]) + (sum[2] + sum[3]), 0);
            }
            op_check(test, "score", at, &want, &bound, 1);
            if (test->exact) op_check_equal(test, "score, exact", at, &twin, 1);
        }
    }
    if (index != 0) return;

    op_begin(test);
    params.n_heads = 0;
    fathom_index_score(test->stream, &params);
    op_run_refused(test, "n_heads is 0");
    params.n_heads = 1;
    params.n_tokens = 2;
    fathom_index_score(test->stream, &params);
    op_run_refused(test, "2 tokens from 0 on");
}

int main(int argc, char **argv) {
    return op_test_main(argc, argv,
        &(struct op_suite){
            .op = "index_score",
            .n_cases = sizeof(cases) / sizeof(cases[0]) - N_BENCH,
            .n_bench_cases = N_BENCH,
            .name = name,
            .run = run,
        });
}
