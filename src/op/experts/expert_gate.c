// The router of a mixture: the logits of all experts. The last workgroup of each token then chooses the
// token's experts.
#include "shaders/experts/expert_gate.h"
#include "op/experts/expert_shape.h"
#include "shader_list.h"
#include <inttypes.h>
#include <math.h>

enum { MAX_EXPERTS = 512, MAX_TOP_K = 16, MAX_GROUPS = 32, PLAIN_ROWS = 8, ROWS = 2, LANE_ROWS = 2 };

// What a variant's shape depends on.
struct call {
    const struct fathom_gpu_info *info;
    uint32_t n_cols;
};

static struct fm_shape shape_plain(const void *call) {
    (void)call;
    return (struct fm_shape){.rows = PLAIN_ROWS};
}

static struct fm_shape shape_vec(const void *call) {
    const struct call *c = call;
    return (struct fm_shape){
        .rows = ROWS,
        .constants = {{"local_size_x", fm_expert_lanes(c->info, c->n_cols)}, {"ROWS", ROWS}},
    };
}

static struct fm_shape shape_rows(const void *call) {
    const struct call *c = call;
    const uint32_t lanes = fm_op_row_lanes(c->info);
    return (struct fm_shape){
        .rows = lanes * LANE_ROWS,
        .constants = {{"local_size_x", lanes}, {"ROWS", LANE_ROWS}},
    };
}

static const struct fm_variant variants[] = {
    {.name = "plain", .shader = &fm_shader_expert_gate, .shape = shape_plain},
    {
        .name = "vec",
        .shader = &fm_shader_expert_gate_vec,
        .needs = FATHOM_CAP_SUBGROUP_ARITHMETIC,
        .takes = FM_CALL_ALIGNED,
        .shape = shape_vec,
    },
    {
        .name = "rows",
        .shader = &fm_shader_expert_gate_rows,
        .needs = FATHOM_CAP_SUBGROUP_ARITHMETIC,
        .takes = FM_CALL_ALIGNED | FM_CALL_BLOCKS,
        .cpu_only = true,
        .shape = shape_rows,
    },
};
const struct fm_op fm_op_expert_gate = {"expert_gate", variants, sizeof(variants) / sizeof(variants[0])};

// For every token, one counter, and one logit per expert. The operator leaves the scratch zero.
uint64_t fathom_expert_gate_scratch(uint32_t n_tokens, uint32_t n_experts) {
    return 4 * (uint64_t)n_tokens * ((uint64_t)n_experts + 1);
}

static bool check(struct fathom_stream *stream, const char *op, const struct fathom_expert_gate_params *p) {
    if (!fm_op_weight(stream, op, "w", p->w)) return false;
    const uint32_t n_experts = p->w->n_rows, n_groups = p->n_groups ? p->n_groups : 1;
    if (p->w->n_mats != 1 || n_experts > MAX_EXPERTS)
        return fm_stream_fail(stream, FATHOM_UNSUPPORTED,
            "%s: w has %" PRIu32 " matrices of %" PRIu32 " experts, wanted 1 of at most %d", op, p->w->n_mats,
            n_experts, MAX_EXPERTS);
    if (!p->n_tokens || p->n_tokens > FM_MAX_GROUPS)
        return fm_stream_fail(
            stream, FATHOM_INVALID, "%s: %" PRIu32 " tokens, wanted 1 to %d", op, p->n_tokens, FM_MAX_GROUPS);
    if (!p->top_k || p->top_k > MAX_TOP_K || p->top_k > n_experts)
        return fm_stream_fail(stream, FATHOM_INVALID,
            "%s: top_k is %" PRIu32 " of %" PRIu32 " experts, wanted 1 to %d", op, p->top_k, n_experts,
            MAX_TOP_K);
    if (n_groups > MAX_GROUPS || n_experts % n_groups)
        return fm_stream_fail(stream, FATHOM_INVALID,
            "%s: %" PRIu32 " groups of %" PRIu32 " experts, wanted a divisor of at most %d", op, n_groups,
            n_experts, MAX_GROUPS);
    if (n_groups > 1 &&
        (!p->n_groups_used || p->n_groups_used > n_groups ||
            p->n_groups_used * (n_experts / n_groups) < p->top_k))
        return fm_stream_fail(stream, FATHOM_INVALID,
            "%s: %" PRIu32 " of %" PRIu32 " groups of %" PRIu32 " experts are used, for a top_k of %" PRIu32,
            op, p->n_groups_used, n_groups, n_experts / n_groups, p->top_k);
    if (n_groups > 1 && p->group_score == FATHOM_GROUP_TOP2 && n_experts / n_groups < 2)
        return fm_stream_fail(stream, FATHOM_INVALID, "%s: groups of 1 expert have no two best", op);
    if (p->table.buffer && !p->n_vocab)
        return fm_stream_fail(stream, FATHOM_INVALID, "%s: the table has no tokens", op);
    if (p->score != FATHOM_GATE_SOFTMAX && p->score != FATHOM_GATE_SIGMOID &&
        p->score != FATHOM_GATE_SQRT_SOFTPLUS)
        return fm_stream_fail(stream, FATHOM_INVALID, "%s: score function %d is unknown", op, (int)p->score);
    if (!isfinite(p->scale))
        return fm_stream_fail(
            stream, FATHOM_INVALID, "%s: scale is %g, wanted a finite number", op, (double)p->scale);
    return true;
}

void fathom_expert_gate(struct fathom_stream *stream, const struct fathom_expert_gate_params *p) {
    static const char op[] = "expert_gate";
    if (!(p = FM_OP_PARAMS(stream, op, fathom_expert_gate_params, p))) return;
    if (!check(stream, op, p)) return;
    const struct fathom_weight *w = p->w;
    const uint64_t n_chosen = (uint64_t)p->n_tokens * p->top_k;
    struct expert_gate_args args = {
        .n_cols = w->n_cols,
        .n_experts = w->n_rows,
        .n_tokens = p->n_tokens,
        .top_k = p->top_k,
        .n_groups = p->n_groups ? p->n_groups : 1,
        .n_groups_used = p->n_groups_used,
        .scale = p->scale,
        .n_vocab = p->n_vocab,
    };
    struct fathom_view x, bias = {0}, ids, weights, scratch, table = {0}, tokens = {0};
    if (!fm_op_bind(stream, op, "x", p->x, (uint64_t)p->n_tokens * w->n_cols, &x, &args.x_base) ||
        (p->bias.buffer && !fm_op_bind(stream, op, "bias", p->bias, w->n_rows, &bias, &args.bias_base)) ||
        (p->table.buffer &&
            (!fm_op_bind(
                 stream, op, "table", p->table, (uint64_t)p->n_vocab * p->top_k, &table, &args.table_base) ||
                !fm_op_bind(stream, op, "tokens", p->tokens, p->n_tokens, &tokens, &args.tokens_base))) ||
        !fm_op_bind(stream, op, "ids", p->ids, n_chosen, &ids, &args.ids_base) ||
        !fm_op_bind(stream, op, "weights", p->weights, n_chosen, &weights, &args.weights_base) ||
        !fm_op_bind(stream, op, "scratch", p->scratch, fathom_expert_gate_scratch(p->n_tokens, w->n_rows) / 4,
            &scratch, &args.scratch_base))
        return;

    const uint32_t is = (args.x_base % 4 ? 0 : FM_CALL_ALIGNED) | (w->n_cols % 32 ? 0 : FM_CALL_BLOCKS);
    const struct fm_call call = {op, p->n_tokens, {w->type, w->n_rows, w->n_cols, p->top_k}, is};
    const struct fm_variant *variant =
        fm_stream_choose(stream, &call, variants, fm_op_expert_gate.n_variants, p->n_tokens).variant;
    const struct fm_shape shape =
        fm_variant_shape(variant, &(struct call){fathom_gpu_get_info(fm_stream_gpu(stream)), w->n_cols});
    for (uint32_t i = 0; i < w->n_slices; i++) args.n_tiles += fm_op_groups(w->slices[i].n_rows, shape.rows);
    for (uint32_t i = 0; i < w->n_slices; i++) {
        const struct fathom_slice *slice = &w->slices[i];
        args.first_row = slice->first_row;
        args.n_rows = slice->n_rows;
        struct fm_dispatch dispatch = {
            .op = op,
            .variant = variant,
            .constants = {{"TYPE", w->type}, {"SCORE", p->score}, {"GROUP_SCORE", p->group_score},
                {"NORMALISE", p->normalise}, {"HAS_BIAS", bias.buffer != NULL},
                {"HASHED", table.buffer != NULL}},
            .views = {slice->view, x, bias, ids, weights, scratch, table, tokens},
            .n_views = 8,
            .args = &args,
            .args_size = sizeof(args),
            .groups = {fm_op_groups(slice->n_rows, shape.rows), p->n_tokens, 1},
            .flops = 2.0 * p->n_tokens * slice->n_rows * w->n_cols,
            .bytes = (double)slice->n_rows * (double)fathom_row_size(w->type, w->n_cols) +
                4.0 * p->n_tokens * (w->n_cols + 2.0 * slice->n_rows + 2.0 * p->top_k),
        };
        fm_dispatch_add(&dispatch, shape.constants);
        fm_stream_dispatch(stream, &dispatch);
    }
}
