#include "op/latent_cache.h"
#include <inttypes.h>

enum { MAX_WIDTH = 65536 /* so that no size overflows */ };

uint64_t fathom_latent_row_size(enum fathom_type type, uint32_t kv_rank, uint32_t n_rope) {
    const uint64_t width = (uint64_t)kv_rank + n_rope;
    if (!kv_rank || !n_rope || kv_rank > MAX_WIDTH || n_rope > MAX_WIDTH || kv_rank % (type == FATHOM_Q8_0 ? 32 : 4) || n_rope % 4) return 0;
    switch (type) {
    case FATHOM_F32: return 4 * width;
    case FATHOM_F16: return 2 * width;
    case FATHOM_Q8_0: return width + (width + 63) / 64 * 4;
    default: return 0;
    }
}

bool fm_op_cache_shape(struct fathom_stream *stream, const char *op, const struct fathom_latent_cache *cache, uint64_t *page_words) {
    if (cache->type != FATHOM_F32 && cache->type != FATHOM_F16 && cache->type != FATHOM_Q8_0)
        return fm_stream_fail(stream, FATHOM_INVALID, "%s: the cache has type %d, wanted %d (F32), %d (F16) or %d (Q8_0)", op, (int)cache->type,
            FATHOM_F32, FATHOM_F16, FATHOM_Q8_0);
    if (!fm_op_multiple(stream, op, "kv_rank", cache->kv_rank, cache->type == FATHOM_Q8_0 ? 32 : 4) || !fm_op_multiple(stream, op, "n_rope", cache->n_rope, 4))
        return false;
    *page_words = FATHOM_PAGE * fathom_latent_row_size(cache->type, cache->kv_rank, cache->n_rope) / 4;
    return *page_words || fm_stream_fail(stream, FATHOM_UNSUPPORTED, "%s: the cache has %" PRIu32 " + %" PRIu32 " values a position, at most %d each",
                              op, cache->kv_rank, cache->n_rope, MAX_WIDTH);
}

bool fm_op_cache(struct fathom_stream *stream, const char *op, const struct fathom_latent_cache *cache, uint32_t n_positions,
    struct fathom_view *table, uint32_t *table_base, struct fathom_view *pages, uint32_t *pages_base, uint32_t *n_pages) {
    uint64_t page_words = 0;
    if (!fm_op_cache_shape(stream, op, cache, &page_words) || !fm_op_multiple(stream, op, "number of positions", n_positions, 1)) return false;
    const uint64_t n = cache->pages.size / 4 / page_words;
    if (!n) return fm_stream_fail(stream, FATHOM_INVALID, "%s: the cache has %" PRIu64 " bytes, not even one page", op, cache->pages.size);
    *n_pages = (uint32_t)n;
    return fm_op_bind(
               stream, op, "page_table", cache->page_table, ((uint64_t)n_positions + FATHOM_PAGE - 1) / FATHOM_PAGE, table, table_base) &&
           fm_op_bind(stream, op, "pages", cache->pages, n * page_words, pages, pages_base);
}
