// Tensors of a hub folder in the form of GGUF: under another name, stacked, split, transposed.
#include "file/hub/hub_parts.h"
#include "file/scaled.h"
#include "quant/types.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool no_memory(struct fm_hub_files *f) {
    return fm_no_memory(f->hub->tensors, f->hub->err);
}

static bool wrong_shape(struct fm_hub_files *f, const char *name, const char *expected) {
    return fm_fail(
        f->hub->err, FATHOM_INVALID, "%s: tensor %s does not have the shape %s", f->hub->dir, name, expected);
}

// "x.weight" has its scales in "x.weight_scale_inv" (V3, Qwen3), "x.weight_scale" (compressed-tensors,
// modelopt) or "x.scale" (V4). All three multiply.
static bool form_of(struct fm_hub_files *f, const struct fm_safetensor *stored, struct fm_hub_form *form) {
    static const char *const suffixes[] = {"weight_scale_inv", "weight_scale", "scale"};
    const size_t length = strlen(stored->name),
                 stem = length > 6 && !strcmp(stored->name + length - 6, "weight") ? length - 6 : length;
    const struct fm_safetensor *scales = NULL;
    for (int i = 0; i < 3 && !scales; i++) {
        char name[512];
        snprintf(name, sizeof(name), "%.*s%s", (int)stem, stored->name, suffixes[i]);
        scales = fm_hub_find(f, name);
    }
    if (!fm_hub_form(f->hub, stored, scales, form)) return false;
    fm_hub_use(f, stored->name);
    if (form->scales) fm_hub_use(f, scales->name);
    return true;
}

// Of n_parts parts like this one
static struct fm_source source_of(const struct fm_hub_form *form, uint32_t n_parts) {
    return (struct fm_source){
        .kind = form->kind,
        .stored = form->type,
        .n_rows = (uint32_t)form->n_rows,
        .n_cols = (uint32_t)form->n_cols,
        .n_parts = n_parts,
        .scale_type = form->scale_type,
        .scale_cols = form->scale_cols,
        .rows_per_scale = form->rows_per_scale,
        .cols_per_scale = form->cols_per_scale,
    };
}

// Adds a tensor of n_parts equal parts. dims: GGUF's order.
static bool add(struct fm_hub_files *f, const char *name, enum fathom_type type, uint32_t n_dims,
    const uint64_t dims[3], struct fm_source source, const uint8_t **parts) {
    struct fm_tensors *tensors = f->hub->tensors;
    struct fm_source *kept = fm_arena_alloc(&tensors->arena, 1, sizeof(*kept));
    struct fm_tensor tensor = {
        .name = fm_arena_format(&tensors->arena, "%s", name),
        .type = type,
        .n_dims = n_dims,
        .dims = {dims[0], dims[1], dims[2], 1},
        .impl = kept,
    };
    if (!kept || !tensor.name || !parts) return no_memory(f);
    if (!fm_tensors_add(tensors, tensor, f->hub->err)) return false;
    *kept = source;
    kept->parts = parts;
    kept->part_size = tensors->list[tensors->count - 1].size / source.n_parts;
    return true;
}

static const uint8_t **new_parts(struct fm_hub_files *f, uint32_t n) {
    return fm_arena_alloc(&f->hub->tensors->arena, n, sizeof(uint8_t *));
}

// A vector or a matrix under its new name, if the folder has it. Vectors and what GGUF wants so are presented
// as F32.
bool fm_hub_present_plain(struct fm_hub_files *f, const char *from, const char *to, bool as_f32) {
    const struct fm_safetensor *stored = fm_hub_find(f, from);
    if (!stored) return true;
    struct fm_hub_form form;
    if (!form_of(f, stored, &form)) return false;
    if (stored->n_dims < 1 || stored->n_dims > 2 || stored->size == 0)
        return wrong_shape(f, from, "of a vector or a matrix");
    const bool widen = (stored->n_dims == 1 || as_f32) && form.type != FATHOM_F32;
    if (widen && form.kind == FM_SOURCE_F4) return wrong_shape(f, from, "and dtype of floats");
    if (widen && form.kind == FM_SOURCE_COPY) form.kind = FM_SOURCE_WIDEN;
    const uint8_t **parts = new_parts(f, 1);
    struct fm_source source = source_of(&form, 1);
    if (!(source.scales = new_parts(f, 1)) || !parts) return no_memory(f);
    parts[0] = stored->data;
    source.scales[0] = form.scales;
    return add(f, to, widen ? FATHOM_F32 : form.type, stored->n_dims,
        (const uint64_t[3]){form.n_cols, form.n_rows, 1}, source, parts);
}

// A projection whose heads' rows are presented in pairs (i, i + n_rope / 2), as GGUF has Llama's, which turns
// pairs (2i, 2i + 1).
bool fm_hub_present_paired_rows(struct fm_hub_files *f, const char *from, const char *to, uint32_t n_heads) {
    const uint32_t n_rope = f->hub->n_rope, n_rows = n_heads * n_rope;
    const struct fm_safetensor *stored = fm_hub_find(f, from);
    if (!stored) return true;
    struct fm_hub_form form;
    if (!form_of(f, stored, &form)) return false;
    if (stored->n_dims != 2 || stored->dims[0] != n_rows || stored->size == 0 || form.kind == FM_SOURCE_F4)
        return wrong_shape(f, from, "[heads * head_dim, hidden] of config.json");
    const uint8_t **rows = new_parts(f, n_rows), **scales = new_parts(f, n_rows);
    if (!rows || !scales) return no_memory(f);
    const uint64_t scale_row = (uint64_t)form.scale_cols * fm_scale_size(form.scale_type);
    for (uint32_t r = 0; r < n_rows; r++) {
        const uint32_t i = r % n_rope, row = r - i + i / 2 + i % 2 * (n_rope / 2);
        rows[r] = stored->data + row * (stored->size / n_rows);
        if (form.scales) scales[r] = form.scales + row / form.rows_per_scale * scale_row;
    }
    struct fm_source source = source_of(&form, n_rows);
    source.scales = scales;
    source.n_rows = 1;
    return add(f, to, form.type, 2, (const uint64_t[3]){form.n_cols, n_rows, 1}, source, rows);
}

// The same from one tensor that holds the matrices of all experts, [experts, rows, columns]; gate_up_proj has
// the rows of the gate and then those of the up projection. *found: whether the folder has it.
static bool joined_experts(struct fm_hub_files *f, uint32_t layer, const char *projection, bool *found) {
    static const char *const ends[] = {"", ".weight"};
    const uint32_t n = f->hub->n_experts;
    const bool down = !strcmp(projection, "down"), up = !strcmp(projection, "up");
    const struct fm_safetensor *stored = NULL;
    char name[128], to[64];
    for (int i = 0; i < 2 && !stored; i++) {
        snprintf(name, sizeof(name), "model.layers.%u.mlp.experts.%s_proj%s", layer,
            down ? "down" : "gate_up", ends[i]);
        stored = fm_hub_use(f, name);
    }
    if (!(*found = stored)) return true;
    const struct fm_type_info *info = fm_type_find(stored->dtype);
    const uint32_t shares = down ? 1 : 2, n_inter = f->hub->n_expert_inter, n_hidden = f->hub->n_hidden;
    if (!info || info->block != 1 || stored->n_dims != 3 || stored->size == 0 || stored->dims[0] != n ||
        stored->dims[1] != (down ? n_hidden : 2ull * n_inter) ||
        stored->dims[2] != (down ? n_inter : n_hidden))
        return wrong_shape(f, name,
            down ? "[experts, hidden, moe_intermediate] of config.json, in floats"
                 : "[experts, 2 * moe_intermediate, hidden] of config.json, in floats");
    const uint8_t **parts = new_parts(f, n);
    const uint64_t size = stored->size / n;
    if (!parts) return no_memory(f);
    for (uint32_t i = 0; i < n; i++) parts[i] = stored->data + i * size + (up ? size / 2 : 0);
    snprintf(to, sizeof(to), "blk.%u.ffn_%s_exps.weight", layer, projection);
    return add(f, to, (enum fathom_type)info->type, 3,
        (const uint64_t[3]){stored->dims[2], stored->dims[1] / shares, n},
        (struct fm_source){.kind = FM_SOURCE_COPY, .stored = (enum fathom_type)info->type, .n_parts = n},
        parts);
}

// One projection of all experts of a layer, stacked.
bool fm_hub_present_experts(struct fm_hub_files *f, uint32_t layer, const char *projection) {
    const uint32_t n = f->hub->n_experts;
    const bool v4 = f->hub->arch->windowed;
    const uint8_t **parts = new_parts(f, n), **scales = new_parts(f, n);
    struct fm_hub_form first = {0}, form;
    char name[128], to[64];
    bool joined = false;
    if (!v4 && !joined_experts(f, layer, projection, &joined)) return false;
    if (joined) return true;
    if (!parts || !scales) return no_memory(f);
    for (uint32_t i = 0; i < n; i++) {
        if (v4)
            snprintf(name, sizeof(name), "%slayers.%u.ffn.experts.%u.%s.weight", f->prefix, layer, i,
                !strcmp(projection, "gate")     ? "w1"
                    : !strcmp(projection, "up") ? "w3"
                                                : "w2");
        else
            snprintf(
                name, sizeof(name), "model.layers.%u.mlp.experts.%u.%s_proj.weight", layer, i, projection);
        const struct fm_safetensor *stored = fm_hub_find(f, name);
        if (!stored)
            return fm_fail(f->hub->err, FATHOM_INVALID, "%s: tensor %s is missing", f->hub->dir, name);
        if (!form_of(f, stored, &form)) return false;
        if (i == 0) first = form;
        if (stored->n_dims != 2 || stored->size == 0 || form.n_rows != first.n_rows ||
            form.n_cols != first.n_cols || form.type != first.type || form.scale_type != first.scale_type ||
            form.rows_per_scale != first.rows_per_scale || form.cols_per_scale != first.cols_per_scale)
            return wrong_shape(f, name, "and dtype of the layer's first expert");
        parts[i] = stored->data;
        scales[i] = form.scales;
    }
    snprintf(to, sizeof(to), "blk.%u.ffn_%s_exps.weight", layer, projection);
    struct fm_source source = source_of(&first, n);
    source.scales = scales;
    return add(f, to, first.type, 3, (const uint64_t[3]){first.n_cols, first.n_rows, n}, source, parts);
}

// Whether no block of a head's transposed keys takes in two scales: rows_per_scale rows of kv_b_proj share
// one, counted from its own first row.
static bool whole_scales(
    const struct fm_hub_form *form, uint32_t n_heads, uint32_t head_rows, uint32_t n_nope) {
    for (uint32_t h = 0; h < n_heads; h++)
        for (uint32_t c = 0; c < n_nope; c += FM_SCALED_F8) {
            const uint64_t first = (uint64_t)h * head_rows + c,
                           last = first + (n_nope - c < FM_SCALED_F8 ? n_nope - c : FM_SCALED_F8) - 1;
            if (first / form->rows_per_scale != last / form->rows_per_scale) return false;
        }
    return true;
}

// kv_b_proj holds for each head n_nope rows that make its keys out of the latent, then n_value rows that make
// its values. The absorbed form wants the first transposed.
bool fm_hub_present_split_kv_b(struct fm_hub_files *f, uint32_t layer) {
    const struct fm_hub *hub = f->hub;
    char name[128];
    snprintf(name, sizeof(name), "model.layers.%u.self_attn.kv_b_proj.weight", layer);
    const struct fm_safetensor *stored = fm_hub_find(f, name);
    if (!stored) return true;
    struct fm_hub_form form;
    if (!form_of(f, stored, &form)) return false;
    const uint32_t n_heads = hub->n_heads, head_rows = hub->n_nope + hub->n_value;
    if (stored->n_dims != 2 || form.n_rows != (uint64_t)n_heads * head_rows || form.n_cols != hub->kv_rank ||
        form.kind == FM_SOURCE_F4)
        return wrong_shape(f, name, "[heads * (nope + value), latent] of config.json");
    const uint8_t **keys = new_parts(f, n_heads), **values = new_parts(f, n_heads),
                  **scales = new_parts(f, n_heads);
    if (!keys || !values || !scales) return no_memory(f);
    const uint64_t row_size = stored->size / stored->dims[0];
    for (uint32_t i = 0; i < n_heads; i++) {
        keys[i] = stored->data + (uint64_t)i * head_rows * row_size;
        values[i] = keys[i] + hub->n_nope * row_size;
        scales[i] = form.scales;
    }
    struct fm_source source = source_of(&form, n_heads);
    source.scales = scales;
    source.part_rows = head_rows;
    source.kind = form.scales ? FM_SOURCE_F8_TRANSPOSE : FM_SOURCE_TRANSPOSE;
    source.n_rows = hub->kv_rank;
    source.n_cols = hub->n_nope;
    const bool kept = !form.scales ||
        (whole_scales(&form, n_heads, head_rows, hub->n_nope) && hub->n_nope % 32 == 0); // else as F32
    snprintf(name, sizeof(name), "blk.%u.attn_k_b.weight", layer);
    const enum fathom_type keys_type = !form.scales ? form.type : kept ? FATHOM_F8_E4M3 : FATHOM_F32;
    if (!add(f, name, keys_type, 3, (const uint64_t[3]){hub->n_nope, hub->kv_rank, n_heads}, source, keys))
        return false;
    source.kind = form.kind;
    source.n_rows = hub->n_value;
    source.n_cols = hub->kv_rank;
    source.first_row = hub->n_nope;
    snprintf(name, sizeof(name), "blk.%u.attn_v_b.weight", layer);
    return add(
        f, name, form.type, 3, (const uint64_t[3]){hub->kv_rank, hub->n_value, n_heads}, source, values);
}

// A table of tokens, of I32 or I64, under its new name.
bool fm_hub_present_table(struct fm_hub_files *f, const char *from, const char *to) {
    const struct fm_safetensor *stored = fm_hub_find(f, from);
    if (!stored) return true;
    const bool wide = !strcmp(stored->dtype, "I64");
    if (!wide && strcmp(stored->dtype, "I32") != 0)
        return fm_fail(f->hub->err, FATHOM_UNSUPPORTED, "%s: tensor %s is stored as %s; supported: I32, I64",
            f->hub->dir, from, stored->dtype);
    if (stored->n_dims != 2 || stored->size == 0) return wrong_shape(f, from, "of a matrix");
    fm_hub_use(f, from);
    const uint8_t **parts = new_parts(f, 1);
    if (parts) parts[0] = stored->data;
    return add(f, to, (enum fathom_type)FM_TYPE_I32, 2,
        (const uint64_t[3]){stored->dims[1], stored->dims[0], 1},
        (struct fm_source){
            .kind = wide ? FM_SOURCE_NARROW : FM_SOURCE_COPY,
            .stored = (enum fathom_type)FM_TYPE_I32,
            .n_parts = 1,
        },
        parts);
}

// Llama 3's divisors of the frequencies, which come from config.json.
bool fm_hub_present_rope(struct fm_hub_files *f) {
    if (!f->hub->rope_divisors) return true;
    const uint8_t **parts = new_parts(f, 1);
    if (parts) parts[0] = (const uint8_t *)f->hub->rope_divisors;
    return add(f, "rope_freqs.weight", FATHOM_F32, 1, (const uint64_t[3]){f->hub->n_rope / 2, 1, 1},
        (struct fm_source){.kind = FM_SOURCE_COPY, .stored = FATHOM_F32, .n_parts = 1}, parts);
}
