// Mixture of experts (DeepSeek-V3, arXiv 2412.19437) in three dispatches: the gate; the gate and up
// projections; the down projection with the weighted sum. A dense layer runs the last two, with the shared
// expert alone.
#include "model/pass.h"

static void route(const struct fm_pass *p, const struct fm_layer *l) {
    const struct fm_hparams *hp = p->hp;
    fathom_expert_gate(p->stream,
        &(struct fathom_expert_gate_params){
            .w = l->router,
            .x = p->ws->normed,
            .bias = l->router_bias,
            .table = l->expert_table,
            .tokens = p->ids,
            .n_vocab = hp->n_vocab,
            .ids = p->ws->expert_ids,
            .weights = p->ws->expert_weights,
            .scratch = p->ws->counters,
            .n_tokens = p->n_tokens,
            .top_k = hp->n_experts_used,
            .n_groups = hp->n_groups,
            .n_groups_used = hp->n_groups_used,
            .score = hp->gate_score,
            .group_score = hp->group_score,
            .normalise = hp->gate_normalise,
            .scale = hp->gate_scale,
        });
}

void fm_pass_mixture(const struct fm_pass *p, uint32_t layer) {
    const struct fm_layer *l = &p->weights->layers[layer];
    const struct fm_workspace *ws = p->ws;
    const uint32_t top_k = l->router ? p->hp->n_experts_used : 0;
    const bool streams = p->hp->n_streams > 1;
    const bool norms = !streams && layer + 1 < p->hp->n_layers;
    if (l->router) route(p, l);
    fathom_expert_up(p->stream,
        &(struct fathom_expert_up_params){
            .gate = l->gate,
            .up = l->up,
            .shared_gate = l->shared_gate,
            .shared_up = l->shared_up,
            .x = ws->normed,
            .ids = ws->expert_ids,
            .h = ws->h,
            .n_tokens = p->n_tokens,
            .top_k = top_k,
            .limit = p->hp->swiglu_limit,
        });
    fathom_expert_down(p->stream,
        &(struct fathom_expert_down_params){
            .down = l->down,
            .shared_down = l->shared_down,
            .h = ws->h,
            .ids = ws->expert_ids,
            .weights = ws->expert_weights,
            .scratch = ws->scratch,
            .residual = streams ? (struct fathom_view){0} : ws->x,
            .y = streams ? ws->branch : ws->x,
            .n_tokens = p->n_tokens,
            .top_k = top_k,
            .norm =
                fm_pass_norm(p, norms ? p->weights->layers[layer + 1].attn_norm : (struct fathom_view){0}),
        });
}
