// Llama, Qwen2 and Qwen3: dense layers with grouped-query attention (arXiv 2305.13245).
#include "model/arch/arch.h"

static uint64_t row_size(const struct fm_hparams *hp, enum fathom_type type) { return fathom_kv_row_size(type, hp->n_kv, hp->n_value); }

static bool cache_check(const struct fm_hparams *hp, enum fathom_type type, struct fathom_error *err) {
    return fm_cache_check(row_size(hp, type), "heads", hp->n_value, 64, err);
}

static uint64_t cache_token_size(const struct fm_hparams *hp, enum fathom_type type) { return hp->n_layers * row_size(hp, type); }

static uint64_t cache_size(const struct fm_hparams *hp, const struct fm_cache_params *params) {
    return fm_paged_size(params, cache_token_size(hp, params->type));
}

static bool cache_create(struct fathom_gpu *gpu, const struct fm_hparams *hp, const struct fm_cache_params *params, struct fm_caches *caches,
    struct fathom_error *err) {
    if (!fm_paged_create(gpu, params, row_size(hp, params->type), 0, caches, err)) return false;
    for (uint32_t i = 0; i < caches->n_layers; i++)
        caches->layers[i].kv = (struct fathom_kv_cache){.pages = fathom_buffer_view(caches->layers[i].buffers[0]),
            .page_table = fathom_buffer_view(caches->page_table), .type = params->type, .n_kv = hp->n_kv, .n_head = hp->n_value};
    return true;
}

static uint32_t cache_truncate(uint32_t length) { return length; }

#define GROUPED_ROW .cpu_chunk = 128, .cache_check = cache_check, .cache_token_size = cache_token_size, .cache_size = cache_size, \
    .cache_create = cache_create, .cache_truncate = cache_truncate

const struct fm_arch fm_arch_llama = {.name = "llama", GROUPED_ROW};
const struct fm_arch fm_arch_qwen2 = {.name = "qwen2", GROUPED_ROW};
const struct fm_arch fm_arch_qwen3 = {.name = "qwen3", GROUPED_ROW};
