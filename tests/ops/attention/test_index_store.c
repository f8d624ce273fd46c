#include "ops/cache_rows.h"
#include <stdio.h>

static const struct store_case {
    enum fathom_type type;
    uint32_t n_tokens, n_heads, n_key, n_rope, position, offset_words;
} cases[] = {
    {FATHOM_F32, 1, 1, 4, 4, 0, 1},
    {FATHOM_F32, 3, 5, 36, 8, 61, 4},
    {FATHOM_F16, 7, 4, 32, 16, 126, 1},
    {FATHOM_F32, 2, 0, 68, 64, 5, 4},
    {FATHOM_F16, 2, 64, 128, 64, 62, 4},
    {FATHOM_F16, 129, 3, 128, 64, 0, 4},
    {FATHOM_F16, 1, 64, 128, 64, 100, 4},
};
enum { N_BENCH = 1 };
static const float eps = 1e-6f;

static const char *name(size_t i, char *buffer, size_t size) {
    snprintf(buffer, size, "type %d, %u tokens at %u, %u heads of %u, %u rotated", (int)cases[i].type,
        cases[i].n_tokens, cases[i].position, cases[i].n_heads, cases[i].n_key, cases[i].n_rope);
    return buffer;
}

// The first n_rope values in pairs (i, i + n_rope / 2)
static void turn(uint32_t n_rope, const float *angles, double *want, double *bound, float *twin) {
    const uint32_t half_n = n_rope / 2;
    for (uint32_t i = 0; i < half_n; i++) {
        const double a = want[i], b = want[half_n + i],
                     error = bound[i] + bound[half_n + i] + 2 * 0x1p-24 * (fabs(a) + fabs(b));
        const float x = twin[i], y = twin[half_n + i], c = angles[2 * i], s = angles[2 * i + 1];
        want[i] = a * c - b * s, want[half_n + i] = a * s + b * c;
        twin[i] = x * c - y * s, twin[half_n + i] = x * s + y * c;
        bound[i] = bound[half_n + i] = error;
    }
}

static float tree(float *lanes) {
    for (uint32_t half_n = 32; half_n; half_n /= 2)
        for (uint32_t i = 0; i < half_n; i++) lanes[i] = lanes[i] + lanes[i + half_n];
    return lanes[0];
}

static void norm(
    uint32_t n, const float *key, const float *w, const float *b, double *want, double *bound, float *twin) {
    double mean = 0, variance = 0, magnitude = 0;
    float lanes[64] = {0}, squares[64] = {0};
    for (uint32_t i = 0; i < n; i++)
        mean += key[i] / (double)n, magnitude = fmax(magnitude, fabs((double)key[i])),
                                    lanes[i % 64] = lanes[i % 64] + key[i];
    const float twin_mean = tree(lanes) * (1.0f / (float)n);
    for (uint32_t i = 0; i < n; i++) {
        const float d = key[i] - twin_mean;
        variance += (key[i] - mean) * (key[i] - mean) / n;
        squares[i % 64] = squares[i % 64] + d * d;
    }
    const double scale = 1 / sqrt(variance + (double)eps);
    const float twin_scale = exact_rsqrt(tree(squares) * (1.0f / (float)n) + eps);
    for (uint32_t i = 0; i < n; i++) {
        want[i] = (key[i] - mean) * scale * w[i] + b[i];
        twin[i] = (key[i] - twin_mean) * twin_scale * w[i] + b[i];
        bound[i] = (n + 16) * 0x1p-23 *
            (magnitude * scale * fabs((double)w[i]) * (1 + magnitude * scale) + fabs((double)b[i]));
    }
}

static void run(struct op_test *test, size_t index) {
    const struct store_case *c = &cases[index];
    const uint32_t n_positions = c->position + c->n_tokens, n_pages = n_positions / FATHOM_PAGE + 2,
                   row_words = cache_row_words(c->type, c->n_key);
    const size_t n_q = (size_t)c->n_tokens * c->n_heads * c->n_key, n_k = (size_t)c->n_tokens * c->n_key,
                 n_words = (size_t)n_pages * FATHOM_PAGE * row_words;
    const float *q = op_random_floats(test, n_q + 1, -2, 2), *k = op_random_floats(test, n_k, -2, 3),
                *w = op_random_floats(test, c->n_key, 0.5f, 2);
    const float *b = op_random_floats(test, c->n_key, -1, 1),
                *table = op_random_floats(test, (size_t)n_positions * c->n_rope, -1, 1);
    uint32_t *page_table = op_alloc(test, n_pages * sizeof(*page_table));
    for (uint32_t i = 0; i < n_pages; i++) page_table[i] = n_pages - 1 - i;
    test->offset_words = c->offset_words;
    struct fathom_index_store_params params = {
        .size = sizeof(params),
        .k = op_input(test, k, n_k),
        .w = op_input(test, w, c->n_key),
        .b = op_input(test, b, c->n_key),
        .rope_table = op_input(test, table, (size_t)n_positions * c->n_rope),
        .position = op_input(test, &c->position, 1),
        .cache =
            {
                .pages = op_output(test, n_words),
                .page_table = op_input(test, page_table, n_pages),
                .type = c->type,
                .n_key = c->n_key,
            },
        .n_tokens = c->n_tokens,
        .n_heads = c->n_heads,
        .n_rope = c->n_rope,
        .eps = eps,
    };
    if (c->n_heads) params.q = op_input(test, q, n_q);
    fathom_index_store(test->stream, &params);
    op_run(test, true);

    const float *got_q = c->n_heads ? op_result(test, params.q) : NULL;
    uint32_t *words = op_result(test, params.cache.pages);
    double *want = op_alloc(test, c->n_key * sizeof(*want)),
           *bound = op_alloc(test, c->n_key * sizeof(*bound));
    float *twin = op_alloc(test, c->n_key * sizeof(*twin)), *row = op_alloc(test, c->n_key * sizeof(*row));
    uint32_t *encoded = op_alloc(test, c->n_key * sizeof(*encoded));
    for (uint32_t t = 0; t < c->n_tokens; t++) {
        const uint32_t at = c->position + t;
        const float *angles = table + (size_t)at * c->n_rope;
        for (uint32_t h = 0; h < c->n_heads; h++) {
            const size_t first = ((size_t)t * c->n_heads + h) * c->n_key;
            for (uint32_t i = 0; i < c->n_key; i++) want[i] = twin[i] = q[first + i], bound[i] = 0;
            turn(c->n_rope, angles, want, bound, twin);
            op_check(test, "q", got_q + first, want, bound, c->n_key);
            if (test->exact) op_check_equal(test, "q, exact", got_q + first, twin, c->n_key);
        }
        norm(c->n_key, k + (size_t)t * c->n_key, w, b, want, bound, twin);
        turn(c->n_rope, angles, want, bound, twin);
        for (uint32_t i = 0; i < c->n_key && c->type == FATHOM_F16; i++)
            bound[i] += 0x1p-11 * fabs(want[i]) + 0x1p-25;
        cache_encode(c->type, twin, c->n_key, encoded);
        uint32_t *stored =
            words + ((size_t)page_table[at / FATHOM_PAGE] * FATHOM_PAGE + at % FATHOM_PAGE) * row_words;
        exact_row(c->type, stored, c->n_key, row);
        op_check(test, "key", row, want, bound, c->n_key);
        if (test->exact) op_check_equal(test, "key, exact", row, twin, c->n_key);
        for (uint32_t i = 0; i < row_words; i++) stored[i] = op_poison();
    }
    uint32_t *untouched = op_alloc(test, n_words * 4);
    for (size_t i = 0; i < n_words; i++) untouched[i] = op_poison();
    op_check_equal(test, "other positions", words, untouched, n_words);
    if (index != 0) return;

    op_begin(test);
    params.n_rope = 8;
    fathom_index_store(test->stream, &params);
    op_run_refused(test, "8 of 4 values to turn");
    params.cache.type = FATHOM_Q8_0;
    fathom_index_store(test->stream, &params);
    op_run_refused(test, "values of type 8 a position");
}

int main(int argc, char **argv) {
    return op_test_main(argc, argv,
        &(struct op_suite){
            .op = "index_store",
            .n_cases = sizeof(cases) / sizeof(cases[0]) - N_BENCH,
            .n_bench_cases = N_BENCH,
            .name = name,
            .run = run,
        });
}
