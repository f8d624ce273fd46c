#include "ops/cache_rows.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct store_case {
    enum fathom_type type;
    uint32_t n_tokens, kv_rank, n_rope, position, offset_words, n_rotated;
} cases[] = {
    {FATHOM_F32, 1, 4, 4, 0, 1},
    {FATHOM_F32, 7, 36, 8, 61, 4},
    {FATHOM_F16, 7, 36, 8, 61, 1},
    {FATHOM_F32, 130, 32, 16, 5, 4},
    {FATHOM_F16, 130, 32, 16, 5, 4},
    {FATHOM_F32, 3, 512, 64, 127, 4},
    {FATHOM_F16, 3, 512, 64, 127, 4},
    {FATHOM_F16, 1, 512, 64, 100, 4},
    {FATHOM_Q8_0, 3, 32, 32, 61, 1},
    {FATHOM_Q8_0, 7, 64, 16, 61, 4},
    {FATHOM_Q8_0, 5, 512, 64, 127, 4},
    {FATHOM_F32, 3, 36, 0, 61, 4, 8},
    {FATHOM_F16, 2, 512, 0, 126, 4, 64},
    {FATHOM_Q8_0, 3, 64, 0, 5, 1, 16},
    {FATHOM_F16, 1, 512, 64, 300, 4},
    {FATHOM_F16, 512, 512, 64, 0, 4},
};
static const float eps = 1e-6f;

static const char *name(size_t i, char *buffer, size_t size) {
    snprintf(buffer, size, "type %d, %u + %u values, %u tokens at %u", (int)cases[i].type, cases[i].kv_rank,
        cases[i].n_rope, cases[i].n_tokens, cases[i].position);
    return buffer;
}

// One token: the double-precision values and bounds, and the plain variant's own values.
static void reference(const struct store_case *c, const float *kv, const float *w, const float *angles,
    double *want, double *bound, float *twin) {
    double sum = 0;
    float lanes[64] = {0};
    for (uint32_t i = 0; i < c->kv_rank; i++) {
        sum += (double)kv[i] * kv[i];
        lanes[i % 64] = lanes[i % 64] + kv[i] * kv[i];
    }
    for (uint32_t half_n = 32; half_n; half_n /= 2)
        for (uint32_t i = 0; i < half_n; i++) lanes[i] = lanes[i] + lanes[i + half_n];
    const double scale = 1 / sqrt(sum / c->kv_rank + (double)eps);
    const float exact_scale = exact_rsqrt(lanes[0] * (1.0f / (float)c->kv_rank) + eps);
    for (uint32_t i = 0; i < c->kv_rank; i++) {
        want[i] = kv[i] * scale * w[i];
        bound[i] = (0.5 * c->kv_rank + 8) * 0x1p-24 * fabs(want[i]);
        twin[i] = kv[i] * exact_scale * w[i];
    }
    for (uint32_t i = c->kv_rank; i < c->kv_rank + c->n_rope; i++) {
        want[i] = twin[i] = kv[i];
        bound[i] = 0;
    }
    // the rotated values: the rotary part, or the end of the normed latent
    const uint32_t n_rotated = c->n_rope + c->n_rotated, first = c->kv_rank + c->n_rope - n_rotated;
    for (uint32_t i = 0; i < n_rotated; i += 2) {
        const uint32_t at = first + i;
        const double a = want[at], b = want[at + 1],
                     error = bound[at] + bound[at + 1] + 2 * 0x1p-24 * (fabs(a) + fabs(b));
        const float x = twin[at], y = twin[at + 1];
        want[at] = a * angles[i] - b * angles[i + 1];
        want[at + 1] = a * angles[i + 1] + b * angles[i];
        bound[at] = bound[at + 1] = error;
        twin[at] = x * angles[i] - y * angles[i + 1];
        twin[at + 1] = x * angles[i + 1] + y * angles[i];
    }
    if (c->type == FATHOM_F16)
        for (uint32_t i = 0; i < c->kv_rank + c->n_rope; i++) {
            bound[i] += 0x1p-11 * fabs(want[i]) + 0x1p-25; // half a unit of float16, its subnormals too
            twin[i] = half_decode(half_encode(twin[i]));
        }
    if (c->type == FATHOM_Q8_0) {
        const uint32_t width = c->kv_rank + c->n_rope;
        uint32_t words[1024];
        cache_encode_q8(twin, width, words);
        for (uint32_t i = 0; i < width; i++) {
            double most = 0;
            for (uint32_t k = i / 32 * 32; k < i / 32 * 32 + 32 && k < width; k++)
                most = fmax(most, fabs(want[k]));
            bound[i] += 0.501 * most / 127 + 0x1p-24; // half a step; the scale is a float16
            twin[i] = cache_decode_q8(words, width, i);
        }
    }
}

static void run(struct op_test *test, size_t index) {
    const struct store_case *c = &cases[index];
    const uint32_t width = c->kv_rank + c->n_rope,
                   row_words = (uint32_t)fathom_latent_row_size(c->type, c->kv_rank, c->n_rope) / 4;
    const uint32_t n_positions = c->position + c->n_tokens,
                   n_pages = (n_positions + FATHOM_PAGE - 1) / FATHOM_PAGE + 2;
    const float *kv = op_random_floats(test, (size_t)c->n_tokens * width, -2, 2),
                *w = op_random_floats(test, c->kv_rank, 0.5f, 2);
    const uint32_t n_rotated = c->n_rope + c->n_rotated;
    const float *table = op_random_floats(test, (size_t)n_positions * n_rotated, -1, 1);
    uint32_t *page_table = op_alloc(test, n_pages * sizeof(*page_table));
    for (uint32_t i = 0; i < n_pages; i++) page_table[i] = i;
    for (uint32_t i = n_pages - 1; i; i--) { // shuffled
        const uint32_t j = op_random(test) % (i + 1), swap = page_table[i];
        page_table[i] = page_table[j];
        page_table[j] = swap;
    }
    test->offset_words = c->offset_words;
    const size_t n_words = (size_t)n_pages * FATHOM_PAGE * row_words;
    const struct fathom_view pages = op_output(test, n_words);
    struct fathom_latent_store_params params = {
        .size = sizeof(params),
        .kv = op_input(test, kv, (size_t)c->n_tokens * width),
        .w = op_input(test, w, c->kv_rank),
        .rope_table = op_input(test, table, (size_t)n_positions * n_rotated),
        .position = op_input(test, &c->position, 1),
        .cache =
            {
                .pages = pages,
                .page_table = op_input(test, page_table, n_pages),
                .type = c->type,
                .kv_rank = c->kv_rank,
                .n_rope = c->n_rope,
            },
        .n_tokens = c->n_tokens,
        .n_rotated = c->n_rotated,
        .eps = eps,
    };
    fathom_latent_store(test->stream, &params);
    op_run(test, true);

    uint32_t *got = op_result(test, pages);
    float *row = op_alloc(test, width * sizeof(*row)), *twin = op_alloc(test, width * sizeof(*twin));
    double *want = op_alloc(test, width * sizeof(*want)), *bound = op_alloc(test, width * sizeof(*bound));
    const uint32_t poison = op_poison();
    for (uint32_t t = 0; t < c->n_tokens; t++) {
        const uint32_t at = c->position + t;
        uint32_t *words =
            got + ((size_t)page_table[at / FATHOM_PAGE] * FATHOM_PAGE + at % FATHOM_PAGE) * row_words;
        if (c->type == FATHOM_F32)
            memcpy(row, words, width * sizeof(*row));
        else if (c->type == FATHOM_F16)
            exact_row(FATHOM_F16, words, width, row);
        else
            for (uint32_t k = 0; k < width; k++) row[k] = cache_decode_q8(words, width, k);
        reference(c, kv + (size_t)t * width, w, table + (size_t)at * n_rotated, want, bound, twin);
        op_check(test, "cache", row, want, bound, width);
        if (test->exact) op_check_equal(test, "cache, exact", row, twin, width);
        for (uint32_t i = 0; i < row_words; i++) words[i] = poison;
    }
    uint32_t *untouched = op_alloc(test, n_words * 4);
    for (size_t i = 0; i < n_words; i++) untouched[i] = poison;
    op_check_equal(test, "other positions", got, untouched, n_words);
    if (index != 0) return;

    op_begin(test);
    params.n_rotated = 4;
    fathom_latent_store(test->stream, &params);
    op_run_refused(test, "4 values of the latent's 4 are to be rotated");
    params.n_rotated = 0;
    params.cache.pages.size = 4;
    fathom_latent_store(test->stream, &params);
    op_run_refused(test, "the cache has 0 pages");
    params.cache.type = FATHOM_BF16;
    fathom_latent_store(test->stream, &params);
    op_run_refused(test, "the cache has type 30");
}

int main(int argc, char **argv) {
    return op_test_main(argc, argv,
        &(struct op_suite){
            .op = "latent_store",
            .n_cases = sizeof(cases) / sizeof(cases[0]) - 2,
            .n_bench_cases = 2,
            .name = name,
            .run = run,
        });
}
