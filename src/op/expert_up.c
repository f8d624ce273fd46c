// Gate and up projections with SwiGLU, of the chosen experts and of the shared one. Weights may be cut into windows at different rows:
// each dispatch takes the rows that every weight has in one window.
#include "op/expert_window.h"
#include "shader_list.h"
#include "shaders/expert_up.h"
#include <inttypes.h>

enum { MAX_TOP_K = 16, PLAIN_ROWS = 8, CARD_ROWS = 2 };

static const struct fm_variant variants[] = {
    { .name = "plain", .shader = &fm_shader_expert_up },
    { .name = "vec", .shader = &fm_shader_expert_up_vec, .needs = FATHOM_CAP_SUBGROUP_ARITHMETIC },
};
const struct fm_op fm_op_expert_up = { "expert_up", variants, sizeof(variants) / sizeof(variants[0]) };

static bool check_pair(struct fathom_stream *stream, const char *op, const char *name, const struct fathom_weight *gate,
    const struct fathom_weight *up) {
    if (!fm_op_weight(stream, op, name, gate) || !fm_op_weight(stream, op, name, up)) return false;
    if (gate->n_mats != up->n_mats || gate->n_rows != up->n_rows || gate->n_cols != up->n_cols)
        return fm_stream_fail(stream, FATHOM_INVALID, "%s: %s are [%" PRIu32 "][%" PRIu32 "][%" PRIu32 "] and [%" PRIu32 "][%" PRIu32 "][%" PRIu32 "]", op,
            name, gate->n_mats, gate->n_rows, gate->n_cols, up->n_mats, up->n_rows, up->n_cols);
    return true;
}

static bool check(struct fathom_stream *stream, const char *op, const struct fathom_expert_up_params *p) {
    if (!p->gate && !p->shared_gate) return fm_stream_fail(stream, FATHOM_INVALID, "%s: neither experts nor a shared expert", op);
    if (p->gate && !check_pair(stream, op, "gate and up", p->gate, p->up)) return false;
    if (p->shared_gate && !check_pair(stream, op, "shared_gate and shared_up", p->shared_gate, p->shared_up)) return false;
    if (p->shared_gate && (p->shared_gate->n_mats != 1 || (p->gate && p->gate->n_cols != p->shared_gate->n_cols)))
        return fm_stream_fail(stream, FATHOM_INVALID, "%s: shared_gate has %" PRIu32 " matrices of %" PRIu32 " columns, wanted 1 of %" PRIu32, op,
            p->shared_gate->n_mats, p->shared_gate->n_cols, p->gate ? p->gate->n_cols : p->shared_gate->n_cols);
    if (p->gate ? !p->top_k || p->top_k > MAX_TOP_K || p->top_k > p->gate->n_mats : p->top_k != 0)
        return fm_stream_fail(stream, FATHOM_INVALID, "%s: top_k is %" PRIu32 " of %" PRIu32 " experts, at most %d", op, p->top_k,
            p->gate ? p->gate->n_mats : 0, MAX_TOP_K);
    if (!p->n_tokens || p->n_tokens > FM_MAX_GROUPS)
        return fm_stream_fail(stream, FATHOM_INVALID, "%s: %" PRIu32 " tokens, wanted 1 to %d", op, p->n_tokens, FM_MAX_GROUPS);
    return true;
}

// The rows that one dispatch takes of a pair of weights, and where they are
struct range {
    uint32_t first, end, gate_row, up_row;
    struct fathom_view gate, up;
};

// Cuts the next range off rows [*row, n_rows); empty when nothing is left.
static bool next_range(struct fathom_stream *stream, const char *op, const struct fathom_weight *gate, const struct fathom_weight *up, uint32_t *row,
    uint32_t n_rows, struct range *range) {
    *range = (struct range){ *row, n_rows };
    if (*row >= n_rows) return true;
    const struct fathom_window *gate_window = fm_expert_window(stream, op, gate, *row, &range->end);
    const struct fathom_window *up_window = fm_expert_window(stream, op, up, *row, &range->end);
    if (!gate_window || !up_window) return false;
    range->gate = gate_window->view;
    range->up = up_window->view;
    range->gate_row = gate_window->first_row;
    range->up_row = up_window->first_row;
    *row = range->end;
    return true;
}

static double row_bytes(const struct fathom_weight *gate, const struct fathom_weight *up) {
    return gate ? (double)(fathom_row_size(gate->type, gate->n_cols) + fathom_row_size(up->type, up->n_cols)) : 0;
}

void fathom_expert_up(struct fathom_stream *stream, const struct fathom_expert_up_params *p) {
    static const char op[] = "expert_up";
    if (!check(stream, op, p)) return;
    const uint32_t n_cols = (p->gate ? p->gate : p->shared_gate)->n_cols, n_inter = p->gate ? p->gate->n_rows : 0;
    const uint32_t n_shared = p->shared_gate ? p->shared_gate->n_rows : 0, n_rows = p->gate ? p->gate->n_mats * n_inter : 0;
    const uint64_t h_stride = (uint64_t)p->top_k * n_inter + n_shared;
    struct expert_up_args args = { .n_cols = n_cols, .n_inter = n_inter, .top_k = p->top_k, .h_stride = (uint32_t)h_stride, .n_tokens = p->n_tokens };
    struct fathom_view x, ids = { 0 }, h;
    if (!fm_op_bind(stream, op, "x", p->x, (uint64_t)p->n_tokens * n_cols, &x, &args.x_base)
        || (p->top_k && !fm_op_bind(stream, op, "ids", p->ids, (uint64_t)p->n_tokens * p->top_k, &ids, &args.ids_base))
        || !fm_op_bind(stream, op, "h", p->h, p->n_tokens * h_stride, &h, &args.h_base))
        return;

    const struct fm_variant *variant = fm_variant_pick(fm_stream_gpu(stream), op, variants, fm_op_expert_up.n_variants, p->n_tokens);
    if (args.x_base % 4) variant = &variants[0]; // the others read x by fours
    const bool plain = variant == &variants[0];
    const struct fm_expert_shape shape = fm_expert_shape(stream, n_cols, CARD_ROWS);
    const uint32_t tile = plain ? PLAIN_ROWS : shape.tile;
    for (uint32_t row = 0, shared_row = 0; row < n_rows || shared_row < n_shared;) {
        struct range expert, shared;
        if (!next_range(stream, op, p->gate, p->up, &row, n_rows, &expert)
            || !next_range(stream, op, p->shared_gate, p->shared_up, &shared_row, n_shared, &shared))
            return;
        args.expert_tiles = expert.first < expert.end ? fm_op_groups(n_inter, tile) : 0;
        args.expert_first = expert.first;
        args.expert_end = expert.end;
        args.gate_row = expert.gate_row;
        args.up_row = expert.up_row;
        args.shared_first = shared.first;
        args.shared_end = shared.end;
        args.shared_gate_row = shared.gate_row;
        args.shared_up_row = shared.up_row;
        const uint64_t groups = (uint64_t)p->top_k * args.expert_tiles + fm_op_groups(shared.end - shared.first, tile);
        if (groups > FM_MAX_GROUPS) {
            fm_stream_fail(stream, FATHOM_UNSUPPORTED, "%s: %" PRIu64 " workgroups for %" PRIu32 " of %" PRIu32 " rows, at most %d", op, groups, p->top_k,
                n_inter, FM_MAX_GROUPS);
            return;
        }
        // of the experts' work, the part that falls into this window is taken to be as large as its part of the rows
        const double share = n_rows ? (double)(expert.end - expert.first) / n_rows : 0;
        const double used = share * p->top_k * n_inter, read = used * p->n_tokens < expert.end - expert.first ? used * p->n_tokens : expert.end - expert.first;
        const double n_shared_rows = shared.end - shared.first;
        fm_stream_dispatch(stream, &(struct fm_dispatch){
            .op = op, .variant = variant,
            .spec = { p->gate ? p->gate->type : FATHOM_F32, p->gate ? p->up->type : FATHOM_F32, p->shared_gate ? p->shared_gate->type : FATHOM_F32,
                p->shared_gate ? p->shared_up->type : FATHOM_F32, shape.local, shape.by_row, shape.rows },
            .n_spec = plain ? 4 : 7,
            .views = { x, ids, h, expert.gate, expert.up, shared.gate, shared.up }, .n_views = 7,
            .args = &args, .args_size = sizeof(args),
            .groups = { (uint32_t)groups, p->n_tokens, 1 },
            .flops = 4.0 * p->n_tokens * n_cols * (used + n_shared_rows),
            .bytes = read * row_bytes(p->gate, p->up) + n_shared_rows * row_bytes(p->shared_gate, p->shared_up)
                + 4.0 * p->n_tokens * (n_cols + used + n_shared_rows),
        });
    }
}
