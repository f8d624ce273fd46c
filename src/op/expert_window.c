#include "op/expert_window.h"
#include <inttypes.h>

const struct fathom_window *fm_expert_window(struct fathom_stream *stream, const char *op, const struct fathom_weight *w, uint32_t row,
    uint32_t *end) {
    for (uint32_t i = 0; i < w->n_windows; i++) {
        const struct fathom_window *window = &w->windows[i];
        if (row < window->first_row || row - window->first_row >= window->n_rows) continue;
        if (*end > window->first_row + window->n_rows) *end = window->first_row + window->n_rows;
        return window;
    }
    fm_stream_fail(stream, FATHOM_INVALID, "%s: row %" PRIu32 " of a weight is in none of its %" PRIu32 " windows", op, row, w->n_windows);
    return NULL;
}

struct fm_expert_shape fm_expert_shape(const struct fathom_stream *stream, uint32_t n_cols, uint32_t rows) {
    const struct fathom_gpu_info *info = fathom_gpu_get_info(fm_stream_gpu(stream));
    if (info->type == FATHOM_GPU_CPU) return (struct fm_expert_shape){ info->subgroup_size, 1, 1, info->subgroup_size };
    return (struct fm_expert_shape){ n_cols >= 2048 ? 64 : 32, 0, rows, rows };
}
