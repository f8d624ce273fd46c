// Sizes of shaders/include/columns.glsl, for the variants `columns`.
#ifndef FM_OP_MATMUL_COLUMNS_H
#define FM_OP_MATMUL_COLUMNS_H
#include "gpu/dispatch.h"

enum {
    FM_COLUMNS_NEEDS = FATHOM_CAP_SUBGROUP_ARITHMETIC | FATHOM_CAP_DEVICE_ADDRESS, // what a device must be able to do,
    FM_COLUMNS_WANTS = FATHOM_CAP_UNIFORM_LOADS,                                   // and what makes it worth while
    FM_COLUMNS_TOKENS = 4,                                                         // at most, of a workgroup
};

// Does the shader know this type, and can it take rows of this length?
bool fm_columns_take(enum fathom_type type, uint32_t n_cols);

// Both of them; NULL: there is none, and it is no hindrance.
bool fm_columns_take_all(const struct fathom_weight *a, const struct fathom_weight *b);

// Units of 64 columns in a window of w's rows: as few windows as registers allow, of one length. Short ones in bytes where FATHOM_CAP_READ_AHEAD
// says that the processor follows few streams (src/decisions/columns-on-cpus.md).
uint32_t fm_columns_units(const struct fathom_gpu_info *info, const struct fathom_weight *w, uint32_t n_tokens);

// Rows of a workgroup, of n_rows in all: many, as each workgroup loads the activations anew, and yet enough workgroups for all cores, and no
// more than shared memory takes with n_sums sums a row.
uint32_t fm_columns_rows(const struct fathom_gpu_info *info, uint64_t n_rows, uint32_t n_sums);

// Where a view begins, as the arguments take it: low half first.
void fm_columns_address(struct fathom_view view, uint32_t address[2]);
#endif
