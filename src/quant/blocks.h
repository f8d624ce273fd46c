// The block formats; private to types.c. A decoder converts one block to its elements, with the same float32
// roundings as ggml. An encoder searches for the block whose elements are closest to x. Layouts are written
// as "bytes: contents"; d and m are float16, n is the code of one element.
#ifndef FM_QUANT_BLOCKS_H
#define FM_QUANT_BLOCKS_H
#include <stdbool.h>
#include <stdint.h>

enum { FM_BLOCK = 32, FM_SUPER_BLOCK = 256, FM_F8_BLOCK = 128, FM_F8_BYTES = 4 + FM_F8_BLOCK };

// Blocks of 32. Byte i of 16 holds element i in its low nibble and element 16 + i in its high nibble.
void fm_decode_q4_0(const uint8_t *block, float *x);   // 2: d, 16: n;                d * (n - 8)
void fm_decode_q4_1(const uint8_t *block, float *x);   // 2: d, 2: m, 16: n;          d * n + m
void fm_decode_q5_0(const uint8_t *block, float *x);   // 2: d, 4: fifth bits, 16: n; d * (n - 16)
void fm_decode_q5_1(const uint8_t *block, float *x);   // 2: d, 2: m, 4: fifth bits, 16: n; d * n + m
void fm_decode_q8_0(const uint8_t *block, float *x);   // 2: d, 32: signed n;         d * n
void fm_decode_iq4_nl(const uint8_t *block, float *x); // 2: d, 16: n;                d * levels[n]
void fm_decode_mxfp4(const uint8_t *block, float *x);  // 1: exponent, 16: n (E2M1);  2^(exponent - 127) * n

// Super-blocks of 256, with a scale (and minimum) for each part of 16 or 32
void fm_decode_q2_k(const uint8_t *block, float *x);
void fm_decode_q3_k(const uint8_t *block, float *x);
void fm_decode_q4_k(const uint8_t *block, float *x);
void fm_decode_q5_k(const uint8_t *block, float *x);
void fm_decode_q6_k(const uint8_t *block, float *x);
void fm_decode_tq1_0(const uint8_t *block, float *x);
void fm_decode_tq2_0(const uint8_t *block, float *x);
void fm_decode_iq4_xs(const uint8_t *block, float *x);

// Super-blocks of 256, whose elements are points of a grid, eight or four elements a point (grids.h)
void fm_decode_iq1_s(const uint8_t *block, float *x, const uint16_t *points);
void fm_decode_iq1_m(const uint8_t *block, float *x, const uint16_t *points);
void fm_decode_iq2_xxs(const uint8_t *block, float *x, const uint16_t *points);
void fm_decode_iq2_xs(const uint8_t *block, float *x, const uint16_t *points);
void fm_decode_iq2_s(const uint8_t *block, float *x, const uint16_t *points);
void fm_decode_iq3_xxs(const uint8_t *block, float *x, const uint16_t *points);
void fm_decode_iq3_s(const uint8_t *block, float *x, const uint16_t *points);

// A block of at most 128 8-bit floats. Layout: float32 scale, one byte for each element.
void fm_decode_f8_e4m3(const uint8_t *block, float *x, uint32_t n);

// importance: the weight of each element's squared error; NULL: unknown. Returns false when an element is not
// finite or is too large.
bool fm_encode_q4_0(const float *x, const float *importance, uint8_t *block);
bool fm_encode_q4_1(const float *x, const float *importance, uint8_t *block);
bool fm_encode_q5_0(const float *x, const float *importance, uint8_t *block);
bool fm_encode_q5_1(const float *x, const float *importance, uint8_t *block);
bool fm_encode_q8_0(const float *x, const float *importance, uint8_t *block);
bool fm_encode_iq4_nl(const float *x, const float *importance, uint8_t *block);
bool fm_encode_q2_k(const float *x, const float *importance, uint8_t *block);
bool fm_encode_q3_k(const float *x, const float *importance, uint8_t *block);
bool fm_encode_q4_k(const float *x, const float *importance, uint8_t *block);
bool fm_encode_q5_k(const float *x, const float *importance, uint8_t *block);
bool fm_encode_q6_k(const float *x, const float *importance, uint8_t *block);
bool fm_encode_iq4_xs(const float *x, const float *importance, uint8_t *block);

extern const int8_t fm_iq4_levels[16];
static inline uint8_t fm_iq4_index(float level) { // the index of a level in fm_iq4_levels
    uint8_t n = 0;
    while (n < 15 && (float)fm_iq4_levels[n] < level) n++;
    return n;
}

static inline uint32_t fm_read16(const uint8_t *src) {
    return src[0] | (uint32_t)src[1] << 8;
}

static inline uint32_t fm_read32(const uint8_t *src) {
    return fm_read16(src) | fm_read16(src + 2) << 16;
}

static inline void fm_write16(uint8_t *dst, uint16_t value) {
    dst[0] = (uint8_t)value;
    dst[1] = (uint8_t)(value >> 8);
}
#endif
