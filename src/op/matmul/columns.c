#include "op/matmul/columns.h"
#include "op/op.h"

enum { MAX_UNITS = 32, SHORT_COLUMN_TILE = 1152 /* bytes: 32 units of Q4_0 */ };
enum { MIN_ROWS = 32, MAX_ROWS = 128, MIN_GROUPS = 16, MAX_SUMS = 4096 /* of all lanes: 16 KiB */ };

bool fm_columns_take(enum fathom_type type, uint32_t n_cols) {
    return (type == FATHOM_Q4_0 || type == FATHOM_Q4_1 || type == FATHOM_Q8_0) && n_cols % 64 == 0;
}

bool fm_columns_take_all(const struct fathom_weight *a, const struct fathom_weight *b) {
    return (!a || fm_columns_take(a->type, a->n_cols)) && (!b || fm_columns_take(b->type, b->n_cols));
}

uint32_t fm_columns_units(
    const struct fathom_gpu_info *info, const struct fathom_weight *w, uint32_t n_tokens) {
    uint32_t most = MAX_UNITS / n_tokens;
    const uint32_t short_units = SHORT_COLUMN_TILE / (uint32_t)fathom_row_size(w->type, 64);
    if (info->caps & FATHOM_CAP_READ_AHEAD && short_units < most) most = short_units;
    const uint32_t n_units = w->n_cols / 64, n_slices = (n_units + most - 1) / most;
    return (n_units + n_slices - 1) / n_slices;
}

uint32_t fm_columns_rows(const struct fathom_gpu_info *info, uint64_t n_rows, uint32_t n_sums) {
    uint32_t rows = MAX_ROWS;
    while (rows * n_sums * fm_op_row_lanes(info) > MAX_SUMS) rows /= 2;
    while (rows > MIN_ROWS && n_rows < (uint64_t)MIN_GROUPS * rows) rows /= 2;
    return rows;
}

void fm_columns_address(struct fathom_view view, uint32_t address[2]) {
    const uint64_t at = fm_view_address(view);
    address[0] = (uint32_t)at;
    address[1] = (uint32_t)(at >> 32);
}
