// The RMS norm of an operator's result, done by its last workgroup (shaders/include/norm_after.glsl) or by a dispatch of its own.
#ifndef FM_OP_SMALL_NORM_AFTER_H
#define FM_OP_SMALL_NORM_AFTER_H
#include "op/op.h"

struct fm_norm_after {
    struct fathom_view w, y, counters; // bound; w.buffer NULL: no norm
    uint32_t w_base, y_base, counters_base;
    bool fused;                        // by the operator itself
};

// Binds what a norm of n_tokens rows of n values takes; `fused`: the variant can do it.
bool fm_op_norm_after(struct fathom_stream *stream, const char *op, const struct fathom_norm_after *norm, uint32_t n_tokens, uint32_t n, bool fused,
    struct fm_norm_after *bound);
// Norms y by a dispatch of its own, where that is wanted and not fused.
void fm_op_norm_apart(struct fathom_stream *stream, const struct fathom_norm_after *norm, const struct fm_norm_after *bound, struct fathom_view y,
    uint32_t n_tokens, uint32_t n);
#endif
