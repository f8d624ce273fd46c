// Shared by expert_up and expert_down: the slice of a row, and a check of two weights.
#ifndef FM_OP_EXPERTS_EXPERT_SLICE_H
#define FM_OP_EXPERTS_EXPERT_SLICE_H
#include "op/op.h"

// The slice of a weight that holds `row`, counted through all matrices. Lowers *end to the slice's last row +
// 1. Fails the stream and returns NULL if no slice holds the row.
const struct fathom_slice *fm_expert_slice(
    struct fathom_stream *stream, const char *op, const struct fathom_weight *w, uint32_t row, uint32_t *end);

// Whether fm_op_packed() holds for both weights. A weight that is NULL is ignored.
bool fm_expert_packed(const struct fathom_weight *a, const struct fathom_weight *b);
#endif
