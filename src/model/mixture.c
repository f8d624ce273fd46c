// Mixture of experts (DeepSeek-V3, arXiv 2412.19437) in three dispatches: the gate; the gate and up
// projections; the down projection with the weighted sum. A dense layer runs the last two, with the shared
// expert alone. Experts in slots take two dispatches more, and the last two once a round.
#include "model/pass.h"

static void route(
    const struct fm_pass *p, const struct fm_layer *l, struct fathom_view ids, struct fathom_view weights) {
    const struct fm_hparams *hp = p->hp;
    fathom_expert_gate(p->stream,
        &FATHOM_INIT(fathom_expert_gate_params, .w = l->router, .x = p->ws->normed, .bias = l->router_bias,
            .table = l->expert_table, .tokens = p->ids, .n_vocab = hp->n_vocab, .ids = ids,
            .weights = weights, .scratch = p->ws->counters, .n_tokens = p->n_tokens,
            .top_k = hp->n_experts_used, .n_groups = hp->n_groups, .n_groups_used = hp->n_groups_used,
            .score = hp->gate_score, .group_score = hp->group_score, .normalise = hp->gate_normalise,
            .scale = hp->gate_scale));
}

// Guesses the experts of the next layer: its gate, on the state that this layer's gate reads. The host may
// begin to read them from the file. Returns their number; 0: no guess.
static uint32_t guess_next(const struct fm_pass *p, uint32_t layer) {
    const struct fm_slots *s = p->weights->slots;
    if (!s->guesses || !p->replayed || layer + 1 >= p->hp->n_layers || p->n_tokens > FM_GUESSED_TOKENS)
        return 0;
    const struct fm_layer *next = &p->weights->layers[layer + 1];
    if (!next->router || next->expert_table.buffer) return 0; // a table is known without a guess
    struct fathom_view ids, weights;
    fm_slots_guessed(s, &ids, &weights);
    route(p, next, ids, weights);
    return p->n_tokens * p->hp->n_experts_used;
}

// What a round of the experts' work is given: all the experts, or those of a layer's slots.
struct experts {
    const struct fathom_weight *gate, *up, *down;
    struct fathom_view ids;
    struct fathom_expert_part part;
};

static void compute(const struct fm_pass *p, uint32_t layer, const struct experts *e) {
    const struct fm_layer *l = &p->weights->layers[layer];
    const struct fm_workspace *ws = p->ws;
    const uint32_t top_k = l->router ? p->hp->n_experts_used : 0;
    const bool streams = p->hp->n_streams > 1;
    const bool norms = !streams && layer + 1 < p->hp->n_layers;
    fathom_expert_up(p->stream,
        &FATHOM_INIT(fathom_expert_up_params, .gate = e->gate, .up = e->up, .shared_gate = l->shared_gate,
            .shared_up = l->shared_up, .x = ws->normed, .ids = e->ids, .h = ws->h, .n_tokens = p->n_tokens,
            .top_k = top_k, .part = e->part, .limit = p->hp->swiglu_limit));
    fathom_expert_down(p->stream,
        &FATHOM_INIT(fathom_expert_down_params, .down = e->down, .shared_down = l->shared_down, .h = ws->h,
            .ids = e->ids, .weights = ws->expert_weights, .scratch = ws->scratch,
            .residual = streams ? (struct fathom_view){0} : ws->x, .y = streams ? ws->branch : ws->x,
            .n_tokens = p->n_tokens, .top_k = top_k, .part = e->part,
            .norm =
                fm_pass_norm(p, norms ? p->weights->layers[layer + 1].attn_norm : (struct fathom_view){0})));
}

// Forgets what is in the slots, which the layer before has used.
static void empty_slots(const struct fm_pass *p, uint32_t layer) {
    const struct fm_slots *s = p->weights->slots;
    struct fathom_view table, slots, nothing = fathom_buffer_view(s->empty);
    fm_slots_contents(s, layer, &table, &slots);
    fathom_stream_copy(p->stream, nothing, table);
    nothing.size = slots.size;
    fathom_stream_copy(p->stream, nothing, slots);
}

static void fetch(
    const struct fm_pass *p, const struct fm_slots *s, const struct fm_layer_slots *l, uint32_t round) {
    struct fathom_expert_fetch_params fetch = {
        .size = sizeof(fetch),
        .fetches = fathom_buffer_view(s->fetches),
        .homes = l->table,
        .gate = l->pools[FM_GATE],
        .up = l->pools[FM_UP],
        .down = l->pools[FM_DOWN],
        .round = round,
        .n_experts = s->n_experts,
        .n_slots = s->n_slots,
        .n_tokens = p->n_tokens,
        .top_k = p->hp->n_experts_used,
        .words = s->words,
    };
    const struct fathom_weight *sources[] = {l->homes, s->staging};
    for (int i = 0; i < 2; i++)
        for (uint32_t j = 0; sources[i] && j < sources[i]->n_slices; j++, fetch.source_number++) {
            fetch.source = sources[i]->slices[j].view;
            fathom_expert_fetch(p->stream, &fetch);
        }
}

// The experts in slots: as many rounds as the batch may need. n_guessed: see guess_next.
static void compute_in_slots(const struct fm_pass *p, uint32_t layer, uint32_t n_batch, uint32_t n_guessed) {
    const struct fm_slots *s = p->weights->slots;
    const struct fm_layer_slots *l = &s->layers[layer];
    const uint32_t top_k = p->hp->n_experts_used,
                   n_rounds = fathom_expert_rounds(p->n_tokens, top_k, s->n_experts, s->n_slots);
    if (s->shared) empty_slots(p, layer);
    fathom_expert_place(p->stream,
        &FATHOM_INIT(fathom_expert_place_params, .ids = p->ws->expert_ids, .state = l->state,
            .places = p->ws->expert_places, .fetches = fathom_buffer_view(s->fetches),
            .n_tokens = p->n_tokens, .top_k = top_k, .n_experts = s->n_experts, .n_slots = s->n_slots,
            .history = p->replayed));
    const struct fathom_weight gate = fm_slots_weight(s, layer, FM_GATE, n_rounds),
                               up = fm_slots_weight(s, layer, FM_UP, n_rounds),
                               down = fm_slots_weight(s, layer, FM_DOWN, n_rounds);
    for (uint32_t r = 0; r < n_rounds; r++) {
        if (s->on_disk) fathom_stream_cut(p->stream, fm_slots_tag(layer, r, r ? 0 : n_guessed));
        if (!s->host_copies) fetch(p, s, l, r);
        compute(p, layer,
            &(struct experts){&gate, &up, &down, p->ws->expert_places, {s->n_experts, r, n_rounds, n_batch}});
    }
}

static struct fathom_view skip(struct fathom_view v, uint64_t n_words) {
    v.offset += 4 * n_words;
    v.size -= 4 * n_words;
    return v;
}

// Whether several rounds would change the bits of a token's sum. Rounds add the experts in ascending order.
// Exact mode does so without slots too, unless a table gives the experts in another order. In default mode
// the variants for few tokens an expert add all experts of a token at once. The other variants keep each
// expert's part until the last round.
static bool rounds_matter(const struct fm_pass *p, uint32_t layer) {
    const struct fm_hparams *hp = p->hp;
    const uint64_t n_chosen = (uint64_t)p->n_tokens * hp->n_experts_used;
    if (!p->exact && (hp->n_hidden % 32 || hp->n_expert_inter % 32))
        return true; // only these variants take such rows
    return p->exact ? p->weights->layers[layer].expert_table.buffer != NULL : n_chosen < 3ull * hp->n_experts;
}

// As many tokens at a time as one round takes.
static void compute_in_single_rounds(const struct fm_pass *p, uint32_t layer, uint32_t n_guessed) {
    const struct fm_hparams *hp = p->hp;
    const uint32_t top_k = hp->n_experts_used, most = p->weights->slots->n_slots / top_k;
    for (uint32_t first = 0; first < p->n_tokens; first += most) {
        struct fm_workspace ws = *p->ws;
        struct fm_pass part = *p;
        part.ws = &ws;
        part.n_tokens = p->n_tokens - first < most ? p->n_tokens - first : most;
        ws.x = skip(ws.x, (uint64_t)first * hp->n_hidden * hp->n_streams);
        ws.normed = skip(ws.normed, (uint64_t)first * hp->n_hidden);
        if (hp->n_streams > 1) ws.branch = skip(ws.branch, (uint64_t)first * hp->n_hidden);
        ws.expert_ids = skip(ws.expert_ids, (uint64_t)first * top_k);
        ws.expert_weights = skip(ws.expert_weights, (uint64_t)first * top_k);
        compute_in_slots(&part, layer, p->n_tokens, first ? 0 : n_guessed);
    }
}

void fm_pass_mixture(const struct fm_pass *p, uint32_t layer) {
    const struct fm_layer *l = &p->weights->layers[layer];
    if (l->router) route(p, l, p->ws->expert_ids, p->ws->expert_weights);
    if (!l->router || !p->weights->slots) {
        compute(p, layer, &(struct experts){l->gate, l->up, l->down, p->ws->expert_ids, {0}});
        return;
    }
    const uint32_t n_guessed = guess_next(p, layer);
    if (rounds_matter(p, layer))
        compute_in_single_rounds(p, layer, n_guessed);
    else
        compute_in_slots(p, layer, p->n_tokens, n_guessed);
}
