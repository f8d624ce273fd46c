// The measured best choices: a table of the best variant and tile size for an operator, a shape and a range
// of token counts. The gpu holds the table, and fm_variant_choose() reads the table before the defaults. A
// file beside the pipeline cache keeps the table.
#ifndef FM_GPU_TUNED_H
#define FM_GPU_TUNED_H
#include "gpu/variant.h"

struct fm_tuned {
    char op[24], variant[24];         // zero-terminated
    uint32_t shape[FM_CALL_SHAPE];    // as in struct fm_call
    uint32_t first_token, last_token; // the row holds for these token counts
    uint32_t size;                    // as in struct fm_choice
};

// Copies the row for a call. Returns false when the call was not measured.
bool fm_tuned_find(const struct fathom_gpu *gpu, const struct fm_call *call, struct fm_tuned *row);
// Adds a row, or replaces the row of the same operator, shape and tokens. Returns false when out of host
// memory.
bool fm_tuned_set(struct fathom_gpu *gpu, const struct fm_tuned *row);
// Removes the row of the same operator, shape and tokens.
void fm_tuned_remove(struct fathom_gpu *gpu, const struct fm_tuned *row);
void fm_tuned_clear(struct fathom_gpu *gpu);

// The file of the table, one for each device, driver, set of shaders and model_key.
enum fm_tuned_file { FM_TUNED_ABSENT, FM_TUNED_UNUSABLE, FM_TUNED_READ };
enum fm_tuned_file fm_tuned_load(struct fathom_gpu *gpu, uint64_t model_key); // into an empty table
void fm_tuned_save(const struct fathom_gpu *gpu, uint64_t model_key);

// The file holds this head and then the rows. A file without rows is valid: it records that tuning was tried.
// Increase the version with every change of struct fm_tuned, or of the meaning of an operator's shape and
// sizes.
enum { FM_TUNED_VERSION = 1, FM_MAX_TUNED = 4096 };
struct fm_tuned_head {
    uint32_t version, row_size;
};
// Checks and reads a table. Returns the number of rows and writes them to *rows, which the caller frees.
// Returns -1 when the bytes are not such a table, or when out of memory.
long fm_tuned_parse(const void *data, size_t size, struct fm_tuned **rows);
#endif
