// Attention over expanded keys and values, one block of positions at a time. For each weight, one dispatch
// per slice expands the block; then one dispatch attends to the block.
#include "shaders/attention/expanded_attention.h"
#include "op/attention/attention_tile.h"
#include "op/attention/cache.h"
#include "op/matmul/matrix_tile.h"
#include "shader_list.h"
#include "shaders/attention/expanded_keys.h"
#include <inttypes.h>
#include <string.h>

static struct fm_shape shape_plain(const void *call) {
    (void)call;
    return (struct fm_shape){.rows = 1, .groups = 1};
}

static const struct fm_variant variants[] = {
    {.name = "plain", .shader = &fm_shader_expanded_attention, .shape = shape_plain},
    {.name = "tile", .shader = &fm_shader_expanded_attention_tile, .shape = fm_shape_attention_tile},
    {
        .name = "coop",
        .shader = &fm_shader_expanded_attention_coop,
        .needs = FM_MATRIX_TILE_NEEDS,
        .takes = FM_CALL_TILES,
        // sizes: tokens of a workgroup
        .does = FM_DOES_HALVES,
        .min_tokens = 16,
        .sizes = {16, 32, 64},
        .shape = fm_shape_attention_coop,
    },
    {
        .name = "rows",
        .shader = &fm_shader_expanded_attention_rows,
        .needs = FATHOM_CAP_SUBGROUP_ARITHMETIC,
        .cpu_only = true,
        .shape = fm_shape_attention_rows,
    },
};
const struct fm_op fm_op_expanded_attention = {
    "expanded_attention", variants, sizeof(variants) / sizeof(variants[0])};

// What an expansion's shape depends on: n positions expand to `width` numbers a head, of which the weight
// gives n_out.
struct expand_call {
    const struct fathom_gpu_info *info;
    uint32_t n, n_heads, width, n_out;
};

// In these shapes, rows are the numbers and tokens the positions of a workgroup. Workgroups of `plain` take
// both in one sequence.
static struct fm_shape shape_expand_plain(const void *call) {
    const struct expand_call *c = call;
    return (struct fm_shape){.groups = fm_op_groups((uint64_t)c->n * c->width / 4, 64)};
}

static struct fm_shape shape_expand_tile(const void *call) {
    (void)call;
    return (struct fm_shape){.rows = 64, .tokens = 64}; // must equal the shader's sizes
}

static struct fm_shape shape_expand_coop(const void *call) {
    const struct expand_call *c = call;
    return fm_matrix_tile(
        c->info, &(struct fm_matrix_work){c->n_heads, c->n_out, c->n, 1, .other_shared = 1024});
}

static struct fm_shape shape_expand_rows(const void *call) {
    const struct expand_call *c = call;
    const uint32_t lanes = fm_op_lanes(c->info, 32);
    // must equal the shader's sizes
    return (struct fm_shape){.rows = 4 * lanes, .tokens = 16, .constants = {{"local_size_x", lanes}}};
}

// Each variant of the attention uses the expansion of the same name.
static const struct fm_variant expand_variants[] = {
    {.name = "plain", .shader = &fm_shader_expanded_keys, .shape = shape_expand_plain},
    {.name = "tile", .shader = &fm_shader_expanded_keys_tile, .shape = shape_expand_tile},
    {.name = "coop", .shader = &fm_shader_expanded_keys_coop, .shape = shape_expand_coop},
    {.name = "rows", .shader = &fm_shader_expanded_keys_rows, .shape = shape_expand_rows},
};

static const struct fm_variant *expands_with(const struct fm_variant *variant) {
    const struct fm_variant *v = expand_variants;
    while (strcmp(v->name, variant->name)) v++;
    return v;
}

enum { KV_BLOCK = 512 /* positions expanded at once */ };

static uint32_t state_width(uint32_t n_v) {
    return n_v + 2 * ((n_v + FM_VALUE_GROUP - 1) / FM_VALUE_GROUP);
}

uint64_t fathom_expanded_attention_scratch(
    uint32_t n_tokens, uint32_t n_heads, uint32_t n_nope, uint32_t n_rope, uint32_t n_v) {
    const uint64_t width = (uint64_t)n_nope + n_rope;
    return 4 * n_heads * (KV_BLOCK * (width + n_v) + (uint64_t)n_tokens * state_width(n_v));
}

// The expansion of one of the two weights, with its views and arguments.
struct expansion {
    const struct fathom_weight *w;
    struct fathom_view table, pages, out;
    struct expanded_keys_args args;
    bool values;
    enum fathom_type cache_type;
};

// Bytes of an expanded number.
static double number_size(const struct fm_variant *variant) {
    return variant->does & FM_DOES_HALVES ? 2 : 4;
}

static void expand(struct fathom_stream *stream, const char *op, const struct fm_variant *variant,
    struct expansion *e, uint32_t first, uint32_t n) {
    const struct fathom_weight *w = e->w;
    const uint32_t width = e->args.n_out + (e->values ? 0 : e->args.n_rope), n_out = e->args.n_out;
    e->args.first_position = first;
    e->args.n_positions = n;
    const struct fm_variant *expander = expands_with(variant);
    const struct fm_shape shape = fm_variant_shape(expander,
        &(struct expand_call){fathom_gpu_get_info(fm_stream_gpu(stream)), n, w->n_mats, width, n_out});
    for (uint32_t i = 0; i < w->n_slices; i++) {
        const uint32_t n_heads = w->slices[i].n_rows / w->n_rows;
        e->args.first_head = w->slices[i].first_row / w->n_rows;
        struct fm_dispatch dispatch = {
            .op = op,
            .variant = expander,
            .constants = {{"CACHE", e->cache_type}, {"PAGE", FATHOM_PAGE}, {"TYPE", w->type},
                {"VALUES", e->values}, {"KV_BLOCK", KV_BLOCK}},
            .subgroup_size = shape.subgroup_size,
            .views = {w->slices[i].view, e->table, e->pages, e->out},
            .n_views = 4,
            .args = &e->args,
            .args_size = sizeof(e->args),
            .groups = {shape.groups ? shape.groups : (n_out + shape.rows - 1) / shape.rows,
                shape.groups ? 1 : (n + shape.tokens - 1) / shape.tokens, n_heads},
            .flops = 2.0 * n * n_heads * e->args.n_out * e->args.kv_rank,
            .bytes = (double)w->slices[i].n_rows * (double)fathom_row_size(w->type, w->n_cols) +
                number_size(variant) * n * n_heads * width +
                n * (double)fathom_latent_row_size(e->cache_type, e->args.kv_rank, e->args.n_rope),
        };
        fm_dispatch_add(&dispatch, shape.constants);
        fm_stream_dispatch(stream, &dispatch);
    }
}

// Attends to positions [first, first + n). Splits the tokens into dispatches of about FM_MAX_DISPATCH_FLOPS.
static void attend(struct fathom_stream *stream, const char *op, const struct fm_variant *variant,
    const struct fm_shape *shape, struct expanded_attention_args *args, uint32_t n_tokens,
    const struct fathom_view views[5], uint32_t first, uint32_t n) {
    const double token_flops = 2.0 * args->n_heads * n * ((double)args->width + args->n_v);
    uint32_t batch = n_tokens;
    if (batch * token_flops > FM_MAX_DISPATCH_FLOPS)
        batch = (uint32_t)(FM_MAX_DISPATCH_FLOPS / token_flops) / shape->rows * shape->rows + shape->rows;
    if (batch > FM_MAX_GROUPS) batch = FM_MAX_GROUPS / shape->rows * shape->rows;
    args->first_position = first;
    args->n_positions = n;
    for (uint32_t t = 0; t < n_tokens; t += batch) {
        args->first_token = t;
        args->n_tokens = n_tokens - t < batch ? n_tokens - t : batch;
        struct fm_dispatch dispatch = {
            .op = op,
            .variant = variant,
            .constants = {{"KV_BLOCK", KV_BLOCK}},
            .subgroup_size = shape->subgroup_size,
            .views = {views[0], views[1], views[2], views[3], views[4]},
            .n_views = 5,
            .args = args,
            .args_size = sizeof(*args),
            .groups = {(args->n_tokens + shape->rows - 1) / shape->rows, args->n_heads, shape->groups},
            .flops = args->n_tokens * token_flops,
            .bytes = args->n_heads * (number_size(variant) * n + 8.0 * args->n_tokens) *
                ((double)args->width + args->n_v),
        };
        fm_dispatch_add(&dispatch, shape->constants);
        fm_stream_dispatch(stream, &dispatch);
    }
}

static bool weight_fits(struct fathom_stream *stream, const char *op, const char *name,
    const struct fathom_weight *w, uint32_t n_heads, uint32_t n_rows, uint32_t n_cols) {
    if (!fm_op_weight(stream, op, name, w)) return false;
    if (w->n_mats != n_heads || w->n_rows != n_rows || w->n_cols != n_cols)
        return fm_stream_fail(stream, FATHOM_INVALID,
            "%s: %s is [%" PRIu32 "][%" PRIu32 "][%" PRIu32 "], wanted [%" PRIu32 "][%" PRIu32 "][%" PRIu32
            "]",
            op, name, w->n_mats, w->n_rows, w->n_cols, n_heads, n_rows, n_cols);
    for (uint32_t i = 0; i < w->n_slices; i++)
        if (w->slices[i].n_rows % n_rows || w->slices[i].first_row % n_rows)
            return fm_stream_fail(stream, FATHOM_UNSUPPORTED, "%s: %s is cut within a head", op, name);
    return true;
}

// Takes a piece off the beginning of *scratch.
static bool take(struct fathom_stream *stream, const char *op, struct fathom_view *scratch, uint64_t n_words,
    struct fathom_view *bound, uint32_t *base) {
    if (!fm_op_bind(stream, op, "scratch", *scratch, n_words, bound, base)) return false;
    scratch->offset += 4 * n_words;
    scratch->size -= 4 * n_words;
    return true;
}

void fathom_expanded_attention(
    struct fathom_stream *stream, const struct fathom_expanded_attention_params *params) {
    static const char op[] = "expanded_attention";
    if (!(params = FM_OP_PARAMS(stream, op, fathom_expanded_attention_params, params))) return;
    const struct fathom_latent_cache *cache = &params->cache;
    const uint32_t n_heads = params->n_heads, n_tokens = params->n_tokens, n_v = params->n_v;
    struct fm_cache checked;
    struct fm_bound_cache bound;
    if (!fm_op_multiple(stream, op, "n_tokens", n_tokens, 1) ||
        !fm_op_multiple(stream, op, "n_heads", n_heads, 1) ||
        !fm_op_multiple(stream, op, "n_nope", params->n_nope, 4) ||
        !fm_op_multiple(stream, op, "n_v", n_v, 4) || !fm_op_latent_cache(stream, op, cache, &checked) ||
        !fm_op_multiple(stream, op, "n_rope", cache->n_rope, 4) ||
        !fm_op_multiple(stream, op, "n_positions", params->n_positions, 1) ||
        !fm_op_bind_cache(stream, op, &checked, params->n_positions, &bound) ||
        !weight_fits(stream, op, "k_b", params->k_b, n_heads, cache->kv_rank, params->n_nope) ||
        !weight_fits(stream, op, "v_b", params->v_b, n_heads, n_v, cache->kv_rank))
        return;
    if (n_heads > FM_MAX_GROUPS || n_tokens > FM_MAX_GROUPS || n_tokens > params->n_positions) {
        fm_stream_fail(stream, FATHOM_INVALID,
            "%s: %" PRIu32 " heads and %" PRIu32 " tokens, at most %d and the %" PRIu32 " positions", op,
            n_heads, n_tokens, FM_MAX_GROUPS, params->n_positions);
        return;
    }
    struct expansion keys = {
        .w = params->k_b,
        .table = bound.page_table,
        .pages = bound.pages,
        .cache_type = cache->type,
        .args =
            {
                .kv_rank = cache->kv_rank,
                .n_rope = cache->n_rope,
                .n_out = params->n_nope,
                .n_pages = bound.n_pages,
                .page_table_base = bound.page_table_base,
                .pages_base = bound.pages_base,
            },
    };
    struct expansion values = keys;
    values.w = params->v_b;
    values.values = true;
    values.args.n_out = n_v;
    const uint32_t width = params->n_nope + cache->n_rope;
    const uint64_t rows = (uint64_t)n_tokens * n_heads, block_rows = (uint64_t)n_heads * KV_BLOCK;
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

    const struct fathom_gpu_info *info = fathom_gpu_get_info(fm_stream_gpu(stream));
    // if the device's shared memory is too small for the widths, no variant with matrix units is chosen
    const uint32_t is =
        fm_attention_tiles(info, &(struct fm_matrix_attention_work){n_tokens, width, n_v, .size = 0});
    const struct fm_call call = {op, n_tokens,
        {cache->type, params->k_b->type, n_heads, cache->kv_rank, params->n_nope, cache->n_rope, n_v}, is};
    const struct fm_choice choice =
        fm_stream_choose(stream, &call, variants, fm_op_expanded_attention.n_variants, n_tokens);
    const struct fm_shape shape = fm_variant_shape(choice.variant,
        &(struct fm_attention_call){
            info, n_tokens, n_heads, n_heads, width, n_v, params->n_positions, choice.size});
    for (uint32_t first = 0; first < params->n_positions; first += KV_BLOCK) {
        const uint32_t n = params->n_positions - first < KV_BLOCK ? params->n_positions - first : KV_BLOCK;
        expand(stream, op, choice.variant, &keys, first, n);
        expand(stream, op, choice.variant, &values, first, n);
        attend(stream, op, choice.variant, &shape, &args, n_tokens, views, first, n);
    }
}
