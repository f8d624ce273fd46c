#include "../include/args.h"
// *_base: index of a view's first word. The dispatch's x counts tokens from first_token on. stride: floats
// between two tokens' scores.
ARGS(index_select) {
    uint top_k, first_token, stride, ratio;
    uint scores_base, position_base, selected_base;
} ARGS_END
