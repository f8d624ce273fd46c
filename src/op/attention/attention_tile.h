// What the shape of an attention's variants depends on, and the shapes of the shaders in which many queries
// attend to the same positions at once.
#ifndef FM_OP_ATTENTION_ATTENTION_TILE_H
#define FM_OP_ATTENTION_ATTENTION_TILE_H
#include "op/attention/matrix_attention.h"

// Values of a workgroup of attention_tile.glsl; each workgroup has its own m and l.
enum { FM_VALUE_GROUP = 128 };

struct fm_attention_call {
    const struct fathom_gpu_info *info;
    uint32_t n_tokens, n_heads, n_kv; // n_heads / n_kv heads share a key
    uint32_t key_width, value_width;
    uint32_t max_positions;
    uint32_t size; // as in struct fm_choice
};

// Shapes of attention_tile.glsl, attention_rows.glsl and matrix_attention.glsl, from a struct
// fm_attention_call. rows: queries of a workgroup. groups: workgroups that share the values.
struct fm_shape fm_shape_attention_tile(const void *call);
struct fm_shape fm_shape_attention_rows(const void *call);
struct fm_shape fm_shape_attention_coop(const void *call);

// FM_CALL_TILES if the device has matrix units and a workgroup of matrix_attention.glsl fits its shared
// memory, else 0.
uint32_t fm_attention_tiles(const struct fathom_gpu_info *info, const struct fm_matrix_attention_work *work);
#endif
