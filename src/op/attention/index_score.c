// The lightning indexer's scores of positions.
#include "op/attention/cache.h"
#include "shader_list.h"
#include "shaders/attention/index_score.h"
#include <inttypes.h>

// Workgroups loop over tiles, so that a recording made for a long context is cheap while the text is short.
enum { TILE = 64, MAX_TILE_GROUPS = 1024 };

static const struct fm_variant variants[] = {
    {.name = "plain", .shader = &fm_shader_index_score},
    {.name = "tile", .shader = &fm_shader_index_score_tile},
};
const struct fm_op fm_op_index_score = {"index_score", variants, sizeof(variants) / sizeof(variants[0])};

void fathom_index_score(struct fathom_stream *stream, const struct fathom_index_score_params *params) {
    static const char op[] = "index_score";
    if (!(params = FM_OP_PARAMS(stream, op, fathom_index_score_params, params))) return;
    const struct fathom_index_cache *cache = &params->cache;
    const uint32_t n_heads = params->n_heads, n_key = cache->n_key, n = params->n_tokens,
                   end = params->first_token + n;
    struct fm_cache checked;
    struct fm_bound_cache bound;
    struct fathom_view q, weights, position, scores;
    struct index_score_args args = {
        .n_heads = n_heads,
        .n_key = n_key,
        .first_token = params->first_token,
        .stride = params->max_positions,
        .ratio = fm_op_default(params->ratio, 1),
        .scale = params->scale,
    };
    if (!fm_op_multiple(stream, op, "n_tokens", n, 1) || !fm_op_multiple(stream, op, "n_heads", n_heads, 1) ||
        !fm_op_multiple(stream, op, "max_positions", params->max_positions, 1) ||
        !fm_op_index_cache(stream, op, cache, &checked))
        return;
    if (n > FM_MAX_GROUPS || end < n || end / args.ratio > params->max_positions) {
        fm_stream_fail(stream, FATHOM_INVALID,
            "%s: %" PRIu32 " tokens from %" PRIu32 " on, at most %d, and no more than the %" PRIu32 " rows",
            op, n, params->first_token, FM_MAX_GROUPS, params->max_positions);
        return;
    }
    if (!fm_op_bind(stream, op, "q", params->q, (uint64_t)end * n_heads * n_key, &q, &args.q_base) ||
        !fm_op_bind(
            stream, op, "weights", params->weights, (uint64_t)end * n_heads, &weights, &args.weights_base) ||
        !fm_op_bind(stream, op, "position", params->position, 1, &position, &args.position_base) ||
        !fm_op_bind_cache(stream, op, &checked, params->max_positions, &bound) ||
        !fm_op_bind(stream, op, "scores", params->scores, (uint64_t)n * params->max_positions, &scores,
            &args.scores_base))
        return;
    args.n_pages = bound.n_pages;
    args.page_table_base = bound.page_table_base;
    args.pages_base = bound.pages_base;
    const uint32_t tiles = (params->max_positions + TILE - 1) / TILE;
    const double pairs = (double)n * params->max_positions;
    fm_stream_dispatch(stream,
        &(struct fm_dispatch){
            .op = op,
            .variant =
                fm_variant_pick(fm_stream_gpu(stream), op, variants, fm_op_index_score.n_variants, 0, n),
            .constants = {{"CACHE", cache->type}, {"PAGE", FATHOM_PAGE}},
            .views = {q, weights, position, bound.page_table, bound.pages, scores},
            .n_views = 6,
            .args = &args,
            .args_size = sizeof(args),
            .groups = {tiles < MAX_TILE_GROUPS ? tiles : MAX_TILE_GROUPS, 1, n},
            .flops = pairs * 2.0 * n_heads * n_key,
            .bytes = (double)params->max_positions * (double)fathom_index_row_size(cache->type, n_key) +
                4.0 * pairs,
        });
}
