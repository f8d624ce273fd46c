#include "../include/args.h"
// *_base: index of a view's first word.
ARGS(hyper_expand) {
    uint n_tokens, n;
    uint x_base, y_base, mix_base;
} ARGS_END
