// y = x / sqrt(mean(x^2) + eps) * w, a token at a time.
#include "op/op.h"
#include "shader_list.h"
#include "shaders/small/rms_norm.h"

static struct fm_shape shape_subgroup(const void *info) {
    return (struct fm_shape){.constants = {{"local_size_x", fm_op_lanes(info, 256)}}};
}

static const struct fm_variant variants[] = {
    {.name = "plain", .shader = &fm_shader_rms_norm},
    {
        .name = "subgroup",
        .shader = &fm_shader_rms_norm_subgroup,
        .needs = FATHOM_CAP_SUBGROUP_ARITHMETIC,
        .shape = shape_subgroup,
    },
};
const struct fm_op fm_op_rms_norm = {"rms_norm", variants, sizeof(variants) / sizeof(variants[0])};

void fathom_rms_norm(struct fathom_stream *stream, const struct fathom_rms_norm_params *params) {
    static const char op[] = "rms_norm";
    if (!(params = FM_OP_PARAMS(stream, op, fathom_rms_norm_params, params))) return;
    const uint32_t n_tokens = params->n_tokens, n_cols = params->n_cols;
    struct fathom_view x, w = {0}, y;
    struct rms_norm_args args = {
        .n_tokens = n_tokens,
        .n_cols = n_cols,
        .x_stride = fm_op_default(params->x_stride, n_cols),
        .y_stride = fm_op_default(params->y_stride, n_cols),
        .eps = params->eps,
        .inv_n_cols = 1.0f / (float)n_cols,
    };
    if (!fm_op_multiple(stream, op, "n_tokens", n_tokens, 1) ||
        !fm_op_multiple(stream, op, "n_cols", n_cols, 1) || !fm_op_eps(stream, op, params->eps) ||
        !fm_op_bind(
            stream, op, "x", params->x, fm_op_span(n_tokens, args.x_stride, n_cols), &x, &args.x_base) ||
        (params->w.buffer && !fm_op_bind(stream, op, "w", params->w, n_cols, &w, &args.w_base)) ||
        !fm_op_bind(
            stream, op, "y", params->y, fm_op_span(n_tokens, args.y_stride, n_cols), &y, &args.y_base))
        return;
    const struct fm_variant *variant =
        fm_variant_pick(fm_stream_gpu(stream), op, variants, fm_op_rms_norm.n_variants, 0, n_tokens);
    struct fm_dispatch dispatch = {
        .op = op,
        .variant = variant,
        .constants = {{"WEIGHTED", w.buffer != NULL}},
        .views = {x, w, y},
        .n_views = 3,
        .args = &args,
        .args_size = sizeof(args),
        .groups = {fm_op_groups(n_tokens, 1), 1, 1},
        .flops = 4.0 * n_tokens * n_cols,
        .bytes = 4.0 * n_cols * (2.0 * n_tokens + 1.0),
    };
    fm_dispatch_add(
        &dispatch, fm_variant_shape(variant, fathom_gpu_get_info(fm_stream_gpu(stream))).constants);
    fm_stream_dispatch(stream, &dispatch);
}
