// Norms and rotates the latents, and writes them to the latent cache at their positions.
#include "op/attention/cache.h"
#include "shader_list.h"
#include "shaders/attention/latent_store.h"

static struct fm_shape shape_subgroup(const void *info) {
    return (struct fm_shape){.constants = {{"local_size_x", fm_op_lanes(info, 128)}}};
}

static const struct fm_variant variants[] = {
    {.name = "plain", .shader = &fm_shader_latent_store},
    {
        .name = "subgroup",
        .shader = &fm_shader_latent_store_subgroup,
        .needs = FATHOM_CAP_SUBGROUP_ARITHMETIC,
        .shape = shape_subgroup,
    },
};
const struct fm_op fm_op_latent_store = {"latent_store", variants, sizeof(variants) / sizeof(variants[0])};

void fathom_latent_store(struct fathom_stream *stream, const struct fathom_latent_store_params *params) {
    static const char op[] = "latent_store";
    if (!(params = FM_OP_PARAMS(stream, op, fathom_latent_store_params, params))) return;
    const struct fathom_latent_cache *cache = &params->cache;
    const uint32_t n_tokens = params->n_tokens;
    const uint64_t width = (uint64_t)cache->kv_rank + cache->n_rope;
    struct fathom_view kv, w, table, position;
    struct fm_cache checked;
    struct fm_bound_cache bound;
    struct latent_store_args args = {
        .n_tokens = n_tokens,
        .kv_rank = cache->kv_rank,
        .width = (uint32_t)width,
        .n_rope = fm_op_default(cache->n_rope, params->n_rotated),
        .eps = params->eps,
        .inv_kv_rank = 1.0f / (float)cache->kv_rank,
    };
    if (!fm_op_multiple(stream, op, "n_tokens", n_tokens, 1) ||
        !fm_op_latent_cache(stream, op, cache, &checked) ||
        !fm_op_multiple(stream, op, cache->n_rope ? "n_rope" : "n_rotated", args.n_rope, 4) ||
        !fm_op_eps(stream, op, params->eps) ||
        !fm_op_bind(stream, op, "kv", params->kv, n_tokens * width, &kv, &args.kv_base) ||
        !fm_op_bind(stream, op, "w", params->w, cache->kv_rank, &w, &args.w_base) ||
        !fm_op_rope_table(stream, op, params->rope_table, n_tokens, args.n_rope, &table, &args.table_base,
            &args.n_positions) ||
        !fm_op_bind(stream, op, "position", params->position, 1, &position, &args.position_base) ||
        !fm_op_bind_cache(stream, op, &checked, 0, &bound))
        return;
    if (args.n_rope > width || (cache->n_rope && params->n_rotated)) {
        fm_stream_fail(stream, FATHOM_INVALID,
            "%s: %u values of the latent's %u are to be rotated, and %u after them", op, params->n_rotated,
            cache->kv_rank, cache->n_rope);
        return;
    }
    args.first_rotated = (uint32_t)width - args.n_rope;
    args.n_table = bound.n_table;
    args.n_pages = bound.n_pages;
    args.page_table_base = bound.page_table_base;
    args.pages_base = bound.pages_base;
    const struct fm_variant *variant =
        fm_variant_pick(fm_stream_gpu(stream), op, variants, fm_op_latent_store.n_variants, 0, n_tokens);
    struct fm_dispatch dispatch = {
        .op = op,
        .variant = variant,
        .constants = {{"CACHE", cache->type}, {"PAGE", FATHOM_PAGE}},
        .views = {kv, w, table, position, bound.page_table, bound.pages},
        .n_views = 6,
        .args = &args,
        .args_size = sizeof(args),
        .groups = {fm_op_groups(n_tokens, 1), 1, 1},
        .flops = 4.0 * n_tokens * (double)width,
        .bytes = n_tokens * (4.0 * (double)width + 4.0 / FATHOM_PAGE * (double)checked.page_words),
    };
    fm_dispatch_add(
        &dispatch, fm_variant_shape(variant, fathom_gpu_get_info(fm_stream_gpu(stream))).constants);
    fm_stream_dispatch(stream, &dispatch);
}
