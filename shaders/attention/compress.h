#include "../include/args.h"
// *_base: index of a view's first word. n_positions: rows of the
// rotary table; n_table: entries of the page table; n_pages: pages.
ARGS(compress) {
    uint n_tokens, n_key, ratio, n_state, n_rope, first_row;
    uint n_positions, n_table, n_pages;
    uint kv_base, gate_base, bias_base, state_base, w_base, table_base, position_base, page_table_base,
        pages_base;
    float eps, inv_n_key;
} ARGS_END
