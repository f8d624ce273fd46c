// What measuring found best: for an operator, a shape and a range of token counts, the variant to use and its tile size. A table in the
// gpu, which fm_variant_choose() asks before its defaults, kept in a file beside the pipeline cache.
#ifndef FM_GPU_TUNED_H
#define FM_GPU_TUNED_H
#include "gpu/variant.h"

struct fm_tuned {
    char op[24], variant[24];          // zero-terminated
    uint32_t shape[FM_CALL_SHAPE];     // as in struct fm_call
    uint32_t first_token, last_token;  // token counts that it holds for
    uint32_t size;                     // as in struct fm_choice
};

// The row for a call; NULL: it was not measured.
const struct fm_tuned *fm_tuned_find(const struct fathom_gpu *gpu, const struct fm_call *call);
// Adds a row, or replaces that of the same operator, shape and tokens. False: out of host memory.
bool fm_tuned_set(struct fathom_gpu *gpu, const struct fm_tuned *row);
void fm_tuned_remove(struct fathom_gpu *gpu, const struct fm_tuned *row); // that of the same operator, shape and tokens
void fm_tuned_clear(struct fathom_gpu *gpu);

// The table's file: one for a device, driver, set of shaders, and model_key.
enum fm_tuned_file { FM_TUNED_ABSENT, FM_TUNED_UNUSABLE, FM_TUNED_READ };
enum fm_tuned_file fm_tuned_load(struct fathom_gpu *gpu, uint64_t model_key); // into an empty table
void fm_tuned_save(const struct fathom_gpu *gpu, uint64_t model_key);

// The contents of that file: this, then the rows. Without any it is a file too: it says that measuring was tried. The version is a new one
// for every change of struct fm_tuned, or of what an operator's shape and sizes mean.
enum { FM_TUNED_VERSION = 1, FM_MAX_TUNED = 4096 };
struct fm_tuned_head { uint32_t version, row_size; };
// Parsing returns how many rows there are, checked, and puts them to *rows, which free() takes;
// -1: the bytes are no such table, or there is no memory for it.
long fm_tuned_parse(const void *data, size_t size, struct fm_tuned **rows);
#endif
