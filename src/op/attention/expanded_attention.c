// Attention over expanded keys and values: a block of positions at a time, two dispatches a weight's window expand it, and one attends to
// it.
#include "shaders/attention/expanded_attention.h"
#include "op/attention/attention_tile.h"
#include "op/attention/cache.h"
#include "op/matmul/matrix_tile.h"
#include "shader_list.h"
#include "shaders/attention/expanded_keys.h"
#include <inttypes.h>
#include <string.h>

static const struct fm_variant variants[] = {
    {.name = "plain", .shader = &fm_shader_expanded_attention},
    {.name = "tile", .shader = &fm_shader_expanded_attention_tile},
    {.name = "coop", .shader = &fm_shader_expanded_attention_coop, .needs = FM_MATRIX_TILE_NEEDS, .min_tokens = 16,
        .sizes = {16, 32, 64}}, // sizes: tokens of a workgroup
    {.name = "rows", .shader = &fm_shader_expanded_attention_rows, .needs = FATHOM_CAP_SUBGROUP_ARITHMETIC, .cpu_only = true},
};
const struct fm_op fm_op_expanded_attention = {"expanded_attention", variants, sizeof(variants) / sizeof(variants[0])};

enum { PLAIN, TILE, COOP, ROWS };

// What each variant expands with
static const struct fm_variant expand_variants[] = {
    {.name = "plain", .shader = &fm_shader_expanded_keys},
    {.name = "tile", .shader = &fm_shader_expanded_keys_tile},
    {.name = "coop", .shader = &fm_shader_expanded_keys_coop},
    {.name = "rows", .shader = &fm_shader_expanded_keys_rows},
};

enum { BLOCK = 512 /* positions */ };

static uint32_t state_width(uint32_t n_v) {
    return n_v + 2 * ((n_v + FM_VALUE_GROUP - 1) / FM_VALUE_GROUP);
}

uint64_t fathom_expanded_attention_scratch(uint32_t n_tokens, uint32_t n_heads, uint32_t n_nope, uint32_t n_rope, uint32_t n_v) {
    const uint64_t width = (uint64_t)n_nope + n_rope;
    return 4 * n_heads * (BLOCK * (width + n_v) + (uint64_t)n_tokens * state_width(n_v));
}

// One of the two weights: its expansion's views and arguments.
struct expansion {
    const struct fathom_weight *w;
    struct fathom_view table, pages, out;
    struct expanded_keys_args args;
    bool values;
    enum fathom_type cache_type;
};

// Bytes of an expanded number
static double number_size(size_t variant) {
    return variant == COOP ? 2 : 4;
}

// Workgroups, and the constants after those that all variants have.
struct shape {
    uint32_t groups[2];
    uint32_t spec[FM_MAX_SPEC], n_spec, subgroup_size;
};

// To expand n positions to `width` numbers a head, n_out of them from the weight
static struct shape expand_shape(struct fathom_stream *stream, size_t variant, uint32_t n, uint32_t n_heads, uint32_t width, uint32_t n_out) {
    const struct fathom_gpu_info *info = fathom_gpu_get_info(fm_stream_gpu(stream));
    const uint32_t lanes = fm_op_lanes(stream, 32);
    if (variant == PLAIN) return (struct shape){{fm_op_groups((uint64_t)n * width / 4, 64), 1}, {0}, 0, 0};
    uint32_t outs = variant == ROWS ? 4 * lanes : 64, positions = variant == ROWS ? 16 : 64; // as the shaders say
    struct shape shape = {.spec = {lanes}, .n_spec = 1};
    if (variant == COOP) {
        const struct fm_matrix_work work = {n_heads, n_out, n, 1, .other_shared = 1024};
        const struct fm_matrix_tile tile = fm_matrix_tile(info, &work);
        outs = tile.rows, positions = tile.tokens;
        shape.n_spec = FM_MATRIX_TILE_SPEC;
        shape.subgroup_size = tile.subgroup_size;
        memcpy(shape.spec, tile.spec, sizeof(tile.spec));
    }
    shape.groups[0] = (n_out + outs - 1) / outs;
    shape.groups[1] = (n + positions - 1) / positions;
    return shape;
}

static void expand(struct fathom_stream *stream, const char *op, size_t variant, struct expansion *e, uint32_t first, uint32_t n) {
    const struct fathom_weight *w = e->w;
    const uint32_t width = e->args.n_out + (e->values ? 0 : e->args.n_rope);
    e->args.first_position = first;
    e->args.n_positions = n;
    const struct shape shape = expand_shape(stream, variant, n, w->n_mats, width, e->args.n_out);
    for (uint32_t i = 0; i < w->n_windows; i++) {
        const uint32_t n_heads = w->windows[i].n_rows / w->n_rows;
        e->args.first_head = w->windows[i].first_row / w->n_rows;
        struct fm_dispatch dispatch = {
            .op = op,
            .variant = &expand_variants[variant],
            .spec = {e->cache_type, FATHOM_PAGE, w->type, e->values, BLOCK},
            .n_spec = 5 + shape.n_spec,
            .subgroup_size = shape.subgroup_size,
            .views = {w->windows[i].view, e->table, e->pages, e->out},
            .n_views = 4,
            .args = &e->args,
            .args_size = sizeof(e->args),
            .groups = {shape.groups[0], shape.groups[1], n_heads},
            .flops = 2.0 * n * n_heads * e->args.n_out * e->args.kv_rank,
            .bytes = (double)w->windows[i].n_rows * (double)fathom_row_size(w->type, w->n_cols) +
                     number_size(variant) * n * n_heads * width + n * (double)fathom_latent_row_size(e->cache_type, e->args.kv_rank, e->args.n_rope),
        };
        memcpy(dispatch.spec + 5, shape.spec, shape.n_spec * sizeof(*shape.spec));
        fm_stream_dispatch(stream, &dispatch);
    }
}

static struct fm_attention_tile attend_tile(const struct fathom_gpu_info *info, struct fm_choice choice, const struct fm_matrix_attention_work *work) {
    if (choice.variant == &variants[COOP]) return fm_attention_tile(info, FM_ATTENTION_COOP, work);
    if (choice.variant == &variants[ROWS]) return fm_attention_tile(info, FM_ATTENTION_ROWS, work);
    if (choice.variant == &variants[TILE]) return fm_attention_tile(info, FM_ATTENTION_TILE, work);
    return (struct fm_attention_tile){1, 1, {0}, 0, 0}; // plain
}

// Attends to positions [first, first + n). Tokens go in dispatches that are not too long.
static void attend(struct fathom_stream *stream, const char *op, struct fm_choice choice, struct expanded_attention_args *args, uint32_t n_tokens,
    const struct fathom_view views[5], uint32_t first, uint32_t n) {
    const struct fm_attention_tile tile = attend_tile(fathom_gpu_get_info(fm_stream_gpu(stream)), choice,
        &(struct fm_matrix_attention_work){n_tokens, args->width, args->n_v, .size = choice.size});
    const double token_flops = 2.0 * args->n_heads * n * ((double)args->width + args->n_v);
    uint32_t batch = n_tokens;
    if (batch * token_flops > FM_MAX_DISPATCH_FLOPS)
        batch = (uint32_t)(FM_MAX_DISPATCH_FLOPS / token_flops) / tile.rows * tile.rows + tile.rows;
    if (batch > FM_MAX_GROUPS) batch = FM_MAX_GROUPS / tile.rows * tile.rows;
    args->first_position = first;
    args->n_positions = n;
    for (uint32_t t = 0; t < n_tokens; t += batch) {
        args->first_token = t;
        args->n_tokens = n_tokens - t < batch ? n_tokens - t : batch;
        struct fm_dispatch dispatch = {
            .op = op,
            .variant = choice.variant,
            .spec = {BLOCK},
            .n_spec = 1 + tile.n_spec,
            .subgroup_size = tile.subgroup_size,
            .views = {views[0], views[1], views[2], views[3], views[4]},
            .n_views = 5,
            .args = args,
            .args_size = sizeof(*args),
            .groups = {(args->n_tokens + tile.rows - 1) / tile.rows, args->n_heads, tile.value_groups},
            .flops = args->n_tokens * token_flops,
            .bytes = args->n_heads * (number_size((size_t)(choice.variant - variants)) * n + 8.0 * args->n_tokens) *
                     ((double)args->width + args->n_v),
        };
        memcpy(dispatch.spec + 1, tile.spec, tile.n_spec * sizeof(*tile.spec));
        fm_stream_dispatch(stream, &dispatch);
    }
}

static bool weight_fits(struct fathom_stream *stream, const char *op, const char *name, const struct fathom_weight *w, uint32_t n_heads,
    uint32_t n_rows, uint32_t n_cols) {
    if (!fm_op_weight(stream, op, name, w)) return false;
    if (w->n_mats != n_heads || w->n_rows != n_rows || w->n_cols != n_cols)
        return fm_stream_fail(stream, FATHOM_INVALID,
            "%s: %s is [%" PRIu32 "][%" PRIu32 "][%" PRIu32 "], wanted [%" PRIu32 "][%" PRIu32 "][%" PRIu32 "]", op, name, w->n_mats,
            w->n_rows, w->n_cols, n_heads, n_rows, n_cols);
    for (uint32_t i = 0; i < w->n_windows; i++)
        if (w->windows[i].n_rows % n_rows || w->windows[i].first_row % n_rows)
            return fm_stream_fail(stream, FATHOM_UNSUPPORTED, "%s: %s is cut within a head", op, name);
    return true;
}

// A piece of the scratch, which it shortens by that much.
static bool take(struct fathom_stream *stream, const char *op, struct fathom_view *scratch, uint64_t n_words, struct fathom_view *bound,
    uint32_t *base) {
    if (!fm_op_bind(stream, op, "scratch", *scratch, n_words, bound, base)) return false;
    scratch->offset += 4 * n_words;
    scratch->size -= 4 * n_words;
    return true;
}

void fathom_expanded_attention(struct fathom_stream *stream, const struct fathom_expanded_attention_params *params) {
    static const char op[] = "expanded_attention";
    const struct fathom_latent_cache *cache = &params->cache;
    const uint32_t n_heads = params->n_heads, n_tokens = params->n_tokens, n_v = params->n_v;
    struct fm_cache checked;
    struct fm_bound_cache bound;
    if (!fm_op_multiple(stream, op, "n_tokens", n_tokens, 1) || !fm_op_multiple(stream, op, "n_heads", n_heads, 1) ||
        !fm_op_multiple(stream, op, "n_nope", params->n_nope, 4) || !fm_op_multiple(stream, op, "n_v", n_v, 4) ||
        !fm_op_latent_cache(stream, op, cache, &checked) || !fm_op_multiple(stream, op, "n_rope", cache->n_rope, 4) || !fm_op_multiple(stream, op,
            "n_positions", params->n_positions, 1) ||
        !fm_op_bind_cache(stream, op, &checked, params->n_positions, &bound) ||
        !weight_fits(stream, op, "k_b", params->k_b, n_heads, cache->kv_rank, params->n_nope) ||
        !weight_fits(stream, op, "v_b", params->v_b, n_heads, n_v, cache->kv_rank))
        return;
    if (n_heads > FM_MAX_GROUPS || n_tokens > FM_MAX_GROUPS || n_tokens > params->n_positions) {
        fm_stream_fail(stream, FATHOM_INVALID, "%s: %" PRIu32 " heads and %" PRIu32 " tokens, at most %d and the %" PRIu32 " positions", op,
            n_heads, n_tokens, FM_MAX_GROUPS, params->n_positions);
        return;
    }
    struct expansion keys = {.w = params->k_b, .table = bound.page_table, .pages = bound.pages, .cache_type = cache->type,
        .args = {.kv_rank = cache->kv_rank, .n_rope = cache->n_rope, .n_out = params->n_nope, .n_pages = bound.n_pages,
            .page_table_base = bound.page_table_base, .pages_base = bound.pages_base}};
    struct expansion values = keys;
    values.w = params->v_b;
    values.values = true;
    values.args.n_out = n_v;
    const uint32_t width = params->n_nope + cache->n_rope;
    const uint64_t rows = (uint64_t)n_tokens * n_heads, block_rows = (uint64_t)n_heads * BLOCK;
    struct expanded_attention_args args = {
        .position = params->n_positions - n_tokens,
        .n_heads = n_heads,
        .width = width,
        .n_v = n_v,
        .state_width = state_width(n_v),
        .scale = params->scale,
    };
    struct fathom_view scratch = params->scratch, views[5];
    if (!fm_op_bind(stream, op, "q", params->q, rows * width, &views[0], &args.q_base) ||
        !take(stream, op, &scratch, block_rows * width, &views[1], &args.keys_base) ||
        !take(stream, op, &scratch, block_rows * n_v, &views[2], &args.values_base) ||
        !take(stream, op, &scratch, rows * args.state_width, &views[3], &args.state_base) ||
        !fm_op_bind(stream, op, "out", params->out, rows * n_v, &views[4], &args.out_base))
        return;
    keys.out = views[1];
    keys.args.out_base = args.keys_base;
    values.out = views[2];
    values.args.out_base = args.values_base;

    const struct fm_call call = {op, n_tokens, {cache->type, params->k_b->type, n_heads, cache->kv_rank, params->n_nope, cache->n_rope, n_v}};
    // where a device's shared memory is too small for the widths, it goes without matrix units
    const struct fathom_gpu_info *info = fathom_gpu_get_info(fm_stream_gpu(stream));
    const bool can_coop = fm_variant_can_run(info, &variants[COOP]) &&
                          fm_matrix_attention(info, &(struct fm_matrix_attention_work){n_tokens, width, n_v, .size = 0}).rows;
    struct fm_choice choice = fm_variant_choose(fm_stream_gpu(stream), &call, variants, fm_op_expanded_attention.n_variants, n_tokens);
    if (choice.variant == &variants[COOP] && !can_coop) choice = (struct fm_choice){&variants[TILE], 0};
    const size_t variant = (size_t)(choice.variant - variants);
    for (uint32_t first = 0; first < params->n_positions; first += BLOCK) {
        const uint32_t n = params->n_positions - first < BLOCK ? params->n_positions - first : BLOCK;
        expand(stream, op, variant, &keys, first, n);
        expand(stream, op, variant, &values, first, n);
        attend(stream, op, choice, &args, n_tokens, views, first, n);
    }
}
