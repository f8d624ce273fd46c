#include "op/attention/attention_tile.h"
#include "op/op.h"
#include <string.h>

struct fm_attention_tile fm_attention_tile(const struct fathom_gpu_info *info, enum fm_attention_body body, const struct fm_matrix_attention_work *work) {
    if (body == FM_ATTENTION_COOP) {
        const struct fm_matrix_attention coop = fm_matrix_attention(info, work);
        struct fm_attention_tile tile = {coop.rows, 1, {0}, FM_MATRIX_ATTENTION_SPEC, coop.subgroup_size};
        memcpy(tile.spec, coop.spec, sizeof(coop.spec));
        return tile;
    }
    if (body == FM_ATTENTION_ROWS) {
        // older drivers' compilers take long over unrolled loops
        const uint32_t lanes = fm_op_row_lanes(info), most = info->caps & FATHOM_CAP_UNIFORM_LOADS ? 16 : 4;
        uint32_t rows = work->n_rows > 8 ? 16 : work->n_rows > 4 ? 8 : 4;
        while (rows > 4 && rows > most) rows /= 2;
        return (struct fm_attention_tile){rows, 1, {rows, lanes}, 2, 0};
    }
    // narrow subgroups go with few registers an invocation
    const uint32_t most = info->min_subgroup_size < 32 ? 2 : 4, wanted = work->n_rows > 32 ? 4 : work->n_rows > 16 ? 2 : 1;
    const uint32_t each = wanted < most ? wanted : most;
    return (struct fm_attention_tile){16 * each, (work->value_width + FM_VALUE_GROUP - 1) / FM_VALUE_GROUP, {each}, 1, 0};
}
