// Absorbed attention: a dispatch over splits of the cache, and one that merges them; tokens go in batches that the scratch holds.
#include "shaders/latent_attention.h"
#include "op/latent_cache.h"
#include "shader_list.h"
#include <inttypes.h>

static const struct fm_variant variants[] = {
    {.name = "plain", .shader = &fm_shader_latent_attention},
    {.name = "heads", .shader = &fm_shader_latent_attention_heads, .sizes = {4, 8, 16}}, // sizes: heads of a workgroup
};
const struct fm_op fm_op_latent_attention = {"latent_attention", variants, sizeof(variants) / sizeof(variants[0])};

// Workgroups loop over splits, so that a recording made for a long context costs little at its beginning.
enum { MAX_SPLIT_GROUPS = 64, PLAIN_HEADS = 4 /* as the shader says */, LANES = 128 };

uint64_t fathom_latent_attention_scratch(uint32_t n_heads, uint32_t kv_rank, uint32_t max_positions) {
    return ((uint64_t)max_positions + FATHOM_SPLIT - 1) / FATHOM_SPLIT * n_heads * ((uint64_t)kv_rank + 2) * 4;
}

// Heads of a workgroup of the better variant: as many as leave the device enough workgroups. A recording for one token, or for one and its
// drafts, is mostly replayed at a fraction of the positions that it is made for.
static uint32_t heads_at_once(const struct fathom_gpu_info *info, const struct fathom_latent_attention_params *params, uint32_t n_splits) {
    const uint64_t splits = params->n_tokens <= 1 + FATHOM_MAX_DRAFTS && n_splits > 8 ? 8 : n_splits, enough = info->type == FATHOM_GPU_CPU ? 16 : 64;
    uint32_t heads = 16;
    while (heads > 4 && (params->n_heads + heads - 1) / heads * splits * params->n_tokens < enough) heads /= 2;
    return heads;
}

// How many tokens go at once: what the scratch and one binding hold, and no more work than a dispatch should be.
static uint32_t tokens_at_once(struct fathom_stream *stream, const struct fathom_latent_attention_params *params, double token_flops) {
    const uint64_t one = fathom_latent_attention_scratch(params->n_heads, params->cache.kv_rank, params->max_positions);
    const struct fathom_gpu_info *info = fathom_gpu_get_info(fm_stream_gpu(stream));
    const uint64_t range = info->max_storage_range - info->storage_alignment;
    uint64_t n = (params->scratch.size < range ? params->scratch.size : range) / one;
    if (n > params->n_tokens) n = params->n_tokens;
    if (n > FM_MAX_GROUPS) n = FM_MAX_GROUPS;
    if (n > 1 && (double)n * token_flops > FM_MAX_DISPATCH_FLOPS) n = (uint64_t)(FM_MAX_DISPATCH_FLOPS / token_flops) + 1;
    return n ? (uint32_t)n : 1;
}

static bool attention_prepare(struct fathom_stream *stream, const char *op, const struct fathom_latent_attention_params *params,
    struct latent_attention_args *args, struct fathom_view views[6]) {
    const struct fathom_latent_cache *cache = &params->cache;
    const uint64_t width = (uint64_t)cache->kv_rank + cache->n_rope, n = (uint64_t)params->n_tokens * params->n_heads;
    if (!fm_op_multiple(stream, op, "n_tokens", params->n_tokens, 1) || !fm_op_multiple(stream, op, "n_heads", params->n_heads, 1) ||
        !fm_op_cache(
            stream, op, cache, params->max_positions, &views[2], &args->page_table_base, &views[3], &args->pages_base, &args->n_pages))
        return false;
    if (params->n_heads > FM_MAX_GROUPS || params->n_tokens > params->max_positions)
        return fm_stream_fail(stream, FATHOM_INVALID,
            "%s: %" PRIu32 " heads and %" PRIu32 " tokens, at most %d and the %" PRIu32 " positions", op, params->n_heads, params->n_tokens,
            FM_MAX_GROUPS, params->max_positions);
    const uint64_t one = fathom_latent_attention_scratch(params->n_heads, cache->kv_rank, params->max_positions);
    if (params->scratch.size < one)
        return fm_stream_fail(stream, FATHOM_INVALID, "%s: scratch has %" PRIu64 " bytes, needs %" PRIu64 " for %" PRIu32 " positions", op,
            params->scratch.size, one, params->max_positions);
    args->n_heads = params->n_heads;
    args->kv_rank = cache->kv_rank;
    args->n_rope = cache->n_rope;
    args->n_splits = (uint32_t)(one / 4 / params->n_heads / (cache->kv_rank + 2));
    args->max_positions = params->max_positions;
    args->scale = params->scale;
    return fm_op_bind(stream, op, "q", params->q, n * width, &views[0], &args->q_base) &&
           fm_op_bind(stream, op, "position", params->position, 1, &views[1], &args->position_base) &&
           fm_op_bind(stream, op, "out", params->out, n * cache->kv_rank, &views[5], &args->out_base);
}

void fathom_latent_attention(struct fathom_stream *stream, const struct fathom_latent_attention_params *params) {
    static const char op[] = "latent_attention";
    const struct fathom_latent_cache *cache = &params->cache;
    const uint32_t n_heads = params->n_heads;
    struct latent_attention_args args = {0};
    struct fathom_view views[6];
    if (!attention_prepare(stream, op, params, &args, views)) return;

    const struct fathom_gpu_info *info = fathom_gpu_get_info(fm_stream_gpu(stream));
    const bool on_cpu = info->type == FATHOM_GPU_CPU;
    const struct fm_call call = {op, params->n_tokens, {cache->type, n_heads, cache->kv_rank, cache->n_rope}};
    const struct fm_choice choice =
        fm_variant_choose(fm_stream_gpu(stream), &call, variants, fm_op_latent_attention.n_variants, params->n_tokens);
    const struct fm_variant *variant = choice.variant;
    const uint32_t heads = variant == &variants[0] ? PLAIN_HEADS : choice.size ? choice.size : heads_at_once(info, params, args.n_splits);
    const double width = (double)cache->kv_rank + cache->n_rope, positions = params->max_positions - 0.5 * (params->n_tokens - 1);
    const double row_bytes = (double)fathom_latent_row_size(cache->type, cache->kv_rank, cache->n_rope);
    const double token_flops = 2.0 * n_heads * positions * (width + cache->kv_rank);
    const double partial_bytes = (double)fathom_latent_attention_scratch(n_heads, cache->kv_rank, params->max_positions);
    const uint32_t batch = tokens_at_once(stream, params, token_flops);
    if (!fm_op_bind(stream, op, "scratch", params->scratch, (uint64_t)partial_bytes / 4 * batch, &views[4], &args.scratch_base)) return;
    for (uint32_t t = 0; t < params->n_tokens; t += batch) {
        const uint32_t n = params->n_tokens - t < batch ? params->n_tokens - t : batch;
        args.first_token = t;
        struct fm_dispatch dispatch = {
            .op = op,
            .variant = variant,
            .spec = {cache->type, FATHOM_PAGE, FATHOM_SPLIT, false, fm_op_lanes(stream, LANES), heads, !on_cpu},
            .n_spec = 7,
            .views = {views[0], views[1], views[2], views[3], views[4]},
            .n_views = 6, // without the result
            .args = &args,
            .args_size = sizeof(args),
            .groups = {args.n_splits < MAX_SPLIT_GROUPS ? args.n_splits : MAX_SPLIT_GROUPS, (n_heads + heads - 1) / heads, n},
            .flops = n * token_flops,
            .bytes = positions * row_bytes + n * (4.0 * n_heads * width + partial_bytes),
        };
        fm_stream_dispatch(stream, &dispatch);
        dispatch.spec[3] = true;
        dispatch.views[5] = views[5];
        dispatch.groups[0] = 1;
        dispatch.groups[1] = n_heads;
        dispatch.flops = n * partial_bytes / 2;
        dispatch.bytes = n * (partial_bytes + 4.0 * n_heads * cache->kv_rank);
        fm_stream_dispatch(stream, &dispatch);
    }
}
