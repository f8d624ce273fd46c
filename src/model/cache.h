// What a text keeps on the device: caches, a layer at a time, and the tables that the layers share.
#ifndef FM_MODEL_CACHE_H
#define FM_MODEL_CACHE_H
#include "model/hparams.h"
#include <fathom/ops.h>

// What caches are made for.
struct fm_cache_params {
    uint32_t n_context;   // tokens of a text
    uint32_t n_positions; // n_context, and what rounds of drafting in flight write past it
    uint32_t n_chunk;     // tokens read at once
    uint32_t n_ahead;     // decode steps that may be in flight when a text ends
    enum fathom_type type;
};

// One layer's caches. An architecture fills those that its attention takes.
struct fm_layer_cache {
    struct fathom_latent_cache latents;    // latent attention
    struct fathom_index_cache index;       // the lightning indexer's keys
    struct fathom_kv_cache kv;             // grouped attention
    struct fathom_view state, index_state; // DeepSeek-V4: what is not yet summed up; see fathom_compress
    uint32_t n_state;
    struct fathom_buffer *buffers[2]; // what the views above lie in
};

struct fm_caches {
    struct fm_layer_cache *layers; // [n_layers], and the draft layer's
    uint32_t n_layers;
    uint32_t first_summary; // DeepSeek-V4: the row of a layer's cache where summaries begin
    struct fathom_buffer *page_table;
    struct fathom_buffer *rope_tables[FM_MAX_ROPE_TABLES]; // [n_positions][n_rope], as fm_rope_table
};

// Bytes of caches and tables, and their creation.
uint64_t fm_caches_size(const struct fm_hparams *hp, const struct fm_cache_params *params);
uint64_t fm_rope_tables_size(const struct fm_hparams *hp, uint32_t n_positions);
bool fm_caches_create(struct fathom_gpu *gpu, const struct fm_hparams *hp,
    const struct fm_cache_params *params, struct fm_caches *caches, struct fathom_error *err);
void fm_caches_free(struct fm_caches *caches);

// For the architectures' rows.
uint32_t fm_pages(uint64_t n_rows);
bool fm_page_table_create(struct fathom_gpu *gpu, const uint32_t *pages, uint32_t n_pages,
    struct fm_caches *caches, struct fathom_error *err);
// Caches of one size in every layer, of rows of row_size bytes for every position: bytes of a layer; and
// creation of the page table and, for each layer, of buffers[0] and, where index_row_size is not 0,
// buffers[1].
uint64_t fm_paged_size(const struct fm_cache_params *params, uint64_t row_size);
bool fm_paged_create(struct fathom_gpu *gpu, const struct fm_cache_params *params, uint64_t row_size,
    uint64_t index_row_size, struct fm_caches *caches, struct fathom_error *err);
// The type of the indexer's keys beside latents of `type`.
enum fathom_type fm_index_type(enum fathom_type type);
// Whether `what`, of n_values each, can be cached with 8 bits; row_size is 0 where not.
bool fm_cache_check(
    uint64_t row_size, const char *what, uint32_t n_values, uint32_t multiple, struct fathom_error *err);
#endif
