// Scales by weighted least squares: which float a block's few levels are to be multiplied by. What the quantisers search with.
#ifndef FM_QUANT_SCALE_SEARCH_H
#define FM_QUANT_SCALE_SEARCH_H
#include <stdbool.h>

enum { FM_MAX_SCALED = 32 }; // elements that share a scale; n below is a multiple of 4

// How much each of n elements' squared error counts: the importance that was measured (NULL: none), and more for large ones, which
// add more to what a row gives. False: an element is not finite, or past what any block's scales reach.
bool fm_scale_weights(const float *x, const float *importance, int n, float *w);

// The values that one element may have, before the scale.
struct fm_levels {
    bool uneven;  // IQ4's sixteen; otherwise all whole numbers from lo to hi
    float lo, hi; // lo is the one of larger magnitude
};

// v[i]: the level next to x[i] * inverse.
void fm_to_levels(const struct fm_levels *levels, const float *x, float inverse, int n, float *v);

// The d, of any sign, for which the sum of w * (d * level - x)^2 is least, as far as a search finds it; 0 for what is all but zero.
float fm_scale_search(const struct fm_levels *levels, const float *x, const float *w, int n);
// The sum itself, with the levels next to x / d.
float fm_scale_error(const struct fm_levels *levels, const float *x, const float *w, float d, int n);

// x is d * q + m with q from 0 to hi.
struct fm_line {
    float d, m; // d >= 0
};
// q[i]: the whole number next to (x[i] - m) / d
void fm_to_line(struct fm_line line, const float *x, int hi, int n, float *q);
// m_not_above_zero: the format stores -m without a sign.
struct fm_line fm_line_search(const float *x, const float *w, int n, int hi, bool m_not_above_zero);
float fm_line_error(struct fm_line line, const float *x, const float *w, int hi, int n);
#endif
