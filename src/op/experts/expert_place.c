// Decides which experts of a layer are in which slots, for a batch of tokens, in rounds of n_slots experts.
#include "op/op.h"
#include "shader_list.h"
#include "shaders/experts/expert_place.h"
#include <inttypes.h>

enum { MAX_EXPERTS = 512, MAX_TOP_K = 16 };

static const struct fm_variant variants[] = {{.name = "plain", .shader = &fm_shader_expert_place}};
const struct fm_op fm_op_expert_place = {"expert_place", variants, 1};

uint64_t fathom_expert_state_size(uint32_t n_experts, uint32_t n_slots) {
    return 4 * (FATHOM_EXPERT_STATE + 3 * (uint64_t)n_experts + n_slots + 1);
}

// The most experts that a batch can need.
static uint64_t most_needed(uint32_t n_tokens, uint32_t top_k, uint32_t n_experts) {
    const uint64_t n_chosen = (uint64_t)n_tokens * top_k;
    return n_chosen < n_experts ? n_chosen : n_experts;
}

uint32_t fathom_expert_rounds(uint32_t n_tokens, uint32_t top_k, uint32_t n_experts, uint32_t n_slots) {
    const uint64_t n = most_needed(n_tokens, top_k, n_experts);
    return n_slots ? (uint32_t)(n / n_slots + (n % n_slots != 0)) : 0;
}

uint64_t fathom_expert_fetches_size(uint32_t n_tokens, uint32_t top_k, uint32_t n_experts, uint32_t n_slots) {
    return 4 * (uint64_t)fathom_expert_rounds(n_tokens, top_k, n_experts, n_slots) *
        (1 + 2 * (uint64_t)n_slots);
}

void fathom_expert_place(struct fathom_stream *stream, const struct fathom_expert_place_params *p) {
    static const char op[] = "expert_place";
    if (!(p = FM_OP_PARAMS(stream, op, fathom_expert_place_params, p))) return;
    const uint64_t n_chosen = (uint64_t)p->n_tokens * p->top_k;
    if (!p->n_tokens || p->n_tokens > FM_MAX_GROUPS || !p->n_experts || p->n_experts > MAX_EXPERTS ||
        !p->top_k || p->top_k > MAX_TOP_K) {
        fm_stream_fail(stream, FATHOM_INVALID,
            "%s: %" PRIu32 " tokens choose %" PRIu32 " of %" PRIu32
            " experts, wanted 1 to %d tokens, 1 to %d choices, 1 to %d experts",
            op, p->n_tokens, p->top_k, p->n_experts, FM_MAX_GROUPS, MAX_TOP_K, MAX_EXPERTS);
        return;
    }
    if (p->n_slots < p->top_k || p->n_slots > p->n_experts) {
        fm_stream_fail(stream, FATHOM_INVALID,
            "%s: %" PRIu32 " slots, wanted at least the top_k of %" PRIu32 " and at most the %" PRIu32
            " experts",
            op, p->n_slots, p->top_k, p->n_experts);
        return;
    }
    struct expert_place_args args = {
        .n_choices = (uint32_t)n_chosen,
        .n_experts = p->n_experts,
        .n_slots = p->n_slots,
        .n_rounds = fathom_expert_rounds(p->n_tokens, p->top_k, p->n_experts, p->n_slots),
        .history = p->history,
    };
    struct fathom_view ids, state, places, fetches;
    if (!fm_op_bind(stream, op, "ids", p->ids, n_chosen, &ids, &args.ids_base) ||
        !fm_op_bind(stream, op, "state", p->state, fathom_expert_state_size(p->n_experts, p->n_slots) / 4,
            &state, &args.state_base) ||
        !fm_op_bind(stream, op, "places", p->places, n_chosen, &places, &args.places_base) ||
        !fm_op_bind(stream, op, "fetches", p->fetches,
            fathom_expert_fetches_size(p->n_tokens, p->top_k, p->n_experts, p->n_slots) / 4, &fetches,
            &args.fetches_base))
        return;
    fm_stream_dispatch(stream,
        &(struct fm_dispatch){
            .op = op,
            .variant = &variants[0],
            .views = {ids, state, places, fetches},
            .n_views = 4,
            .args = &args,
            .args_size = sizeof(args),
            .groups = {1, 1, 1},
            .bytes = 12.0 * (double)n_chosen + 24.0 * p->n_experts + 16.0 * p->n_slots,
        });
}
