// What the expert operators share: how the windows of several weights are walked at once, and what is asked of them.
#ifndef FM_OP_EXPERT_WINDOW_H
#define FM_OP_EXPERT_WINDOW_H
#include "op/op.h"

// A weight's window that holds `row`, counted through all matrices. Lowers *end to the window's last row + 1.
// Fails the stream and returns NULL where no window holds it.
const struct fathom_window *fm_expert_window(
    struct fathom_stream *stream, const char *op, const struct fathom_weight *w, uint32_t row, uint32_t *end);

// Invocations of a workgroup whose invocations share a row: one subgroup, or two for long rows.
uint32_t fm_expert_lanes(const struct fathom_stream *stream, uint32_t n_cols);
// Invocations of a workgroup whose invocations have rows of their own: one subgroup.
uint32_t fm_expert_row_lanes(const struct fathom_stream *stream);

// fm_op_packed() of both; NULL: there is none, and it is no hindrance.
bool fm_expert_packed(const struct fathom_weight *a, const struct fathom_weight *b);
#endif
