// Down projections, weighted sum and residual. Where a weight is cut into windows, the shared expert's windows come first (each some rows of
// y, from the residual), the first of the experts' windows with them; the experts' other windows continue from y. A token's experts
// ascend, so that this is the same sequence of float32 additions for any cut.
#include "op/expert_window.h"
#include "shader_list.h"
#include "shaders/expert_down.h"
#include <inttypes.h>

enum { MAX_TOP_K = 16, PLAIN_ROWS = 16, CARD_ROWS = 2 };

static const struct fm_variant variants[] = {
    { .name = "plain", .shader = &fm_shader_expert_down },
    { .name = "vec", .shader = &fm_shader_expert_down_vec, .needs = FATHOM_CAP_SUBGROUP_ARITHMETIC },
};
const struct fm_op fm_op_expert_down = { "expert_down", variants, sizeof(variants) / sizeof(variants[0]) };

static bool check(struct fathom_stream *stream, const char *op, const struct fathom_expert_down_params *p) {
    const struct fathom_weight *down = p->down, *shared = p->shared_down;
    if (!down && !shared) return fm_stream_fail(stream, FATHOM_INVALID, "%s: neither experts nor a shared expert", op);
    if ((down && !fm_op_weight(stream, op, "down", down)) || (shared && !fm_op_weight(stream, op, "shared_down", shared))) return false;
    if (shared && (shared->n_mats != 1 || (down && down->n_rows != shared->n_rows)))
        return fm_stream_fail(stream, FATHOM_INVALID, "%s: shared_down has %" PRIu32 " matrices of %" PRIu32 " rows, wanted 1 of %" PRIu32, op,
            shared->n_mats, shared->n_rows, down ? down->n_rows : shared->n_rows);
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
    struct fm_expert_shape shape;
    uint32_t tile, y_base, residual_base;
    struct fathom_view h, ids, weights, residual, y;
};

// One dispatch: rows [args->first_row, args->end_row), a window of the experts or none, a window of the shared expert or none.
// `from_y` continues a sum.
static void add(struct fathom_stream *stream, const struct job *job, struct expert_down_args *args, const struct fathom_window *experts,
    const struct fathom_window *shared, bool from_y) {
    const struct fathom_weight *down = job->p->down, *shared_down = job->p->shared_down;
    args->expert_first = experts ? experts->first_row : 0;
    args->expert_end = experts ? experts->first_row + experts->n_rows : 0;
    args->down_row = args->expert_first;
    args->shared_row = shared ? shared->first_row : 0;
    args->residual_base = from_y ? job->y_base : job->residual_base;
    const double rows = args->end_row - args->first_row, tokens = job->p->n_tokens;
    const double dots = experts ? rows * job->p->top_k * experts->n_rows / ((double)down->n_mats * down->n_rows) : 0;
    const double read = experts && dots * tokens > experts->n_rows ? experts->n_rows : dots * tokens;
    const double shared_rows = shared ? rows : 0;
    fm_stream_dispatch(stream, &(struct fm_dispatch){
        .op = job->op, .variant = job->variant,
        .spec = { down ? down->type : FATHOM_F32, shared_down ? shared_down->type : FATHOM_F32, shared != NULL, job->shape.local, job->shape.by_row,
            job->shape.rows },
        .n_spec = job->variant == &variants[0] ? 3 : 6,
        .views = { job->h, job->ids, job->weights, from_y ? job->y : job->residual, job->y,
            experts ? experts->view : (struct fathom_view){ 0 }, shared ? shared->view : (struct fathom_view){ 0 } },
        .n_views = 7,
        .args = args, .args_size = sizeof(*args),
        .groups = { fm_op_groups((uint64_t)rows, job->tile), job->p->n_tokens, 1 },
        .flops = 2.0 * tokens * (dots * args->n_inter + shared_rows * args->n_shared),
        .bytes = (down ? read * (double)fathom_row_size(down->type, down->n_cols) : 0)
            + (shared ? shared_rows * (double)fathom_row_size(shared_down->type, shared_down->n_cols) : 0) + 4.0 * tokens * (2.0 * rows + args->h_stride),
    });
}

void fathom_expert_down(struct fathom_stream *stream, const struct fathom_expert_down_params *p) {
    static const char op[] = "expert_down";
    if (!check(stream, op, p)) return;
    const struct fathom_weight *down = p->down, *shared = p->shared_down;
    const uint32_t n_rows = (down ? down : shared)->n_rows, n_inter = down ? down->n_cols : 0, n_shared = shared ? shared->n_cols : 0;
    const uint64_t n_chosen = (uint64_t)p->n_tokens * p->top_k, n_y = (uint64_t)p->n_tokens * n_rows;
    const uint64_t h_stride = (uint64_t)p->top_k * n_inter + n_shared;
    struct expert_down_args args = { .n_rows = n_rows, .n_inter = n_inter, .n_shared = n_shared, .top_k = p->top_k, .h_stride = (uint32_t)h_stride,
        .n_tokens = p->n_tokens };
    struct job job = { .op = op, .p = p };
    if (!fm_op_bind(stream, op, "h", p->h, p->n_tokens * h_stride, &job.h, &args.h_base)
        || (p->top_k && !fm_op_bind(stream, op, "ids", p->ids, n_chosen, &job.ids, &args.ids_base))
        || (p->top_k && !fm_op_bind(stream, op, "weights", p->weights, n_chosen, &job.weights, &args.weights_base))
        || !fm_op_bind(stream, op, "residual", p->residual, n_y, &job.residual, &job.residual_base)
        || !fm_op_bind(stream, op, "y", p->y, n_y, &job.y, &job.y_base))
        return;
    args.y_base = job.y_base;
    job.variant = fm_variant_pick(fm_stream_gpu(stream), op, variants, fm_op_expert_down.n_variants, p->n_tokens);
    if (args.h_base % 4) job.variant = &variants[0]; // the others read h by fours
    job.shape = fm_expert_shape(stream, n_inter > n_shared ? n_inter : n_shared, CARD_ROWS);
    job.tile = job.variant == &variants[0] ? PLAIN_ROWS : job.shape.tile;
    if ((n_rows - 1) / job.tile >= FM_MAX_GROUPS) {
        fm_stream_fail(stream, FATHOM_UNSUPPORTED, "%s: %" PRIu32 " rows, at most %d workgroups of %" PRIu32, op, n_rows, FM_MAX_GROUPS, job.tile);
        return;
    }

    const struct fathom_window *experts = down ? &down->windows[0] : NULL;
    for (uint32_t row = 0; row < n_rows;) {
        args.first_row = row;
        args.end_row = n_rows;
        const struct fathom_window *window = NULL;
        if (shared && !(window = fm_expert_window(stream, op, shared, row, &args.end_row))) return;
        add(stream, &job, &args, experts, window, false);
        row = args.end_row;
    }
    args.first_row = 0;
    for (uint32_t i = 1; down && i < down->n_windows; i++) add(stream, &job, &args, &down->windows[i], NULL, true);
}
