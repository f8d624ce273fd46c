// DeepSeek-V4's attention. One latent a position is the key and value of all heads. A token sees the latents
// of its sliding window, and compressed rows for the positions before. The compressed rows are few, of many
// positions each, or many, of few positions each; of many, an indexer selects some.
#include "model/pass.h"
#include <math.h>

// Rotates the last n_rope of the `width` values of every head, in place.
static void rotate(const struct fm_pass *p, struct fathom_view x, struct fathom_view table, uint32_t n_heads,
    uint32_t width, bool inverse) {
    const uint32_t first = width - p->hp->n_rope;
    x.offset += 4 * first, x.size -= 4 * first;
    fathom_rope(p->stream,
        &FATHOM_INIT(fathom_rope_params, .x = x, .y = x, .rope_table = table, .position = p->position,
            .n_tokens = p->n_tokens, .n_heads = n_heads, .n_rope = p->hp->n_rope,
            .x_token_stride = n_heads * width, .x_head_stride = width, .y_token_stride = n_heads * width,
            .y_head_stride = width, .inverse = inverse));
}

static void project_query(const struct fm_pass *p, const struct fm_layer *l, struct fathom_view table) {
    const struct fm_hparams *hp = p->hp;
    const struct fm_workspace *ws = p->ws;
    fm_pass_project(p, l->q_a, ws->normed, ws->q_latent);
    fathom_rms_norm(p->stream,
        &FATHOM_INIT(fathom_rms_norm_params, .x = ws->q_latent, .w = l->q_a_norm, .y = ws->q_latent,
            .n_tokens = p->n_tokens, .n_cols = hp->q_rank, .eps = hp->norm_eps));
    fm_pass_project(p, l->q_b, ws->q_latent, ws->q);
    fathom_rms_norm(p->stream,
        &FATHOM_INIT(fathom_rms_norm_params, .x = ws->q, .y = ws->q, .n_tokens = p->n_tokens * hp->n_heads,
            .n_cols = hp->kv_rank, .eps = hp->norm_eps));
    rotate(p, ws->q, table, hp->n_heads, hp->kv_rank, false);
}

// Stores the compressed rows that the tokens complete in the cache, and the remaining positions in the state.
static void compress(const struct fm_pass *p, const struct fm_compressor *c, struct fathom_latent_cache cache,
    struct fathom_view state, uint32_t layer, uint32_t first_row) {
    const struct fm_workspace *ws = p->ws;
    fm_pass_project(p, c->kv, ws->normed, ws->pool_kv);
    fm_pass_project(p, c->gate, ws->normed, ws->pool_gate);
    fathom_compress(p->stream,
        &FATHOM_INIT(fathom_compress_params, .kv = ws->pool_kv, .gate = ws->pool_gate, .bias = c->bias,
            .w = c->norm, .rope_table = p->compressed_rope_table, .position = p->position, .state = state,
            .cache = cache, .n_tokens = p->n_tokens, .n_state = p->caches->layers[layer].n_state,
            .ratio = p->hp->ratios[layer], .n_rope = p->hp->n_rope, .first_row = first_row,
            .overlap = p->hp->ratios[layer] == FM_INDEXED_RATIO, .eps = p->hp->norm_eps));
}

// ws->selected = the compressed rows that each token attends to. The scores lie in the scratch, for as many
// tokens at a time as the scratch holds.
static void select_compressed(
    const struct fm_pass *p, const struct fm_layer *l, uint32_t layer, uint32_t n_rows) {
    const struct fm_hparams *hp = p->hp;
    const struct fm_workspace *ws = p->ws;
    const uint64_t fit = ws->scratch.size / (4ull * n_rows);
    const uint32_t at_once = fit < p->n_tokens ? (uint32_t)fit : p->n_tokens, ratio = hp->ratios[layer];
    fm_pass_project(p, l->index_q, ws->q_latent, ws->index_q);
    rotate(p, ws->index_q, p->compressed_rope_table, hp->n_index_heads, hp->n_index, false);
    fm_pass_project(p, l->index_weights, ws->normed, ws->index_weights);
    for (uint32_t t = 0; t < p->n_tokens; t += at_once) {
        const uint32_t n = p->n_tokens - t < at_once ? p->n_tokens - t : at_once;
        fathom_index_score(p->stream,
            &FATHOM_INIT(fathom_index_score_params, .q = ws->index_q, .weights = ws->index_weights,
                .position = p->position, .scores = ws->scratch, .cache = p->caches->layers[layer].index,
                .n_tokens = n, .first_token = t, .n_heads = hp->n_index_heads, .max_positions = n_rows,
                .ratio = ratio, .scale = 1 / sqrtf((float)(hp->n_index_heads * hp->n_index))));
        fathom_index_select(p->stream,
            &FATHOM_INIT(fathom_index_select_params, .scores = ws->scratch, .position = p->position,
                .selected = ws->selected, .n_tokens = n, .first_token = t, .top_k = hp->index_top_k,
                .max_positions = n_rows, .ratio = ratio));
    }
}

void fm_pass_sliding_window_attention(const struct fm_pass *p, uint32_t layer) {
    const struct fm_hparams *hp = p->hp;
    const struct fm_layer *l = &p->weights->layers[layer];
    const struct fm_workspace *ws = p->ws;
    const struct fathom_latent_cache *cache = &p->caches->layers[layer].latents;
    const uint32_t ratio = hp->ratios[layer], n_rows = ratio ? p->n_positions / ratio : 0;
    // few compressed rows are all selected anyway
    const bool indexed = ratio == FM_INDEXED_RATIO, sparse = indexed && n_rows > hp->index_top_k;
    const struct fathom_view table = ratio ? p->compressed_rope_table : p->rope_table;
    project_query(p, l, table);
    fm_pass_project(p, l->kv_a, ws->normed, ws->kv);
    fathom_latent_store(p->stream,
        &FATHOM_INIT(fathom_latent_store_params, .kv = ws->kv, .w = l->kv_a_norm, .rope_table = table,
            .position = p->position, .cache = *cache, .n_tokens = p->n_tokens, .n_rotated = hp->n_rope,
            .eps = hp->norm_eps));
    if (ratio)
        compress(
            p, &l->compressor, *cache, p->caches->layers[layer].state, layer, p->caches->first_compressed);
    if (indexed) {
        const struct fathom_index_cache *keys = &p->caches->layers[layer].index;
        compress(p, &l->index_compressor,
            (struct fathom_latent_cache){
                .pages = keys->pages,
                .page_table = keys->page_table,
                .type = keys->type,
                .kv_rank = keys->n_key,
            },
            p->caches->layers[layer].index_state, layer, 0);
    }
    if (sparse) select_compressed(p, l, layer, n_rows);
    fathom_latent_attention(p->stream,
        &FATHOM_INIT(fathom_latent_attention_params, .q = ws->q, .out = ws->context, .position = p->position,
            .cache = *cache, .scratch = ws->scratch, .counters = ws->counters, .n_tokens = p->n_tokens,
            .n_heads = hp->n_heads,
            .max_positions = (sparse ? hp->index_top_k : n_rows) +
                (p->n_positions < hp->sliding_window ? p->n_positions : hp->sliding_window),
            .selected = sparse ? ws->selected : (struct fathom_view){0}, .top_k = hp->index_top_k,
            .sliding_window = hp->sliding_window, .ratio = ratio,
            .first_compressed = p->caches->first_compressed, .sinks = l->sinks, .scale = hp->softmax_scale));
    rotate(p, ws->context, table, hp->n_heads, hp->kv_rank, true);
    fm_pass_project(p, l->out_a, ws->context, ws->attended);
    fm_pass_project(p, l->out, ws->attended, ws->branch);
}
