// Writes a model with its matrices in fewer bits. Tensors for which fm_preset_applies() is false are copied.
#include "base/paths.h"
#include "base/sized.h"
#include "file/directory.h"
#include "convert/convert.h"
#include "convert/importance.h"
#include "convert/preset.h"
#include "convert/transcode.h"
#include "file/output.h"
#include "file/scaled.h"
#include "quant/types.h"
#include <fathom/convert.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct quantization {
    const struct fathom_quantize_params *params;
    const struct fm_preset *preset;
    const struct fm_tensors *in;
    struct fm_importance *importance;
    struct fm_meta meta;
    struct fm_tensor *list; // tensors of the output; impl: the tensor of the input
    struct fathom_quantize_result *result;
    struct fathom_error *err;
};

static bool no_memory(struct quantization *q) {
    return fm_fail(q->err, FATHOM_NO_MEMORY, "%s: out of host memory for quantizing", q->in->path);
}

static bool check_output(
    const struct fm_tensors *in, const char *out_path, const char *importance, struct fathom_error *err) {
    if (importance && fm_same_file(importance, out_path))
        return fm_fail(err, FATHOM_INVALID,
            "%s: is both the importance matrix and the output; name another file", out_path);
    return fm_output_check(in, out_path, err);
}

// A model without a tokenizer, or with another kind of tokenizer, is quantised as it is.
static bool check_tokenizer(const struct quantization *q) {
    const struct fm_meta_value *model = fm_meta_find(&q->in->meta, "tokenizer.ggml.model");
    return !model || model->type != FM_META_STRING || strcmp(model->string.text, "gpt2") != 0 ||
        fm_convert_check_tokenizer(q->in, q->err);
}

// Copies the keys of the input, except those for the types of the tensors, and adds the new ones.
static bool make_keys(struct quantization *q) {
    const struct fm_meta_value more[] = {
        {.key = "general.quantization_version", .type = FM_META_U32, .u = 2},
        {.key = "general.file_type", .type = FM_META_U32, .u = q->preset->file_type},
    };
    for (size_t i = 0; i < q->in->meta.count; i++) {
        const struct fm_meta_value *value = &q->in->meta.values[i];
        if (!strcmp(value->key, more[0].key) || !strcmp(value->key, more[1].key) ||
            !strcmp(value->key, "general.alignment") || !strncmp(value->key, "split.", 6) ||
            !strncmp(value->key, "quantize.imatrix.", 17))
            continue;
        if (!fm_meta_add(&q->meta, *value, q->err)) return false;
    }
    if (!fm_meta_add(&q->meta, more[0], q->err) || !fm_meta_add(&q->meta, more[1], q->err)) return false;
    if (!q->importance) return true;
    const char *file = strrchr(q->params->importance, '/');
    file = file ? file + 1 : q->params->importance;
    return fm_meta_add(&q->meta,
               (struct fm_meta_value){
                   .key = "quantize.imatrix.file",
                   .type = FM_META_STRING,
                   .string = {file, strlen(file)},
               },
               q->err) &&
        fm_meta_add(&q->meta,
            (struct fm_meta_value){
                .key = "quantize.imatrix.entries_count",
                .type = FM_META_U32,
                .u = fm_importance_count(q->importance),
            },
            q->err);
}

static uint32_t read_count(
    const struct fm_tensors *in, const char *architecture, const char *key, uint32_t otherwise) {
    char name[256];
    uint32_t count = otherwise;
    snprintf(name, sizeof(name), "%s.%s", architecture, key);
    fm_meta_u32(in, name, &count, NULL); // a key with an array (one value a layer) leaves the default
    return count;
}

static struct fm_preset_model read_model(const struct quantization *q) {
    const char *architecture = "";
    size_t length;
    fm_meta_string(q->in, "general.architecture", &architecture, &length, NULL);
    const uint32_t n_heads = read_count(q->in, architecture, "attention.head_count", 1);
    const uint32_t n_kv = read_count(q->in, architecture, "attention.head_count_kv", n_heads);
    struct fm_preset_model model = {
        .n_layers = read_count(q->in, architecture, "block_count", 0),
        .n_experts = read_count(q->in, architecture, "expert_count", 0),
        .n_heads_per_kv = n_kv ? n_heads / n_kv : 1,
        .has_output = fm_tensors_find(q->in, "output.weight") != NULL,
        .has_importance = q->importance != NULL,
    };
    for (size_t i = 0; i < q->in->count; i++) model.n_values += fm_preset_makes_values(q->in->list[i].name);
    return model;
}

static bool matches(const char *pattern, const char *name) {
    return strpbrk(pattern, "*?[") ? fnmatch(pattern, name, 0) == 0 : strstr(name, pattern) != NULL;
}

// Returns the type of the last rule that matches, or `otherwise` when none matches. Sets used[i] for each
// rule that matches.
static enum fathom_type apply_rules(
    const struct fathom_quantize_params *p, const char *name, enum fathom_type otherwise, bool *used) {
    for (size_t i = 0; i < p->n_rules; i++) {
        if (!matches(p->rules[i].pattern, name)) continue;
        used[i] = true;
        otherwise = p->rules[i].type;
    }
    return otherwise;
}

static bool choose_tensor(struct quantization *q, struct fm_preset_model *model, const struct fm_tensor *from,
    struct fm_tensor *to, bool *used) {
    struct fathom_quantize_result *r = q->result;
    struct fm_source source;
    *to = fm_scaled_widen(from, &source); // a type that cannot be written to a file becomes F32
    to->impl = from;
    const uint64_t elements = fm_tensor_elements(to);
    if (fm_preset_applies(from)) {
        const enum fathom_type wanted =
            apply_rules(q->params, from->name, fm_preset_choose(q->preset, model, from), used);
        to->type = fm_preset_fit(wanted, from->dims[0]);
        r->n_fallen_back += to->type != wanted;
        r->n_requantized += to->type != from->type && fm_type_info(from->type)->block > 1;
        if (q->importance && !fm_importance_fits(q->importance, to, q->err)) {
            fm_error_prefix(q->err, "%s", q->params->importance);
            return false;
        }
        r->n_important +=
            q->importance && fm_type_info(to->type)->block > 1 && fm_importance_find(q->importance, to, 0);
    }
    if (!fm_type_size(to->type, elements, &to->size))
        return fm_fail(q->err, FATHOM_INVALID, "%s: tensor %s is too large", q->in->path, to->name);
    r->bytes_before += from->size;
    r->bytes += to->size;
    r->elements += elements;
    r->n_tensors[to->type]++;
    return true;
}

static bool choose_tensors(struct quantization *q) {
    const struct fathom_quantize_params *p = q->params;
    struct fm_preset_model model = read_model(q);
    bool *used = calloc(p->n_rules + 1, sizeof(*used));
    q->list = calloc(q->in->count + 1, sizeof(*q->list));
    bool ok = (used && q->list) || no_memory(q);
    for (size_t i = 0; i < q->in->count && ok; i++)
        ok = choose_tensor(q, &model, &q->in->list[i], &q->list[i], used);
    for (size_t i = 0; i < p->n_rules && ok; i++)
        if (!used[i])
            ok = fm_fail(q->err, FATHOM_INVALID, "%s: no matrix has a name like \"%s\"", q->in->path,
                p->rules[i].pattern);
    free(used);
    return ok;
}

static bool check_rule(const struct fathom_tensor_rule *rule, size_t i, struct fathom_error *err) {
    if (!rule->pattern)
        return fm_fail(err, FATHOM_INVALID, "fathom_quantize: params.rules[%zu].pattern is NULL", i);
    const struct fm_type_info *type = fm_type_info((uint32_t)rule->type);
    return (type && type->writable) ||
        fm_fail(err, FATHOM_UNSUPPORTED,
            "%s: the type %s is read, not written; Q8_0, Q6_K, Q5_K, Q4_K, IQ4_XS and others are written",
            rule->pattern, fm_type_name(rule->type));
}

static bool check_params(
    const struct fathom_quantize_params *p, const struct fm_preset *preset, struct fathom_error *err) {
    if (!p->in || !p->out)
        return fm_fail(err, FATHOM_INVALID, "fathom_quantize: params.%s is NULL", p->in ? "out" : "in");
    if (!preset)
        return fm_fail(err, FATHOM_INVALID,
            "fathom_quantize: params.preset is \"%s\", which is none of fathom_preset_name()",
            p->preset ? p->preset : "");
    if (p->n_rules && !p->rules) return fm_fail(err, FATHOM_INVALID, "fathom_quantize: params.rules is NULL");
    for (size_t i = 0; i < p->n_rules; i++)
        if (!check_rule(&p->rules[i], i, err)) return false;
    return true;
}

bool fathom_quantize(const struct fathom_quantize_params *params, struct fathom_quantize_result *result,
    struct fathom_error *err) {
    if (!FM_GIVEN(params, "params", err)) return false;
    struct fathom_quantize_params p = {.size = sizeof(p)};
    struct fathom_quantize_result r = {.size = sizeof(r)};
    bool ok = fm_sized_read(&p, sizeof(p), params, "fathom_quantize: params", err);
    struct quantization q = {
        .params = &p,
        .preset = p.preset ? fm_preset_find(p.preset) : NULL,
        .result = &r,
        .err = err,
    };
    ok = ok && check_params(&p, q.preset, err);
    struct fm_tensors *in = ok ? fm_tensors_open(p.in, err) : NULL;
    q.in = in;
    ok = in && check_output(in, p.out, p.importance, err);
    if (ok && p.importance) ok = (q.importance = fm_importance_open(p.importance, err)) != NULL;
    ok = ok && check_tokenizer(&q) && make_keys(&q) && choose_tensors(&q);
    ok = ok &&
        fm_transcode(
            &(struct fm_transcoding){
                .in = in,
                .meta = &q.meta,
                .list = q.list,
                .count = in->count,
                .importance = q.importance,
                .verb = "quantizing",
                .progress = &p.progress,
            },
            p.out, err);
    free(q.list);
    fm_meta_free(&q.meta);
    fm_importance_close(&q.importance);
    fm_tensors_close(&in);
    if (ok && result) fm_sized_write(result, &r, sizeof(r));
    return ok;
}
