// Sizes of shaders/matrix_tile.glsl.
#ifndef FM_OP_MATRIX_TILE_H
#define FM_OP_MATRIX_TILE_H
#include <fathom/gpu.h>

// What a device must be able to do.
enum {
    FM_MATRIX_TILE_NEEDS = FATHOM_CAP_COOPERATIVE_MATRIX | FATHOM_CAP_FLOAT16,
    FM_MATRIX_TILE_SPEC = 9, // constants of the tile; an operator's own come after them
};

struct fm_matrix_tile {
    uint32_t rows, tokens;             // of a workgroup
    uint32_t subgroup_size;            // to be required, where the device has several
    uint32_t spec[FM_MATRIX_TILE_SPEC];
};

// The tile for n_tokens tokens (of an expert, on the average) and `n_rows` rows in all, on a device that can do the above.
struct fm_matrix_tile fm_matrix_tile(const struct fathom_gpu_info *info, uint64_t n_rows, uint32_t n_tokens, uint32_t n_weights);
#endif
