// Weights in device memory, cut into windows that a binding can address.
#include "file/types.h"
#include "gpu/internal.h"
#include <stdlib.h>

uint64_t fathom_row_size(enum fathom_type type, uint32_t n_cols) {
    const struct fm_type_info *info = fm_type_info(type);
    const uint32_t unit = info && info->block > 1 ? info->block : 4; // shaders read floats by fours
    return info && info->supported && n_cols % unit == 0 ? (uint64_t)n_cols / info->block * info->bytes : 0;
}

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

// Rows of one window: as many as fit, in units of a matrix where there are several. 0: not even one unit fits.
static uint64_t rows_per_window(const struct fathom_gpu *gpu, const struct fathom_weight *w, uint64_t row_size) {
    const uint64_t limit = least(least(gpu->info.max_storage_range, gpu->info.max_allocation), UINT32_MAX) - 4; // a word for rounding up
    const uint64_t unit = w->n_mats > 1 ? w->n_rows : 1;
    return limit / (row_size * unit) * unit;
}

struct fathom_weight *fathom_weight_create(struct fathom_gpu *gpu, enum fathom_type type, uint32_t n_mats, uint32_t n_rows, uint32_t n_cols, struct fathom_error *err) {
    const uint64_t row_size = fathom_row_size(type, n_cols), total = (uint64_t)n_mats * n_rows;
    struct fathom_weight *w = NULL;
    if (row_size == 0 || total == 0 || total > UINT32_MAX) {
        fm_fail(err, FATHOM_INVALID, "a weight of [%u][%u][%u] elements of type %d is not possible", n_mats, n_rows, n_cols, (int)type);
        return NULL;
    }
    if (!(w = calloc(1, sizeof(*w)))) goto no_memory;
    *w = (struct fathom_weight){.type = type, .n_mats = n_mats, .n_rows = n_rows, .n_cols = n_cols};
    const uint64_t per_window = rows_per_window(gpu, w, row_size);
    if (per_window == 0) {
        fm_fail(err, FATHOM_UNSUPPORTED, "one matrix of %u rows of %llu bytes is more than %s can address at once", n_mats > 1 ? n_rows : 1,
            (unsigned long long)row_size, gpu->info.name);
        goto fail;
    }
    const uint64_t n_windows = (total + per_window - 1) / per_window;
    if (!(w->windows = calloc(n_windows, sizeof(*w->windows)))) goto no_memory;
    for (uint64_t first = 0; first < total; first += per_window) {
        struct fathom_window *window = &w->windows[w->n_windows];
        *window = (struct fathom_window){.first_row = (uint32_t)first, .n_rows = (uint32_t)least(per_window, total - first)};
        // decoders fetch whole words, and the word after
        struct fathom_buffer *buffer = fm_buffer_create_raw(gpu, (window->n_rows * row_size + 7) / 4 * 4, FATHOM_MEMORY_DEVICE, err);
        if (!buffer) goto fail;
        window->view = fathom_buffer_view(buffer);
        w->n_windows++;
    }
    return w;
no_memory:
    fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
fail:
    fathom_weight_destroy(&w);
    return NULL;
}

void fathom_weight_destroy(struct fathom_weight **pointer) {
    struct fathom_weight *w = pointer ? *pointer : NULL;
    if (!w) return;
    for (uint32_t i = 0; i < w->n_windows; i++) fathom_buffer_destroy(&w->windows[i].view.buffer);
    free(w->windows);
    free(w);
    *pointer = NULL;
}

bool fathom_weight_upload(struct fathom_gpu *gpu, struct fathom_weight *w, uint32_t first_row, uint32_t n_rows, const void *data, struct fathom_error *err) {
    const uint64_t row_size = fathom_row_size(w->type, w->n_cols), end = (uint64_t)first_row + n_rows, total = (uint64_t)w->n_mats * w->n_rows;
    if (end > total)
        return fm_fail(err, FATHOM_INVALID, "rows %u to %llu of a weight of %llu rows", first_row, (unsigned long long)end, (unsigned long long)total);
    for (uint32_t i = 0; i < w->n_windows; i++) {
        const struct fathom_window *window = &w->windows[i];
        const uint64_t from = first_row > window->first_row ? first_row : window->first_row, to = least(end, (uint64_t)window->first_row + window->n_rows);
        if (from >= to) continue;
        const uint64_t offset = (from - window->first_row) * row_size;
        if (!fm_upload_bytes(gpu, window->view.buffer, offset, (const char *)data + (from - first_row) * row_size, (to - from) * row_size, err)) return false;
    }
    return true;
}
