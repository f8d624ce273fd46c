#include "quant/types.h"
#include "base/half.h"
#include "base/size.h"
#include "quant/blocks.h"
#include "quant/grids.h"
#include "shaders/quant/types.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

// A type with the functions that read and write its blocks. At most one of decode and decode_points is set;
// neither is set for floats and for types that are not supported.
struct entry {
    struct fm_type_info info;
    void (*decode)(const uint8_t *block, float *x);
    void (*decode_points)(const uint8_t *block, float *x, const uint16_t *points);
    enum fm_grid grid;
    bool (*encode)(const float *x, const float *importance, uint8_t *block);
};

#define WRITTEN(NAME, name, number, elements, bytes) \
    {{number, #NAME, elements, bytes, true, true}, fm_decode_##name, .encode = fm_encode_##name},
#define READ(NAME, name, number, elements, bytes) {{number, #NAME, elements, bytes, true}, fm_decode_##name},
#define GRID(NAME, name, number, elements, bytes, points) \
    {{number, #NAME, elements, bytes, true}, NULL, fm_decode_##name, FM_GRID_##points},
#define KNOWN(NAME, name, number, elements, bytes) {{number, #NAME, elements, bytes}, NULL},
static const struct entry types[] = {
    {{FATHOM_F32, "F32", 1, 4, true, true}, NULL}, {{FATHOM_F16, "F16", 1, 2, true, true}, NULL},
    {{FATHOM_BF16, "BF16", 1, 2, true, true}, NULL},
    WRITTEN_TYPES(WRITTEN) READ_TYPES(READ) GRID_TYPES(GRID) KNOWN_TYPES(KNOWN) //
    {{FATHOM_F8_E4M3, "F8_E4M3", FM_F8_BLOCK, FM_F8_BYTES, true, false, 32}, NULL},
    {{FM_TYPE_I32, "I32", 1, 4}, NULL}, // not supported as a weight
};
enum { N_TYPES = sizeof(types) / sizeof(*types) };

const struct fm_type_info *fm_type_info(uint32_t type) {
    for (int i = 0; i < N_TYPES; i++)
        if (types[i].info.type == type) return &types[i].info;
    return NULL;
}

const char *fm_type_name(enum fathom_type type) {
    const struct fm_type_info *info = fm_type_info(type);
    return info ? info->name : "?";
}

const struct fm_type_info *fm_type_find(const char *name) {
    for (int i = 0; i < N_TYPES; i++)
        if (types[i].info.writable && !strcasecmp(types[i].info.name, name)) return &types[i].info;
    return NULL;
}

const char *fathom_type_name(enum fathom_type type) {
    return fm_type_name(type);
}

bool fathom_type_find(const char *name, enum fathom_type *type) {
    for (int i = 0; i < N_TYPES; i++)
        if (types[i].info.supported && name && !strcasecmp(types[i].info.name, name)) {
            *type = (enum fathom_type)types[i].info.type;
            return true;
        }
    return false;
}

uint32_t fm_type_unit(const struct fm_type_info *info) {
    return info->cut ? info->cut : info->block;
}

uint32_t fm_type_row_unit(const struct fm_type_info *info) {
    return info->block == 1 ? 4 : fm_type_unit(info);
}

const char *fm_type_refuse_row(enum fathom_type type, uint32_t n_cols, char text[FM_ROW_REFUSAL]) {
    const struct fm_type_info *info = fm_type_info(type);
    if (!info)
        snprintf(text, FM_ROW_REFUSAL, "%d is the number of no type", (int)type);
    else if (!info->supported)
        snprintf(text, FM_ROW_REFUSAL, "weights cannot have the type %s", info->name);
    else
        snprintf(text, FM_ROW_REFUSAL, "a row of %s is a multiple of %u columns above 0, not %u", info->name,
            fm_type_row_unit(info), n_cols);
    return text;
}

bool fm_type_size(enum fathom_type type, uint64_t n, uint64_t *bytes) {
    const struct fm_type_info *info = fm_type_info(type);
    if (!info || n % fm_type_unit(info)) return false;
    const uint64_t rest = n % info->block; // elements of a cut block
    return fm_mul(n / info->block, info->bytes, bytes) &&
        fm_add(*bytes, rest ? info->bytes - info->block + rest : 0, bytes);
}

static void decode_blocks(enum fathom_type type, const uint8_t *src, float *dst, uint64_t n) {
    const struct entry *entry = types;
    uint16_t points[FM_MAX_POINTS];
    while (entry->info.type != type) entry++;
    if (entry->decode_points) fm_grid_expand(entry->grid, points);
    for (; n; n -= entry->info.block, src += entry->info.bytes, dst += entry->info.block) {
        if (entry->decode_points)
            entry->decode_points(src, dst, points);
        else
            entry->decode(src, dst);
    }
}

static bool encode_blocks(
    enum fathom_type type, const float *src, const float *importance, uint8_t *dst, uint64_t n) {
    const struct entry *entry = types;
    while (entry->info.type != type) entry++;
    if (!entry->encode) return false;
    bool fits = true;
    for (uint64_t i = 0; i < n && fits; i += entry->info.block, dst += entry->info.bytes)
        fits = entry->encode(src + i, importance ? importance + i : NULL, dst);
    return fits;
}

void fm_dequantize_row(enum fathom_type type, const void *src, float *dst, uint64_t n) {
    const uint8_t *bytes = src;
    switch (type) {
    case FATHOM_F32: memcpy(dst, src, n * sizeof(float)); return;
    case FATHOM_F16:
        for (uint64_t i = 0; i < n; i++) dst[i] = fm_from_half((uint16_t)fm_read16(bytes + 2 * i));
        return;
    case FATHOM_BF16:
        for (uint64_t i = 0; i < n; i++) dst[i] = fm_from_bf16((uint16_t)fm_read16(bytes + 2 * i));
        return;
    case FATHOM_F8_E4M3:
        for (; n; bytes += FM_F8_BYTES, dst += FM_F8_BLOCK) {
            const uint32_t width = n < FM_F8_BLOCK ? (uint32_t)n : FM_F8_BLOCK;
            fm_decode_f8_e4m3(bytes, dst, width);
            n -= width;
        }
        return;
    default: decode_blocks(type, bytes, dst, n);
    }
}

bool fm_quantize_row(
    enum fathom_type type, const float *src, const float *importance, void *dst, uint64_t n) {
    uint8_t *bytes = dst;
    bool fits = true;
    switch (type) {
    case FATHOM_F32:
        memcpy(dst, src, n * sizeof(float));
        for (uint64_t i = 0; i < n; i++) fits &= isfinite(src[i]);
        return fits;
    case FATHOM_F16:
        for (uint64_t i = 0; i < n; i++) {
            const uint16_t half = fm_to_half(src[i]);
            fits &= (half & 0x7c00u) != 0x7c00u;
            fm_write16(bytes + 2 * i, half);
        }
        return fits;
    case FATHOM_BF16:
        for (uint64_t i = 0; i < n; i++) {
            const uint16_t value = fm_to_bf16(src[i]);
            fits &= (value & 0x7f80u) != 0x7f80u;
            fm_write16(bytes + 2 * i, value);
        }
        return fits;
    default: return encode_blocks(type, src, importance, bytes, n);
    }
}
