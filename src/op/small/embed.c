// x[t] = row ids[t] of an embedding table.
#include "op/op.h"
#include "shader_list.h"
#include "shaders/small/embed.h"

static const struct fm_variant variants[] = {
    { .name = "plain", .shader = &fm_shader_embed },
    { .name = "block", .shader = &fm_shader_embed_block }, // whole blocks of 32 columns
};
const struct fm_op fm_op_embed = { "embed", variants, sizeof(variants) / sizeof(variants[0]) };

void fathom_embed(struct fathom_stream *stream, const struct fathom_embed_params *params) {
    static const char op[] = "embed";
    const struct fathom_weight *w = params->w;
    struct fathom_view ids, x;
    struct embed_args args = { .n_tokens = params->n_tokens };
    if (!fm_op_multiple(stream, op, "n_tokens", params->n_tokens, 1) || !fm_op_weight(stream, op, "w", w)
        || !fm_op_bind(stream, op, "ids", params->ids, params->n_tokens, &ids, &args.ids_base)
        || !fm_op_bind(stream, op, "x", params->x, (uint64_t)params->n_tokens * w->n_cols, &x, &args.x_base))
        return;
    args.n_cols = w->n_cols;

    const struct fm_variant *variant = fm_variant_pick(fm_stream_gpu(stream), op, variants, w->n_cols % 32 ? 1 : 2, params->n_tokens);
    const uint32_t per_group = variant->shader == &fm_shader_embed ? 64 * 4 : 32 * 32;
    for (uint32_t i = 0; i < w->n_windows; i++) {
        args.first_row = w->windows[i].first_row;
        args.n_rows = w->windows[i].n_rows;
        fm_stream_dispatch(stream, &(struct fm_dispatch){
            .op = op, .variant = variant,
            .spec = { w->type }, .n_spec = 1,
            .views = { w->windows[i].view, ids, x }, .n_views = 3,
            .args = &args, .args_size = sizeof(args),
            .groups = { fm_op_groups(w->n_cols, per_group), fm_op_groups(params->n_tokens, 1), 1 },
            .flops = (double)params->n_tokens * w->n_cols / w->n_windows,
            .bytes = params->n_tokens * ((double)fathom_row_size(w->type, w->n_cols) + 4.0 * w->n_cols) / w->n_windows,
        });
    }
}
