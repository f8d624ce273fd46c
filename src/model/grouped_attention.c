// Grouped-query attention (arXiv 2305.13245) of the dense models: Llama, Qwen2 with biases, Qwen3 with norms
// of each head.
#include "model/pass.h"

// Computes one projection's part of ws->q, where queries, keys and values lie side by side.
static void project_part(const struct fm_pass *p, const struct fathom_weight *w, uint32_t first_head) {
    const struct fm_hparams *hp = p->hp;
    struct fathom_view y = p->ws->q;
    y.offset += 4ull * first_head * hp->n_value, y.size -= 4ull * first_head * hp->n_value;
    fathom_matmul(p->stream,
        &FATHOM_INIT(fathom_matmul_params, .w = w, .x = p->ws->normed, .y = y, .n_tokens = p->n_tokens,
            .y_token_stride = (hp->n_heads + 2 * hp->n_kv) * hp->n_value));
}

void fm_pass_grouped_attention(const struct fm_pass *p, uint32_t layer) {
    const struct fm_hparams *hp = p->hp;
    const struct fm_workspace *ws = p->ws;
    const struct fm_layer *l = &p->weights->layers[layer];
    const struct fathom_kv_cache *cache = &p->caches->layers[layer].kv;
    if (l->qkv) {
        project_part(p, l->qkv, 0);
    } else {
        project_part(p, l->q, 0);
        project_part(p, l->k, hp->n_heads);
        project_part(p, l->v, hp->n_heads + hp->n_kv);
    }
    fathom_kv_store(p->stream,
        &FATHOM_INIT(fathom_kv_store_params, .qkv = ws->q, .rope_table = p->rope_table,
            .position = p->position, .q_bias = l->q_bias, .k_bias = l->k_bias, .v_bias = l->v_bias,
            .q_norm = l->q_norm, .k_norm = l->k_norm, .cache = *cache, .n_tokens = p->n_tokens,
            .n_heads = hp->n_heads, .halves = hp->rope_halves, .eps = hp->norm_eps));
    fathom_grouped_attention(p->stream,
        &FATHOM_INIT(fathom_grouped_attention_params, .q = ws->q, .out = ws->attended,
            .position = p->position, .cache = *cache, .scratch = ws->scratch, .counters = ws->counters,
            .n_tokens = p->n_tokens, .n_heads = hp->n_heads,
            .q_stride = (hp->n_heads + 2 * hp->n_kv) * hp->n_value, .max_positions = p->n_positions,
            .scale = hp->softmax_scale));
    fathom_matmul(p->stream,
        &FATHOM_INIT(fathom_matmul_params, .w = l->out, .x = ws->attended, .y = ws->x, .residual = ws->x,
            .n_tokens = p->n_tokens, .norm = fm_pass_norm(p, l->ffn_norm)));
}
