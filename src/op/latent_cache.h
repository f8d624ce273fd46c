// What the two forms of attention share on the host: how the cache is checked and handed to a shader.
#ifndef FM_OP_LATENT_CACHE_H
#define FM_OP_LATENT_CACHE_H
#include "op/op.h"

// Work of one dispatch: a slow card does it in a fraction of a second.
#define FM_MAX_DISPATCH_FLOPS 2e10

// Checks type and shape of the cache; *page_words is the size of its pages.
bool fm_op_cache_shape(struct fathom_stream *stream, const char *op, const struct fathom_latent_cache *cache, uint64_t *page_words);

// The same, and that its table covers n_positions; binds its table and pages.
bool fm_op_cache(struct fathom_stream *stream, const char *op, const struct fathom_latent_cache *cache, uint32_t n_positions,
    struct fathom_view *table, uint32_t *table_base, struct fathom_view *pages, uint32_t *pages_base, uint32_t *n_pages);
#endif
