#include "op/latent_cache.h"
#include <inttypes.h>

enum { MAX_WIDTH = 65536 /* so that no size overflows */ };

bool fm_op_cache(struct fathom_stream *stream, const char *op, const struct fathom_latent_cache *cache, uint32_t n_positions,
    struct fathom_view *table, uint32_t *table_base, struct fathom_view *pages, uint32_t *pages_base, uint32_t *n_pages) {
    if (cache->type != FATHOM_F32 && cache->type != FATHOM_F16)
        return fm_stream_fail(
            stream, FATHOM_INVALID, "%s: the cache has type %d, wanted %d (F32) or %d (F16)", op, (int)cache->type, FATHOM_F32, FATHOM_F16);
    if (!fm_op_multiple(stream, op, "kv_rank", cache->kv_rank, 4) || !fm_op_multiple(stream, op, "n_rope", cache->n_rope, 4) ||
        !fm_op_multiple(stream, op, "number of positions", n_positions, 1))
        return false;
    if (cache->kv_rank > MAX_WIDTH || cache->n_rope > MAX_WIDTH)
        return fm_stream_fail(stream, FATHOM_UNSUPPORTED, "%s: the cache has %" PRIu32 " + %" PRIu32 " values a position, at most %d each",
            op, cache->kv_rank, cache->n_rope, MAX_WIDTH);
    const uint64_t width = (uint64_t)cache->kv_rank + cache->n_rope;
    const uint64_t page_words = FATHOM_PAGE * width / (cache->type == FATHOM_F16 ? 2 : 1), n = cache->pages.size / 4 / page_words;
    if (!n) return fm_stream_fail(stream, FATHOM_INVALID, "%s: the cache has %" PRIu64 " bytes, not even one page", op, cache->pages.size);
    *n_pages = (uint32_t)n;
    return fm_op_bind(
               stream, op, "page_table", cache->page_table, ((uint64_t)n_positions + FATHOM_PAGE - 1) / FATHOM_PAGE, table, table_base) &&
           fm_op_bind(stream, op, "pages", cache->pages, n * page_words, pages, pages_base);
}
