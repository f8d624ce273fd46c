// Sizes of shaders/matrix_tile.glsl.
#ifndef FM_OP_MATRIX_TILE_H
#define FM_OP_MATRIX_TILE_H
#include <fathom/gpu.h>

// What a device must be able to do.
enum {
    FM_MATRIX_TILE_NEEDS = FATHOM_CAP_COOPERATIVE_MATRIX | FATHOM_CAP_FLOAT16,
    FM_MATRIX_TILE_SPEC = 9, // constants of the tile
};

struct fm_matrix_tile {
    uint32_t rows, tokens;             // of a workgroup
    uint32_t subgroup_size;            // to be required, where the device has several
    uint32_t spec[FM_MATRIX_TILE_SPEC];
};

// The tile for n_mats matrices of n_rows rows, each with n_tokens tokens, on a device that can do the above. n_weights, 1 or 2, are multiplied
// by the same tokens. other_shared: bytes of shared memory that the shader has besides, at most 4 KiB.
struct fm_matrix_tile fm_matrix_tile(const struct fathom_gpu_info *info, uint32_t n_mats, uint32_t n_rows, uint32_t n_tokens, uint32_t n_weights,
    uint32_t other_shared);
#endif
