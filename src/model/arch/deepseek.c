// DeepSeek-V2, V3, R1 and V3.2: multi-head latent attention (arXiv 2405.04434), and the lightning indexer of V3.2.
#include "model/arch/arch.h"

static uint64_t row_size(const struct fm_hparams *hp, enum fathom_type type) { return fathom_latent_row_size(type, hp->kv_rank, hp->n_rope); }

static uint64_t index_row_size(const struct fm_hparams *hp, enum fathom_type type) {
    return hp->n_index ? fathom_index_row_size(fm_index_type(type), hp->n_index) : 0;
}

static bool cache_check(const struct fm_hparams *hp, enum fathom_type type, struct fathom_error *err) {
    return fm_cache_check(row_size(hp, type), "latents", hp->kv_rank, 32, err);
}

static uint64_t cache_token_size(const struct fm_hparams *hp, enum fathom_type type) {
    return (hp->n_layers + hp->n_drafting) * (row_size(hp, type) + index_row_size(hp, type));
}

static uint64_t cache_size(const struct fm_hparams *hp, const struct fm_cache_params *params) {
    return fm_paged_size(params, cache_token_size(hp, params->type));
}

static bool cache_create(struct fathom_gpu *gpu, const struct fm_hparams *hp, const struct fm_cache_params *params, struct fm_caches *caches,
    struct fathom_error *err) {
    if (!fm_paged_create(gpu, params, row_size(hp, params->type), index_row_size(hp, params->type), caches, err)) return false;
    const struct fathom_view table = fathom_buffer_view(caches->page_table);
    for (uint32_t i = 0; i < caches->n_layers; i++) {
        struct fm_layer_cache *layer = &caches->layers[i];
        layer->latents = (struct fathom_latent_cache){.pages = fathom_buffer_view(layer->buffers[0]), .page_table = table, .type = params->type,
            .kv_rank = hp->kv_rank, .n_rope = hp->n_rope};
        if (hp->n_index) layer->index = (struct fathom_index_cache){.pages = fathom_buffer_view(layer->buffers[1]), .page_table = table,
            .type = fm_index_type(params->type), .n_key = hp->n_index};
    }
    return true;
}

static uint32_t cache_truncate(uint32_t length) { return length; }

// A chunk expands the latents of all positions before it: that pays from some 400 tokens on.
#define LATENT_ROW .cpu_chunk = 512, .cache_check = cache_check, .cache_token_size = cache_token_size, .cache_size = cache_size, \
    .cache_create = cache_create, .cache_truncate = cache_truncate

const struct fm_arch fm_arch_deepseek2 = {.name = "deepseek2", LATENT_ROW};
const struct fm_arch fm_arch_deepseek32 = {.name = "deepseek32", LATENT_ROW};
