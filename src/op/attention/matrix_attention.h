// The sizes of shaders/matrix_attention.glsl.
#ifndef FM_OP_ATTENTION_MATRIX_ATTENTION_H
#define FM_OP_ATTENTION_MATRIX_ATTENTION_H
#include "gpu/variant.h"
#include <stdbool.h>

struct fm_matrix_attention_work {
    uint32_t n_rows; // queries that see the same keys
    uint32_t key_width, value_width;
    bool same_rows; // each value is the beginning of its key
    // queries of a workgroup: 16, 32 or 64, or the next smaller one that fits; 0: chosen by a rule
    uint32_t size;
};

// For a device with FM_MATRIX_TILE_NEEDS: the rows of a workgroup, one group, and the constants of
// matrix_attention.glsl. rows is 0 if the device's shared memory is too small.
struct fm_shape fm_matrix_attention(
    const struct fathom_gpu_info *info, const struct fm_matrix_attention_work *work);
#endif
