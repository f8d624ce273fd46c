#include "../include/args.h"
// *_base: index of a view's first word. n_positions: rows of the
// rotary table; n_table: entries of the page table; n_pages: pages.
ARGS(latent_store) {
    uint n_tokens, width, kv_rank;          // width: values of a row; kv_rank: values under the norm
    uint n_rope, first_rotated;              // n_rope: values that are rotated, at the row's end
    uint n_positions, n_table, n_pages;
    uint kv_base, w_base, table_base, position_base, pages_base, page_table_base;
    float eps, inv_kv_rank;
} ARGS_END
