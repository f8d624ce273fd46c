#include "../include/args.h"
// *_base: index of a view's first word; strides in floats.
ARGS(rms_norm) {
    uint n_tokens, n_cols;
    uint x_stride, y_stride;
    uint x_base, w_base, y_base;
    float eps, inv_n_cols;
} ARGS_END
