#include "model/weights.h"
#include "quant/types.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { UPLOAD_BYTES = 16 << 20, VECTOR_ALIGN = 256 /* the largest binding alignment of a known device, bytes */ };

// One tensor that the model needs: where it goes and the shape it must have.
struct need {
    struct fathom_weight **weight;  // a matrix …
    struct fathom_view *vector;              // … or a float32 vector
    uint32_t n_mats, n_rows, n_cols;
    uint32_t first_row, all_rows;   // where the weight holds rows of several tensors; 0, 0: its own alone
    bool per_expert;                // only n_experts_used of n_mats matter to a token
    bool lookup;                    // only one row matters to a token
    bool flat;                      // the file has all matrices as one
    bool table;                     // a vector of numbers of experts
    bool draft;                     // of the draft layer, which is no part of the model's own count
    char name[64];
};

// Calls visit for every tensor of the model, in the file's usual order. The one list of names and shapes.
struct walk {
    const struct fm_tensors *tensors;
    const struct fm_hparams *hp;
    struct fm_weights *weights;
    bool (*visit)(struct walk *walk, const struct need *need, const struct fm_tensor *tensor);
    struct fathom_error *err;
    // used by the visitors
    struct fathom_gpu *gpu;
    const struct fathom_progress *progress;
    struct fm_weights_size size;
    uint64_t vector_bytes, bytes_done;
    void *staging;
    bool in_draft;
};

static bool check_shape(struct walk *w, const struct need *need, const struct fm_tensor *t) {
    const uint64_t rows = (uint64_t)need->n_rows * (need->flat ? need->n_mats : 1), want[4] = {need->n_cols, rows, need->flat ? 1 : need->n_mats, 1};
    bool same = true;
    for (int i = 0; i < 4; i++) same &= t->dims[i] == want[i];
    if (!same)
        return fm_fail(w->err, FATHOM_INVALID, "%s: tensor %s is [%llu, %llu, %llu, %llu], expected [%llu, %llu, %llu, 1]",
            fm_tensors_path(w->tensors), t->name, (unsigned long long)t->dims[0], (unsigned long long)t->dims[1],
            (unsigned long long)t->dims[2], (unsigned long long)t->dims[3], (unsigned long long)want[0], (unsigned long long)want[1],
            (unsigned long long)want[2]);
    const bool wide = t->type == FATHOM_F16 || t->type == FATHOM_BF16;
    if (need->vector && (need->table ? (int)t->type != FM_TYPE_I32 : t->type != FATHOM_F32 && !(wide && need->n_rows > 1)))
        return fm_fail(w->err, FATHOM_UNSUPPORTED, "%s: tensor %s is %s, expected %s", fm_tensors_path(w->tensors), t->name, fm_type_name(t->type),
            need->table ? "I32" : "F32");
    return true;
}

// Visits one tensor. Optional ones may be missing.
static bool visit(struct walk *w, struct need need, bool optional) {
    const struct fm_tensor *t = fm_tensors_find(w->tensors, need.name);
    need.draft = w->in_draft;
    if (!t) return optional || fm_fail(w->err, FATHOM_INVALID, "%s: tensor %s is missing", fm_tensors_path(w->tensors), need.name);
    return check_shape(w, &need, t) && w->visit(w, &need, t);
}

#define LAYER_NAME(need, i, suffix) snprintf((need).name, sizeof((need).name), "blk.%u.%s", i, suffix)

static bool layer_matrix(struct walk *w, uint32_t i, const char *suffix, struct fathom_weight **weight, uint32_t n_mats, uint32_t n_rows,
    uint32_t n_cols, bool per_expert) {
    struct need need = {.weight = weight, .n_mats = n_mats, .n_rows = n_rows, .n_cols = n_cols, .per_expert = per_expert};
    LAYER_NAME(need, i, suffix);
    return visit(w, need, false);
}

static bool layer_vector(struct walk *w, uint32_t i, const char *suffix, struct fathom_view *vector, uint32_t n, bool optional) {
    struct need need = {.vector = vector, .n_mats = 1, .n_rows = 1, .n_cols = n};
    LAYER_NAME(need, i, suffix);
    return visit(w, need, optional);
}

// One matrix product takes less time than three. What is put together is a copy, though: it is not used in place.
static bool walk_qkv(struct walk *w, uint32_t i, struct fm_layer *l) {
    const struct fm_hparams *hp = w->hp;
    static const char *const suffixes[] = {"attn_q.weight", "attn_k.weight", "attn_v.weight"};
    const uint32_t n_key = hp->n_kv * hp->n_value, n_query = hp->n_heads * hp->n_value, n_rows[] = {n_query, n_key, n_key};
    struct fathom_weight **weights[] = {&l->q, &l->k, &l->v};
    struct need needs[3];
    const struct fm_tensor *found[3];
    uint32_t first_row = 0;
    for (int j = 0; j < 3; j++) {
        needs[j] = (struct need){.weight = &l->qkv, .n_mats = 1, .n_rows = n_rows[j], .n_cols = hp->n_hidden, .first_row = first_row,
            .all_rows = n_query + 2 * n_key};
        LAYER_NAME(needs[j], i, suffixes[j]);
        found[j] = fm_tensors_find(w->tensors, needs[j].name);
        first_row += n_rows[j];
    }
    const bool alike = found[0] && found[1] && found[2] && found[0]->type == found[1]->type && found[0]->type == found[2]->type;
    for (int j = 0; j < 3; j++) {
        if (!alike) needs[j].weight = weights[j], needs[j].first_row = needs[j].all_rows = 0;
        if (!visit(w, needs[j], false)) return false;
    }
    return true;
}

static bool walk_grouped_attention(struct walk *w, uint32_t i, struct fm_layer *l) {
    const struct fm_hparams *hp = w->hp;
    const uint32_t n_query = hp->n_heads * hp->n_value, n_key = hp->n_kv * hp->n_value;
    if (!layer_vector(w, i, "attn_norm.weight", &l->attn_norm, hp->n_hidden, false) ||
        !walk_qkv(w, i, l) || !layer_matrix(w, i, "attn_output.weight", &l->out, 1, hp->n_hidden, n_query, false))
        return false;
    const struct { const char *suffix; struct fathom_view *vector; uint32_t n; } vectors[] = {{"attn_q.bias", &l->q_bias, n_query},
        {"attn_k.bias", &l->k_bias, n_key}, {"attn_v.bias", &l->v_bias, n_key}, {"attn_q_norm.weight", &l->q_norm, hp->n_value},
        {"attn_k_norm.weight", &l->k_norm, hp->n_value}};
    // Three biases or none, two norms or none: the first tells
    bool has[] = {false, false};
    for (size_t j = 0; j < sizeof(vectors) / sizeof(*vectors); j++) {
        char name[64];
        snprintf(name, sizeof(name), "blk.%u.%s", i, vectors[j].suffix);
        if (j == 0 || j == 3) has[j / 3] = fm_tensors_find(w->tensors, name);
        if (has[j / 3] && !layer_vector(w, i, vectors[j].suffix, vectors[j].vector, vectors[j].n, false)) return false;
    }
    return true;
}

static bool walk_latent_attention(struct walk *w, uint32_t i, struct fm_layer *l) {
    const struct fm_hparams *hp = w->hp;
    const uint32_t n_query = hp->n_heads * (hp->n_nope + hp->n_rope);
    if (!layer_vector(w, i, "attn_norm.weight", &l->attn_norm, hp->n_hidden, false)) return false;
    if (hp->q_rank) {
        if (!layer_matrix(w, i, "attn_q_a.weight", &l->q_a, 1, hp->q_rank, hp->n_hidden, false) ||
            !layer_vector(w, i, "attn_q_a_norm.weight", &l->q_a_norm, hp->q_rank, false) ||
            !layer_matrix(w, i, "attn_q_b.weight", &l->q_b, 1, n_query, hp->q_rank, false))
            return false;
    } else if (!layer_matrix(w, i, "attn_q.weight", &l->q, 1, n_query, hp->n_hidden, false)) {
        return false;
    }
    if (hp->index_top_k &&
        (!layer_matrix(w, i, "indexer.attn_q_b.weight", &l->index_q, 1, hp->n_index_heads * hp->n_index, hp->q_rank, false) ||
            !layer_matrix(w, i, "indexer.attn_k.weight", &l->index_k, 1, hp->n_index, hp->n_hidden, false) ||
            !layer_matrix(w, i, "indexer.proj.weight", &l->index_weights, 1, hp->n_index_heads, hp->n_hidden, false) ||
            !layer_vector(w, i, "indexer.k_norm.weight", &l->index_norm, hp->n_index, false) ||
            !layer_vector(w, i, "indexer.k_norm.bias", &l->index_norm_bias, hp->n_index, false)))
        return false;
    return layer_matrix(w, i, "attn_kv_a_mqa.weight", &l->kv_a, 1, hp->kv_rank + hp->n_rope, hp->n_hidden, false) &&
           layer_vector(w, i, "attn_kv_a_norm.weight", &l->kv_a_norm, hp->kv_rank, false) &&
           layer_matrix(w, i, "attn_k_b.weight", &l->k_b, hp->n_heads, hp->kv_rank, hp->n_nope, false) &&
           layer_matrix(w, i, "attn_v_b.weight", &l->v_b, hp->n_heads, hp->n_value, hp->kv_rank, false) &&
           layer_matrix(w, i, "attn_output.weight", &l->out, 1, hp->n_hidden, hp->n_heads * hp->n_value, false);
}

static bool walk_mix(struct walk *w, const char *prefix, struct fm_hyper *mix, uint32_t n_logits, uint32_t n_scales) {
    struct need logits = {.weight = &mix->logits, .n_mats = 1, .n_rows = n_logits, .n_cols = FATHOM_STREAMS * w->hp->n_hidden};
    struct need base = {.vector = &mix->base, .n_mats = 1, .n_rows = 1, .n_cols = n_logits}, scale = {.vector = &mix->scale, .n_mats = 1,
        .n_rows = 1, .n_cols = n_scales};
    snprintf(logits.name, sizeof(logits.name), "%s_fn.weight", prefix);
    snprintf(base.name, sizeof(base.name), "%s_base.weight", prefix);
    snprintf(scale.name, sizeof(scale.name), "%s_scale.weight", prefix);
    return visit(w, logits, false) && visit(w, base, false) && visit(w, scale, false);
}

static bool walk_compressor(struct walk *w, uint32_t i, const char *prefix, struct fm_compressor *c, uint32_t n_key) {
    const uint32_t ratio = w->hp->ratios[i], width = ratio == FM_INDEXED_RATIO ? 2 * n_key : n_key;
    char kv[40], gate[40], norm[40];
    snprintf(kv, sizeof(kv), "%s_kv.weight", prefix);
    snprintf(gate, sizeof(gate), "%s_gate.weight", prefix);
    snprintf(norm, sizeof(norm), "%s_norm.weight", prefix);
    struct need bias = {.vector = &c->bias, .n_mats = 1, .n_rows = ratio, .n_cols = width};
    snprintf(bias.name, sizeof(bias.name), "blk.%u.%s_ape.weight", i, prefix);
    return layer_matrix(w, i, kv, &c->kv, 1, width, w->hp->n_hidden, false) && layer_matrix(w, i, gate, &c->gate, 1, width, w->hp->n_hidden, false) &&
           visit(w, bias, false) && layer_vector(w, i, norm, &c->norm, n_key, false);
}

static bool walk_window_attention(struct walk *w, uint32_t i, struct fm_layer *l) {
    const struct fm_hparams *hp = w->hp;
    char mix[32];
    struct need out_a = {.weight = &l->out_a, .n_mats = hp->n_out_groups, .n_rows = hp->out_rank,
        .n_cols = hp->n_heads / hp->n_out_groups * hp->kv_rank, .flat = true};
    LAYER_NAME(out_a, i, "attn_output_a.weight");
    snprintf(mix, sizeof(mix), "blk.%u.hc_attn", i);
    if (!walk_mix(w, mix, &l->attn_mix, FATHOM_MIX_LOGITS, 3) || !layer_vector(w, i, "attn_norm.weight", &l->attn_norm, hp->n_hidden, false) ||
        !layer_matrix(w, i, "attn_q_a.weight", &l->q_a, 1, hp->q_rank, hp->n_hidden, false) ||
        !layer_vector(w, i, "attn_q_a_norm.weight", &l->q_a_norm, hp->q_rank, false) ||
        !layer_matrix(w, i, "attn_q_b.weight", &l->q_b, 1, hp->n_heads * hp->kv_rank, hp->q_rank, false) ||
        !layer_matrix(w, i, "attn_kv.weight", &l->kv_a, 1, hp->kv_rank, hp->n_hidden, false) ||
        !layer_vector(w, i, "attn_kv_a_norm.weight", &l->kv_a_norm, hp->kv_rank, false) ||
        !layer_vector(w, i, "attn_sinks.weight", &l->sinks, hp->n_heads, false))
        return false;
    if (hp->ratios[i] && !walk_compressor(w, i, "attn_compressor", &l->summary, hp->kv_rank)) return false;
    if (hp->ratios[i] == FM_INDEXED_RATIO &&
        (!layer_matrix(w, i, "indexer.attn_q_b.weight", &l->index_q, 1, hp->n_index_heads * hp->n_index, hp->q_rank, false) ||
            !layer_matrix(w, i, "indexer.proj.weight", &l->index_weights, 1, hp->n_index_heads, hp->n_hidden, false) ||
            !walk_compressor(w, i, "indexer_compressor", &l->index_summary, hp->n_index)))
        return false;
    return visit(w, out_a, false) && layer_matrix(w, i, "attn_output_b.weight", &l->out, 1, hp->n_hidden, hp->n_out_groups * hp->out_rank, false);
}

static bool walk_swiglu(struct walk *w, uint32_t i, struct fm_layer *l, const char *suffix, uint32_t n_inter) {
    char gate[32], up[32], down[32];
    snprintf(gate, sizeof(gate), "ffn_gate%s.weight", suffix);
    snprintf(up, sizeof(up), "ffn_up%s.weight", suffix);
    snprintf(down, sizeof(down), "ffn_down%s.weight", suffix);
    const uint32_t n_hidden = w->hp->n_hidden;
    return layer_matrix(w, i, gate, &l->shared_gate, 1, n_inter, n_hidden, false) &&
           layer_matrix(w, i, up, &l->shared_up, 1, n_inter, n_hidden, false) &&
           layer_matrix(w, i, down, &l->shared_down, 1, n_hidden, n_inter, false);
}

static bool walk_mixture(struct walk *w, uint32_t i, struct fm_layer *l) {
    const struct fm_hparams *hp = w->hp;
    if (!layer_vector(w, i, "ffn_norm.weight", &l->ffn_norm, hp->n_hidden, false)) return false;
    if (hp->window) {
        char mix[32];
        snprintf(mix, sizeof(mix), "blk.%u.hc_ffn", i);
        if (!walk_mix(w, mix, &l->ffn_mix, FATHOM_MIX_LOGITS, 3)) return false;
    }
    if (i < hp->n_hash_layers) {
        struct need table = {.vector = &l->expert_table, .n_mats = 1, .n_rows = hp->n_vocab, .n_cols = hp->n_experts_used, .table = true};
        LAYER_NAME(table, i, "ffn_gate_tid2eid.weight");
        if (!visit(w, table, false)) return false;
    }
    if (i < hp->n_dense_layers) return walk_swiglu(w, i, l, "", hp->n_dense_inter);
    return layer_matrix(w, i, "ffn_gate_inp.weight", &l->router, 1, hp->n_experts, hp->n_hidden, false) &&
           layer_vector(w, i, "exp_probs_b.bias", &l->router_bias, hp->n_experts, true) &&
           layer_matrix(w, i, "ffn_gate_exps.weight", &l->gate, hp->n_experts, hp->n_expert_inter, hp->n_hidden, true) &&
           layer_matrix(w, i, "ffn_up_exps.weight", &l->up, hp->n_experts, hp->n_expert_inter, hp->n_hidden, true) &&
           layer_matrix(w, i, "ffn_down_exps.weight", &l->down, hp->n_experts, hp->n_hidden, hp->n_expert_inter, true) &&
           (!hp->n_experts_shared || walk_swiglu(w, i, l, "_shexp", hp->n_experts_shared * hp->n_expert_inter));
}

// The layer that predicts the token after the next (DeepSeek-V3, arXiv 2412.19437, section 2.2). Embedding and head are the trunk's own:
// the copies in some files are not read.
static bool walk_draft(struct walk *w) {
    const uint32_t i = w->hp->n_layers, n = w->hp->n_hidden;
    struct fm_weights *weights = w->weights;
    w->in_draft = true;
    const bool ok = layer_vector(w, i, "nextn.enorm.weight", &weights->draft_token_norm, n, false) &&
                    layer_vector(w, i, "nextn.hnorm.weight", &weights->draft_state_norm, n, false) &&
                    layer_matrix(w, i, "nextn.eh_proj.weight", &weights->draft_mix, 1, n, 2 * n, false) &&
                    walk_latent_attention(w, i, &weights->layers[i]) && walk_mixture(w, i, &weights->layers[i]) &&
                    layer_vector(w, i, "nextn.shared_head_norm.weight", &weights->draft_final_norm, n, false);
    w->in_draft = false;
    return ok;
}

static bool walk(struct walk *w) {
    const struct fm_hparams *hp = w->hp;
    const struct need embedding = {.weight = &w->weights->embedding, .n_mats = 1, .n_rows = hp->n_vocab, .n_cols = hp->n_hidden, .lookup = true,
        .name = "token_embd.weight"};
    const struct need norm = {.vector = &w->weights->final_norm, .n_mats = 1, .n_rows = 1, .n_cols = hp->n_hidden, .name = "output_norm.weight"};
    const struct need head = {.weight = &w->weights->head, .n_mats = 1, .n_rows = hp->n_vocab, .n_cols = hp->n_hidden, .name = "output.weight"};
    if (!visit(w, embedding, false)) return false;
    for (uint32_t i = 0; i < hp->n_layers; i++)
        if (!(hp->n_kv ? walk_grouped_attention : hp->window ? walk_window_attention : walk_latent_attention)(w, i, &w->weights->layers[i]) ||
            !walk_mixture(w, i, &w->weights->layers[i])) return false;
    return (!hp->window || walk_mix(w, "output_hc", &w->weights->final_mix, FATHOM_STREAMS, 1)) && visit(w, norm, false) && visit(w, head, true) &&
        (!hp->n_drafting || walk_draft(w));
}

static bool measure(struct walk *w, const struct need *need, const struct fm_tensor *t) {
    const uint64_t elements = (uint64_t)need->n_mats * need->n_rows * need->n_cols;
    w->size.bytes += t->size;
    if (!need->draft) w->size.parameters += elements;
    if (!need->draft) w->size.parameters_active += need->lookup ? need->n_cols : need->per_expert ? elements / need->n_mats * w->hp->n_experts_used : elements;
    if (need->vector) w->vector_bytes += (4 * elements + VECTOR_ALIGN - 1) / VECTOR_ALIGN * VECTOR_ALIGN;
    if (!need->vector && fathom_row_size(t->type, need->n_cols) == 0)
        return fm_fail(w->err, FATHOM_UNSUPPORTED, "%s: tensor %s has rows of %u elements, which %s cannot hold", fm_tensors_path(w->tensors), t->name,
            need->n_cols, fm_type_name(t->type));
    return true;
}

static struct fm_layer *new_layers(const struct fm_hparams *hp, struct fathom_error *err) {
    struct fm_layer *layers = calloc(hp->n_layers + hp->n_drafting, sizeof(*layers));
    if (!layers) fm_fail(err, FATHOM_NO_MEMORY, "out of host memory for %u layers", hp->n_layers);
    return layers;
}

static bool measure_walk(struct walk *w) {
    if (!walk(w)) return false;
    if (!fm_tensors_find(w->tensors, "output.weight")) w->size.parameters_active += (uint64_t)w->hp->n_vocab * w->hp->n_hidden; // tied head
    return true;
}

bool fm_weights_measure(const struct fm_tensors *tensors, const struct fm_hparams *hp, struct fm_weights_size *size, struct fathom_error *err) {
    struct fm_weights names = {.layers = new_layers(hp, err)};
    if (!names.layers) return false;
    struct walk w = {.tensors = tensors, .hp = hp, .weights = &names, .visit = measure, .err = err};
    const bool ok = measure_walk(&w);
    free(names.layers);
    *size = w.size;
    return ok;
}

static bool report(struct walk *w) {
    const struct fathom_progress *p = w->progress;
    if (!p || !p->report || p->report(p->user, "loading", w->bytes_done, w->size.bytes)) return true;
    return fm_fail(w->err, FATHOM_CANCELLED, "loading %s was cancelled", fm_tensors_path(w->tensors));
}

// Every number must be one of an expert.
static bool check_table(struct walk *w, const struct fm_tensor *t, const uint32_t *table, uint64_t n) {
    for (uint64_t i = 0; i < n; i++)
        if (table[i] >= w->hp->n_experts)
            return fm_fail(w->err, FATHOM_INVALID, "%s: tensor %s names expert %d of %u", fm_tensors_path(w->tensors), t->name, (int)table[i],
                w->hp->n_experts);
    return true;
}

static bool load_vector(struct walk *w, const struct need *need, const struct fm_tensor *t) {
    const uint64_t n = (uint64_t)need->n_rows * need->n_cols, size = 4 * n;
    void *read = malloc(t->size), *wide = need->table || t->type == FATHOM_F32 ? read : malloc(size);
    bool ok = (read && wide) || fm_fail(w->err, FATHOM_NO_MEMORY, "out of host memory for tensor %s", t->name);
    ok = ok && fm_tensor_read(w->tensors, t, 0, t->size, read, w->err);
    if (ok && wide != read) fm_dequantize_row(t->type, read, wide, n);
    ok = ok && (!need->table || check_table(w, t, wide, n));
    *need->vector = (struct fathom_view){w->weights->vectors, w->vector_bytes, size};
    w->vector_bytes += (size + VECTOR_ALIGN - 1) / VECTOR_ALIGN * VECTOR_ALIGN;
    ok = ok && fathom_upload(w->gpu, *need->vector, wide, w->err);
    if (wide != read) free(wide);
    free(read);
    return ok;
}

// The tensor where it lies in the file, if the device can use it there. NULL: it has to be copied.
static struct fathom_weight *in_place(const struct walk *w, const struct need *need, const struct fm_tensor *t) {
    struct fathom_error refused = {0};
    const void *data = fm_tensor_map(w->tensors, t);
    const struct fathom_host_range around = data ? fm_tensors_around(w->tensors, data) : (struct fathom_host_range){0};
    if (!around.data) return NULL;
    return fathom_weight_create_in_place(w->gpu, t->type, need->n_mats, need->n_rows, need->n_cols, data, around, &refused);
}

static bool load_matrix(struct walk *w, const struct need *need, const struct fm_tensor *t) {
    if (!need->all_rows && (*need->weight = in_place(w, need, t))) return w->bytes_done += t->size, true;
    if (!*need->weight)
        *need->weight = fathom_weight_create(w->gpu, t->type, need->n_mats, need->all_rows ? need->all_rows : need->n_rows, need->n_cols, w->err);
    if (!*need->weight) return fm_error_prefix(w->err, "%s: tensor %s", fm_tensors_path(w->tensors), t->name), false;
    const uint64_t row_size = fathom_row_size(t->type, need->n_cols), n_rows = (uint64_t)need->n_mats * need->n_rows;
    const uint64_t step = row_size < UPLOAD_BYTES ? UPLOAD_BYTES / row_size : 1;
    const char *mapped = fm_tensor_map(w->tensors, t);
    for (uint64_t row = 0; row < n_rows; row += step) {
        const uint64_t n = n_rows - row < step ? n_rows - row : step;
        if (!mapped && !fm_tensor_read(w->tensors, t, row * row_size, n * row_size, w->staging, w->err)) return false;
        const void *data = mapped ? mapped + row * row_size : w->staging;
        if (!fathom_weight_upload(w->gpu, *need->weight, need->first_row + (uint32_t)row, (uint32_t)n, data, w->err)) return false;
        w->bytes_done += n * row_size;
        if (!report(w)) return false;
    }
    return true;
}

static bool load(struct walk *w, const struct need *need, const struct fm_tensor *t) {
    return need->vector ? load_vector(w, need, t) : load_matrix(w, need, t);
}

bool fm_weights_load(struct fathom_gpu *gpu, const struct fm_tensors *tensors, const struct fm_hparams *hp, const struct fathom_progress *progress,
    struct fm_weights *weights, struct fathom_error *err) {
    *weights = (struct fm_weights){.layers = new_layers(hp, err)};
    struct walk w = {.tensors = tensors, .hp = hp, .weights = weights, .visit = measure, .err = err, .gpu = gpu, .progress = progress};
    if (!weights->layers || !measure_walk(&w)) goto fail;
    weights->vectors = fathom_buffer_create(gpu, w.vector_bytes, FATHOM_MEMORY_DEVICE, err);
    // a row longer than the usual step needs more; no vector or row is longer than 2^24 elements of 4 bytes
    w.staging = malloc(4 * (uint64_t)UPLOAD_BYTES);
    if (!w.staging) fm_fail(err, FATHOM_NO_MEMORY, "out of host memory for staging weights");
    if (!weights->vectors || !w.staging) goto fail;
    fm_tensors_expect(tensors);
    w.vector_bytes = 0;
    w.visit = load;
    if (!walk(&w)) goto fail;
    if (!weights->head) weights->head = weights->embedding;
    free(w.staging);
    return true;
fail:
    free(w.staging);
    fm_weights_free(hp, weights);
    return false;
}

void fm_weights_free(const struct fm_hparams *hp, struct fm_weights *weights) {
    if (weights->head != weights->embedding) fathom_weight_destroy(&weights->head);
    fathom_weight_destroy(&weights->embedding);
    fathom_weight_destroy(&weights->draft_mix);
    fathom_weight_destroy(&weights->final_mix.logits);
    for (uint32_t i = 0; weights->layers && i < hp->n_layers + hp->n_drafting; i++) {
        struct fm_layer *l = &weights->layers[i];
        struct fathom_weight **all[] = {&l->q, &l->q_a, &l->q_b, &l->kv_a, &l->k, &l->v, &l->qkv, &l->k_b, &l->v_b, &l->index_q, &l->index_k,
            &l->index_weights, &l->out, &l->router, &l->gate, &l->up, &l->down,
            &l->shared_gate, &l->shared_up, &l->shared_down,
            &l->out_a, &l->summary.kv, &l->summary.gate, &l->index_summary.kv, &l->index_summary.gate, &l->attn_mix.logits, &l->ffn_mix.logits};
        for (size_t j = 0; j < sizeof(all) / sizeof(*all); j++) fathom_weight_destroy(all[j]);
    }
    free(weights->layers);
    fathom_buffer_destroy(&weights->vectors);
    *weights = (struct fm_weights){0};
}
