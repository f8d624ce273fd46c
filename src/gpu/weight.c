// Weights in device or host memory, cut into slices that a binding can address.
#include "base/size.h"
#include "quant/grids.h"
#include "quant/types.h"
#include "gpu/internal.h"
#include <stdlib.h>

uint64_t fathom_row_size(enum fathom_type type, uint32_t n_cols) {
    const struct fm_type_info *info = fm_type_info(type);
    uint64_t size;
    if (!info || !info->supported || n_cols % fm_type_row_unit(info)) return 0;
    return fm_type_size(type, n_cols, &size) ? size : 0;
}

struct fathom_buffer *fm_grids_create(struct fathom_gpu *gpu, struct fathom_error *err) {
    uint16_t points[FM_GRID_POINTS];
    fm_grids_expand(points);
    struct fathom_buffer *grids = fathom_buffer_create(gpu, sizeof(points), FATHOM_MEMORY_DEVICE, err);
    if (grids && !fathom_upload(gpu, fathom_buffer_view(grids), points, err)) fathom_buffer_destroy(&grids);
    return grids;
}

// Returns the rows of one slice: as many as fit, in whole matrices if there are several matrices. Returns 0
// when not even one unit fits.
static uint64_t rows_per_slice(
    const struct fathom_gpu *gpu, const struct fathom_weight *w, uint64_t row_size) {
    // 4: leaves a word for rounding up
    const uint64_t limit =
        fm_least(fm_least(gpu->info.max_storage_range, gpu->info.max_allocation), UINT32_MAX) - 4;
    const uint64_t unit = w->n_mats > 1 ? w->n_rows : 1;
    return limit / (row_size * unit) * unit;
}

// Returns the most rows, at most `rows`, of a slice in place. Such slices lie where the file has them:
// every slice but the first must start where the device can bind (a power of two of bytes), and an
// allocation covers whole pages around the slice.
static uint64_t rows_in_place(
    const struct fathom_gpu *gpu, const struct fathom_weight *w, uint64_t row_size, uint64_t rows) {
    const uint64_t unit = w->n_mats > 1 ? w->n_rows : 1,
                   spare = (2 * gpu->import_alignment + row_size - 1) / row_size;
    const uint64_t bytes = unit * row_size, odd = bytes & -bytes;
    const uint64_t step =
        odd < gpu->info.storage_alignment ? unit * (gpu->info.storage_alignment / odd) : unit;
    if ((uint64_t)w->n_mats * w->n_rows <= rows) return rows; // one slice
    return rows > spare ? (rows - spare) / step * step : 0;
}

// Creates a weight without slices. *rows is the number of rows of each slice but the last.
static struct fathom_weight *begin_weight(struct fathom_gpu *gpu, enum fathom_type type, uint32_t n_mats,
    uint32_t n_rows, uint32_t n_cols, bool in_place, uint64_t *rows, struct fathom_error *err) {
    const uint64_t row_size = fathom_row_size(type, n_cols), total = (uint64_t)n_mats * n_rows;
    struct fathom_weight *w = NULL;
    char why[FM_ROW_REFUSAL];
    if (row_size == 0) {
        fm_fail(err, FATHOM_INVALID, "a weight of [%u][%u][%u] elements: %s", n_mats, n_rows, n_cols,
            fm_type_refuse_row(type, n_cols, why));
        return NULL;
    }
    if (total == 0 || total > UINT32_MAX) {
        fm_fail(err, FATHOM_INVALID, "a weight of [%u][%u][%u] elements has %llu rows, wanted 1 to %u",
            n_mats, n_rows, n_cols, (unsigned long long)total, UINT32_MAX);
        return NULL;
    }
    if (!(w = calloc(1, sizeof(*w)))) goto no_memory;
    *w = (struct fathom_weight){.type = type, .n_mats = n_mats, .n_rows = n_rows, .n_cols = n_cols};
    *rows = rows_per_slice(gpu, w, row_size);
    if (*rows == 0) {
        fm_fail(err, FATHOM_UNSUPPORTED,
            "one matrix of %u rows of %llu bytes is more than %s can address at once",
            n_mats > 1 ? n_rows : 1, (unsigned long long)row_size, gpu->info.name);
        goto fail;
    }
    if (in_place && (*rows = rows_in_place(gpu, w, row_size, *rows)) == 0) {
        fm_fail(err, FATHOM_UNSUPPORTED, "%s cannot bind slices of %u rows of %llu bytes in place",
            gpu->info.name, n_mats > 1 ? n_rows : 1, (unsigned long long)row_size);
        goto fail;
    }
    if (!(w->slices = calloc((total + *rows - 1) / *rows, sizeof(*w->slices)))) goto no_memory;
    return w;
no_memory:
    fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
fail:
    fathom_weight_destroy(&w);
    return NULL;
}

// Decoders read whole words, and the word after the row.
static uint64_t window_size(uint64_t n_rows, uint64_t row_size) {
    return (n_rows * row_size + 7) / 4 * 4;
}

static void add_window(
    struct fathom_weight *w, uint64_t first, uint64_t n_rows, struct fathom_buffer *buffer) {
    w->slices[w->n_slices++] =
        (struct fathom_slice){fathom_buffer_view(buffer), (uint32_t)first, (uint32_t)n_rows};
}

static struct fathom_weight *create_weight(struct fathom_gpu *gpu, enum fathom_type type, uint32_t n_mats,
    uint32_t n_rows, uint32_t n_cols, enum fathom_memory memory, struct fathom_error *err) {
    uint64_t per_window;
    struct fathom_weight *w = begin_weight(gpu, type, n_mats, n_rows, n_cols, false, &per_window, err);
    const uint64_t row_size = fathom_row_size(type, n_cols), total = (uint64_t)n_mats * n_rows;
    for (uint64_t first = 0; w && first < total; first += per_window) {
        const uint64_t n = fm_least(per_window, total - first);
        struct fathom_buffer *buffer = fm_buffer_create_raw(gpu, window_size(n, row_size), memory, err);
        if (buffer)
            add_window(w, first, n, buffer);
        else
            fathom_weight_destroy(&w);
    }
    return w;
}

struct fathom_weight *fathom_weight_create(struct fathom_gpu *gpu, enum fathom_type type, uint32_t n_mats,
    uint32_t n_rows, uint32_t n_cols, struct fathom_error *err) {
    if (!FM_GIVEN(gpu, "gpu", err)) return NULL;
    return create_weight(gpu, type, n_mats, n_rows, n_cols, FATHOM_MEMORY_DEVICE, err);
}

struct fathom_weight *fathom_weight_create_host(struct fathom_gpu *gpu, enum fathom_type type,
    uint32_t n_mats, uint32_t n_rows, uint32_t n_cols, struct fathom_error *err) {
    if (!FM_GIVEN(gpu, "gpu", err)) return NULL;
    return create_weight(gpu, type, n_mats, n_rows, n_cols, FATHOM_MEMORY_HOST, err);
}

struct fathom_weight *fathom_weight_create_in_place(struct fathom_gpu *gpu, enum fathom_type type,
    uint32_t n_mats, uint32_t n_rows, uint32_t n_cols, const void *data, struct fathom_host_range readable,
    struct fathom_error *err) {
    if (!FM_GIVEN(gpu, "gpu", err) || !FM_GIVEN(data, "data", err)) return NULL;
    uint64_t per_window;
    struct fathom_weight *w = begin_weight(gpu, type, n_mats, n_rows, n_cols, true, &per_window, err);
    if (!w) return NULL;
    const uint64_t row_size = fathom_row_size(type, n_cols), total = (uint64_t)n_mats * n_rows;
    for (uint64_t first = 0; first < total; first += per_window) {
        const uint64_t n = fm_least(per_window, total - first);
        struct fathom_buffer *buffer =
            fm_buffer_import(gpu, (const char *)data + first * row_size, window_size(n, row_size), readable);
        if (!buffer) break;
        add_window(w, first, n, buffer);
    }
    const struct fathom_slice *last = w->n_slices ? &w->slices[w->n_slices - 1] : NULL;
    if (last && last->first_row + last->n_rows == total) return w;
    fathom_weight_destroy(&w);
    fm_fail(err, FATHOM_UNSUPPORTED, "%s cannot use these bytes in place", gpu->info.name);
    return NULL;
}

void fathom_weight_destroy(struct fathom_weight **pointer) {
    struct fathom_weight *w = pointer ? *pointer : NULL;
    if (!w) return;
    for (uint32_t i = 0; i < w->n_slices; i++) fathom_buffer_destroy(&w->slices[i].view.buffer);
    free(w->slices);
    free(w);
    *pointer = NULL;
}

bool fathom_weight_upload(struct fathom_gpu *gpu, struct fathom_weight *w, uint32_t first_row,
    uint32_t n_rows, const void *data, struct fathom_error *err) {
    if (!FM_GIVEN(gpu, "gpu", err) || !FM_GIVEN(w, "weight", err) || !FM_GIVEN(data, "data", err))
        return false;
    const uint64_t row_size = fathom_row_size(w->type, w->n_cols), end = (uint64_t)first_row + n_rows,
                   total = (uint64_t)w->n_mats * w->n_rows;
    if (w->slices[0].view.buffer->gpu != gpu)
        return fm_fail(err, FATHOM_INVALID, "upload: the weight is of another gpu");
    if (end > total)
        return fm_fail(err, FATHOM_INVALID, "rows %u to %llu of a weight of %llu rows", first_row,
            (unsigned long long)end, (unsigned long long)total);
    for (uint32_t i = 0; i < w->n_slices; i++) {
        const struct fathom_slice *slice = &w->slices[i];
        const uint64_t from = first_row > slice->first_row ? first_row : slice->first_row,
                       to = fm_least(end, (uint64_t)slice->first_row + slice->n_rows);
        if (from >= to) continue;
        const uint64_t offset = (from - slice->first_row) * row_size;
        if (!fm_upload_bytes(gpu, slice->view.buffer, offset,
                (const char *)data + (from - first_row) * row_size, (to - from) * row_size, err))
            return false;
    }
    return true;
}
