// Arguments of the router; see include/fathom/ops.h. A dispatch
// takes one slice of w: rows [first_row, first_row + n_rows).
#include "../include/args.h"
ARGS(expert_gate) {
    uint n_cols, n_experts, first_row, n_rows;
    uint n_tokens;
    // Workgroups a token, over all slices. The last one to finish chooses.
    uint n_tiles;
    uint x_base, bias_base, ids_base, weights_base, scratch_base; // words
    uint zero;         // 0; see include/read_ahead.glsl
    uint top_k, n_groups, n_groups_used;
    float scale;
    uint n_vocab, table_base, tokens_base; // of hashed experts
} ARGS_END
