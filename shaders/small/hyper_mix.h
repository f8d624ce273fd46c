#include "../include/args.h"
// *_base: index of a view's first word.
ARGS(hyper_mix) {
    uint n_tokens, n, n_iterations;
    uint x_base, logits_base, scale_base, base_base, w_base, y_base, mix_base;
    float eps, norm_eps, inv_n, inv_all; // inv_all: of all streams' values
} ARGS_END
