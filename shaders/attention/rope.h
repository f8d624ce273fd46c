#include "../include/args.h"
// *_base: index of a view's first word; strides in floats. n_positions: rows of the table.
ARGS(rope) {
    uint n_tokens, n_heads, n_rope, n_positions;
    uint x_token_stride, x_head_stride, y_token_stride, y_head_stride;
    uint x_base, y_base, table_base, position_base;
    float direction; // 1, or -1 for the inverse rotation
} ARGS_END
