#include "op/matmul/columns.h"
#include "ops/norm_after.h"
#include "shaders/quant/types.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define CASE(NAME, name, number, elements, bytes) {number, 1, 67, 3 * elements, 3, 0, 4, false},
static const struct matmul_case {
    enum fathom_type type;
    uint32_t n_mats, n_rows, n_cols, n_tokens, pad, offset_words; // pad: floats between tokens, at most 8
    bool residual;
    float spread; // of x; 0: 1
} cases[] = {
    {FATHOM_F32, 1, 1, 4, 1, 0, 4, false},
    {FATHOM_F32, 1, 7, 36, 1, 0, 4, true},
    {FATHOM_F32, 3, 5, 68, 3, 4, 4, true},
    {FATHOM_F16, 1, 33, 132, 5, 0, 1, false},
    {FATHOM_BF16, 2, 9, 260, 2, 8, 4, false},
    {FATHOM_Q8_0, 1, 13, 96, 1, 0, 4, true},
    {FATHOM_Q8_0, 1, 70, 160, 7, 0, 4, false},
    {FATHOM_Q4_0, 1, 13, 96, 1, 0, 4, true},
    {FATHOM_Q4_0, 4, 6, 64, 19, 4, 4, true},
    {FATHOM_Q4_0, 1, 130, 256, 33, 0, 4, false},
    {FATHOM_Q4_0, 1, 67, 2080, 2, 0, 4, false},
    {FATHOM_Q8_0, 1, 257, 1024, 4, 0, 4, false},
    {FATHOM_F16, 1, 129, 512, 65, 4, 4, true},
    {FATHOM_F32, 1, 200, 300, 17, 0, 4, false},
    {FATHOM_F32, 16, 32, 128, 40, 0, 4, false},
    {FATHOM_Q8_0, 16, 128, 32, 1, 0, 4, false},
    {FATHOM_BF16, 1, 64, 1536, 8, 0, 4, true},
    {FATHOM_Q4_0, 1, 64, 128, 130, 0, 3, false},
    {FATHOM_Q8_0, 1, 10, 64, 9, 8, 4, false},
    {FATHOM_Q4_0, 2, 74, 96, 3, 4, 4, false},
    {FATHOM_Q4_1, 1, 67, 160, 7, 0, 4, true},
    {FATHOM_Q4_1, 3, 70, 96, 18, 4, 4, false},
    {FATHOM_Q8_0, 1, 70, 96, 37, 0, 4, true, 1e8f},
    {FATHOM_Q4_0, 1, 40, 128, 20, 0, 4, false, 1e-9f}, // beyond float16
    {FATHOM_Q4_0, 1, 8200, 32, 40, 0, 4, true},
    {FATHOM_Q8_0, 1, 16300, 32, 66, 4, 4, false}, // the larger tiles
    {FATHOM_Q5_0, 1, 67, 160, 3, 0, 4, false},
    {FATHOM_Q5_1, 1, 70, 96, 18, 0, 4, false},
    {FATHOM_Q2_K, 1, 67, 256, 3, 0, 4, false},
    {FATHOM_Q3_K, 1, 67, 512, 3, 0, 4, false},
    {FATHOM_Q4_K, 1, 67, 768, 3, 0, 4, true},
    {FATHOM_Q4_K, 2, 70, 256, 18, 0, 4, false},
    {FATHOM_Q5_K, 1, 67, 256, 3, 0, 4, false},
    {FATHOM_Q6_K, 1, 67, 768, 3, 0, 4, false},
    {FATHOM_Q6_K, 2, 70, 256, 18, 0, 4, false},
    {FATHOM_IQ4_NL, 1, 67, 96, 3, 0, 4, false},
    {FATHOM_IQ4_XS, 1, 67, 512, 3, 0, 4, false},
    READ_TYPES(CASE) //
    {FATHOM_IQ4_XS, 1, 70, 256, 18, 0, 4, false},
    {FATHOM_IQ2_XXS, 1, 67, 256, 3, 0, 4, false},
    {FATHOM_IQ2_S, 1, 67, 512, 3, 0, 4, false},
    {FATHOM_IQ3_XXS, 1, 67, 256, 18, 0, 4, false},
    {FATHOM_IQ1_M, 1, 67, 256, 3, 0, 4, false},
    {FATHOM_F8_E4M3, 1, 67, 96, 3, 0, 4, true},
    {FATHOM_F8_E4M3, 3, 70, 416, 18, 0, 4, false},
    // the types of quant/packed.h, with a single last block
    {FATHOM_Q8_0, 1, 67, 96, 21, 0, 4, false},
    {FATHOM_Q4_0, 2, 70, 32, 35, 4, 4, true},
    {FATHOM_Q4_1, 1, 131, 160, 21, 0, 4, false},
    {FATHOM_Q5_0, 1, 67, 96, 35, 0, 4, true},
    {FATHOM_Q5_1, 1, 67, 160, 49, 0, 4, false},
    {FATHOM_Q3_K, 1, 67, 256, 21, 0, 4, false},
    {FATHOM_Q4_K, 1, 131, 512, 49, 0, 4, false},
    {FATHOM_Q5_K, 2, 67, 256, 21, 4, 4, true},
    {FATHOM_Q6_K, 1, 131, 512, 35, 0, 4, false},
    {FATHOM_IQ4_NL, 1, 67, 160, 21, 0, 4, false},
    {FATHOM_IQ4_XS, 1, 131, 512, 35, 0, 4, true},
    {FATHOM_MXFP4, 1, 70, 96, 21, 0, 4, false},
    // two tiles of columns that overlap, workgroups of many rows, an odd last row
    {FATHOM_Q4_0, 2, 71, 1088, 1, 4, 4, true},
    {FATHOM_Q8_0, 1, 2051, 1088, 2, 0, 4, false},
    {FATHOM_Q4_1, 1, 301, 448, 3, 0, 4, true},
    {FATHOM_Q8_0, 3, 33, 576, 5, 4, 4, true},
    // timed only
    {FATHOM_Q4_0, 1, 2048, 2048, 1, 0, 4, false},
    {FATHOM_Q4_0, 1, 10944, 2048, 1, 0, 4, false},
    {FATHOM_Q4_0, 1, 2048, 10944, 1, 0, 4, true},
    {FATHOM_Q8_0, 1, 10944, 2048, 1, 0, 4, false},
    {FATHOM_F16, 1, 10944, 2048, 1, 0, 4, false},
    {FATHOM_F32, 1, 10944, 2048, 1, 0, 4, false},
    {FATHOM_Q4_0, 1, 10944, 2048, 4, 0, 4, false},
    {FATHOM_Q4_0, 1, 2048, 2048, 16, 0, 4, false},
    {FATHOM_Q4_0, 1, 2048, 2048, 64, 0, 4, false},
    {FATHOM_Q4_0, 1, 10944, 2048, 64, 0, 4, false},
    {FATHOM_Q8_0, 1, 2048, 2048, 64, 0, 4, false},
    {FATHOM_F32, 1, 2048, 2048, 64, 0, 4, false},
    {FATHOM_F16, 16, 512, 128, 64, 0, 4, false},
    {FATHOM_Q4_K, 1, 10944, 2048, 1, 0, 4, false},
    {FATHOM_Q6_K, 1, 10944, 2048, 1, 0, 4, false},
    {FATHOM_IQ4_XS, 1, 10944, 2048, 1, 0, 4, false},
    {FATHOM_Q5_K, 1, 10944, 2048, 1, 0, 4, false},
    {FATHOM_Q4_0, 1, 100000, 2048, 1, 0, 4, false},
};
enum { N_BENCH = 18, SMALL_RANGE = 32768 };

static const char *name(size_t i, char *buffer, size_t size) {
    const struct matmul_case *c = &cases[i];
    snprintf(buffer, size, "type %d %ux%ux%u, %u tokens%s", (int)c->type, c->n_mats, c->n_rows, c->n_cols,
        c->n_tokens, c->residual ? ", residual" : "");
    return buffer;
}

// The plain variant's own order of operations.
static float exact_dot(const float *w, const float *x, uint32_t n, bool has_residual, float residual) {
    float lanes[32] = {0};
    for (uint32_t k = 0; k < n; k++) lanes[k / 4 % 32] = lanes[k / 4 % 32] + w[k] * x[k];
    for (uint32_t half_n = 16; half_n; half_n /= 2)
        for (uint32_t i = 0; i < half_n; i++) lanes[i] = lanes[i] + lanes[i + half_n];
    return has_residual ? residual + lanes[0] : lanes[0];
}

struct reference {
    double *want, *bound; // [n_tokens][n_mats][n_rows], with the strides of y
    float *twin;
};

static void compute(const struct op_test *test, const struct matmul_case *c, const uint8_t *bytes,
    const float *x, const float *residual, struct reference *ref) {
    const size_t row_size = (size_t)fathom_row_size(c->type, c->n_cols);
    const size_t x_stride = (size_t)c->n_mats * c->n_cols + c->pad,
                 y_stride = (size_t)c->n_mats * c->n_rows + c->pad;
    float w[16384];
    for (uint32_t m = 0; m < c->n_mats; m++)
        for (uint32_t r = 0; r < c->n_rows; r++) {
            exact_row(c->type, bytes + ((size_t)m * c->n_rows + r) * row_size, c->n_cols, w);
            for (uint32_t t = 0; t < c->n_tokens; t++) {
                const float *row = x + t * x_stride + (size_t)m * c->n_cols;
                const size_t at = t * y_stride + (size_t)m * c->n_rows + r;
                double sum = c->residual ? residual[at] : 0, magnitude = fabs(sum);
                for (uint32_t k = 0; k < c->n_cols; k++) {
                    const double product = (double)w[k] * row[k];
                    sum += product;
                    magnitude += fabs(product);
                }
                ref->want[at] = sum;
                ref->bound[at] = ((c->n_cols + 4) * 0x1p-24 + test->rounding) * magnitude +
                    (test->bytes ? op_bytes_error(w, row, c->n_cols) : 0);
                ref->twin[at] = exact_dot(w, row, c->n_cols, c->residual, c->residual ? residual[at] : 0);
            }
        }
}

static void run(struct op_test *test, size_t index) {
    const struct matmul_case *c = &cases[index];
    const size_t x_stride = (size_t)c->n_mats * c->n_cols + c->pad,
                 y_stride = (size_t)c->n_mats * c->n_rows + c->pad;
    const size_t n_x = c->n_tokens * x_stride - c->pad, n_y = c->n_tokens * y_stride - c->pad;
    const uint64_t mat_size = fathom_row_size(c->type, c->n_cols) * c->n_rows;
    if (test->small_slices &&
        (4 * n_x > SMALL_RANGE - 256 || 4 * n_y > SMALL_RANGE - 256 ||
            (c->n_mats > 1 && mat_size > SMALL_RANGE)))
        return;
    const float spread = c->spread ? c->spread : 1.0f;
    const uint8_t *bytes;
    const struct fathom_weight *w = op_weight(test, c->type, c->n_mats, c->n_rows, c->n_cols, 1.0f, &bytes);
    const float *x = op_random_floats(test, n_x, -spread, spread),
                *residual = op_random_floats(test, n_y, -1, 1);
    test->offset_words = c->offset_words;
    const struct fathom_view x_view = op_input(test, x, n_x), y_view = op_output(test, n_y);
    const struct fathom_view residual_view =
        c->residual ? op_input(test, residual, n_y) : (struct fathom_view){0};
    struct fathom_matmul_params params = {
        .size = sizeof(params),
        .w = w,
        .x = x_view,
        .y = y_view,
        .residual = residual_view,
        .n_tokens = c->n_tokens,
        .x_token_stride = (uint32_t)x_stride,
        .y_token_stride = (uint32_t)y_stride,
    };
    fathom_matmul(test->stream, &params);
    const bool by_address = test->row->does &
        FM_DOES_ADDRESS; // only these variants, and variants that take bytes, know few types
    const uint32_t is = (c->offset_words % 4 ? 0 : FM_CALL_ALIGNED) | (c->n_cols % 32 ? 0 : FM_CALL_BLOCKS) |
        (!test->bytes || fm_op_packed(c->type) ? FM_CALL_PACKED : 0) |
        (!by_address || fm_columns_take(c->type, c->n_cols) ? FM_CALL_UNITS : 0);
    op_run(test, op_takes(test, is));

    float *y = op_result(test, y_view);
    struct reference ref = {op_alloc(test, n_y * 8), op_alloc(test, n_y * 8), op_alloc(test, n_y * 4)};
    compute(test, c, bytes, x, residual, &ref);
    const uint32_t n_row = c->n_mats * c->n_rows;
    const uint32_t gap[8] = {op_poison(), op_poison(), op_poison(), op_poison(), op_poison(), op_poison(),
        op_poison(), op_poison()};
    for (uint32_t t = 0; t < c->n_tokens; t++) {
        const size_t at = t * y_stride;
        op_check(test, "y", y + at, ref.want + at, ref.bound + at, n_row);
        if (test->exact) op_check_equal(test, "y, exact", y + at, ref.twin + at, n_row);
        if (t + 1 < c->n_tokens)
            op_check_equal(test, "what lies between tokens", y + at + n_row, gap, c->pad);
    }
    if (index >= sizeof(cases) / sizeof(cases[0]) - N_BENCH) return;

    // one token alone, in place over its residual, gives the same bits in exact mode
    op_begin(test);
    const uint32_t t = c->n_tokens - 1;
    const struct fathom_view alone = op_input(test, residual + t * y_stride, n_row);
    params.n_tokens = 1;
    params.x.offset += 4 * t * x_stride;
    params.x.size -= 4 * t * x_stride;
    params.y = alone;
    if (c->residual) params.residual = alone;
    fathom_matmul(test->stream, &params);
    op_run(test, false);
    y = op_result(test, alone);
    op_check(test, "y of one token", y, ref.want + t * y_stride, ref.bound + t * y_stride, n_row);
    if (test->exact) op_check_equal(test, "y of one token, exact", y, ref.twin + t * y_stride, n_row);

    if (c->n_mats == 1 && c->residual) { // all tokens in place over the residual, with a norm; twice, since
                                         // the first run must leave the counters zero
        op_begin(test);
        float *rows = op_alloc(test, (size_t)c->n_tokens * n_row * sizeof(*rows));
        for (uint32_t i = 0; i < c->n_tokens; i++)
            memcpy(rows + (size_t)i * n_row, residual + i * y_stride, n_row * sizeof(*rows));
        const float *norm_w;
        params.n_tokens = c->n_tokens;
        params.x = x_view;
        params.y = op_output(test, (size_t)c->n_tokens * n_row);
        params.residual = op_input(test, rows, (size_t)c->n_tokens * n_row);
        params.y_token_stride = n_row;
        params.norm = norm_after(test, c->n_tokens, n_row, &norm_w);
        fathom_matmul(test->stream, &params);
        op_run(test, false);
        op_rerun(test);
        norm_after_check(test, &params.norm, norm_w, op_result(test, params.y), c->n_tokens, n_row);
        params.norm = (struct fathom_norm_after){0};
    }

    // refused: a view too small
    op_begin(test);
    params.y.size -= 4;
    fathom_matmul(test->stream, &params);
    op_run_refused(test, "y has");
}

int main(int argc, char **argv) {
    return op_test_main(argc, argv,
        &(struct op_suite){
            .op = "matmul",
            .n_cases = sizeof(cases) / sizeof(cases[0]) - N_BENCH,
            .n_bench_cases = N_BENCH,
            .name = name,
            .run = run,
            .small_range = SMALL_RANGE,
        });
}
