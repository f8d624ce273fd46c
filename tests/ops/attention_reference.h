// The result of attention over splits of a cache: in double precision with a bound, and bit for bit as the
// plain shader computes it.
#ifndef TEST_ATTENTION_REFERENCE_H
#define TEST_ATTENTION_REFERENCE_H
#include "ops/harness.h"
#include <math.h>
#include <stdlib.h>

struct attention_rows {
    const float *rows; // [positions][width]
    uint32_t width;
    uint32_t key, key_width, value, value_width; // where a head's key and value lie in a row
    const float *sink;                           // the score of a sink, which has no value; NULL: none
};

// One token and head at position n - 1: value and bound of the exact mean. rounding: of a product, as in
// struct op_test.
static inline void attention_reference(const struct attention_rows *r, const float *q, uint32_t n,
    float scale, double rounding, double *s, double *want, double *bound) {
    double m = -INFINITY, l = 0, doubt = 0; // doubt: mean relative error of the weights
    double *error = s + n;                  // absolute error of a score, then relative error of its weight
    for (uint32_t j = 0; j < n; j++) {
        const float *key = r->rows + (size_t)j * r->width + r->key;
        double dot = 0, magnitude = 0;
        for (uint32_t k = 0; k < r->key_width; k++) {
            dot += (double)q[k] * key[k];
            magnitude += fabs((double)q[k] * key[k]);
        }
        s[j] = (double)scale * dot;
        error[j] = fabs((double)scale) * magnitude * ((r->key_width + 3) * 0x1p-24 + rounding);
        m = fmax(m, s[j]);
    }
    if (r->sink) m = fmax(m, *r->sink), l = exp(*r->sink - m);
    for (uint32_t j = 0; j < n; j++) {
        // Vulkan allows exp an error of 3 + 2 |x| units; a second exp scales splits
        error[j] += (6 + 4 * (m - s[j])) * 0x1p-23;
        s[j] = exp(s[j] - m);
        l += s[j];
    }
    for (uint32_t j = 0; j < n; j++) doubt += s[j] / l * error[j];
    for (uint32_t k = 0; k < r->value_width; k++) {
        want[k] = bound[k] = 0;
        for (uint32_t j = 0; j < n; j++) {
            const double v = s[j] / l * r->rows[(size_t)j * r->width + r->value + k];
            want[k] += v;
            bound[k] += fabs(v) * (2 * error[j] + 2 * doubt + (n + 16) * 0x1p-24 + rounding);
        }
        bound[k] += 0x1p-120;
    }
}

// The result as the plain shader computes it: a function of the token's own query and position.
static inline void attention_twin(
    const struct attention_rows *r, const float *q, uint32_t n, float scale, float *out) {
    enum { PARTS = 16 };
    const uint32_t n_splits = (n + FATHOM_SPLIT - 1) / FATHOM_SPLIT;
    float p[FATHOM_SPLIT], *partials = calloc((size_t)n_splits * (r->value_width + 2), sizeof(*partials));
    assert_non_null(partials);
    for (uint32_t split = 0; split < n_splits; split++) {
        const float *first = r->rows + (size_t)split * FATHOM_SPLIT * r->width;
        const uint32_t left = n - split * FATHOM_SPLIT, count = left < FATHOM_SPLIT ? left : FATHOM_SPLIT;
        float *partial = partials + (size_t)split * (r->value_width + 2), m = -INFINITY, l = 0,
              part[PARTS] = {0};
        for (uint32_t j = 0; j < count; j++) {
            float sum[4] = {0};
            for (uint32_t k = 0; k < r->key_width; k++)
                sum[k % 4] = sum[k % 4] + first[(size_t)j * r->width + r->key + k] * q[k];
            p[j] = ((sum[0] + sum[1]) + (sum[2] + sum[3])) * scale;
            m = fmaxf(m, p[j]);
        }
        for (uint32_t j = 0; j < count; j++) {
            p[j] = exact_exp(p[j] - m);
            part[j % PARTS] = part[j % PARTS] + p[j];
        }
        for (uint32_t i = 0; i < PARTS; i++) l = l + part[i];
        for (uint32_t j = 0; j < count; j++)
            for (uint32_t k = 0; k < r->value_width; k++)
                partial[k] = partial[k] + p[j] * first[(size_t)j * r->width + r->value + k];
        partial[r->value_width] = m;
        partial[r->value_width + 1] = l;
    }
    float m = -INFINITY, l = 0;
    for (uint32_t s = 0; s < n_splits; s++)
        m = fmaxf(m, partials[(size_t)s * (r->value_width + 2) + r->value_width]);
    if (r->sink) m = fmaxf(m, *r->sink);
    for (uint32_t k = 0; k < r->value_width; k++) out[k] = 0;
    for (uint32_t s = 0; s < n_splits; s++) {
        const float *partial = partials + (size_t)s * (r->value_width + 2),
                    w = exact_exp(partial[r->value_width] - m);
        for (uint32_t k = 0; k < r->value_width; k++) out[k] = out[k] + w * partial[k];
        l = l + w * partial[r->value_width + 1];
    }
    if (r->sink) l = l + exact_exp(*r->sink - m);
    for (uint32_t k = 0; k < r->value_width; k++) out[k] = out[k] * exact_reciprocal(l);
    free(partials);
}

// One token and head, of n positions.
static inline void attention_check(struct op_test *test, const struct attention_rows *r, const float *q,
    uint32_t n, float scale, const float *got) {
    double *s = malloc(2 * n * sizeof(*s)), *want = malloc(r->value_width * sizeof(*want)),
           *bound = malloc(r->value_width * sizeof(*bound));
    float *same = malloc(r->value_width * sizeof(*same));
    assert_non_null(s);
    assert_non_null(want);
    assert_non_null(bound);
    assert_non_null(same);
    attention_reference(r, q, n, scale, test->rounding, s, want, bound);
    op_check(test, "out", got, want, bound, r->value_width);
    if (test->exact) {
        attention_twin(r, q, n, scale, same);
        op_check_equal(test, "out, exact", got, same, r->value_width);
    }
    free(s);
    free(want);
    free(bound);
    free(same);
}
#endif
