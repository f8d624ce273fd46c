// DeepSeek-V4. One latent a position is the key and value of all heads. A layer keeps three things: the
// latents of the last positions, in a ring of pages; compressed rows of all positions, in the pages after the
// ring; and the positions not yet compressed. One page table serves all layers. It holds the ring's pages for
// every position, then the compressed rows' pages, then the compressed rows' pages once more for the indexer,
// whose pages begin at 0.
#include "model/arch/arch.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void read_ratios(struct fm_keys *k, struct fm_hparams *hp) {
    char key[128];
    fm_key_name(k, "attention.compress_ratios", key);
    for (uint32_t i = 0; !k->failed && i < hp->n_layers; i++) {
        int32_t ratio;
        if (!fm_meta_array_i32(k->tensors, key, i, &ratio))
            return fm_key_bad(k, key, "is not an array of whole numbers, one a layer");
        if (ratio < 0 || ratio == 1 || ratio > 4096)
            return fm_key_bad(k, key, "has an element that is not 0 or within 2 to 4096");
        hp->ratios[i] = (uint16_t)ratio;
        hp->n_indexed += ratio == FM_INDEXED_RATIO;
    }
}

// Latents with a sliding window and compressed rows; several residual streams in place of one.
static void read_shape(struct fm_keys *k, struct fm_hparams *hp) {
    hp->n_heads = fm_key_u32(k, "attention.head_count", 1, 1024, UINT32_MAX);
    hp->q_rank = fm_key_u32(k, "attention.q_lora_rank", 4, 65536, UINT32_MAX);
    hp->kv_rank = hp->n_value = fm_key_u32(k, "attention.key_length", 8, 512, UINT32_MAX);
    hp->n_rope = fm_key_u32(k, "rope.dimension_count", 4, FM_MAX_ROPE, UINT32_MAX);
    hp->norm_eps = fm_key_f32(k, "attention.layer_norm_rms_epsilon", 0, 1, NAN);
    hp->sliding_window = fm_key_u32(k, "attention.sliding_window", 1, 1u << 20, UINT32_MAX);
    hp->n_out_groups = fm_key_u32(k, "attention.output_group_count", 1, 1024, UINT32_MAX);
    hp->out_rank = fm_key_u32(k, "attention.output_lora_rank", 4, 65536, UINT32_MAX);
    hp->compressed_rope_base = fm_key_f32(k, "attention.compress_rope_freq_base", 1.5f, 1e9f, NAN);
    hp->n_mix_iterations = fm_key_u32(k, "hyper_connection.sinkhorn_iterations", 1, 1000, UINT32_MAX);
    hp->mix_eps = fm_key_f32(k, "hyper_connection.epsilon", 0, 1, NAN);
    hp->n_hash_layers = fm_key_u32(k, "hash_layer_count", 0, UINT32_MAX - 1, 0);
    hp->swiglu_limit = fm_key_layer_f32(k, "swiglu_clamp_exp", 0, 0, 1e30f, 0);
    for (uint32_t i = 0; !k->failed && i < hp->n_layers; i++)
        if (fm_key_layer_f32(k, "swiglu_clamp_exp", i, 0, 1e30f, 0) != hp->swiglu_limit ||
            fm_key_layer_f32(k, "swiglu_clamp_shexp", i, 0, 1e30f, hp->swiglu_limit) != hp->swiglu_limit)
            fm_key_bad(k, "swiglu_clamp_exp",
                "differs between layers or from swiglu_clamp_shexp, which is not supported");
    fm_key_u32(k, "hyper_connection.count", FATHOM_RESIDUALS, FATHOM_RESIDUALS, UINT32_MAX);
    read_ratios(k, hp);
    if (k->failed) return;
    hp->n_draft_layers = 0; // draft layers of this form are not supported and are left out
    if (hp->n_rope >= hp->kv_rank)
        return fm_key_bad(k, "rope.dimension_count", "is not smaller than attention.key_length");
    hp->n_nope = hp->kv_rank - hp->n_rope;
    if (hp->n_heads % hp->n_out_groups)
        return fm_key_bad(k, "attention.output_group_count", "does not divide attention.head_count");
    if (hp->q_rank % 4 || hp->kv_rank % 4 || hp->n_rope % 4 || hp->out_rank % 4)
        return fm_key_bad(k, "attention.*", "gives a head or latent width that is not a multiple of 4");
    if (hp->n_indexed) fm_read_indexer(k, hp);
    if (hp->n_hash_layers > hp->n_layers) hp->n_hash_layers = hp->n_layers;
}

static void read_deepseek4(struct fm_keys *k, struct fm_hparams *hp) {
    hp->n_streams = FATHOM_RESIDUALS;
    hp->n_rope_tables = 2;
    read_shape(k, hp);
    fm_read_experts(k, hp, FATHOM_GATE_SQRT_SOFTPLUS);
    if (!k->failed && !hp->n_experts) fm_key_bad(k, "expert_count", "is missing or 0");
    fm_read_rope(k, hp, FM_ROPE_WINDOWED);
    hp->rope_magnitude = 1; // YaRN changes the frequencies alone
    hp->softmax_scale = 1 / sqrtf((float)(hp->n_nope + hp->n_rope));
}

static bool mix_tensors(
    struct fm_walk *w, const char *prefix, struct fm_hyper *mix, uint32_t n_logits, uint32_t n_scales) {
    struct fm_need logits = {
        .weight = &mix->logits,
        .n_mats = 1,
        .n_rows = n_logits,
        .n_cols = FATHOM_RESIDUALS * w->hp->n_hidden,
    };
    struct fm_need base = {.vector = &mix->base, .n_mats = 1, .n_rows = 1, .n_cols = n_logits},
                   scale = {.vector = &mix->scale, .n_mats = 1, .n_rows = 1, .n_cols = n_scales};
    snprintf(logits.name, sizeof(logits.name), "%s_fn.weight", prefix);
    snprintf(base.name, sizeof(base.name), "%s_base.weight", prefix);
    snprintf(scale.name, sizeof(scale.name), "%s_scale.weight", prefix);
    return fm_walk_visit(w, logits, false) && fm_walk_visit(w, base, false) && fm_walk_visit(w, scale, false);
}

static bool compressor_tensors(
    struct fm_walk *w, uint32_t i, const char *prefix, struct fm_compressor *c, uint32_t n_key) {
    const uint32_t ratio = w->hp->ratios[i], width = ratio == FM_INDEXED_RATIO ? 2 * n_key : n_key;
    char kv[40], gate[40], norm[40];
    snprintf(kv, sizeof(kv), "%s_kv.weight", prefix);
    snprintf(gate, sizeof(gate), "%s_gate.weight", prefix);
    snprintf(norm, sizeof(norm), "%s_norm.weight", prefix);
    struct fm_need bias = {.vector = &c->bias, .n_mats = 1, .n_rows = ratio, .n_cols = width};
    snprintf(bias.name, sizeof(bias.name), "blk.%u.%s_ape.weight", i, prefix);
    return fm_walk_matrix(w, i, kv, &c->kv, 1, width, w->hp->n_hidden, false) &&
        fm_walk_matrix(w, i, gate, &c->gate, 1, width, w->hp->n_hidden, false) &&
        fm_walk_visit(w, bias, false) && fm_walk_vector(w, i, norm, &c->norm, n_key, false);
}

static bool attention_tensors(struct fm_walk *w, uint32_t i, struct fm_layer *l) {
    const struct fm_hparams *hp = w->hp;
    char mix[32];
    struct fm_need out_a = {
        .weight = &l->out_a,
        .n_mats = hp->n_out_groups,
        .n_rows = hp->out_rank,
        .n_cols = hp->n_heads / hp->n_out_groups * hp->kv_rank,
        .flat = true,
    };
    FM_LAYER_NAME(out_a, i, "attn_output_a.weight");
    snprintf(mix, sizeof(mix), "blk.%u.hc_attn", i);
    if (!mix_tensors(w, mix, &l->attn_mix, FATHOM_MIX_LOGITS, 3) ||
        !fm_walk_vector(w, i, "attn_norm.weight", &l->attn_norm, hp->n_hidden, false) ||
        !fm_walk_matrix(w, i, "attn_q_a.weight", &l->q_a, 1, hp->q_rank, hp->n_hidden, false) ||
        !fm_walk_vector(w, i, "attn_q_a_norm.weight", &l->q_a_norm, hp->q_rank, false) ||
        !fm_walk_matrix(w, i, "attn_q_b.weight", &l->q_b, 1, hp->n_heads * hp->kv_rank, hp->q_rank, false) ||
        !fm_walk_matrix(w, i, "attn_kv.weight", &l->kv_a, 1, hp->kv_rank, hp->n_hidden, false) ||
        !fm_walk_vector(w, i, "attn_kv_a_norm.weight", &l->kv_a_norm, hp->kv_rank, false) ||
        !fm_walk_vector(w, i, "attn_sinks.weight", &l->sinks, hp->n_heads, false))
        return false;
    if (hp->ratios[i] && !compressor_tensors(w, i, "attn_compressor", &l->compressor, hp->kv_rank))
        return false;
    if (hp->ratios[i] == FM_INDEXED_RATIO &&
        (!fm_walk_matrix(w, i, "indexer.attn_q_b.weight", &l->index_q, 1, hp->n_index_heads * hp->n_index,
             hp->q_rank, false) ||
            !fm_walk_matrix(
                w, i, "indexer.proj.weight", &l->index_weights, 1, hp->n_index_heads, hp->n_hidden, false) ||
            !compressor_tensors(w, i, "indexer_compressor", &l->index_compressor, hp->n_index)))
        return false;
    return fm_walk_visit(w, out_a, false) &&
        fm_walk_matrix(
            w, i, "attn_output_b.weight", &l->out, 1, hp->n_hidden, hp->n_out_groups * hp->out_rank, false);
}

static bool tensors(struct fm_walk *w, uint32_t i, struct fm_layer *l) {
    if (!attention_tensors(w, i, l)) return false;
    char mix[32];
    snprintf(mix, sizeof(mix), "blk.%u.hc_ffn", i);
    if (!mix_tensors(w, mix, &l->ffn_mix, FATHOM_MIX_LOGITS, 3)) return false;
    if (i < w->hp->n_hash_layers) {
        struct fm_need table = {
            .vector = &l->expert_table,
            .n_mats = 1,
            .n_rows = w->hp->n_vocab,
            .n_cols = w->hp->n_experts_used,
            .table = true,
        };
        FM_LAYER_NAME(table, i, "ffn_gate_tid2eid.weight");
        if (!fm_walk_visit(w, table, false)) return false;
    }
    return fm_walk_mixture(w, i, l);
}

static bool last_tensors(struct fm_walk *w) {
    return mix_tensors(w, "output_hc", &w->weights->final_mix, FATHOM_RESIDUALS, 1);
}

static uint64_t row_size(const struct fm_hparams *hp, enum fathom_type type) {
    return fathom_latent_row_size(type, hp->kv_rank, 0);
}

static bool cache_check(const struct fm_hparams *hp, enum fathom_type type, struct fathom_error *err) {
    return fm_cache_check(row_size(hp, type), "latents", hp->kv_rank, 32, err);
}

// Holds the sliding window before a chunk, the chunk, and the tokens of steps in flight when a text ends.
static uint32_t ring_pages(const struct fm_hparams *hp, const struct fm_cache_params *params) {
    return fm_pages((uint64_t)hp->sliding_window + params->n_chunk + params->n_ahead);
}

static uint32_t compressed_pages(uint32_t ratio, uint32_t n_context) {
    return ratio ? fm_pages(n_context / ratio + 1) : 0;
}

static uint32_t kept_positions(uint32_t ratio, uint32_t n_ahead) {
    return (ratio == FM_INDEXED_RATIO ? 2 : 1) * ratio + n_ahead;
}

static uint64_t state_size(uint32_t ratio, uint32_t n_ahead, uint32_t n_key) {
    return 8ull * kept_positions(ratio, n_ahead) * (ratio == FM_INDEXED_RATIO ? 2 : 1) * n_key;
}

// In bytes.
struct layer_size {
    uint64_t pages, index_pages, state, index_state;
};

static struct layer_size layer_size(
    const struct fm_hparams *hp, uint32_t layer, const struct fm_cache_params *params) {
    const uint32_t ratio = hp->ratios[layer], n_compressed = compressed_pages(ratio, params->n_context);
    const uint64_t page = FATHOM_PAGE * row_size(hp, params->type);
    struct layer_size size = {
        .pages = (ring_pages(hp, params) + n_compressed) * page,
        .state = ratio ? state_size(ratio, params->n_ahead, hp->kv_rank) : 0,
    };
    if (ratio != FM_INDEXED_RATIO) return size;
    size.index_pages =
        n_compressed * FATHOM_PAGE * fathom_index_row_size(fm_index_type(params->type), hp->n_index);
    size.index_state = state_size(ratio, params->n_ahead, hp->n_index);
    return size;
}

static uint64_t cache_size(const struct fm_hparams *hp, const struct fm_cache_params *params) {
    uint64_t total = 0;
    for (uint32_t i = 0; i < hp->n_layers; i++) {
        const struct layer_size size = layer_size(hp, i, params);
        total += size.pages + size.index_pages + size.state + size.index_state;
    }
    return total;
}

static uint64_t cache_token_size(const struct fm_hparams *hp, enum fathom_type type) {
    double total = 0;
    for (uint32_t i = 0; i < hp->n_layers; i++) {
        if (hp->ratios[i]) total += (double)row_size(hp, type) / hp->ratios[i];
        if (hp->ratios[i] == FM_INDEXED_RATIO)
            total += (double)fathom_index_row_size(fm_index_type(type), hp->n_index) / hp->ratios[i];
    }
    return (uint64_t)(total + 0.5);
}

static bool create_page_table(struct fathom_gpu *gpu, uint32_t n_pages, uint32_t n_ring,
    uint32_t n_compressed, struct fm_caches *caches, struct fathom_error *err) {
    const uint64_t n = (uint64_t)n_pages + 2ull * n_compressed;
    uint32_t *table = malloc(4 * n);
    if (!table) return fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
    for (uint32_t i = 0; i < n_pages; i++) table[i] = i % n_ring;
    for (uint32_t i = 0; i < n_compressed; i++) {
        table[n_pages + i] = n_ring + i;
        table[n_pages + n_compressed + i] = i;
    }
    const bool ok = fm_page_table_create(gpu, table, (uint32_t)n, caches, err);
    free(table);
    return ok;
}

// A part of the layer's one buffer. Each part begins at a multiple of 256 bytes, which devices want of a
// binding's offset.
static struct fathom_view cut(struct fathom_buffer *buffer, uint64_t *offset, uint64_t size) {
    const struct fathom_view view = {buffer, *offset, size};
    *offset += (size + 255) / 256 * 256;
    return view;
}

static bool cache_create(struct fathom_gpu *gpu, const struct fm_hparams *hp,
    const struct fm_cache_params *params, struct fm_caches *caches, struct fathom_error *err) {
    const struct fathom_gpu_info *info = fathom_gpu_get_info(gpu);
    const uint32_t n_pages = fm_pages(params->n_context);
    uint32_t n_compressed = 0;
    for (uint32_t i = 0; i < hp->n_layers; i++) {
        const uint32_t n = compressed_pages(hp->ratios[i], params->n_context);
        if (n > n_compressed) n_compressed = n;
    }
    if (!create_page_table(gpu, n_pages, ring_pages(hp, params), n_compressed, caches, err)) return false;
    caches->first_compressed = n_pages * FATHOM_PAGE;
    caches->n_ring = ring_pages(hp, params) * FATHOM_PAGE;
    const struct fathom_view table = {caches->page_table, 0, 4ull * (n_pages + n_compressed)};
    const struct fathom_view index_table = {caches->page_table, table.size, 4ull * n_compressed};
    for (uint32_t i = 0; i < hp->n_layers; i++) {
        const struct layer_size size = layer_size(hp, i, params);
        if (size.pages > info->max_storage_range)
            return fm_fail(err, FATHOM_UNSUPPORTED,
                "a context of %u tokens needs %llu bytes of cache in layer %u, %s can address %llu",
                params->n_context, (unsigned long long)size.pages, i, info->name,
                (unsigned long long)info->max_storage_range);
        uint64_t at = 0;
        cut(NULL, &at, size.pages), cut(NULL, &at, size.index_pages), cut(NULL, &at, size.state),
            cut(NULL, &at, size.index_state);
        struct fm_layer_cache *layer = &caches->layers[i];
        struct fathom_buffer *buffer = layer->buffers[0] =
            fathom_buffer_create(gpu, at, FATHOM_MEMORY_DEVICE, err);
        if (!buffer) return false;
        at = 0;
        layer->latents = (struct fathom_latent_cache){
            .pages = cut(buffer, &at, size.pages),
            .page_table = table,
            .type = params->type,
            .kv_rank = hp->kv_rank,
        };
        layer->index = (struct fathom_index_cache){
            .pages = cut(buffer, &at, size.index_pages),
            .page_table = index_table,
            .type = fm_index_type(params->type),
            .n_key = hp->n_index,
        };
        layer->state = cut(buffer, &at, size.state);
        layer->index_state = cut(buffer, &at, size.index_state);
        layer->n_state = kept_positions(hp->ratios[i], params->n_ahead);
    }
    return true;
}

// The ring may no longer hold the sliding window before the cut. All tokens are therefore read again.
static uint32_t cache_truncate(uint32_t length) {
    (void)length;
    return 0;
}

// The sliding window, the compressed rows of both kinds, and the positions that the next compressed rows
// take. Each of the two rings holds more than that, by numbers that depend on the chunk and on the steps in
// flight.
static uint32_t cache_used(const struct fm_hparams *hp, const struct fm_caches *caches, uint32_t layer,
    uint32_t n_positions, struct fathom_view parts[FM_MAX_CACHE_PARTS]) {
    const struct fm_layer_cache *l = &caches->layers[layer];
    const uint32_t ratio = hp->ratios[layer],
                   n_window = n_positions < hp->sliding_window ? n_positions : hp->sliding_window;
    const uint64_t row = row_size(hp, l->latents.type);
    struct fathom_view ring = l->latents.pages, compressed = ring;
    ring.size = caches->n_ring * row;
    compressed.offset += ring.size, compressed.size -= ring.size;
    uint32_t n = fm_ring_parts(ring, row, n_positions - n_window, n_window, parts);
    if (!ratio) return n;
    n += fm_ring_parts(compressed, row, 0, n_positions / ratio, parts + n);
    uint32_t n_kept = kept_positions(ratio, 0);
    if (n_kept > n_positions) n_kept = n_positions;
    const uint32_t first = n_positions - n_kept;
    n += fm_ring_parts(l->state, l->state.size / l->n_state, first, n_kept, parts + n);
    if (ratio != FM_INDEXED_RATIO) return n;
    n += fm_ring_parts(
        l->index.pages, fathom_index_row_size(l->index.type, hp->n_index), 0, n_positions / ratio, parts + n);
    return n + fm_ring_parts(l->index_state, l->index_state.size / l->n_state, first, n_kept, parts + n);
}

static void widths(const struct fm_hparams *hp, struct fm_widths *w) {
    const uint64_t heads = hp->n_heads, key = hp->kv_rank > hp->n_index ? hp->kv_rank : hp->n_index,
                   pooled = (hp->n_indexed ? 2 : 1) * key;
    w->q_latent = hp->q_rank;
    w->q = heads * hp->kv_rank;
    w->kv = hp->kv_rank;
    w->context = heads * hp->kv_rank;
    w->attended = (uint64_t)hp->n_out_groups * hp->out_rank;
    w->branch = hp->n_hidden;
    w->mix_logits = FATHOM_MIX_LOGITS;
    w->mix = FATHOM_MIX;
    w->pool_kv = w->pool_gate = pooled;
}

// The most rows of the cache that a token attends to.
static uint32_t attended_rows(const struct fm_hparams *hp, uint32_t n_positions) {
    uint32_t most = 0;
    for (uint32_t i = 0; i < hp->n_layers; i++) {
        const uint32_t n = hp->ratios[i] ? n_positions / hp->ratios[i] : 0,
                       chosen =
                           hp->ratios[i] == FM_INDEXED_RATIO && n > hp->index_top_k ? hp->index_top_k : n;
        if (chosen > most) most = chosen;
    }
    return most + (n_positions < hp->sliding_window ? n_positions : hp->sliding_window);
}

static uint64_t scratch(const struct fm_hparams *hp, uint32_t n_positions) {
    return fathom_latent_attention_scratch(hp->n_heads, hp->kv_rank, attended_rows(hp, n_positions));
}

static void mix(const struct fm_pass *p, const struct fm_hyper *hyper, struct fathom_view norm) {
    fm_pass_project(p, hyper->logits, p->ws->x, p->ws->mix_logits);
    fathom_hyper_mix(p->stream,
        &FATHOM_INIT(fathom_hyper_mix_params, .x = p->ws->x, .logits = p->ws->mix_logits,
            .scale = hyper->scale, .base = hyper->base, .w = norm, .y = p->ws->normed, .mix = p->ws->mix,
            .n_tokens = p->n_tokens, .n = p->hp->n_hidden, .n_iterations = p->hp->n_mix_iterations,
            .eps = p->hp->mix_eps, .norm_eps = p->hp->norm_eps));
}

static void expand(const struct fm_pass *p) {
    fathom_hyper_expand(p->stream,
        &FATHOM_INIT(fathom_hyper_expand_params, .x = p->ws->x, .y = p->ws->branch, .mix = p->ws->mix,
            .n_tokens = p->n_tokens, .n = p->hp->n_hidden));
}

// The residual streams begin as copies of the embedding.
static void layers(const struct fm_pass *p) {
    fathom_embed(p->stream,
        &FATHOM_INIT(fathom_embed_params, .w = p->weights->embedding, .ids = p->ids, .x = p->ws->branch,
            .n_tokens = p->n_tokens));
    fathom_hyper_expand(p->stream,
        &FATHOM_INIT(fathom_hyper_expand_params, .x = p->ws->x, .y = p->ws->branch, .n_tokens = p->n_tokens,
            .n = p->hp->n_hidden));
    for (uint32_t i = 0; i < p->hp->n_layers; i++) {
        const struct fm_layer *l = &p->weights->layers[i];
        mix(p, &l->attn_mix, l->attn_norm);
        fm_pass_sliding_window_attention(p, i);
        expand(p);
        mix(p, &l->ffn_mix, l->ffn_norm);
        fm_pass_mixture(p, i);
        expand(p);
    }
}

static void last_norm(const struct fm_pass *p, struct fathom_view x, uint32_t n) {
    const struct fm_hyper *last = &p->weights->final_mix;
    fathom_matmul(p->stream,
        &FATHOM_INIT(fathom_matmul_params, .w = last->logits, .x = x, .y = p->ws->mix_logits, .n_tokens = n));
    fathom_hyper_mix(p->stream,
        &FATHOM_INIT(fathom_hyper_mix_params, .x = x, .logits = p->ws->mix_logits, .scale = last->scale,
            .base = last->base, .w = p->weights->final_norm, .y = p->ws->normed, .n_tokens = n,
            .n = p->hp->n_hidden, .eps = p->hp->mix_eps, .norm_eps = p->hp->norm_eps));
}

const struct fm_arch fm_arch_deepseek4 = {
    .name = "deepseek4",
    .cpu_chunk = 512,
    .cache_check = cache_check,
    .cache_token_size = cache_token_size,
    .cache_size = cache_size,
    .cache_create = cache_create,
    .cache_truncate = cache_truncate,
    .cache_used = cache_used,
    .read = read_deepseek4,
    .tensors = tensors,
    .last_tensors = last_tensors,
    .widths = widths,
    .scratch = scratch,
    .layers = layers,
    .last_norm = last_norm,
};
