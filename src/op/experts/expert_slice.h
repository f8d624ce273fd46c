// What the expert operators share: a walk over the slices of several weights at once, and the checks of their
// weights.
#ifndef FM_OP_EXPERTS_EXPERT_SLICE_H
#define FM_OP_EXPERTS_EXPERT_SLICE_H
#include "op/op.h"

// The most tokens of a grouped dispatch on CPUs. lavapipe stops an invocation's loops after 65535 rounds in
// all, and this many tokens stay below the limit.
enum { FM_MAX_GROUP_ROWS = 128 };
// Tokens that a round of a grouped dispatch takes at once: 4 or 8. per_expert: how many of n_tokens choose an
// expert, on average.
uint32_t fm_expert_row_tokens(uint32_t per_expert, uint32_t n_tokens);

// The slice of a weight that holds `row`, counted through all matrices. Lowers *end to the slice's last row +
// 1. Fails the stream and returns NULL if no slice holds the row.
const struct fathom_slice *fm_expert_slice(
    struct fathom_stream *stream, const char *op, const struct fathom_weight *w, uint32_t row, uint32_t *end);

// Invocations of a workgroup that work on one row together: one subgroup, or two for long rows.
uint32_t fm_expert_lanes(const struct fathom_gpu_info *info, uint32_t n_cols);

// Whether fm_op_packed() holds for both weights. A weight that is NULL is ignored.
bool fm_expert_packed(const struct fathom_weight *a, const struct fathom_weight *b);
#endif
