// What the expert operators share: how the windows of several weights are walked at once, and what is asked of them.
#ifndef FM_OP_EXPERTS_EXPERT_WINDOW_H
#define FM_OP_EXPERTS_EXPERT_WINDOW_H
#include "op/op.h"

// Tokens of a grouped dispatch on CPUs: few enough for lavapipe, which stops an invocation's loops after 65535 rounds in all.
enum { FM_MAX_GROUP_ROWS = 128 };
// Of them, how many a round takes at once: 4 or 8. per_expert: of n_tokens, how many choose an expert, on the average.
uint32_t fm_expert_row_tokens(uint32_t per_expert, uint32_t n_tokens);

// A weight's window that holds `row`, counted through all matrices. Lowers *end to the window's last row + 1.
// Fails the stream and returns NULL where no window holds it.
const struct fathom_window *fm_expert_window(
    struct fathom_stream *stream, const char *op, const struct fathom_weight *w, uint32_t row, uint32_t *end);

// Invocations of a workgroup whose invocations share a row: one subgroup, or two for long rows.
uint32_t fm_expert_lanes(const struct fathom_gpu_info *info, uint32_t n_cols);

// fm_op_packed() of both; NULL: there is none, and it is no hindrance.
bool fm_expert_packed(const struct fathom_weight *a, const struct fathom_weight *b);
#endif
