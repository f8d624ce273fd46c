// The device memory of one text: the caches of every layer, and the tables that the layers share.
#ifndef FM_MODEL_CACHE_H
#define FM_MODEL_CACHE_H
#include "model/hparams.h"
#include <fathom/ops.h>

// The limits that the caches are sized for.
struct fm_cache_params {
    uint32_t n_context;   // the longest text, in tokens
    uint32_t n_positions; // n_context, plus the positions that drafting rounds in flight write past it
    uint32_t n_chunk;     // tokens of a prefill chunk
    uint32_t n_ahead;     // decode steps that may be in flight when a text ends
    enum fathom_type type;
};

// One layer's caches. An architecture fills those that its attention uses.
struct fm_layer_cache {
    struct fathom_latent_cache latents;    // latent attention
    struct fathom_index_cache index;       // the lightning indexer's keys
    struct fathom_kv_cache kv;             // grouped attention
    struct fathom_view state, index_state; // DeepSeek-V4: positions not yet compressed; see fathom_compress
    uint32_t n_state;
    struct fathom_buffer *buffers[2]; // hold the views above
};

struct fm_caches {
    struct fm_layer_cache *layers; // [n_layers], plus the draft layer's
    uint32_t n_layers;
    uint32_t first_compressed; // DeepSeek-V4: the row of a layer's cache where the compressed rows begin
    uint32_t n_ring;           // DeepSeek-V4: rows of the ring, from row 0 of a layer's cache on
    struct fathom_buffer *page_table;
    struct fathom_buffer *rope_tables[FM_MAX_ROPE_TABLES]; // [n_positions][n_rope], as fm_rope_table
};

// The sizes are in bytes.
uint64_t fm_caches_size(const struct fm_hparams *hp, const struct fm_cache_params *params);
uint64_t fm_rope_tables_size(const struct fm_hparams *hp, uint32_t n_positions);
bool fm_caches_create(struct fathom_gpu *gpu, const struct fm_hparams *hp,
    const struct fm_cache_params *params, struct fm_caches *caches, struct fathom_error *err);
void fm_caches_free(struct fm_caches *caches);

// What a layer's caches hold of a text of n_positions, as far as later positions need it: parts whose bytes,
// one after the other, are the same for every n_context and n_chunk, though the parts may be cut differently.
// Returns the number of parts.
enum { FM_MAX_CACHE_PARTS = 8 };
uint32_t fm_caches_used(const struct fm_hparams *hp, const struct fm_caches *caches, uint32_t layer,
    uint32_t n_positions, struct fathom_view parts[FM_MAX_CACHE_PARTS]);

// For the architectures' rows. fm_ring_parts: rows [first, first + n_rows) of a ring, in two parts where
// these go around its end. Returns the number of parts, also 0.
uint32_t fm_ring_parts(
    struct fathom_view ring, uint64_t row_size, uint32_t first, uint32_t n_rows, struct fathom_view *parts);
// fm_pages: pages that hold n_rows rows.
uint32_t fm_pages(uint64_t n_rows);
bool fm_page_table_create(struct fathom_gpu *gpu, const uint32_t *pages, uint32_t n_pages,
    struct fm_caches *caches, struct fathom_error *err);
// Caches of one size in every layer: a row of row_size bytes for each position. fm_paged_size: bytes of one
// layer. fm_paged_create: creates the page table and each layer's buffers[0], and buffers[1] if
// index_row_size is not 0.
uint64_t fm_paged_size(const struct fm_cache_params *params, uint64_t row_size);
bool fm_paged_create(struct fathom_gpu *gpu, const struct fm_cache_params *params, uint64_t row_size,
    uint64_t index_row_size, struct fm_caches *caches, struct fathom_error *err);
// The type of the indexer's keys if the latents are of `type`.
enum fathom_type fm_index_type(enum fathom_type type);
// Checks that rows of `what`, n_values values each, have a cache format. row_size is 0 if they have none:
// with 8 bits, n_values must be a multiple of `multiple`.
bool fm_cache_check(
    uint64_t row_size, const char *what, uint32_t n_values, uint32_t multiple, struct fathom_error *err);
#endif
