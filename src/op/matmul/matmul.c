// y[t][m] = residual[t][m] + w[m] x[t][m], for every matrix of a weight. Each slice of the weight takes one
// dispatch.
#include "op/matmul/columns.h"
#include "op/matmul/matrix_tile.h"
#include "op/small/norm_after.h"
#include "shader_list.h"
#include "shaders/matmul/matmul.h"
#include <inttypes.h>

// What a variant's shape depends on.
struct call {
    const struct fathom_gpu_info *info;
    const struct fathom_weight *w;
    uint32_t n_tokens, size; // size: as in struct fm_choice
    uint64_t n_rows;         // rows of all matrices
};

// Tokens of a workgroup in the variants for few tokens.
static uint32_t few_tokens(const struct call *c) {
    return c->n_tokens < 4 ? c->n_tokens : c->n_tokens < 8 ? 4 : 8;
}

static struct fm_shape shape_plain(const void *call) {
    const struct call *c = call;
    const uint32_t tokens = c->n_tokens < 4 ? c->n_tokens : 4;
    return (struct fm_shape){.rows = 4, .tokens = tokens, .constants = {{"TOKENS", tokens}}};
}

// Workgroups of `lanes` invocations.
static struct fm_shape by_lanes(const struct call *c, uint32_t lanes) {
    uint32_t rows = 4;
    // fewer rows if more would leave most of a card's cores without work
    while (rows > 1 && c->n_rows < 2048 * rows) rows /= 2;
    if (c->size) rows = c->size;
    return (struct fm_shape){
        .rows = rows,
        .tokens = few_tokens(c),
        .constants = {{"TOKENS", few_tokens(c)}, {"local_size_x", lanes}, {"ROWS", rows}},
    };
}

static struct fm_shape shape_vec(const void *call) {
    const struct call *c = call;
    // a workgroup is one subgroup if that has 16 to 64 invocations
    const uint32_t size = c->info->subgroup_size;
    return by_lanes(c, size < 16 ? 16 : size > 64 ? 64 : size);
}

// Several subgroups share the columns of a row, so that a weight of few rows occupies more of a card.
static struct fm_shape shape_split(const void *call) {
    const struct call *c = call;
    return by_lanes(c, c->info->min_subgroup_size < 8 ? 64 : 128);
}

static struct fm_shape shape_tile(const void *call) {
    const struct call *c = call;
    uint32_t tokens = c->n_tokens <= 16 ? 1 : c->n_tokens <= 32 ? 2 : 4;
    // fewer tokens, for the same reason as fewer rows of shape_vec
    while (tokens > 1 && c->n_rows * c->n_tokens < (uint64_t)128 * 64 * 16 * tokens) tokens /= 2;
    if (c->size) tokens = c->size;
    return (struct fm_shape){.rows = 64, .tokens = 16 * tokens, .constants = {{"TOKENS", tokens}}};
}

static struct fm_shape shape_coop(const void *call) {
    const struct call *c = call;
    return fm_matrix_tile(
        c->info, &(struct fm_matrix_work){c->w->n_mats, c->w->n_rows, c->n_tokens, 1, .size = c->size});
}

static struct fm_shape by_row(const struct call *c, bool ahead) {
    const uint32_t lanes = fm_op_row_lanes(c->info);
    uint32_t rows = 4;
    // fewer rows for small weights, so that all cores have workgroups
    while (rows > 1 && c->n_rows < 16ull * lanes * rows) rows /= 2;
    if (c->size) rows = c->size;
    return (struct fm_shape){
        .rows = lanes * rows,
        .tokens = few_tokens(c),
        .constants = {{"TOKENS", few_tokens(c)}, {"local_size_x", lanes}, {"ROWS", rows}, {"AHEAD", ahead}},
    };
}

static struct fm_shape shape_rows(const void *call) {
    return by_row(call, false);
}

static struct fm_shape shape_rows_ahead(const void *call) {
    return by_row(call, true);
}

static struct fm_shape shape_dot(const void *call) {
    const struct call *c = call;
    const uint32_t few = few_tokens(c), tokens = few == 3 ? 4 : few;
    return (struct fm_shape){
        .rows = 4 * 128 / c->info->subgroup_size,
        .tokens = tokens,
        .constants = {{"TOKENS", tokens}},
    };
}

static struct fm_shape shape_columns(const void *call) {
    const struct call *c = call;
    const uint32_t tokens = c->n_tokens < FM_COLUMNS_TOKENS ? c->n_tokens : FM_COLUMNS_TOKENS;
    const uint32_t rows = fm_columns_rows(c->info, c->n_rows, tokens);
    return (struct fm_shape){
        .rows = rows,
        .tokens = tokens,
        .constants = {{"TOKENS", tokens}, {"LANES", fm_op_row_lanes(c->info)}, {"ROWS", rows},
            {"UNITS", fm_columns_units(c->info, c->w, tokens)}},
    };
}

// All variants but `plain` read x by fours and weights by whole blocks.
enum { WHOLE = FM_CALL_ALIGNED | FM_CALL_BLOCKS };
static const struct fm_variant variants[] = {
    {.name = "plain", .shader = &fm_shader_matmul, .shape = shape_plain},
    {
        .name = "vec",
        .shader = &fm_shader_matmul_vec,
        .needs = FATHOM_CAP_SUBGROUP_ARITHMETIC,
        .takes = WHOLE,
        .does = FM_DOES_NORM,
        .max_tokens = 15,
        .sizes = {1, 2, 4},
        .shape = shape_vec,
    }, // sizes: rows of a workgroup
    // never the default: chosen only if asked for or measured to be faster
    {
        .name = "split",
        .shader = &fm_shader_matmul_vec,
        .needs = FATHOM_CAP_SUBGROUP_ARITHMETIC,
        .takes = WHOLE,
        .does = FM_DOES_NORM,
        .min_tokens = UINT32_MAX,
        .shape = shape_split,
    },
    // sizes: 16 tokens
    {
        .name = "tile",
        .shader = &fm_shader_matmul_tile,
        .takes = WHOLE,
        .min_tokens = 16,
        .sizes = {1, 2, 4},
        .shape = shape_tile,
    },
    {
        .name = "coop",
        .shader = &fm_shader_matmul_coop,
        .needs = FM_MATRIX_TILE_NEEDS,
        .takes = WHOLE,
        .min_tokens = 16,
        .sizes = FM_MATRIX_TILE_SIZES,
        .shape = shape_coop,
    },
    {
        .name = "rows",
        .shader = &fm_shader_matmul_rows,
        .needs = FATHOM_CAP_SUBGROUP_ARITHMETIC,
        .takes = WHOLE,
        .does = FM_DOES_NORM,
        .cpu_only = true,
        .sizes = {1, 2, 4},
        .shape = shape_rows,
    }, // sizes: rows of an invocation
    {
        .name = "rows_ahead",
        .shader = &fm_shader_matmul_rows,
        .needs = FATHOM_CAP_SUBGROUP_ARITHMETIC,
        .takes = WHOLE,
        .does = FM_DOES_NORM,
        .cpu_only = true,
        .wants = FATHOM_CAP_READ_AHEAD,
        .shape = shape_rows_ahead,
    },
    // never the default, because their activations have 8 bits; chosen only if asked for or measured to be
    // faster
    {
        .name = "dot",
        .shader = &fm_shader_matmul_dot,
        .needs = FATHOM_CAP_SUBGROUP_ARITHMETIC | FATHOM_CAP_INTEGER_DOT,
        .takes = WHOLE | FM_CALL_PACKED,
        .min_tokens = UINT32_MAX,
        .shape = shape_dot,
    },
    {
        .name = "dot_tile",
        .shader = &fm_shader_matmul_dot_tile,
        .needs = FATHOM_CAP_INTEGER_DOT,
        .takes = WHOLE | FM_CALL_PACKED,
        .min_tokens = UINT32_MAX,
        .sizes = {1, 2, 4},
        .shape = shape_tile,
    },
    {
        .name = "columns",
        .shader = &fm_shader_matmul_columns,
        .needs = FM_COLUMNS_NEEDS,
        .takes = WHOLE | FM_CALL_UNITS,
        .does = FM_DOES_NORM | FM_DOES_ADDRESS,
        .max_tokens = FM_COLUMNS_TOKENS,
        .cpu_only = true,
        .wants = FM_COLUMNS_WANTS,
        .shape = shape_columns,
    },
};
const struct fm_op fm_op_matmul = {"matmul", variants, sizeof(variants) / sizeof(variants[0])};

// Checks the parameters, and fills the arguments that are the same for all slices.
static bool matmul_prepare(struct fathom_stream *stream, const char *op,
    const struct fathom_matmul_params *params, struct matmul_args *args, struct fathom_view *x,
    struct fathom_view *residual, struct fathom_view *y) {
    const struct fathom_weight *w = params->w;
    if (!fm_op_weight(stream, op, "w", w) || !fm_op_multiple(stream, op, "n_tokens", params->n_tokens, 1))
        return false;
    if (w->n_mats > FM_MAX_GROUPS || params->n_tokens > FM_MAX_GROUPS ||
        (uint64_t)w->n_mats * w->n_cols > UINT32_MAX)
        return fm_stream_fail(stream, FATHOM_UNSUPPORTED,
            "%s: %" PRIu32 " matrices of %" PRIu32 " columns and %" PRIu32
            " tokens, at most %d matrices and tokens",
            op, w->n_mats, w->n_cols, params->n_tokens, FM_MAX_GROUPS);
    *args = (struct matmul_args){
        .n_tokens = params->n_tokens,
        .n_cols = w->n_cols,
        .x_token_stride = fm_op_default(params->x_token_stride, w->n_mats * w->n_cols),
        .x_mat_stride = fm_op_default(params->x_mat_stride, w->n_cols),
        .y_token_stride = fm_op_default(params->y_token_stride, w->n_mats * w->n_rows),
        .y_mat_stride = fm_op_default(params->y_mat_stride, w->n_rows),
    };
    const uint64_t y_span =
        fm_op_span2(params->n_tokens, args->y_token_stride, w->n_mats, args->y_mat_stride, w->n_rows);
    *residual = (struct fathom_view){0};
    return fm_op_multiple(stream, op, "x_token_stride", args->x_token_stride, 4) &&
        fm_op_multiple(stream, op, "x_mat_stride", args->x_mat_stride, 4) &&
        fm_op_bind(stream, op, "x", params->x,
            fm_op_span2(params->n_tokens, args->x_token_stride, w->n_mats, args->x_mat_stride, w->n_cols), x,
            &args->x_base) &&
        fm_op_bind(stream, op, "y", params->y, y_span, y, &args->y_base) &&
        (!params->residual.buffer ||
            fm_op_bind(stream, op, "residual", params->residual, y_span, residual, &args->residual_base));
}

void fathom_matmul(struct fathom_stream *stream, const struct fathom_matmul_params *params) {
    static const char op[] = "matmul";
    if (!(params = FM_OP_PARAMS(stream, op, fathom_matmul_params, params))) return;
    const struct fathom_weight *w = params->w;
    struct matmul_args args;
    struct fathom_view x, residual, y;
    if (!matmul_prepare(stream, op, params, &args, &x, &residual, &y)) return;

    const uint32_t is = (args.x_base % 4 ? 0 : FM_CALL_ALIGNED) | (w->n_cols % 32 ? 0 : FM_CALL_BLOCKS) |
        (fm_op_packed(w->type) ? FM_CALL_PACKED : 0) |
        (fm_columns_take(w->type, w->n_cols) ? FM_CALL_UNITS : 0);
    const struct fm_call call = {op, params->n_tokens, {w->type, w->n_mats, w->n_rows, w->n_cols}, is};
    const struct fm_choice choice =
        fm_stream_choose(stream, &call, variants, fm_op_matmul.n_variants, params->n_tokens);
    const struct fm_shape shape = fm_variant_shape(choice.variant,
        &(struct call){fathom_gpu_get_info(fm_stream_gpu(stream)), w, params->n_tokens, choice.size,
            (uint64_t)w->n_mats * w->n_rows});
    const bool norms = choice.variant->does & FM_DOES_NORM;
    struct fm_norm_after norm;
    if (params->norm.w.buffer && (w->n_mats != 1 || args.y_token_stride != w->n_rows)) {
        fm_stream_fail(stream, FATHOM_INVALID,
            "%s: a norm of %" PRIu32 " matrices of %" PRIu32 " rows, %" PRIu32
            " apart, wanted one matrix without a stride",
            op, w->n_mats, w->n_rows, args.y_token_stride);
        return;
    }
    if (!fm_op_norm_after(
            stream, op, &params->norm, params->n_tokens, w->n_rows, norms && w->n_slices == 1, &norm))
        return;
    args.norm_w_base = norm.w_base, args.normed_base = norm.y_base, args.counters_base = norm.counters_base,
    args.norm_eps = params->norm.eps;
    for (uint32_t i = 0; i < w->n_slices; i++) {
        const struct fathom_slice *slice = &w->slices[i];
        const uint32_t n_mats = w->n_mats == 1 ? 1 : slice->n_rows / w->n_rows;
        args.n_rows = slice->n_rows / n_mats;
        args.first_row = slice->first_row % w->n_rows;
        args.first_mat = slice->first_row / w->n_rows;
        if (choice.variant->does & FM_DOES_ADDRESS) fm_columns_address(slice->view, args.w_address);
        const double n_rows = slice->n_rows;
        struct fm_dispatch dispatch = {
            .op = op,
            .variant = choice.variant,
            .constants = {{"TYPE", w->type}, {"RESIDUAL", residual.buffer != NULL}},
            .subgroup_size = shape.subgroup_size,
            .views = {slice->view, x, residual, y},
            .n_views = 4,
            .args = &args,
            .args_size = sizeof(args),
            .groups = {fm_op_groups(args.n_rows, shape.rows), fm_op_groups(params->n_tokens, shape.tokens),
                n_mats},
            .flops = 2.0 * params->n_tokens * n_rows * w->n_cols,
            .bytes = n_rows * (double)fathom_row_size(w->type, w->n_cols) +
                4.0 * params->n_tokens * (n_rows + (double)n_mats * w->n_cols),
        };
        fm_dispatch_add(&dispatch, shape.constants);
        if (norms) {
            fm_dispatch_add(&dispatch, (struct fm_constant[]){{"NORM", norm.fused}, {0}});
            dispatch.views[4] = norm.w, dispatch.views[5] = norm.y, dispatch.views[6] = norm.counters;
            dispatch.n_views = 7;
        }
        fm_stream_dispatch(stream, &dispatch);
    }
    fm_op_norm_apart(stream, &params->norm, &norm, params->y, params->n_tokens, w->n_rows);
}
