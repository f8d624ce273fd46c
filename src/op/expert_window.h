// What the expert operators share: how the windows of several weights are walked at once.
#ifndef FM_OP_EXPERT_WINDOW_H
#define FM_OP_EXPERT_WINDOW_H
#include "op/op.h"

// A weight's window that holds `row`, counted through all matrices. Lowers *end to the window's last row + 1.
// Fails the stream and returns NULL where no window holds it.
const struct fathom_window *fm_expert_window(struct fathom_stream *stream, const char *op, const struct fathom_weight *w, uint32_t row,
    uint32_t *end);

// How a fast variant shares the work out. On a CPU every invocation of a small workgroup has rows of its own: no reduction, and x is
// the same for all. On a card a workgroup reads a row together.
struct fm_expert_shape {
    uint32_t local;    // invocations of a workgroup
    uint32_t by_row;   // 1: each invocation has its own rows
    uint32_t rows;     // of an invocation, or of the workgroup
    uint32_t tile;     // rows of a workgroup
};
struct fm_expert_shape fm_expert_shape(const struct fathom_stream *stream, uint32_t n_cols, uint32_t rows);
#endif
