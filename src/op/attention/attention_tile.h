// Sizes of the shaders that attend with many queries at once to the same positions.
#ifndef FM_OP_ATTENTION_ATTENTION_TILE_H
#define FM_OP_ATTENTION_ATTENTION_TILE_H
#include "op/attention/matrix_attention.h"

enum fm_attention_body {
    FM_ATTENTION_TILE,              // shaders/attention_tile.glsl
    FM_ATTENTION_COOP,              // shaders/matrix_attention.glsl
    FM_ATTENTION_ROWS,              // shaders/attention_rows.glsl
};

enum { FM_VALUE_GROUP = 128 /* values that a workgroup of attention_tile.glsl has, with an m and an l of their own */ };

struct fm_attention_tile {
    uint32_t rows;                  // queries of a workgroup; 0: the device's shared memory holds none
    uint32_t value_groups;          // workgroups that share the values
    uint32_t spec[FM_MATRIX_ATTENTION_SPEC], n_spec; // the body's constants
    uint32_t subgroup_size;         // to be required, where the device has several; 0: the driver's choice
};
struct fm_attention_tile fm_attention_tile(const struct fathom_gpu_info *info, enum fm_attention_body body, const struct fm_matrix_attention_work *work);
#endif
