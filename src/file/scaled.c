#include "file/scaled.h"
#include "base/half.h"
#include "base/size.h"
#include "quant/blocks.h"
#include "quant/types.h"
#include <string.h>

enum { F4_BYTES = 16, MXFP4_BYTES = 1 + F4_BYTES };

// Returns 2^(e - 127), the value of a ue8m0 byte.
static float power_of_two(uint8_t e) {
    return fm_bits_float(e ? (uint32_t)e << 23 : 0x00400000u);
}

uint32_t fm_scale_size(enum fm_scale_type type) {
    return type == FM_SCALE_F32 ? 4 : type == FM_SCALE_E8M0 ? 1 : 2;
}

static float read_scale(const struct fm_source *s, const uint8_t *scales, uint64_t at) {
    switch (s->scale_type) {
    case FM_SCALE_F32: return fm_bits_float(fm_read32(scales + 4 * at));
    case FM_SCALE_F16: return fm_from_half((uint16_t)(scales[2 * at] | scales[2 * at + 1] << 8));
    case FM_SCALE_BF16: return fm_from_bf16((uint16_t)(scales[2 * at] | scales[2 * at + 1] << 8));
    default: return power_of_two(scales[at]);
    }
}

static bool is_transposed(const struct fm_source *s) {
    return s->kind == FM_SOURCE_F8_TRANSPOSE;
}

// Returns how many of `most` elements of a presented row share the scale of element col.
static uint32_t sharing(const struct fm_source *s, uint64_t part, uint64_t col, uint32_t most) {
    const uint64_t stored = is_transposed(s) ? s->first_row + part * s->part_rows + col : col,
                   per_scale = is_transposed(s) ? s->rows_per_scale : s->cols_per_scale;
    return (uint32_t)fm_least(most, per_scale - stored % per_scale);
}

// Writes elements [col, col + width) of a presented row, which share a scale, as a block of F8_E4M3. Returns
// false when one of them is not finite.
static bool make_block(
    const struct fm_source *s, uint64_t part, uint64_t row, uint64_t col, uint32_t width, uint8_t *block) {
    const bool transposed = is_transposed(s);
    const uint64_t stored_row = s->first_row + part * s->part_rows + (transposed ? col : row),
                   stored_col = transposed ? row : col;
    const uint64_t at = stored_row / s->rows_per_scale * s->scale_cols + stored_col / s->cols_per_scale;
    const uint8_t *codes = s->parts[part];
    const uint32_t bits = fm_float_bits(read_scale(s, s->scales[part], at));
    for (int i = 0; i < 4; i++) block[i] = (uint8_t)(bits >> 8 * i);
    // 2^119: decoders may multiply the scale by 256 first
    bool finite = (bits & 0x7fffffffu) <= fm_float_bits(0x1p119f);
    if (transposed)
        for (uint32_t i = 0; i < width; i++) block[4 + i] = codes[(col + i) * s->n_rows + row];
    else
        memcpy(block + 4, codes + row * s->n_cols + col, width);
    for (uint32_t i = 0; i < width; i++) finite &= (block[4 + i] & 0x7f) != 0x7f;
    return finite;
}

// The same as floats, whose scale may change from one to the next.
static bool make_floats(
    const struct fm_source *s, uint64_t part, uint64_t row, uint64_t col, uint32_t width, float *floats) {
    uint8_t block[FM_F8_BYTES];
    bool finite = true;
    for (uint32_t i = 0, n; i < width; i += n) {
        n = sharing(s, part, col + i, width - i);
        finite &= make_block(s, part, row, col + i, n, block);
        fm_decode_f8_e4m3(block, floats + i, n);
    }
    return finite;
}

// All blocks of a row have the same size; only the last may be shorter. In F32 a block is as many floats.
static bool read_f8(const struct fm_source *s, enum fathom_type type, uint64_t part, uint64_t offset,
    uint64_t size, uint8_t *dst) {
    const bool widen = type == FATHOM_F32;
    const uint64_t row_size = s->part_size / s->n_rows, block_size = widen ? 4 * FM_F8_BLOCK : FM_F8_BYTES;
    uint8_t block[FM_F8_BYTES];
    float floats[FM_F8_BLOCK];
    bool finite = true;
    while (size) {
        const uint64_t row = offset / row_size, at = offset % row_size, col = at / block_size * FM_F8_BLOCK,
                       skip = at % block_size;
        const uint32_t width = (uint32_t)fm_least(FM_F8_BLOCK, s->n_cols - col);
        const uint64_t n = fm_least(size, (widen ? 4 * width : 4 + width) - skip);
        finite &= widen ? make_floats(s, part, row, col, width, floats)
                        : make_block(s, part, row, col, width, block);
        memcpy(dst, (widen ? (const uint8_t *)floats : block) + skip, n);
        dst += n;
        offset += n;
        size -= n;
    }
    return finite;
}

// The hub packs elements 2 i and 2 i + 1 into byte i; MXFP4 packs elements i and 16 + i.
static bool read_f4(const struct fm_source *s, uint64_t part, uint64_t offset, uint64_t size, uint8_t *dst) {
    bool finite = true;
    while (size) {
        const uint64_t i = offset / MXFP4_BYTES, skip = offset % MXFP4_BYTES,
                       n = fm_least(size, MXFP4_BYTES - skip);
        const uint8_t *packed = s->parts[part] + i * F4_BYTES;
        uint8_t block[MXFP4_BYTES] = {s->scales[part][i]};
        for (int j = 0; j < F4_BYTES / 2; j++) {
            const uint8_t low = packed[j], high = packed[F4_BYTES / 2 + j];
            block[1 + 2 * j] = (uint8_t)((low & 15) | high << 4);
            block[2 + 2 * j] = (uint8_t)(low >> 4 | (high & 0xf0));
        }
        finite &= block[0] <= 127 + 125; // 6, the largest element, times 2^125 is finite
        memcpy(dst, block + skip, n);
        dst += n;
        offset += n;
        size -= n;
    }
    return finite;
}

bool fm_scaled_read(const struct fm_source *source, enum fathom_type type, uint64_t part, uint64_t offset,
    uint64_t size, uint8_t *dst) {
    return source->kind == FM_SOURCE_F4 ? read_f4(source, part, offset, size, dst)
                                        : read_f8(source, type, part, offset, size, dst);
}

struct fm_tensor fm_scaled_widen(const struct fm_tensor *tensor, struct fm_source *source) {
    struct fm_tensor wide = *tensor;
    if (tensor->type != FATHOM_F8_E4M3) return wide;
    *source = *(const struct fm_source *)tensor->impl;
    wide.type = FATHOM_F32;
    wide.impl = source;
    source->part_size = (uint64_t)source->n_rows * source->n_cols * sizeof(float);
    wide.size = source->part_size * source->n_parts;
    return wide;
}
