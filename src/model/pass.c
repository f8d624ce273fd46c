#include "model/pass.h"

struct fathom_norm_after fm_pass_norm(const struct fm_pass *p, struct fathom_view w) {
    return (struct fathom_norm_after){.w = w, .y = p->ws->normed, .counters = p->ws->counters, .eps = p->hp->norm_eps};
}

void fm_pass_norm_input(const struct fm_pass *p, uint32_t layer) {
    fathom_rms_norm(p->stream, &(struct fathom_rms_norm_params){.x = p->ws->x, .w = p->weights->layers[layer].attn_norm, .y = p->ws->normed,
        .n_tokens = p->n_tokens, .n_cols = p->hp->n_hidden, .eps = p->hp->norm_eps});
}

void fm_pass_mix(const struct fm_pass *p, const struct fm_hyper *hyper, struct fathom_view norm) {
    fathom_matmul(p->stream, &(struct fathom_matmul_params){.w = hyper->logits, .x = p->ws->x, .y = p->ws->mix_logits, .n_tokens = p->n_tokens});
    fathom_hyper_mix(p->stream, &(struct fathom_hyper_mix_params){.x = p->ws->x, .logits = p->ws->mix_logits, .scale = hyper->scale, .base = hyper->base,
        .w = norm, .y = p->ws->normed, .mix = p->ws->mix, .n_tokens = p->n_tokens, .n = p->hp->n_hidden, .n_iterations = p->hp->n_mix_iterations,
        .eps = p->hp->mix_eps, .norm_eps = p->hp->norm_eps});
}

void fm_pass_expand(const struct fm_pass *p) {
    fathom_hyper_expand(p->stream, &(struct fathom_hyper_expand_params){.x = p->ws->x, .y = p->ws->branch, .mix = p->ws->mix, .n_tokens = p->n_tokens,
        .n = p->hp->n_hidden});
}

// DeepSeek-V4: the residual is streams, which begin as copies of the embedding.
static void stream_layers(const struct fm_pass *p) {
    fathom_embed(p->stream, &(struct fathom_embed_params){.w = p->weights->embedding, .ids = p->ids, .x = p->ws->branch, .n_tokens = p->n_tokens});
    fathom_hyper_expand(p->stream, &(struct fathom_hyper_expand_params){.x = p->ws->x, .y = p->ws->branch, .n_tokens = p->n_tokens, .n = p->hp->n_hidden});
    for (uint32_t i = 0; i < p->hp->n_layers; i++) {
        const struct fm_layer *l = &p->weights->layers[i];
        fm_pass_mix(p, &l->attn_mix, l->attn_norm);
        fm_pass_window_attention(p, i);
        fm_pass_expand(p);
        fm_pass_mix(p, &l->ffn_mix, l->ffn_norm);
        fm_pass_mixture(p, i);
        fm_pass_expand(p);
    }
}

void fm_pass_layers(const struct fm_pass *p) {
    if (p->hp->window) return stream_layers(p);
    fathom_embed(p->stream, &(struct fathom_embed_params){.w = p->weights->embedding, .ids = p->ids, .x = p->ws->x, .n_tokens = p->n_tokens});
    fm_pass_norm_input(p, 0);
    for (uint32_t i = 0; i < p->hp->n_layers; i++) {
        (p->hp->n_kv ? fm_pass_grouped_attention : fm_pass_latent_attention)(p, i);
        fm_pass_mixture(p, i);
    }
}

void fm_pass_head(const struct fm_pass *p, uint32_t first, uint32_t n) {
    const struct fm_hyper *mix = &p->weights->final_mix;
    struct fathom_view x = p->ws->x;
    const uint64_t skip = 4ull * first * p->hp->n_hidden * (p->hp->window ? FATHOM_STREAMS : 1);
    x.offset += skip;
    x.size -= skip;
    if (p->hp->window) {
        fathom_matmul(p->stream, &(struct fathom_matmul_params){.w = mix->logits, .x = x, .y = p->ws->mix_logits, .n_tokens = n});
        fathom_hyper_mix(p->stream, &(struct fathom_hyper_mix_params){.x = x, .logits = p->ws->mix_logits, .scale = mix->scale, .base = mix->base,
            .w = p->weights->final_norm, .y = p->ws->normed, .n_tokens = n, .n = p->hp->n_hidden, .eps = p->hp->mix_eps, .norm_eps = p->hp->norm_eps});
    } else fathom_rms_norm(p->stream, &(struct fathom_rms_norm_params){.x = x, .w = p->weights->final_norm, .y = p->ws->normed, .n_tokens = n,
        .n_cols = p->hp->n_hidden, .eps = p->hp->norm_eps});
    fathom_matmul(p->stream, &(struct fathom_matmul_params){.w = p->weights->head, .x = p->ws->normed, .y = p->ws->logits, .n_tokens = n});
}
