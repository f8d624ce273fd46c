// Applies biases, head norms and rotation to queries, keys and values, and stores keys and values in the
// cache.
#include "op/attention/cache.h"
#include "shader_list.h"
#include "shaders/attention/kv_store.h"

static struct fm_shape shape_subgroup(const void *info) {
    return (struct fm_shape){.constants = {{"local_size_x", fm_op_lanes(info, 64)}}};
}

static const struct fm_variant variants[] = {
    {.name = "plain", .shader = &fm_shader_kv_store},
    {
        .name = "subgroup",
        .shader = &fm_shader_kv_store_subgroup,
        .needs = FATHOM_CAP_SUBGROUP_ARITHMETIC,
        .shape = shape_subgroup,
    },
};
const struct fm_op fm_op_kv_store = {"kv_store", variants, sizeof(variants) / sizeof(variants[0])};

// Binds a vector that may be missing.
static bool bind_vector(struct fathom_stream *stream, const char *op, const char *name,
    struct fathom_view view, uint64_t n, struct fathom_view *bound, uint32_t *base) {
    *bound = (struct fathom_view){0};
    return !view.buffer || fm_op_bind(stream, op, name, view, n, bound, base);
}

void fathom_kv_store(struct fathom_stream *stream, const struct fathom_kv_store_params *params) {
    static const char op[] = "kv_store";
    if (!(params = FM_OP_PARAMS(stream, op, fathom_kv_store_params, params))) return;
    const struct fathom_kv_cache *cache = &params->cache;
    const uint32_t n_tokens = params->n_tokens, n_heads = params->n_heads, n_kv = cache->n_kv,
                   n_head = cache->n_head;
    const bool biased = params->q_bias.buffer, normed = params->q_norm.buffer;
    struct fm_cache checked;
    struct fm_bound_cache bound;
    struct fathom_view qkv, q_bias, k_bias, v_bias, q_norm, k_norm, table, position;
    if (!fm_op_multiple(stream, op, "n_tokens", n_tokens, 1) ||
        !fm_op_kv_cache(stream, op, cache, &checked) ||
        !fm_op_multiple(stream, op, "n_heads", n_heads, n_kv) || !fm_op_eps(stream, op, params->eps))
        return;
    if (biased != !!params->k_bias.buffer || biased != !!params->v_bias.buffer ||
        normed != !!params->k_norm.buffer) {
        fm_stream_fail(stream, FATHOM_INVALID,
            "%s: queries, keys and values have a bias each, or none has one; queries and keys a norm each, "
            "or none",
            op);
        return;
    }
    const uint64_t n_slots = (uint64_t)n_heads + 2 * (uint64_t)n_kv;
    if (n_slots > FM_MAX_GROUPS) {
        fm_stream_fail(stream, FATHOM_UNSUPPORTED,
            "%s: %u heads and %u of keys and values, at most %d in all", op, n_heads, n_kv, FM_MAX_GROUPS);
        return;
    }
    struct kv_store_args args = {
        .n_tokens = n_tokens,
        .n_heads = n_heads,
        .n_kv = n_kv,
        .n_head = n_head,
        .eps = params->eps,
        .inv_n_head = 1.0f / (float)n_head,
    };
    const uint64_t n_key = (uint64_t)n_kv * n_head;
    if (!fm_op_bind(stream, op, "qkv", params->qkv, n_tokens * n_slots * n_head, &qkv, &args.qkv_base) ||
        !bind_vector(
            stream, op, "q_bias", params->q_bias, (uint64_t)n_heads * n_head, &q_bias, &args.q_bias_base) ||
        !bind_vector(stream, op, "k_bias", params->k_bias, n_key, &k_bias, &args.k_bias_base) ||
        !bind_vector(stream, op, "v_bias", params->v_bias, n_key, &v_bias, &args.v_bias_base) ||
        !bind_vector(stream, op, "q_norm", params->q_norm, n_head, &q_norm, &args.q_norm_base) ||
        !bind_vector(stream, op, "k_norm", params->k_norm, n_head, &k_norm, &args.k_norm_base) ||
        !fm_op_rope_table(
            stream, op, params->rope_table, n_tokens, n_head, &table, &args.table_base, &args.n_positions) ||
        !fm_op_bind(stream, op, "position", params->position, 1, &position, &args.position_base) ||
        !fm_op_bind_cache(stream, op, &checked, 0, &bound))
        return;
    args.n_table = bound.n_table;
    args.n_pages = bound.n_pages;
    args.page_table_base = bound.page_table_base;
    args.pages_base = bound.pages_base;
    const struct fm_variant *variant =
        fm_variant_pick(fm_stream_gpu(stream), op, variants, fm_op_kv_store.n_variants, 0, n_tokens);
    struct fm_dispatch dispatch = {
        .op = op,
        .variant = variant,
        .constants = {{"CACHE", cache->type}, {"PAGE", FATHOM_PAGE}, {"BIAS", biased}, {"NORM", normed},
            {"HALVES", params->halves}},
        .views = {qkv, q_bias, k_bias, v_bias, q_norm, k_norm, table, position, bound.page_table,
            bound.pages},
        .n_views = 10,
        .args = &args,
        .args_size = sizeof(args),
        .groups = {(uint32_t)n_slots, fm_op_groups(n_tokens, 1), 1},
        .flops = 8.0 * n_tokens * (double)n_slots * n_head,
        .bytes = n_tokens *
            (4.0 * (double)(n_slots + n_heads) * n_head +
                (double)fathom_kv_row_size(cache->type, n_kv, n_head)),
    };
    fm_dispatch_add(
        &dispatch, fm_variant_shape(variant, fathom_gpu_get_info(fm_stream_gpu(stream))).constants);
    fm_stream_dispatch(stream, &dispatch);
}
