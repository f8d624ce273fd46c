// The RMS norm of an operator's result. The operator's last workgroup computes the norm
// (shaders/include/norm_after.glsl), or a dispatch of its own does.
#ifndef FM_OP_SMALL_NORM_AFTER_H
#define FM_OP_SMALL_NORM_AFTER_H
#include "op/op.h"

struct fm_norm_after {
    struct fathom_view w, y, counters; // bound; w.buffer NULL: no norm
    uint32_t w_base, y_base, counters_base;
    bool fused; // the operator itself computes the norm
};

// Binds the views for a norm of n_tokens rows of n values. `fused`: the variant can compute the norm.
bool fm_op_norm_after(struct fathom_stream *stream, const char *op, const struct fathom_norm_after *norm,
    uint32_t n_tokens, uint32_t n, bool fused, struct fm_norm_after *bound);
// Norms y in a dispatch of its own, if a norm is wanted and is not fused.
void fm_op_norm_apart(struct fathom_stream *stream, const struct fathom_norm_after *norm,
    const struct fm_norm_after *bound, struct fathom_view y, uint32_t n_tokens, uint32_t n);
#endif
