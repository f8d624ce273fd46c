// Down projections, weighted sum and residual. Where a weight is cut into windows, the shared expert's windows come first (each some rows
// of y, from the residual), the first of the experts' windows with them; the experts' other windows continue from y. A token's experts
// ascend, so that this is the same sequence of float32 additions for any cut.
#include "shaders/experts/expert_down.h"
#include "op/matmul/columns.h"
#include "op/experts/expert_window.h"
#include "op/matmul/matrix_tile.h"
#include "op/small/norm_after.h"
#include "shader_list.h"
#include <inttypes.h>
#include <string.h>

enum { MAX_TOP_K = 16, PLAIN_ROWS = 16, ROWS = 4, LANE_ROWS = 4, PAIRS = 2, TILE_ROWS = 64, SUM_ROWS = 64, MAX_GROUP = 1024 };
// MAX_GROUP: tokens of a grouped dispatch, as many as the shader's list takes.

enum { PLAIN, VEC, BY_ROW, BY_ROW_AHEAD, GROUPED, GROUPED_COOP, GROUPED_ROWS, GROUPED_DOT, COLUMNS };
static const struct fm_variant variants[] = {
    {.name = "plain", .shader = &fm_shader_expert_down},
    {.name = "vec", .shader = &fm_shader_expert_down_vec, .needs = FATHOM_CAP_SUBGROUP_ARITHMETIC},
    {.name = "rows", .shader = &fm_shader_expert_down_rows, .needs = FATHOM_CAP_SUBGROUP_ARITHMETIC, .cpu_only = true},
    {.name = "rows_ahead", .shader = &fm_shader_expert_down_rows, .needs = FATHOM_CAP_SUBGROUP_ARITHMETIC, .cpu_only = true, .wants = FATHOM_CAP_READ_AHEAD},
    // tokens of these: how many choose an expert, on the average
    {.name = "grouped", .shader = &fm_shader_expert_down_grouped, .min_tokens = 3, .sizes = {1, 2, 4}}, // sizes: 16 tokens
    {.name = "grouped_coop",
        .shader = &fm_shader_expert_down_grouped_coop,
        .needs = FM_MATRIX_TILE_NEEDS,
        .min_tokens = 8,
        .sizes = FM_MATRIX_TILE_SIZES},
    {.name = "grouped_rows",
        .shader = &fm_shader_expert_down_grouped_rows,
        .needs = FATHOM_CAP_SUBGROUP_ARITHMETIC,
        .min_tokens = 2,
        .cpu_only = true},
    // by no default, as it takes activations in 8 bits: where it is asked for, or was measured to be faster
    {.name = "grouped_dot",
        .shader = &fm_shader_expert_down_grouped_dot,
        .needs = FATHOM_CAP_INTEGER_DOT,
        .min_tokens = UINT32_MAX,
        .sizes = {1, 2, 4}}, // 16 tokens
    {.name = "columns", .shader = &fm_shader_expert_down_columns, .needs = FM_COLUMNS_NEEDS, .max_tokens = 1, .cpu_only = true, .wants = FM_COLUMNS_WANTS},
};
static const struct fm_variant sum_variant = {.name = "sum", .shader = &fm_shader_expert_down_sum}; // of the grouped ones' parts
const struct fm_op fm_op_expert_down = {"expert_down", variants, sizeof(variants) / sizeof(variants[0])};

static bool check(struct fathom_stream *stream, const char *op, const struct fathom_expert_down_params *p) {
    const struct fathom_weight *down = p->down, *shared = p->shared_down;
    if (!down && !shared) return fm_stream_fail(stream, FATHOM_INVALID, "%s: neither experts nor a shared expert", op);
    if ((down && !fm_op_weight(stream, op, "down", down)) || (shared && !fm_op_weight(stream, op, "shared_down", shared))) return false;
    if (shared && (shared->n_mats != 1 || (down && down->n_rows != shared->n_rows)))
        return fm_stream_fail(stream, FATHOM_INVALID, "%s: shared_down has %" PRIu32 " matrices of %" PRIu32 " rows, wanted 1 of %" PRIu32,
            op, shared->n_mats, shared->n_rows, down ? down->n_rows : shared->n_rows);
    if (down ? !p->top_k || p->top_k > MAX_TOP_K || p->top_k > down->n_mats : p->top_k != 0)
        return fm_stream_fail(stream, FATHOM_INVALID, "%s: top_k is %" PRIu32 " of %" PRIu32 " experts, at most %d", op, p->top_k,
            down ? down->n_mats : 0, MAX_TOP_K);
    if (!p->n_tokens || p->n_tokens > FM_MAX_GROUPS)
        return fm_stream_fail(stream, FATHOM_INVALID, "%s: %" PRIu32 " tokens, wanted 1 to %d", op, p->n_tokens, FM_MAX_GROUPS);
    return true;
}

// What stays the same from dispatch to dispatch
struct job {
    const char *op;
    const struct fathom_expert_down_params *p;
    const struct fm_variant *variant;
    uint32_t tile, spec[FM_MATRIX_TILE_SPEC], n_spec, subgroup_size; // rows of a workgroup, and the variant's constants
    uint32_t units;                 // of COLUMNS
    uint32_t y_base, residual_base;
    struct fathom_view h, ids, weights, residual, y, parts;
    bool last_group;                // the variant's last workgroup can norm y
    struct fm_norm_after norm;
};

static bool is_grouped(const struct fm_variant *variant) {
    return variant >= &variants[GROUPED] && variant < &variants[COLUMNS];
}

static double row_bytes(const struct fathom_weight *w) {
    return w ? (double)fathom_row_size(w->type, w->n_cols) : 0;
}

// One dispatch for n_tokens tokens: rows [args->first_row, args->end_row) of the shared expert, unless `shared` is NULL, and, unless
// `experts` is, those of the experts in that window: of them the same rows, or all where they are grouped.
static void add(struct fathom_stream *stream, const struct job *job, struct expert_down_args *args, const struct fathom_window *experts,
    const struct fathom_window *shared, bool from_y, bool last) {
    const struct fathom_expert_down_params *p = job->p;
    const bool grouped = is_grouped(job->variant), columns = job->variant == &variants[COLUMNS];
    args->expert_first = args->down_row = experts ? experts->first_row : 0;
    args->expert_end = experts ? experts->first_row + experts->n_rows : 0;
    args->shared_row = shared ? shared->first_row : 0;
    // columns: neither is left out, as a round in which no lane takes part reads from either
    const struct fathom_window *bound_experts = columns && !experts ? shared : experts, *bound_shared = columns && !shared ? experts : shared;
    if (columns) fm_columns_address(bound_experts->view, args->down_address), fm_columns_address(bound_shared->view, args->shared_address);
    args->residual_base = from_y ? job->y_base : job->residual_base;
    const double rows = args->end_row - args->first_row, tokens = args->n_tokens, shared_rows = shared ? rows : 0;
    const double dots =
        experts ? (grouped ? args->n_rows : rows) * p->top_k * experts->n_rows / ((double)p->down->n_mats * args->n_rows) : 0;
    const double read = experts && dots * tokens > experts->n_rows ? experts->n_rows : dots * tokens;
    const uint64_t n_tiles = (args->n_rows + job->tile - 1) / job->tile;
    const uint64_t groups = (grouped && experts ? experts->n_rows / args->n_rows * n_tiles : 0) +
                            (args->end_row - args->first_row + (uint64_t)job->tile - 1) / job->tile;
    struct fm_dispatch dispatch = {
        .op = job->op,
        .variant = job->variant,
        // what is absent takes the other's type, so that a driver compiles no more for it
        .spec = {(p->down ? p->down : p->shared_down)->type, (p->shared_down ? p->shared_down : p->down)->type},
        .n_spec = 2 + job->n_spec,
        .subgroup_size = job->subgroup_size,
        .views = {job->h, job->ids},
        .n_views = 2,
        .args = args,
        .args_size = sizeof(*args),
        .groups = {fm_op_groups(groups, 1), grouped ? fm_op_groups(groups, FM_MAX_GROUPS) : args->n_tokens, 1},
        .flops = 2.0 * tokens * (dots * args->n_inter + shared_rows * args->n_shared),
        .bytes = read * row_bytes(p->down) + shared_rows * row_bytes(p->shared_down) + 4.0 * tokens * (dots + shared_rows + args->h_stride),
    };
    memcpy(dispatch.spec + 2, job->spec, sizeof(job->spec));
    if (grouped) {
        dispatch.views[dispatch.n_views++] = job->parts;
    } else {
        for (uint32_t i = job->n_spec; i > 0; i--) dispatch.spec[2 + i] = dispatch.spec[1 + i];
        dispatch.spec[2] = shared != NULL;
        dispatch.n_spec++;
        dispatch.spec[dispatch.n_spec++] = last && job->norm.fused;
        dispatch.spec[6] = from_y || job->residual.buffer;
        dispatch.spec[7] = columns ? job->units : job->variant->wants == FATHOM_CAP_READ_AHEAD;
        dispatch.n_spec = 8;
        dispatch.views[dispatch.n_views++] = job->weights;
        dispatch.views[dispatch.n_views++] = from_y ? job->y : job->residual;
        dispatch.views[dispatch.n_views++] = job->y;
    }
    if (bound_experts) dispatch.views[dispatch.n_views] = bound_experts->view;
    if (bound_shared) dispatch.views[dispatch.n_views + 1] = bound_shared->view;
    dispatch.n_views += 2;
    if (job->last_group) {
        if (last && job->norm.fused) dispatch.views[7] = job->norm.w, dispatch.views[8] = job->norm.y, dispatch.views[9] = job->norm.counters;
        dispatch.n_views = 10;
    }
    fm_stream_dispatch(stream, &dispatch);
}

// All tokens, each workgroup with some rows of one token's sum
static void add_by_token(struct fathom_stream *stream, const struct job *job, struct expert_down_args *args) {
    const struct fathom_weight *down = job->p->down, *shared = job->p->shared_down;
    const struct fathom_window *experts = down ? &down->windows[0] : NULL;
    for (uint32_t row = 0; row < args->n_rows;) {
        const struct fathom_window *window = NULL;
        args->first_row = row;
        args->end_row = args->n_rows;
        if (shared && !(window = fm_expert_window(stream, job->op, shared, row, &args->end_row))) return;
        add(stream, job, args, experts, window, false, args->end_row == args->n_rows && !(down && down->n_windows > 1));
        row = args->end_row;
    }
    args->first_row = 0;
    for (uint32_t i = 1; down && i < down->n_windows; i++) add(stream, job, args, &down->windows[i], NULL, true, i + 1 == down->n_windows);
}

// n_tokens tokens from `token` on: the parts of their sums, expert by expert, then the sums
static void add_grouped(
    struct fathom_stream *stream, const struct job *job, struct expert_down_args args, uint32_t token, uint32_t n_tokens) {
    const struct fathom_weight *down = job->p->down, *shared = job->p->shared_down;
    args.n_tokens = n_tokens;
    args.h_base += token * args.h_stride;
    args.ids_base += token * args.top_k;
    args.weights_base += token * args.top_k;
    args.y_base += token * args.n_rows;
    const uint32_t n_windows = down ? down->n_windows : 0;
    uint32_t row = shared ? 0 : args.n_rows;
    for (uint32_t i = 0; i < n_windows || row < args.n_rows; i++) {
        const struct fathom_window *window = NULL;
        args.first_row = row;
        args.end_row = args.n_rows;
        if (row < args.n_rows && !(window = fm_expert_window(stream, job->op, shared, row, &args.end_row))) return;
        add(stream, job, &args, i < n_windows ? &down->windows[i] : NULL, window, false, false);
        row = args.end_row;
    }
    args.residual_base = job->residual_base + token * args.n_rows;
    fm_stream_dispatch(stream, &(struct fm_dispatch){
                                   .op = "expert_down_sum",
                                   .variant = &sum_variant,
                                   .spec = {shared != NULL, job->residual.buffer != NULL},
                                   .n_spec = 2,
                                   .views = {job->parts, job->weights, job->residual, job->y},
                                   .n_views = 4,
                                   .args = &args,
                                   .args_size = sizeof(args),
                                   .groups = {fm_op_groups(args.n_rows, SUM_ROWS), n_tokens, 1},
                                   .flops = 2.0 * n_tokens * args.n_rows * (args.top_k + 1.0),
                                   .bytes = 4.0 * n_tokens * args.n_rows * (args.top_k + 3.0),
                               });
}

// Tokens that the scratch can take at once
static uint32_t fit_scratch(const struct fathom_stream *stream, const struct fathom_expert_down_params *p, uint32_t n_rows) {
    const uint64_t range = fathom_gpu_get_info(fm_stream_gpu(stream))->max_storage_range;
    const uint64_t token = fathom_expert_down_scratch(1, p->top_k, n_rows), size = p->scratch.size < range ? p->scratch.size : range;
    const uint64_t n = !p->scratch.buffer || size < 256 ? 0 : (size - 256) / token; // 256: the most that a binding's alignment takes
    return n > MAX_GROUP ? MAX_GROUP : n > p->n_tokens ? p->n_tokens : (uint32_t)n;
}

static void choose_variant(struct fathom_stream *stream, struct job *job, const struct expert_down_args *args, bool group) {
    const struct fathom_weight *down = job->p->down;
    // two tokens of a dense layer would leave half a group's tile empty
    const uint64_t per_expert = down ? (uint64_t)args->n_tokens * args->top_k / down->n_mats : args->n_tokens < 3 ? 1 : args->n_tokens;
    // all but the plain one read h by fours, and find an expert's rows in one window; those from BY_ROW on take whole blocks of columns
    const bool fours = args->h_base % 4 == 0 && (!down || down->n_mats > 1 || down->n_windows == 1);
    const bool blocks = args->n_inter % 32 == 0 && args->n_shared % 32 == 0;
    const struct fathom_weight *shared = job->p->shared_down;
    const bool packed = fm_expert_packed(down, shared);
    const bool columns = fm_columns_take_all(down, shared);
    const size_t n_variants = !fours ? VEC : !blocks ? BY_ROW : !group ? GROUPED : !packed ? GROUPED_DOT : !columns ? COLUMNS : fm_op_expert_down.n_variants;
    const struct fm_call call = {job->op, args->n_tokens,
        {down ? down->type : 0, down ? down->n_mats : 0, args->n_inter, args->top_k, shared ? shared->type : 0, args->n_shared, args->n_rows}};
    const struct fm_choice choice =
        fm_variant_choose(fm_stream_gpu(stream), &call, variants, n_variants, per_expert ? (uint32_t)per_expert : 1);
    job->variant = choice.variant;
    const struct fathom_gpu_info *info = fathom_gpu_get_info(fm_stream_gpu(stream));
    const uint32_t row_lanes = fm_op_row_lanes(info);
    const uint32_t lanes = fm_expert_lanes(stream, args->n_inter > args->n_shared ? args->n_inter : args->n_shared);
    switch (job->variant - variants) {
    case VEC: job->tile = ROWS, job->spec[0] = lanes, job->spec[1] = ROWS, job->n_spec = 2; break;
    case BY_ROW:
    case BY_ROW_AHEAD:
        job->tile = row_lanes * LANE_ROWS, job->spec[0] = row_lanes, job->spec[1] = LANE_ROWS, job->n_spec = 2;
        break;
    case GROUPED: job->tile = TILE_ROWS, job->spec[0] = choice.size ? choice.size : per_expert <= 10 ? 1 : per_expert <= 20 ? 2 : 4, job->n_spec = 1; break;
    case GROUPED_COOP: {
        const struct fathom_weight *w = down ? down : job->p->shared_down;
        const struct fm_matrix_tile tile = fm_matrix_tile(info,
            &(struct fm_matrix_work){w->n_mats, w->n_rows, per_expert ? (uint32_t)per_expert : 1, 1, 4 * MAX_GROUP, choice.size});
        job->tile = tile.rows, job->n_spec = FM_MATRIX_TILE_SPEC, job->subgroup_size = tile.subgroup_size;
        memcpy(job->spec, tile.spec, sizeof(tile.spec));
        break;
    }
    case GROUPED_DOT:
        job->tile = TILE_ROWS, job->spec[0] = choice.size ? choice.size : per_expert <= 16 ? 1 : per_expert <= 32 ? 2 : 4, job->n_spec = 1;
        break;
    case GROUPED_ROWS:
        job->tile = 2 * PAIRS * row_lanes, job->spec[1] = row_lanes, job->spec[2] = PAIRS, job->n_spec = 3;
        job->spec[0] = fm_expert_row_tokens(per_expert ? (uint32_t)per_expert : 1, args->n_tokens);
        break;
    case COLUMNS:
        job->tile = fm_columns_rows(info, args->n_rows, 1), job->spec[0] = row_lanes, job->spec[1] = job->tile, job->n_spec = 2;
        job->units = fm_columns_units(info, down ? down : shared, 1);
        if (shared && args->n_shared / 64 < job->units) job->units = args->n_shared / 64;
        break;
    default: job->tile = PLAIN_ROWS; break;
    }
}

uint64_t fathom_expert_down_scratch(uint32_t n_tokens, uint32_t top_k, uint32_t n_rows) {
    return 4 * (uint64_t)n_tokens * ((uint64_t)top_k + 1) * n_rows;
}

void fathom_expert_down(struct fathom_stream *stream, const struct fathom_expert_down_params *p) {
    static const char op[] = "expert_down";
    if (!check(stream, op, p)) return;
    const struct fathom_weight *down = p->down, *shared = p->shared_down;
    const uint32_t n_rows = (down ? down : shared)->n_rows, n_inter = down ? down->n_cols : 0, n_shared = shared ? shared->n_cols : 0;
    const uint64_t n_chosen = (uint64_t)p->n_tokens * p->top_k, n_y = (uint64_t)p->n_tokens * n_rows;
    const uint64_t h_stride = (uint64_t)p->top_k * n_inter + n_shared;
    struct expert_down_args args = {.n_rows = n_rows,
        .n_inter = n_inter,
        .n_shared = n_shared,
        .top_k = p->top_k,
        .h_stride = (uint32_t)h_stride,
        .n_tokens = p->n_tokens};
    struct job job = {.op = op, .p = p};
    if (!fm_op_bind(stream, op, "h", p->h, p->n_tokens * h_stride, &job.h, &args.h_base) ||
        (p->top_k && !fm_op_bind(stream, op, "ids", p->ids, n_chosen, &job.ids, &args.ids_base)) ||
        (p->top_k && !fm_op_bind(stream, op, "weights", p->weights, n_chosen, &job.weights, &args.weights_base)) ||
        (p->residual.buffer && !fm_op_bind(stream, op, "residual", p->residual, n_y, &job.residual, &job.residual_base)) ||
        !fm_op_bind(stream, op, "y", p->y, n_y, &job.y, &job.y_base))
        return;
    args.y_base = job.y_base;
    uint32_t at_once = fit_scratch(stream, p, n_rows);
    choose_variant(stream, &job, &args, at_once && !(down && down->n_mats == 1));
    if ((n_rows - 1) / job.tile >= FM_MAX_GROUPS) {
        fm_stream_fail(
            stream, FATHOM_UNSUPPORTED, "%s: %" PRIu32 " rows, at most %d workgroups of %" PRIu32, op, n_rows, FM_MAX_GROUPS, job.tile);
        return;
    }
    // the last dispatch must make all rows
    const bool whole = (down && down->n_windows > 1) || !shared || shared->n_windows == 1;
    job.last_group = job.variant == &variants[COLUMNS] || (job.variant >= &variants[VEC] && job.variant <= &variants[BY_ROW_AHEAD]);
    if (!fm_op_norm_after(stream, op, &p->norm, p->n_tokens, n_rows, whole && job.last_group, &job.norm)) return;
    args.norm_w_base = job.norm.w_base, args.normed_base = job.norm.y_base, args.counters_base = job.norm.counters_base, args.norm_eps = p->norm.eps;
    if (!is_grouped(job.variant)) {
        add_by_token(stream, &job, &args);
        fm_op_norm_apart(stream, &p->norm, &job.norm, p->y, p->n_tokens, n_rows);
        return;
    }
    if (!fm_op_bind(
            stream, op, "scratch", p->scratch, fathom_expert_down_scratch(at_once, p->top_k, n_rows) / 4, &job.parts, &args.parts_base))
        return;
    if (job.variant == &variants[GROUPED_ROWS] && at_once > FM_MAX_GROUP_ROWS) at_once = FM_MAX_GROUP_ROWS;
    for (uint32_t token = 0; token < p->n_tokens; token += at_once)
        add_grouped(stream, &job, args, token, p->n_tokens - token < at_once ? p->n_tokens - token : at_once);
    fm_op_norm_apart(stream, &p->norm, &job.norm, p->y, p->n_tokens, n_rows);
}
