#include "include/args.h"
// *_base: index of a view's first word. n_positions: rows of the rotary table; n_table: entries of the page table; n_pages: pages.
ARGS(latent_store) {
    uint n_tokens, kv_rank, n_rope;
    uint n_positions, n_table, n_pages;
    uint kv_base, w_base, table_base, position_base, pages_base, page_table_base;
    float eps, inv_kv_rank;
} ARGS_END
