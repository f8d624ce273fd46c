#include "file/gguf/gguf_write.h"
#include "base/part_file.h"
#include "base/size.h"
#include "file/gguf/gguf.h"
#include <stdlib.h>
#include <string.h>

enum { VERSION = 3 };

struct fm_gguf_writer {
    struct fm_part_file out;
    const struct fm_tensor *list;
    size_t count, next; // next: the tensor that the next bytes belong to
    uint64_t in_tensor; // bytes of that tensor written so far
};

static bool put(struct fm_gguf_writer *w, const void *data, uint64_t size, struct fathom_error *err) {
    return fm_part_file_write(&w->out, data, size, err);
}

static bool put_u32(struct fm_gguf_writer *w, uint32_t value, struct fathom_error *err) {
    return put(w, &value, sizeof(value), err);
}
static bool put_u64(struct fm_gguf_writer *w, uint64_t value, struct fathom_error *err) {
    return put(w, &value, sizeof(value), err);
}

static bool put_string(struct fm_gguf_writer *w, const char *text, size_t length, struct fathom_error *err) {
    return put_u64(w, length, err) && put(w, text, length, err);
}

static bool put_padding(struct fm_gguf_writer *w, struct fathom_error *err) {
    static const char zeros[FM_GGUF_ALIGNMENT];
    return put(w, zeros, (FM_GGUF_ALIGNMENT - w->out.written % FM_GGUF_ALIGNMENT) % FM_GGUF_ALIGNMENT, err);
}

static bool put_array(struct fm_gguf_writer *w, const struct fm_meta_value *value, struct fathom_error *err) {
    if (!put_u32(w, value->element, err) || !put_u64(w, value->count, err)) return false;
    if (value->element != FM_META_STRING)
        return put(w, value->items, value->count * fm_meta_size(value->element), err);
    for (uint64_t i = 0; i < value->count; i++)
        if (!put_string(w, value->strings[i].text, value->strings[i].length, err)) return false;
    return true;
}

static bool put_value(struct fm_gguf_writer *w, const struct fm_meta_value *value, struct fathom_error *err) {
    if (!put_string(w, value->key, strlen(value->key), err) || !put_u32(w, value->type, err)) return false;
    const float single = value->type == FM_META_F32 ? (float)value->f : 0;
    switch (value->type) {
    case FM_META_STRING: return put_string(w, value->string.text, value->string.length, err);
    case FM_META_ARRAY: return put_array(w, value, err);
    case FM_META_F32: return put(w, &single, sizeof(single), err);
    case FM_META_F64: return put(w, &value->f, sizeof(value->f), err);
    default: return put(w, &value->u, fm_meta_size(value->type), err); // writes the low bytes
    }
}

static bool put_header(struct fm_gguf_writer *w, const struct fm_meta *meta, struct fathom_error *err) {
    if (!put_u32(w, FM_GGUF_MAGIC, err) || !put_u32(w, VERSION, err) || !put_u64(w, w->count, err) ||
        !put_u64(w, meta->count, err))
        return false;
    for (size_t i = 0; i < meta->count; i++)
        if (!put_value(w, &meta->values[i], err)) return false;
    uint64_t offset = 0;
    for (size_t i = 0; i < w->count; i++) {
        const struct fm_tensor *tensor = &w->list[i];
        if (!put_string(w, tensor->name, strlen(tensor->name), err) || !put_u32(w, tensor->n_dims, err))
            return false;
        if (!put(w, tensor->dims, tensor->n_dims * sizeof(*tensor->dims), err)) return false;
        if (!put_u32(w, tensor->type, err) || !put_u64(w, offset, err)) return false;
        if (!fm_add(offset, tensor->size, &offset) || !fm_align(offset, FM_GGUF_ALIGNMENT, &offset) ||
            offset > INT64_MAX)
            return fm_fail(
                err, FATHOM_INVALID, "%s: the tensors' sizes add up to more than 63 bits", w->out.path);
    }
    if (!put_padding(w, err)) return false;
    w->out.size = w->out.written + offset;
    return true;
}

struct fm_gguf_writer *fm_gguf_writer_create(const char *path, const struct fm_meta *meta,
    const struct fm_tensor *list, size_t count, struct fathom_error *err) {
    struct fm_gguf_writer *w = calloc(1, sizeof(*w));
    if (!w) {
        fm_fail(err, FATHOM_NO_MEMORY, "%s: out of host memory", path);
        return NULL;
    }
    w->list = list;
    w->count = count;
    if (!fm_part_file_create(&w->out, path, err) || !put_header(w, meta, err)) fm_gguf_writer_destroy(&w);
    return w;
}

bool fm_gguf_writer_append(
    struct fm_gguf_writer *w, const void *data, uint64_t size, struct fathom_error *err) {
    if (w->next == w->count || size > w->list[w->next].size - w->in_tensor)
        return fm_fail(err, FATHOM_INVALID, "%s: %llu bytes too many for tensor %s", w->out.path,
            (unsigned long long)size, w->next == w->count ? "(none)" : w->list[w->next].name);
    if (!put(w, data, size, err)) return false;
    w->in_tensor += size;
    if (w->in_tensor < w->list[w->next].size) return true;
    w->next++;
    w->in_tensor = 0;
    return put_padding(w, err);
}

bool fm_gguf_writer_finish(struct fm_gguf_writer *w, struct fathom_error *err) {
    if (w->next < w->count)
        return fm_fail(
            err, FATHOM_INVALID, "%s: bytes of tensor %s are missing", w->out.path, w->list[w->next].name);
    return fm_part_file_finish(&w->out, true, err);
}

void fm_gguf_writer_destroy(struct fm_gguf_writer **writer) {
    if (!writer || !*writer) return;
    fm_part_file_discard(&(*writer)->out);
    free(*writer);
    *writer = NULL;
}
