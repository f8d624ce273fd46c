#include "../include/args.h"
// *_base: index of a view's first word. n_splits: splits of a token that
// the scratch buffer holds. first_token: of this dispatch, whose z counts
// tokens. max_positions: every token's position is below this number.
ARGS(latent_attention) {
    uint n_heads, kv_rank, n_rope, n_pages;
    uint n_splits, first_token, max_positions;
    uint top_k, selected_base, sliding_window, ratio, first_compressed, sinks_base;
    uint q_base, position_base, page_table_base, pages_base, scratch_base, out_base, counters_base;
    float scale;
} ARGS_END
