// Rotates the lightning indexer's queries; norms and rotates its key, and stores the key in the cache.
#include "op/attention/cache.h"
#include "shader_list.h"
#include "shaders/attention/index_store.h"

static const struct fm_variant variants[] = {{.name = "plain", .shader = &fm_shader_index_store}};
const struct fm_op fm_op_index_store = {"index_store", variants, 1};

void fathom_index_store(struct fathom_stream *stream, const struct fathom_index_store_params *params) {
    static const char op[] = "index_store";
    if (!(params = FM_OP_PARAMS(stream, op, fathom_index_store_params, params))) return;
    const struct fathom_index_cache *cache = &params->cache;
    const uint32_t n_tokens = params->n_tokens, n_heads = params->n_heads, n_key = cache->n_key;
    struct fm_cache checked;
    struct fm_bound_cache bound;
    struct fathom_view q = {0}, k, w, b, table, position;
    struct index_store_args args = {
        .n_tokens = n_tokens,
        .n_heads = n_heads,
        .n_key = n_key,
        .n_rope = params->n_rope,
        .eps = params->eps,
        .inv_n_key = 1.0f / (float)n_key,
    };
    if (!fm_op_multiple(stream, op, "n_tokens", n_tokens, 1) ||
        !fm_op_index_cache(stream, op, cache, &checked) ||
        !fm_op_multiple(stream, op, "n_rope", params->n_rope, 4) || !fm_op_eps(stream, op, params->eps))
        return;
    if (params->n_rope > n_key || n_heads >= FM_MAX_GROUPS) {
        fm_stream_fail(stream, FATHOM_INVALID, "%s: %u of %u values to turn and %u heads, at most all and %d",
            op, params->n_rope, n_key, n_heads, FM_MAX_GROUPS - 1);
        return;
    }
    if ((n_heads &&
            !fm_op_bind(
                stream, op, "q", params->q, (uint64_t)n_tokens * n_heads * n_key, &q, &args.q_base)) ||
        !fm_op_bind(stream, op, "k", params->k, (uint64_t)n_tokens * n_key, &k, &args.k_base) ||
        !fm_op_bind(stream, op, "w", params->w, n_key, &w, &args.w_base) ||
        !fm_op_bind(stream, op, "b", params->b, n_key, &b, &args.b_base) ||
        !fm_op_rope_table(stream, op, params->rope_table, n_tokens, params->n_rope, &table, &args.table_base,
            &args.n_positions) ||
        !fm_op_bind(stream, op, "position", params->position, 1, &position, &args.position_base) ||
        !fm_op_bind_cache(stream, op, &checked, 0, &bound))
        return;
    args.n_table = bound.n_table;
    args.n_pages = bound.n_pages;
    args.page_table_base = bound.page_table_base;
    args.pages_base = bound.pages_base;
    fm_stream_dispatch(stream,
        &(struct fm_dispatch){
            .op = op,
            .variant = &variants[0],
            .constants = {{"CACHE", cache->type}, {"PAGE", FATHOM_PAGE}},
            .views = {q, k, w, b, table, position, bound.page_table, bound.pages},
            .n_views = 8,
            .args = &args,
            .args_size = sizeof(args),
            .groups = {n_heads + 1, fm_op_groups(n_tokens, 1), 1},
            .flops = n_tokens * (6.0 * n_heads * params->n_rope + 8.0 * n_key),
            .bytes = n_tokens * (8.0 * n_heads * params->n_rope + 8.0 * n_key),
        });
}
