// The host side of attention over splits of the cache (shaders/attention_split.glsl): a dispatch over the splits, and one that merges them;
// tokens go in batches that the scratch holds.
#ifndef FM_OP_ATTENTION_ATTENTION_SPLIT_H
#define FM_OP_ATTENTION_ATTENTION_SPLIT_H
#include "op/attention/cache.h"
#include "op/attention/matrix_attention.h"

enum { FM_SPLIT_HEADS_PLAIN = 4 /* heads of a workgroup of the plain shader */ };

struct fm_split_attention {
    const char *op;
    struct fm_choice choice;
    bool plain;                        // of choice: the plain shader
    enum fathom_type cache_type;
    uint32_t n_tokens, max_positions;
    uint32_t n_heads, n_kv;            // n_heads / n_kv heads share a key
    uint32_t key_width, value_width;
    uint64_t row_size;                 // of the cache, bytes
    struct fathom_view q, position, page_table, pages, out; // bound
    struct fathom_view scratch, counters;
    struct fathom_view selected, sinks; // bound, of latent attention alone; buffer NULL: all positions, no sinks
    bool window;                       // of latent attention alone: a cache of summaries
    uint32_t n_views;                  // bindings of the shader
    struct fm_matrix_attention coop;   // rows 0: the chosen shader is none of these
    void *args;
    uint32_t args_size, *n_splits, *scratch_base, *counters_base, *first_token; // in args; n_splits: of max_positions, fewer if coop
};
void fm_attend_splits(struct fathom_stream *stream, const struct fm_split_attention *attention);

// Splits of max_positions, and bytes of the scratch of one token.
uint32_t fm_attention_splits(uint32_t max_positions);
uint64_t fm_attention_scratch(uint32_t n_heads, uint32_t value_width, uint32_t max_positions);

// Checks what every form takes: counts, and a scratch for one token at least.
bool fm_attention_check(struct fathom_stream *stream, const char *op, uint32_t n_tokens, uint32_t n_heads, uint32_t value_width, uint32_t max_positions,
    struct fathom_view scratch);
#endif
