// A random cache for the tests of attention: shuffled pages, NaNs in every position that must not be read.
#ifndef TEST_CACHE_ROWS_H
#define TEST_CACHE_ROWS_H
#include "ops/harness.h"
#include <math.h>
#include <string.h>

struct cache_rows {
    struct fathom_view pages, page_table; // the table covers max_positions
    float *rows;                          // [n_positions][width], as the device sees them
};

static inline uint32_t cache_row_words(enum fathom_type type, uint32_t width) {
    return type == FATHOM_F32 ? width : type == FATHOM_F16 ? width / 2 : width / 4 + (width + 63) / 64;
}

static inline float cache_decode_q8(const uint32_t *words, uint32_t width, uint32_t k) {
    const int8_t byte = (int8_t)(words[k / 4] >> k % 4 * 8);
    return half_decode(words[width / 4 + k / 64] >> k / 32 % 2 * 16 & 0xffff) * (float)byte;
}

// Encodes as include/cache_write.glsl does
static inline void cache_encode_q8(const float *row, uint32_t width, uint32_t *words) {
    memset(words, 0, (width / 4 + (width + 63) / 64) * sizeof(*words));
    for (uint32_t b = 0; b < (width + 31) / 32; b++) {
        const uint32_t end = 32 * b + 32 < width ? 32 * b + 32 : width;
        float most = 0;
        for (uint32_t k = 32 * b; k < end; k++) most = fmaxf(most, fabsf(row[k]));
        const uint32_t scale = half_encode(most * (1.0f / 127.0f));
        const float stored = half_decode(scale), inverse = stored > 0 ? exact_reciprocal(stored) : 0;
        words[width / 4 + b / 2] |= scale << b % 2 * 16;
        for (uint32_t k = 32 * b; k < end; k++) {
            const int n = (int)(fabsf(row[k]) * inverse + 0.5f), limited = n > 127 ? 127 : n;
            words[k / 4] |= (uint32_t)((row[k] < 0 ? -limited : limited) & 255) << k % 4 * 8;
        }
    }
}

// Encodes a row in its type, and replaces the row by its decoded values.
static inline void cache_encode(enum fathom_type type, float *row, uint32_t width, uint32_t *words) {
    if (type == FATHOM_F32) {
        memcpy(words, row, width * sizeof(*row));
    } else if (type == FATHOM_Q8_0) {
        cache_encode_q8(row, width, words);
        for (uint32_t k = 0; k < width; k++) row[k] = cache_decode_q8(words, width, k);
    } else {
        for (uint32_t i = 0; i < width / 2; i++) {
            words[i] = half_encode(row[2 * i]) | half_encode(row[2 * i + 1]) << 16;
            row[2 * i] = half_decode(words[i] & 0xffff);
            row[2 * i + 1] = half_decode(words[i] >> 16);
        }
    }
}

// A cache of these rows. The rows become the values that the device sees.
static inline struct cache_rows cache_of_rows(struct op_test *test, enum fathom_type type, float *rows,
    uint32_t n_positions, uint32_t max_positions, uint32_t width) {
    const uint32_t row_words = cache_row_words(type, width);
    const uint32_t n_table = (max_positions + FATHOM_PAGE - 1) / FATHOM_PAGE, n_pages = n_table + 2;
    uint32_t *table = op_alloc(test, n_pages * sizeof(*table));
    for (uint32_t i = 0; i < n_pages; i++) table[i] = i;
    for (uint32_t i = n_pages - 1; i; i--) {
        const uint32_t j = op_random(test) % (i + 1), swap = table[i];
        table[i] = table[j];
        table[j] = swap;
    }
    const size_t n_words = (size_t)n_pages * FATHOM_PAGE * row_words;
    uint32_t *pages = op_alloc(test, n_words * sizeof(*pages));
    for (size_t i = 0; i < n_words; i++) pages[i] = type == FATHOM_F32 ? 0x7fc00000u : 0x7e007e00u;
    for (uint32_t p = 0; p < n_positions; p++)
        cache_encode(type, rows + (size_t)p * width, width,
            pages + ((size_t)table[p / FATHOM_PAGE] * FATHOM_PAGE + p % FATHOM_PAGE) * row_words);
    return (struct cache_rows){
        .pages = op_input(test, pages, n_words),
        .page_table = op_input(test, table, n_table),
        .rows = rows,
    };
}

static inline struct cache_rows cache_rows(struct op_test *test, enum fathom_type type, uint32_t n_positions,
    uint32_t max_positions, uint32_t width) {
    return cache_of_rows(test, type, op_random_floats(test, (size_t)n_positions * width, -1, 1), n_positions,
        max_positions, width);
}

static inline struct fathom_latent_cache latent_cache(
    const struct cache_rows *rows, enum fathom_type type, uint32_t kv_rank, uint32_t n_rope) {
    return (struct fathom_latent_cache){
        .pages = rows->pages,
        .page_table = rows->page_table,
        .type = type,
        .kv_rank = kv_rank,
        .n_rope = n_rope,
    };
}
#endif
