#include "file/convert.h"
#include "file/directory.h"
#include "file/gguf_write.h"
#include "file/scaled.h"
#include "file/types.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIECE_ELEMENTS = 4 << 20, MAX_THREADS = 16 };

struct conversion {
    const struct fm_tensors *in;
    enum fathom_type type;
    uint32_t n_layers; // of the file to be written
    struct fm_meta meta;
    struct fm_tensor *list; // the tensors to be written; impl: the one they are made from
    size_t count;
    uint64_t done, total; // bytes
    const struct fathom_progress *progress;
    struct fathom_error *err;
    // a piece of a tensor on its way
    uint8_t *stored, *result;
    float *floats;
    uint32_t n_threads;
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
    default: return 0; // fm_type_find() gives no others
    }
}

static bool ends_with(const char *name, const char *end) {
    const size_t length = strlen(name), n = strlen(end);
    return length >= n && !strcmp(name + length - n, end);
}

// The number of the key "<architecture>.<suffix>"; 0 without such a key.
static bool read_count(const struct conversion *c, const char *suffix, uint32_t *count) {
    *count = 0;
    for (size_t i = 0; i < c->in->meta.count; i++)
        if (ends_with(c->in->meta.values[i].key, suffix)) return fm_meta_u32(c->in, c->in->meta.values[i].key, count, c->err);
    return true;
}

// The keys of the input, with the draft layers' taken away if they are, and how the matrices are stored.
static bool make_keys(struct conversion *c, bool keep_draft_layer) {
    uint32_t n_draft;
    if (!read_count(c, ".block_count", &c->n_layers) || !read_count(c, ".nextn_predict_layers", &n_draft)) return false;
    if (n_draft >= c->n_layers)
        return fm_fail(c->err, FATHOM_INVALID, "%s: %u layers in all, %u draft layers of them", c->in->path, c->n_layers, n_draft);
    if (!keep_draft_layer) c->n_layers -= n_draft;
    for (size_t i = 0; i < c->in->meta.count; i++) {
        struct fm_meta_value value = c->in->meta.values[i];
        if (!keep_draft_layer && ends_with(value.key, ".nextn_predict_layers")) continue;
        if (!strcmp(value.key, "general.file_type") || !strcmp(value.key, "general.quantization_version") ||
            !strcmp(value.key, "general.alignment") || !strncmp(value.key, "split.", 6))
            continue;
        if (ends_with(value.key, ".block_count")) value = (struct fm_meta_value){.key = value.key, .type = FM_META_U32, .u = c->n_layers};
        if (!fm_meta_add(&c->meta, value, c->err)) return false;
    }
    return fm_meta_add(&c->meta, (struct fm_meta_value){.key = "general.quantization_version", .type = FM_META_U32, .u = 2}, c->err) &&
           fm_meta_add(&c->meta, (struct fm_meta_value){.key = "general.file_type", .type = FM_META_U32, .u = file_type(c->type)}, c->err);
}

static bool check_tokenizer(struct conversion *c) {
    if (!fm_meta_has(c->in, "tokenizer.ggml.tokens")) return fm_fail(c->err, FATHOM_INVALID, "%s: tokenizer.json is missing", c->in->path);
    if (!fm_meta_has(c->in, "tokenizer.ggml.pre"))
        return fm_fail(c->err, FATHOM_UNSUPPORTED,
            "%s: the splits in pre_tokenizer of tokenizer.json are not supported; supported: those of DeepSeek's LLM, Coder and V3",
            c->in->path);
    return true;
}

static enum fathom_type type_for(const struct conversion *c, const struct fm_tensor *tensor) {
    if ((int)tensor->type == FM_TYPE_I32) return tensor->type;
    if (tensor->n_dims < 2 || ends_with(tensor->name, "_ape.weight") || ends_with(tensor->name, "_fn.weight") || ends_with(tensor->name, "_norm.weight") || ends_with(tensor->name, "ffn_gate_inp.weight")) return FATHOM_F32;
    const bool outer = ends_with(tensor->name, "token_embd.weight") || !strcmp(tensor->name, "output.weight") ||
                       ends_with(tensor->name, "nextn.embed_tokens.weight") || ends_with(tensor->name, "nextn.shared_head_head.weight");
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
        const uint64_t elements = tensor.size / fm_type_info(tensor.type)->bytes * fm_type_info(tensor.type)->block;
        tensor.type = type_for(c, &c->in->list[i]);
        tensor.impl = &c->in->list[i];
        if (!fm_type_size(tensor.type, elements, &tensor.size))
            return fm_fail(c->err, FATHOM_INVALID, "%s: tensor %s is too large", c->in->path, tensor.name);
        c->total += tensor.size;
        c->list[c->count++] = tensor;
    }
    return true;
}

// ---- One piece, on several threads ----

struct slice {
    const struct conversion *c;
    enum fathom_type from, to;
    uint64_t first, n; // elements
    bool fits;
};

static uint64_t bytes_of(enum fathom_type type, uint64_t n) {
    return n / fm_type_info(type)->block * fm_type_info(type)->bytes;
}

static void *convert_slice(void *argument) {
    struct slice *s = argument;
    fm_dequantize_row(s->from, s->c->stored + bytes_of(s->from, s->first), s->c->floats + s->first, s->n);
    s->fits = fm_quantize_row(s->to, s->c->floats + s->first, s->c->result + bytes_of(s->to, s->first), s->n);
    return NULL;
}

// n elements of c->stored to c->result.
static bool convert_piece(const struct conversion *c, enum fathom_type from, enum fathom_type to, uint64_t n) {
    struct slice slices[MAX_THREADS];
    pthread_t threads[MAX_THREADS];
    bool started[MAX_THREADS] = {0};
    const uint64_t step = (n / c->n_threads + 255) / 256 * 256; // whole blocks of both types
    uint32_t n_slices = 0;
    for (uint64_t first = 0; first < n; n_slices++) {
        const uint64_t count = n_slices + 1 == c->n_threads || n - first < step ? n - first : step;
        slices[n_slices] = (struct slice){.c = c, .from = from, .to = to, .first = first, .n = count};
        first += count;
    }
    for (uint32_t i = 1; i < n_slices; i++) started[i] = pthread_create(&threads[i], NULL, convert_slice, &slices[i]) == 0;
    bool fits = true;
    for (uint32_t i = 0; i < n_slices; i++) {
        if (started[i])
            pthread_join(threads[i], NULL);
        else
            convert_slice(&slices[i]);
        fits &= slices[i].fits;
    }
    return fits;
}

static bool report(struct conversion *c) {
    if (!c->progress || !c->progress->report || c->progress->report(c->progress->user, "converting", c->done, c->total)) return true;
    return fm_fail(c->err, FATHOM_CANCELLED, "converting %s was cancelled", c->in->path);
}

static bool write_tensor(struct conversion *c, struct fm_gguf_writer *writer, const struct fm_tensor *to) {
    struct fm_source source;
    const struct fm_tensor wide = fm_scaled_widen(to->impl, &source), *from = &wide;
    const uint64_t elements = from->size / fm_type_info(from->type)->bytes * fm_type_info(from->type)->block;
    for (uint64_t first = 0; first < elements; first += PIECE_ELEMENTS) {
        const uint64_t n = elements - first < PIECE_ELEMENTS ? elements - first : PIECE_ELEMENTS;
        const uint64_t size = bytes_of(to->type, n);
        if (!fm_tensor_read(c->in, from, bytes_of(from->type, first), bytes_of(from->type, n), c->stored, c->err)) return false;
        if (from->type != to->type && !convert_piece(c, from->type, to->type, n))
            return fm_fail(c->err, FATHOM_INVALID, "%s: tensor %s holds a value that %s cannot: infinite, not a number, or too large",
                c->in->path, to->name, fm_type_name(to->type));
        if (!fm_gguf_writer_append(writer, from->type == to->type ? c->stored : c->result, size, c->err)) return false;
        c->done += size;
        if (!report(c)) return false;
    }
    return true;
}

static bool write_file(struct conversion *c, const char *out_path) {
    struct fm_gguf_writer *writer = NULL;
    const long n_cores = sysconf(_SC_NPROCESSORS_ONLN);
    c->n_threads = n_cores < 1 ? 1 : n_cores > MAX_THREADS ? MAX_THREADS : (uint32_t)n_cores;
    c->stored = malloc(PIECE_ELEMENTS * sizeof(float));
    c->result = malloc(PIECE_ELEMENTS * sizeof(float));
    c->floats = malloc(PIECE_ELEMENTS * sizeof(float));
    bool ok = c->stored && c->result && c->floats;
    if (!ok) no_memory(c);
    if (ok) writer = fm_gguf_writer_create(out_path, &c->meta, c->list, c->count, c->err);
    ok = writer != NULL;
    for (size_t i = 0; i < c->count && ok; i++) ok = write_tensor(c, writer, &c->list[i]);
    ok = ok && fm_gguf_writer_finish(writer, c->err);
    fm_gguf_writer_destroy(&writer);
    free(c->stored);
    free(c->result);
    free(c->floats);
    return ok;
}

bool fm_convert(const char *in_path, const char *out_path, enum fathom_type type, bool keep_draft_layer,
    const struct fathom_progress *progress, struct fathom_error *err) {
    struct fm_tensors *in = fm_tensors_open(in_path, err);
    if (!in) return false;
    struct conversion c = {.in = in, .type = type, .progress = progress, .err = err};
    const bool ok = check_tokenizer(&c) && make_keys(&c, keep_draft_layer) && choose_tensors(&c) && write_file(&c, out_path);
    free(c.list);
    fm_meta_free(&c.meta);
    fm_tensors_close(&in);
    return ok;
}
