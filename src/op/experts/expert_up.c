// Gate and up projections with SwiGLU, of the chosen experts and of the shared one. Weights may be cut into
// slices at different rows. Each dispatch takes rows that lie in one slice of every weight.
#include "shaders/experts/expert_up.h"
#include "op/matmul/columns.h"
#include "op/experts/expert_shape.h"
#include "op/experts/expert_slice.h"
#include "op/matmul/matrix_tile.h"
#include "shader_list.h"
#include <float.h>
#include <inttypes.h>

enum { MAX_TOP_K = 16 };

// All variants but `plain` read x by fours. Most need whole blocks of columns. The grouped ones need whole
// experts, and their min_tokens is the average number of tokens per expert.
enum { WHOLE = FM_CALL_ALIGNED | FM_CALL_BLOCKS, GROUPED = WHOLE | FM_CALL_EXPERTS };
static const struct fm_variant variants[] = {
    {.name = "plain", .shader = &fm_shader_expert_up, .shape = fm_expert_shape_plain},
    {
        .name = "vec",
        .shader = &fm_shader_expert_up_vec,
        .needs = FATHOM_CAP_SUBGROUP_ARITHMETIC,
        .takes = FM_CALL_ALIGNED,
        .shape = fm_expert_shape_vec,
    },
    {
        .name = "rows",
        .shader = &fm_shader_expert_up_rows,
        .needs = FATHOM_CAP_SUBGROUP_ARITHMETIC,
        .takes = WHOLE,
        .cpu_only = true,
        .shape = fm_expert_shape_rows,
    },
    {
        .name = "rows_ahead",
        .shader = &fm_shader_expert_up_rows,
        .needs = FATHOM_CAP_SUBGROUP_ARITHMETIC,
        .takes = WHOLE,
        .cpu_only = true,
        .wants = FATHOM_CAP_READ_AHEAD,
        .shape = fm_expert_shape_rows_ahead,
    },
    {
        .name = "grouped",
        .shader = &fm_shader_expert_up_grouped,
        .takes = GROUPED,
        .does = FM_DOES_GROUP,
        .min_tokens = 3,
        .sizes = {1, 2, 4},
        .shape = fm_expert_shape_grouped,
    }, // sizes: 16 tokens
    {
        .name = "grouped_coop",
        .shader = &fm_shader_expert_up_grouped_coop,
        .needs = FM_MATRIX_TILE_NEEDS,
        .takes = GROUPED,
        .does = FM_DOES_GROUP,
        .min_tokens = 8,
        .sizes = FM_MATRIX_TILE_SIZES,
        .shape = fm_expert_shape_grouped_coop,
    },
    {
        .name = "grouped_rows",
        .shader = &fm_shader_expert_up_grouped_rows,
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
        .shader = &fm_shader_expert_up_grouped_dot,
        .needs = FATHOM_CAP_INTEGER_DOT,
        .takes = GROUPED | FM_CALL_PACKED,
        // sizes: 16 tokens; with 4, the sums of both weights would not fit Intel's registers
        .does = FM_DOES_GROUP,
        .min_tokens = UINT32_MAX,
        .sizes = {1, 2},
        .shape = fm_expert_shape_grouped_dot,
    },
    {
        .name = "columns",
        .shader = &fm_shader_expert_up_columns,
        .needs = FM_COLUMNS_NEEDS,
        .takes = GROUPED | FM_CALL_UNITS,
        .does = FM_DOES_ADDRESS,
        .max_tokens = 1,
        .cpu_only = true,
        .wants = FM_COLUMNS_WANTS,
        .shape = fm_expert_shape_columns,
    },
};
const struct fm_op fm_op_expert_up = {"expert_up", variants, sizeof(variants) / sizeof(variants[0])};

static bool check_pair(struct fathom_stream *stream, const char *op, const char *name,
    const struct fathom_weight *gate, const struct fathom_weight *up) {
    if (!fm_op_weight(stream, op, name, gate) || !fm_op_weight(stream, op, name, up)) return false;
    if (gate->n_mats != up->n_mats || gate->n_rows != up->n_rows || gate->n_cols != up->n_cols)
        return fm_stream_fail(stream, FATHOM_INVALID,
            "%s: %s are [%" PRIu32 "][%" PRIu32 "][%" PRIu32 "] and [%" PRIu32 "][%" PRIu32 "][%" PRIu32 "]",
            op, name, gate->n_mats, gate->n_rows, gate->n_cols, up->n_mats, up->n_rows, up->n_cols);
    return true;
}

static bool check(struct fathom_stream *stream, const char *op, const struct fathom_expert_up_params *p) {
    if (!p->gate && !p->shared_gate)
        return fm_stream_fail(stream, FATHOM_INVALID, "%s: neither experts nor a shared expert", op);
    if (p->gate && !check_pair(stream, op, "gate and up", p->gate, p->up)) return false;
    if (p->shared_gate && !check_pair(stream, op, "shared_gate and shared_up", p->shared_gate, p->shared_up))
        return false;
    if (p->shared_gate &&
        (p->shared_gate->n_mats != 1 || (p->gate && p->gate->n_cols != p->shared_gate->n_cols)))
        return fm_stream_fail(stream, FATHOM_INVALID,
            "%s: shared_gate has %" PRIu32 " matrices of %" PRIu32 " columns, wanted 1 of %" PRIu32, op,
            p->shared_gate->n_mats, p->shared_gate->n_cols,
            p->gate ? p->gate->n_cols : p->shared_gate->n_cols);
    if (p->gate ? !p->top_k || p->top_k > MAX_TOP_K || p->top_k > p->gate->n_mats : p->top_k != 0)
        return fm_stream_fail(stream, FATHOM_INVALID,
            "%s: top_k is %" PRIu32 " of %" PRIu32 " experts, at most %d", op, p->top_k,
            p->gate ? p->gate->n_mats : 0, MAX_TOP_K);
    if (!p->n_tokens || p->n_tokens > FM_MAX_GROUPS)
        return fm_stream_fail(
            stream, FATHOM_INVALID, "%s: %" PRIu32 " tokens, wanted 1 to %d", op, p->n_tokens, FM_MAX_GROUPS);
    if (!fm_expert_check_part(stream, op, "gate", &p->part, p->gate) ||
        !fm_expert_check_part(stream, op, "up", &p->part, p->up))
        return false;
    if (!(p->limit >= 0 && p->limit <= FLT_MAX))
        return fm_stream_fail(
            stream, FATHOM_INVALID, "%s: limit is %g, wanted 0 or more", op, (double)p->limit);
    return true;
}

// The rows that one dispatch takes of a pair of weights, and their place.
struct range {
    uint32_t first, end, gate_row, up_row;
    struct fathom_view gate, up;
};

// Takes the next range off rows [*row, n_rows). The range is empty if no rows are left.
static bool next_range(struct fathom_stream *stream, const char *op, const struct fathom_weight *gate,
    const struct fathom_weight *up, uint32_t *row, uint32_t n_rows, struct range *range) {
    *range = (struct range){*row, n_rows};
    if (*row >= n_rows) return true;
    const struct fathom_slice *gate_window = fm_expert_slice(stream, op, gate, *row, &range->end);
    const struct fathom_slice *up_window = fm_expert_slice(stream, op, up, *row, &range->end);
    if (!gate_window || !up_window) return false;
    range->gate = gate_window->view;
    range->up = up_window->view;
    range->gate_row = gate_window->first_row;
    range->up_row = up_window->first_row;
    *row = range->end;
    return true;
}

static double row_bytes(const struct fathom_weight *gate, const struct fathom_weight *up) {
    return gate ? (double)(fathom_row_size(gate->type, gate->n_cols) + fathom_row_size(up->type, up->n_cols))
                : 0;
}

// What is the same for all dispatches of a call.
struct job {
    const char *op;
    const struct fathom_expert_up_params *p;
    const struct expert_up_args *args;
    const struct fm_variant *variant;
    struct fm_shape shape;
    struct fathom_view x, ids, h;
};

// Adds one dispatch for n_tokens tokens from `token` on, a range of the experts' rows and a range of the
// shared expert's rows.
static bool add(struct fathom_stream *stream, const struct job *job, uint32_t token, uint32_t n_tokens,
    const struct range *expert, const struct range *shared) {
    const struct fathom_expert_up_params *p = job->p;
    const uint32_t tile = job->shape.rows;
    const bool grouped = job->variant->does & FM_DOES_GROUP;
    struct expert_up_args args = *job->args;
    args.n_tokens = n_tokens;
    args.x_base += token * args.n_cols;
    args.ids_base += token * args.top_k;
    args.h_base += token * args.h_stride;
    args.expert_tiles = expert->first < expert->end ? fm_op_groups(args.n_inter, tile) : 0;
    args.expert_first = expert->first;
    args.expert_end = expert->end;
    args.gate_row = expert->gate_row;
    args.up_row = expert->up_row;
    args.shared_first = shared->first;
    args.shared_end = shared->end;
    args.shared_gate_row = shared->gate_row;
    args.shared_up_row = shared->up_row;
    if (job->variant->does & FM_DOES_ADDRESS) {
        fm_columns_address(expert->gate, args.gate_address), fm_columns_address(expert->up, args.up_address);
        fm_columns_address(shared->gate, args.shared_gate_address),
            fm_columns_address(shared->up, args.shared_up_address);
    }
    const uint64_t n_jobs = !args.expert_tiles ? 0
        : grouped                              ? (expert->end - expert->first) / args.n_inter
                                               : p->top_k;
    const uint64_t groups =
        n_jobs * args.expert_tiles + (shared->end - shared->first + (uint64_t)tile - 1) / tile;
    if (!grouped && groups > FM_MAX_GROUPS)
        return fm_stream_fail(stream, FATHOM_UNSUPPORTED,
            "%s: %" PRIu64 " workgroups for %" PRIu32 " of %" PRIu32 " rows, at most %d", job->op, groups,
            p->top_k, args.n_inter, FM_MAX_GROUPS);
    // estimate: this slice's part of the experts' work is as large as its part of the rows
    const double rows = expert->end - expert->first, used = rows ? rows / p->gate->n_mats * p->top_k : 0;
    const double read = used * n_tokens < rows ? used * n_tokens : rows,
                 n_shared = shared->end - shared->first;
    struct fm_dispatch dispatch = {
        .op = job->op,
        .variant = job->variant,
        // an absent weight gets the other's type, so that a driver compiles no extra code for it
        .constants = {{"GATE_TYPE", (p->gate ? p->gate : p->shared_gate)->type},
            {"UP_TYPE", (p->gate ? p->up : p->shared_up)->type},
            {"SHARED_GATE_TYPE", (p->shared_gate ? p->shared_gate : p->gate)->type},
            {"SHARED_UP_TYPE", (p->shared_gate ? p->shared_up : p->up)->type}},
        .subgroup_size = job->shape.subgroup_size,
        .views = {job->x, job->ids, job->h, expert->gate, expert->up, shared->gate, shared->up},
        .n_views = 7,
        .args = &args,
        .args_size = sizeof(args),
        .groups = {fm_op_groups(groups, 1), grouped ? fm_op_groups(groups, FM_MAX_GROUPS) : n_tokens, 1},
        .flops = 4.0 * n_tokens * args.n_cols * (used + n_shared),
        .bytes = read * row_bytes(p->gate, p->up) + n_shared * row_bytes(p->shared_gate, p->shared_up) +
            4.0 * n_tokens * (args.n_cols + used + n_shared),
    };
    fm_dispatch_add(&dispatch, job->shape.constants);
    fm_stream_dispatch(stream, &dispatch);
    return true;
}

static bool add_tokens(
    struct fathom_stream *stream, const struct job *job, uint32_t token, uint32_t n_tokens) {
    const struct fathom_expert_up_params *p = job->p;
    const struct fathom_slice *round = p->part.n_experts ? &p->gate->slices[p->part.round] : NULL;
    uint32_t row = round ? round->first_row : 0;
    const uint32_t n_rows = round ? row + round->n_rows
        : p->gate                 ? p->gate->n_mats * p->gate->n_rows
                                  : 0,
                   n_shared = p->shared_gate && fm_expert_is_first(&p->part) ? p->shared_gate->n_rows : 0;
    for (uint32_t shared_row = 0; row < n_rows || shared_row < n_shared;) {
        struct range expert, shared;
        if (!next_range(stream, job->op, p->gate, p->up, &row, n_rows, &expert) ||
            !next_range(stream, job->op, p->shared_gate, p->shared_up, &shared_row, n_shared, &shared))
            return false;
        // all addresses are needed: a round in which no lane takes part reads from any of them
        if (job->variant->does & FM_DOES_ADDRESS) {
            if (!expert.gate.buffer) expert.gate = shared.gate, expert.up = shared.up;
            if (!shared.gate.buffer) shared.gate = expert.gate, shared.up = expert.up;
        }
        if (!add(stream, job, token, n_tokens, &expert, &shared)) return false;
    }
    return true;
}

void fathom_expert_up(struct fathom_stream *stream, const struct fathom_expert_up_params *p) {
    static const char op[] = "expert_up";
    if (!(p = FM_OP_PARAMS(stream, op, fathom_expert_up_params, p))) return;
    if (!check(stream, op, p)) return;
    const uint32_t n_cols = (p->gate ? p->gate : p->shared_gate)->n_cols,
                   n_inter = p->gate ? p->gate->n_rows : 0;
    const uint32_t n_shared = p->shared_gate ? p->shared_gate->n_rows : 0;
    const uint64_t h_stride = (uint64_t)p->top_k * n_inter + n_shared;
    struct expert_up_args args = {
        .n_cols = n_cols,
        .n_inter = n_inter,
        .top_k = p->top_k,
        .h_stride = (uint32_t)h_stride,
        .n_tokens = p->n_tokens,
        .limit = p->limit > 0 ? p->limit : FLT_MAX,
    };
    struct fathom_view x, ids = {0}, h;
    if (!fm_op_bind(stream, op, "x", p->x, (uint64_t)p->n_tokens * n_cols, &x, &args.x_base) ||
        (p->top_k &&
            !fm_op_bind(stream, op, "ids", p->ids, (uint64_t)p->n_tokens * p->top_k, &ids, &args.ids_base)) ||
        !fm_op_bind(stream, op, "h", p->h, p->n_tokens * h_stride, &h, &args.h_base))
        return;

    const struct fathom_weight *gate = p->gate, *shared = p->shared_gate;
    const uint32_t n_experts = fm_expert_count(&p->part, gate);
    const uint32_t is = (args.x_base % 4 ? 0 : FM_CALL_ALIGNED) | (n_cols % 32 ? 0 : FM_CALL_BLOCKS) |
        (n_experts == 1 ? 0 : FM_CALL_EXPERTS) |
        (fm_expert_packed(gate, p->up) && fm_expert_packed(shared, p->shared_up) ? FM_CALL_PACKED : 0) |
        (fm_columns_take_all(gate, p->up) && fm_columns_take_all(shared, p->shared_up) ? FM_CALL_UNITS : 0);
    const uint32_t n_batch = p->part.n_batch ? p->part.n_batch : p->n_tokens;
    uint32_t per_expert = gate ? (uint32_t)((uint64_t)n_batch * p->top_k / n_experts) : n_batch;
    // two tokens of a dense layer would leave half of a group's tile empty
    if (!per_expert || (!gate && per_expert < 3)) per_expert = 1;
    const struct fm_call call = {op, n_batch,
        {gate ? gate->type : 0, n_experts, gate ? gate->n_rows : 0, p->top_k, shared ? shared->type : 0,
            shared ? shared->n_rows : 0, n_cols},
        is};
    const struct fm_choice choice =
        fm_stream_choose(stream, &call, variants, fm_op_expert_up.n_variants, per_expert);
    const struct fm_shape shape = fm_variant_shape(choice.variant,
        &(struct fm_expert_call){
            .info = fathom_gpu_get_info(fm_stream_gpu(stream)),
            .w = gate ? gate : shared,
            .n_weights = 2,
            .n_rows = gate ? (uint64_t)p->top_k * n_inter : n_shared,
            .n_cols = n_cols,
            .n_tokens = n_batch,
            .per_expert = per_expert,
            .size = choice.size,
        });
    const struct job job = {op, p, &args, choice.variant, shape, x, ids, h};
    const uint32_t at_once = choice.variant->does & FM_DOES_GROUP ? shape.tokens : p->n_tokens;
    for (uint32_t token = 0; token < p->n_tokens; token += at_once)
        if (!add_tokens(stream, &job, token, p->n_tokens - token < at_once ? p->n_tokens - token : at_once))
            return;
}
