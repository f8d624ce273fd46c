// Shared by the tests of the expert operators: random choices, and dot products in double precision and in
// the plain variants' order.
#ifndef TEST_EXPERT_H
#define TEST_EXPERT_H
#include "op/experts/expert_slice.h"
#include "ops/harness.h"
#include <math.h>

struct expert_dot {
    double value, bound; // bound: for any order of additions in float32, and for what the variant rounds
    float twin;          // the result of the plain variant
};

// Row `row` of the stored weight times x[n_cols]
static inline struct expert_dot expert_dot(const struct op_test *test, const struct fathom_weight *w,
    const uint8_t *bytes, uint64_t row, const float *x) {
    const uint8_t *stored = bytes + row * fathom_row_size(w->type, w->n_cols);
    float lanes[32] = {0}, elements[16384];
    assert_true(w->n_cols <= 16384);
    exact_row(w->type, stored, w->n_cols, elements);
    double sum = 0, magnitude = 0;
    for (uint32_t k = 0; k < w->n_cols; k++) {
        const float v = elements[k];
        lanes[k / 4 % 32] = lanes[k / 4 % 32] + v * x[k];
        sum += (double)v * x[k];
        magnitude += fabs((double)v * x[k]);
    }
    for (uint32_t half_n = 16; half_n; half_n /= 2)
        for (uint32_t i = 0; i < half_n; i++) lanes[i] = lanes[i] + lanes[i + half_n];
    const double bytes_error = test->bytes ? op_bytes_error(elements, x, w->n_cols) : 0;
    return (struct expert_dot){
        sum, ((w->n_cols + 4) * 0x1p-24 + test->rounding) * magnitude + bytes_error, lanes[0]};
}

// top_k different experts for each token, ascending; the first tokens get the first and the last experts
static inline uint32_t *expert_choices(
    struct op_test *test, uint32_t n_tokens, uint32_t top_k, uint32_t n_experts) {
    uint32_t *ids = op_alloc(test, ((size_t)n_tokens * top_k + 1) * sizeof(*ids));
    for (uint32_t t = 0; t < n_tokens; t++)
        for (uint32_t e = 0, s = 0; e < n_experts && s < top_k; e++) {
            const uint32_t left = n_experts - e, wanted = top_k - s;
            if (t == 0 || left == wanted || (t > 1 && op_random(test) % left < wanted))
                ids[t * top_k + s++] = e;
        }
    return ids;
}

// Does a weight of this shape fit the pretended slices, matrix by matrix?
static inline bool expert_fits(enum fathom_type type, uint32_t n_rows, uint32_t n_cols, uint64_t range) {
    return fathom_row_size(type, n_cols) * n_rows <= range;
}
#endif
