#include "model/arch/arch.h"
#include <stdlib.h>

uint32_t fm_pages(uint64_t n_rows) {
    return (uint32_t)((n_rows + FATHOM_PAGE - 1) / FATHOM_PAGE);
}

enum fathom_type fm_index_type(enum fathom_type type) {
    return type == FATHOM_F32 ? FATHOM_F32 : FATHOM_F16;
}

bool fm_cache_check(
    uint64_t row_size, const char *what, uint32_t n_values, uint32_t multiple, struct fathom_error *err) {
    return row_size ||
        fm_fail(err, FATHOM_UNSUPPORTED,
            "%s of %u values cannot be cached with 8 bits, wanted a multiple of %u", what, n_values,
            multiple);
}

bool fm_page_table_create(struct fathom_gpu *gpu, const uint32_t *pages, uint32_t n_pages,
    struct fm_caches *caches, struct fathom_error *err) {
    caches->page_table = fathom_buffer_create(gpu, 4ull * n_pages, FATHOM_MEMORY_DEVICE, err);
    return caches->page_table && fathom_upload(gpu, fathom_buffer_view(caches->page_table), pages, err);
}

uint64_t fm_paged_size(const struct fm_cache_params *params, uint64_t row_size) {
    return (uint64_t)fm_pages(params->n_positions) * FATHOM_PAGE * row_size;
}

bool fm_paged_create(struct fathom_gpu *gpu, const struct fm_cache_params *params, uint64_t row_size,
    uint64_t index_row_size, struct fm_caches *caches, struct fathom_error *err) {
    const struct fathom_gpu_info *info = fathom_gpu_get_info(gpu);
    const uint64_t sizes[] = {fm_paged_size(params, row_size), fm_paged_size(params, index_row_size)};
    const uint32_t n_pages = fm_pages(params->n_positions);
    if (sizes[0] > info->max_storage_range)
        return fm_fail(err, FATHOM_UNSUPPORTED,
            "a context of %u tokens needs %llu bytes of cache a layer, %s can address %llu; up to %u tokens "
            "would fit",
            params->n_context, (unsigned long long)sizes[0], info->name,
            (unsigned long long)info->max_storage_range,
            (uint32_t)(info->max_storage_range / (sizes[0] / n_pages)) * FATHOM_PAGE);
    uint32_t *pages = malloc(n_pages * sizeof(*pages));
    if (!pages) return fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
    for (uint32_t i = 0; i < n_pages; i++) pages[i] = i;
    bool ok = fm_page_table_create(gpu, pages, n_pages, caches, err);
    free(pages);
    for (uint32_t i = 0; ok && i < caches->n_layers; i++)
        for (int j = 0; ok && j < 2; j++)
            if (sizes[j])
                ok = (caches->layers[i].buffers[j] =
                             fathom_buffer_create(gpu, sizes[j], FATHOM_MEMORY_DEVICE, err)) != NULL;
    return ok;
}

uint64_t fm_caches_size(const struct fm_hparams *hp, const struct fm_cache_params *params) {
    return hp->arch->cache_size(hp, params);
}

uint64_t fm_rope_tables_size(const struct fm_hparams *hp, uint32_t n_positions) {
    return 4ull * hp->n_rope_tables * n_positions * hp->n_rope;
}

static bool create_rope_table(struct fathom_gpu *gpu, const struct fm_hparams *hp, uint32_t i,
    uint32_t n_positions, struct fm_caches *caches, struct fathom_error *err) {
    const uint64_t size = 4ull * n_positions * hp->n_rope;
    float *table = malloc(size);
    if (!table)
        return fm_fail(err, FATHOM_NO_MEMORY, "out of host memory for %u rotary positions", n_positions);
    fm_rope_table(hp, i, n_positions, table);
    caches->rope_tables[i] = fathom_buffer_create(gpu, size, FATHOM_MEMORY_DEVICE, err);
    const bool ok =
        caches->rope_tables[i] && fathom_upload(gpu, fathom_buffer_view(caches->rope_tables[i]), table, err);
    free(table);
    return ok;
}

bool fm_caches_create(struct fathom_gpu *gpu, const struct fm_hparams *hp,
    const struct fm_cache_params *params, struct fm_caches *caches, struct fathom_error *err) {
    const uint32_t n_layers = hp->n_layers + hp->n_drafting;
    *caches = (struct fm_caches){.layers = calloc(n_layers, sizeof(*caches->layers)), .n_layers = n_layers};
    bool ok = caches->layers || fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
    ok = ok && hp->arch->cache_create(gpu, hp, params, caches, err);
    for (uint32_t i = 0; ok && i < hp->n_rope_tables; i++)
        ok = create_rope_table(gpu, hp, i, params->n_positions, caches, err);
    if (!ok) fm_caches_free(caches);
    return ok;
}

uint32_t fm_caches_used(const struct fm_hparams *hp, const struct fm_caches *caches, uint32_t layer,
    uint32_t n_positions, struct fathom_view parts[FM_MAX_CACHE_PARTS]) {
    return hp->arch->cache_used(hp, caches, layer, n_positions, parts);
}

uint32_t fm_ring_parts(
    struct fathom_view ring, uint64_t row_size, uint32_t first, uint32_t n_rows, struct fathom_view *parts) {
    const uint64_t size = n_rows * row_size, at = first * row_size % ring.size, left = ring.size - at;
    if (size == 0) return 0;
    parts[0] = (struct fathom_view){ring.buffer, ring.offset + at, size < left ? size : left};
    if (size <= left) return 1;
    parts[1] = (struct fathom_view){ring.buffer, ring.offset, size - left};
    return 2;
}

void fm_caches_free(struct fm_caches *caches) {
    for (uint32_t i = 0; caches->layers && i < caches->n_layers; i++)
        for (size_t j = 0; j < sizeof(caches->layers->buffers) / sizeof(*caches->layers->buffers); j++)
            fathom_buffer_destroy(&caches->layers[i].buffers[j]);
    fathom_buffer_destroy(&caches->page_table);
    for (int i = 0; i < FM_MAX_ROPE_TABLES; i++) fathom_buffer_destroy(&caches->rope_tables[i]);
    free(caches->layers);
    *caches = (struct fm_caches){0};
}
