// Rotates the last part of every head, by a table of angles and the position in device memory.
#include "op/op.h"
#include "shader_list.h"
#include "shaders/attention/rope.h"

// What a variant's shape depends on.
struct call {
    uint32_t n_heads, n_rope;
};

static struct fm_shape shape_plain(const void *call) {
    const struct call *c = call;
    return (struct fm_shape){.groups = fm_op_groups((uint64_t)c->n_heads * (c->n_rope / 2), 64)};
}

static struct fm_shape shape_wide(const void *call) {
    const struct call *c = call;
    return (struct fm_shape){.groups = fm_op_groups(c->n_heads, 4)};
}

static const struct fm_variant variants[] = {
    {.name = "plain", .shader = &fm_shader_rope, .shape = shape_plain},
    {.name = "wide", .shader = &fm_shader_rope_wide, .shape = shape_wide},
};
const struct fm_op fm_op_rope = {"rope", variants, sizeof(variants) / sizeof(variants[0])};

void fathom_rope(struct fathom_stream *stream, const struct fathom_rope_params *params) {
    static const char op[] = "rope";
    if (!(params = FM_OP_PARAMS(stream, op, fathom_rope_params, params))) return;
    const uint32_t n_tokens = params->n_tokens, n_heads = params->n_heads, n_rope = params->n_rope;
    struct fathom_view x, y, table, position;
    struct rope_args args = {
        .n_tokens = n_tokens,
        .n_heads = n_heads,
        .n_rope = n_rope,
        .x_token_stride = params->x_token_stride,
        .x_head_stride = params->x_head_stride,
        .y_token_stride = params->y_token_stride,
        .y_head_stride = params->y_head_stride,
        .direction = params->inverse ? -1.0f : 1.0f,
    };
    if (!fm_op_multiple(stream, op, "n_tokens", n_tokens, 1) ||
        !fm_op_multiple(stream, op, "n_heads", n_heads, 1) ||
        !fm_op_multiple(stream, op, "n_rope", n_rope, 2) ||
        !fm_op_multiple(stream, op, "x_token_stride", args.x_token_stride, 2) ||
        !fm_op_multiple(stream, op, "x_head_stride", args.x_head_stride, 2) ||
        !fm_op_multiple(stream, op, "y_token_stride", args.y_token_stride, 2) ||
        !fm_op_multiple(stream, op, "y_head_stride", args.y_head_stride, 2) ||
        !fm_op_bind(stream, op, "x", params->x,
            fm_op_span2(n_tokens, args.x_token_stride, n_heads, args.x_head_stride, n_rope), &x,
            &args.x_base) ||
        !fm_op_bind(stream, op, "y", params->y,
            fm_op_span2(n_tokens, args.y_token_stride, n_heads, args.y_head_stride, n_rope), &y,
            &args.y_base) ||
        !fm_op_rope_table(
            stream, op, params->rope_table, n_tokens, n_rope, &table, &args.table_base, &args.n_positions) ||
        !fm_op_bind(stream, op, "position", params->position, 1, &position, &args.position_base))
        return;

    const struct fm_variant *variant =
        fm_variant_pick(fm_stream_gpu(stream), op, variants, fm_op_rope.n_variants, 0, n_tokens);
    const uint64_t n_pairs = (uint64_t)n_heads * (n_rope / 2);
    if (n_pairs > 64u * FM_MAX_GROUPS) {
        fm_stream_fail(stream, FATHOM_UNSUPPORTED, "%s: %u heads of %u values, at most %u values in all", op,
            n_heads, n_rope, 128u * FM_MAX_GROUPS);
        return;
    }
    fm_stream_dispatch(stream,
        &(struct fm_dispatch){
            .op = op,
            .variant = variant,
            .views = {x, table, position, y},
            .n_views = 4,
            .args = &args,
            .args_size = sizeof(args),
            .groups = {fm_variant_shape(variant, &(struct call){n_heads, n_rope}).groups,
                fm_op_groups(n_tokens, 1), 1},
            .flops = 6.0 * n_tokens * (double)n_pairs,
            .bytes = 8.0 * n_tokens * (2.0 * (double)n_pairs + n_rope / 2),
        });
}
