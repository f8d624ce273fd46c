// Encodes blocks of 32 elements. Without importances Q8_0 and Q4_0 get the same bits as from ggml's
// reference. All other encodings are fitted by least squares.
#include "base/half.h"
#include "quant/blocks.h"
#include "quant/scale_search.h"
#include <math.h>
#include <string.h>

static const struct fm_levels four_bits = {false, -8, 7}, five_bits = {false, -16, 15},
                              iq4 = {true, -127, 113};

// Stores a scale as float16 and writes the rounded value to *stored. Returns false when the scale is too
// large.
static bool store_half(uint8_t *dst, float value, float *stored) {
    const uint16_t half = fm_to_half(value);
    fm_write16(dst, half);
    *stored = fm_from_half(half);
    return isfinite(*stored);
}

// Returns 1 / d, or 0 for a scale so small that float16 rounds it to 0 anyway.
static float inverse(float d) {
    const float id = d != 0 ? 1 / d : 0;
    return isfinite(id) ? id : 0;
}

static bool all_finite(const float *x) {
    bool finite = true;
    for (int i = 0; i < FM_BLOCK; i++) finite &= isfinite(x[i]);
    return finite;
}

// Writes element i to the low nibble of byte i of 16 and element 16 + i to the high nibble. Writes the fifth
// bits to four bytes unless `fifth` is NULL.
static void pack(const uint8_t q[FM_BLOCK], uint8_t *fifth, uint8_t *bytes) {
    uint32_t fifths = 0;
    for (int i = 0; i < 16; i++) bytes[i] = (uint8_t)((q[i] & 15) | (q[i + 16] & 15) << 4);
    for (int i = 0; i < FM_BLOCK; i++) fifths |= (uint32_t)(q[i] >> 4) << i;
    if (!fifth) return;
    fm_write16(fifth, (uint16_t)fifths);
    fm_write16(fifth + 2, (uint16_t)(fifths >> 16));
}

// The scale makes the largest magnitude 127.
bool fm_encode_q8_0(const float *x, const float *importance, uint8_t *block) {
    (void)importance; // 8 bits are so fine that a search would gain nothing
    float most = 0, stored;
    for (int i = 0; i < FM_BLOCK; i++) most = fmaxf(most, fabsf(x[i]));
    const float d = most / 127, id = inverse(d);
    if (!all_finite(x) || !store_half(block, d, &stored)) return false;
    for (int i = 0; i < FM_BLOCK; i++) block[2 + i] = (uint8_t)(int8_t)roundf(x[i] * id);
    return true;
}

static bool encode_levels(const struct fm_levels *levels, const float *x, const float *importance,
    uint8_t *block, float v[FM_BLOCK]) {
    float w[FM_BLOCK], d;
    if (!fm_scale_weights(x, importance, FM_BLOCK, w) ||
        !store_half(block, fm_scale_search(levels, x, w, FM_BLOCK), &d))
        return false;
    fm_to_levels(levels, x, inverse(d), FM_BLOCK, v);
    return true;
}

// Without importances the scale maps the value of largest magnitude (the first of several) to -8.
bool fm_encode_q4_0(const float *x, const float *importance, uint8_t *block) {
    uint8_t q[FM_BLOCK];
    float v[FM_BLOCK], most = 0, stored;
    if (importance) {
        if (!encode_levels(&four_bits, x, importance, block, v)) return false;
        for (int i = 0; i < FM_BLOCK; i++) q[i] = (uint8_t)(v[i] + 8);
    } else {
        for (int i = 0; i < FM_BLOCK; i++) most = fabsf(x[i]) > fabsf(most) ? x[i] : most;
        const float d = most / -8, id = inverse(d);
        if (!all_finite(x) || !store_half(block, d, &stored)) return false;
        for (int i = 0; i < FM_BLOCK; i++) {
            const int n = (int)(x[i] * id + 8.5f);
            q[i] = (uint8_t)(n < 15 ? n : 15);
        }
    }
    pack(q, NULL, block + 2);
    return true;
}

bool fm_encode_q5_0(const float *x, const float *importance, uint8_t *block) {
    uint8_t q[FM_BLOCK];
    float v[FM_BLOCK];
    if (!encode_levels(&five_bits, x, importance, block, v)) return false;
    for (int i = 0; i < FM_BLOCK; i++) q[i] = (uint8_t)(v[i] + 16);
    pack(q, block + 2, block + 6);
    return true;
}

bool fm_encode_iq4_nl(const float *x, const float *importance, uint8_t *block) {
    uint8_t q[FM_BLOCK];
    float v[FM_BLOCK];
    if (!encode_levels(&iq4, x, importance, block, v)) return false;
    for (int i = 0; i < FM_BLOCK; i++) q[i] = fm_iq4_index(v[i]);
    pack(q, NULL, block + 2);
    return true;
}

static bool encode_line(
    int hi, const float *x, const float *importance, uint8_t *block, uint8_t q[FM_BLOCK]) {
    float w[FM_BLOCK], n[FM_BLOCK];
    if (!fm_scale_weights(x, importance, FM_BLOCK, w)) return false;
    struct fm_line line = fm_line_search(x, w, FM_BLOCK, hi, false);
    if (!store_half(block, line.d, &line.d) || !store_half(block + 2, line.m, &line.m)) return false;
    fm_to_line(line, x, hi, FM_BLOCK, n);
    for (int i = 0; i < FM_BLOCK; i++) q[i] = (uint8_t)n[i];
    return true;
}

bool fm_encode_q4_1(const float *x, const float *importance, uint8_t *block) {
    uint8_t q[FM_BLOCK];
    if (!encode_line(15, x, importance, block, q)) return false;
    pack(q, NULL, block + 4);
    return true;
}

bool fm_encode_q5_1(const float *x, const float *importance, uint8_t *block) {
    uint8_t q[FM_BLOCK];
    if (!encode_line(31, x, importance, block, q)) return false;
    pack(q, block + 4, block + 8);
    return true;
}
