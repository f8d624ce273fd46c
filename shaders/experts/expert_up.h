// Arguments of the gate and up projections; see include/fathom/ops.h. Rows of the experts are counted through
// all experts. A dispatch takes the rows [expert_first, expert_end) and [shared_first, shared_end), each
// within one slice of every weight.
#include "../include/args.h"
ARGS(expert_up) {
    uint n_cols, n_inter, top_k, h_stride, n_tokens;
    uint expert_tiles;                 // workgroups of a slot
    uint expert_first, expert_end, gate_row, up_row;                 // _row: first row of the slice
    uint shared_first, shared_end, shared_gate_row, shared_up_row;
    // Of the slices, low half first; see include/columns.glsl
    uint gate_address[2], up_address[2], shared_gate_address[2], shared_up_address[2];
    float limit;                       // of a gate and of up; see expert_swiglu.glsl
    uint x_base, ids_base, h_base;     // words
    uint zero;                         // 0; see include/read_ahead.glsl
} ARGS_END
