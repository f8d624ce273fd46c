#include "op/experts/expert_slice.h"
#include <inttypes.h>

const struct fathom_slice *fm_expert_slice(struct fathom_stream *stream, const char *op,
    const struct fathom_weight *w, uint32_t row, uint32_t *end) {
    for (uint32_t i = 0; i < w->n_slices; i++) {
        const struct fathom_slice *slice = &w->slices[i];
        if (row < slice->first_row || row - slice->first_row >= slice->n_rows) continue;
        if (*end > slice->first_row + slice->n_rows) *end = slice->first_row + slice->n_rows;
        return slice;
    }
    fm_stream_fail(stream, FATHOM_INVALID,
        "%s: row %" PRIu32 " of a weight is in none of its %" PRIu32 " slices", op, row, w->n_slices);
    return NULL;
}

bool fm_expert_packed(const struct fathom_weight *a, const struct fathom_weight *b) {
    return (!a || fm_op_packed(a->type)) && (!b || fm_op_packed(b->type));
}

uint32_t fm_expert_count(const struct fathom_expert_part *part, const struct fathom_weight *w) {
    return !w ? 0 : part->n_experts ? part->n_experts : w->n_mats;
}

bool fm_expert_is_first(const struct fathom_expert_part *part) {
    return !part->n_experts || part->round == 0;
}

bool fm_expert_is_last(const struct fathom_expert_part *part) {
    return !part->n_experts || part->round + 1 == part->n_rounds;
}

bool fm_expert_check_part(struct fathom_stream *stream, const char *op, const char *name,
    const struct fathom_expert_part *part, const struct fathom_weight *w) {
    if (!part->n_experts) return true;
    if (!w) return fm_stream_fail(stream, FATHOM_INVALID, "%s: a part of the experts, without experts", op);
    if (part->round >= part->n_rounds)
        return fm_stream_fail(stream, FATHOM_INVALID,
            "%s: round %" PRIu32 " of %" PRIu32 ", wanted a number below", op, part->round, part->n_rounds);
    if (w->n_slices != part->n_rounds || w->n_mats % part->n_rounds)
        return fm_stream_fail(stream, FATHOM_INVALID,
            "%s: %s has %" PRIu32 " matrices in %" PRIu32
            " slices, wanted a slice of as many for each of %" PRIu32 " rounds",
            op, name, w->n_mats, w->n_slices, part->n_rounds);
    const uint32_t n_slots = w->n_mats / part->n_rounds;
    if (n_slots > part->n_experts)
        return fm_stream_fail(stream, FATHOM_INVALID, "%s: %s has %" PRIu32 " slots for %" PRIu32 " experts",
            op, name, n_slots, part->n_experts);
    for (uint32_t i = 0; i < w->n_slices; i++)
        if (w->slices[i].first_row != i * n_slots * w->n_rows || w->slices[i].n_rows != n_slots * w->n_rows)
            return fm_stream_fail(stream, FATHOM_INVALID,
                "%s: slice %" PRIu32 " of %s has rows %" PRIu32 " + %" PRIu32 ", wanted %" PRIu32
                " + %" PRIu32,
                op, i, name, w->slices[i].first_row, w->slices[i].n_rows, i * n_slots * w->n_rows,
                n_slots * w->n_rows);
    return true;
}
