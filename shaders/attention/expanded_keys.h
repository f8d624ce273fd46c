#include "../include/args.h"
// *_base: index of a view's first word. Positions [first_position, first_position + n_positions) become rows
// 0, 1, … of each head. n_out: numbers that the weight computes for a position (n_nope for keys, n_v for
// values). first_head: first head of this slice.
ARGS(expanded_keys) {
    uint n_positions, first_position, kv_rank, n_rope, n_out, n_pages, first_head;
    uint page_table_base, pages_base, out_base;
} ARGS_END
