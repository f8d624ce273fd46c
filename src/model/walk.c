#include "model/arch/arch.h"
#include "quant/types.h"
#include <stdio.h>

static bool check_shape(struct fm_walk *w, const struct fm_need *need, const struct fm_tensor *t) {
    const uint64_t rows = (uint64_t)need->n_rows * (need->flat ? need->n_mats : 1),
                   want[4] = {need->n_cols, rows, need->flat ? 1 : need->n_mats, 1};
    bool same = true;
    for (int i = 0; i < 4; i++) same &= t->dims[i] == want[i];
    if (!same)
        return fm_fail(w->err, FATHOM_INVALID,
            "%s: tensor %s is [%llu, %llu, %llu, %llu], expected [%llu, %llu, %llu, 1]",
            fm_tensors_path(w->tensors), t->name, (unsigned long long)t->dims[0],
            (unsigned long long)t->dims[1], (unsigned long long)t->dims[2], (unsigned long long)t->dims[3],
            (unsigned long long)want[0], (unsigned long long)want[1], (unsigned long long)want[2]);
    const bool floats = t->type == FATHOM_F32 || t->type == FATHOM_F16 || t->type == FATHOM_BF16;
    if (need->vector && (need->table ? (int)t->type != FM_TYPE_I32 : !floats))
        return fm_fail(w->err, FATHOM_UNSUPPORTED, "%s: tensor %s is %s, expected %s",
            fm_tensors_path(w->tensors), t->name, fm_type_name(t->type),
            need->table ? "I32" : "F32, F16 or BF16");
    return true;
}

bool fm_walk_visit(struct fm_walk *w, struct fm_need need, bool optional) {
    const struct fm_tensor *t = fm_tensors_find(w->tensors, need.name);
    need.draft = w->in_draft;
    if (!t)
        return optional ||
            fm_fail(
                w->err, FATHOM_INVALID, "%s: tensor %s is missing", fm_tensors_path(w->tensors), need.name);
    if (w->used) w->used[t - fm_tensors_at(w->tensors, 0)] = true;
    return check_shape(w, &need, t) && w->visit(w, &need, t);
}

const struct fm_tensor *fm_router_bias(const struct fm_tensors *tensors, uint32_t layer) {
    static const char *const suffixes[] = {"exp_probs_b.bias", "exp_probs_b", "exp_probs_b.weight"};
    const struct fm_tensor *found = NULL;
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes) && !found; i++) {
        char name[64];
        snprintf(name, sizeof(name), "blk.%u.%s", layer, suffixes[i]);
        found = fm_tensors_find(tensors, name);
    }
    return found;
}

static bool walk_router_bias(struct fm_walk *w, uint32_t i, struct fm_layer *l) {
    const struct fm_tensor *bias = fm_router_bias(w->tensors, i);
    struct fm_need need = {.vector = &l->router_bias, .n_mats = 1, .n_rows = 1, .n_cols = w->hp->n_experts};
    if (bias) snprintf(need.name, sizeof(need.name), "%s", bias->name);
    return !bias || fm_walk_visit(w, need, true);
}

bool fm_walk_matrix(struct fm_walk *w, uint32_t i, const char *suffix, struct fathom_weight **weight,
    uint32_t n_mats, uint32_t n_rows, uint32_t n_cols, bool per_expert) {
    struct fm_need need = {
        .weight = weight,
        .n_mats = n_mats,
        .n_rows = n_rows,
        .n_cols = n_cols,
        .per_expert = per_expert,
    };
    FM_LAYER_NAME(need, i, suffix);
    return fm_walk_visit(w, need, false);
}

bool fm_walk_vector(struct fm_walk *w, uint32_t i, const char *suffix, struct fathom_view *vector, uint32_t n,
    bool optional) {
    struct fm_need need = {.vector = vector, .n_mats = 1, .n_rows = 1, .n_cols = n};
    FM_LAYER_NAME(need, i, suffix);
    return fm_walk_visit(w, need, optional);
}

static bool walk_swiglu(
    struct fm_walk *w, uint32_t i, struct fm_layer *l, const char *suffix, uint32_t n_inter) {
    char gate[32], up[32], down[32];
    snprintf(gate, sizeof(gate), "ffn_gate%s.weight", suffix);
    snprintf(up, sizeof(up), "ffn_up%s.weight", suffix);
    snprintf(down, sizeof(down), "ffn_down%s.weight", suffix);
    const uint32_t n_hidden = w->hp->n_hidden;
    return fm_walk_matrix(w, i, gate, &l->shared_gate, 1, n_inter, n_hidden, false) &&
        fm_walk_matrix(w, i, up, &l->shared_up, 1, n_inter, n_hidden, false) &&
        fm_walk_matrix(w, i, down, &l->shared_down, 1, n_hidden, n_inter, false);
}

bool fm_walk_mixture(struct fm_walk *w, uint32_t i, struct fm_layer *l) {
    const struct fm_hparams *hp = w->hp;
    if (!fm_walk_vector(w, i, "ffn_norm.weight", &l->ffn_norm, hp->n_hidden, false)) return false;
    if (i < hp->n_dense_layers) return walk_swiglu(w, i, l, "", hp->n_dense_inter);
    return fm_walk_matrix(w, i, "ffn_gate_inp.weight", &l->router, 1, hp->n_experts, hp->n_hidden, false) &&
        walk_router_bias(w, i, l) &&
        fm_walk_matrix(
            w, i, "ffn_gate_exps.weight", &l->gate, hp->n_experts, hp->n_expert_inter, hp->n_hidden, true) &&
        fm_walk_matrix(
            w, i, "ffn_up_exps.weight", &l->up, hp->n_experts, hp->n_expert_inter, hp->n_hidden, true) &&
        fm_walk_matrix(
            w, i, "ffn_down_exps.weight", &l->down, hp->n_experts, hp->n_hidden, hp->n_expert_inter, true) &&
        (!hp->n_experts_shared || walk_swiglu(w, i, l, "_shexp", hp->n_experts_shared * hp->n_expert_inter));
}

// The draft layer (DeepSeek-V3, arXiv 2412.19437, section 2.2). It shares the trunk's embedding and head:
// copies of them in a file are not read.
static bool walk_draft(struct fm_walk *w) {
    const uint32_t i = w->hp->n_layers, n = w->hp->n_hidden;
    struct fm_weights *weights = w->weights;
    w->in_draft = true;
    const bool ok = fm_walk_vector(w, i, "nextn.enorm.weight", &weights->draft_token_norm, n, false) &&
        fm_walk_vector(w, i, "nextn.hnorm.weight", &weights->draft_state_norm, n, false) &&
        fm_walk_matrix(w, i, "nextn.eh_proj.weight", &weights->draft_mix, 1, n, 2 * n, false) &&
        w->hp->arch->tensors(w, i, &weights->layers[i]) &&
        fm_walk_vector(w, i, "nextn.shared_head_norm.weight", &weights->draft_final_norm, n, false);
    w->in_draft = false;
    return ok;
}

bool fm_walk_model(struct fm_walk *w) {
    const struct fm_hparams *hp = w->hp;
    const struct fm_need embedding = {
        .weight = &w->weights->embedding,
        .n_mats = 1,
        .n_rows = hp->n_vocab,
        .n_cols = hp->n_hidden,
        .lookup = true,
        .name = "token_embd.weight",
    };
    const struct fm_need norm = {
        .vector = &w->weights->final_norm,
        .n_mats = 1,
        .n_rows = 1,
        .n_cols = hp->n_hidden,
        .name = "output_norm.weight",
    };
    const struct fm_need head = {
        .weight = &w->weights->head,
        .n_mats = 1,
        .n_rows = hp->n_vocab,
        .n_cols = hp->n_hidden,
        .name = "output.weight",
    };
    if (!fm_walk_visit(w, embedding, false)) return false;
    for (uint32_t i = 0; i < hp->n_layers; i++)
        if (!hp->arch->tensors(w, i, &w->weights->layers[i])) return false;
    return (!hp->arch->last_tensors || hp->arch->last_tensors(w)) && fm_walk_visit(w, norm, false) &&
        fm_walk_visit(w, head, true) && (!hp->n_drafting || walk_draft(w));
}
