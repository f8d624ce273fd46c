#include "op/experts/expert_slice.h"
#include <inttypes.h>

const struct fathom_slice *fm_expert_slice(struct fathom_stream *stream, const char *op,
    const struct fathom_weight *w, uint32_t row, uint32_t *end) {
    for (uint32_t i = 0; i < w->n_slices; i++) {
        const struct fathom_slice *slice = &w->slices[i];
        if (row < slice->first_row || row - slice->first_row >= slice->n_rows) continue;
        if (*end > slice->first_row + slice->n_rows) *end = slice->first_row + slice->n_rows;
        return slice;
    }
    fm_stream_fail(stream, FATHOM_INVALID,
        "%s: row %" PRIu32 " of a weight is in none of its %" PRIu32 " slices", op, row, w->n_slices);
    return NULL;
}

uint32_t fm_expert_lanes(const struct fathom_gpu_info *info, uint32_t n_cols) {
    const uint32_t size = info->subgroup_size, lanes = size < 16 ? 16 : size > 64 ? 64 : size;
    return n_cols >= 2048 && lanes < 64 ? 2 * lanes : lanes;
}

uint32_t fm_expert_row_tokens(uint32_t per_expert, uint32_t n_tokens) {
    const uint32_t n = n_tokens > FM_MAX_GROUP_ROWS
        ? (uint32_t)((uint64_t)per_expert * FM_MAX_GROUP_ROWS / n_tokens)
        : per_expert;
    return n > 4 ? 8 : 4;
}

bool fm_expert_packed(const struct fathom_weight *a, const struct fathom_weight *b) {
    return (!a || fm_op_packed(a->type)) && (!b || fm_op_packed(b->type));
}
