// A random latent cache for the tests of attention: scrambled pages, NaNs in every position that may not be read.
#ifndef TEST_LATENT_ROWS_H
#define TEST_LATENT_ROWS_H
#include "ops/harness.h"
#include <string.h>

struct latent_rows {
    struct fathom_latent_cache cache; // its table covers max_positions
    float *rows;                      // [n_positions][kv_rank + n_rope], as the device sees them
};

static inline struct latent_rows latent_rows(
    struct op_test *test, enum fathom_type type, uint32_t n_positions, uint32_t max_positions, uint32_t kv_rank, uint32_t n_rope) {
    const uint32_t width = kv_rank + n_rope, row_words = type == FATHOM_F16 ? width / 2 : width;
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
    for (size_t i = 0; i < n_words; i++) pages[i] = type == FATHOM_F16 ? 0x7e007e00u : 0x7fc00000u;
    float *rows = op_random_floats(test, (size_t)n_positions * width, -1, 1);
    for (uint32_t p = 0; p < n_positions; p++) {
        float *row = rows + (size_t)p * width;
        uint32_t *words = pages + ((size_t)table[p / FATHOM_PAGE] * FATHOM_PAGE + p % FATHOM_PAGE) * row_words;
        if (type == FATHOM_F32) {
            memcpy(words, row, width * sizeof(*row));
            continue;
        }
        for (uint32_t i = 0; i < row_words; i++) {
            words[i] = half_encode(row[2 * i]) | half_encode(row[2 * i + 1]) << 16;
            row[2 * i] = half_decode(words[i] & 0xffff);
            row[2 * i + 1] = half_decode(words[i] >> 16);
        }
    }
    return (struct latent_rows){.cache = {.pages = op_input(test, pages, n_words),
                                    .page_table = op_input(test, table, n_table),
                                    .type = type,
                                    .kv_rank = kv_rank,
                                    .n_rope = n_rope},
        .rows = rows};
}
#endif
