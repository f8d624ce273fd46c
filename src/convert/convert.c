#include "convert/convert.h"
#include "base/sized.h"
#include "file/directory.h"
#include "convert/transcode.h"
#include "file/output.h"
#include "file/scaled.h"
#include "quant/types.h"
#include <fathom/convert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct conversion {
    const struct fm_tensors *in;
    enum fathom_type type;
    uint32_t n_layers; // layers of the output
    struct fm_meta meta;
    struct fm_tensor *list; // tensors of the output; impl: the tensor of the input
    size_t count;
    struct fathom_error *err;
};

static bool no_memory(struct conversion *c) {
    return fm_fail(c->err, FATHOM_NO_MEMORY, "%s: out of host memory for the conversion", c->in->path);
}

static uint32_t file_type(enum fathom_type type) { // llama.cpp's LLAMA_FTYPE
    switch (type) {
    case FATHOM_F32: return 0;
    case FATHOM_F16: return 1;
    case FATHOM_Q4_0: return 2;
    case FATHOM_Q8_0: return 7;
    case FATHOM_BF16: return 32;
    default: return 0; // `fathom convert` accepts no other types
    }
}

static bool ends_with(const char *name, const char *end) {
    const size_t length = strlen(name), n = strlen(end);
    return length >= n && !strcmp(name + length - n, end);
}

// Reads the number under the key "<architecture>.<suffix>"; *count is 0 without such a key.
static bool read_count(const struct conversion *c, const char *suffix, uint32_t *count) {
    *count = 0;
    for (size_t i = 0; i < c->in->meta.count; i++)
        if (ends_with(c->in->meta.values[i].key, suffix))
            return fm_meta_u32(c->in, c->in->meta.values[i].key, count, c->err);
    return true;
}

// Copies the keys of the input, without the draft layers unless they are kept, and adds the keys for the type
// of the matrices.
static bool make_keys(struct conversion *c, bool keep_draft_layer) {
    uint32_t n_draft;
    if (!read_count(c, ".block_count", &c->n_layers) || !read_count(c, ".nextn_predict_layers", &n_draft))
        return false;
    if (n_draft >= c->n_layers)
        return fm_fail(c->err, FATHOM_INVALID, "%s: %u layers in total, but %u of them are draft layers",
            c->in->path, c->n_layers, n_draft);
    if (!keep_draft_layer) c->n_layers -= n_draft;
    for (size_t i = 0; i < c->in->meta.count; i++) {
        struct fm_meta_value value = c->in->meta.values[i];
        if (!keep_draft_layer && ends_with(value.key, ".nextn_predict_layers")) continue;
        if (!strcmp(value.key, "general.file_type") || !strcmp(value.key, "general.quantization_version") ||
            !strcmp(value.key, "general.alignment") || !strncmp(value.key, "split.", 6))
            continue;
        if (ends_with(value.key, ".block_count"))
            value = (struct fm_meta_value){.key = value.key, .type = FM_META_U32, .u = c->n_layers};
        if (!fm_meta_add(&c->meta, value, c->err)) return false;
    }
    return fm_meta_add(&c->meta,
               (struct fm_meta_value){.key = "general.quantization_version", .type = FM_META_U32, .u = 2},
               c->err) &&
        fm_meta_add(&c->meta,
            (struct fm_meta_value){.key = "general.file_type", .type = FM_META_U32, .u = file_type(c->type)},
            c->err);
}

bool fm_convert_check_tokenizer(const struct fm_tensors *in, struct fathom_error *err) {
    if (!fm_meta_has(in, "tokenizer.ggml.pre"))
        return fm_fail(err, FATHOM_UNSUPPORTED,
            "%s: the splits in pre_tokenizer of tokenizer.json are not supported, because GGUF has no name "
            "for them; supported: those of DeepSeek, Qwen 2 and 3, Llama 3, GLM 4, GPT-2, GPT-4o and others",
            in->path);
    return fm_meta_array_length(in, "tokenizer.ggml.merges") ||
        fm_fail(err, FATHOM_INVALID, "%s: the tokenizer has no merges, which a GGUF file needs", in->path);
}

static bool check_tokenizer(struct conversion *c) {
    if (!fm_meta_has(c->in, "tokenizer.ggml.tokens"))
        return fm_fail(c->err, FATHOM_INVALID, "%s: tokenizer.json is missing", c->in->path);
    return fm_convert_check_tokenizer(c->in, c->err);
}

static enum fathom_type type_for(const struct conversion *c, const struct fm_tensor *tensor) {
    if ((int)tensor->type == FM_TYPE_I32) return tensor->type;
    if (tensor->n_dims < 2 || ends_with(tensor->name, "_ape.weight") ||
        ends_with(tensor->name, "_fn.weight") || ends_with(tensor->name, "_norm.weight") ||
        ends_with(tensor->name, "ffn_gate_inp.weight"))
        return FATHOM_F32;
    const bool outer = ends_with(tensor->name, "token_embd.weight") ||
        !strcmp(tensor->name, "output.weight") || ends_with(tensor->name, "nextn.embed_tokens.weight") ||
        ends_with(tensor->name, "nextn.shared_head_head.weight");
    const enum fathom_type type = outer && c->type == FATHOM_Q4_0 ? FATHOM_Q8_0 : c->type;
    return tensor->dims[0] % fm_type_info(type)->block ? FATHOM_F16 : type;
}

static bool choose_tensors(struct conversion *c) {
    c->list = calloc(c->in->count + 1, sizeof(*c->list));
    if (!c->list) return no_memory(c);
    for (size_t i = 0; i < c->in->count; i++) {
        struct fm_source source;
        struct fm_tensor tensor = fm_scaled_widen(&c->in->list[i], &source);
        unsigned layer;
        if (sscanf(tensor.name, "blk.%u.", &layer) == 1 && layer >= c->n_layers) continue;
        const uint64_t elements = fm_tensor_elements(&tensor);
        tensor.type = type_for(c, &c->in->list[i]);
        tensor.impl = &c->in->list[i];
        if (!fm_type_size(tensor.type, elements, &tensor.size))
            return fm_fail(c->err, FATHOM_INVALID, "%s: tensor %s is too large", c->in->path, tensor.name);
        c->list[c->count++] = tensor;
    }
    return true;
}

bool fm_convert(const char *in_path, const char *out_path, enum fathom_type type, bool keep_draft_layer,
    const struct fathom_progress *progress, struct fathom_error *err) {
    struct fm_tensors *in = fm_tensors_open(in_path, err);
    if (!in) return false;
    struct conversion c = {.in = in, .type = type, .err = err};
    bool ok = fm_output_check(in, out_path, err) && check_tokenizer(&c) && make_keys(&c, keep_draft_layer) &&
        choose_tensors(&c);
    ok = ok &&
        fm_transcode(
            &(struct fm_transcoding){
                .in = in,
                .meta = &c.meta,
                .list = c.list,
                .count = c.count,
                .verb = "converting",
                .progress = progress,
            },
            out_path, err);
    free(c.list);
    fm_meta_free(&c.meta);
    fm_tensors_close(&in);
    return ok;
}

static bool check_params(const struct fathom_convert_params *p, struct fathom_error *err) {
    if (!p->in || !p->out)
        return fm_fail(err, FATHOM_INVALID, "fathom_convert: params.%s is NULL", p->in ? "out" : "in");
    switch (p->type) {
    case FATHOM_F32:
    case FATHOM_F16:
    case FATHOM_BF16:
    case FATHOM_Q8_0:
    case FATHOM_Q4_0: return true;
    default:
        return fm_fail(err, FATHOM_UNSUPPORTED,
            "fathom_convert: params.type is F32, F16, BF16, Q8_0 or Q4_0, not %s; fathom_quantize() writes "
            "the "
            "others",
            fm_type_name(p->type));
    }
}

bool fathom_convert(const struct fathom_convert_params *params, struct fathom_error *err) {
    if (!FM_GIVEN(params, "params", err)) return false;
    struct fathom_convert_params p = {.size = sizeof(p)};
    return fm_sized_read(&p, sizeof(p), params, "fathom_convert: params", err) && check_params(&p, err) &&
        fm_convert(p.in, p.out, p.type, !p.drop_draft_layers, &p.progress, err);
}
