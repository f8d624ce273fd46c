#include "model/arch/arch.h"

struct fathom_norm_after fm_pass_norm(const struct fm_pass *p, struct fathom_view w) {
    return (struct fathom_norm_after){
        .w = w,
        .y = p->ws->normed,
        .counters = p->ws->counters,
        .eps = p->hp->norm_eps,
    };
}

void fm_pass_project(
    const struct fm_pass *p, const struct fathom_weight *w, struct fathom_view x, struct fathom_view y) {
    fathom_matmul(
        p->stream, &FATHOM_INIT(fathom_matmul_params, .w = w, .x = x, .y = y, .n_tokens = p->n_tokens));
}

void fm_pass_norm_input(const struct fm_pass *p, uint32_t layer) {
    fathom_rms_norm(p->stream,
        &FATHOM_INIT(fathom_rms_norm_params, .x = p->ws->x, .w = p->weights->layers[layer].attn_norm,
            .y = p->ws->normed, .n_tokens = p->n_tokens, .n_cols = p->hp->n_hidden, .eps = p->hp->norm_eps));
}

void fm_pass_residual_layers(const struct fm_pass *p) {
    fathom_embed(p->stream,
        &FATHOM_INIT(fathom_embed_params, .w = p->weights->embedding, .ids = p->ids, .x = p->ws->x,
            .n_tokens = p->n_tokens));
    fm_pass_norm_input(p, 0);
    for (uint32_t i = 0; i < p->hp->n_layers; i++) {
        p->hp->arch->attention(p, i);
        fm_pass_mixture(p, i);
    }
}

void fm_pass_last_norm(const struct fm_pass *p, struct fathom_view x, uint32_t n) {
    fathom_rms_norm(p->stream,
        &FATHOM_INIT(fathom_rms_norm_params, .x = x, .w = p->weights->final_norm, .y = p->ws->normed,
            .n_tokens = n, .n_cols = p->hp->n_hidden, .eps = p->hp->norm_eps));
}

void fm_pass_layers(const struct fm_pass *p) {
    p->hp->arch->layers(p);
}

void fm_pass_head(const struct fm_pass *p, uint32_t first, uint32_t n) {
    struct fathom_view x = p->ws->x;
    const uint64_t skip = 4ull * first * p->hp->n_hidden * p->hp->n_streams;
    x.offset += skip;
    x.size -= skip;
    p->hp->arch->last_norm(p, x, n);
    fathom_matmul(p->stream,
        &FATHOM_INIT(fathom_matmul_params, .w = p->weights->head, .x = p->ws->normed, .y = p->ws->logits,
            .n_tokens = n));
}
