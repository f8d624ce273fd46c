// Compressed rows: each stands for several positions. Rows that the tokens complete go to the cache;
// positions that later rows need go to the state.
#include "op/attention/cache.h"
#include "shader_list.h"
#include "shaders/attention/compress.h"

enum { MAX_KEY = 512 };

static const struct fm_variant variants[] = {{.name = "plain", .shader = &fm_shader_compress}};
static const struct fm_variant keep_variant = {.name = "plain", .shader = &fm_shader_compress_keep};
const struct fm_op fm_op_compress = {"compress", variants, 1};

void fathom_compress(struct fathom_stream *stream, const struct fathom_compress_params *params) {
    static const char op[] = "compress";
    if (!(params = FM_OP_PARAMS(stream, op, fathom_compress_params, params))) return;
    const struct fathom_latent_cache *cache = &params->cache;
    const uint32_t n_tokens = params->n_tokens, ratio = params->ratio, n_key = cache->kv_rank,
                   n_state = params->n_state;
    const uint64_t width = (uint64_t)n_key * (params->overlap ? 2 : 1), n_values = n_tokens * width;
    struct fm_cache checked;
    struct fm_bound_cache bound;
    struct fathom_view kv, gate, bias, w, table, position, state;
    struct compress_args args = {
        .n_tokens = n_tokens,
        .n_key = n_key,
        .ratio = ratio,
        .n_state = n_state,
        .n_rope = params->n_rope,
        .first_row = params->first_row,
        .eps = params->eps,
        .inv_n_key = 1.0f / (float)n_key,
    };
    if (!fm_op_multiple(stream, op, "n_tokens", n_tokens, 1) ||
        !fm_op_multiple(stream, op, "ratio", ratio, 1) || !fm_op_latent_cache(stream, op, cache, &checked) ||
        !fm_op_multiple(stream, op, "n_rope", params->n_rope, 4) || !fm_op_eps(stream, op, params->eps))
        return;
    if (cache->n_rope || n_key > MAX_KEY || params->n_rope > n_key ||
        n_state / (params->overlap ? 2 : 1) < ratio) {
        fm_stream_fail(stream, FATHOM_INVALID,
            "%s: rows of %u + %u values, of which %u are rotated; a state of %u positions for a ratio of %u: "
            "wanted at most %d + 0, "
            "no more than the row, at least the ratio%s",
            op, n_key, cache->n_rope, params->n_rope, n_state, ratio, MAX_KEY,
            params->overlap ? " twice" : "");
        return;
    }
    if (!fm_op_bind(stream, op, "kv", params->kv, n_values, &kv, &args.kv_base) ||
        !fm_op_bind(stream, op, "gate", params->gate, n_values, &gate, &args.gate_base) ||
        !fm_op_bind(stream, op, "bias", params->bias, ratio * width, &bias, &args.bias_base) ||
        !fm_op_bind(stream, op, "w", params->w, n_key, &w, &args.w_base) ||
        !fm_op_bind(stream, op, "state", params->state, 2ull * n_state * width, &state, &args.state_base) ||
        !fm_op_rope_table(
            stream, op, params->rope_table, 1, params->n_rope, &table, &args.table_base, &args.n_positions) ||
        !fm_op_bind(stream, op, "position", params->position, 1, &position, &args.position_base) ||
        !fm_op_bind_cache(stream, op, &checked, 0, &bound))
        return;
    args.n_table = bound.n_table;
    args.n_pages = bound.n_pages;
    args.page_table_base = bound.page_table_base;
    args.pages_base = bound.pages_base;
    // n_rows: rows that the tokens may complete
    const uint32_t n_rows = n_tokens / ratio + 1, n_kept = n_tokens < n_state ? n_tokens : n_state;
    if (n_rows > FM_MAX_GROUPS || n_kept > FM_MAX_GROUPS) {
        fm_stream_fail(stream, FATHOM_UNSUPPORTED, "%s: %u tokens of a ratio of %u, at most %d rows", op,
            n_tokens, ratio, FM_MAX_GROUPS);
        return;
    }
    fm_stream_dispatch(stream,
        &(struct fm_dispatch){
            .op = op,
            .variant = &variants[0],
            .constants = {{"CACHE", cache->type}, {"PAGE", FATHOM_PAGE}, {"OVERLAP", params->overlap}},
            .views = {kv, gate, bias, state, w, table, position, bound.page_table, bound.pages},
            .n_views = 9,
            .args = &args,
            .args_size = sizeof(args),
            .groups = {n_rows, 1, 1},
            .flops = 8.0 * (double)n_values,
            .bytes = 12.0 * (double)n_values,
        });
    fm_stream_dispatch(stream,
        &(struct fm_dispatch){
            .op = "compress_keep",
            .variant = &keep_variant,
            .constants = {{"OVERLAP", params->overlap}},
            .views = {kv, gate, position, state},
            .n_views = 4,
            .args = &args,
            .args_size = sizeof(args),
            .groups = {fm_op_groups(width, 64), n_kept, 1},
            .bytes = 16.0 * n_kept * (double)width,
        });
}
