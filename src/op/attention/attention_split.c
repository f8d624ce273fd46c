#include "op/attention/attention_split.h"
#include <inttypes.h>
#include <string.h>

// Workgroups loop over splits, so that a recording made for a long context costs little at its beginning.
// One workgroup merges few splits sooner than another dispatch would begin.
enum { MAX_SPLIT_GROUPS = 64, LANES = 128, MAX_MERGED_LAST = 16, COOP_GROUPS = 128 };

uint32_t fm_attention_splits(uint32_t max_positions) {
    return (uint32_t)(((uint64_t)max_positions + FATHOM_SPLIT - 1) / FATHOM_SPLIT);
}

static uint64_t partial_bytes(uint32_t n_splits, uint32_t n_heads, uint32_t value_width) {
    return (uint64_t)n_splits * n_heads * ((uint64_t)value_width + 2) * 4;
}

uint64_t fm_attention_scratch(uint32_t n_heads, uint32_t value_width, uint32_t max_positions) {
    return partial_bytes(fm_attention_splits(max_positions), n_heads, value_width);
}

bool fm_attention_check(struct fathom_stream *stream, const char *op, uint32_t n_tokens, uint32_t n_heads, uint32_t value_width, uint32_t max_positions,
    struct fathom_view scratch) {
    if (!fm_op_multiple(stream, op, "n_tokens", n_tokens, 1) || !fm_op_multiple(stream, op, "n_heads", n_heads, 1)) return false;
    if (n_heads > FM_MAX_GROUPS || n_tokens > max_positions)
        return fm_stream_fail(stream, FATHOM_INVALID, "%s: %" PRIu32 " heads and %" PRIu32 " tokens, at most %d and the %" PRIu32 " positions", op, n_heads,
            n_tokens, FM_MAX_GROUPS, max_positions);
    const uint64_t one = fm_attention_scratch(n_heads, value_width, max_positions);
    return scratch.size >= one || fm_stream_fail(stream, FATHOM_INVALID, "%s: scratch has %" PRIu64 " bytes, needs %" PRIu64 " for %" PRIu32 " positions", op,
                                      scratch.size, one, max_positions);
}

// Heads of a workgroup of the better variant: as many as leave the device enough workgroups, and no more than share a key. A recording for one
// token, or for one and its drafts, is mostly replayed at a fraction of the positions that it is made for.
static uint32_t heads_at_once(const struct fathom_gpu_info *info, const struct fm_split_attention *a) {
    const uint64_t splits = a->n_tokens <= 1 + FATHOM_MAX_DRAFTS && *a->n_splits > 8 ? 8 : *a->n_splits;
    const uint64_t enough = info->type == FATHOM_GPU_CPU ? 16 : 64;
    const uint32_t of_kv = a->n_heads / a->n_kv;
    uint32_t heads = 16;
    while (heads > 4 && (heads >= 2 * of_kv || (of_kv + heads - 1) / heads * a->n_kv * splits * a->n_tokens < enough)) heads /= 2;
    return heads;
}

// How many tokens go at once: what the scratch and one binding hold, and no more work than a dispatch should be.
static uint32_t tokens_at_once(struct fathom_stream *stream, const struct fm_split_attention *a, uint64_t token_scratch, double token_flops) {
    const struct fathom_gpu_info *info = fathom_gpu_get_info(fm_stream_gpu(stream));
    const uint64_t range = info->max_storage_range - info->storage_alignment;
    uint64_t n = (a->scratch.size < range ? a->scratch.size : range) / token_scratch;
    if (n > a->n_tokens) n = a->n_tokens;
    if (n > FM_MAX_GROUPS) n = FM_MAX_GROUPS;
    if (n > 1 && (double)n * token_flops > FM_MAX_DISPATCH_FLOPS) n = (uint64_t)(FM_MAX_DISPATCH_FLOPS / token_flops) + 1;
    return n ? (uint32_t)n : 1;
}

// The heads, splits and constants of a variant; groups: workgroups that loop over the splits; spec: the constants from 4 on.
struct shape {
    uint32_t heads, n_splits, groups;
    uint32_t spec[FM_MAX_SPEC - 4], n_spec, subgroup_size;
    bool merge_last;
};

static struct shape shape_of(struct fathom_stream *stream, const struct fm_split_attention *a) {
    const struct fathom_gpu_info *info = fathom_gpu_get_info(fm_stream_gpu(stream));
    const uint32_t n_splits = *a->n_splits, of_kv = a->n_heads / a->n_kv;
    if (!a->coop.rows) {
        const uint32_t heads = a->plain ? FM_SPLIT_HEADS_PLAIN : a->choice.size ? a->choice.size : heads_at_once(info, a);
        const bool merge_last = !a->plain && a->counters.buffer && n_splits <= MAX_MERGED_LAST;
        return (struct shape){heads, n_splits, n_splits < MAX_SPLIT_GROUPS ? n_splits : MAX_SPLIT_GROUPS,
            {fm_op_lanes(stream, LANES), heads, info->type != FATHOM_GPU_CPU, merge_last, [7] = fm_op_few_registers(info) && heads > 8 ? 8 : heads},
            a->plain ? 11 : 12, 0, merge_last};
    }
    // a workgroup has one split, which grows with the context: as many as fill a card
    const uint64_t others = (uint64_t)a->n_tokens * a->n_kv * ((of_kv - 1) / a->coop.rows + 1), wanted = (COOP_GROUPS + others - 1) / others;
    const uint32_t n = wanted < n_splits ? (uint32_t)wanted : n_splits;
    struct shape shape = {a->coop.rows, n, n, {0}, 11 + FM_MATRIX_ATTENTION_SPEC, a->coop.subgroup_size, false};
    memcpy(shape.spec + 7, a->coop.spec, sizeof(a->coop.spec));
    return shape;
}

void fm_attend_splits(struct fathom_stream *stream, const struct fm_split_attention *a) {
    const struct shape shape = shape_of(stream, a);
    const uint32_t of_kv = a->n_heads / a->n_kv, head_groups = a->n_kv * ((of_kv + shape.heads - 1) / shape.heads);
    const double positions = a->selected.buffer || a->window ? a->max_positions : a->max_positions - 0.5 * (a->n_tokens - 1);
    const double token_flops = 2.0 * a->n_heads * positions * ((double)a->key_width + a->value_width);
    const uint64_t partial = partial_bytes(shape.n_splits, a->n_heads, a->value_width);
    const uint32_t batch = tokens_at_once(stream, a, partial, token_flops);
    *a->n_splits = shape.n_splits;
    struct fathom_view scratch, counters = {0};
    if (!fm_op_bind(stream, a->op, "scratch", a->scratch, partial / 4 * batch, &scratch, a->scratch_base)) return;
    if (shape.merge_last && !fm_op_bind(stream, a->op, "counters", a->counters, (uint64_t)batch * head_groups, &counters, a->counters_base)) return;
    for (uint32_t t = 0; t < a->n_tokens; t += batch) {
        const uint32_t n = a->n_tokens - t < batch ? a->n_tokens - t : batch;
        *a->first_token = t;
        struct fm_dispatch dispatch = {
            .op = a->op,
            .variant = a->choice.variant,
            .spec = {a->cache_type, FATHOM_PAGE, FATHOM_SPLIT, false},
            .n_spec = shape.n_spec,
            .subgroup_size = shape.subgroup_size,
            .views = {a->q, a->position, a->page_table, a->pages, scratch, shape.merge_last ? a->out : (struct fathom_view){0}, counters, a->selected,
                a->sinks},
            .n_views = a->n_views,
            .args = a->args,
            .args_size = a->args_size,
            .groups = {shape.groups, head_groups, n},
            .flops = n * token_flops,
            .bytes = positions * (double)a->row_size + n * (4.0 * a->n_heads * a->key_width + (double)partial),
        };
        memcpy(dispatch.spec + 4, shape.spec, sizeof(shape.spec));
        dispatch.spec[8] = a->selected.buffer != NULL, dispatch.spec[9] = a->window, dispatch.spec[10] = a->sinks.buffer != NULL;
        fm_stream_dispatch(stream, &dispatch);
        if (shape.merge_last) continue;
        dispatch.spec[3] = true;
        dispatch.views[5] = a->out;
        dispatch.groups[0] = 1;
        dispatch.groups[1] = a->n_heads;
        dispatch.flops = n * (double)partial / 2;
        dispatch.bytes = n * ((double)partial + 4.0 * a->n_heads * a->value_width);
        fm_stream_dispatch(stream, &dispatch);
    }
}
