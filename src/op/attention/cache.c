#include "op/attention/cache.h"
#include <inttypes.h>

enum { MAX_WIDTH = 65536 /* so that no size overflows */ };

static uint64_t row_size(enum fathom_type type, uint64_t width) {
    switch (type) {
    case FATHOM_F32: return 4 * width;
    case FATHOM_F16: return 2 * width;
    case FATHOM_Q8_0: return width + (width + 63) / 64 * 4;
    default: return 0;
    }
}

uint64_t fathom_latent_row_size(enum fathom_type type, uint32_t kv_rank, uint32_t n_rope) {
    if (!kv_rank || kv_rank > MAX_WIDTH || n_rope > MAX_WIDTH || kv_rank % (type == FATHOM_Q8_0 ? 32 : 4) ||
        n_rope % 4)
        return 0;
    return row_size(type, (uint64_t)kv_rank + n_rope);
}

uint64_t fathom_kv_row_size(enum fathom_type type, uint32_t n_kv, uint32_t n_head) {
    const uint64_t width = 2 * (uint64_t)n_kv * n_head;
    if (!width || n_kv > MAX_WIDTH || n_head > MAX_WIDTH || width > 2 * MAX_WIDTH ||
        n_head % (type == FATHOM_Q8_0 ? 64 : 4))
        return 0;
    return row_size(type, width);
}

uint64_t fathom_index_row_size(enum fathom_type type, uint32_t n_key) {
    if (!n_key || n_key > MAX_WIDTH || n_key % 4 || type == FATHOM_Q8_0) return 0;
    return row_size(type, n_key);
}

static bool check_type(struct fathom_stream *stream, const char *op, enum fathom_type type) {
    return type == FATHOM_F32 || type == FATHOM_F16 || type == FATHOM_Q8_0 ||
        fm_stream_fail(stream, FATHOM_INVALID,
            "%s: the cache has type %d, wanted %d (F32), %d (F16) or %d (Q8_0)", op, (int)type, FATHOM_F32,
            FATHOM_F16, FATHOM_Q8_0);
}

static bool too_wide(struct fathom_stream *stream, const char *op, uint32_t a, uint32_t b) {
    return fm_stream_fail(stream, FATHOM_UNSUPPORTED,
        "%s: the cache has %" PRIu32 " and %" PRIu32 " values a position, at most %d each", op, a, b,
        MAX_WIDTH);
}

bool fm_op_latent_cache(struct fathom_stream *stream, const char *op, const struct fathom_latent_cache *cache,
    struct fm_cache *checked) {
    const uint64_t size = fathom_latent_row_size(cache->type, cache->kv_rank, cache->n_rope);
    *checked = (struct fm_cache){cache->pages, cache->page_table, cache->type, FATHOM_PAGE * size / 4};
    return check_type(stream, op, cache->type) &&
        fm_op_multiple(stream, op, "kv_rank", cache->kv_rank, cache->type == FATHOM_Q8_0 ? 32 : 4) &&
        (!cache->n_rope || fm_op_multiple(stream, op, "n_rope", cache->n_rope, 4)) &&
        (size || too_wide(stream, op, cache->kv_rank, cache->n_rope));
}

bool fm_op_index_cache(struct fathom_stream *stream, const char *op, const struct fathom_index_cache *cache,
    struct fm_cache *checked) {
    const uint64_t size = fathom_index_row_size(cache->type, cache->n_key);
    *checked = (struct fm_cache){cache->pages, cache->page_table, cache->type, FATHOM_PAGE * size / 4};
    return size ||
        fm_stream_fail(stream, FATHOM_INVALID,
            "%s: the cache has %" PRIu32
            " values of type %d a position, wanted a multiple of 4, at most %d, of %d (F32) or %d (F16)",
            op, cache->n_key, (int)cache->type, MAX_WIDTH, FATHOM_F32, FATHOM_F16);
}

bool fm_op_kv_cache(struct fathom_stream *stream, const char *op, const struct fathom_kv_cache *cache,
    struct fm_cache *checked) {
    const uint64_t size = fathom_kv_row_size(cache->type, cache->n_kv, cache->n_head);
    *checked = (struct fm_cache){cache->pages, cache->page_table, cache->type, FATHOM_PAGE * size / 4};
    return check_type(stream, op, cache->type) &&
        fm_op_multiple(stream, op, "n_head", cache->n_head, cache->type == FATHOM_Q8_0 ? 64 : 4) &&
        fm_op_multiple(stream, op, "n_kv", cache->n_kv, 1) &&
        (size || too_wide(stream, op, cache->n_kv, cache->n_head));
}

bool fm_op_bind_cache(struct fathom_stream *stream, const char *op, const struct fm_cache *cache,
    uint32_t n_positions, struct fm_bound_cache *bound) {
    const uint64_t n_pages = cache->pages.size / 4 / cache->page_words;
    const uint64_t n_table =
        n_positions ? ((uint64_t)n_positions + FATHOM_PAGE - 1) / FATHOM_PAGE : cache->page_table.size / 4;
    if (!n_pages || !n_table)
        return fm_stream_fail(stream, FATHOM_INVALID,
            "%s: the cache has %" PRIu64 " pages and %" PRIu64 " entries in its page table", op, n_pages,
            n_table);
    bound->n_pages = (uint32_t)n_pages;
    bound->n_table = (uint32_t)n_table;
    return fm_op_bind(stream, op, "page_table", cache->page_table, n_table, &bound->page_table,
               &bound->page_table_base) &&
        fm_op_bind(stream, op, "pages", cache->pages, n_pages * cache->page_words, &bound->pages,
            &bound->pages_base);
}
