// Copies the experts that a round lacks from host memory into their slots.
#include "op/op.h"
#include "shader_list.h"
#include "shaders/experts/expert_fetch.h"
#include <inttypes.h>

// What a variant's shape depends on.
struct fetch_call {
    const struct fathom_gpu_info *info;
};

enum {
    LANES = 256,
    STEPS = 4,
    CPU_STEPS = 1024,
    AT_ONCE = 4,  // of the shader
    GROUPS = 512, // keep a card's bus busy with one expert; more would cost time where nothing is missing
    CPU_GROUPS = 64,
    // lavapipe ends an invocation's loops after 65535 rounds in all
    MOST_ROUNDS = 32768,
};

static struct fm_shape shape_of(const struct fetch_call *c, uint32_t unit) {
    const bool cpu = c->info->type == FATHOM_GPU_CPU;
    const uint32_t lanes = fm_op_lanes(c->info, LANES), steps = cpu ? CPU_STEPS : STEPS;
    return (struct fm_shape){
        .rows = lanes * steps * unit, // words of a tile
        .groups = cpu ? CPU_GROUPS : GROUPS,
        .tokens = MOST_ROUNDS / (steps / AT_ONCE + 1), // tiles of a workgroup, at most
        .constants = {{"LANES", lanes}, {"STEPS", steps}},
    };
}

static struct fm_shape shape_plain(const void *call) {
    return shape_of(call, 1);
}

static struct fm_shape shape_quads(const void *call) {
    return shape_of(call, 4);
}

static const struct fm_variant variants[] = {
    {.name = "plain", .shader = &fm_shader_expert_fetch, .shape = shape_plain},
    {.name = "quads",
        .shader = &fm_shader_expert_fetch_quads,
        .takes = FM_CALL_ALIGNED,
        .shape = shape_quads},
};
const struct fm_op fm_op_expert_fetch = {"expert_fetch", variants, sizeof(variants) / sizeof(variants[0])};

// Checks a weight of the pool. *words becomes the words of a matrix.
static bool check_pool(struct fathom_stream *stream, const char *op, const char *name,
    const struct fathom_weight *w, uint32_t n_slots, uint32_t *words) {
    if (!fm_op_weight(stream, op, name, w)) return false;
    if (w->n_mats != n_slots || w->n_slices != 1)
        return fm_stream_fail(stream, FATHOM_INVALID,
            "%s: %s has %" PRIu32 " matrices in %" PRIu32 " slices, wanted the %" PRIu32 " slots in 1 slice",
            op, name, w->n_mats, w->n_slices, n_slots);
    const uint64_t bytes = fathom_row_size(w->type, w->n_cols) * w->n_rows;
    if (bytes % 4)
        return fm_stream_fail(stream, FATHOM_UNSUPPORTED,
            "%s: a matrix of %s has %" PRIu64 " bytes, which is not a multiple of 4", op, name, bytes);
    if (w->slices[0].view.size < bytes * n_slots)
        return fm_stream_fail(stream, FATHOM_INVALID,
            "%s: %s has %" PRIu64 " bytes, needs %" PRIu32 " * %" PRIu64, op, name, w->slices[0].view.size,
            n_slots, bytes);
    *words = (uint32_t)(bytes / 4);
    return true;
}

void fathom_expert_fetch(struct fathom_stream *stream, const struct fathom_expert_fetch_params *p) {
    static const char op[] = "expert_fetch";
    if (!(p = FM_OP_PARAMS(stream, op, fathom_expert_fetch_params, p))) return;
    const uint32_t n_rounds = fathom_expert_rounds(p->n_tokens, p->top_k, p->n_experts, p->n_slots);
    if (p->round >= n_rounds) {
        fm_stream_fail(stream, FATHOM_INVALID,
            "%s: round %" PRIu32 " of %" PRIu32 " for %" PRIu32 " tokens, %" PRIu32 " of %" PRIu32
            " experts and %" PRIu32 " slots",
            op, p->round, n_rounds, p->n_tokens, p->top_k, p->n_experts, p->n_slots);
        return;
    }
    struct expert_fetch_args args = {.n_slots = p->n_slots, .source_number = p->source_number};
    struct fathom_view fetches, homes, source;
    if (!check_pool(stream, op, "gate", p->gate, p->n_slots, &args.gate_words) ||
        !check_pool(stream, op, "up", p->up, p->n_slots, &args.up_words) ||
        !check_pool(stream, op, "down", p->down, p->n_slots, &args.down_words) ||
        !fm_op_bind(stream, op, "fetches", p->fetches,
            fathom_expert_fetches_size(p->n_tokens, p->top_k, p->n_experts, p->n_slots) / 4, &fetches,
            &args.list_base) ||
        !fm_op_bind(stream, op, "homes", p->homes, 4 * (uint64_t)p->n_experts, &homes, &args.homes_base) ||
        !fm_op_bind(stream, op, "source", p->source, p->source.size / 4, &source, &args.source_base))
        return;
    args.list_base += p->round * (1 + 2 * p->n_slots);

    const struct fathom_view gate = p->gate->slices[0].view, up = p->up->slices[0].view,
                             down = p->down->slices[0].view;
    const bool quads = !p->words && args.gate_words % 4 == 0 && args.up_words % 4 == 0 &&
        args.down_words % 4 == 0 && args.source_base % 4 == 0 &&
        (source.offset | gate.offset | up.offset | down.offset) % 16 == 0;
    const struct fm_variant *variant = fm_variant_pick(fm_stream_gpu(stream), op, variants,
        fm_op_expert_fetch.n_variants, quads ? FM_CALL_ALIGNED : 0, p->n_tokens);
    const struct fm_shape shape =
        fm_variant_shape(variant, &(struct fetch_call){.info = fathom_gpu_get_info(fm_stream_gpu(stream))});
    const uint64_t n_needed = (uint64_t)p->n_tokens * p->top_k;
    uint64_t most = n_needed < p->n_experts ? n_needed : p->n_experts;
    if (most > p->n_slots) most = p->n_slots;
    const uint64_t n_jobs = most *
        (((uint64_t)args.gate_words + shape.rows - 1) / shape.rows +
            ((uint64_t)args.up_words + shape.rows - 1) / shape.rows +
            ((uint64_t)args.down_words + shape.rows - 1) / shape.rows);
    uint64_t groups = (n_jobs + shape.tokens - 1) / shape.tokens;
    if (groups < shape.groups) groups = n_jobs < shape.groups ? n_jobs : shape.groups;
    fm_stream_dispatch(stream,
        &(struct fm_dispatch){
            .op = op,
            .variant = variant,
            .constants = {shape.constants[0], shape.constants[1]},
            .views = {fetches, homes, source, gate, up, down},
            .n_views = 6,
            .args = &args,
            .args_size = sizeof(args),
            .groups = {fm_op_groups(groups, 1), 1, 1},
            .bytes = 8.0 * (double)most * ((double)args.gate_words + args.up_words + args.down_words),
        });
}
