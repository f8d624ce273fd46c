// Decodes super-blocks of 256 elements that are points of a grid.
#include "base/half.h"
#include "quant/blocks.h"

static float half_at(const uint8_t *src) {
    return fm_from_half((uint16_t)fm_read16(src));
}

// Adds the eighth sign to seven: the sign that makes the number of minus signs even.
static uint32_t eight_signs(uint32_t seven) {
    seven &= 127;
    return seven | (uint32_t)__builtin_parity(seven) << 7;
}

static float signed_by(uint32_t signs, int i, int value) {
    return (float)(signs >> i & 1 ? -value : value);
}

static int level_2(uint16_t point, int i) { // one of 8, 25, 43
    const int n = point >> 2 * i & 3;
    return 8 + 17 * n + (n >> 1);
}

// Reads the four bits of part i.
static int nibble(const uint8_t *bytes, int i) {
    return bytes[i / 2] >> i % 2 * 4 & 15;
}

// 2: d; 8 * 8: for each 32 elements four points, then four times 7 signs and 4 bits of scale
void fm_decode_iq2_xxs(const uint8_t *block, float *x, const uint16_t *points) {
    const float d = half_at(block);
    for (int i = 0; i < FM_SUPER_BLOCK; i++) {
        const uint8_t *part = block + 2 + i / 32 * 8;
        const uint32_t word = fm_read32(part + 4), signs = eight_signs(word >> i % 32 / 8 * 7);
        x[i] = d * (0.5f + (float)(word >> 28)) * 0.25f *
            signed_by(signs, i % 8, level_2(points[part[i % 32 / 8]], i % 8));
    }
}

// 2: d; 32 * 2: a point of 9 bits and 7 signs; 8: scales of 16 parts
void fm_decode_iq2_xs(const uint8_t *block, float *x, const uint16_t *points) {
    const float d = half_at(block);
    for (int i = 0; i < FM_SUPER_BLOCK; i++) {
        const uint32_t n = fm_read16(block + 2 + i / 8 * 2);
        x[i] = d * (0.5f + (float)nibble(block + 66, i / 16)) * 0.25f *
            signed_by(eight_signs(n >> 9), i % 8, level_2(points[n & 511], i % 8));
    }
}

// 2: d; 32: low 8 bits of the points; 32: signs; 8: high 2 bits of the points; 8: scales of 16 parts
void fm_decode_iq2_s(const uint8_t *block, float *x, const uint16_t *points) {
    const float d = half_at(block);
    for (int i = 0; i < FM_SUPER_BLOCK; i++) {
        const int part = i / 8, n = block[2 + part] | (block[66 + part / 4] >> part % 4 * 2 & 3) << 8;
        x[i] = d * (0.5f + (float)nibble(block + 74, i / 16)) * 0.25f *
            signed_by(block[34 + part], i % 8, level_2(points[n], i % 8));
    }
}

// 2: d; 64: points; 8 * 4: for each 32 elements four times 7 signs and 4 bits of scale
void fm_decode_iq3_xxs(const uint8_t *block, float *x, const uint16_t *points) {
    const float d = half_at(block);
    for (int i = 0; i < FM_SUPER_BLOCK; i++) {
        const uint32_t word = fm_read32(block + 66 + i / 32 * 4), signs = eight_signs(word >> i % 32 / 8 * 7);
        const int n = points[block[2 + i / 4]] >> i % 4 * 3 & 7; // levels: 4, 12, 20 … 52, 62
        x[i] =
            d * (0.5f + (float)(word >> 28)) * 0.5f * signed_by(signs, i % 8, 4 + 8 * n + (n == 7 ? 2 : 0));
    }
}

// 2: d; 64: low 8 bits of the points; 8: their ninth bits; 32: signs; 4: scales of 8 parts
void fm_decode_iq3_s(const uint8_t *block, float *x, const uint16_t *points) {
    const float d = half_at(block);
    for (int i = 0; i < FM_SUPER_BLOCK; i++) {
        const int at = i / 4,
                  n = points[block[2 + at] | (block[66 + at / 8] >> at % 8 & 1) << 8] >> i % 4 * 3 & 7;
        x[i] =
            d * (float)(1 + 2 * nibble(block + 106, i / 32)) * signed_by(block[74 + i / 8], i % 8, 2 * n + 1);
    }
}

// Element i of a point, which is -1, 0 or 1, shifted by an eighth.
static float level_1(uint16_t point, int i, bool down) {
    return (float)((point >> 2 * i & 3) - 1) + (down ? -0.125f : 0.125f);
}

// 2: d; 32: low 8 bits of the points; 8 * 2: for each 32 elements the high 3 bits of four points, 3 bits of
// scale, the sign of the shift
void fm_decode_iq1_s(const uint8_t *block, float *x, const uint16_t *points) {
    const float d = half_at(block);
    for (int i = 0; i < FM_SUPER_BLOCK; i++) {
        const uint32_t high = fm_read16(block + 34 + i / 32 * 2),
                       n = block[2 + i / 8] | (high >> i % 32 / 8 * 3 & 7) << 8;
        x[i] = d * (float)(2 * (high >> 12 & 7) + 1) * level_1(points[n], i % 8, high >> 15);
    }
}

// 32: low 8 bits of the points; 16: for each 8 elements the high 3 bits of the point and the sign of the
// shift; 4 * 2: scales of 16 parts, 3 bits each, and in the highest 4 bits of each word a quarter of the bits
// of d
void fm_decode_iq1_m(const uint8_t *block, float *x, const uint16_t *points) {
    uint32_t half = 0;
    for (int i = 0; i < 4; i++) half |= fm_read16(block + 48 + 2 * i) >> 12 << 4 * i;
    const float d = fm_from_half((uint16_t)half);
    for (int i = 0; i < FM_SUPER_BLOCK; i++) {
        const int part = i / 16, scale = (int)(fm_read16(block + 48 + part / 4 * 2) >> part % 4 * 3 & 7),
                  high = nibble(block + 32, i / 8);
        x[i] = d * (float)(2 * scale + 1) * level_1(points[block[i / 8] | (high & 7) << 8], i % 8, high >> 3);
    }
}
