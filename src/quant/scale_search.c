#include "quant/scale_search.h"
#include "quant/blocks.h"
#include <float.h>
#include <math.h>

// Sums use four lanes so that compilers emit vector instructions; the order of a plain sum forbids that.
enum { LANES = 4, TRIES = 9, ROUNDS = 4 };
#define NEGLIGIBLE 1e-12f // smaller than any float16 scale can represent
#define LARGEST 1e9f      // above the largest value of any format: 65504 * 128 * 32, of Q6_K

static float sum_of(const float lanes[LANES]) {
    return (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
}

bool fm_scale_weights(const float *x, const float *importance, int n, float *w) {
    float squares = 0, most = 0;
    bool fits = true;
    for (int i = 0; i < n; i++) {
        fits &= fabsf(x[i]) < LARGEST;
        squares += x[i] * x[i];
        most = importance && importance[i] > most ? importance[i] : most;
    }
    const float mean = squares / (float)n, rms = sqrtf(mean);
    for (int i = 0; i < n && fits; i++) {
        if (most > 0)
            w[i] = importance[i] / most * sqrtf(mean + x[i] * x[i]);
        else
            w[i] = rms + fabsf(x[i]);
        w[i] += FLT_MIN; // keeps the weights of a block of zeros above zero
    }
    return fits;
}

static float nearest(float x) { // rounds to a whole number; |x| < 2^22
    return x + 0x1.8p23f - 0x1.8p23f;
}

static float clamp(float x, float lo, float hi) {
    x = x < lo ? lo : x;
    return x > hi ? hi : x;
}

void fm_to_levels(const struct fm_levels *levels, const float *x, float inverse, int n, float *v) {
    if (!levels->uneven) {
        for (int i = 0; i < n; i++) v[i] = nearest(clamp(x[i] * inverse, levels->lo, levels->hi));
        return;
    }
    for (int i = 0; i < n; i++) v[i] = fm_iq4_levels[0];
    for (int level = 1; level < 16; level++) {
        const float step = (float)(fm_iq4_levels[level] - fm_iq4_levels[level - 1]);
        const float middle = 0.5f * (float)(fm_iq4_levels[level] + fm_iq4_levels[level - 1]);
        for (int i = 0; i < n; i++) v[i] += x[i] * inverse > middle ? step : 0;
    }
}

struct products {
    float xv, vv; // sums of w * x * v and w * v * v
};

static struct products multiply(const float *x, const float *w, const float *v, int n) {
    float xv[LANES] = {0}, vv[LANES] = {0};
    for (int i = 0; i < n; i += LANES) {
        for (int l = 0; l < LANES; l++) {
            const float wv = w[i + l] * v[i + l];
            xv[l] += wv * x[i + l];
            vv[l] += wv * v[i + l];
        }
    }
    return (struct products){sum_of(xv), sum_of(vv)};
}

// Takes the levels at x * inverse if their error is less than the best so far. The error falls as xv^2 / vv
// grows.
static bool improves(const struct fm_levels *levels, const float *x, const float *w, int n, float inverse,
    float *d, float *explained) {
    float v[FM_MAX_SCALED];
    fm_to_levels(levels, x, inverse, n, v);
    const struct products p = multiply(x, w, v, n);
    if (!(p.vv > 0 && p.xv * p.xv > *explained * p.vv)) return false;
    *explained = p.xv * p.xv / p.vv;
    *d = p.xv / p.vv;
    return true;
}

float fm_scale_search(const struct fm_levels *levels, const float *x, const float *w, int n) {
    float most = 0, d = 0, explained = 0;
    for (int i = 0; i < n; i++) most = fabsf(x[i]) > fabsf(most) ? x[i] : most;
    if (fabsf(most) < NEGLIGIBLE) return 0;
    // tries to map the largest element to the lowest level, or a fraction of a step beside that level; then
    // the same for the highest level
    const float step = levels->uneven ? 1.6f : 0.1f;
    for (int i = -TRIES; i <= TRIES; i++)
        improves(levels, x, w, n, (levels->lo + step * (float)i) / most, &d, &explained);
    for (int i = -TRIES; i <= TRIES; i += 3)
        improves(levels, x, w, n, (levels->hi + step * (float)i) / most, &d, &explained);
    for (int i = 0; i < ROUNDS && d != 0; i++)
        if (!improves(levels, x, w, n, 1 / d, &d, &explained)) break;
    return d;
}

float fm_scale_error(const struct fm_levels *levels, const float *x, const float *w, float d, int n) {
    float v[FM_MAX_SCALED], sums[LANES] = {0};
    fm_to_levels(levels, x, d != 0 ? 1 / d : 0, n, v);
    for (int i = 0; i < n; i += LANES) {
        for (int l = 0; l < LANES; l++) {
            const float error = d * v[i + l] - x[i + l];
            sums[l] += w[i + l] * error * error;
        }
    }
    return sum_of(sums);
}

void fm_to_line(struct fm_line line, const float *x, int hi, int n, float *q) {
    const float inverse = line.d > 0 ? 1 / line.d : 0;
    for (int i = 0; i < n; i++) q[i] = nearest(clamp((x[i] - line.m) * inverse, 0, (float)hi));
}

float fm_line_error(struct fm_line line, const float *x, const float *w, int hi, int n) {
    float q[FM_MAX_SCALED], sums[LANES] = {0};
    fm_to_line(line, x, hi, n, q);
    for (int i = 0; i < n; i += LANES) {
        for (int l = 0; l < LANES; l++) {
            const float error = line.d * q[i + l] + line.m - x[i + l];
            sums[l] += w[i + l] * error * error;
        }
    }
    return sum_of(sums);
}

// The sums that do not depend on q
struct fixed_sums {
    float w, x; // sums of w and w * x
};

// Returns the least-squares line through the points (q, x), with the q that `line` gives.
static struct fm_line solve(struct fm_line line, const float *x, const float *w, const struct fixed_sums *s,
    int n, int hi, bool m_not_above_zero) {
    float q[FM_MAX_SCALED], wq[LANES] = {0}, qq[LANES] = {0}, xq[LANES] = {0};
    fm_to_line(line, x, hi, n, q);
    for (int i = 0; i < n; i += LANES) {
        for (int l = 0; l < LANES; l++) {
            const float t = w[i + l] * q[i + l];
            wq[l] += t;
            qq[l] += t * q[i + l];
            xq[l] += t * x[i + l];
        }
    }
    const float sum_q = sum_of(wq), sum_qq = sum_of(qq), sum_xq = sum_of(xq),
                determinant = s->w * sum_qq - sum_q * sum_q;
    if (!(determinant > 0)) return line;
    struct fm_line best = {
        (s->w * sum_xq - s->x * sum_q) / determinant, (sum_qq * s->x - sum_q * sum_xq) / determinant};
    if (m_not_above_zero && best.m > 0) best = (struct fm_line){sum_xq / sum_qq, 0};
    return best.d > 0 ? best : line;
}

struct fm_line fm_line_search(const float *x, const float *w, int n, int hi, bool m_not_above_zero) {
    struct fixed_sums s = {0};
    float least = x[0], most = x[0];
    for (int i = 0; i < n; i++) {
        least = x[i] < least ? x[i] : least;
        most = x[i] > most ? x[i] : most;
        s.w += w[i];
        s.x += w[i] * x[i];
    }
    if (m_not_above_zero && least > 0) least = 0;
    if (most - least < NEGLIGIBLE) return (struct fm_line){0, least};
    struct fm_line best = {(most - least) / (float)hi, least};
    float error = fm_line_error(best, x, w, hi, n);
    // tries to map the largest element to the highest level, or a fraction of a step beside that level
    for (int i = -TRIES; i <= TRIES; i++) {
        const struct fm_line line =
            solve((struct fm_line){(most - least) / ((float)hi + 0.1f * (float)i), least}, x, w, &s, n, hi,
                m_not_above_zero);
        const float e = fm_line_error(line, x, w, hi, n);
        if (e < error) {
            error = e;
            best = line;
        }
    }
    for (int i = 0; i < ROUNDS; i++) {
        const struct fm_line line = solve(best, x, w, &s, n, hi, m_not_above_zero);
        const float e = fm_line_error(line, x, w, hi, n);
        if (!(e < error)) break;
        error = e;
        best = line;
    }
    return best;
}
