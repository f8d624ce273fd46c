#include "../include/args.h"
// *_base: index of a view's first word. eps, inv_n_head: of the heads' norms. n_positions: of the table of
// angles. n_table: entries of the page table.
ARGS(kv_store) {
    uint n_tokens, n_heads, n_kv, n_head, n_pages, n_table, n_positions;
    uint qkv_base, q_bias_base, k_bias_base, v_bias_base, q_norm_base, k_norm_base, table_base, position_base,
        page_table_base, pages_base;
    float eps, inv_n_head;
} ARGS_END
