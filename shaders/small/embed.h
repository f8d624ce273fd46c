#include "../include/args.h"
// The bound slice holds rows [first_row, first_row + n_rows)
// of the table. *_base: index of a view's first word.
ARGS(embed) {
    uint n_tokens, n_cols;
    uint first_row, n_rows;
    uint ids_base, x_base;
} ARGS_END
