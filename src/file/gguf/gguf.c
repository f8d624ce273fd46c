#include "file/gguf/gguf.h"
#include "base/cursor.h"
#include "base/size.h"
#include "file/directory.h"
#include "quant/types.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    MAX_KEY = 65535,
    MAX_NAME = 255, // bytes; GGUF's own limits are 65535 and 64
    MIN_KEY_BYTES = 8 + 4 + 1,
    MIN_TENSOR_BYTES = 8 + 4 + 8 + 4 + 8,
    MAX_ALIGNMENT = 1 << 20,
};

struct reader {
    struct fm_tensors *tensors; // receives the tensors
    struct fm_tensors *file;    // receives the keys, has the path for messages; differs from `tensors` only
                                // for later files of a split model
    size_t first;               // index of this file's first tensor in the list
    struct fm_cursor cursor;
    uint64_t n_tensors, n_keys;
    uint64_t *offsets; // of each tensor, relative to the start of the data
    struct fathom_error *err;
};

static bool truncated(struct reader *r, const char *what) {
    return fm_fail(r->err, FATHOM_INVALID, "%s: ends too early, after %llu bytes, in %.200s", r->file->path,
        (unsigned long long)r->cursor.size, what);
}

// Reads and copies a string of at most `most` bytes. `what` is for messages.
static bool read_string(struct reader *r, uint64_t most, const char *what, struct fm_string *string) {
    const uint64_t length = fm_cursor_u64(&r->cursor);
    if (!r->cursor.failed && length > most && length <= fm_cursor_left(&r->cursor))
        return fm_fail(r->err, FATHOM_INVALID, "%s: %s is %llu bytes long, expected %llu at most",
            r->file->path, what, (unsigned long long)length, (unsigned long long)most);
    const uint8_t *bytes = fm_cursor_bytes(&r->cursor, length);
    if (!bytes) return truncated(r, what);
    string->text = fm_arena_string(&r->tensors->arena, (const char *)bytes, length);
    string->length = length;
    return string->text || fm_no_memory(r->tensors, r->err);
}

// Names and keys must not hold a zero byte, because they are compared as C strings.
static bool read_name(struct reader *r, uint64_t most, const char *what, const char **name) {
    struct fm_string string;
    if (!read_string(r, most, what, &string)) return false;
    *name = string.text;
    if (string.length && strlen(string.text) == string.length) return true;
    return fm_fail(r->err, FATHOM_INVALID, "%s: %s is empty or holds a zero byte", r->file->path, what);
}

static bool read_array(struct reader *r, struct fm_meta_value *value) {
    const uint32_t element = fm_cursor_u32(&r->cursor);
    value->count = fm_cursor_u64(&r->cursor);
    if (r->cursor.failed) return truncated(r, value->key);
    if (element == FM_META_ARRAY)
        return fm_fail(
            r->err, FATHOM_UNSUPPORTED, "%s: key %.200s is an array of arrays", r->file->path, value->key);
    if (element >= FM_META_N_TYPES)
        return fm_fail(r->err, FATHOM_INVALID, "%s: key %.200s is an array of type %u, which does not exist",
            r->file->path, value->key, element);
    value->element = (enum fm_meta_type)element;
    if (element != FM_META_STRING) {
        uint64_t size;
        if (!fm_mul(value->count, fm_meta_size(value->element), &size)) size = UINT64_MAX;
        value->items = fm_cursor_bytes(&r->cursor, size);
        return value->items || truncated(r, value->key);
    }
    if (value->count > fm_cursor_left(&r->cursor) / 8) return truncated(r, value->key);
    struct fm_string *strings = fm_arena_alloc(&r->tensors->arena, value->count, sizeof(*strings));
    if (!strings) return fm_no_memory(r->tensors, r->err);
    for (uint64_t i = 0; i < value->count; i++)
        if (!read_string(r, UINT32_MAX, value->key, &strings[i])) return false;
    value->strings = strings;
    return true;
}

static bool read_value(struct reader *r, struct fm_meta_value *value) {
    if (value->type == FM_META_STRING) return read_string(r, UINT32_MAX, value->key, &value->string);
    if (value->type == FM_META_ARRAY) return read_array(r, value);
    const uint32_t size = fm_meta_size(value->type);
    const uint8_t *bytes = fm_cursor_bytes(&r->cursor, size);
    if (!bytes) return truncated(r, value->key);
    const struct fm_meta_value one = {
        .type = FM_META_ARRAY,
        .element = value->type,
        .count = 1,
        .items = bytes,
    };
    if (value->type == FM_META_F32 || value->type == FM_META_F64)
        value->f = fm_meta_item_float(&one, 0);
    else
        value->i = fm_meta_item_int(&one, 0);
    if (value->type == FM_META_BOOL && value->u > 1)
        return fm_fail(r->err, FATHOM_INVALID, "%s: key %.200s is %u, expected 0 or 1", r->file->path,
            value->key, (unsigned)value->u);
    return true;
}

static bool read_keys(struct reader *r) {
    for (uint64_t i = 0; i < r->n_keys; i++) {
        struct fm_meta_value value = {0};
        if (!read_name(r, MAX_KEY, "a metadata key", &value.key)) return false;
        const uint32_t type = fm_cursor_u32(&r->cursor);
        if (r->cursor.failed) return truncated(r, value.key);
        if (type >= FM_META_N_TYPES)
            return fm_fail(r->err, FATHOM_INVALID, "%s: key %.200s has type %u, which does not exist",
                r->file->path, value.key, type);
        value.type = (enum fm_meta_type)type;
        if (!read_value(r, &value)) return false;
        struct fathom_error wrong = {0};
        if (!fm_meta_add(&r->file->meta, value, &wrong))
            return fm_fail(r->err, wrong.status, "%s: %s", r->file->path, wrong.message);
    }
    return true;
}

static bool read_alignment(struct reader *r, uint64_t *alignment) {
    uint32_t value = FM_GGUF_ALIGNMENT;
    struct fathom_error wrong = {0};
    if (!fm_meta_u32(r->file, "general.alignment", &value, &wrong) && wrong.status != FATHOM_OK)
        return fm_fail(r->err, wrong.status, "%s", wrong.message);
    if (value == 0 || value > MAX_ALIGNMENT || value & (value - 1))
        return fm_fail(r->err, FATHOM_INVALID,
            "%s: key general.alignment is %u, expected a power of two up to %d", r->file->path, value,
            MAX_ALIGNMENT);
    *alignment = value;
    return true;
}

static bool read_tensor(struct reader *r, uint64_t alignment, uint64_t *offset) {
    struct fm_tensor tensor = {.dims = {1, 1, 1, 1}};
    const char *path = r->file->path;
    if (!read_name(r, MAX_NAME, "a tensor's name", &tensor.name)) return false;
    tensor.n_dims = fm_cursor_u32(&r->cursor);
    if (!r->cursor.failed && (tensor.n_dims < 1 || tensor.n_dims > 4))
        return fm_fail(r->err, FATHOM_INVALID, "%s: tensor %s has %u dimensions, expected 1 to 4", path,
            tensor.name, tensor.n_dims);
    for (uint32_t i = 0; i < tensor.n_dims && !r->cursor.failed; i++) {
        tensor.dims[i] = fm_cursor_u64(&r->cursor);
        if (!r->cursor.failed && tensor.dims[i] == 0)
            return fm_fail(r->err, FATHOM_INVALID, "%s: tensor %s has no elements: dimension %u is 0", path,
                tensor.name, i);
    }
    const uint32_t type = fm_cursor_u32(&r->cursor);
    *offset = fm_cursor_u64(&r->cursor);
    if (r->cursor.failed) return truncated(r, tensor.name);
    const struct fm_type_info *info = fm_type_info(type);
    if (!info || type == FATHOM_F8_E4M3)
        return fm_fail(r->err, FATHOM_INVALID, "%s: tensor %s has type %u, which does not exist", path,
            tensor.name, type);
    if (!info->supported && type != FM_TYPE_I32)
        return fm_fail(r->err, FATHOM_UNSUPPORTED, "%s: tensor %s is stored as %s, which Fathom cannot read",
            path, tensor.name, info->name);
    if (*offset % alignment)
        return fm_fail(r->err, FATHOM_INVALID,
            "%s: tensor %s lies at offset %llu, expected a multiple of %llu", path, tensor.name,
            (unsigned long long)*offset, (unsigned long long)alignment);
    tensor.type = (enum fathom_type)type;
    return fm_tensors_add(r->tensors, tensor, r->err);
}

// The place of a tensor in the file, the sort key.
struct place {
    uint64_t offset, size;
    const char *name;
};

static int by_offset(const void *a, const void *b) {
    const struct place *x = a, *y = b;
    return x->offset != y->offset ? (x->offset > y->offset) - (x->offset < y->offset)
                                  : (x->size > y->size) - (x->size < y->size);
}

static bool check_overlaps(struct reader *r) {
    struct place *places = calloc(r->n_tensors + 1, sizeof(*places));
    if (!places) return fm_no_memory(r->tensors, r->err);
    for (uint64_t i = 0; i < r->n_tensors; i++) {
        const struct fm_tensor *tensor = &r->tensors->list[r->first + i];
        places[i] = (struct place){r->offsets[i], tensor->size, tensor->name};
    }
    qsort(places, r->n_tensors, sizeof(*places), by_offset);
    bool apart = true;
    for (uint64_t i = 1; i < r->n_tensors && apart; i++)
        if (places[i].offset - places[i - 1].offset < places[i - 1].size)
            apart = fm_fail(r->err, FATHOM_INVALID, "%s: tensors %s and %s overlap at offset %llu",
                r->file->path, places[i - 1].name, places[i].name, (unsigned long long)places[i].offset);
    free(places);
    return apart;
}

// Sets the source of every tensor, after checking that the file holds its bytes.
static bool place_tensors(struct reader *r, uint64_t alignment) {
    uint64_t start;
    if (!fm_align(r->cursor.at, alignment, &start) || (start > r->cursor.size && r->n_tensors))
        return truncated(r, "the padding before the tensors");
    for (uint64_t i = 0; i < r->n_tensors; i++) {
        struct fm_tensor *tensor = &r->tensors->list[r->first + i];
        const uint64_t room = r->cursor.size - start;
        if (r->offsets[i] > room || tensor->size > room - r->offsets[i])
            return fm_fail(r->err, FATHOM_INVALID,
                "%s: tensor %s reaches past the end of the file: %llu bytes at offset %llu of %llu",
                r->file->path, tensor->name, (unsigned long long)tensor->size,
                (unsigned long long)r->offsets[i], (unsigned long long)room);
        struct fm_source *source = fm_arena_alloc(&r->tensors->arena, 1, sizeof(*source));
        const uint8_t **part = fm_arena_alloc(&r->tensors->arena, 1, sizeof(*part));
        if (!source || !part) return fm_no_memory(r->tensors, r->err);
        *part = r->cursor.data + start + r->offsets[i];
        *source = (struct fm_source){
            .kind = FM_SOURCE_COPY,
            .stored = tensor->type,
            .n_parts = 1,
            .part_size = tensor->size,
            .parts = part,
        };
        tensor->impl = source;
    }
    return check_overlaps(r);
}

static bool read_header(struct reader *r) {
    const char *path = r->file->path;
    const uint32_t magic = fm_cursor_u32(&r->cursor), version = fm_cursor_u32(&r->cursor);
    if (r->cursor.size >= 4 && magic != FM_GGUF_MAGIC)
        return fm_fail(r->err, FATHOM_INVALID, "%s: is not a GGUF file: it starts with %08x, expected %08x",
            path, __builtin_bswap32(magic), __builtin_bswap32(FM_GGUF_MAGIC));
    r->n_tensors = fm_cursor_u64(&r->cursor);
    r->n_keys = fm_cursor_u64(&r->cursor);
    if (r->cursor.failed) return truncated(r, "the header");
    if (version == 0x02000000 || version == 0x03000000)
        return fm_fail(r->err, FATHOM_UNSUPPORTED, "%s: is a big-endian GGUF file", path);
    if (version != 2 && version != 3)
        return fm_fail(r->err, FATHOM_UNSUPPORTED, "%s: GGUF version %u, supported: 2 and 3", path, version);
    const uint64_t left = fm_cursor_left(&r->cursor);
    if (r->n_keys > left / MIN_KEY_BYTES || r->n_tensors > left / MIN_TENSOR_BYTES ||
        r->n_tensors > UINT32_MAX || r->n_keys > UINT32_MAX)
        return fm_fail(r->err, FATHOM_INVALID,
            "%s: announces %llu keys and %llu tensors, more than its %llu bytes can hold", path,
            (unsigned long long)r->n_keys, (unsigned long long)r->n_tensors,
            (unsigned long long)r->cursor.size);
    return true;
}

static bool read_all(struct reader *r) {
    uint64_t alignment = FM_GGUF_ALIGNMENT;
    if (!read_header(r) || !read_keys(r) || !read_alignment(r, &alignment)) return false;
    r->first = r->tensors->count;
    r->offsets = calloc(r->n_tensors + 1, sizeof(*r->offsets));
    if (!r->offsets) return fm_no_memory(r->tensors, r->err);
    bool ok = true;
    for (uint64_t i = 0; i < r->n_tensors && ok; i++) ok = read_tensor(r, alignment, &r->offsets[i]);
    ok = ok && place_tensors(r, alignment);
    free(r->offsets);
    return ok;
}

// ---- Split models ----------------------------------------------------------------------------------------
// llama.cpp writes large models as NAME-00001-of-0000N.gguf and so on; each file holds a part of the tensors.

enum { MAX_FILES = 9999 };

// Reads a number; *value becomes `otherwise` when the key is missing.
static bool read_number(const struct fm_tensors *file, const char *key, uint32_t otherwise, uint32_t *value,
    struct fathom_error *err) {
    struct fathom_error wrong = {0};
    *value = otherwise;
    if (fm_meta_u32(file, key, value, &wrong) || wrong.status == FATHOM_OK) return true;
    return fm_fail(err, wrong.status, "%s", wrong.message);
}

// Reads how many files the model has, and the number of this file.
static bool read_split(
    const struct fm_tensors *file, uint32_t *count, uint32_t *number, struct fathom_error *err) {
    if (!read_number(file, "split.count", 1, count, err) || !read_number(file, "split.no", 0, number, err))
        return false;
    if (*count <= 1) *count = 1;
    if (*count <= MAX_FILES && *number < *count) return true;
    return fm_fail(
        err, FATHOM_INVALID, "%s: says that it is file %llu of %u", file->path, *number + 1ull, *count);
}

// Makes the path of another file of the model from the path of the first file. The caller frees the path.
static char *split_path(
    const struct fm_tensors *first, uint32_t count, uint32_t number, struct fathom_error *err) {
    char end[32], digits[16];
    snprintf(end, sizeof(end), "-00001-of-%05u.gguf", count);
    const size_t length = strlen(first->path), n = strlen(end);
    if (length < n || strcasecmp(first->path + length - n, end) != 0) {
        fm_fail(err, FATHOM_INVALID, "%s: is the first of %u files, but its name does not end in %s",
            first->path, count, end);
        return NULL;
    }
    char *path = strdup(first->path);
    snprintf(digits, sizeof(digits), "%05u", number + 1);
    if (path)
        memcpy(path + length - n + 1, digits, 5); // the rest stays, in the case of its letters
    else
        fm_no_memory(first, err);
    return path;
}

// Adds the tensors of a later file to the tensors of the first file.
static bool add_file(
    struct fm_tensors *tensors, const char *path, uint32_t count, uint32_t number, struct fathom_error *err) {
    struct fm_mapped_file *mapped = &tensors->files[tensors->n_files];
    uint32_t own_count, own_number;
    if (!fm_mapped_file_open(mapped, path, err)) return false;
    tensors->n_files++;
    struct reader r = {
        .tensors = tensors,
        .cursor = {.data = mapped->data, .size = mapped->size},
        .err = err,
    };
    r.file = fm_tensors_new(path, err);
    bool ok = r.file && read_all(&r) && read_split(r.file, &own_count, &own_number, err);
    if (ok && (own_count != count || own_number != number))
        ok = fm_fail(err, FATHOM_INVALID, "%s: says that it is file %u of %u, expected %u of %u", path,
            own_number + 1, own_count, number + 1, count);
    fm_tensors_close(&r.file);
    return ok;
}

static bool add_files(struct fm_tensors *tensors, struct fathom_error *err) {
    uint32_t count, number, n_tensors;
    if (!read_split(tensors, &count, &number, err)) return false;
    if (number)
        return fm_fail(err, FATHOM_INVALID, "%s: is file %u of the %u of a split model; open the first",
            tensors->path, number + 1, count);
    if (count == 1) return true;
    struct fm_mapped_file *files = realloc(tensors->files, count * sizeof(*files));
    if (!files) return fm_no_memory(tensors, err);
    tensors->files = files;
    for (number = 1; number < count; number++) {
        char *path = split_path(tensors, count, number, err);
        const bool ok = path && add_file(tensors, path, count, number, err);
        free(path);
        if (!ok) return false;
    }
    if (!read_number(tensors, "split.tensors.count", (uint32_t)tensors->count, &n_tensors, err)) return false;
    if (n_tensors == tensors->count) return true;
    return fm_fail(err, FATHOM_INVALID, "%s: its %u files have %zu tensors, expected %u", tensors->path,
        count, tensors->count, n_tensors);
}

// Reads one file.
static struct fm_tensors *read_file(
    const char *path, const void *data, uint64_t size, struct fathom_error *err) {
    struct reader r = {.cursor = {.data = data, .size = size}, .err = err};
    r.tensors = r.file = fm_tensors_new(path, err);
    if (r.tensors && !read_all(&r)) fm_tensors_close(&r.tensors);
    return r.tensors;
}

// Reads the first file, or the only one, and takes it over.
static struct fm_tensors *open_mapped(struct fm_mapped_file *file, struct fathom_error *err) {
    struct fm_tensors *tensors = read_file(file->path, file->data, file->size, err);
    if (tensors && !(tensors->files = malloc(sizeof(*tensors->files)))) {
        fm_no_memory(tensors, err);
        fm_tensors_close(&tensors);
    }
    if (tensors)
        tensors->files[tensors->n_files++] = *file;
    else
        fm_mapped_file_close(file);
    return tensors;
}

static bool check_single(const struct fm_tensors *tensors, struct fathom_error *err) {
    uint32_t count, number;
    if (!read_split(tensors, &count, &number, err)) return false;
    return count == 1 ||
        fm_fail(err, FATHOM_UNSUPPORTED,
            "%s: is file %u of the %u of a split model, which cannot come from memory", tensors->path,
            number + 1, count);
}

struct fm_tensors *fm_gguf_from_memory(
    const char *path, const void *data, uint64_t size, struct fathom_error *err) {
    struct fm_mapped_file file;
    if (!fm_mapped_file_of_memory(&file, path, data, size, err)) return NULL;
    struct fm_tensors *tensors = open_mapped(&file, err);
    if (tensors && (!check_single(tensors, err) || !fm_gguf_split_joined(tensors, err)))
        fm_tensors_close(&tensors);
    return tensors;
}

struct fm_tensors *fm_gguf_open(const char *path, struct fathom_error *err) {
    struct fm_mapped_file file;
    if (!fm_mapped_file_open(&file, path, err)) return NULL;
    struct fm_tensors *tensors = open_mapped(&file, err);
    if (tensors && (!add_files(tensors, err) || !fm_gguf_split_joined(tensors, err)))
        fm_tensors_close(&tensors);
    return tensors;
}
