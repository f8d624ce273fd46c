// Decodes super-blocks of 256 elements that hold a scale for each part.
#include "base/half.h"
#include "quant/blocks.h"

static float half_at(const uint8_t *src) {
    return fm_from_half((uint16_t)fm_read16(src));
}

// Reads two bits of element i from 64 bytes; 32 bytes hold 128 elements, the first 32 in the lowest bits.
static int two_bits(const uint8_t *bytes, int i) {
    return bytes[i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3;
}

// Reads four bits of element i from 128 bytes; 32 bytes hold 64 elements, the first 32 in the low nibbles.
static int four_bits(const uint8_t *bytes, int i) {
    return bytes[i / 64 * 32 + i % 32] >> i % 64 / 32 * 4 & 15;
}

// 16: scales and minima of 16 parts, 4 bits each; 64: n; 2: d; 2: m
void fm_decode_q2_k(const uint8_t *block, float *x) {
    const float d = half_at(block + 80), m = half_at(block + 82);
    for (int i = 0; i < FM_SUPER_BLOCK; i++) {
        const float scale = d * (float)(block[i / 16] & 15), minimum = m * (float)(block[i / 16] >> 4);
        x[i] = scale * (float)two_bits(block + 16, i) - minimum;
    }
}

// 32: third bits (0 subtracts 4); 64: n; 12: scales of 16 parts, 6 bits each; 2: d
void fm_decode_q3_k(const uint8_t *block, float *x) {
    const uint8_t *scales = block + 96;
    const float d = half_at(block + 108);
    for (int i = 0; i < FM_SUPER_BLOCK; i++) {
        const int part = i / 16, low = scales[part % 8] >> part / 8 * 4 & 15,
                  high = scales[8 + part % 4] >> part / 4 * 2 & 3;
        const int third = block[i % 32] >> i / 32 & 1;
        x[i] = d * (float)((low | high << 4) - 32) * (float)(two_bits(block + 32, i) - (third ? 0 : 4));
    }
}

// Reads the scale and the minimum of part j of 8, 6 bits each, from 12 bytes.
static void six_bits(const uint8_t *bytes, int j, int *scale, int *minimum) {
    if (j < 4) {
        *scale = bytes[j] & 63;
        *minimum = bytes[j + 4] & 63;
    } else {
        *scale = (bytes[j + 4] & 15) | bytes[j - 4] >> 6 << 4;
        *minimum = bytes[j + 4] >> 4 | bytes[j] >> 6 << 4;
    }
}

// 2: d; 2: m; 12: scales and minima of 8 parts; 32 (Q5_K only): fifth bits; 128: n
static void decode_45(const uint8_t *block, const uint8_t *fifth, const uint8_t *bytes, float *x) {
    const float d = half_at(block), m = half_at(block + 2);
    for (int i = 0; i < FM_SUPER_BLOCK; i++) {
        int scale, minimum;
        six_bits(block + 4, i / 32, &scale, &minimum);
        const int n = four_bits(bytes, i) | (fifth ? fifth[i % 32] >> i / 32 & 1 : 0) << 4;
        x[i] = d * (float)scale * (float)n - m * (float)minimum;
    }
}

void fm_decode_q4_k(const uint8_t *block, float *x) {
    decode_45(block, NULL, block + 16, x);
}

void fm_decode_q5_k(const uint8_t *block, float *x) {
    decode_45(block, block + 16, block + 48, x);
}

// 128: low four bits, 64 elements in the low nibbles of 64 bytes and 64 in the high nibbles; 64: high two
// bits; 16: signed scales of 16 parts; 2: d
void fm_decode_q6_k(const uint8_t *block, float *x) {
    const float d = half_at(block + 208);
    for (int i = 0; i < FM_SUPER_BLOCK; i++) {
        const int low = block[i / 128 * 64 + i % 64] >> i % 128 / 64 * 4 & 15;
        x[i] = d * (float)(int8_t)block[192 + i / 16] * (float)((low | two_bits(block + 128, i) << 4) - 32);
    }
}

// 48: five base-3 digits a byte, as a fraction of 256; 4: four digits a byte; 2: d. Bytes 0..31 hold elements
// 0..159, bytes 32..47 elements 160..239, bytes 48..51 the rest.
void fm_decode_tq1_0(const uint8_t *block, float *x) {
    static const uint8_t powers[5] = {1, 3, 9, 27, 81};
    const float d = half_at(block + 52);
    for (int i = 0; i < FM_SUPER_BLOCK; i++) {
        const int at = i < 160 ? i % 32 : i < 240 ? 32 + i % 16 : 48 + i % 4;
        const int digit = i < 160 ? i / 32 : i < 240 ? (i - 160) / 16 : (i - 240) / 4;
        const uint8_t rest = (uint8_t)(block[at] * powers[digit]);
        x[i] = d * (float)((rest * 3 >> 8) - 1);
    }
}

// 64: n; 2: d
void fm_decode_tq2_0(const uint8_t *block, float *x) {
    const float d = half_at(block + 64);
    for (int i = 0; i < FM_SUPER_BLOCK; i++) x[i] = d * (float)(two_bits(block, i) - 1);
}

// 2: d; 2: high bits and 4: low bits of the scales of 8 parts; 8 * 16: n, as in IQ4_NL
void fm_decode_iq4_xs(const uint8_t *block, float *x) {
    const float d = half_at(block);
    for (int i = 0; i < FM_SUPER_BLOCK; i++) {
        const int part = i / 32, low = block[4 + part / 2] >> part % 2 * 4 & 15,
                  high = (int)(fm_read16(block + 2) >> 2 * part & 3);
        const int n = block[8 + part * 16 + i % 16] >> i % 32 / 16 * 4 & 15;
        x[i] = d * (float)((low | high << 4) - 32) * (float)fm_iq4_levels[n];
    }
}
