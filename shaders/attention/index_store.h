#include "../include/args.h"
// *_base: index of a view's first word. n_positions: of the rotary table; n_table: entries of the page table.
ARGS(index_store) {
    uint n_tokens, n_heads, n_key, n_rope, n_positions, n_pages, n_table;
    uint q_base, k_base, w_base, b_base, table_base, position_base, page_table_base, pages_base;
    float eps, inv_n_key;
} ARGS_END
