// The norm that an operator leaves beside its result y.
#ifndef TEST_NORM_AFTER_H
#define TEST_NORM_AFTER_H
#include "ops/harness.h"
#include <math.h>

static inline struct fathom_norm_after norm_after(
    struct op_test *test, uint32_t n_tokens, uint32_t n, const float **w) {
    const uint32_t *zeros = op_alloc(test, n_tokens * sizeof(*zeros));
    *w = op_random_floats(test, n, 0.5f, 2);
    return (struct fathom_norm_after){
        .w = op_input(test, *w, n),
        .y = op_output(test, (size_t)n_tokens * n),
        .counters = op_input(test, zeros, n_tokens),
        .eps = 1e-6f,
    };
}

// Checks the norm of the y that the device computed. The counters must be zero again.
static inline void norm_after_check(struct op_test *test, const struct fathom_norm_after *norm,
    const float *w, const float *y, uint32_t n_tokens, uint32_t n) {
    const float *got = op_result(test, norm->y);
    double *want = op_alloc(test, n * sizeof(*want)), *bound = op_alloc(test, n * sizeof(*bound));
    for (uint32_t t = 0; t < n_tokens; t++) {
        double sum = 0;
        for (uint32_t i = 0; i < n; i++) sum += (double)y[(size_t)t * n + i] * y[(size_t)t * n + i];
        const double scale = 1 / sqrt(sum / n + (double)norm->eps);
        for (uint32_t i = 0; i < n; i++) {
            want[i] = y[(size_t)t * n + i] * scale * w[i];
            bound[i] = (0.5 * n + 8) * 0x1p-24 * fabs(want[i]);
        }
        op_check(test, "norm", got + (size_t)t * n, want, bound, n);
    }
    const uint32_t *zeros = op_alloc(test, n_tokens * sizeof(*zeros));
    op_check_equal(test, "counters", op_result(test, norm->counters), zeros, n_tokens);
}
#endif
