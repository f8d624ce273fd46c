#include "../include/args.h"
// *_base: index of a view's first word. position: of token 0. first_position,
// n_positions: of this block of keys. first_token, n_tokens: of this dispatch.
// width: of a key. state_width: floats of the state of one head of a token.
ARGS(expanded_attention) {
    uint n_tokens, first_token, position, n_heads, width, n_v, state_width;
    uint first_position, n_positions;
    uint q_base, keys_base, values_base, state_base, out_base;
    float scale;
} ARGS_END
