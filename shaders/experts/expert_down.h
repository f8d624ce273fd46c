// Arguments of the down projections; see include/fathom/ops.h. A dispatch takes rows [first_row, end_row) of
// y. The dispatch adds to `residual` the shared expert's part (SHARED) and the parts of the chosen experts'
// rows that lie in [expert_first, expert_end), where rows are counted through all experts. The grouped
// variants store these parts instead of adding them.
#include "../include/args.h"
ARGS(expert_down) {
    uint n_rows, n_inter, n_shared, top_k, h_stride, n_tokens;
    uint first_row, end_row;
    uint expert_first, expert_end, down_row;   // _row: first row of the slice
    uint shared_row;
    uint down_address[2], shared_address[2];   // of the slices, low half first; see include/columns.glsl
    uint h_base, ids_base, weights_base, residual_base, y_base, parts_base; // words
    uint norm_w_base, normed_base, counters_base; // see include/norm_after.glsl
    float norm_eps;
    uint zero;                                 // 0; see include/read_ahead.glsl
} ARGS_END
