// The sizes of shaders/include/columns.glsl, for the variants `columns`.
#ifndef FM_OP_MATMUL_COLUMNS_H
#define FM_OP_MATMUL_COLUMNS_H
#include "gpu/dispatch.h"

enum {
    // capabilities that a device must have
    FM_COLUMNS_NEEDS = FATHOM_CAP_SUBGROUP_ARITHMETIC | FATHOM_CAP_DEVICE_ADDRESS,
    FM_COLUMNS_WANTS = FATHOM_CAP_UNIFORM_LOADS, // capability that makes `columns` fast
    FM_COLUMNS_TOKENS = 4,                       // the most tokens of a workgroup
};

// Whether the shader has this type and can take rows of this length.
bool fm_columns_take(enum fathom_type type, uint32_t n_cols);

// Whether fm_columns_take() holds for both weights. A weight that is NULL is ignored.
bool fm_columns_take_all(const struct fathom_weight *a, const struct fathom_weight *b);

// Units of 64 columns in a column tile of w's rows. The tiles are of one length, and as few as the registers
// allow. They are short in bytes if FATHOM_CAP_READ_AHEAD says that the processor prefetches only a few
// streams (src/decisions/columns-on-cpus.md).
uint32_t fm_columns_units(
    const struct fathom_gpu_info *info, const struct fathom_weight *w, uint32_t n_tokens);

// Rows of a workgroup, of n_rows in all. Many rows are better, because each workgroup loads the activations
// anew. The limits: enough workgroups for all cores, and shared memory for n_sums sums per row.
uint32_t fm_columns_rows(const struct fathom_gpu_info *info, uint64_t n_rows, uint32_t n_sums);

// The device address of a view's first byte, in the form of the arguments: low half first.
void fm_columns_address(struct fathom_view view, uint32_t address[2]);
#endif
