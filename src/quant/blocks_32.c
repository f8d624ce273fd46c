// Decodes blocks of 32 elements, and blocks of 8-bit floats. Layouts as in blocks.h. Of 16 bytes n, byte i
// holds element i in its low nibble and element 16 + i in its high nibble.
#include "base/half.h"
#include "quant/blocks.h"
#include <string.h>

static float half_at(const uint8_t *src) {
    return fm_from_half((uint16_t)fm_read16(src));
}

// 2: d, 16: n; d * (n - 8)
void fm_decode_q4_0(const uint8_t *block, float *x) {
    const float d = half_at(block);
    for (int i = 0; i < 16; i++) {
        x[i] = d * (float)((block[2 + i] & 15) - 8);
        x[i + 16] = d * (float)((block[2 + i] >> 4) - 8);
    }
}

// 2: d, 2: m, 16: n; d * n + m
void fm_decode_q4_1(const uint8_t *block, float *x) {
    const float d = half_at(block), m = half_at(block + 2);
    for (int i = 0; i < 16; i++) {
        x[i] = d * (float)(block[4 + i] & 15) + m;
        x[i + 16] = d * (float)(block[4 + i] >> 4) + m;
    }
}

// Reads element i of 32: four bits of a byte and a fifth bit.
static int five_bits(const uint8_t *bytes, uint32_t fifth, int i) {
    const int four = i < 16 ? bytes[i] & 15 : bytes[i - 16] >> 4;
    return four | (int)(fifth >> i & 1) << 4;
}

// 2: d, 4: fifth bits, 16: n; d * (n - 16)
void fm_decode_q5_0(const uint8_t *block, float *x) {
    const float d = half_at(block);
    const uint32_t fifth = fm_read32(block + 2);
    for (int i = 0; i < FM_BLOCK; i++) x[i] = d * (float)(five_bits(block + 6, fifth, i) - 16);
}

// 2: d, 2: m, 4: fifth bits, 16: n; d * n + m
void fm_decode_q5_1(const uint8_t *block, float *x) {
    const float d = half_at(block), m = half_at(block + 2);
    const uint32_t fifth = fm_read32(block + 4);
    for (int i = 0; i < FM_BLOCK; i++) x[i] = d * (float)five_bits(block + 8, fifth, i) + m;
}

// 2: d, 32: signed n; d * n
void fm_decode_q8_0(const uint8_t *block, float *x) {
    const float d = half_at(block);
    for (int i = 0; i < FM_BLOCK; i++) x[i] = d * (float)(int8_t)block[2 + i];
}

const int8_t fm_iq4_levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

// 2: d, 16: n; d * levels[n]
void fm_decode_iq4_nl(const uint8_t *block, float *x) {
    const float d = half_at(block);
    for (int i = 0; i < 16; i++) {
        x[i] = d * (float)fm_iq4_levels[block[2 + i] & 15];
        x[i + 16] = d * (float)fm_iq4_levels[block[2 + i] >> 4];
    }
}

// 2: d, 16: 128 bits, low bit first; d where the bit is set, otherwise -d
void fm_decode_q1_0(const uint8_t *block, float *x) {
    const float d = half_at(block);
    for (int i = 0; i < 128; i++) x[i] = block[2 + i / 8] >> i % 8 & 1 ? d : -d;
}

// E2M1, doubled
static const int8_t e2m1_doubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

// 1: exponent, 16: n (E2M1); 2^(exponent - 127) * n
void fm_decode_mxfp4(const uint8_t *block, float *x) {
    const uint32_t e = block[0], bits = e < 2 ? 0x00200000u << e : (e - 1) << 23; // 2^(e - 128)
    float d;
    memcpy(&d, &bits, sizeof(d));
    for (int i = 0; i < 16; i++) {
        x[i] = d * (float)e2m1_doubled[block[1 + i] & 15];
        x[i + 16] = d * (float)e2m1_doubled[block[1 + i] >> 4];
    }
}

// E4M3: a sign, 4 bits of exponent, 3 bits of mantissa; values below 2^-6 are 2^-9 times an integer. The two
// codes of NaN decode to 480, the step after the largest value (448): no weight has them (scaled.h).
static float from_e4m3(uint8_t code) {
    const uint32_t sign = (uint32_t)(code & 0x80u) << 24, size = code & 0x7fu;
    const uint32_t magnitude = size < 8 ? fm_float_bits((float)size * 0x1p-9f) : (size << 20) + (120u << 23);
    return fm_bits_float(sign | magnitude);
}

// 4: scales (E4M3 without sign; 0x7f is 0), 4 times 8: n (E2M1); scale * n
void fm_decode_nvfp4(const uint8_t *block, float *x) {
    for (int part = 0; part < 4; part++, x += 16) {
        const uint8_t code = block[part];
        const float half = code == 0x7f ? 0 : 0.5f * from_e4m3(code & 0x7f);
        for (int i = 0; i < 8; i++) {
            const uint8_t pair = block[4 + 8 * part + i];
            x[i] = half * (float)e2m1_doubled[pair & 15];
            x[i + 8] = half * (float)e2m1_doubled[pair >> 4];
        }
    }
}

void fm_decode_f8_e4m3(const uint8_t *block, float *x, uint32_t n) {
    const float d = fm_bits_float(fm_read32(block));
    for (uint32_t i = 0; i < n; i++) x[i] = d * from_e4m3(block[4 + i]);
}
