// What the operators on caches share on the host: how a cache is checked and handed to a shader.
#ifndef FM_OP_ATTENTION_CACHE_H
#define FM_OP_ATTENTION_CACHE_H
#include "op/op.h"

// Work of one dispatch: a slow card does it in a fraction of a second.
#define FM_MAX_DISPATCH_FLOPS 2e10

// A cache of either form, checked.
struct fm_cache {
    struct fathom_view pages, page_table;
    enum fathom_type type;
    uint64_t page_words; // size of a page
};
bool fm_op_latent_cache(struct fathom_stream *stream, const char *op, const struct fathom_latent_cache *cache, struct fm_cache *checked);
bool fm_op_index_cache(struct fathom_stream *stream, const char *op, const struct fathom_index_cache *cache, struct fm_cache *checked);
bool fm_op_kv_cache(struct fathom_stream *stream, const char *op, const struct fathom_kv_cache *cache, struct fm_cache *checked);

// Where a shader finds a cache. *_base: index of a view's first word.
struct fm_bound_cache {
    struct fathom_view page_table, pages;
    uint32_t page_table_base, pages_base, n_pages, n_table;
};

// Binds all pages, and the table's entries for n_positions, or all where that is 0.
bool fm_op_bind_cache(struct fathom_stream *stream, const char *op, const struct fm_cache *cache, uint32_t n_positions, struct fm_bound_cache *bound);
#endif
