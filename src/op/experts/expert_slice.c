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

bool fm_expert_packed(const struct fathom_weight *a, const struct fathom_weight *b) {
    return (!a || fm_op_packed(a->type)) && (!b || fm_op_packed(b->type));
}
