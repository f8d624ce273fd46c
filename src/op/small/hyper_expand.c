// Hyper-connections after a block: mixes the residual streams and adds the block's output to each.
#include "op/op.h"
#include "shader_list.h"
#include "shaders/small/hyper_expand.h"

static const struct fm_variant variants[] = {{.name = "plain", .shader = &fm_shader_hyper_expand}};
const struct fm_op fm_op_hyper_expand = {"hyper_expand", variants, 1};

void fathom_hyper_expand(struct fathom_stream *stream, const struct fathom_hyper_expand_params *params) {
    static const char op[] = "hyper_expand";
    if (!(params = FM_OP_PARAMS(stream, op, fathom_hyper_expand_params, params))) return;
    const uint32_t n_tokens = params->n_tokens, n = params->n;
    const bool mixes = params->mix.buffer;
    const uint64_t n_y = (uint64_t)n_tokens * n;
    struct fathom_view x, y, mix = {0};
    struct hyper_expand_args args = {.n_tokens = n_tokens, .n = n};
    if (!fm_op_multiple(stream, op, "n_tokens", n_tokens, 1) || !fm_op_multiple(stream, op, "n", n, 1) ||
        !fm_op_bind(stream, op, "x", params->x, FATHOM_RESIDUALS * n_y, &x, &args.x_base) ||
        !fm_op_bind(stream, op, "y", params->y, n_y, &y, &args.y_base) ||
        (mixes &&
            !fm_op_bind(
                stream, op, "mix", params->mix, (uint64_t)n_tokens * FATHOM_MIX, &mix, &args.mix_base)))
        return;
    if (n > 64u * FM_MAX_GROUPS) {
        fm_stream_fail(
            stream, FATHOM_UNSUPPORTED, "%s: %u values a stream, at most %u", op, n, 64u * FM_MAX_GROUPS);
        return;
    }
    fm_stream_dispatch(stream,
        &(struct fm_dispatch){
            .op = op,
            .variant = &variants[0],
            .constants = {{"MIX", mixes}},
            .views = {x, y, mix},
            .n_views = 3,
            .args = &args,
            .args_size = sizeof(args),
            .groups = {fm_op_groups(n, 64), fm_op_groups(n_tokens, 1), 1},
            .flops = (double)n_y * FATHOM_RESIDUALS * (mixes ? 2.0 * FATHOM_RESIDUALS + 1 : 0),
            .bytes = 4.0 * (double)n_y * (1 + FATHOM_RESIDUALS * (mixes ? 2 : 1)),
        });
}
