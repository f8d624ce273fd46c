// Llama, Qwen2 and Qwen3: dense layers with grouped-query attention (arXiv 2305.13245).
#include "model/arch/arch.h"
#include "quant/types.h"
#include <math.h>
#include <stdio.h>

static void read_shape(struct fm_keys *k, struct fm_hparams *hp) {
    hp->n_heads = fm_key_u32(k, "attention.head_count", 1, 1024, UINT32_MAX);
    hp->n_kv = fm_key_u32(k, "attention.head_count_kv", 1, 1024, hp->n_heads);
    hp->n_value = fm_key_u32(k, "attention.key_length", 4, FM_MAX_ROPE, hp->n_hidden / hp->n_heads);
    hp->n_rope = hp->n_value;
    hp->rope_halves = true;
    hp->norm_eps = fm_key_f32(k, "attention.layer_norm_rms_epsilon", 0, 1, NAN);
    hp->n_dense_layers = hp->n_layers;
    hp->n_dense_inter = fm_key_u32(k, "feed_forward_length", 4, 1u << 20, UINT32_MAX);
    const uint32_t n_value = fm_key_u32(k, "attention.value_length", 1, UINT32_MAX, hp->n_value),
                   n_rotated = fm_key_u32(k, "rope.dimension_count", 1, UINT32_MAX, hp->n_value);
    const uint32_t n_experts = fm_key_u32(k, "expert_count", 0, UINT32_MAX, 0);
    if (k->failed) return;
    if (hp->n_heads % hp->n_kv)
        return fm_key_bad(k, "attention.head_count_kv", "does not divide attention.head_count");
    if (n_value != hp->n_value) return fm_key_bad(k, "attention.value_length", "is not attention.key_length");
    if (n_rotated != hp->n_value) return fm_key_bad(k, "rope.dimension_count", "is not attention.key_length");
    if (hp->n_value < 4 || hp->n_value > FM_MAX_ROPE || hp->n_value % 4)
        return fm_key_bad(k, "attention.key_length", "is not a multiple of 4 within 4 to 256");
    if (n_experts)
        return fm_key_bad(
            k, "expert_count", "is not 0: of this architecture, only dense models are supported");
}

// Reads Llama 3's divisors of the frequencies, if the file has them.
static void read_rope_divisors(struct fm_keys *k, struct fm_hparams *hp) {
    const struct fm_tensor *t = fm_tensors_find(k->tensors, "rope_freqs.weight");
    if (!t || k->failed) return;
    const bool floats = t->type == FATHOM_F32 || t->type == FATHOM_F16 || t->type == FATHOM_BF16;
    if (!floats || t->n_dims != 1 || t->dims[0] != hp->n_rope / 2) {
        k->failed =
            !fm_fail(k->err, FATHOM_INVALID, "%s: tensor rope_freqs.weight is not a vector of %u floats",
                fm_tensors_path(k->tensors), hp->n_rope / 2);
        return;
    }
    float stored[FM_MAX_ROPE / 2];
    if (!fm_tensor_read(k->tensors, t, 0, t->size, stored, k->err)) k->failed = true;
    hp->has_rope_tensor = true;
    if (!k->failed) fm_dequantize_row(t->type, stored, hp->rope_divisors, t->dims[0]);
    for (uint32_t i = 0; !k->failed && i < hp->n_rope / 2; i++)
        if (!(hp->rope_divisors[i] >= 1e-6f && hp->rope_divisors[i] <= 1e6f))
            k->failed = !fm_fail(k->err, FATHOM_INVALID, "%s: tensor rope_freqs.weight has the element %g",
                fm_tensors_path(k->tensors), hp->rope_divisors[i]);
}

static void read_dense(struct fm_keys *k, struct fm_hparams *hp) {
    read_shape(k, hp);
    read_rope_divisors(k, hp);
    fm_read_rope(k, hp, FM_ROPE_DENSE);
}

// llama.cpp's converter reorders the rows of Llama's queries and keys, so that rotated pairs are neighbours.
static void read_llama(struct fm_keys *k, struct fm_hparams *hp) {
    read_dense(k, hp);
    hp->rope_halves = false;
}

// Puts queries, keys and values into one weight if they have one type: one matrix product takes less time
// than three. The joined weight is a copy, never used in place.
static bool qkv_tensors(struct fm_walk *w, uint32_t i, struct fm_layer *l) {
    const struct fm_hparams *hp = w->hp;
    static const char *const suffixes[] = {"attn_q.weight", "attn_k.weight", "attn_v.weight"};
    const uint32_t n_key = hp->n_kv * hp->n_value, n_query = hp->n_heads * hp->n_value,
                   n_rows[] = {n_query, n_key, n_key};
    struct fathom_weight **weights[] = {&l->q, &l->k, &l->v};
    struct fm_need needs[3];
    const struct fm_tensor *found[3];
    uint32_t first_row = 0;
    for (int j = 0; j < 3; j++) {
        needs[j] = (struct fm_need){
            .weight = &l->qkv,
            .n_mats = 1,
            .n_rows = n_rows[j],
            .n_cols = hp->n_hidden,
            .first_row = first_row,
            .all_rows = n_query + 2 * n_key,
        };
        FM_LAYER_NAME(needs[j], i, suffixes[j]);
        found[j] = fm_tensors_find(w->tensors, needs[j].name);
        first_row += n_rows[j];
    }
    const bool alike = found[0] && found[1] && found[2] && found[0]->type == found[1]->type &&
        found[0]->type == found[2]->type;
    for (int j = 0; j < 3; j++) {
        if (!alike) needs[j].weight = weights[j], needs[j].first_row = needs[j].all_rows = 0;
        if (!fm_walk_visit(w, needs[j], false)) return false;
    }
    return true;
}

static bool attention_tensors(struct fm_walk *w, uint32_t i, struct fm_layer *l) {
    const struct fm_hparams *hp = w->hp;
    const uint32_t n_query = hp->n_heads * hp->n_value, n_key = hp->n_kv * hp->n_value;
    if (!fm_walk_vector(w, i, "attn_norm.weight", &l->attn_norm, hp->n_hidden, false) ||
        !qkv_tensors(w, i, l) ||
        !fm_walk_matrix(w, i, "attn_output.weight", &l->out, 1, hp->n_hidden, n_query, false))
        return false;
    const struct {
        const char *suffix;
        struct fathom_view *vector;
        uint32_t n;
    } vectors[] = {{"attn_q.bias", &l->q_bias, n_query}, {"attn_k.bias", &l->k_bias, n_key},
        {"attn_v.bias", &l->v_bias, n_key}, {"attn_q_norm.weight", &l->q_norm, hp->n_value},
        {"attn_k_norm.weight", &l->k_norm, hp->n_value}};
    // there are three biases or none, and two norms or none: the first one decides
    bool has[] = {false, false};
    for (size_t j = 0; j < sizeof(vectors) / sizeof(*vectors); j++) {
        char name[64];
        snprintf(name, sizeof(name), "blk.%u.%s", i, vectors[j].suffix);
        if (j == 0 || j == 3) has[j / 3] = fm_tensors_find(w->tensors, name);
        if (has[j / 3] && !fm_walk_vector(w, i, vectors[j].suffix, vectors[j].vector, vectors[j].n, false))
            return false;
    }
    return true;
}

static bool tensors(struct fm_walk *w, uint32_t i, struct fm_layer *l) {
    return attention_tensors(w, i, l) && fm_walk_mixture(w, i, l);
}

static uint64_t row_size(const struct fm_hparams *hp, enum fathom_type type) {
    return fathom_kv_row_size(type, hp->n_kv, hp->n_value);
}

static bool cache_check(const struct fm_hparams *hp, enum fathom_type type, struct fathom_error *err) {
    return fm_cache_check(row_size(hp, type), "heads", hp->n_value, 64, err);
}

static uint64_t cache_token_size(const struct fm_hparams *hp, enum fathom_type type) {
    return hp->n_layers * row_size(hp, type);
}

static uint64_t cache_size(const struct fm_hparams *hp, const struct fm_cache_params *params) {
    return fm_paged_size(params, cache_token_size(hp, params->type));
}

static bool cache_create(struct fathom_gpu *gpu, const struct fm_hparams *hp,
    const struct fm_cache_params *params, struct fm_caches *caches, struct fathom_error *err) {
    if (!fm_paged_create(gpu, params, row_size(hp, params->type), 0, caches, err)) return false;
    for (uint32_t i = 0; i < caches->n_layers; i++)
        caches->layers[i].kv = (struct fathom_kv_cache){
            .pages = fathom_buffer_view(caches->layers[i].buffers[0]),
            .page_table = fathom_buffer_view(caches->page_table),
            .type = params->type,
            .n_kv = hp->n_kv,
            .n_head = hp->n_value,
        };
    return true;
}

static uint32_t cache_truncate(uint32_t length) {
    return length;
}

static uint32_t cache_used(const struct fm_hparams *hp, const struct fm_caches *caches, uint32_t layer,
    uint32_t n_positions, struct fathom_view parts[FM_MAX_CACHE_PARTS]) {
    const struct fathom_kv_cache *kv = &caches->layers[layer].kv;
    return fm_ring_parts(kv->pages, row_size(hp, kv->type), 0, n_positions, parts);
}

static void widths(const struct fm_hparams *hp, struct fm_widths *w) {
    w->q = (hp->n_heads + 2ull * hp->n_kv) * hp->n_value;
    w->attended = (uint64_t)hp->n_heads * hp->n_value;
}

static uint64_t scratch(const struct fm_hparams *hp, uint32_t n_positions) {
    return fathom_grouped_attention_scratch(hp->n_heads, hp->n_value, n_positions);
}

#define GROUPED_ROW \
    .cpu_chunk = 128, .cache_check = cache_check, .cache_token_size = cache_token_size, \
    .cache_size = cache_size, .cache_create = cache_create, .cache_truncate = cache_truncate, \
    .cache_used = cache_used, .tensors = tensors, .widths = widths, .scratch = scratch, \
    .layers = fm_pass_residual_layers, .attention = fm_pass_grouped_attention, \
    .last_norm = fm_pass_last_norm

const struct fm_arch fm_arch_llama = {.name = "llama", .read = read_llama, GROUPED_ROW};
const struct fm_arch fm_arch_qwen2 = {.name = "qwen2", .read = read_dense, GROUPED_ROW};
const struct fm_arch fm_arch_qwen3 = {.name = "qwen3", .read = read_dense, GROUPED_ROW};
