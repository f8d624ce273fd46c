// Encodes super-blocks of 256 elements that hold a scale (and minimum) for each part of 16 or 32. The search
// first fits each part alone. Then it improves the float16 scales of the super-block and the few-bit scales
// of the parts in turn, because the rounding of the few-bit scales costs more than the rounding of the
// elements.
#include "base/half.h"
#include "quant/blocks.h"
#include "quant/scale_search.h"
#include <math.h>
#include <string.h>

enum { MAX_PARTS = 16, ROUNDS = 2 };

static float to_half_and_back(float x) {
    return fm_from_half(fm_to_half(x));
}

static int clamp(float x, int lo, int hi) {
    const float n = roundf(x);
    return n < (float)lo ? lo : n > (float)hi ? hi : (int)n;
}

// ---- d * scale * level -----------------------------------------------------------------------------------

struct scaled {
    struct fm_levels levels;
    int n_parts, lo, hi; // lo and hi bound a part's scale; |lo| >= |hi|
};

struct scales {
    float d; // rounded to float16
    int scale[MAX_PARTS];
    float v[FM_SUPER_BLOCK];
};

// Moves `scale[part]` by at most one step, to the scale of least error. Returns the error.
static float refine_scale(
    const struct scaled *f, const float *x, const float *w, struct scales *s, int part) {
    const int n = FM_SUPER_BLOCK / f->n_parts, start = s->scale[part];
    float best = fm_scale_error(&f->levels, x + part * n, w + part * n, s->d * (float)start, n);
    for (int scale = start - 1; scale <= start + 1; scale += 2) {
        if (scale < f->lo || scale > f->hi) continue;
        const float error = fm_scale_error(&f->levels, x + part * n, w + part * n, s->d * (float)scale, n);
        if (error < best) {
            best = error;
            s->scale[part] = scale;
        }
    }
    return best;
}

static void to_levels(const struct scaled *f, const float *x, struct scales *s) {
    const int n = FM_SUPER_BLOCK / f->n_parts;
    for (int part = 0; part < f->n_parts; part++) {
        const float d = s->d * (float)s->scale[part];
        fm_to_levels(&f->levels, x + part * n, d != 0 ? 1 / d : 0, n, s->v + part * n);
    }
}

// Fits the scales of all parts for a given d. Returns the error.
static float fit_around(
    const struct scaled *f, const float *x, const float *w, const float *ideal, float d, struct scales *s) {
    float error = 0;
    s->d = d;
    for (int part = 0; part < f->n_parts; part++) {
        s->scale[part] = d != 0 ? clamp(ideal[part] / d, f->lo, f->hi) : 0;
        error += refine_scale(f, x, w, s, part);
    }
    to_levels(f, x, s);
    return error;
}

// Returns the best d for the given levels and scales.
static float solve_scale(const struct scaled *f, const float *x, const float *w, const struct scales *s) {
    float xv = 0, vv = 0;
    for (int i = 0; i < FM_SUPER_BLOCK; i++) {
        const float v = (float)s->scale[i * f->n_parts / FM_SUPER_BLOCK] * s->v[i];
        xv += w[i] * x[i] * v;
        vv += w[i] * v * v;
    }
    return vv > 0 ? to_half_and_back(xv / vv) : s->d;
}

static bool fit_scales(const struct scaled *f, const float *x, const float *importance, struct scales *best) {
    float w[FM_SUPER_BLOCK], ideal[MAX_PARTS], most = 0;
    const int n = FM_SUPER_BLOCK / f->n_parts;
    if (!fm_scale_weights(x, importance, FM_SUPER_BLOCK, w)) return false;
    for (int part = 0; part < f->n_parts; part++) {
        ideal[part] = fm_scale_search(&f->levels, x + part * n, w + part * n, n);
        if (fabsf(ideal[part]) > fabsf(most)) most = ideal[part];
    }
    float error = fit_around(f, x, w, ideal, to_half_and_back(most / (float)f->lo), best);
    for (int round = 0; round < ROUNDS && isfinite(best->d); round++) {
        struct scales next;
        const float e = fit_around(f, x, w, ideal, solve_scale(f, x, w, best), &next);
        if (!(e < error)) break;
        error = e;
        *best = next;
    }
    return isfinite(best->d);
}

// ---- d * scale * n - m * minimum -------------------------------------------------------------------------

struct lined {
    int n_parts, most_scale, hi; // scales and minima are 0 to most_scale, elements 0 to hi
};

struct lines {
    float d, m; // rounded to float16
    int scale[MAX_PARTS], minimum[MAX_PARTS];
    float q[FM_SUPER_BLOCK];
};

static struct fm_line line_of(const struct lines *s, int scale, int minimum) {
    return (struct fm_line){s->d * (float)scale, -(s->m * (float)minimum)};
}

// Moves the part's scale and minimum by at most one step each, to the pair of least error. Returns the error.
static float refine_line(const struct lined *f, const float *x, const float *w, struct lines *s, int part) {
    const int n = FM_SUPER_BLOCK / f->n_parts, scale = s->scale[part], minimum = s->minimum[part];
    float best = fm_line_error(line_of(s, scale, minimum), x + part * n, w + part * n, f->hi, n);
    for (int i = 0; i < 9; i++) {
        const int other_scale = scale + i % 3 - 1, other_minimum = minimum + i / 3 - 1;
        if (i == 4 || other_scale < 0 || other_minimum < 0 || other_scale > f->most_scale ||
            other_minimum > f->most_scale)
            continue;
        const float error =
            fm_line_error(line_of(s, other_scale, other_minimum), x + part * n, w + part * n, f->hi, n);
        if (error < best) {
            best = error;
            s->scale[part] = other_scale;
            s->minimum[part] = other_minimum;
        }
    }
    return best;
}

static float fit_lines_around(
    const struct lined *f, const float *x, const float *w, const struct fm_line *ideal, struct lines *s) {
    const int n = FM_SUPER_BLOCK / f->n_parts;
    float error = 0;
    for (int part = 0; part < f->n_parts; part++) {
        s->scale[part] = s->d > 0 ? clamp(ideal[part].d / s->d, 0, f->most_scale) : 0;
        s->minimum[part] = s->m > 0 ? clamp(-ideal[part].m / s->m, 0, f->most_scale) : 0;
        error += refine_line(f, x, w, s, part);
        fm_to_line(line_of(s, s->scale[part], s->minimum[part]), x + part * n, f->hi, n, s->q + part * n);
    }
    return error;
}

// Computes the best d and m for the given scales, minima and elements: x = d * a - m * b.
static void solve_lines(
    const struct lined *f, const float *x, const float *w, const struct lines *from, struct lines *to) {
    double aa = 0, ab = 0, bb = 0, xa = 0, xb = 0;
    for (int i = 0; i < FM_SUPER_BLOCK; i++) {
        const int part = i * f->n_parts / FM_SUPER_BLOCK;
        const double a = (double)from->scale[part] * from->q[i], b = from->minimum[part];
        aa += w[i] * a * a;
        ab += w[i] * a * b;
        bb += w[i] * b * b;
        xa += w[i] * a * x[i];
        xb += w[i] * b * x[i];
    }
    const double determinant = aa * bb - ab * ab;
    to->d = from->d;
    to->m = from->m;
    if (determinant > 1e-9 * aa * bb) {
        to->d = to_half_and_back((float)((xa * bb - xb * ab) / determinant));
        to->m = to_half_and_back((float)((xa * ab - xb * aa) / determinant));
    } else if (aa > 0 && bb == 0) {
        to->d = to_half_and_back((float)(xa / aa));
    }
}

static bool fit_lines(const struct lined *f, const float *x, const float *importance, struct lines *best) {
    float w[FM_SUPER_BLOCK], most_d = 0, most_m = 0;
    struct fm_line ideal[MAX_PARTS];
    const int n = FM_SUPER_BLOCK / f->n_parts;
    if (!fm_scale_weights(x, importance, FM_SUPER_BLOCK, w)) return false;
    for (int part = 0; part < f->n_parts; part++) {
        ideal[part] = fm_line_search(x + part * n, w + part * n, n, f->hi, true);
        most_d = fmaxf(most_d, ideal[part].d);
        most_m = fmaxf(most_m, -ideal[part].m);
    }
    best->d = to_half_and_back(most_d / (float)f->most_scale);
    best->m = to_half_and_back(most_m / (float)f->most_scale);
    if (!isfinite(best->d) || !isfinite(best->m)) return false;
    float error = fit_lines_around(f, x, w, ideal, best);
    for (int round = 0; round < ROUNDS; round++) {
        struct lines next;
        solve_lines(f, x, w, best, &next);
        if (!(next.d > 0 && next.m >= 0 && isfinite(next.d) && isfinite(next.m))) break;
        const float e = fit_lines_around(f, x, w, ideal, &next);
        if (!(e < error)) break;
        error = e;
        *best = next;
    }
    return true;
}

// ---- The formats; blocks_256.c describes their layouts ---------------------------------------------------

// Writes two bits of element i; 32 bytes hold 128 elements, the first 32 in the lowest bits.
static void put_two_bits(uint8_t *bytes, int i, int n) {
    bytes[i / 128 * 32 + i % 32] |= (uint8_t)((n & 3) << i % 128 / 32 * 2);
}

bool fm_encode_q2_k(const float *x, const float *importance, uint8_t *block) {
    struct lines s;
    if (!fit_lines(&(struct lined){16, 15, 3}, x, importance, &s)) return false;
    memset(block, 0, 84);
    for (int part = 0; part < 16; part++) block[part] = (uint8_t)(s.scale[part] | s.minimum[part] << 4);
    for (int i = 0; i < FM_SUPER_BLOCK; i++) put_two_bits(block + 16, i, (int)s.q[i]);
    fm_write16(block + 80, fm_to_half(s.d));
    fm_write16(block + 82, fm_to_half(s.m));
    return true;
}

bool fm_encode_q3_k(const float *x, const float *importance, uint8_t *block) {
    struct scales s;
    if (!fit_scales(&(struct scaled){{false, -4, 3}, 16, -32, 31}, x, importance, &s)) return false;
    memset(block, 0, 110);
    for (int i = 0; i < FM_SUPER_BLOCK; i++) {
        const int n = (int)s.v[i] + 4;
        block[i % 32] |= (uint8_t)((n >> 2) << i / 32);
        put_two_bits(block + 32, i, n);
    }
    for (int part = 0; part < 16; part++) {
        const int n = s.scale[part] + 32;
        block[96 + part % 8] |= (uint8_t)((n & 15) << part / 8 * 4);
        block[104 + part % 4] |= (uint8_t)(n >> 4 << part / 4 * 2);
    }
    fm_write16(block + 108, fm_to_half(s.d));
    return true;
}

// Writes the scales and minima of 8 parts, 6 bits each, to 12 bytes.
static void put_six_bits(uint8_t *bytes, const struct lines *s) {
    for (int j = 0; j < 4; j++) {
        bytes[j] = (uint8_t)(s->scale[j] | s->scale[j + 4] >> 4 << 6);
        bytes[j + 4] = (uint8_t)(s->minimum[j] | s->minimum[j + 4] >> 4 << 6);
        bytes[j + 8] = (uint8_t)((s->scale[j + 4] & 15) | (s->minimum[j + 4] & 15) << 4);
    }
}

static bool encode_45(
    int hi, const float *x, const float *importance, uint8_t *block, uint8_t *fifth, uint8_t *bytes) {
    struct lines s;
    if (!fit_lines(&(struct lined){8, 63, hi}, x, importance, &s)) return false;
    fm_write16(block, fm_to_half(s.d));
    fm_write16(block + 2, fm_to_half(s.m));
    put_six_bits(block + 4, &s);
    memset(bytes, 0, 128);
    for (int i = 0; i < FM_SUPER_BLOCK; i++) {
        const int n = (int)s.q[i];
        bytes[i / 64 * 32 + i % 32] |= (uint8_t)((n & 15) << i % 64 / 32 * 4);
        if (fifth) fifth[i % 32] = (uint8_t)((i < 32 ? 0 : fifth[i % 32]) | n >> 4 << i / 32);
    }
    return true;
}

bool fm_encode_q4_k(const float *x, const float *importance, uint8_t *block) {
    return encode_45(15, x, importance, block, NULL, block + 16);
}

bool fm_encode_q5_k(const float *x, const float *importance, uint8_t *block) {
    return encode_45(31, x, importance, block, block + 16, block + 48);
}

bool fm_encode_q6_k(const float *x, const float *importance, uint8_t *block) {
    struct scales s;
    if (!fit_scales(&(struct scaled){{false, -32, 31}, 16, -128, 127}, x, importance, &s)) return false;
    memset(block, 0, 210);
    for (int i = 0; i < FM_SUPER_BLOCK; i++) {
        const int n = (int)s.v[i] + 32;
        block[i / 128 * 64 + i % 64] |= (uint8_t)((n & 15) << i % 128 / 64 * 4);
        put_two_bits(block + 128, i, n >> 4);
    }
    for (int part = 0; part < 16; part++) block[192 + part] = (uint8_t)(int8_t)s.scale[part];
    fm_write16(block + 208, fm_to_half(s.d));
    return true;
}

bool fm_encode_iq4_xs(const float *x, const float *importance, uint8_t *block) {
    struct scales s;
    uint32_t high = 0;
    if (!fit_scales(&(struct scaled){{true, -127, 113}, 8, -32, 31}, x, importance, &s)) return false;
    memset(block, 0, 136);
    for (int part = 0; part < 8; part++) {
        const int n = s.scale[part] + 32;
        block[4 + part / 2] |= (uint8_t)((n & 15) << part % 2 * 4);
        high |= (uint32_t)(n >> 4) << 2 * part;
    }
    for (int i = 0; i < FM_SUPER_BLOCK; i++)
        block[8 + i / 32 * 16 + i % 16] |= (uint8_t)(fm_iq4_index(s.v[i]) << i % 32 / 16 * 4);
    fm_write16(block, fm_to_half(s.d));
    fm_write16(block + 2, (uint16_t)high);
    return true;
}
