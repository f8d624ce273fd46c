// The sizes of shaders/matrix_tile.glsl.
#ifndef FM_OP_MATMUL_MATRIX_TILE_H
#define FM_OP_MATMUL_MATRIX_TILE_H
#include "gpu/variant.h"

// Capabilities that a device must have.
enum { FM_MATRIX_TILE_NEEDS = FATHOM_CAP_COOPERATIVE_MATRIX | FATHOM_CAP_FLOAT16 };

// Sizes for the tuner (fm_variant.sizes): tokens of a tile.
#define FM_MATRIX_TILE_SIZES \
    { 32, 64, 128 }

struct fm_matrix_work {
    uint32_t n_mats, n_rows, n_tokens; // n_mats matrices of n_rows rows, each with n_tokens tokens
    uint32_t n_weights;                // weights multiplied by the same tokens: 1 or 2
    uint32_t other_shared;             // bytes of the shader's other shared memory, at most 4 KiB
    uint32_t size; // one of FM_MATRIX_TILE_SIZES, or the next smaller one that fits; 0: chosen by a rule
};

// The tile for a device with FM_MATRIX_TILE_NEEDS: rows and tokens of a workgroup, and the constants of
// matrix_tile.glsl.
struct fm_shape fm_matrix_tile(const struct fathom_gpu_info *info, const struct fm_matrix_work *work);
#endif
