#include "op/op.h"
#include "base/sized.h"
#include "quant/types.h"
#include "shaders/quant/packed.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

const void *fm_op_params(
    struct fathom_stream *stream, const char *op, const void *params, void *known, size_t size) {
    struct fathom_error error = {0};
    char name[64];
    if (!stream) return NULL; // there is nothing to fail
    if (!params) {
        fm_stream_fail(stream, FATHOM_INVALID, "%s: params is NULL", op);
        return NULL;
    }
    if (*(const size_t *)params == size) return params;
    snprintf(name, sizeof(name), "%s: params", op);
    if (fm_sized_read(known, size, params, name, &error)) return known;
    fm_stream_fail(stream, error.status, "%s", error.message);
    return NULL;
}

uint32_t fm_op_groups(uint64_t n, uint32_t per_group) {
    const uint64_t groups = n / per_group + (n % per_group != 0);
    return groups < FM_MAX_GROUPS ? (uint32_t)groups : FM_MAX_GROUPS;
}

uint32_t fm_op_default(uint32_t value, uint32_t otherwise) {
    return value ? value : otherwise;
}

uint32_t fm_op_lanes(const struct fathom_gpu_info *info, uint32_t wanted) {
    return info->type == FATHOM_GPU_CPU && info->subgroup_size < wanted ? info->subgroup_size : wanted;
}

uint32_t fm_op_row_lanes(const struct fathom_gpu_info *info) {
    return info->min_subgroup_size > 32 ? 32 : info->min_subgroup_size;
}

bool fm_op_few_registers(const struct fathom_gpu_info *info) {
    return info->min_subgroup_size < 32 && info->type != FATHOM_GPU_CPU;
}

uint64_t fm_op_span(uint32_t n_a, uint32_t a, uint32_t n) {
    return (uint64_t)(n_a - 1) * a + n;
}

uint64_t fm_op_span2(uint32_t n_a, uint32_t a, uint32_t n_b, uint32_t b, uint32_t n) {
    return (uint64_t)(n_a - 1) * a + (uint64_t)(n_b - 1) * b + n;
}

bool fm_op_bind(struct fathom_stream *stream, const char *op, const char *name, struct fathom_view view,
    uint64_t n_words, struct fathom_view *bound, uint32_t *base) {
    if (!view.buffer) return fm_stream_fail(stream, FATHOM_INVALID, "%s: no buffer for %s", op, name);
    if (view.offset % 4)
        return fm_stream_fail(stream, FATHOM_INVALID,
            "%s: %s starts at byte %" PRIu64 ", which is not a multiple of 4", op, name, view.offset);
    if (n_words > UINT64_MAX / 4 || view.size < 4 * n_words)
        return fm_stream_fail(stream, FATHOM_INVALID, "%s: %s has %" PRIu64 " bytes, needs 4 * %" PRIu64, op,
            name, view.size, n_words);
    *bound = (struct fathom_view){view.buffer, view.offset, 4 * n_words};
    *base = fm_stream_align(stream, bound);
    const uint64_t range = fathom_gpu_get_info(fm_stream_gpu(stream))->max_storage_range;
    if (bound->size > range)
        return fm_stream_fail(stream, FATHOM_UNSUPPORTED,
            "%s: %s has %" PRIu64 " bytes, a binding of this device addresses %" PRIu64, op, name,
            bound->size, range);
    return true;
}

bool fm_op_weight(
    struct fathom_stream *stream, const char *op, const char *name, const struct fathom_weight *w) {
    if (!w) return fm_stream_fail(stream, FATHOM_INVALID, "%s: no weight for %s", op, name);
    char why[FM_ROW_REFUSAL];
    if (!fathom_row_size(w->type, w->n_cols))
        return fm_stream_fail(stream, FATHOM_INVALID, "%s: %s is no weight: %s", op, name,
            fm_type_refuse_row(w->type, w->n_cols, why));
    uint64_t n_rows = 0;
    for (uint32_t i = 0; i < w->n_slices; i++) n_rows += w->slices[i].n_rows;
    if (!n_rows || n_rows != (uint64_t)w->n_mats * w->n_rows)
        return fm_stream_fail(stream, FATHOM_INVALID,
            "%s: %s has %" PRIu64 " rows in its slices, wanted %" PRIu32 " * %" PRIu32, op, name, n_rows,
            w->n_mats, w->n_rows);
    return true;
}

#define CASE(T, NAME) case FATHOM_##T:
bool fm_op_packed(enum fathom_type type) {
    switch (type) {
        PACKED_TYPES(CASE)
        return true;
    default: return false;
    }
}

bool fm_op_multiple(
    struct fathom_stream *stream, const char *op, const char *name, uint32_t value, uint32_t unit) {
    if (value && value % unit == 0) return true;
    return fm_stream_fail(stream, FATHOM_INVALID,
        "%s: %s is %" PRIu32 ", wanted a multiple of %" PRIu32 " above 0", op, name, value, unit);
}

bool fm_op_eps(struct fathom_stream *stream, const char *op, float eps) {
    if (isfinite(eps) && eps >= 0.0f) return true;
    return fm_stream_fail(stream, FATHOM_INVALID, "%s: eps is %g, wanted 0 or more", op, (double)eps);
}

bool fm_op_rope_table(struct fathom_stream *stream, const char *op, struct fathom_view view,
    uint32_t n_tokens, uint32_t n_rope, struct fathom_view *bound, uint32_t *base, uint32_t *n_positions) {
    const uint64_t rows = view.size / 4 / n_rope;
    if (rows < n_tokens)
        return fm_stream_fail(stream, FATHOM_INVALID,
            "%s: rope_table has %" PRIu64 " positions, needs %" PRIu32, op, rows, n_tokens);
    *n_positions = (uint32_t)rows;
    return fm_op_bind(stream, op, "rope_table", view, rows * n_rope, bound, base);
}
