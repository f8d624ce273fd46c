#include "file/meta.h"
#include "file/directory.h"
#include "file/tensors.h"
#include <stdlib.h>
#include <string.h>

uint32_t fm_meta_size(enum fm_meta_type type) {
    static const uint8_t sizes[FM_META_N_TYPES] = {[FM_META_U8] = 1,
        [FM_META_I8] = 1,
        [FM_META_U16] = 2,
        [FM_META_I16] = 2,
        [FM_META_U32] = 4,
        [FM_META_I32] = 4,
        [FM_META_F32] = 4,
        [FM_META_BOOL] = 1,
        [FM_META_U64] = 8,
        [FM_META_I64] = 8,
        [FM_META_F64] = 8};
    return sizes[type];
}

bool fm_meta_add(struct fm_meta *meta, struct fm_meta_value value, struct fathom_error *err) {
    if (meta->count == meta->capacity) {
        const size_t capacity = meta->capacity ? 2 * meta->capacity : 64;
        struct fm_meta_value *larger = realloc(meta->values, capacity * sizeof(*larger));
        if (!larger)
            return fm_fail(err, FATHOM_NO_MEMORY, "out of host memory for %zu metadata keys", capacity);
        meta->values = larger;
        meta->capacity = capacity;
    }
    switch (fm_names_add(&meta->names, value.key, (uint32_t)meta->count)) {
    case FM_NAMES_DUPLICATE: return fm_fail(err, FATHOM_INVALID, "key %.200s occurs twice", value.key);
    case FM_NAMES_NO_MEMORY: return fm_fail(err, FATHOM_NO_MEMORY, "out of host memory for metadata keys");
    case FM_NAMES_ADDED: break;
    }
    meta->values[meta->count++] = value;
    return true;
}

const struct fm_meta_value *fm_meta_find(const struct fm_meta *meta, const char *key) {
    uint32_t i;
    return fm_names_find(&meta->names, key, &i) ? &meta->values[i] : NULL;
}

void fm_meta_free(struct fm_meta *meta) {
    free(meta->values);
    fm_names_free(&meta->names);
    *meta = (struct fm_meta){0};
}

int64_t fm_meta_item_int(const struct fm_meta_value *value, uint64_t i) {
    const uint32_t size = fm_meta_size(value->element);
    uint64_t bits = 0;
    // needs a little-endian host, like all of Fathom
    memcpy(&bits, (const char *)value->items + i * size, size);
    switch (value->element) {
    case FM_META_I8: return (int8_t)bits;
    case FM_META_I16: return (int16_t)bits;
    case FM_META_I32: return (int32_t)bits;
    default: return (int64_t)bits;
    }
}

double fm_meta_item_float(const struct fm_meta_value *value, uint64_t i) {
    float single;
    double twice;
    if (value->element == FM_META_F32) {
        memcpy(&single, (const char *)value->items + i * sizeof(single), sizeof(single));
        return single;
    }
    memcpy(&twice, (const char *)value->items + i * sizeof(twice), sizeof(twice));
    return twice;
}

// ---- The getters of tensors.h ----------------------------------------------------------------------------

static enum fm_value_type kind_of(enum fm_meta_type type) {
    switch (type) {
    case FM_META_U8:
    case FM_META_U16:
    case FM_META_U32:
    case FM_META_U64: return FM_VALUE_UINT;
    case FM_META_I8:
    case FM_META_I16:
    case FM_META_I32:
    case FM_META_I64: return FM_VALUE_INT;
    case FM_META_F32:
    case FM_META_F64: return FM_VALUE_FLOAT;
    case FM_META_BOOL: return FM_VALUE_BOOL;
    case FM_META_STRING: return FM_VALUE_STRING;
    default: return FM_VALUE_ARRAY;
    }
}

static bool wrong_type(const struct fm_tensors *tensors, const struct fm_meta_value *value,
    const char *wanted, struct fathom_error *err) {
    const char *path = tensors->path, *key = value->key;
    switch (kind_of(value->type)) {
    case FM_VALUE_UINT:
        return fm_fail(err, FATHOM_INVALID, "%s: key %s is %llu, expected %s", path, key,
            (unsigned long long)value->u, wanted);
    case FM_VALUE_INT:
        return fm_fail(
            err, FATHOM_INVALID, "%s: key %s is %lld, expected %s", path, key, (long long)value->i, wanted);
    case FM_VALUE_FLOAT:
        return fm_fail(err, FATHOM_INVALID, "%s: key %s is %g, expected %s", path, key, value->f, wanted);
    case FM_VALUE_BOOL:
        return fm_fail(err, FATHOM_INVALID, "%s: key %s is %s, expected %s", path, key,
            value->u ? "true" : "false", wanted);
    case FM_VALUE_STRING:
        return fm_fail(err, FATHOM_INVALID, "%s: key %s is the string \"%.40s\", expected %s", path, key,
            value->string.text, wanted);
    default:
        return fm_fail(err, FATHOM_INVALID, "%s: key %s is an array of %llu elements%s, expected %s", path,
            key, (unsigned long long)value->count,
            value->count && fm_meta_size(value->element) ? " that are not all equal" : "", wanted);
    }
}

// Element i of an array of numbers or bools as a value of its own
static struct fm_meta_value element_of(const struct fm_meta_value *array, uint64_t i) {
    struct fm_meta_value one = {.key = array->key, .type = array->element};
    if (kind_of(array->element) == FM_VALUE_FLOAT)
        one.f = fm_meta_item_float(array, i);
    else
        one.i = fm_meta_item_int(array, i);
    return one;
}

// Finds the key's value. Files with a number for each layer hold an array: equal elements count as one value.
static const struct fm_meta_value *find_one(
    const struct fm_tensors *tensors, const char *key, struct fm_meta_value *one) {
    const struct fm_meta_value *value = fm_meta_find(&tensors->meta, key);
    if (!value || value->type != FM_META_ARRAY || !value->count || !fm_meta_size(value->element))
        return value;
    const uint64_t size = fm_meta_size(value->element);
    const char *items = value->items;
    for (uint64_t i = 1; i < value->count; i++)
        if (memcmp(items, items + i * size, size) != 0) return value;
    *one = element_of(value, 0);
    return one;
}

// A number of another type is taken where nothing of its value is lost.
static bool whole_of(const struct fm_meta_value *value, double low, double high, int64_t *result) {
    const enum fm_value_type kind = kind_of(value->type);
    const bool is_whole = kind == FM_VALUE_UINT || kind == FM_VALUE_INT;
    const double number = kind == FM_VALUE_FLOAT ? value->f
        : kind == FM_VALUE_UINT                  ? (double)value->u
                                                 : (double)value->i;
    if ((!is_whole && kind != FM_VALUE_FLOAT) || !(number >= low && number <= high)) return false;
    *result = is_whole ? value->i : (int64_t)number;
    return is_whole || (double)*result == number;
}

static bool float_of(const struct fm_meta_value *value, float *result) {
    const enum fm_value_type kind = kind_of(value->type);
    if (kind > FM_VALUE_FLOAT) return false;
    *result = (float)(kind == FM_VALUE_FLOAT ? value->f
            : kind == FM_VALUE_UINT          ? (double)value->u
                                             : (double)value->i);
    return true;
}

bool fm_meta_has(const struct fm_tensors *tensors, const char *key) {
    return fm_meta_find(&tensors->meta, key) != NULL;
}

bool fm_meta_u32(
    const struct fm_tensors *tensors, const char *key, uint32_t *result, struct fathom_error *err) {
    struct fm_meta_value one;
    const struct fm_meta_value *value = find_one(tensors, key, &one);
    int64_t whole;
    if (!value) return false;
    if (!whole_of(value, 0, UINT32_MAX, &whole))
        return wrong_type(tensors, value, "a whole number of 32 bits", err);
    *result = (uint32_t)whole;
    return true;
}

bool fm_meta_f32(const struct fm_tensors *tensors, const char *key, float *result, struct fathom_error *err) {
    struct fm_meta_value one;
    const struct fm_meta_value *value = find_one(tensors, key, &one);
    if (!value) return false;
    return float_of(value, result) || wrong_type(tensors, value, "a number", err);
}

bool fm_meta_bool(const struct fm_tensors *tensors, const char *key, bool *result, struct fathom_error *err) {
    struct fm_meta_value one;
    const struct fm_meta_value *value = find_one(tensors, key, &one);
    int64_t whole;
    if (!value) return false;
    if (value->type != FM_META_BOOL && !whole_of(value, 0, 1, &whole))
        return wrong_type(tensors, value, "true or false", err);
    *result = value->type == FM_META_BOOL ? value->u != 0 : whole != 0;
    return true;
}

bool fm_meta_string(const struct fm_tensors *tensors, const char *key, const char **text, size_t *length,
    struct fathom_error *err) {
    const struct fm_meta_value *value = fm_meta_find(&tensors->meta, key);
    if (!value) return false;
    if (value->type != FM_META_STRING) return wrong_type(tensors, value, "a string", err);
    *text = value->string.text;
    *length = value->string.length;
    return true;
}

// Returns the array under the key when the array has an element i, otherwise NULL.
static const struct fm_meta_value *array_at(const struct fm_tensors *tensors, const char *key, size_t i) {
    const struct fm_meta_value *value = fm_meta_find(&tensors->meta, key);
    return value && value->type == FM_META_ARRAY && i < value->count ? value : NULL;
}

size_t fm_meta_array_length(const struct fm_tensors *tensors, const char *key) {
    const struct fm_meta_value *value = fm_meta_find(&tensors->meta, key);
    return value && value->type == FM_META_ARRAY ? value->count : 0;
}

bool fm_meta_array_string(
    const struct fm_tensors *tensors, const char *key, size_t i, const char **text, size_t *length) {
    const struct fm_meta_value *value = array_at(tensors, key, i);
    if (!value || value->element != FM_META_STRING) return false;
    *text = value->strings[i].text;
    *length = value->strings[i].length;
    return true;
}

bool fm_meta_array_i32(const struct fm_tensors *tensors, const char *key, size_t i, int32_t *result) {
    const struct fm_meta_value *value = array_at(tensors, key, i);
    int64_t whole;
    if (!value || !fm_meta_size(value->element)) return false;
    const struct fm_meta_value one = element_of(value, i);
    if (!whole_of(&one, INT32_MIN, INT32_MAX, &whole)) return false;
    *result = (int32_t)whole;
    return true;
}

bool fm_meta_array_f32(const struct fm_tensors *tensors, const char *key, size_t i, float *result) {
    const struct fm_meta_value *value = array_at(tensors, key, i);
    if (!value || !fm_meta_size(value->element)) return false;
    const struct fm_meta_value one = element_of(value, i);
    return float_of(&one, result);
}

size_t fm_meta_count(const struct fm_tensors *tensors) {
    return tensors->meta.count;
}

const char *fm_meta_key(const struct fm_tensors *tensors, size_t i, enum fm_value_type *type) {
    if (i >= tensors->meta.count) return NULL;
    *type = kind_of(tensors->meta.values[i].type);
    return tensors->meta.values[i].key;
}
