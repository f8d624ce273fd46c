// Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434). Queries come through an optional latent. Keys
// and values come from one latent a position, shared by all heads; the cache holds only these latents.
#include "model/pass.h"
#include <math.h>

// of both latents' norms, in DeepSeek's code and in transformers, whatever the model's norm_eps
#define LATENT_EPS 1e-6f
#define INDEX_EPS 1e-6f // of the indexer's layer norm, in DeepSeek's code; no file has the value

static void project_query(const struct fm_pass *p, const struct fm_layer *l) {
    const struct fm_workspace *ws = p->ws;
    if (l->q) {
        fm_pass_project(p, l->q, ws->normed, ws->q);
        return;
    }
    fm_pass_project(p, l->q_a, ws->normed, ws->q_latent);
    fathom_rms_norm(p->stream,
        &FATHOM_INIT(fathom_rms_norm_params, .x = ws->q_latent, .w = l->q_a_norm, .y = ws->q_latent,
            .n_tokens = p->n_tokens, .n_cols = p->hp->q_rank, .eps = LATENT_EPS));
    fm_pass_project(p, l->q_b, ws->q_latent, ws->q);
}

static void store_latent(
    const struct fm_pass *p, const struct fm_layer *l, const struct fathom_latent_cache *cache) {
    fm_pass_project(p, l->kv_a, p->ws->normed, p->ws->kv);
    fathom_latent_store(p->stream,
        &FATHOM_INIT(fathom_latent_store_params, .kv = p->ws->kv, .w = l->kv_a_norm,
            .rope_table = p->rope_table, .position = p->position, .cache = *cache, .n_tokens = p->n_tokens,
            .eps = LATENT_EPS));
}

// The lightning indexer (DeepSeek-V3.2): stores its key of every token in its own cache. `queries`: also
// computes its queries.
static void store_index(const struct fm_pass *p, const struct fm_layer *l, uint32_t layer, bool queries) {
    const struct fm_hparams *hp = p->hp;
    const struct fm_workspace *ws = p->ws;
    if (queries) fm_pass_project(p, l->index_q, ws->q_latent, ws->index_q);
    fm_pass_project(p, l->index_k, ws->normed, ws->index_k);
    fathom_index_store(p->stream,
        &FATHOM_INIT(fathom_index_store_params, .q = ws->index_q, .k = ws->index_k, .w = l->index_norm,
            .b = l->index_norm_bias, .rope_table = p->rope_table, .position = p->position,
            .cache = p->caches->layers[layer].index, .n_tokens = p->n_tokens,
            .n_heads = queries ? hp->n_index_heads : 0, .n_rope = hp->n_rope, .eps = INDEX_EPS));
}

// ws->selected = the positions that each token attends to. The scores lie in the scratch, for as many tokens
// at a time as the scratch holds.
static void select_positions(const struct fm_pass *p, const struct fm_layer *l, uint32_t layer) {
    const struct fm_hparams *hp = p->hp;
    const struct fm_workspace *ws = p->ws;
    const uint64_t fit = ws->scratch.size / (4ull * p->n_positions);
    const uint32_t at_once = fit < p->n_tokens ? (uint32_t)fit : p->n_tokens;
    fm_pass_project(p, l->index_weights, ws->normed, ws->index_weights);
    for (uint32_t t = 0; t < p->n_tokens; t += at_once) {
        const uint32_t n = p->n_tokens - t < at_once ? p->n_tokens - t : at_once;
        fathom_index_score(p->stream,
            &FATHOM_INIT(fathom_index_score_params, .q = ws->index_q, .weights = ws->index_weights,
                .position = p->position, .scores = ws->scratch, .cache = p->caches->layers[layer].index,
                .n_tokens = n, .first_token = t, .n_heads = hp->n_index_heads,
                .max_positions = p->n_positions,
                .scale = 1 / sqrtf((float)(hp->n_index_heads * hp->n_index))));
        fathom_index_select(p->stream,
            &FATHOM_INIT(fathom_index_select_params, .scores = ws->scratch, .position = p->position,
                .selected = ws->selected, .n_tokens = n, .first_token = t, .top_k = hp->index_top_k,
                .max_positions = p->n_positions));
    }
}

// Rotates the rotary part of every query head, from ws->q to `y`, which has its own strides.
static void rotate_query(
    const struct fm_pass *p, struct fathom_view y, uint32_t y_head_stride, uint32_t y_first) {
    const struct fm_hparams *hp = p->hp;
    const uint32_t q_head = hp->n_nope + hp->n_rope;
    struct fathom_view x = p->ws->q;
    x.offset += 4 * hp->n_nope, x.size -= 4 * hp->n_nope;
    y.offset += 4 * y_first, y.size -= 4 * y_first;
    fathom_rope(p->stream,
        &FATHOM_INIT(fathom_rope_params, .x = x, .y = y, .rope_table = p->rope_table, .position = p->position,
            .n_tokens = p->n_tokens, .n_heads = hp->n_heads, .n_rope = hp->n_rope,
            .x_token_stride = hp->n_heads * q_head, .x_head_stride = q_head,
            .y_token_stride = hp->n_heads * y_head_stride, .y_head_stride = y_head_stride));
}

// Absorbed attention: the key's up-projection is applied to the query, and the value's to the mean latent. No
// keys or values are computed.
static void attend_absorbed(
    const struct fm_pass *p, const struct fm_layer *l, const struct fathom_latent_cache *cache, bool sparse) {
    const struct fm_hparams *hp = p->hp;
    const struct fm_workspace *ws = p->ws;
    const uint32_t q_head = hp->n_nope + hp->n_rope, latent = hp->kv_rank + hp->n_rope;
    fathom_matmul(p->stream,
        &FATHOM_INIT(fathom_matmul_params, .w = l->k_b, .x = ws->q, .y = ws->q_absorbed,
            .n_tokens = p->n_tokens, .x_token_stride = hp->n_heads * q_head, .x_mat_stride = q_head,
            .y_token_stride = hp->n_heads * latent, .y_mat_stride = latent));
    rotate_query(p, ws->q_absorbed, latent, hp->kv_rank);
    fathom_latent_attention(p->stream,
        &FATHOM_INIT(fathom_latent_attention_params, .q = ws->q_absorbed, .out = ws->context,
            .position = p->position, .cache = *cache, .scratch = ws->scratch, .counters = ws->counters,
            .n_tokens = p->n_tokens, .n_heads = hp->n_heads,
            .max_positions = sparse ? hp->index_top_k : p->n_positions,
            .selected = sparse ? ws->selected : (struct fathom_view){0}, .top_k = hp->index_top_k,
            .scale = hp->softmax_scale));
    fm_pass_project(p, l->v_b, ws->context, ws->attended);
}

static void attend_expanded(
    const struct fm_pass *p, const struct fm_layer *l, const struct fathom_latent_cache *cache) {
    const struct fm_hparams *hp = p->hp;
    rotate_query(p, p->ws->q, hp->n_nope + hp->n_rope, hp->n_nope);
    fathom_expanded_attention(p->stream,
        &FATHOM_INIT(fathom_expanded_attention_params, .k_b = l->k_b, .v_b = l->v_b, .q = p->ws->q,
            .out = p->ws->attended, .position = p->position, .cache = *cache, .scratch = p->ws->scratch,
            .n_tokens = p->n_tokens, .n_heads = hp->n_heads, .n_nope = hp->n_nope, .n_v = hp->n_value,
            .n_positions = p->n_positions, .scale = hp->softmax_scale));
}

// Compares the multiplications per head. Expanding costs some for every key, and saves some for every
// query-key pair.
static bool expanding_pays(const struct fm_pass *p) {
    const struct fm_hparams *hp = p->hp;
    if (p->exact || p->replayed || p->n_tokens == 1) return false;
    const double tokens = p->n_tokens, keys = p->n_positions, pairs = tokens * (keys - tokens / 2);
    const double up = (double)hp->kv_rank * (hp->n_nope + hp->n_value);
    const double absorbed = pairs * (2.0 * hp->kv_rank + hp->n_rope) + tokens * up;
    const double expanded = pairs * (hp->n_nope + hp->n_rope + hp->n_value) + keys * up;
    return expanded < absorbed;
}

void fm_pass_store(const struct fm_pass *p, uint32_t layer) {
    const struct fm_layer *l = &p->weights->layers[layer];
    if (l->index_k) store_index(p, l, layer, false);
    store_latent(p, l, &p->caches->layers[layer].latents);
}

void fm_pass_latent_attention(const struct fm_pass *p, uint32_t layer) {
    const struct fm_layer *l = &p->weights->layers[layer];
    const struct fathom_latent_cache *cache = &p->caches->layers[layer].latents;
    // few positions are all selected anyway
    const bool sparse = p->hp->index_top_k && p->n_positions > p->hp->index_top_k;
    project_query(p, l);
    store_latent(p, l, cache);
    if (l->index_k) store_index(p, l, layer, sparse);
    if (sparse) select_positions(p, l, layer);
    if (!sparse && expanding_pays(p))
        attend_expanded(p, l, cache);
    else
        attend_absorbed(p, l, cache, sparse);
    fathom_matmul(p->stream,
        &FATHOM_INIT(fathom_matmul_params, .w = l->out, .x = p->ws->attended, .y = p->ws->x,
            .residual = p->ws->x, .n_tokens = p->n_tokens, .norm = fm_pass_norm(p, l->ffn_norm)));
}
