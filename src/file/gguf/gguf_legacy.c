// Older deepseek2 files hold attn_kv_b, which llama.cpp later split in two. For each head the matrix has
// n_nope rows, which make the keys from the latent, and then n_value rows, which make the values. The
// directory presents the key rows, transposed, as attn_k_b and the value rows as attn_v_b, like newer files.
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

bool fm_gguf_split_kv_b(struct fm_tensors *tensors, struct fathom_error *err) {
    const char *arch;
    size_t length;
    struct heads heads = {0};
    if (!fm_meta_string(tensors, "general.architecture", &arch, &length, NULL) ||
        strcmp(arch, "deepseek2") != 0)
        return true;
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
