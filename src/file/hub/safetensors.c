#include "file/hub/safetensors.h"
#include "base/cursor.h"
#include "base/json.h"
#include "base/size.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_HEADER = 100 << 20, MAX_NAME = 255 }; // bytes; MAX_HEADER is the limit of the format

struct dtype {
    const char *name;
    uint32_t bits;
};
static const struct dtype dtypes[] = {{"F64", 64}, {"F32", 32}, {"F16", 16}, {"BF16", 16}, {"I64", 64},
    {"I32", 32}, {"I16", 16}, {"I8", 8}, {"U64", 64}, {"U32", 32}, {"U16", 16}, {"U8", 8}, {"BOOL", 8},
    {"F8_E4M3", 8}, {"F8_E5M2", 8}, {"F8_E8M0", 8}, {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"F4", 4}, {"C64", 64}};

struct reader {
    struct fm_safetensors *file;
    const char *path;
    const uint8_t *data; // the bytes after the header
    uint64_t data_size;
    struct fathom_error *err;
};

static bool read_shape(
    struct reader *r, const cJSON *shape, struct fm_safetensor *tensor, uint64_t *elements) {
    if (!cJSON_IsArray(shape))
        return fm_fail(r->err, FATHOM_INVALID, "%s: tensor %s has no shape", r->path, tensor->name);
    *elements = 1;
    const cJSON *dim;
    cJSON_ArrayForEach(dim, shape) {
        if (tensor->n_dims == FM_SAFETENSORS_DIMS)
            return fm_fail(r->err, FATHOM_INVALID, "%s: tensor %s has more than %d dimensions", r->path,
                tensor->name, FM_SAFETENSORS_DIMS);
        uint64_t *value = &tensor->dims[tensor->n_dims++];
        if (!fm_json_whole(dim, value))
            return fm_fail(r->err, FATHOM_INVALID, "%s: tensor %s has a dimension that is not a whole number",
                r->path, tensor->name);
        if (!fm_mul(*elements, *value, elements))
            return fm_fail(
                r->err, FATHOM_INVALID, "%s: tensor %s has a size past 64 bits", r->path, tensor->name);
    }
    return true;
}

static bool read_type(struct reader *r, const cJSON *json, struct fm_safetensor *tensor, uint64_t elements) {
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "dtype"));
    if (!name) return fm_fail(r->err, FATHOM_INVALID, "%s: tensor %s has no dtype", r->path, tensor->name);
    for (size_t i = 0; i < sizeof(dtypes) / sizeof(*dtypes); i++) {
        if (strcmp(dtypes[i].name, name) != 0) continue;
        tensor->dtype = dtypes[i].name;
        if (fm_mul(elements, dtypes[i].bits, &tensor->size) && tensor->size % 8 == 0) {
            tensor->size /= 8;
            return true;
        }
        return fm_fail(r->err, FATHOM_INVALID, "%s: tensor %s has a size past 64 bits, or not of whole bytes",
            r->path, tensor->name);
    }
    return fm_fail(r->err, FATHOM_INVALID, "%s: tensor %s has dtype %.32s, which does not exist", r->path,
        tensor->name, name);
}

static bool read_tensor(struct reader *r, const cJSON *json, struct fm_safetensor *tensor) {
    const size_t length = strlen(json->string);
    if (length == 0 || length > MAX_NAME)
        return fm_fail(r->err, FATHOM_INVALID, "%s: a tensor's name is %zu bytes long, expected 1 to %d",
            r->path, length, MAX_NAME);
    tensor->name = fm_arena_string(&r->file->arena, json->string, length);
    if (!tensor->name) return fm_fail(r->err, FATHOM_NO_MEMORY, "%s: out of host memory", r->path);
    uint64_t elements = 0, begin, end;
    if (!read_shape(r, cJSON_GetObjectItemCaseSensitive(json, "shape"), tensor, &elements) ||
        !read_type(r, json, tensor, elements))
        return false;
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(json, "data_offsets");
    if (!cJSON_IsArray(offsets) || cJSON_GetArraySize(offsets) != 2 ||
        !fm_json_whole(cJSON_GetArrayItem(offsets, 0), &begin) ||
        !fm_json_whole(cJSON_GetArrayItem(offsets, 1), &end) || begin > end)
        return fm_fail(r->err, FATHOM_INVALID,
            "%s: tensor %s has no data_offsets of two whole numbers in order", r->path, tensor->name);
    if (end > r->data_size)
        return fm_fail(r->err, FATHOM_INVALID,
            "%s: tensor %s reaches past the end of the file: to byte %llu of %llu", r->path, tensor->name,
            (unsigned long long)end, (unsigned long long)r->data_size);
    if (end - begin != tensor->size)
        return fm_fail(r->err, FATHOM_INVALID,
            "%s: tensor %s has %llu bytes, expected %llu for its shape and dtype %s", r->path, tensor->name,
            (unsigned long long)(end - begin), (unsigned long long)tensor->size, tensor->dtype);
    tensor->data = r->data + begin;
    return true;
}

static int by_place(const void *a, const void *b) {
    const struct fm_safetensor *x = a, *y = b;
    return x->data != y->data ? (x->data > y->data) - (x->data < y->data)
                              : (x->size > y->size) - (x->size < y->size);
}

// Sorts the tensors by offset and checks that each begins where the previous one ends.
static bool check_places(struct reader *r) {
    struct fm_safetensors *file = r->file;
    qsort(file->list, file->count, sizeof(*file->list), by_place);
    const uint8_t *end = r->data;
    for (size_t i = 0; i < file->count; i++) {
        if (file->list[i].data < end)
            return fm_fail(r->err, FATHOM_INVALID, "%s: tensors %s and %s overlap at offset %llu", r->path,
                file->list[i - 1].name, file->list[i].name,
                (unsigned long long)(file->list[i].data - r->data));
        if (file->list[i].data > end)
            return fm_fail(r->err, FATHOM_INVALID, "%s: nothing covers the %llu bytes before tensor %s",
                r->path, (unsigned long long)(file->list[i].data - end), file->list[i].name);
        end += file->list[i].size;
    }
    if (end != r->data + r->data_size)
        return fm_fail(r->err, FATHOM_INVALID, "%s: %llu bytes follow the last tensor", r->path,
            (unsigned long long)(r->data + r->data_size - end));
    return true;
}

static bool check_names(struct reader *r) {
    struct fm_names names = {0};
    enum fm_names_result result = FM_NAMES_ADDED;
    for (size_t i = 0; i < r->file->count && result == FM_NAMES_ADDED; i++) {
        result = fm_names_add(&names, r->file->list[i].name, (uint32_t)i);
        if (result == FM_NAMES_DUPLICATE)
            fm_fail(r->err, FATHOM_INVALID, "%s: tensor %s occurs twice", r->path, r->file->list[i].name);
        if (result == FM_NAMES_NO_MEMORY)
            fm_fail(r->err, FATHOM_NO_MEMORY, "%s: out of host memory", r->path);
    }
    fm_names_free(&names);
    return result == FM_NAMES_ADDED;
}

static bool read_header(struct reader *r, const cJSON *json) {
    if (!cJSON_IsObject(json))
        return fm_fail(r->err, FATHOM_INVALID, "%s: the header is not a JSON object", r->path);
    const size_t most = (size_t)cJSON_GetArraySize(json);
    r->file->list = calloc(most + 1, sizeof(*r->file->list));
    if (!r->file->list) return fm_fail(r->err, FATHOM_NO_MEMORY, "%s: out of host memory", r->path);
    const cJSON *item;
    cJSON_ArrayForEach(item, json) {
        if (!strcmp(item->string, "__metadata__")) continue;
        if (!read_tensor(r, item, &r->file->list[r->file->count++])) return false;
    }
    return check_places(r) && check_names(r);
}

bool fm_safetensors_from_memory(struct fm_safetensors *file, const char *path, const void *data,
    uint64_t size, struct fathom_error *err) {
    *file = (struct fm_safetensors){0};
    struct fm_cursor cursor = {.data = data, .size = size};
    const uint64_t length = fm_cursor_u64(&cursor);
    if (cursor.failed)
        return fm_fail(err, FATHOM_INVALID, "%s: is not a safetensors file: it has %llu bytes", path,
            (unsigned long long)size);
    if (length < 2 || length > MAX_HEADER)
        return fm_fail(err, FATHOM_INVALID,
            "%s: is not a safetensors file: its header would have %llu bytes, expected 2 to %d", path,
            (unsigned long long)length, MAX_HEADER);
    const uint8_t *text = fm_cursor_bytes(&cursor, length);
    if (!text)
        return fm_fail(err, FATHOM_INVALID, "%s: ends too early: a header of %llu bytes in a file of %llu",
            path, (unsigned long long)length, (unsigned long long)size);
    cJSON *json = fm_json_parse(path, (const char *)text, length, err);
    if (!json) return false;
    struct reader r = {
        .file = file,
        .path = path,
        .data = text + length,
        .data_size = fm_cursor_left(&cursor),
        .err = err,
    };
    const bool ok = read_header(&r, json);
    cJSON_Delete(json);
    return ok;
}

void fm_safetensors_free(struct fm_safetensors *file) {
    free(file->list);
    fm_arena_free(&file->arena);
    *file = (struct fm_safetensors){0};
}
