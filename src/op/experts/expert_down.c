// Down projections, weighted sum and residual. If a weight is cut into slices, the shared expert's slices
// come first: each makes some rows of y, from the residual, and the first slice of the experts goes with
// them. The experts' other slices continue from y. A token's experts are in ascending order, so the sequence
// of float32 additions is the same for any cut.
#include "shaders/experts/expert_down.h"
#include "op/matmul/columns.h"
#include "op/experts/expert_shape.h"
#include "op/experts/expert_slice.h"
#include "op/matmul/matrix_tile.h"
#include "op/small/norm_after.h"
#include "shader_list.h"
#include <inttypes.h>

enum { MAX_TOP_K = 16, SUM_ROWS = 64 };

// All variants but `plain` read h by fours. Most need whole blocks of columns. The grouped ones keep the
// parts of their sums in the scratch, and their min_tokens is the average number of tokens per expert.
enum { WHOLE = FM_CALL_ALIGNED | FM_CALL_BLOCKS, GROUPED = WHOLE | FM_CALL_EXPERTS | FM_CALL_SCRATCH };
static const struct fm_variant variants[] = {
    {.name = "plain", .shader = &fm_shader_expert_down, .shape = fm_expert_shape_plain},
    {
        .name = "vec",
        .shader = &fm_shader_expert_down_vec,
        .needs = FATHOM_CAP_SUBGROUP_ARITHMETIC,
        .takes = FM_CALL_ALIGNED,
        .does = FM_DOES_NORM,
        .shape = fm_expert_shape_vec,
    },
    {
        .name = "rows",
        .shader = &fm_shader_expert_down_rows,
        .needs = FATHOM_CAP_SUBGROUP_ARITHMETIC,
        .takes = WHOLE,
        .does = FM_DOES_NORM,
        .cpu_only = true,
        .shape = fm_expert_shape_rows,
    },
    {
        .name = "rows_ahead",
        .shader = &fm_shader_expert_down_rows,
        .needs = FATHOM_CAP_SUBGROUP_ARITHMETIC,
        .takes = WHOLE,
        .does = FM_DOES_NORM,
        .cpu_only = true,
        .wants = FATHOM_CAP_READ_AHEAD,
        .shape = fm_expert_shape_rows_ahead,
    },
    {
        .name = "grouped",
        .shader = &fm_shader_expert_down_grouped,
        .takes = GROUPED,
        .does = FM_DOES_GROUP,
        .min_tokens = 3,
        .sizes = {1, 2, 4},
        .shape = fm_expert_shape_grouped,
    }, // sizes: 16 tokens
    {
        .name = "grouped_coop",
        .shader = &fm_shader_expert_down_grouped_coop,
        .needs = FM_MATRIX_TILE_NEEDS,
        .takes = GROUPED,
        .does = FM_DOES_GROUP,
        .min_tokens = 8,
        .sizes = FM_MATRIX_TILE_SIZES,
        .shape = fm_expert_shape_grouped_coop,
    },
    {
        .name = "grouped_rows",
        .shader = &fm_shader_expert_down_grouped_rows,
        .needs = FATHOM_CAP_SUBGROUP_ARITHMETIC,
        .takes = GROUPED,
        .does = FM_DOES_GROUP,
        .min_tokens = 2,
        .cpu_only = true,
        .shape = fm_expert_shape_grouped_rows,
    },
    // never the default, because its activations have 8 bits; chosen only if asked for or measured to be
    // faster
    {
        .name = "grouped_dot",
        .shader = &fm_shader_expert_down_grouped_dot,
        .needs = FATHOM_CAP_INTEGER_DOT,
        .takes = GROUPED | FM_CALL_PACKED,
        // sizes: 16 tokens
        .does = FM_DOES_GROUP,
        .min_tokens = UINT32_MAX,
        .sizes = {1, 2, 4},
        .shape = fm_expert_shape_grouped_dot,
    },
    {
        .name = "columns",
        .shader = &fm_shader_expert_down_columns,
        .needs = FM_COLUMNS_NEEDS,
        .takes = WHOLE | FM_CALL_UNITS,
        .does = FM_DOES_NORM | FM_DOES_ADDRESS,
        .max_tokens = 1,
        .cpu_only = true,
        .wants = FM_COLUMNS_WANTS,
        .shape = fm_expert_shape_columns,
    },
};
// adds the grouped variants' parts
static const struct fm_variant sum_variant = {.name = "sum", .shader = &fm_shader_expert_down_sum};
const struct fm_op fm_op_expert_down = {"expert_down", variants, sizeof(variants) / sizeof(variants[0])};

static bool check(struct fathom_stream *stream, const char *op, const struct fathom_expert_down_params *p) {
    const struct fathom_weight *down = p->down, *shared = p->shared_down;
    if (!down && !shared)
        return fm_stream_fail(stream, FATHOM_INVALID, "%s: neither experts nor a shared expert", op);
    if ((down && !fm_op_weight(stream, op, "down", down)) ||
        (shared && !fm_op_weight(stream, op, "shared_down", shared)))
        return false;
    if (shared && (shared->n_mats != 1 || (down && down->n_rows != shared->n_rows)))
        return fm_stream_fail(stream, FATHOM_INVALID,
            "%s: shared_down has %" PRIu32 " matrices of %" PRIu32 " rows, wanted 1 of %" PRIu32, op,
            shared->n_mats, shared->n_rows, down ? down->n_rows : shared->n_rows);
    if (down ? !p->top_k || p->top_k > MAX_TOP_K || p->top_k > down->n_mats : p->top_k != 0)
        return fm_stream_fail(stream, FATHOM_INVALID,
            "%s: top_k is %" PRIu32 " of %" PRIu32 " experts, at most %d", op, p->top_k,
            down ? down->n_mats : 0, MAX_TOP_K);
    if (!p->n_tokens || p->n_tokens > FM_MAX_GROUPS)
        return fm_stream_fail(
            stream, FATHOM_INVALID, "%s: %" PRIu32 " tokens, wanted 1 to %d", op, p->n_tokens, FM_MAX_GROUPS);
    return fm_expert_check_part(stream, op, "down", &p->part, down);
}

// What is the same for all dispatches of a call.
struct job {
    const char *op;
    const struct fathom_expert_down_params *p;
    const struct fm_variant *variant;
    struct fm_shape shape;
    uint32_t y_base, residual_base;
    struct fathom_view h, ids, weights, residual, y, parts;
    struct fm_norm_after norm;
};

static double row_bytes(const struct fathom_weight *w) {
    return w ? (double)fathom_row_size(w->type, w->n_cols) : 0;
}

// Adds one dispatch for n_tokens tokens. It takes rows [args->first_row, args->end_row) of the shared expert,
// unless `shared` is NULL. Of the experts in the slice `experts`, unless that is NULL, it takes the same
// rows, or all rows if the variant is grouped.
static void add(struct fathom_stream *stream, const struct job *job, struct expert_down_args *args,
    const struct fathom_slice *experts, const struct fathom_slice *shared, bool from_y, bool last) {
    const struct fathom_expert_down_params *p = job->p;
    const bool grouped = job->variant->does & FM_DOES_GROUP, columns = job->variant->does & FM_DOES_ADDRESS;
    const bool norms = job->variant->does & FM_DOES_NORM, fused = last && job->norm.fused;
    args->expert_first = args->down_row = experts ? experts->first_row : 0;
    args->expert_end = experts ? experts->first_row + experts->n_rows : 0;
    args->shared_row = shared ? shared->first_row : 0;
    // `columns` needs both addresses: a round in which no lane takes part reads from either
    const struct fathom_slice *bound_experts = columns && !experts ? shared : experts,
                              *bound_shared = columns && !shared ? experts : shared;
    if (columns)
        fm_columns_address(bound_experts->view, args->down_address),
            fm_columns_address(bound_shared->view, args->shared_address);
    args->residual_base = from_y ? job->y_base : job->residual_base;
    const double rows = args->end_row - args->first_row, tokens = args->n_tokens,
                 shared_rows = shared ? rows : 0;
    const double dots = experts ? (grouped ? args->n_rows : rows) * p->top_k * experts->n_rows /
            ((double)p->down->n_mats * args->n_rows)
                                : 0;
    const double read = experts && dots * tokens > experts->n_rows ? experts->n_rows : dots * tokens;
    const uint64_t n_tiles = (args->n_rows + job->shape.rows - 1) / job->shape.rows;
    const uint64_t groups = (grouped && experts ? experts->n_rows / args->n_rows * n_tiles : 0) +
        (args->end_row - args->first_row + (uint64_t)job->shape.rows - 1) / job->shape.rows;
    struct fm_dispatch dispatch = {
        .op = job->op,
        .variant = job->variant,
        // an absent weight gets the other's type, so that a driver compiles no extra code for it
        .constants = {{"DOWN_TYPE", (p->down ? p->down : p->shared_down)->type},
            {"SHARED_TYPE", (p->shared_down ? p->shared_down : p->down)->type}},
        .subgroup_size = job->shape.subgroup_size,
        .views = {job->h, job->ids},
        .n_views = 2,
        .args = args,
        .args_size = sizeof(*args),
        .groups = {fm_op_groups(groups, 1), grouped ? fm_op_groups(groups, FM_MAX_GROUPS) : args->n_tokens,
            1},
        .flops = 2.0 * tokens * (dots * args->n_inter + shared_rows * args->n_shared),
        .bytes = read * row_bytes(p->down) + shared_rows * row_bytes(p->shared_down) +
            4.0 * tokens * (dots + shared_rows + args->h_stride),
    };
    fm_dispatch_add(&dispatch, job->shape.constants);
    if (grouped) {
        dispatch.views[dispatch.n_views++] = job->parts;
    } else {
        fm_dispatch_add(&dispatch,
            (struct fm_constant[]){
                {"SHARED", shared != NULL}, {"RESIDUAL", from_y || job->residual.buffer}, {0}});
        dispatch.views[dispatch.n_views++] = job->weights;
        dispatch.views[dispatch.n_views++] = from_y ? job->y : job->residual;
        dispatch.views[dispatch.n_views++] = job->y;
    }
    if (bound_experts) dispatch.views[dispatch.n_views] = bound_experts->view;
    if (bound_shared) dispatch.views[dispatch.n_views + 1] = bound_shared->view;
    dispatch.n_views += 2;
    if (norms) {
        fm_dispatch_add(&dispatch, (struct fm_constant[]){{"NORM", fused}, {0}});
        if (fused)
            dispatch.views[7] = job->norm.w, dispatch.views[8] = job->norm.y,
            dispatch.views[9] = job->norm.counters;
        dispatch.n_views = 10;
    }
    fm_stream_dispatch(stream, &dispatch);
}

// The slices of the experts that the call takes: all of them, or that of its round.
struct range {
    uint32_t first, end;
};

static bool is_cut(const struct fathom_expert_down_params *p) {
    return p->part.n_experts && p->part.n_rounds > 1;
}

static struct range slices_of(const struct fathom_expert_down_params *p) {
    if (p->part.n_experts) return (struct range){p->part.round, p->part.round + 1};
    return (struct range){0, p->down ? p->down->n_slices : 0};
}

// Adds dispatches for all tokens; a workgroup makes some rows of one token's sum.
static void add_by_token(struct fathom_stream *stream, const struct job *job, struct expert_down_args *args) {
    const struct fathom_weight *down = job->p->down, *shared = job->p->shared_down;
    const struct range slices = slices_of(job->p);
    for (uint32_t row = 0; slices.first == 0 && row < args->n_rows;) {
        const struct fathom_slice *slice = NULL;
        args->first_row = row;
        args->end_row = args->n_rows;
        if (shared && !(slice = fm_expert_slice(stream, job->op, shared, row, &args->end_row))) return;
        add(stream, job, args, down ? &down->slices[0] : NULL, slice, false,
            args->end_row == args->n_rows && !(down && down->n_slices > 1));
        row = args->end_row;
    }
    args->first_row = 0;
    args->end_row = args->n_rows;
    for (uint32_t i = slices.first ? slices.first : 1; i < slices.end; i++)
        add(stream, job, args, &down->slices[i], NULL, true, i + 1 == down->n_slices);
}

// Adds dispatches for n_tokens tokens from `token` on: first the parts of their sums, expert by expert, then,
// in the last round, the sums. Of several rounds, the scratch holds the parts of all tokens.
static void add_grouped(struct fathom_stream *stream, const struct job *job, struct expert_down_args args,
    uint32_t token, uint32_t n_tokens) {
    const struct fathom_weight *down = job->p->down, *shared = job->p->shared_down;
    args.n_tokens = n_tokens;
    args.h_base += token * args.h_stride;
    args.ids_base += token * args.top_k;
    args.weights_base += token * args.top_k;
    args.y_base += token * args.n_rows;
    if (is_cut(job->p)) args.parts_base += token * (args.top_k + 1) * args.n_rows;
    const struct range slices = slices_of(job->p);
    uint32_t row = shared && slices.first == 0 ? 0 : args.n_rows;
    for (uint32_t i = slices.first; i < slices.end || row < args.n_rows; i++) {
        const struct fathom_slice *slice = NULL;
        args.first_row = row;
        args.end_row = args.n_rows;
        if (row < args.n_rows && !(slice = fm_expert_slice(stream, job->op, shared, row, &args.end_row)))
            return;
        add(stream, job, &args, i < slices.end ? &down->slices[i] : NULL, slice, false, false);
        row = args.end_row;
    }
    if (!fm_expert_is_last(&job->p->part)) return;
    args.residual_base = job->residual_base + token * args.n_rows;
    fm_stream_dispatch(stream,
        &(struct fm_dispatch){
            .op = "expert_down_sum",
            .variant = &sum_variant,
            .constants = {{"SHARED", shared != NULL}, {"RESIDUAL", job->residual.buffer != NULL}},
            .views = {job->parts, job->weights, job->residual, job->y},
            .n_views = 4,
            .args = &args,
            .args_size = sizeof(args),
            .groups = {fm_op_groups(args.n_rows, SUM_ROWS), n_tokens, 1},
            .flops = 2.0 * n_tokens * args.n_rows * (args.top_k + 1.0),
            .bytes = 4.0 * n_tokens * args.n_rows * (args.top_k + 3.0),
        });
}

// The number of tokens that the scratch holds at once. Parts of several rounds must all fit.
static uint32_t fit_scratch(
    const struct fathom_stream *stream, const struct fathom_expert_down_params *p, uint32_t n_rows) {
    const uint64_t range = fathom_gpu_get_info(fm_stream_gpu(stream))->max_storage_range;
    const uint64_t token = fathom_expert_down_scratch(1, p->top_k, n_rows),
                   size = p->scratch.size < range ? p->scratch.size : range;
    // 256: the largest loss to a binding's alignment
    const uint64_t n = !p->scratch.buffer || size < 256 ? 0 : (size - 256) / token;
    if (is_cut(p)) return n < p->n_tokens ? 0 : p->n_tokens;
    return n > FM_MAX_GROUP_TOKENS ? FM_MAX_GROUP_TOKENS : n > p->n_tokens ? p->n_tokens : (uint32_t)n;
}

static void choose_variant(
    struct fathom_stream *stream, struct job *job, const struct expert_down_args *args, bool scratch) {
    const struct fathom_weight *down = job->p->down, *shared = job->p->shared_down;
    const uint32_t n_experts = fm_expert_count(&job->p->part, down);
    // two tokens of a dense layer would leave half of a group's tile empty
    const uint32_t n_batch = job->p->part.n_batch ? job->p->part.n_batch : args->n_tokens;
    const uint64_t chosen = down ? (uint64_t)n_batch * args->top_k / n_experts : n_batch < 3 ? 1 : n_batch;
    const uint32_t per_expert = chosen ? (uint32_t)chosen : 1;
    // an expert's rows must be in one slice
    const bool aligned = args->h_base % 4 == 0 && (!down || n_experts > 1 || down->n_slices == 1);
    const uint32_t is = (aligned ? FM_CALL_ALIGNED : 0) |
        (args->n_inter % 32 || args->n_shared % 32 ? 0 : FM_CALL_BLOCKS) |
        (n_experts == 1 ? 0 : FM_CALL_EXPERTS) | (scratch ? FM_CALL_SCRATCH : 0) |
        (fm_expert_packed(down, shared) ? FM_CALL_PACKED : 0) |
        (fm_columns_take_all(down, shared) ? FM_CALL_UNITS : 0);
    const struct fm_call call = {job->op, n_batch,
        {down ? down->type : 0, n_experts, args->n_inter, args->top_k, shared ? shared->type : 0,
            args->n_shared, args->n_rows},
        is};
    const struct fm_choice choice =
        fm_stream_choose(stream, &call, variants, fm_op_expert_down.n_variants, per_expert);
    job->variant = choice.variant;
    job->shape = fm_variant_shape(choice.variant,
        &(struct fm_expert_call){
            .info = fathom_gpu_get_info(fm_stream_gpu(stream)),
            .w = down ? down : shared,
            .n_weights = 1,
            .n_rows = args->n_rows,
            .n_cols = args->n_inter > args->n_shared ? args->n_inter : args->n_shared,
            .n_shared = args->n_shared,
            .n_tokens = n_batch,
            .per_expert = per_expert,
            .size = choice.size,
        });
}

uint64_t fathom_expert_down_scratch(uint32_t n_tokens, uint32_t top_k, uint32_t n_rows) {
    return 4 * (uint64_t)n_tokens * ((uint64_t)top_k + 1) * n_rows;
}

void fathom_expert_down(struct fathom_stream *stream, const struct fathom_expert_down_params *p) {
    static const char op[] = "expert_down";
    if (!(p = FM_OP_PARAMS(stream, op, fathom_expert_down_params, p))) return;
    if (!check(stream, op, p)) return;
    const struct fathom_weight *down = p->down, *shared = p->shared_down;
    const uint32_t n_rows = (down ? down : shared)->n_rows, n_inter = down ? down->n_cols : 0,
                   n_shared = shared ? shared->n_cols : 0;
    const uint64_t n_chosen = (uint64_t)p->n_tokens * p->top_k, n_y = (uint64_t)p->n_tokens * n_rows;
    const uint64_t h_stride = (uint64_t)p->top_k * n_inter + n_shared;
    struct expert_down_args args = {
        .n_rows = n_rows,
        .n_inter = n_inter,
        .n_shared = n_shared,
        .top_k = p->top_k,
        .h_stride = (uint32_t)h_stride,
        .n_tokens = p->n_tokens,
    };
    struct job job = {.op = op, .p = p};
    if (!fm_op_bind(stream, op, "h", p->h, p->n_tokens * h_stride, &job.h, &args.h_base) ||
        (p->top_k && !fm_op_bind(stream, op, "ids", p->ids, n_chosen, &job.ids, &args.ids_base)) ||
        (p->top_k &&
            !fm_op_bind(stream, op, "weights", p->weights, n_chosen, &job.weights, &args.weights_base)) ||
        (p->residual.buffer &&
            !fm_op_bind(stream, op, "residual", p->residual, n_y, &job.residual, &job.residual_base)) ||
        !fm_op_bind(stream, op, "y", p->y, n_y, &job.y, &job.y_base))
        return;
    args.y_base = job.y_base;
    uint32_t at_once = fit_scratch(stream, p, n_rows);
    choose_variant(stream, &job, &args, at_once);
    if ((n_rows - 1) / job.shape.rows >= FM_MAX_GROUPS) {
        fm_stream_fail(stream, FATHOM_UNSUPPORTED, "%s: %" PRIu32 " rows, at most %d workgroups of %" PRIu32,
            op, n_rows, FM_MAX_GROUPS, job.shape.rows);
        return;
    }
    // the norm can be fused only if the last dispatch makes all rows
    const bool whole = (down && down->n_slices > 1) || !shared || shared->n_slices == 1;
    if (!fm_op_norm_after(
            stream, op, &p->norm, p->n_tokens, n_rows, whole && job.variant->does & FM_DOES_NORM, &job.norm))
        return;
    args.norm_w_base = job.norm.w_base, args.normed_base = job.norm.y_base,
    args.counters_base = job.norm.counters_base, args.norm_eps = p->norm.eps;
    if (!(job.variant->does & FM_DOES_GROUP)) {
        add_by_token(stream, &job, &args);
        if (fm_expert_is_last(&p->part))
            fm_op_norm_apart(stream, &p->norm, &job.norm, p->y, p->n_tokens, n_rows);
        return;
    }
    if (!fm_op_bind(stream, op, "scratch", p->scratch,
            fathom_expert_down_scratch(at_once, p->top_k, n_rows) / 4, &job.parts, &args.parts_base))
        return;
    if (at_once > job.shape.tokens) at_once = job.shape.tokens;
    for (uint32_t token = 0; token < p->n_tokens; token += at_once)
        add_grouped(stream, &job, args, token, p->n_tokens - token < at_once ? p->n_tokens - token : at_once);
    if (fm_expert_is_last(&p->part)) fm_op_norm_apart(stream, &p->norm, &job.norm, p->y, p->n_tokens, n_rows);
}
