// Grouped-query attention over splits of the cache.
#include "op/attention_split.h"
#include "shader_list.h"
#include "shaders/grouped_attention.h"
#include <inttypes.h>

static const struct fm_variant variants[] = {
    {.name = "plain", .shader = &fm_shader_grouped_attention},
    {.name = "heads", .shader = &fm_shader_grouped_attention_heads, .sizes = {4, 8, 16}}, // sizes: heads of a workgroup
};
const struct fm_op fm_op_grouped_attention = {"grouped_attention", variants, sizeof(variants) / sizeof(variants[0])};

uint64_t fathom_grouped_attention_scratch(uint32_t n_heads, uint32_t n_head, uint32_t max_positions) {
    return fm_attention_scratch(n_heads, n_head, max_positions);
}

void fathom_grouped_attention(struct fathom_stream *stream, const struct fathom_grouped_attention_params *params) {
    static const char op[] = "grouped_attention";
    const struct fathom_kv_cache *cache = &params->cache;
    const uint32_t n_heads = params->n_heads, n_head = cache->n_head;
    struct fm_cache checked;
    struct fm_bound_cache bound;
    struct fathom_view q, position, out;
    if (!fm_op_kv_cache(stream, op, cache, &checked) || !fm_op_multiple(stream, op, "n_heads", n_heads, cache->n_kv)) return;
    struct grouped_attention_args args = {.n_heads = n_heads, .n_kv = cache->n_kv, .n_head = n_head,
        .q_stride = fm_op_default(params->q_stride, n_heads * n_head), .n_splits = fm_attention_splits(params->max_positions),
        .max_positions = params->max_positions, .scale = params->scale};
    if (!fm_op_multiple(stream, op, "max_positions", params->max_positions, 1) ||
        !fm_op_bind_cache(stream, op, &checked, params->max_positions, &bound) ||
        !fm_attention_check(stream, op, params->n_tokens, n_heads, n_head, params->max_positions, params->scratch) ||
        !fm_op_bind(stream, op, "q", params->q, fm_op_span2(params->n_tokens, args.q_stride, n_heads, n_head, n_head), &q, &args.q_base) ||
        !fm_op_bind(stream, op, "position", params->position, 1, &position, &args.position_base) ||
        !fm_op_bind(stream, op, "out", params->out, (uint64_t)params->n_tokens * n_heads * n_head, &out, &args.out_base))
        return;
    args.page_table_base = bound.page_table_base;
    args.pages_base = bound.pages_base;
    args.n_pages = bound.n_pages;
    const struct fm_call call = {op, params->n_tokens, {cache->type, n_heads, cache->n_kv, n_head}};
    const struct fm_choice choice = fm_variant_choose(fm_stream_gpu(stream), &call, variants, fm_op_grouped_attention.n_variants, params->n_tokens);
    fm_attend_splits(stream, &(struct fm_split_attention){.op = op, .choice = choice, .plain = choice.variant == &variants[0], .cache_type = cache->type,
        .n_tokens = params->n_tokens, .max_positions = params->max_positions, .n_heads = n_heads, .n_kv = cache->n_kv, .key_width = n_head,
        .value_width = n_head, .row_size = fathom_kv_row_size(cache->type, cache->n_kv, n_head), .q = q, .position = position,
        .page_table = bound.page_table, .pages = bound.pages, .scratch = params->scratch, .counters = params->counters, .out = out,
        .n_views = choice.variant == &variants[0] ? 6 : 7, .args = &args, .args_size = sizeof(args),
        .n_splits = &args.n_splits, .scratch_base = &args.scratch_base, .counters_base = &args.counters_base, .first_token = &args.first_token});
}
