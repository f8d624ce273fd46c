#include "op/experts/expert_window.h"
#include <inttypes.h>

const struct fathom_window *fm_expert_window(
    struct fathom_stream *stream, const char *op, const struct fathom_weight *w, uint32_t row, uint32_t *end) {
    for (uint32_t i = 0; i < w->n_windows; i++) {
        const struct fathom_window *window = &w->windows[i];
        if (row < window->first_row || row - window->first_row >= window->n_rows) continue;
        if (*end > window->first_row + window->n_rows) *end = window->first_row + window->n_rows;
        return window;
    }
    fm_stream_fail(stream, FATHOM_INVALID, "%s: row %" PRIu32 " of a weight is in none of its %" PRIu32 " windows", op, row, w->n_windows);
    return NULL;
}

uint32_t fm_expert_lanes(const struct fathom_gpu_info *info, uint32_t n_cols) {
    const uint32_t size = info->subgroup_size, lanes = size < 16 ? 16 : size > 64 ? 64 : size;
    return n_cols >= 2048 && lanes < 64 ? 2 * lanes : lanes;
}

uint32_t fm_expert_row_tokens(uint32_t per_expert, uint32_t n_tokens) {
    const uint32_t n = n_tokens > FM_MAX_GROUP_ROWS ? (uint32_t)((uint64_t)per_expert * FM_MAX_GROUP_ROWS / n_tokens) : per_expert;
    return n > 4 ? 8 : 4;
}

bool fm_expert_packed(const struct fathom_weight *a, const struct fathom_weight *b) {
    return (!a || fm_op_packed(a->type)) && (!b || fm_op_packed(b->type));
}
