// Arguments of the kernels that measure what a device can do; see src/op/roofline/roofline.h.
#include "../include/args.h"
ARGS(roofline) {
    uint n_words;           // to read
    uint x_address[2];      // of the bound buffer, low half first
    uint x_base, y_base;    // words
} ARGS_END
