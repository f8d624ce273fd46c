// Grouped-query attention: few tokens over splits of the cache, many tokens in tiles.
#include "op/attention/attention_split.h"
#include "op/matmul/matrix_tile.h"
#include "shader_list.h"
#include "shaders/attention/grouped_attention.h"
#include <inttypes.h>

static const struct fm_variant variants[] = {
    {
        .name = "plain",
        .shader = &fm_shader_grouped_attention,
        .does = FM_DOES_SPLITS,
        .shape = fm_shape_splits_plain,
    },
    {
        .name = "heads",
        .shader = &fm_shader_grouped_attention_heads,
        .does = FM_DOES_SPLITS | FM_DOES_MERGE,
        .sizes = {4, 8, 16},
        .shape = fm_shape_splits_heads,
    }, // sizes: heads of a workgroup
    {
        .name = "tile",
        .shader = &fm_shader_grouped_attention_tile,
        .min_tokens = 16,
        .card_only = true,
        .shape = fm_shape_attention_tile,
    },
    {
        .name = "coop",
        .shader = &fm_shader_grouped_attention_coop,
        .needs = FM_MATRIX_TILE_NEEDS,
        .takes = FM_CALL_TILES,
        .min_tokens = 16,
        // sizes: queries of a workgroup
        .card_only = true,
        .sizes = {16, 32, 64},
        .shape = fm_shape_attention_coop,
    },
    {
        .name = "rows",
        .shader = &fm_shader_grouped_attention_rows,
        .needs = FATHOM_CAP_SUBGROUP_ARITHMETIC,
        .takes = FM_CALL_ENDS,
        .min_tokens = 2,
        .cpu_only = true,
        .shape = fm_shape_attention_rows,
    },
};
const struct fm_op fm_op_grouped_attention = {
    "grouped_attention", variants, sizeof(variants) / sizeof(variants[0])};

uint64_t fathom_grouped_attention_scratch(uint32_t n_heads, uint32_t n_head, uint32_t max_positions) {
    return fm_attention_scratch(n_heads, n_head, max_positions);
}

// llvmpipe before 25 stops the loops of an invocation after 65535 rounds in all, and leaves the remaining
// rounds undone.
static bool rows_come_to_an_end(const struct fm_attention_call *c) {
    enum { BLOCK = 256, EACH = 4 }; // must equal the shader's sizes
    const uint32_t lanes = fm_op_row_lanes(c->info), rows = fm_shape_attention_rows(c).rows;
    const uint32_t values = (c->value_width + 4 * lanes - 1) / (4 * lanes);
    const uint64_t rounds = BLOCK / (EACH * lanes) * (c->key_width / 4 + 2) + rows * (BLOCK / lanes + 1) +
        values * (BLOCK / lanes + 2) + 1;
    return c->info->caps & FATHOM_CAP_UNIFORM_LOADS || (c->max_positions / BLOCK + 1) * rounds < 65535;
}

// Attends for n_tokens tokens in tiles of queries that share a key head. Splits the tokens into dispatches of
// about FM_MAX_DISPATCH_FLOPS.
static void attend_tiles(struct fathom_stream *stream, const char *op, const struct fm_variant *variant,
    const struct fm_shape *shape, struct grouped_attention_args *args, uint32_t n_tokens,
    enum fathom_type cache_type, const struct fathom_view views[5]) {
    const uint32_t of_kv = args->n_heads / args->n_kv;
    const double positions = args->max_positions - 0.5 * (n_tokens - 1),
                 token_flops = 4.0 * args->n_heads * positions * args->n_head;
    uint32_t batch = n_tokens;
    if (batch * token_flops > FM_MAX_DISPATCH_FLOPS)
        batch = (uint32_t)(FM_MAX_DISPATCH_FLOPS / token_flops) + 1;
    if ((uint64_t)batch * of_kv > FM_MAX_GROUPS) batch = FM_MAX_GROUPS / of_kv;
    for (uint32_t t = 0; t < n_tokens; t += batch) {
        args->first_token = t;
        args->n_tokens = n_tokens - t < batch ? n_tokens - t : batch;
        const uint32_t groups =
            (uint32_t)(((uint64_t)args->n_tokens * of_kv + shape->rows - 1) / shape->rows);
        struct fm_dispatch dispatch = {
            .op = op,
            .variant = variant,
            .constants = {{"CACHE", cache_type}, {"PAGE", FATHOM_PAGE}},
            .subgroup_size = shape->subgroup_size,
            .views = {views[0], views[1], views[2], views[3], views[4]},
            .n_views = 5,
            .args = args,
            .args_size = sizeof(*args),
            .groups = {groups, args->n_kv, shape->groups},
            .flops = args->n_tokens * token_flops,
            .bytes = positions * (double)fathom_kv_row_size(cache_type, args->n_kv, args->n_head) +
                8.0 * args->n_tokens * args->n_heads * args->n_head,
        };
        fm_dispatch_add(&dispatch, shape->constants);
        fm_stream_dispatch(stream, &dispatch);
    }
}

void fathom_grouped_attention(
    struct fathom_stream *stream, const struct fathom_grouped_attention_params *params) {
    static const char op[] = "grouped_attention";
    if (!(params = FM_OP_PARAMS(stream, op, fathom_grouped_attention_params, params))) return;
    const struct fathom_kv_cache *cache = &params->cache;
    const uint32_t n_heads = params->n_heads, n_head = cache->n_head;
    struct fm_cache checked;
    struct fm_bound_cache bound;
    struct fathom_view q, position, out;
    if (!fm_op_kv_cache(stream, op, cache, &checked) ||
        !fm_op_multiple(stream, op, "n_heads", n_heads, cache->n_kv))
        return;
    struct grouped_attention_args args = {
        .n_heads = n_heads,
        .n_kv = cache->n_kv,
        .n_head = n_head,
        .q_stride = fm_op_default(params->q_stride, n_heads * n_head),
        .n_splits = fm_attention_splits(params->max_positions),
        .max_positions = params->max_positions,
        .scale = params->scale,
    };
    if (!fm_op_multiple(stream, op, "max_positions", params->max_positions, 1) ||
        !fm_op_bind_cache(stream, op, &checked, params->max_positions, &bound) ||
        !fm_attention_check(
            stream, op, params->n_tokens, n_heads, n_head, params->max_positions, params->scratch) ||
        !fm_op_bind(stream, op, "q", params->q,
            fm_op_span2(params->n_tokens, args.q_stride, n_heads, n_head, n_head), &q, &args.q_base) ||
        !fm_op_bind(stream, op, "position", params->position, 1, &position, &args.position_base) ||
        !fm_op_bind(stream, op, "out", params->out, (uint64_t)params->n_tokens * n_heads * n_head, &out,
            &args.out_base))
        return;
    args.page_table_base = bound.page_table_base;
    args.pages_base = bound.pages_base;
    args.n_pages = bound.n_pages;
    const struct fathom_gpu_info *info = fathom_gpu_get_info(fm_stream_gpu(stream));
    struct fm_attention_call shape_call = {
        info, params->n_tokens, n_heads, cache->n_kv, n_head, n_head, params->max_positions, 0};
    // if the device's shared memory is too small for the width, no variant with matrix units is chosen
    const struct fm_matrix_attention_work work = {
        params->n_tokens * (n_heads / cache->n_kv), n_head, n_head, .size = 0};
    const uint32_t is =
        fm_attention_tiles(info, &work) | (rows_come_to_an_end(&shape_call) ? FM_CALL_ENDS : 0);
    const struct fm_call call = {op, params->n_tokens, {cache->type, n_heads, cache->n_kv, n_head}, is};
    const struct fm_choice choice =
        fm_stream_choose(stream, &call, variants, fm_op_grouped_attention.n_variants, params->n_tokens);
    shape_call.size = choice.size;
    if (!(choice.variant->does & FM_DOES_SPLITS)) {
        const struct fm_shape shape = fm_variant_shape(choice.variant, &shape_call);
        attend_tiles(stream, op, choice.variant, &shape, &args, params->n_tokens, cache->type,
            (const struct fathom_view[]){q, position, bound.page_table, bound.pages, out});
        return;
    }
    fm_attend_splits(stream,
        &(struct fm_split_attention){
            .op = op,
            .variant = choice.variant,
            .call = &shape_call,
            .cache_type = cache->type,
            .row_size = fathom_kv_row_size(cache->type, cache->n_kv, n_head),
            .positions = params->max_positions - 0.5 * (params->n_tokens - 1),
            .q = q,
            .position = position,
            .page_table = bound.page_table,
            .pages = bound.pages,
            .scratch = params->scratch,
            .counters = params->counters,
            .out = out,
            .n_views = choice.variant->does & FM_DOES_MERGE ? 7 : 6,
            .args = &args,
            .args_size = sizeof(args),
            .n_splits = &args.n_splits,
            .scratch_base = &args.scratch_base,
            .counters_base = &args.counters_base,
            .first_token = &args.first_token,
        });
}
