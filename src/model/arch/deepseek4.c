// DeepSeek-V4. One latent a position is key and value of all heads. A layer keeps the latents of the last positions in a ring of pages, summaries of
// all positions behind them, and what is not yet summed up. One page table holds, for all layers: the ring's pages for every position; the
// summaries' pages; and once more for the indexer, whose pages begin at 0.
#include "model/arch/arch.h"
#include <stdlib.h>

static uint64_t row_size(const struct fm_hparams *hp, enum fathom_type type) { return fathom_latent_row_size(type, hp->kv_rank, 0); }

static bool cache_check(const struct fm_hparams *hp, enum fathom_type type, struct fathom_error *err) {
    return fm_cache_check(row_size(hp, type), "latents", hp->kv_rank, 32, err);
}

// The window before a chunk, the chunk, and the tokens of steps in flight when a text ends
static uint32_t ring_pages(const struct fm_hparams *hp, const struct fm_cache_params *params) {
    return fm_pages((uint64_t)hp->window + params->n_chunk + params->n_ahead);
}

static uint32_t summary_pages(uint32_t ratio, uint32_t n_context) { return ratio ? fm_pages(n_context / ratio + 1) : 0; }

static uint32_t kept_positions(uint32_t ratio, uint32_t n_ahead) { return (ratio == FM_INDEXED_RATIO ? 2 : 1) * ratio + n_ahead; }

static uint64_t state_size(uint32_t ratio, uint32_t n_ahead, uint32_t n_key) {
    return 8ull * kept_positions(ratio, n_ahead) * (ratio == FM_INDEXED_RATIO ? 2 : 1) * n_key;
}

struct layer_size { uint64_t pages, index_pages, state, index_state; }; // bytes

static struct layer_size layer_size(const struct fm_hparams *hp, uint32_t layer, const struct fm_cache_params *params) {
    const uint32_t ratio = hp->ratios[layer], n_summaries = summary_pages(ratio, params->n_context);
    const uint64_t page = FATHOM_PAGE * row_size(hp, params->type);
    struct layer_size size = {.pages = (ring_pages(hp, params) + n_summaries) * page,
        .state = ratio ? state_size(ratio, params->n_ahead, hp->kv_rank) : 0};
    if (ratio != FM_INDEXED_RATIO) return size;
    size.index_pages = n_summaries * FATHOM_PAGE * fathom_index_row_size(fm_index_type(params->type), hp->n_index);
    size.index_state = state_size(ratio, params->n_ahead, hp->n_index);
    return size;
}

static uint64_t cache_size(const struct fm_hparams *hp, const struct fm_cache_params *params) {
    uint64_t total = 0;
    for (uint32_t i = 0; i < hp->n_layers; i++) {
        const struct layer_size size = layer_size(hp, i, params);
        total += size.pages + size.index_pages + size.state + size.index_state;
    }
    return total;
}

static uint64_t cache_token_size(const struct fm_hparams *hp, enum fathom_type type) {
    double total = 0;
    for (uint32_t i = 0; i < hp->n_layers; i++) {
        if (hp->ratios[i]) total += (double)row_size(hp, type) / hp->ratios[i];
        if (hp->ratios[i] == FM_INDEXED_RATIO) total += (double)fathom_index_row_size(fm_index_type(type), hp->n_index) / hp->ratios[i];
    }
    return (uint64_t)(total + 0.5);
}

static bool create_page_table(struct fathom_gpu *gpu, uint32_t n_pages, uint32_t n_ring, uint32_t n_summaries, struct fm_caches *caches,
    struct fathom_error *err) {
    const uint64_t n = (uint64_t)n_pages + 2ull * n_summaries;
    uint32_t *table = malloc(4 * n);
    if (!table) return fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
    for (uint32_t i = 0; i < n_pages; i++) table[i] = i % n_ring;
    for (uint32_t i = 0; i < n_summaries; i++) {
        table[n_pages + i] = n_ring + i;
        table[n_pages + n_summaries + i] = i;
    }
    const bool ok = fm_page_table_create(gpu, table, (uint32_t)n, caches, err);
    free(table);
    return ok;
}

// A part of the layer's one buffer, each at a multiple of what devices want of a binding's offset.
static struct fathom_view cut(struct fathom_buffer *buffer, uint64_t *offset, uint64_t size) {
    const struct fathom_view view = {buffer, *offset, size};
    *offset += (size + 255) / 256 * 256;
    return view;
}

static bool cache_create(struct fathom_gpu *gpu, const struct fm_hparams *hp, const struct fm_cache_params *params, struct fm_caches *caches,
    struct fathom_error *err) {
    const struct fathom_gpu_info *info = fathom_gpu_get_info(gpu);
    const uint32_t n_pages = fm_pages(params->n_context);
    uint32_t n_summaries = 0;
    for (uint32_t i = 0; i < hp->n_layers; i++) {
        const uint32_t n = summary_pages(hp->ratios[i], params->n_context);
        if (n > n_summaries) n_summaries = n;
    }
    if (!create_page_table(gpu, n_pages, ring_pages(hp, params), n_summaries, caches, err)) return false;
    caches->first_summary = n_pages * FATHOM_PAGE;
    const struct fathom_view table = {caches->page_table, 0, 4ull * (n_pages + n_summaries)};
    const struct fathom_view index_table = {caches->page_table, table.size, 4ull * n_summaries};
    for (uint32_t i = 0; i < hp->n_layers; i++) {
        const struct layer_size size = layer_size(hp, i, params);
        if (size.pages > info->max_storage_range)
            return fm_fail(err, FATHOM_UNSUPPORTED, "a context of %u tokens needs %llu bytes of cache in layer %u, %s can address %llu", params->n_context,
                (unsigned long long)size.pages, i, info->name, (unsigned long long)info->max_storage_range);
        uint64_t at = 0;
        cut(NULL, &at, size.pages), cut(NULL, &at, size.index_pages), cut(NULL, &at, size.state), cut(NULL, &at, size.index_state);
        struct fm_layer_cache *layer = &caches->layers[i];
        struct fathom_buffer *buffer = layer->buffers[0] = fathom_buffer_create(gpu, at, FATHOM_MEMORY_DEVICE, err);
        if (!buffer) return false;
        at = 0;
        layer->latents = (struct fathom_latent_cache){.pages = cut(buffer, &at, size.pages), .page_table = table, .type = params->type, .kv_rank = hp->kv_rank};
        layer->index = (struct fathom_index_cache){.pages = cut(buffer, &at, size.index_pages), .page_table = index_table,
            .type = fm_index_type(params->type), .n_key = hp->n_index};
        layer->state = cut(buffer, &at, size.state);
        layer->index_state = cut(buffer, &at, size.index_state);
        layer->n_state = kept_positions(hp->ratios[i], params->n_ahead);
    }
    return true;
}

// The ring may no longer hold what the tokens before the cut saw: all are read again.
static uint32_t cache_truncate(uint32_t length) {
    (void)length;
    return 0;
}

const struct fm_arch fm_arch_deepseek4 = {.name = "deepseek4", .cpu_chunk = 512, .cache_check = cache_check, .cache_token_size = cache_token_size,
    .cache_size = cache_size, .cache_create = cache_create, .cache_truncate = cache_truncate};
