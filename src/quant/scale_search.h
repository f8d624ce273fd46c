// Finds the scale of a block by weighted least squares: the float by which the block's levels are multiplied.
// All quantisers search with these functions.
#ifndef FM_QUANT_SCALE_SEARCH_H
#define FM_QUANT_SCALE_SEARCH_H
#include <stdbool.h>

enum { FM_MAX_SCALED = 32 }; // most elements that share a scale; n below is a multiple of 4

// Computes the weight of each element's squared error: the measured importance (NULL: none), and more for
// large elements, which contribute more to a row's product. Returns false when an element is not finite or
// exceeds what the scales of any format reach.
bool fm_scale_weights(const float *x, const float *importance, int n, float *w);

// The values that one element may have, before scaling.
struct fm_levels {
    bool uneven;  // the sixteen levels of IQ4; otherwise all whole numbers from lo to hi
    float lo, hi; // |lo| >= |hi|
};

// Sets v[i] to the level nearest to x[i] * inverse.
void fm_to_levels(const struct fm_levels *levels, const float *x, float inverse, int n, float *v);

// Returns the d, of either sign, for which the sum of w * (d * level - x)^2 is least, as far as the search
// finds it. Returns 0 when all elements are practically zero.
float fm_scale_search(const struct fm_levels *levels, const float *x, const float *w, int n);
// Returns that sum, with the levels nearest to x / d.
float fm_scale_error(const struct fm_levels *levels, const float *x, const float *w, float d, int n);

// Represents x as d * q + m with q from 0 to hi.
struct fm_line {
    float d, m; // d >= 0
};
// Sets q[i] to the whole number nearest to (x[i] - m) / d.
void fm_to_line(struct fm_line line, const float *x, int hi, int n, float *q);
// m_not_above_zero: m is at most zero, because the format stores -m without a sign.
struct fm_line fm_line_search(const float *x, const float *w, int n, int hi, bool m_not_above_zero);
float fm_line_error(struct fm_line line, const float *x, const float *w, int hi, int n);
#endif
