#include "file/tensors.h"
#include "base/half.h"
#include "base/size.h"
#include "file/directory.h"
#include "file/gguf/gguf.h"
#include "file/scaled.h"
#include "quant/types.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

bool fm_no_memory(const struct fm_tensors *tensors, struct fathom_error *err) {
    return fm_fail(
        err, FATHOM_NO_MEMORY, "%s: out of host memory while reading its directory", tensors->path);
}

struct fm_tensors *fm_tensors_new(const char *path, struct fathom_error *err) {
    struct fm_tensors *tensors = calloc(1, sizeof(*tensors));
    if (tensors) tensors->path = strdup(path);
    if (tensors && tensors->path) return tensors;
    free(tensors);
    fm_fail(err, FATHOM_NO_MEMORY, "%s: out of host memory", path);
    return NULL;
}

bool fm_tensors_add(struct fm_tensors *tensors, struct fm_tensor tensor, struct fathom_error *err) {
    if (tensors->count == tensors->capacity) {
        const size_t capacity = tensors->capacity ? 2 * tensors->capacity : 256;
        struct fm_tensor *larger = realloc(tensors->list, capacity * sizeof(*larger));
        if (!larger) return fm_no_memory(tensors, err);
        tensors->list = larger;
        tensors->capacity = capacity;
    }
    uint64_t n = 1;
    for (int i = 0; i < 4; i++)
        if (!fm_mul(n, tensor.dims[i], &n)) n = UINT64_MAX;
    const struct fm_type_info *info = fm_type_info(tensor.type);
    if (tensor.dims[0] % fm_type_unit(info))
        return fm_fail(err, FATHOM_INVALID,
            "%s: tensor %s has rows of %llu elements, expected a multiple of %u for %s", tensors->path,
            tensor.name, (unsigned long long)tensor.dims[0], fm_type_unit(info), info->name);
    uint64_t row_size = 0;
    const bool fits = n != UINT64_MAX && fm_type_size(tensor.type, tensor.dims[0], &row_size);
    if (!fits || !fm_mul(row_size, tensor.dims[0] ? n / tensor.dims[0] : 0, &tensor.size) ||
        tensor.size > INT64_MAX)
        return fm_fail(err, FATHOM_INVALID,
            "%s: tensor %s has a size past 64 bits: [%llu, %llu, %llu, %llu] of %s", tensors->path,
            tensor.name, (unsigned long long)tensor.dims[0], (unsigned long long)tensor.dims[1],
            (unsigned long long)tensor.dims[2], (unsigned long long)tensor.dims[3], info->name);
    switch (fm_names_add(&tensors->names, tensor.name, (uint32_t)tensors->count)) {
    case FM_NAMES_DUPLICATE:
        return fm_fail(err, FATHOM_INVALID, "%s: tensor %s occurs twice", tensors->path, tensor.name);
    case FM_NAMES_NO_MEMORY: return fm_no_memory(tensors, err);
    case FM_NAMES_ADDED: break;
    }
    tensors->list[tensors->count++] = tensor;
    return true;
}

struct fm_tensors *fm_tensors_open(const char *path, struct fathom_error *err) {
    struct stat status;
    if (stat(path, &status) != 0) {
        fm_fail(err, FATHOM_IO, "%s: cannot open: %s", path, strerror(errno));
        return NULL;
    }
    return S_ISDIR(status.st_mode) ? fm_folder_open(path, err) : fm_gguf_open(path, err);
}

void fm_tensors_close(struct fm_tensors **tensors) {
    if (!tensors || !*tensors) return;
    struct fm_tensors *t = *tensors;
    for (size_t i = 0; i < t->n_files; i++) fm_mapped_file_close(&t->files[i]);
    free(t->files);
    free(t->list);
    fm_names_free(&t->names);
    fm_meta_free(&t->meta);
    fm_arena_free(&t->arena);
    free(t->path);
    free(t);
    *tensors = NULL;
}

bool fm_tensors_is_hub(const struct fm_tensors *tensors) {
    return tensors->hub;
}
const char *fm_tensors_path(const struct fm_tensors *tensors) {
    return tensors->path;
}
size_t fm_tensors_count(const struct fm_tensors *tensors) {
    return tensors->count;
}
const struct fm_tensor *fm_tensors_at(const struct fm_tensors *tensors, size_t i) {
    return i < tensors->count ? &tensors->list[i] : NULL;
}

const struct fm_tensor *fm_tensors_find(const struct fm_tensors *tensors, const char *name) {
    uint32_t i;
    return fm_names_find(&tensors->names, name, &i) ? &tensors->list[i] : NULL;
}

// Reads element i of a presented part, in its presented form of `size` bytes.
static void fetch(
    const struct fm_source *source, const uint8_t *part, uint64_t i, uint32_t size, uint8_t element[4]) {
    if (source->kind == FM_SOURCE_WIDEN) {
        float value;
        fm_dequantize_row(source->stored, part + 2 * i, &value, 1);
        memcpy(element, &value, size);
    } else if (source->kind == FM_SOURCE_NARROW) {
        int64_t wide;
        memcpy(&wide, part + 8 * i, sizeof(wide));
        const int32_t value = wide < 0 || wide > INT32_MAX ? INT32_MAX : (int32_t)wide;
        memcpy(element, &value, size);
    } else {
        memcpy(element, part + (i % source->n_cols * source->n_rows + i / source->n_cols) * size, size);
    }
}

// Reads bytes [offset, offset + size) of one part.
static void read_part(const struct fm_source *source, enum fathom_type type, const uint8_t *part,
    uint64_t offset, uint64_t size, uint8_t *dst) {
    if (source->kind == FM_SOURCE_COPY) {
        memcpy(dst, part + offset, size);
        return;
    }
    const uint32_t element_size = fm_type_info(type)->bytes;
    uint8_t element[4];
    uint32_t skip = (uint32_t)(offset % element_size);
    for (uint64_t i = offset / element_size; size; i++, skip = 0) {
        fetch(source, part, i, element_size, element);
        const uint64_t n = size < element_size - skip ? size : element_size - skip;
        memcpy(dst, element + skip, n);
        dst += n;
        size -= n;
    }
}

// The same for a part with blocks. The function decodes the whole part.
static bool read_decoded(
    const struct fm_source *source, const uint8_t *part, uint64_t offset, uint64_t size, uint8_t *dst) {
    const uint64_t n = (uint64_t)source->n_rows * source->n_cols;
    float *elements = malloc(n * sizeof(*elements));
    if (!elements) return false;
    fm_dequantize_row(source->stored, part, elements, n);
    for (uint64_t at = offset; at < offset + size; at++) {
        const uint64_t i = at / 2;
        *dst++ = (uint8_t)(fm_to_half(elements[i % source->n_cols * source->n_rows + i / source->n_cols]) >>
            (at % 2 * 8));
    }
    free(elements);
    return true;
}

bool fm_tensor_read(const struct fm_tensors *tensors, const struct fm_tensor *tensor, uint64_t offset,
    uint64_t size, void *dst, struct fathom_error *err) {
    if (offset > tensor->size || size > tensor->size - offset)
        return fm_fail(err, FATHOM_INVALID, "%s: tensor %s has %llu bytes, asked for %llu at %llu",
            tensors->path, tensor->name, (unsigned long long)tensor->size, (unsigned long long)size,
            (unsigned long long)offset);
    const struct fm_source *source = tensor->impl;
    for (uint8_t *to = dst; size;) {
        const uint64_t part = offset / source->part_size, at = offset % source->part_size;
        const uint64_t n = size < source->part_size - at ? size : source->part_size - at;
        switch (source->kind) {
        case FM_SOURCE_DECODE_TRANSPOSE:
            if (!read_decoded(source, source->parts[part], at, n, to)) return fm_no_memory(tensors, err);
            break;
        case FM_SOURCE_F8:
        case FM_SOURCE_F8_TRANSPOSE:
        case FM_SOURCE_F4:
            if (!fm_scaled_read(source, tensor->type, part, at, n, to))
                return fm_fail(err, FATHOM_INVALID,
                    "%s: tensor %s holds a value or a scale that is not a finite number", tensors->path,
                    tensor->name);
            break;
        default: read_part(source, tensor->type, source->parts[part], at, n, to);
        }
        to += n;
        offset += n;
        size -= n;
    }
    return true;
}

const void *fm_tensor_map(const struct fm_tensors *tensors, const struct fm_tensor *tensor) {
    (void)tensors;
    const struct fm_source *source = tensor->impl;
    if (source->kind != FM_SOURCE_COPY) return NULL;
    for (uint32_t i = 1; i < source->n_parts; i++)
        if (source->parts[i] != source->parts[0] + i * source->part_size) return NULL;
    return source->parts[0];
}

bool fm_tensor_place(const struct fm_tensors *tensors, const struct fm_tensor *tensor, uint64_t offset,
    uint64_t size, const struct fm_mapped_file **file, uint64_t *file_offset) {
    const struct fm_source *source = tensor->impl;
    if (source->kind != FM_SOURCE_COPY || !size || offset > tensor->size || size > tensor->size - offset)
        return false;
    const uint64_t first = offset / source->part_size, last = (offset + size - 1) / source->part_size;
    for (uint64_t i = first; i < last; i++)
        if (source->parts[i + 1] != source->parts[i] + source->part_size) return false;
    const uint8_t *byte = source->parts[first] + offset % source->part_size;
    for (size_t i = 0; i < tensors->n_files; i++) {
        const struct fm_mapped_file *f = &tensors->files[i];
        const uint64_t at = (uintptr_t)byte - (uintptr_t)f->data;
        if (at >= f->size || size > f->size - at) continue;
        *file = f;
        *file_offset = at;
        return true;
    }
    return false;
}

struct fathom_host_range fm_tensors_around(const struct fm_tensors *tensors, const void *byte) {
    for (size_t i = 0; i < tensors->n_files; i++) {
        const struct fm_mapped_file *file = &tensors->files[i];
        if ((uintptr_t)byte - (uintptr_t)file->data < file->size)
            return (struct fathom_host_range){file->data, fm_mapped_file_readable(file)};
    }
    return (struct fathom_host_range){0};
}

void fm_tensors_expect(const struct fm_tensors *tensors) {
    for (size_t i = 0; i < tensors->n_files; i++) fm_mapped_file_expect(&tensors->files[i]);
}
