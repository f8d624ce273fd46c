#include "ops/cache_rows.h"
#include <math.h>
#include <stdio.h>

static const struct store_case {
    enum fathom_type type;
    uint32_t n_tokens, n_heads, n_kv, n_head, position;
    bool biased, normed, halves;
} cases[] = {
    {FATHOM_F32, 1, 1, 1, 4, 0, false, false, false},
    {FATHOM_F32, 7, 6, 2, 24, 61, true, false, true},
    {FATHOM_F16, 7, 6, 2, 24, 61, false, true, true},
    {FATHOM_F16, 3, 9, 3, 64, 127, false, false, false},
    {FATHOM_F32, 130, 4, 1, 128, 5, true, true, false},
    {FATHOM_F16, 2, 3, 3, 256, 200, true, true, true},
    {FATHOM_Q8_0, 5, 4, 2, 64, 62, true, true, true},
    {FATHOM_Q8_0, 1, 5, 5, 128, 0, false, false, false},
    // for --bench
    {FATHOM_F16, 1, 9, 3, 64, 100, false, false, false},
    {FATHOM_F16, 512, 32, 8, 128, 0, false, true, true},
};
enum { N_BENCH = 2 };
static const float eps = 1e-6f;

static const char *name(size_t i, char *buffer, size_t size) {
    const struct store_case *c = &cases[i];
    snprintf(buffer, size, "type %d, %u tokens at %u, %u heads of %u, %u of keys%s%s%s", (int)c->type,
        c->n_tokens, c->position, c->n_heads, c->n_head, c->n_kv, c->biased ? ", biases" : "",
        c->normed ? ", norms" : "", c->halves ? ", halves" : "");
    return buffer;
}

// One head of queries or keys (norm and angles), or of values (angles NULL): the double-precision values and
// bounds, and the plain variant's own values.
static void reference(const struct store_case *c, const float *x, const float *bias, const float *norm,
    const float *angles, double *want, double *bound, float *twin) {
    const uint32_t n = c->n_head;
    float v[256], lanes[64] = {0};
    double d[256], error[256], sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        v[i] = bias ? x[i] + bias[i] : x[i];
        d[i] = bias ? (double)x[i] + bias[i] : x[i];
        error[i] = 0x1p-24 * fabs(d[i]);
        sum += d[i] * d[i];
        lanes[i % 64] = lanes[i % 64] + v[i] * v[i];
    }
    for (uint32_t half_n = 32; half_n; half_n /= 2)
        for (uint32_t i = 0; i < half_n; i++) lanes[i] = lanes[i] + lanes[i + half_n];
    if (norm) {
        const double scale = 1 / sqrt(sum / n + (double)eps);
        const float exact_scale = exact_rsqrt(lanes[0] * (1.0f / (float)n) + eps);
        for (uint32_t i = 0; i < n; i++) {
            d[i] = d[i] * scale * norm[i];
            error[i] = error[i] * scale * fabs((double)norm[i]) + (0.5 * n + 8) * 0x1p-24 * fabs(d[i]);
            v[i] = v[i] * exact_scale;
            v[i] = v[i] * norm[i];
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        want[i] = d[i];
        bound[i] = error[i];
        twin[i] = v[i];
    }
    for (uint32_t i = 0; angles && i < n / 2; i++) {
        const uint32_t a = c->halves ? i : 2 * i, b = c->halves ? i + n / 2 : 2 * i + 1;
        const float co = angles[2 * i], si = angles[2 * i + 1];
        want[a] = d[a] * co - d[b] * si;
        want[b] = d[a] * si + d[b] * co;
        bound[a] = bound[b] = error[a] + error[b] +
            2 * 0x1p-24 * (fabs(d[a]) + fabs(d[b])); // cosines and sines are within -1 to 1
        twin[a] = v[a] * co - v[b] * si;
        twin[b] = v[a] * si + v[b] * co;
    }
}

// Rounds a row as the cache's type does, and widens its bounds
static void store(enum fathom_type type, uint32_t width, const double *want, double *bound, float *twin) {
    uint32_t words[4096];
    for (uint32_t i = 0; type == FATHOM_F16 && i < width; i++) bound[i] += 0x1p-11 * fabs(want[i]) + 0x1p-25;
    for (uint32_t i = 0; type == FATHOM_Q8_0 && i < width; i++) {
        double most = 0;
        for (uint32_t k = i / 32 * 32; k < i / 32 * 32 + 32; k++) most = fmax(most, fabs(want[k]));
        bound[i] += 0.501 * most / 127 + 0x1p-24;
    }
    cache_encode(type, twin, width, words);
}

static void run(struct op_test *test, size_t index) {
    const struct store_case *c = &cases[index];
    const uint32_t n = c->n_head, n_slots = c->n_heads + 2 * c->n_kv, width = 2 * c->n_kv * n,
                   row_words = cache_row_words(c->type, width);
    const uint32_t n_positions = c->position + c->n_tokens,
                   n_pages = (n_positions + FATHOM_PAGE - 1) / FATHOM_PAGE + 2;
    assert_int_equal(fathom_kv_row_size(c->type, c->n_kv, n), 4 * row_words);
    const size_t n_qkv = (size_t)c->n_tokens * n_slots * n;
    const float *x = op_random_floats(test, n_qkv, -2, 2),
                *table = op_random_floats(test, (size_t)n_positions * n, -1, 1);
    const float *q_bias = op_random_floats(test, c->n_heads * n, -1, 1),
                *k_bias = op_random_floats(test, c->n_kv * n, -1, 1),
                *v_bias = op_random_floats(test, c->n_kv * n, -1, 1),
                *q_norm = op_random_floats(test, n, 0.5f, 2), *k_norm = op_random_floats(test, n, 0.5f, 2);
    uint32_t *page_table = op_alloc(test, n_pages * sizeof(*page_table));
    for (uint32_t i = 0; i < n_pages; i++) page_table[i] = n_pages - 1 - i;
    test->offset_words = index % 2 ? 1 : 4;
    const size_t n_words = (size_t)n_pages * FATHOM_PAGE * row_words;
    const struct fathom_view pages = op_output(test, n_words), qkv = op_output(test, n_qkv);
    struct fathom_error err = {0};
    if (!fathom_upload(test->gpu, qkv, x, &err)) fail_msg("%s", err.message);
    struct fathom_kv_store_params params = {
        .size = sizeof(params),
        .qkv = qkv,
        .rope_table = op_input(test, table, (size_t)n_positions * n),
        .position = op_input(test, &c->position, 1),
        .cache =
            {
                .pages = pages,
                .page_table = op_input(test, page_table, n_pages),
                .type = c->type,
                .n_kv = c->n_kv,
                .n_head = n,
            },
        .n_tokens = c->n_tokens,
        .n_heads = c->n_heads,
        .halves = c->halves,
        .eps = eps,
    };
    if (c->biased) {
        params.q_bias = op_input(test, q_bias, c->n_heads * n);
        params.k_bias = op_input(test, k_bias, c->n_kv * n);
        params.v_bias = op_input(test, v_bias, c->n_kv * n);
    }
    if (c->normed) params.q_norm = op_input(test, q_norm, n), params.k_norm = op_input(test, k_norm, n);
    if (index == 1) { // refused calls
        struct fathom_kv_store_params bad = params;
        bad.v_bias = (struct fathom_view){0};
        fathom_kv_store(test->stream, &bad);
        op_run_refused(test, "have a bias each");
        bad = params;
        bad.cache.pages.size = 4;
        fathom_kv_store(test->stream, &bad);
        op_run_refused(test, "the cache has 0 pages");
    }
    fathom_kv_store(test->stream, &params);
    op_run(test, true);

    const float *queries = op_result(test, qkv);
    uint32_t *got = op_result(test, pages);
    const uint32_t most = n_slots * n;
    float *row = op_alloc(test, width * sizeof(*row)), *twin = op_alloc(test, most * sizeof(*twin));
    double *want = op_alloc(test, most * sizeof(*want)), *bound = op_alloc(test, most * sizeof(*bound));
    const uint32_t poison = op_poison(), n_query = c->n_heads * n;
    for (uint32_t t = 0; t < c->n_tokens; t++) {
        const uint32_t at = c->position + t;
        const float *token = x + (size_t)t * most, *angles = table + (size_t)at * n;
        for (uint32_t s = 0; s < n_slots; s++) {
            const bool query = s < c->n_heads, value = s >= c->n_heads + c->n_kv;
            const uint32_t h = query ? s : (s - c->n_heads) % c->n_kv;
            const float *bias = (query ? q_bias : value ? v_bias : k_bias) + h * n;
            reference(c, token + s * n, c->biased ? bias : NULL,
                c->normed && !value ? (query ? q_norm : k_norm) : NULL, value ? NULL : angles, want + s * n,
                bound + s * n, twin + s * n);
        }
        op_check(test, "queries", queries + (size_t)t * most, want, bound, n_query);
        if (test->exact) op_check_equal(test, "queries, exact", queries + (size_t)t * most, twin, n_query);
        op_check_equal(test, "keys and values as they were", queries + (size_t)t * most + n_query,
            token + n_query, most - n_query);
        store(c->type, width, want + n_query, bound + n_query, twin + n_query);
        uint32_t *words =
            got + ((size_t)page_table[at / FATHOM_PAGE] * FATHOM_PAGE + at % FATHOM_PAGE) * row_words;
        if (c->type == FATHOM_F32)
            memcpy(row, words, width * sizeof(*row));
        else if (c->type == FATHOM_F16)
            exact_row(FATHOM_F16, words, width, row);
        else
            for (uint32_t k = 0; k < width; k++) row[k] = cache_decode_q8(words, width, k);
        op_check(test, "cache", row, want + n_query, bound + n_query, width);
        if (test->exact) op_check_equal(test, "cache, exact", row, twin + n_query, width);
        for (uint32_t i = 0; i < row_words; i++) words[i] = poison;
    }
    uint32_t *untouched = op_alloc(test, n_words * 4);
    for (size_t i = 0; i < n_words; i++) untouched[i] = poison;
    op_check_equal(test, "other positions", got, untouched, n_words);
}

int main(int argc, char **argv) {
    return op_test_main(argc, argv,
        &(struct op_suite){
            .op = "kv_store",
            .n_cases = sizeof(cases) / sizeof(cases[0]) - N_BENCH,
            .n_bench_cases = N_BENCH,
            .name = name,
            .run = run,
        });
}
