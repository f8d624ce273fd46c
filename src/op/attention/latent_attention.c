// Absorbed multi-head latent attention over splits of the cache.
#include "op/attention/attention_split.h"
#include "op/matmul/matrix_tile.h"
#include "shader_list.h"
#include "shaders/attention/latent_attention.h"
#include <inttypes.h>

static const struct fm_variant variants[] = {
    {
        .name = "plain",
        .shader = &fm_shader_latent_attention,
        .does = FM_DOES_SPLITS,
        .shape = fm_shape_splits_plain,
    },
    {
        .name = "heads",
        .shader = &fm_shader_latent_attention_heads,
        .does = FM_DOES_SPLITS | FM_DOES_MERGE,
        .sizes = {4, 8, 16},
        .shape = fm_shape_splits_heads,
    }, // sizes: heads of a workgroup
    // with fewer heads, a card waits for reads of the cache
    {
        .name = "coop",
        .shader = &fm_shader_latent_attention_coop,
        .needs = FM_MATRIX_TILE_NEEDS,
        .takes = FM_CALL_TILES,
        .does = FM_DOES_SPLITS,
        .min_tokens = 32,
        .card_only = true,
        .sizes = {16, 32},
        .shape = fm_shape_splits_coop,
    },
};
const struct fm_op fm_op_latent_attention = {
    "latent_attention", variants, sizeof(variants) / sizeof(variants[0])};

uint64_t fathom_latent_attention_scratch(uint32_t n_heads, uint32_t kv_rank, uint32_t max_positions) {
    return fm_attention_scratch(n_heads, kv_rank, max_positions);
}

void fathom_latent_attention(
    struct fathom_stream *stream, const struct fathom_latent_attention_params *params) {
    static const char op[] = "latent_attention";
    if (!(params = FM_OP_PARAMS(stream, op, fathom_latent_attention_params, params))) return;
    const struct fathom_latent_cache *cache = &params->cache;
    const uint32_t n_heads = params->n_heads, width = cache->kv_rank + cache->n_rope;
    const uint64_t n = (uint64_t)params->n_tokens * n_heads;
    struct fm_cache checked;
    struct fm_bound_cache bound;
    struct fathom_view q, position, out, selected = {0}, sinks = {0};
    struct latent_attention_args args = {
        .n_heads = n_heads,
        .kv_rank = cache->kv_rank,
        .n_rope = cache->n_rope,
        .n_splits = fm_attention_splits(params->max_positions),
        .max_positions = params->max_positions,
        .top_k = params->top_k,
        .sliding_window = params->sliding_window,
        .ratio = params->ratio,
        .first_compressed = params->first_compressed,
        .scale = params->scale,
    };
    // without a list, rows are taken in order
    const bool sparse = params->selected.buffer, list = sparse || params->sliding_window;
    if (!params->sliding_window && params->ratio != 0) {
        fm_stream_fail(stream, FATHOM_INVALID,
            "%s: compressed rows of %" PRIu32 " positions without a sliding_window", op, params->ratio);
        return;
    }
    if (sparse && !params->sliding_window && params->top_k < params->max_positions) {
        fm_stream_fail(stream, FATHOM_INVALID,
            "%s: %" PRIu32 " positions are selected, max_positions is %" PRIu32, op, params->top_k,
            params->max_positions);
        return;
    }
    if (!fm_op_latent_cache(stream, op, cache, &checked) ||
        !fm_op_multiple(stream, op, "max_positions", params->max_positions, 1) ||
        !fm_op_bind_cache(stream, op, &checked, list ? 0 : params->max_positions, &bound) ||
        !fm_attention_check(stream, op, list ? 1 : params->n_tokens, n_heads, cache->kv_rank,
            params->max_positions, params->scratch) ||
        !fm_op_multiple(stream, op, "n_tokens", params->n_tokens, 1) ||
        (sparse &&
            !fm_op_bind(stream, op, "selected", params->selected, (uint64_t)params->n_tokens * params->top_k,
                &selected, &args.selected_base)) ||
        (params->sinks.buffer &&
            !fm_op_bind(stream, op, "sinks", params->sinks, n_heads, &sinks, &args.sinks_base)) ||
        !fm_op_bind(stream, op, "q", params->q, n * width, &q, &args.q_base) ||
        !fm_op_bind(stream, op, "position", params->position, 1, &position, &args.position_base) ||
        !fm_op_bind(stream, op, "out", params->out, n * cache->kv_rank, &out, &args.out_base))
        return;
    args.page_table_base = bound.page_table_base;
    args.pages_base = bound.pages_base;
    args.n_pages = bound.n_pages;
    const struct fathom_gpu_info *info = fathom_gpu_get_info(fm_stream_gpu(stream));
    struct fm_attention_call shape_call = {
        info, params->n_tokens, n_heads, 1, width, cache->kv_rank, params->max_positions, 0};
    const uint32_t is = fm_attention_tiles(info,
        &(struct fm_matrix_attention_work){n_heads, width, cache->kv_rank, .same_rows = true, .size = 0});
    const struct fm_call call = {
        op, params->n_tokens, {cache->type, n_heads, cache->kv_rank, cache->n_rope}, is};
    const struct fm_choice choice =
        fm_stream_choose(stream, &call, variants, fm_op_latent_attention.n_variants, n_heads);
    shape_call.size = choice.size;
    fm_attend_splits(stream,
        &(struct fm_split_attention){
            .op = op,
            .variant = choice.variant,
            .call = &shape_call,
            .cache_type = cache->type,
            .row_size = fathom_latent_row_size(cache->type, cache->kv_rank, cache->n_rope),
            .positions = list ? params->max_positions : params->max_positions - 0.5 * (params->n_tokens - 1),
            .q = q,
            .position = position,
            .page_table = bound.page_table,
            .pages = bound.pages,
            .scratch = params->scratch,
            .counters = params->counters,
            .selected = selected,
            .sinks = sinks,
            .constants = (struct fm_constant[]){{"SELECTED", sparse},
                {"SLIDING_WINDOW", params->sliding_window != 0}, {"SINKS", sinks.buffer != NULL}, {0}},
            .n_views = 9,
            .out = out,
            .args = &args,
            .args_size = sizeof(args),
            .n_splits = &args.n_splits,
            .scratch_base = &args.scratch_base,
            .counters_base = &args.counters_base,
            .first_token = &args.first_token,
        });
}
