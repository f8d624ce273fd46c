#include "ops/harness.h"
#include <math.h>
#include <stdio.h>

static const struct norm_case {
    uint32_t n_tokens, n_cols, x_pad, y_pad, offset_words;
    float scale;
} cases[] = {
    {1, 1, 0, 0, 1, 1},
    {3, 7, 2, 5, 3, 1},
    {2, 64, 0, 0, 4, 1e-4f},
    {5, 65, 1, 0, 1, 1e3f},
    {1, 2048, 0, 0, 4, 1},
    {7, 1536, 64, 0, 4, 1},
    {2, 7168, 0, 0, 4, 30},
    {129, 36, 0, 4, 4, 1e-8f},
    {1, 2048, 0, 0, 4, 1},
    {512, 2048, 0, 0, 4, 1},
};
static const float eps = 1e-6f;

static const char *name(size_t i, char *buffer, size_t size) {
    snprintf(buffer, size, "%u columns, %u tokens, scale %g", cases[i].n_cols, cases[i].n_tokens,
        (double)cases[i].scale);
    return buffer;
}

// The plain variant's own order of operations.
static void exact_norm(const float *x, const float *w, uint32_t n, float *y) {
    float lanes[64] = {0};
    for (uint32_t i = 0; i < n; i++) lanes[i % 64] = lanes[i % 64] + x[i] * x[i];
    for (uint32_t half_n = 32; half_n; half_n /= 2)
        for (uint32_t i = 0; i < half_n; i++) lanes[i] = lanes[i] + lanes[i + half_n];
    const float scale = exact_rsqrt(lanes[0] * (1.0f / (float)n) + eps);
    for (uint32_t i = 0; i < n; i++) y[i] = w ? x[i] * scale * w[i] : x[i] * scale;
}

static void run(struct op_test *test, size_t index) {
    const struct norm_case *c = &cases[index];
    const uint32_t x_stride = c->n_cols + c->x_pad, y_stride = c->n_cols + c->y_pad;
    const size_t n_x = (size_t)c->n_tokens * x_stride, n_y = (size_t)(c->n_tokens - 1) * y_stride + c->n_cols;
    const float *x = op_random_floats(test, n_x, -c->scale, c->scale),
                *w = index % 3 == 2 ? NULL
                                    : op_random_floats(test, c->n_cols, 0.5f,
                                          2.0f); // without weights, too
    test->offset_words = c->offset_words;
    const struct fathom_view y_view = op_output(test, n_y);
    struct fathom_rms_norm_params params = {
        .size = sizeof(params),
        .x = op_input(test, x, n_x),
        .w = w ? op_input(test, w, c->n_cols) : (struct fathom_view){0},
        .y = y_view,
        .n_tokens = c->n_tokens,
        .n_cols = c->n_cols,
        .x_stride = x_stride,
        .y_stride = y_stride,
        .eps = eps,
    };
    fathom_rms_norm(test->stream, &params);
    op_run(test, true);

    const float *y = op_result(test, y_view);
    float *twin = op_alloc(test, c->n_cols * sizeof(*twin));
    double *want = op_alloc(test, c->n_cols * sizeof(*want)),
           *bound = op_alloc(test, c->n_cols * sizeof(*bound));
    for (uint32_t t = 0; t < c->n_tokens; t++) {
        const float *row = x + (size_t)t * x_stride;
        double sum = 0;
        for (uint32_t i = 0; i < c->n_cols; i++) sum += (double)row[i] * row[i];
        const double scale = 1 / sqrt(sum / c->n_cols + (double)eps);
        for (uint32_t i = 0; i < c->n_cols; i++) {
            want[i] = row[i] * scale * (w ? w[i] : 1);
            bound[i] = (0.5 * c->n_cols + 8) * 0x1p-24 *
                fabs(want[i]); // n additions under a root, and a few operations
        }
        op_check(test, "y", y + (size_t)t * y_stride, want, bound, c->n_cols);
        exact_norm(row, w, c->n_cols, twin);
        if (test->exact) op_check_equal(test, "y, exact", y + (size_t)t * y_stride, twin, c->n_cols);
    }
    if (index != 0) return;

    op_begin(test);
    params.eps = -1;
    fathom_rms_norm(test->stream, &params);
    op_run_refused(test, "eps is -1");
    params.eps = eps;
    params.y.offset += 2;
    params.y.size -= 2;
    fathom_rms_norm(test->stream, &params);
    op_run_refused(test, "not a multiple of 4");
}

int main(int argc, char **argv) {
    return op_test_main(argc, argv,
        &(struct op_suite){
            .op = "rms_norm",
            .n_cases = sizeof(cases) / sizeof(cases[0]) - 2,
            .n_bench_cases = 2,
            .name = name,
            .run = run,
        });
}
