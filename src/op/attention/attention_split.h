// The host side of attention over splits of the cache (shaders/attention_split.glsl): a dispatch over the splits, and one that merges them;
// tokens go in batches that the scratch holds.
#ifndef FM_OP_ATTENTION_ATTENTION_SPLIT_H
#define FM_OP_ATTENTION_ATTENTION_SPLIT_H
#include "op/attention/attention_tile.h"
#include "op/attention/cache.h"

// Shapes of the variants that take splits, of a struct fm_attention_call: rows is heads of a workgroup,
// groups are workgroups that loop over the splits. coop: with matrix units, for latent attention, where a
// head is what a query is elsewhere.
struct fm_shape fm_shape_splits_plain(const void *call);
struct fm_shape fm_shape_splits_heads(const void *call);
struct fm_shape fm_shape_splits_coop(const void *call);

struct fm_split_attention {
    const char *op;
    const struct fm_variant *variant; // one that FM_DOES_SPLITS
    const struct fm_attention_call *call;
    enum fathom_type cache_type;
    uint64_t row_size;                 // of the cache, bytes
    double positions;                  // that a token sees, on the average
    struct fathom_view q, position, page_table, pages, out; // bound
    struct fathom_view scratch, counters;
    struct fathom_view selected, sinks; // bound, of latent attention alone; buffer NULL: all positions, no sinks
    const struct fm_constant *constants; // of the operator, up to one without a name
    uint32_t n_views;                  // bindings of the shader
    void *args;
    uint32_t args_size, *n_splits, *scratch_base, *counters_base, *first_token; // in args
};
void fm_attend_splits(struct fathom_stream *stream, const struct fm_split_attention *attention);

// Splits of max_positions, and bytes of the scratch of one token.
uint32_t fm_attention_splits(uint32_t max_positions);
uint64_t fm_attention_scratch(uint32_t n_heads, uint32_t value_width, uint32_t max_positions);

// Checks what every form takes: counts, and a scratch for one token at least.
bool fm_attention_check(struct fathom_stream *stream, const char *op, uint32_t n_tokens, uint32_t n_heads, uint32_t value_width, uint32_t max_positions,
    struct fathom_view scratch);
#endif
