// Hyper-connections before a block: computes the block's normed input from the residual streams and their
// logits.
#include "op/op.h"
#include "shader_list.h"
#include "shaders/small/hyper_mix.h"

static const struct fm_variant variants[] = {{.name = "plain", .shader = &fm_shader_hyper_mix}};
const struct fm_op fm_op_hyper_mix = {"hyper_mix", variants, 1};

void fathom_hyper_mix(struct fathom_stream *stream, const struct fathom_hyper_mix_params *params) {
    static const char op[] = "hyper_mix";
    if (!(params = FM_OP_PARAMS(stream, op, fathom_hyper_mix_params, params))) return;
    const uint32_t n_tokens = params->n_tokens, n = params->n;
    const bool mixes = params->mix.buffer;
    const uint32_t n_logits = mixes ? FATHOM_MIX_LOGITS : FATHOM_RESIDUALS;
    const uint64_t n_y = (uint64_t)n_tokens * n;
    struct fathom_view x, logits, scale, base, w, y, mix = {0};
    struct hyper_mix_args args = {
        .n_tokens = n_tokens,
        .n = n,
        .n_iterations = params->n_iterations,
        .eps = params->eps,
        .norm_eps = params->norm_eps,
        .inv_n = 1.0f / (float)n,
        .inv_all = 1.0f / ((float)n * FATHOM_RESIDUALS),
    };
    if (!fm_op_multiple(stream, op, "n_tokens", n_tokens, 1) || !fm_op_multiple(stream, op, "n", n, 1) ||
        (mixes && !fm_op_multiple(stream, op, "n_iterations", params->n_iterations, 1)) ||
        !fm_op_eps(stream, op, params->eps) || !fm_op_eps(stream, op, params->norm_eps) ||
        !fm_op_bind(stream, op, "x", params->x, FATHOM_RESIDUALS * n_y, &x, &args.x_base) ||
        !fm_op_bind(stream, op, "logits", params->logits, (uint64_t)n_tokens * n_logits, &logits,
            &args.logits_base) ||
        !fm_op_bind(stream, op, "scale", params->scale, mixes ? 3 : 1, &scale, &args.scale_base) ||
        !fm_op_bind(stream, op, "base", params->base, n_logits, &base, &args.base_base) ||
        !fm_op_bind(stream, op, "w", params->w, n, &w, &args.w_base) ||
        !fm_op_bind(stream, op, "y", params->y, n_y, &y, &args.y_base) ||
        (mixes &&
            !fm_op_bind(
                stream, op, "mix", params->mix, (uint64_t)n_tokens * FATHOM_MIX, &mix, &args.mix_base)))
        return;
    fm_stream_dispatch(stream,
        &(struct fm_dispatch){
            .op = op,
            .variant = &variants[0],
            .constants = {{"MIX", mixes}},
            .views = {x, logits, scale, base, w, y, mix},
            .n_views = 7,
            .args = &args,
            .args_size = sizeof(args),
            .groups = {fm_op_groups(n_tokens, 1), 1, 1},
            .flops = (double)n_y * (4.0 * FATHOM_RESIDUALS + 4),
            .bytes = 4.0 * (double)n_y * (FATHOM_RESIDUALS + 1),
        });
}
