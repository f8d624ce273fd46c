// y[t][m] = residual[t][m] + w[m] x[t][m], for every matrix of a weight; a dispatch a window.
#include "op/matmul/columns.h"
#include "op/matmul/matrix_tile.h"
#include "op/small/norm_after.h"
#include "shader_list.h"
#include "shaders/matmul/matmul.h"
#include <inttypes.h>
#include <string.h>

static const struct fm_variant variants[] = {
    { .name = "plain", .shader = &fm_shader_matmul },
    { .name = "vec", .shader = &fm_shader_matmul_vec, .needs = FATHOM_CAP_SUBGROUP_ARITHMETIC, .max_tokens = 15, .sizes = { 1, 2, 4 } },
        // sizes: rows of a subgroup
    { .name = "tile", .shader = &fm_shader_matmul_tile, .min_tokens = 16, .sizes = { 1, 2, 4 } }, // 16 tokens
    { .name = "coop", .shader = &fm_shader_matmul_coop, .needs = FM_MATRIX_TILE_NEEDS, .min_tokens = 16, .sizes = FM_MATRIX_TILE_SIZES },
    { .name = "rows", .shader = &fm_shader_matmul_rows, .needs = FATHOM_CAP_SUBGROUP_ARITHMETIC, .cpu_only = true, .sizes = { 1, 2, 4 } },
        // sizes: rows of an invocation
    { .name = "rows_ahead", .shader = &fm_shader_matmul_rows, .needs = FATHOM_CAP_SUBGROUP_ARITHMETIC, .cpu_only = true, .wants = FATHOM_CAP_READ_AHEAD },
    // by no default, as they take activations in 8 bits: where one is asked for, or was measured to be faster
    { .name = "dot", .shader = &fm_shader_matmul_dot, .needs = FATHOM_CAP_SUBGROUP_ARITHMETIC | FATHOM_CAP_INTEGER_DOT, .min_tokens = UINT32_MAX },
    { .name = "dot_tile", .shader = &fm_shader_matmul_dot_tile, .needs = FATHOM_CAP_INTEGER_DOT, .min_tokens = UINT32_MAX, .sizes = { 1, 2, 4 } },
    { .name = "columns", .shader = &fm_shader_matmul_columns, .needs = FM_COLUMNS_NEEDS, .max_tokens = FM_COLUMNS_TOKENS, .cpu_only = true,
        .wants = FM_COLUMNS_WANTS },
};
enum { N_COLUMNS = 1, N_PACKED = 3 }; // the last ones, which know few types
const struct fm_op fm_op_matmul = { "matmul", variants, sizeof(variants) / sizeof(variants[0]) };

// Checks everything, fills what is the same for all windows.
static bool matmul_prepare(struct fathom_stream *stream, const char *op, const struct fathom_matmul_params *params, struct matmul_args *args,
    struct fathom_view *x, struct fathom_view *residual, struct fathom_view *y) {
    const struct fathom_weight *w = params->w;
    if (!fm_op_weight(stream, op, "w", w) || !fm_op_multiple(stream, op, "n_tokens", params->n_tokens, 1)) return false;
    if (w->n_mats > FM_MAX_GROUPS || params->n_tokens > FM_MAX_GROUPS || (uint64_t)w->n_mats * w->n_cols > UINT32_MAX)
        return fm_stream_fail(stream, FATHOM_UNSUPPORTED,
            "%s: %" PRIu32 " matrices of %" PRIu32 " columns and %" PRIu32 " tokens, at most %d matrices and tokens", op,
            w->n_mats, w->n_cols, params->n_tokens, FM_MAX_GROUPS);
    *args = (struct matmul_args){
        .n_tokens = params->n_tokens,
        .n_cols = w->n_cols,
        .x_token_stride = fm_op_default(params->x_token_stride, w->n_mats * w->n_cols),
        .x_mat_stride = fm_op_default(params->x_mat_stride, w->n_cols),
        .y_token_stride = fm_op_default(params->y_token_stride, w->n_mats * w->n_rows),
        .y_mat_stride = fm_op_default(params->y_mat_stride, w->n_rows),
    };
    const uint64_t y_span = fm_op_span2(params->n_tokens, args->y_token_stride, w->n_mats, args->y_mat_stride, w->n_rows);
    *residual = (struct fathom_view){ 0 };
    return fm_op_multiple(stream, op, "x_token_stride", args->x_token_stride, 4)
        && fm_op_multiple(stream, op, "x_mat_stride", args->x_mat_stride, 4)
        && fm_op_bind(stream, op, "x", params->x, fm_op_span2(params->n_tokens, args->x_token_stride, w->n_mats, args->x_mat_stride, w->n_cols), x,
            &args->x_base)
        && fm_op_bind(stream, op, "y", params->y, y_span, y, &args->y_base)
        && (!params->residual.buffer || fm_op_bind(stream, op, "residual", params->residual, y_span, residual, &args->residual_base));
}

// A variant's sizes: its constants, and the rows and tokens of one workgroup.
struct matmul_shape {
    uint32_t rows, tokens;
    uint32_t spec[2 + FM_MATRIX_TILE_SPEC], n_spec;
    uint32_t subgroup_size;
};

static struct matmul_shape matmul_shape(const struct fathom_gpu_info *info, struct fm_choice choice, const struct fathom_weight *w,
    bool residual, uint32_t n_tokens) {
    const struct fm_variant *variant = choice.variant;
    const uint32_t few = n_tokens < 4 ? n_tokens : n_tokens < 8 ? 4 : 8;
    const uint64_t all_rows = (uint64_t)w->n_mats * w->n_rows;
    // Smaller pieces where large ones would leave most of a card's cores without work.
    if (variant->shader == &fm_shader_matmul_tile || variant->shader == &fm_shader_matmul_dot_tile) {
        uint32_t tokens = n_tokens <= 16 ? 1 : n_tokens <= 32 ? 2 : 4;
        while (tokens > 1 && all_rows * n_tokens < (uint64_t)128 * 64 * 16 * tokens) tokens /= 2;
        if (choice.size) tokens = choice.size;
        return (struct matmul_shape){ 64, 16 * tokens, { w->type, residual, tokens }, 3 };
    }
    if (variant->shader == &fm_shader_matmul_coop) {
        const struct fm_matrix_tile tile = fm_matrix_tile(info, &(struct fm_matrix_work){ w->n_mats, w->n_rows, n_tokens, 1, .size = choice.size });
        struct matmul_shape shape = { tile.rows, tile.tokens, { w->type, residual }, 2 + FM_MATRIX_TILE_SPEC, tile.subgroup_size };
        memcpy(shape.spec + 2, tile.spec, sizeof(tile.spec));
        return shape;
    }
    if (variant->shader == &fm_shader_matmul_dot) {
        const uint32_t tokens = few == 3 ? 4 : few;
        return (struct matmul_shape){ 4 * 128 / info->subgroup_size, tokens, { w->type, residual, tokens }, 3 };
    }
    if (variant->shader == &fm_shader_matmul_vec) { // one subgroup where it is of a usual size
        const uint32_t lanes = info->subgroup_size < 16 ? 16 : info->subgroup_size > 64 ? 64 : info->subgroup_size;
        uint32_t rows = 4;
        while (rows > 1 && all_rows < 2048 * rows) rows /= 2;
        if (choice.size) rows = choice.size;
        return (struct matmul_shape){ rows, few, { w->type, residual, few, lanes, rows }, 5 };
    }
    if (variant->shader == &fm_shader_matmul_columns) {
        const uint32_t tokens = n_tokens < FM_COLUMNS_TOKENS ? n_tokens : FM_COLUMNS_TOKENS, rows = fm_columns_rows(info, all_rows, tokens);
        return (struct matmul_shape){ rows, tokens, { w->type, residual, tokens, fm_op_row_lanes(info), rows }, 5 };
    }
    if (variant->shader == &fm_shader_matmul_rows) {
        const uint32_t lanes = fm_op_row_lanes(info);
        uint32_t rows = 4;
        while (rows > 1 && all_rows < 16ull * lanes * rows) rows /= 2; // small weights: enough workgroups for all cores
        if (choice.size) rows = choice.size;
        return (struct matmul_shape){ lanes * rows, few, { w->type, residual, few, lanes, rows }, 5 };
    }
    const uint32_t tokens = n_tokens < 4 ? n_tokens : 4;
    return (struct matmul_shape){ 4, tokens, { w->type, residual, tokens }, 3 };
}

void fathom_matmul(struct fathom_stream *stream, const struct fathom_matmul_params *params) {
    static const char op[] = "matmul";
    const struct fathom_weight *w = params->w;
    struct matmul_args args;
    struct fathom_view x, residual, y;
    if (!matmul_prepare(stream, op, params, &args, &x, &residual, &y)) return;

    // All but the plain one read x by fours and weights by whole blocks.
    const bool whole = w->n_cols % 32 == 0 && args.x_base % 4 == 0;
    const size_t n_last = !fm_op_packed(w->type) ? N_PACKED : fm_columns_take(w->type, w->n_cols) ? 0 : N_COLUMNS;
    const size_t n_variants = !whole ? 1 : fm_op_matmul.n_variants - n_last;
    const struct fm_call call = { op, params->n_tokens, { w->type, w->n_mats, w->n_rows, w->n_cols } };
    const struct fm_choice choice = fm_variant_choose(fm_stream_gpu(stream), &call, variants, n_variants, params->n_tokens);
    const struct fathom_gpu_info *info = fathom_gpu_get_info(fm_stream_gpu(stream));
    const struct matmul_shape shape = matmul_shape(info, choice, w, residual.buffer, params->n_tokens);
    const bool columns = choice.variant->shader == &fm_shader_matmul_columns;
    const bool last_group = columns || choice.variant->shader == &fm_shader_matmul_rows || choice.variant->shader == &fm_shader_matmul_vec;
    struct fm_norm_after norm;
    if (params->norm.w.buffer && (w->n_mats != 1 || args.y_token_stride != w->n_rows)) {
        fm_stream_fail(stream, FATHOM_INVALID, "%s: a norm of %" PRIu32 " matrices of %" PRIu32 " rows, %" PRIu32 " apart, wanted one matrix without a stride", op,
            w->n_mats, w->n_rows, args.y_token_stride);
        return;
    }
    if (!fm_op_norm_after(stream, op, &params->norm, params->n_tokens, w->n_rows, last_group && w->n_windows == 1, &norm)) return;
    args.norm_w_base = norm.w_base, args.normed_base = norm.y_base, args.counters_base = norm.counters_base, args.norm_eps = params->norm.eps;
    for (uint32_t i = 0; i < w->n_windows; i++) {
        const struct fathom_window *window = &w->windows[i];
        const uint32_t n_mats = w->n_mats == 1 ? 1 : window->n_rows / w->n_rows;
        args.n_rows = window->n_rows / n_mats;
        args.first_row = window->first_row % w->n_rows;
        args.first_mat = window->first_row / w->n_rows;
        if (columns) fm_columns_address(window->view, args.w_address);
        const double n_rows = window->n_rows;
        struct fm_dispatch dispatch = {
            .op = op, .variant = choice.variant,
            .n_spec = shape.n_spec,
            .subgroup_size = shape.subgroup_size,
            .views = { window->view, x, residual, y }, .n_views = 4,
            .args = &args, .args_size = sizeof(args),
            .groups = { fm_op_groups(args.n_rows, shape.rows), fm_op_groups(params->n_tokens, shape.tokens), n_mats },
            .flops = 2.0 * params->n_tokens * n_rows * w->n_cols,
            .bytes = n_rows * (double)fathom_row_size(w->type, w->n_cols) + 4.0 * params->n_tokens * (n_rows + (double)n_mats * w->n_cols),
        };
        memcpy(dispatch.spec, shape.spec, sizeof(shape.spec));
        if (last_group) {
            dispatch.spec[dispatch.n_spec++] = norm.fused;
            dispatch.spec[dispatch.n_spec++] = columns ? fm_columns_units(info, w, shape.tokens) : choice.variant->wants == FATHOM_CAP_READ_AHEAD;
            dispatch.views[4] = norm.w, dispatch.views[5] = norm.y, dispatch.views[6] = norm.counters;
            dispatch.n_views = 7;
        }
        fm_stream_dispatch(stream, &dispatch);
    }
    fm_op_norm_apart(stream, &params->norm, &norm, params->y, params->n_tokens, w->n_rows);
}
