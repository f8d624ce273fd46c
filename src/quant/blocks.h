// The block formats; private to types.c. A decoder converts one block to its elements, with the same float32
// roundings as ggml. An encoder searches for the block whose elements are closest to x. Layouts are written
// as "bytes: contents"; d and m are float16, n is the code of one element.
#ifndef FM_QUANT_BLOCKS_H
#define FM_QUANT_BLOCKS_H
#include <stdbool.h>
#include <stdint.h>
#include "shaders/quant/types.h"

enum { FM_BLOCK = 32, FM_SUPER_BLOCK = 256, FM_F8_BLOCK = 128, FM_F8_BYTES = 4 + FM_F8_BLOCK };

// fm_decode_<type>() and, of types that are written, fm_encode_<type>(). Each file blocks_*.c describes the
// layouts of its types. A grid's decoder gets the grid's points (grids.h).
// importance: the weight of each element's squared error; NULL: unknown. An encoder returns false when an
// element is not finite or is too large.
#define DECODER(NAME, name, ...) void fm_decode_##name(const uint8_t *block, float *x);
#define GRID_DECODER(NAME, name, ...) \
    void fm_decode_##name(const uint8_t *block, float *x, const uint16_t *points);
#define ENCODER(NAME, name, ...) \
    bool fm_encode_##name(const float *x, const float *importance, uint8_t *block);
WRITTEN_TYPES(DECODER)
READ_TYPES(DECODER)
GRID_TYPES(GRID_DECODER)
WRITTEN_TYPES(ENCODER)
#undef DECODER
#undef GRID_DECODER
#undef ENCODER

// A block of at most 128 8-bit floats. Layout: float32 scale, one byte for each element.
void fm_decode_f8_e4m3(const uint8_t *block, float *x, uint32_t n);

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
