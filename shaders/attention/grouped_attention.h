#include "../include/args.h"
// *_base: index of a view's first word. n_head: values of a head. q_stride: floats
// from one token's queries to the next's. n_splits: splits of a token that the
// scratch buffer holds. n_tokens, first_token: of this dispatch (over splits, its z
// counts the tokens). max_positions: every token's position is below this number.
ARGS(grouped_attention) {
    uint n_heads, n_kv, n_head, q_stride, n_pages;
    uint n_splits, n_tokens, first_token, max_positions;
    uint q_base, position_base, page_table_base, pages_base, scratch_base, out_base, counters_base;
    float scale;
} ARGS_END
