#include "../include/args.h"
// *_base: index of a view's first word. The dispatch's z counts tokens from first_token on. stride: floats
// between two tokens' scores.
ARGS(index_score) {
    uint n_heads, n_key, n_pages, first_token, stride, ratio;
    uint q_base, weights_base, position_base, page_table_base, pages_base, scores_base;
    float scale;
} ARGS_END
