// What the operators on caches share on the host: the checks of a cache, and its bindings.
#ifndef FM_OP_ATTENTION_CACHE_H
#define FM_OP_ATTENTION_CACHE_H
#include "op/op.h"

// The most work of one dispatch. A slow card does this much in a fraction of a second.
#define FM_MAX_DISPATCH_FLOPS 2e10

// A checked cache of any form.
struct fm_cache {
    struct fathom_view pages, page_table;
    enum fathom_type type;
    uint64_t page_words; // words of a page
};
bool fm_op_latent_cache(struct fathom_stream *stream, const char *op, const struct fathom_latent_cache *cache,
    struct fm_cache *checked);
bool fm_op_index_cache(struct fathom_stream *stream, const char *op, const struct fathom_index_cache *cache,
    struct fm_cache *checked);
bool fm_op_kv_cache(struct fathom_stream *stream, const char *op, const struct fathom_kv_cache *cache,
    struct fm_cache *checked);

// Where a shader finds a cache. *_base: index of a view's first word.
struct fm_bound_cache {
    struct fathom_view page_table, pages;
    uint32_t page_table_base, pages_base, n_pages, n_table;
};

// Binds all pages, and the table's entries for n_positions. 0: all entries.
bool fm_op_bind_cache(struct fathom_stream *stream, const char *op, const struct fm_cache *cache,
    uint32_t n_positions, struct fm_bound_cache *bound);
#endif
