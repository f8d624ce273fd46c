#include "model/draft.h"
#include "model/arch/arch.h"

static void norm(const struct fm_pass *p, struct fathom_view x, struct fathom_view w, struct fathom_view y,
    uint32_t n_tokens, uint32_t y_stride) {
    fathom_rms_norm(p->stream,
        &FATHOM_INIT(fathom_rms_norm_params, .x = x, .w = w, .y = y, .n_tokens = n_tokens,
            .n_cols = p->hp->n_hidden, .y_stride = y_stride, .eps = p->hp->norm_eps));
}

void fm_draft_mix(
    const struct fm_pass *p, struct fathom_view state, struct fathom_view next, struct fathom_view pair) {
    const uint32_t n_hidden = p->hp->n_hidden;
    struct fathom_view second = pair;
    second.offset += 4ull * n_hidden;
    second.size -= 4ull * n_hidden;
    norm(p, state, p->weights->draft_state_norm, second, p->n_tokens, 2 * n_hidden);
    fathom_embed(p->stream,
        &FATHOM_INIT(fathom_embed_params, .w = p->weights->embedding, .ids = next, .x = p->ws->x,
            .n_tokens = p->n_tokens));
    norm(p, p->ws->x, p->weights->draft_token_norm, pair, p->n_tokens, 2 * n_hidden);
    fm_pass_project(p, p->weights->draft_mix, pair, p->ws->x);
}

void fm_draft_store(const struct fm_pass *p) {
    fm_pass_norm_input(p, p->hp->n_layers);
    p->hp->arch->store(p, p->hp->n_layers);
}

void fm_draft_layer(const struct fm_pass *p) {
    fm_pass_norm_input(p, p->hp->n_layers);
    p->hp->arch->attention(p, p->hp->n_layers);
    fm_pass_mixture(p, p->hp->n_layers);
}

void fm_draft_head(const struct fm_pass *p, struct fathom_view state, uint32_t n) {
    norm(p, state, p->weights->draft_final_norm, p->ws->normed, n, 0);
    fathom_matmul(p->stream,
        &FATHOM_INIT(fathom_matmul_params, .w = p->weights->head, .x = p->ws->normed, .y = p->ws->logits,
            .n_tokens = n));
}
