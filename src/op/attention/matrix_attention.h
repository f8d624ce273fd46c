// Sizes of shaders/matrix_attention.glsl.
#ifndef FM_OP_ATTENTION_MATRIX_ATTENTION_H
#define FM_OP_ATTENTION_MATRIX_ATTENTION_H
#include <fathom/gpu.h>
#include <stdbool.h>

enum { FM_MATRIX_ATTENTION_SPEC = 11 /* constants */ };

struct fm_matrix_attention_work {
    uint32_t n_rows;                // queries that see the same keys
    uint32_t key_width, value_width;
    bool same_rows;                 // a value is the beginning of its key
    uint32_t size;                  // queries of a workgroup: 16, 32 or 64, or the next smaller one that fits; 0: by a rule
};

struct fm_matrix_attention {
    uint32_t rows;                  // of a workgroup; 0: the device's shared memory holds none
    uint32_t subgroup_size;         // to be required, where the device has several
    uint32_t spec[FM_MATRIX_ATTENTION_SPEC];
};

// For a device with FM_MATRIX_TILE_NEEDS.
struct fm_matrix_attention fm_matrix_attention(const struct fathom_gpu_info *info, const struct fm_matrix_attention_work *work);
#endif
