#include "op/attention/attention_tile.h"
#include "op/matmul/matrix_tile.h"
#include "op/op.h"

static uint32_t queries(const struct fm_attention_call *c) {
    return c->n_tokens * (c->n_heads / c->n_kv);
}

struct fm_shape fm_shape_attention_tile(const void *call) {
    const struct fm_attention_call *c = call;
    // devices with narrow subgroups have few registers per invocation
    const uint32_t most = c->info->min_subgroup_size < 32 ? 2 : 4,
                   wanted = queries(c) > 32 ? 4
        : queries(c) > 16                   ? 2
                                            : 1;
    const uint32_t each = wanted < most ? wanted : most;
    return (struct fm_shape){
        .rows = 16 * each,
        .groups = (c->value_width + FM_VALUE_GROUP - 1) / FM_VALUE_GROUP,
        .constants = {{"EACH", each}},
    };
}

struct fm_shape fm_shape_attention_rows(const void *call) {
    const struct fm_attention_call *c = call;
    // compilers of older drivers take long for unrolled loops
    const uint32_t lanes = fm_op_row_lanes(c->info), most = c->info->caps & FATHOM_CAP_UNIFORM_LOADS ? 16 : 4;
    uint32_t rows = queries(c) > 8 ? 16 : queries(c) > 4 ? 8 : 4;
    while (rows > 4 && rows > most) rows /= 2;
    return (struct fm_shape){.rows = rows, .groups = 1, .constants = {{"ROWS", rows}, {"LANES", lanes}}};
}

struct fm_shape fm_shape_attention_coop(const void *call) {
    const struct fm_attention_call *c = call;
    return fm_matrix_attention(c->info,
        &(struct fm_matrix_attention_work){queries(c), c->key_width, c->value_width, .size = c->size});
}

uint32_t fm_attention_tiles(const struct fathom_gpu_info *info, const struct fm_matrix_attention_work *work) {
    const bool has_units = (info->caps & FM_MATRIX_TILE_NEEDS) == FM_MATRIX_TILE_NEEDS;
    return has_units && fm_matrix_attention(info, work).rows ? FM_CALL_TILES : 0;
}
