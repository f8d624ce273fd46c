// DeepSeek-V2, V3, R1 and V3.2: multi-head latent attention (arXiv 2405.04434), and V3.2's lightning indexer.
#include "model/arch/arch.h"
#include <math.h>

static void read_latent(struct fm_keys *k, struct fm_hparams *hp) {
    hp->n_heads = fm_key_u32(k, "attention.head_count", 1, 1024, UINT32_MAX);
    hp->q_rank = fm_key_u32(k, "attention.q_lora_rank", 0, 65536, 0);
    hp->kv_rank = fm_key_u32(k, "attention.kv_lora_rank", 4, 512, UINT32_MAX);
    hp->n_rope = fm_key_u32(k, "rope.dimension_count", 4, 128, UINT32_MAX);
    // Older files declare one key-value head per head, and key_length and value_length are those of a head.
    // Newer files have the latent's lengths there, and a head's in key_length_mla and value_length_mla.
    const bool older = hp->n_heads > 1 && fm_key_u32(k, "attention.head_count_kv", 1, 1024, 1) == hp->n_heads;
    const uint32_t key_length =
        fm_key_u32(k, older ? "attention.key_length" : "attention.key_length_mla", 8, 512, UINT32_MAX);
    hp->n_value =
        fm_key_u32(k, older ? "attention.value_length" : "attention.value_length_mla", 4, 512, UINT32_MAX);
    hp->norm_eps = fm_key_f32(k, "attention.layer_norm_rms_epsilon", 0, 1, NAN);
    if (k->failed) return;
    if (key_length <= hp->n_rope)
        return fm_key_bad(k, "attention.key_length_mla", "is not larger than rope.dimension_count");
    hp->n_nope = key_length - hp->n_rope;
    if (hp->q_rank % 4 || hp->kv_rank % 4 || hp->n_rope % 4 || hp->n_nope % 4 || hp->n_value % 4)
        fm_key_bad(k, "attention.*", "gives a head or latent width that is not a multiple of 4");
}

static void read_deepseek2(struct fm_keys *k, struct fm_hparams *hp) {
    read_latent(k, hp);
    fm_read_experts(k, hp, FATHOM_GATE_SOFTMAX);
    fm_read_rope(k, hp, FM_ROPE_LATENT);
}

static void read_deepseek32(struct fm_keys *k, struct fm_hparams *hp) {
    read_latent(k, hp);
    fm_read_indexer(k, hp);
    fm_read_experts(k, hp, FATHOM_GATE_SIGMOID);
    fm_read_rope(k, hp, FM_ROPE_LATENT);
}

static bool attention_tensors(struct fm_walk *w, uint32_t i, struct fm_layer *l) {
    const struct fm_hparams *hp = w->hp;
    const uint32_t n_query = hp->n_heads * (hp->n_nope + hp->n_rope);
    if (!fm_walk_vector(w, i, "attn_norm.weight", &l->attn_norm, hp->n_hidden, false)) return false;
    if (hp->q_rank) {
        if (!fm_walk_matrix(w, i, "attn_q_a.weight", &l->q_a, 1, hp->q_rank, hp->n_hidden, false) ||
            !fm_walk_vector(w, i, "attn_q_a_norm.weight", &l->q_a_norm, hp->q_rank, false) ||
            !fm_walk_matrix(w, i, "attn_q_b.weight", &l->q_b, 1, n_query, hp->q_rank, false))
            return false;
    } else if (!fm_walk_matrix(w, i, "attn_q.weight", &l->q, 1, n_query, hp->n_hidden, false)) {
        return false;
    }
    if (hp->index_top_k &&
        (!fm_walk_matrix(w, i, "indexer.attn_q_b.weight", &l->index_q, 1, hp->n_index_heads * hp->n_index,
             hp->q_rank, false) ||
            !fm_walk_matrix(
                w, i, "indexer.attn_k.weight", &l->index_k, 1, hp->n_index, hp->n_hidden, false) ||
            !fm_walk_matrix(
                w, i, "indexer.proj.weight", &l->index_weights, 1, hp->n_index_heads, hp->n_hidden, false) ||
            !fm_walk_vector(w, i, "indexer.k_norm.weight", &l->index_norm, hp->n_index, false) ||
            !fm_walk_vector(w, i, "indexer.k_norm.bias", &l->index_norm_bias, hp->n_index, false)))
        return false;
    return fm_walk_matrix(
               w, i, "attn_kv_a_mqa.weight", &l->kv_a, 1, hp->kv_rank + hp->n_rope, hp->n_hidden, false) &&
        fm_walk_vector(w, i, "attn_kv_a_norm.weight", &l->kv_a_norm, hp->kv_rank, false) &&
        fm_walk_matrix(w, i, "attn_k_b.weight", &l->k_b, hp->n_heads, hp->kv_rank, hp->n_nope, false) &&
        fm_walk_matrix(w, i, "attn_v_b.weight", &l->v_b, hp->n_heads, hp->n_value, hp->kv_rank, false) &&
        fm_walk_matrix(
            w, i, "attn_output.weight", &l->out, 1, hp->n_hidden, hp->n_heads * hp->n_value, false);
}

static bool tensors(struct fm_walk *w, uint32_t i, struct fm_layer *l) {
    return attention_tensors(w, i, l) && fm_walk_mixture(w, i, l);
}

static uint64_t row_size(const struct fm_hparams *hp, enum fathom_type type) {
    return fathom_latent_row_size(type, hp->kv_rank, hp->n_rope);
}

static uint64_t index_row_size(const struct fm_hparams *hp, enum fathom_type type) {
    return hp->n_index ? fathom_index_row_size(fm_index_type(type), hp->n_index) : 0;
}

static bool cache_check(const struct fm_hparams *hp, enum fathom_type type, struct fathom_error *err) {
    return fm_cache_check(row_size(hp, type), "latents", hp->kv_rank, 32, err);
}

static uint64_t cache_token_size(const struct fm_hparams *hp, enum fathom_type type) {
    return (hp->n_layers + hp->n_drafting) * (row_size(hp, type) + index_row_size(hp, type));
}

static uint64_t cache_size(const struct fm_hparams *hp, const struct fm_cache_params *params) {
    return fm_paged_size(params, cache_token_size(hp, params->type));
}

static bool cache_create(struct fathom_gpu *gpu, const struct fm_hparams *hp,
    const struct fm_cache_params *params, struct fm_caches *caches, struct fathom_error *err) {
    if (!fm_paged_create(
            gpu, params, row_size(hp, params->type), index_row_size(hp, params->type), caches, err))
        return false;
    const struct fathom_view table = fathom_buffer_view(caches->page_table);
    for (uint32_t i = 0; i < caches->n_layers; i++) {
        struct fm_layer_cache *layer = &caches->layers[i];
        layer->latents = (struct fathom_latent_cache){
            .pages = fathom_buffer_view(layer->buffers[0]),
            .page_table = table,
            .type = params->type,
            .kv_rank = hp->kv_rank,
            .n_rope = hp->n_rope,
        };
        if (hp->n_index)
            layer->index = (struct fathom_index_cache){
                .pages = fathom_buffer_view(layer->buffers[1]),
                .page_table = table,
                .type = fm_index_type(params->type),
                .n_key = hp->n_index,
            };
    }
    return true;
}

static uint32_t cache_truncate(uint32_t length) {
    return length;
}

static uint32_t cache_used(const struct fm_hparams *hp, const struct fm_caches *caches, uint32_t layer,
    uint32_t n_positions, struct fathom_view parts[FM_MAX_CACHE_PARTS]) {
    const struct fm_layer_cache *l = &caches->layers[layer];
    uint32_t n = fm_ring_parts(l->latents.pages, row_size(hp, l->latents.type), 0, n_positions, parts);
    if (hp->n_index)
        n += fm_ring_parts(l->index.pages, index_row_size(hp, l->latents.type), 0, n_positions, parts + n);
    return n;
}

static void widths(const struct fm_hparams *hp, struct fm_widths *w) {
    const uint64_t heads = hp->n_heads;
    w->q_latent = hp->q_rank;
    w->q = heads * (hp->n_nope + hp->n_rope);
    w->q_absorbed = heads * (hp->kv_rank + hp->n_rope);
    w->kv = hp->kv_rank + hp->n_rope;
    w->context = heads * hp->kv_rank;
    w->attended = heads * hp->n_value;
}

static uint64_t scratch(const struct fm_hparams *hp, uint32_t n_positions) {
    return fathom_latent_attention_scratch(hp->n_heads, hp->kv_rank, n_positions);
}

static uint64_t chunk_scratch(const struct fm_hparams *hp, uint32_t n_tokens) {
    return fathom_expanded_attention_scratch(n_tokens, hp->n_heads, hp->n_nope, hp->n_rope, hp->n_value);
}

// A chunk may expand the latents of all positions before it. Expanding pays from some 400 tokens on.
#define LATENT_ROW \
    .cpu_chunk = 512, .cache_check = cache_check, .cache_token_size = cache_token_size, \
    .cache_size = cache_size, .cache_create = cache_create, .cache_truncate = cache_truncate, \
    .cache_used = cache_used, .tensors = tensors, .widths = widths, .scratch = scratch, \
    .chunk_scratch = chunk_scratch, .layers = fm_pass_residual_layers, \
    .attention = fm_pass_latent_attention, .store = fm_pass_store, .last_norm = fm_pass_last_norm

const struct fm_arch fm_arch_deepseek2 = {.name = "deepseek2", .read = read_deepseek2, LATENT_ROW};
const struct fm_arch fm_arch_deepseek32 = {.name = "deepseek32", .read = read_deepseek32, LATENT_ROW};
