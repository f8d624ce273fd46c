#include "../include/args.h"
// The bound slice holds matrices first_mat … of n_rows rows each, or rows first_row … first_row + n_rows of
// one matrix. Strides are in floats. *_base: index of a view's first word.
ARGS(matmul) {
    uint n_tokens, n_cols;
    uint n_rows, first_row, first_mat;
    uint w_address[2];                            // of the slice, low half first; see include/columns.glsl
    uint x_token_stride, x_mat_stride, y_token_stride, y_mat_stride;
    uint x_base, y_base, residual_base;
    uint norm_w_base, normed_base, counters_base; // see include/norm_after.glsl
    float norm_eps;
    uint zero; // 0; see include/read_ahead.glsl
} ARGS_END
