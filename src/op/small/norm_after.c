#include "op/small/norm_after.h"

bool fm_op_norm_after(struct fathom_stream *stream, const char *op, const struct fathom_norm_after *norm,
    uint32_t n_tokens, uint32_t n, bool fused, struct fm_norm_after *bound) {
    *bound = (struct fm_norm_after){0};
    if (!norm->w.buffer) return true;
    bound->fused = fused && norm->counters.buffer;
    return fm_op_eps(stream, op, norm->eps) &&
        fm_op_bind(stream, op, "norm's w", norm->w, n, &bound->w, &bound->w_base) &&
        fm_op_bind(stream, op, "norm's y", norm->y, (uint64_t)n_tokens * n, &bound->y, &bound->y_base) &&
        (!bound->fused ||
            fm_op_bind(
                stream, op, "counters", norm->counters, n_tokens, &bound->counters, &bound->counters_base));
}

void fm_op_norm_apart(struct fathom_stream *stream, const struct fathom_norm_after *norm,
    const struct fm_norm_after *bound, struct fathom_view y, uint32_t n_tokens, uint32_t n) {
    if (!bound->w.buffer || bound->fused) return;
    fm_stream_join(stream, true);
    fathom_rms_norm(stream,
        &FATHOM_INIT(fathom_rms_norm_params, .x = y, .w = norm->w, .y = norm->y, .n_tokens = n_tokens,
            .n_cols = n, .eps = norm->eps));
    fm_stream_join(stream, false);
}
