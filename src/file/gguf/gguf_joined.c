// Tensors that some files hold in one piece, and the directory presents as several, like other files:
//  - attn_kv_b of older deepseek2 files. For each head the matrix has n_nope rows, which make the keys from
//    the latent, and then n_value rows, which make the values. The key rows become attn_k_b, transposed, the
//    value rows attn_v_b.
//  - ffn_gate_up_exps, and ffn_gate_up of dense layers and shared experts: the rows of the gate, then those
//    of the up projection, for each expert.
//  - attn_qkv of Llama, Qwen2 and Qwen3: the rows of the queries, the keys and the values; its bias likewise.
#include "base/size.h"
#include "file/directory.h"
#include "file/gguf/gguf.h"
#include "quant/types.h"
#include <stdio.h>
#include <string.h>

struct heads {
    uint32_t n_heads, n_nope, n_value;
};

static bool read_key(
    const struct fm_tensors *tensors, const char *key, uint32_t *value, struct fathom_error *err) {
    struct fathom_error wrong = {0};
    if (fm_meta_u32(tensors, key, value, &wrong)) return true;
    return fm_fail(err, FATHOM_INVALID,
        "%s: has attn_kv_b in one piece, and key %s is missing or not a number", tensors->path, key);
}

static bool read_heads(const struct fm_tensors *tensors, struct heads *h, struct fathom_error *err) {
    uint32_t key_length, n_rope;
    if (!read_key(tensors, "deepseek2.attention.head_count", &h->n_heads, err) ||
        !read_key(tensors, "deepseek2.attention.key_length", &key_length, err) ||
        !read_key(tensors, "deepseek2.attention.value_length", &h->n_value, err) ||
        !read_key(tensors, "deepseek2.rope.dimension_count", &n_rope, err))
        return false;
    h->n_nope = key_length - n_rope;
    if (h->n_heads && h->n_heads <= 1024 && key_length > n_rope && key_length <= 512 && h->n_value &&
        h->n_value <= 512)
        return true;
    return fm_fail(err, FATHOM_INVALID,
        "%s: has attn_kv_b in one piece for %u heads with keys of %u, %u of them rotary, and values of %u",
        tensors->path, h->n_heads, key_length, n_rope, h->n_value);
}

static struct fm_source *new_source(
    struct fm_tensors *tensors, struct fm_source source, const uint8_t *first, uint64_t step) {
    struct fm_source *copy = fm_arena_alloc(&tensors->arena, 1, sizeof(*copy));
    const uint8_t **parts = fm_arena_alloc(&tensors->arena, source.n_parts, sizeof(*parts));
    if (!copy || !parts) return NULL;
    for (uint32_t i = 0; i < source.n_parts; i++) parts[i] = first + i * step;
    *copy = source;
    copy->parts = parts;
    return copy;
}

static const char *layer_name(struct fm_tensors *tensors, unsigned layer, const char *suffix) {
    char name[64];
    const int length = snprintf(name, sizeof(name), "blk.%u.%s", layer, suffix);
    return fm_arena_string(&tensors->arena, name, (uint64_t)length);
}

// Replaces tensor i by the half of the keys, and appends the half of the values to the list.
static bool split(
    struct fm_tensors *tensors, size_t i, unsigned layer, const struct heads *h, struct fathom_error *err) {
    const struct fm_tensor whole = tensors->list[i];
    const uint64_t head_rows = (uint64_t)h->n_nope + h->n_value, kv_rank = whole.dims[0];
    if (whole.n_dims != 2 || whole.dims[1] != h->n_heads * head_rows || kv_rank > UINT32_MAX)
        return fm_fail(err, FATHOM_INVALID,
            "%s: tensor %s is [%llu, %llu], expected [latent, %u * (%u + %u)]", tensors->path, whole.name,
            (unsigned long long)kv_rank, (unsigned long long)whole.dims[1], h->n_heads, h->n_nope,
            h->n_value);
    const struct fm_source *stored = whole.impl;
    const uint64_t row_size = whole.size / whole.dims[1];
    const bool blocks = fm_type_info(whole.type)->block > 1;
    // Blocks cannot be transposed: the elements become F16, which is finer than every block format.
    struct fm_tensor k = {
        .type = blocks ? FATHOM_F16 : whole.type,
        .n_dims = 3,
        .dims = {h->n_nope, kv_rank, h->n_heads, 1},
    };
    struct fm_tensor v = {.type = whole.type, .n_dims = 3, .dims = {kv_rank, h->n_value, h->n_heads, 1}};
    k.name = layer_name(tensors, layer, "attn_k_b.weight");
    v.name = layer_name(tensors, layer, "attn_v_b.weight");
    k.impl = new_source(tensors,
        (struct fm_source){
            .kind = blocks ? FM_SOURCE_DECODE_TRANSPOSE : FM_SOURCE_TRANSPOSE,
            .stored = whole.type,
            .n_rows = (uint32_t)kv_rank,
            .n_cols = h->n_nope,
            .n_parts = h->n_heads,
            .part_size = h->n_nope * kv_rank * fm_type_info(k.type)->bytes,
        },
        stored->parts[0], head_rows * row_size);
    v.impl = new_source(tensors,
        (struct fm_source){
            .kind = FM_SOURCE_COPY,
            .stored = whole.type,
            .n_parts = h->n_heads,
            .part_size = h->n_value * row_size,
        },
        stored->parts[0] + h->n_nope * row_size, head_rows * row_size);
    if (!k.name || !v.name || !k.impl || !v.impl) return fm_no_memory(tensors, err);
    if (!fm_type_size(k.type, h->n_nope * kv_rank * h->n_heads, &k.size) || !fm_tensors_add(tensors, v, err))
        return false;
    tensors->list[i] = k;
    return fm_names_add(&tensors->names, k.name, (uint32_t)i) == FM_NAMES_ADDED || fm_no_memory(tensors, err);
}

static bool split_kv_b(struct fm_tensors *tensors, const char *arch, struct fathom_error *err) {
    struct heads heads = {0};
    if (strcmp(arch, "deepseek2") != 0) return true;
    for (size_t i = 0, n = tensors->count; i < n; i++) {
        unsigned layer;
        int end = 0;
        char keys[64];
        if (sscanf(tensors->list[i].name, "blk.%u.attn_kv_b.weight%n", &layer, &end) != 1 || !end ||
            tensors->list[i].name[end])
            continue;
        snprintf(keys, sizeof(keys), "blk.%u.attn_k_b.weight", layer);
        if (fm_tensors_find(tensors, keys)) continue; // the file has both forms
        if (!heads.n_heads && !read_heads(tensors, &heads, err)) return false;
        if (!split(tensors, i, layer, &heads, err)) return false;
    }
    return true;
}

// One part of a tensor: `n` rows of each of its matrices (elements of a vector) from row `first` on.
struct rows {
    const char *suffix; // of its name after "blk.N."
    uint64_t first, n;
};

static bool make_part(struct fm_tensors *tensors, const struct fm_tensor *whole, unsigned layer,
    const struct rows *rows, struct fm_tensor *part, struct fathom_error *err) {
    const int axis = whole->n_dims == 1 ? 0 : 1; // of the rows
    const struct fm_source *stored = whole->impl;
    const uint64_t n_rows = whole->dims[axis], n_mats = whole->dims[2];
    const uint64_t row_size = whole->size / (n_rows * n_mats * whole->dims[3]);
    *part = *whole;
    part->name = layer_name(tensors, layer, rows->suffix);
    part->dims[axis] = rows->n;
    part->size = rows->n * row_size * n_mats;
    part->impl = new_source(tensors,
        (struct fm_source){
            .kind = FM_SOURCE_COPY,
            .stored = whole->type,
            .n_parts = (uint32_t)n_mats,
            .part_size = rows->n * row_size,
        },
        stored->parts[0] + rows->first * row_size, n_rows * row_size);
    return (part->name && part->impl) || fm_no_memory(tensors, err);
}

// Replaces tensor i by its first part, and appends the others to the list.
static bool cut(struct fm_tensors *tensors, size_t i, unsigned layer, const struct rows *rows, size_t n,
    struct fathom_error *err) {
    const struct fm_tensor whole = tensors->list[i];
    struct fm_tensor part;
    for (size_t j = 1; j < n; j++)
        if (!make_part(tensors, &whole, layer, &rows[j], &part, err) || !fm_tensors_add(tensors, part, err))
            return false;
    if (!make_part(tensors, &whole, layer, &rows[0], &part, err)) return false;
    tensors->list[i] = part;
    return fm_names_add(&tensors->names, part.name, (uint32_t)i) == FM_NAMES_ADDED ||
        fm_no_memory(tensors, err);
}

static bool has(const struct fm_tensors *tensors, unsigned layer, const char *suffix) {
    char name[64];
    snprintf(name, sizeof(name), "blk.%u.%s", layer, suffix);
    return fm_tensors_find(tensors, name) != NULL;
}

static bool cut_gate_up(
    struct fm_tensors *tensors, size_t i, unsigned layer, const char *suffix, struct fathom_error *err) {
    static const char *const names[][3] = {
        {"ffn_gate_up_exps.weight", "ffn_gate_exps.weight", "ffn_up_exps.weight"},
        {"ffn_gate_up_shexp.weight", "ffn_gate_shexp.weight", "ffn_up_shexp.weight"},
        {"ffn_gate_up.weight", "ffn_gate.weight", "ffn_up.weight"},
    };
    for (size_t j = 0; j < sizeof(names) / sizeof(*names); j++) {
        if (strcmp(suffix, names[j][0]) != 0) continue;
        if (has(tensors, layer, names[j][1]) || has(tensors, layer, names[j][2])) return true; // both forms
        const struct fm_tensor *whole = &tensors->list[i];
        if (whole->n_dims < 2 || whole->n_dims > 3 || whole->dims[1] % 2 || whole->dims[2] > UINT32_MAX)
            return fm_fail(err, FATHOM_INVALID,
                "%s: tensor %s has %llu rows, expected those of gate and up in equal numbers", tensors->path,
                whole->name, (unsigned long long)whole->dims[1]);
        const uint64_t half = whole->dims[1] / 2;
        const struct rows rows[] = {{names[j][1], 0, half}, {names[j][2], half, half}};
        return cut(tensors, i, layer, rows, 2, err);
    }
    return true;
}

// Readers of other architectures (GPT-2, Falcon) want attn_qkv whole, and some have other rows in it.
static bool has_separate_projections(const char *arch) {
    return !strcmp(arch, "llama") || !strcmp(arch, "qwen2") || !strcmp(arch, "qwen3");
}

static bool cut_qkv(struct fm_tensors *tensors, const char *arch, size_t i, unsigned layer,
    const char *suffix, struct fathom_error *err) {
    const bool bias = !strcmp(suffix, "attn_qkv.bias");
    const struct fm_tensor *whole = &tensors->list[i];
    if (!has_separate_projections(arch) || (!bias && strcmp(suffix, "attn_qkv.weight") != 0) ||
        has(tensors, layer, bias ? "attn_q.bias" : "attn_q.weight"))
        return true;
    char key[128];
    uint32_t n_heads = 0, n_kv = 0;
    snprintf(key, sizeof(key), "%.64s.attention.head_count", arch);
    if (!fm_meta_u32(tensors, key, &n_heads, err)) return !err || err->status == FATHOM_OK;
    n_kv = n_heads;
    snprintf(key, sizeof(key), "%.64s.attention.head_count_kv", arch);
    if (!fm_meta_u32(tensors, key, &n_kv, err) && err && err->status != FATHOM_OK) return false;
    const uint64_t n_rows = whole->dims[bias ? 0 : 1], parts = (uint64_t)n_heads + 2ull * n_kv;
    const bool shaped =
        bias ? whole->n_dims == 1 && fm_type_info(whole->type)->block == 1 : whole->n_dims == 2;
    if (!shaped || !n_heads || !n_kv || n_rows % parts)
        return fm_fail(err, FATHOM_INVALID,
            "%s: tensor %s has %llu rows, expected those of %u + 2 * %u heads", tensors->path, whole->name,
            (unsigned long long)n_rows, n_heads, n_kv);
    const uint64_t query = n_rows / parts * n_heads, key_rows = n_rows / parts * n_kv;
    const struct rows rows[] = {{bias ? "attn_q.bias" : "attn_q.weight", 0, query},
        {bias ? "attn_k.bias" : "attn_k.weight", query, key_rows},
        {bias ? "attn_v.bias" : "attn_v.weight", query + key_rows, key_rows}};
    return cut(tensors, i, layer, rows, 3, err);
}

bool fm_gguf_split_joined(struct fm_tensors *tensors, struct fathom_error *err) {
    struct fathom_error wrong = {0};
    const char *arch;
    size_t length;
    bool ok = true;
    if (!fm_meta_string(tensors, "general.architecture", &arch, &length, NULL)) return true;
    for (size_t i = 0, n = tensors->count; i < n && ok; i++) {
        unsigned layer;
        int end = 0;
        const char *name = tensors->list[i].name;
        if (sscanf(name, "blk.%u.%n", &layer, &end) != 1 || !end) continue;
        ok = cut_gate_up(tensors, i, layer, name + end, &wrong) &&
            cut_qkv(tensors, arch, i, layer, tensors->list[i].name + end, &wrong);
    }
    ok = ok && split_kv_b(tensors, arch, &wrong);
    return ok || fm_fail(err, wrong.status, "%s", wrong.message);
}
