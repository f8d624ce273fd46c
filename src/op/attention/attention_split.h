// The host side of attention over splits of the cache (shaders/attention_split.glsl). One dispatch attends to
// the splits, a second one merges them. Tokens go in batches that fit the scratch.
#ifndef FM_OP_ATTENTION_ATTENTION_SPLIT_H
#define FM_OP_ATTENTION_ATTENTION_SPLIT_H
#include "op/attention/attention_tile.h"
#include "op/attention/cache.h"

// Shapes of the variants that attend over splits, from a struct fm_attention_call. rows: heads of a
// workgroup. groups: workgroups that loop over the splits. coop: uses matrix units, for latent attention,
// where the heads take the place of queries.
struct fm_shape fm_shape_splits_plain(const void *call);
struct fm_shape fm_shape_splits_heads(const void *call);
struct fm_shape fm_shape_splits_coop(const void *call);

struct fm_split_attention {
    const char *op;
    const struct fm_variant *variant; // a variant with FM_DOES_SPLITS
    const struct fm_attention_call *call;
    enum fathom_type cache_type;
    uint64_t row_size;                                      // bytes of a row of the cache
    double positions;                                       // average positions that a token attends to
    struct fathom_view q, position, page_table, pages, out; // bound
    struct fathom_view scratch, counters;
    struct fathom_view selected, sinks; // bound; latent attention alone; buffer NULL: all positions, no sinks
    const struct fm_constant *constants; // the operator's; the last one has no name
    uint32_t n_views;                    // the shader's bindings
    void *args;
    uint32_t args_size, *n_splits, *scratch_base, *counters_base, *first_token; // members of args
};
void fm_attend_splits(struct fathom_stream *stream, const struct fm_split_attention *attention);

// The number of splits of max_positions, and the bytes of scratch for one token.
uint32_t fm_attention_splits(uint32_t max_positions);
uint64_t fm_attention_scratch(uint32_t n_heads, uint32_t value_width, uint32_t max_positions);

// Checks what every form needs: the counts, and a scratch for at least one token.
bool fm_attention_check(struct fathom_stream *stream, const char *op, uint32_t n_tokens, uint32_t n_heads,
    uint32_t value_width, uint32_t max_positions, struct fathom_view scratch);
#endif
