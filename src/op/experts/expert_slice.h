// Shared by expert_up and expert_down: the slice of a row, a check of two weights, and the part of the
// experts that a call takes.
#ifndef FM_OP_EXPERTS_EXPERT_SLICE_H
#define FM_OP_EXPERTS_EXPERT_SLICE_H
#include "op/op.h"
#include <fathom/ops.h>

// The slice of a weight that holds `row`, counted through all matrices. Lowers *end to the slice's last row +
// 1. Fails the stream and returns NULL if no slice holds the row.
const struct fathom_slice *fm_expert_slice(
    struct fathom_stream *stream, const char *op, const struct fathom_weight *w, uint32_t row, uint32_t *end);

// Whether fm_op_packed() holds for both weights. A weight that is NULL is ignored.
bool fm_expert_packed(const struct fathom_weight *a, const struct fathom_weight *b);

// The experts of the layer, from which the variant is chosen.
uint32_t fm_expert_count(const struct fathom_expert_part *part, const struct fathom_weight *w);
bool fm_expert_is_first(const struct fathom_expert_part *part); // the shared expert and the residual
bool fm_expert_is_last(const struct fathom_expert_part *part);  // the sums and the norm

// Checks that the weight has a slice for each round, all of the same rows. Fails the stream if not.
bool fm_expert_check_part(struct fathom_stream *stream, const char *op, const char *name,
    const struct fathom_expert_part *part, const struct fathom_weight *w);
#endif
