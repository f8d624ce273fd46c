#include "ops/cache_rows.h"
#include <stdio.h>

static const struct compress_case {
    enum fathom_type type;
    uint32_t ratio, n_key, n_rope, chunk, n_tokens; // n_tokens in all, in chunks of `chunk`
    bool overlap;
    uint32_t slack, offset_words; // slack: positions of the state beyond the needed ones
} cases[] = {
    {FATHOM_F32, 4, 36, 8, 1, 11, true, 0, 1},
    {FATHOM_F32, 4, 64, 16, 7, 30, true, 3, 4},
    {FATHOM_F16, 4, 32, 16, 40, 40, true, 8, 4},
    {FATHOM_F32, 16, 64, 16, 5, 50, false, 0, 1},
    {FATHOM_F16, 16, 36, 36, 64, 70, false, 8, 4},
    {FATHOM_Q8_0, 4, 64, 16, 3, 20, true, 8, 4},
    {FATHOM_F32, 2, 4, 4, 9, 9, false, 1, 1},
    {FATHOM_F16, 128, 512, 64, 100, 300, false, 8, 4},
    {FATHOM_F16, 4, 512, 64, 64, 64, true, 8, 4},
    {FATHOM_F16, 4, 512, 64, 512, 512, true, 8, 4},
};
enum { N_BENCH = 1, FIRST_ROW = 70 };
static const float eps = 1e-6f;

static const char *name(size_t i, char *buffer, size_t size) {
    const struct compress_case *c = &cases[i];
    snprintf(buffer, size, "type %d, every %u of %u values%s, %u tokens by %u", (int)c->type, c->ratio,
        c->n_key, c->overlap ? ", overlapping" : "", c->n_tokens, c->chunk);
    return buffer;
}

struct inputs {
    const float *kv, *gate, *bias, *w, *table;
};

// Row r: in double precision with a bound, and as the plain shader computes it.
static void reference(const struct compress_case *c, const struct inputs *in, uint32_t r, double *want,
    double *bound, float *twin) {
    const uint32_t width = c->n_key * (c->overlap ? 2 : 1), begins = r * c->ratio,
                   older = c->overlap && r ? c->ratio : 0, n = older + c->ratio;
    double squares = 0, doubt = 0;
    float lanes[64] = {0};
    for (uint32_t k = 0; k < c->n_key; k++) {
        double most = -INFINITY, sum = 0, l = 0, magnitude = 0;
        float twin_most = -INFINITY, twin_sum = 0, twin_l = 0;
        for (int pass = 0; pass < 2; pass++)
            for (uint32_t j = 0; j < n; j++) {
                const uint32_t p = begins - older + j, column = k + (c->overlap && j >= older ? c->n_key : 0);
                const float v = in->kv[(size_t)p * width + column],
                            g = in->gate[(size_t)p * width + column] +
                    in->bias[p % c->ratio * width + column];
                if (pass == 0) {
                    most = fmax(most, g);
                    twin_most = fmaxf(twin_most, g);
                    continue;
                }
                const double e = exp(g - most);
                const float twin_e = exact_exp(g - twin_most);
                sum += e * v, l += e, magnitude += e * fabs((double)v);
                twin_sum = twin_sum + twin_e * v, twin_l = twin_l + twin_e;
            }
        want[k] = sum / l;
        bound[k] = (n + 40) * 0x1p-24 * magnitude / l;
        twin[k] = twin_sum * exact_reciprocal(twin_l);
        squares += want[k] * want[k];
        doubt += fabs(want[k]) * bound[k];
        lanes[k % 64] = lanes[k % 64] + twin[k] * twin[k];
    }
    for (uint32_t half_n = 32; half_n; half_n /= 2)
        for (uint32_t i = 0; i < half_n; i++) lanes[i] = lanes[i] + lanes[i + half_n];
    const double norm = 1 / sqrt(squares / c->n_key + (double)eps),
                 relative = doubt / (squares + 1e-30) + (0.5 * c->n_key + 8) * 0x1p-24;
    const float twin_norm = exact_rsqrt(lanes[0] * (1.0f / (float)c->n_key) + eps);
    for (uint32_t k = 0; k < c->n_key; k++) {
        want[k] *= norm * in->w[k];
        bound[k] = bound[k] * norm * fabs((double)in->w[k]) + relative * fabs(want[k]);
        twin[k] = twin[k] * twin_norm * in->w[k];
    }
    const float *angles = in->table + (size_t)begins * c->n_rope;
    for (uint32_t i = 0; i < c->n_rope; i += 2) {
        const uint32_t at = c->n_key - c->n_rope + i;
        const double a = want[at], b = want[at + 1];
        const float x = twin[at], y = twin[at + 1];
        want[at] = a * angles[i] - b * angles[i + 1];
        want[at + 1] = a * angles[i + 1] + b * angles[i];
        bound[at] = bound[at + 1] = bound[at] + bound[at + 1] + 2 * 0x1p-24 * (fabs(a) + fabs(b));
        twin[at] = x * angles[i] - y * angles[i + 1];
        twin[at + 1] = x * angles[i + 1] + y * angles[i];
    }
    double most = 0;
    for (uint32_t k = 0; k < c->n_key; k++) most = fmax(most, fabs(want[k]));
    for (uint32_t k = 0; k < c->n_key && c->type != FATHOM_F32; k++)
        bound[k] += c->type == FATHOM_F16 ? 0x1p-11 * fabs(want[k]) + 0x1p-25 : 0.51 * most / 127 + 0x1p-24;
}

static void check_row(struct op_test *test, const struct compress_case *c, const struct inputs *in,
    uint32_t r, const uint32_t *words) {
    double *want = op_alloc(test, c->n_key * sizeof(*want)),
           *bound = op_alloc(test, c->n_key * sizeof(*bound));
    float *twin = op_alloc(test, c->n_key * sizeof(*twin)), *row = op_alloc(test, c->n_key * sizeof(*row));
    uint32_t *encoded = op_alloc(test, (c->n_key + 64) * sizeof(*encoded));
    reference(c, in, r, want, bound, twin);
    cache_encode(c->type, twin, c->n_key, encoded);
    if (c->type == FATHOM_Q8_0)
        for (uint32_t k = 0; k < c->n_key; k++) row[k] = cache_decode_q8(words, c->n_key, k);
    else
        exact_row(c->type, words, c->n_key, row);
    op_check(test, "row", row, want, bound, c->n_key);
    if (test->exact) op_check_equal(test, "row, exact", row, twin, c->n_key);
}

static void run(struct op_test *test, size_t index) {
    const struct compress_case *c = &cases[index];
    const uint32_t width = c->n_key * (c->overlap ? 2 : 1), row_words = cache_row_words(c->type, c->n_key),
                   n_state = c->ratio * (c->overlap ? 2 : 1) + c->slack;
    const uint32_t n_rows = c->n_tokens / c->ratio, n_pages = (FIRST_ROW + n_rows) / FATHOM_PAGE + 1;
    const size_t n_values = (size_t)c->n_tokens * width, n_words = (size_t)n_pages * FATHOM_PAGE * row_words;
    const struct inputs in = {op_random_floats(test, n_values, -2, 2),
        op_random_floats(test, n_values, -3, 3), op_random_floats(test, (size_t)c->ratio * width, -1, 1),
        op_random_floats(test, c->n_key, 0.5f, 2),
        op_random_floats(test, (size_t)c->n_tokens * c->n_rope, -1, 1)};
    uint32_t *page_table = op_alloc(test, n_pages * sizeof(*page_table)), zero = 0;
    for (uint32_t i = 0; i < n_pages; i++) page_table[i] = n_pages - 1 - i;
    test->offset_words = c->offset_words;
    struct fathom_view kv = op_input(test, in.kv, n_values), gate = op_input(test, in.gate, n_values),
                       position = op_input(test, &zero, 1);
    struct fathom_compress_params params = {
        .size = sizeof(params),
        .bias = op_input(test, in.bias, (size_t)c->ratio * width),
        .w = op_input(test, in.w, c->n_key),
        .rope_table = op_input(test, in.table, (size_t)c->n_tokens * c->n_rope),
        .position = position,
        .state = op_output(test, 2ull * n_state * width),
        .cache =
            {
                .pages = op_output(test, n_words),
                .page_table = op_input(test, page_table, n_pages),
                .type = c->type,
                .kv_rank = c->n_key,
            },
        .n_state = n_state,
        .ratio = c->ratio,
        .n_rope = c->n_rope,
        .first_row = FIRST_ROW,
        .overlap = c->overlap,
        .eps = eps,
    };
    for (uint32_t at = 0; at < c->n_tokens; at += c->chunk) {
        const uint32_t n = c->n_tokens - at < c->chunk ? c->n_tokens - at : c->chunk;
        struct fathom_error err = {0};
        if (at) op_begin(test);
        if (!fathom_upload(test->gpu, position, &at, &err)) fail_msg("%s", err.message);
        params.n_tokens = n;
        params.kv = params.gate = (struct fathom_view){0};
        params.kv = kv, params.kv.offset += 4ull * at * width, params.kv.size = 4ull * n * width;
        params.gate = gate, params.gate.offset += 4ull * at * width, params.gate.size = 4ull * n * width;
        fathom_compress(test->stream, &params);
        op_run(test, true);
    }
    uint32_t *words = op_result(test, params.cache.pages);
    op_result(test, params.state);
    for (uint32_t r = 0; r < n_rows; r++) {
        uint32_t *row = words +
            ((size_t)page_table[(FIRST_ROW + r) / FATHOM_PAGE] * FATHOM_PAGE +
                (FIRST_ROW + r) % FATHOM_PAGE) *
                row_words;
        check_row(test, c, &in, r, row);
        for (uint32_t i = 0; i < row_words; i++) row[i] = op_poison();
    }
    uint32_t *untouched = op_alloc(test, n_words * 4);
    for (size_t i = 0; i < n_words; i++) untouched[i] = op_poison();
    op_check_equal(test, "other rows", words, untouched, n_words);
    if (index != 0) return;

    op_begin(test);
    params.n_state--;
    fathom_compress(test->stream, &params);
    op_run_refused(test, "a state of 7 positions for a ratio of 4");
    params.ratio = 0;
    fathom_compress(test->stream, &params);
    op_run_refused(test, "ratio is 0");
}

int main(int argc, char **argv) {
    return op_test_main(argc, argv,
        &(struct op_suite){
            .op = "compress",
            .n_cases = sizeof(cases) / sizeof(cases[0]) - N_BENCH,
            .n_bench_cases = N_BENCH,
            .name = name,
            .run = run,
        });
}
