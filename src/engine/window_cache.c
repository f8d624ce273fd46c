#include "engine/window_cache.h"
#include <stdlib.h>

static uint32_t pages_of(uint64_t n_rows) { return (uint32_t)((n_rows + FATHOM_PAGE - 1) / FATHOM_PAGE); }

// The window before a chunk, the chunk, and the tokens of steps in flight when a text ends
static uint32_t ring_pages(const struct fm_hparams *hp, uint32_t n_chunk) { return pages_of((uint64_t)hp->window + n_chunk + FM_RING); }

static uint32_t summary_pages(uint32_t ratio, uint32_t n_context) { return ratio ? pages_of(n_context / ratio + 1) : 0; }

static uint32_t kept_positions(uint32_t ratio) { return (ratio == FM_INDEXED_RATIO ? 2 : 1) * ratio + FM_RING; }

static uint64_t state_size(uint32_t ratio, uint32_t n_key) {
    return 8ull * kept_positions(ratio) * (ratio == FM_INDEXED_RATIO ? 2 : 1) * n_key;
}

struct layer_size { uint64_t pages, index_pages, state, index_state; }; // bytes

static struct layer_size layer_size(const struct fm_hparams *hp, uint32_t layer, uint32_t n_context, uint32_t n_chunk, enum fathom_type type) {
    const uint32_t ratio = hp->ratios[layer], n_summaries = summary_pages(ratio, n_context);
    const uint64_t page = FATHOM_PAGE * fm_cache_row_size(hp, type);
    struct layer_size size = {.pages = (ring_pages(hp, n_chunk) + n_summaries) * page, .state = ratio ? state_size(ratio, hp->kv_rank) : 0};
    if (ratio != FM_INDEXED_RATIO) return size;
    size.index_pages = n_summaries * FATHOM_PAGE * fathom_index_row_size(fm_index_cache_type(type), hp->n_index);
    size.index_state = state_size(ratio, hp->n_index);
    return size;
}

uint64_t fm_window_cache_size(const struct fm_hparams *hp, uint32_t n_context, uint32_t n_chunk, enum fathom_type type) {
    uint64_t total = 0;
    for (uint32_t i = 0; i < hp->n_layers; i++) {
        const struct layer_size size = layer_size(hp, i, n_context, n_chunk, type);
        total += size.pages + size.index_pages + size.state + size.index_state;
    }
    return total;
}

uint64_t fm_window_cache_token_size(const struct fm_hparams *hp, enum fathom_type type) {
    double total = 0;
    for (uint32_t i = 0; i < hp->n_layers; i++) {
        if (hp->ratios[i]) total += (double)fm_cache_row_size(hp, type) / hp->ratios[i];
        if (hp->ratios[i] == FM_INDEXED_RATIO) total += (double)fathom_index_row_size(fm_index_cache_type(type), hp->n_index) / hp->ratios[i];
    }
    return (uint64_t)(total + 0.5);
}

static bool create_page_table(struct fathom_session *s, uint32_t n_pages, uint32_t n_ring, uint32_t n_summaries, struct fathom_error *err) {
    const uint64_t size = 4 * ((uint64_t)n_pages + 2ull * n_summaries);
    uint32_t *table = malloc(size);
    if (!table) return fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
    for (uint32_t i = 0; i < n_pages; i++) table[i] = i % n_ring;
    for (uint32_t i = 0; i < n_summaries; i++) {
        table[n_pages + i] = n_ring + i;
        table[n_pages + n_summaries + i] = i;
    }
    s->page_table = fathom_buffer_create(s->engine->gpu, size, FATHOM_MEMORY_DEVICE, err);
    const bool ok = s->page_table && fathom_upload(s->engine->gpu, fathom_buffer_view(s->page_table), table, err);
    free(table);
    return ok;
}

// A part of the layer's one buffer, each at a multiple of what devices want of a binding's offset.
static struct fathom_view cut(struct fathom_buffer *buffer, uint64_t *offset, uint64_t size) {
    const struct fathom_view view = {buffer, *offset, size};
    *offset += (size + 255) / 256 * 256;
    return view;
}

bool fm_window_cache_create(struct fathom_session *s, struct fathom_error *err) {
    const struct fm_hparams *hp = &s->engine->hp;
    const struct fathom_gpu_info *info = fathom_gpu_get_info(s->engine->gpu);
    const enum fathom_type type = s->engine->cache_type;
    const uint32_t n_pages = pages_of(s->n_context), n_ring = ring_pages(hp, s->n_chunk);
    uint32_t n_summaries = 0;
    for (uint32_t i = 0; i < hp->n_layers; i++) {
        const uint32_t n = summary_pages(hp->ratios[i], s->n_context);
        if (n > n_summaries) n_summaries = n;
    }
    if (!create_page_table(s, n_pages, n_ring, n_summaries, err)) return false;
    s->first_summary = n_pages * FATHOM_PAGE;
    const struct fathom_view table = {s->page_table, 0, 4ull * (n_pages + n_summaries)};
    const struct fathom_view index_table = {s->page_table, table.size, 4ull * n_summaries};
    for (uint32_t i = 0; i < hp->n_layers; i++) {
        const struct layer_size size = layer_size(hp, i, s->n_context, s->n_chunk, type);
        if (size.pages > info->max_storage_range)
            return fm_fail(err, FATHOM_UNSUPPORTED, "a context of %u tokens needs %llu bytes of cache in layer %u, %s can address %llu", s->n_context,
                (unsigned long long)size.pages, i, info->name, (unsigned long long)info->max_storage_range);
        uint64_t at = 0;
        cut(NULL, &at, size.pages), cut(NULL, &at, size.index_pages), cut(NULL, &at, size.state), cut(NULL, &at, size.index_state);
        struct fathom_buffer *buffer = s->cache_buffers[i] = fathom_buffer_create(s->engine->gpu, at, FATHOM_MEMORY_DEVICE, err);
        if (!buffer) return false;
        at = 0;
        s->caches[i] = (struct fathom_latent_cache){.pages = cut(buffer, &at, size.pages), .page_table = table, .type = type, .kv_rank = hp->kv_rank};
        s->index_caches[i] = (struct fathom_index_cache){.pages = cut(buffer, &at, size.index_pages), .page_table = index_table,
            .type = fm_index_cache_type(type), .n_key = hp->n_index};
        s->summaries[i].state = cut(buffer, &at, size.state);
        s->summaries[i].index_state = cut(buffer, &at, size.index_state);
        s->summaries[i].n_state = kept_positions(hp->ratios[i]);
    }
    return true;
}
