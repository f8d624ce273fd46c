// x[t] = row ids[t] of an embedding table.
#include "op/op.h"
#include "shader_list.h"
#include "shaders/small/embed.h"

static struct fm_shape shape_plain(const void *call) {
    (void)call;
    return (struct fm_shape){.rows = 64 * 4}; // numbers of a row
}

static struct fm_shape shape_block(const void *call) {
    (void)call;
    return (struct fm_shape){.rows = 32 * 32};
}

static const struct fm_variant variants[] = {
    {.name = "plain", .shader = &fm_shader_embed, .shape = shape_plain},
    {.name = "block", .shader = &fm_shader_embed_block, .takes = FM_CALL_BLOCKS, .shape = shape_block},
};
const struct fm_op fm_op_embed = {"embed", variants, sizeof(variants) / sizeof(variants[0])};

void fathom_embed(struct fathom_stream *stream, const struct fathom_embed_params *params) {
    static const char op[] = "embed";
    if (!(params = FM_OP_PARAMS(stream, op, fathom_embed_params, params))) return;
    const struct fathom_weight *w = params->w;
    struct fathom_view ids, x;
    struct embed_args args = {.n_tokens = params->n_tokens};
    if (!fm_op_multiple(stream, op, "n_tokens", params->n_tokens, 1) || !fm_op_weight(stream, op, "w", w) ||
        !fm_op_bind(stream, op, "ids", params->ids, params->n_tokens, &ids, &args.ids_base) ||
        !fm_op_bind(stream, op, "x", params->x, (uint64_t)params->n_tokens * w->n_cols, &x, &args.x_base))
        return;
    args.n_cols = w->n_cols;

    const uint32_t is = w->n_cols % 32 ? 0 : FM_CALL_BLOCKS;
    const struct fm_variant *variant =
        fm_variant_pick(fm_stream_gpu(stream), op, variants, fm_op_embed.n_variants, is, params->n_tokens);
    const uint32_t per_group = fm_variant_shape(variant, NULL).rows;
    for (uint32_t i = 0; i < w->n_slices; i++) {
        args.first_row = w->slices[i].first_row;
        args.n_rows = w->slices[i].n_rows;
        fm_stream_dispatch(stream,
            &(struct fm_dispatch){
                .op = op,
                .variant = variant,
                .constants = {{"TYPE", w->type}},
                .views = {w->slices[i].view, ids, x},
                .n_views = 3,
                .args = &args,
                .args_size = sizeof(args),
                .groups = {fm_op_groups(w->n_cols, per_group), fm_op_groups(params->n_tokens, 1), 1},
                .flops = (double)params->n_tokens * w->n_cols / w->n_slices,
                .bytes = params->n_tokens * ((double)fathom_row_size(w->type, w->n_cols) + 4.0 * w->n_cols) /
                    w->n_slices,
            });
    }
}
