#include "op/attention/attention_split.h"
#include <inttypes.h>
#include <string.h>

// Workgroups loop over splits, so that a recording made for a long context is cheap while the text is short.
// One workgroup merges a few splits sooner than another dispatch would begin.
enum { MAX_SPLIT_GROUPS = 64, LANES = 128, MAX_MERGED_LAST = 16, COOP_GROUPS = 128, HEADS_PLAIN = 4 };

uint32_t fm_attention_splits(uint32_t max_positions) {
    return (uint32_t)(((uint64_t)max_positions + FATHOM_SPLIT - 1) / FATHOM_SPLIT);
}

static uint64_t partial_bytes(uint32_t n_splits, uint32_t n_heads, uint32_t value_width) {
    return (uint64_t)n_splits * n_heads * ((uint64_t)value_width + 2) * 4;
}

uint64_t fm_attention_scratch(uint32_t n_heads, uint32_t value_width, uint32_t max_positions) {
    return partial_bytes(fm_attention_splits(max_positions), n_heads, value_width);
}

bool fm_attention_check(struct fathom_stream *stream, const char *op, uint32_t n_tokens, uint32_t n_heads,
    uint32_t value_width, uint32_t max_positions, struct fathom_view scratch) {
    if (!fm_op_multiple(stream, op, "n_tokens", n_tokens, 1) ||
        !fm_op_multiple(stream, op, "n_heads", n_heads, 1))
        return false;
    if (n_heads > FM_MAX_GROUPS || n_tokens > max_positions)
        return fm_stream_fail(stream, FATHOM_INVALID,
            "%s: %" PRIu32 " heads and %" PRIu32 " tokens, at most %d and the %" PRIu32 " positions", op,
            n_heads, n_tokens, FM_MAX_GROUPS, max_positions);
    const uint64_t one = fm_attention_scratch(n_heads, value_width, max_positions);
    return scratch.size >= one ||
        fm_stream_fail(stream, FATHOM_INVALID,
            "%s: scratch has %" PRIu64 " bytes, needs %" PRIu64 " for %" PRIu32 " positions", op,
            scratch.size, one, max_positions);
}

// Heads of a workgroup for fm_shape_splits_heads: as many as leave the device enough workgroups, and no more
// than share a key. A recording for one token, or for one and its drafts, is counted as 8 splits at most,
// because most replays see a fraction of the positions that it is made for.
static uint32_t heads_at_once(const struct fm_attention_call *c) {
    const uint64_t all = fm_attention_splits(c->max_positions),
                   splits = c->n_tokens <= 1 + FATHOM_MAX_DRAFTS && all > 8 ? 8 : all;
    const uint64_t enough = c->info->type == FATHOM_GPU_CPU ? 16 : 64;
    const uint32_t of_kv = c->n_heads / c->n_kv;
    uint32_t heads = 16;
    while (heads > 4 &&
        (heads >= 2 * of_kv || (of_kv + heads - 1) / heads * c->n_kv * splits * c->n_tokens < enough))
        heads /= 2;
    return heads;
}

static struct fm_shape loop_over_splits(const struct fm_attention_call *c, uint32_t heads) {
    const uint32_t n = fm_attention_splits(c->max_positions);
    return (struct fm_shape){
        .rows = heads,
        .splits = n,
        .groups = n < MAX_SPLIT_GROUPS ? n : MAX_SPLIT_GROUPS,
    };
}

struct fm_shape fm_shape_splits_plain(const void *call) {
    return loop_over_splits(call, HEADS_PLAIN);
}

struct fm_shape fm_shape_splits_heads(const void *call) {
    const struct fm_attention_call *c = call;
    const uint32_t heads = c->size ? c->size : heads_at_once(c);
    struct fm_shape shape = loop_over_splits(c, heads);
    const struct fm_constant constants[] = {{"LANES", fm_op_lanes(c->info, LANES)}, {"HEADS", heads},
        {"STAGED", c->info->type != FATHOM_GPU_CPU},
        {"AT_ONCE", fm_op_few_registers(c->info) && heads > 8 ? 8 : heads}};
    memcpy(shape.constants, constants, sizeof(constants));
    return shape;
}

struct fm_shape fm_shape_splits_coop(const void *call) {
    const struct fm_attention_call *c = call;
    const uint32_t of_kv = c->n_heads / c->n_kv, n_splits = fm_attention_splits(c->max_positions);
    struct fm_shape shape = fm_matrix_attention(c->info,
        &(struct fm_matrix_attention_work){
            of_kv, c->key_width, c->value_width, .same_rows = true, .size = c->size});
    // a workgroup has one split, whose length grows with the context; the number of splits fills a card
    const uint64_t others = (uint64_t)c->n_tokens * c->n_kv * ((of_kv - 1) / shape.rows + 1),
                   wanted = (COOP_GROUPS + others - 1) / others;
    shape.splits = shape.groups = wanted < n_splits ? (uint32_t)wanted : n_splits;
    return shape;
}

// Tokens of a dispatch: as many as the scratch and one binding hold, and at most about FM_MAX_DISPATCH_FLOPS
// of work.
static uint32_t tokens_at_once(
    const struct fm_split_attention *a, uint64_t token_scratch, double token_flops) {
    const struct fathom_gpu_info *info = a->call->info;
    const uint64_t range = info->max_storage_range - info->storage_alignment;
    uint64_t n = (a->scratch.size < range ? a->scratch.size : range) / token_scratch;
    if (n > a->call->n_tokens) n = a->call->n_tokens;
    if (n > FM_MAX_GROUPS) n = FM_MAX_GROUPS;
    if (n > 1 && (double)n * token_flops > FM_MAX_DISPATCH_FLOPS)
        n = (uint64_t)(FM_MAX_DISPATCH_FLOPS / token_flops) + 1;
    return n ? (uint32_t)n : 1;
}

void fm_attend_splits(struct fathom_stream *stream, const struct fm_split_attention *a) {
    const struct fm_attention_call *c = a->call;
    const struct fm_shape shape = fm_variant_shape(a->variant, c);
    const bool merges = a->variant->does & FM_DOES_MERGE,
               merge_last = merges && a->counters.buffer && shape.splits <= MAX_MERGED_LAST;
    const uint32_t of_kv = c->n_heads / c->n_kv,
                   head_groups = c->n_kv * ((of_kv + shape.rows - 1) / shape.rows);
    const double token_flops = 2.0 * c->n_heads * a->positions * ((double)c->key_width + c->value_width);
    const uint64_t partial = partial_bytes(shape.splits, c->n_heads, c->value_width);
    const uint32_t batch = tokens_at_once(a, partial, token_flops);
    *a->n_splits = shape.splits;
    struct fathom_view scratch, counters = {0};
    if (!fm_op_bind(stream, a->op, "scratch", a->scratch, partial / 4 * batch, &scratch, a->scratch_base))
        return;
    if (merge_last &&
        !fm_op_bind(stream, a->op, "counters", a->counters, (uint64_t)batch * head_groups, &counters,
            a->counters_base))
        return;
    for (uint32_t t = 0; t < c->n_tokens; t += batch) {
        const uint32_t n = c->n_tokens - t < batch ? c->n_tokens - t : batch;
        *a->first_token = t;
        struct fm_dispatch dispatch = {
            .op = a->op,
            .variant = a->variant,
            .constants = {{"CACHE", a->cache_type}, {"PAGE", FATHOM_PAGE}, {"SPLIT", FATHOM_SPLIT}},
            .subgroup_size = shape.subgroup_size,
            .views = {a->q, a->position, a->page_table, a->pages, scratch,
                merge_last ? a->out : (struct fathom_view){0}, counters, a->selected, a->sinks},
            .n_views = a->n_views,
            .args = a->args,
            .args_size = a->args_size,
            .groups = {shape.groups, head_groups, n},
            .flops = n * token_flops,
            .bytes =
                a->positions * (double)a->row_size + n * (4.0 * c->n_heads * c->key_width + (double)partial),
        };
        if (a->constants) fm_dispatch_add(&dispatch, a->constants);
        fm_dispatch_add(&dispatch, shape.constants);
        if (merges) fm_dispatch_add(&dispatch, (struct fm_constant[]){{"MERGE_LAST", merge_last}, {0}});
        struct fm_dispatch merge = dispatch;
        fm_dispatch_add(&dispatch, (struct fm_constant[]){{"MERGE", false}, {0}});
        fm_stream_dispatch(stream, &dispatch);
        if (merge_last) continue;
        fm_dispatch_add(&merge, (struct fm_constant[]){{"MERGE", true}, {0}});
        merge.views[5] = a->out;
        merge.groups[0] = 1;
        merge.groups[1] = c->n_heads;
        merge.flops = n * (double)partial / 2;
        merge.bytes = n * ((double)partial + 4.0 * c->n_heads * c->value_width);
        fm_stream_dispatch(stream, &merge);
    }
}
