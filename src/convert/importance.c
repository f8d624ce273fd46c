#include "convert/importance.h"
#include "base/arena.h"
#include "base/cursor.h"
#include "base/mapped_file.h"
#include "base/names.h"
#include "file/gguf/gguf.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    const float *values;
    uint64_t count; // one value a column, or one a column of every expert
};

struct fm_importance {
    struct fm_arena arena;
    struct fm_names names;
    struct entry *entries;
    size_t count;
};

enum { MAX_ENTRIES = 1 << 20, MAX_NAME = 255 };

static bool no_memory(const char *path, struct fathom_error *err) {
    return fm_fail(err, FATHOM_NO_MEMORY, "%s: out of host memory for the importance matrix", path);
}

static bool add(struct fm_importance *m, const char *path, const char *name, float *values, uint64_t count,
    struct fathom_error *err) {
    for (uint64_t i = 0; i < count; i++)
        if (!isfinite(values[i]) || values[i] < 0)
            return fm_fail(err, FATHOM_INVALID, "%s: value %llu of %s is %g, expected a mean of squares",
                path, (unsigned long long)i, name, (double)values[i]);
    switch (fm_names_add(&m->names, name, (uint32_t)m->count)) {
    case FM_NAMES_DUPLICATE: return fm_fail(err, FATHOM_INVALID, "%s: %s occurs twice", path, name);
    case FM_NAMES_NO_MEMORY: return no_memory(path, err);
    case FM_NAMES_ADDED: break;
    }
    m->entries[m->count++] = (struct entry){values, count};
    return true;
}

// ---- The GGUF form: each matrix has NAME.in_sum2, sums of squares, and NAME.counts, the summed rows ------

static const char sums_end[] = ".in_sum2";

static bool read_floats(struct fm_importance *m, const struct fm_tensors *file,
    const struct fm_tensor *tensor, float **values, struct fathom_error *err) {
    if (tensor->type != FATHOM_F32)
        return fm_fail(
            err, FATHOM_INVALID, "%s: tensor %s is not stored as F32", fm_tensors_path(file), tensor->name);
    *values = fm_arena_alloc(&m->arena, tensor->size, 1);
    if (!*values) return no_memory(fm_tensors_path(file), err);
    return fm_tensor_read(file, tensor, 0, tensor->size, *values, err);
}

static bool add_sums(struct fm_importance *m, const struct fm_tensors *file, const struct fm_tensor *sums,
    struct fathom_error *err) {
    const char *path = fm_tensors_path(file);
    const size_t length = strlen(sums->name) - (sizeof(sums_end) - 1);
    const char *name = fm_arena_string(&m->arena, sums->name, length),
               *counts_name = fm_arena_format(&m->arena, "%s.counts", name);
    if (!name || !counts_name) return no_memory(path, err);
    const struct fm_tensor *counts = fm_tensors_find(file, counts_name);
    if (!counts) return fm_fail(err, FATHOM_INVALID, "%s: tensor %s is missing", path, counts_name);
    const uint64_t n_sums = sums->size / sizeof(float), n_columns = sums->dims[0];
    if (counts->size / sizeof(float) != n_sums / n_columns)
        return fm_fail(err, FATHOM_INVALID, "%s: tensor %s has %llu elements, expected %llu", path,
            counts_name, (unsigned long long)(counts->size / sizeof(float)),
            (unsigned long long)(n_sums / n_columns));
    float *values, *n_rows;
    if (!read_floats(m, file, sums, &values, err) || !read_floats(m, file, counts, &n_rows, err))
        return false;
    for (uint64_t i = 0; i < n_sums; i++) {
        const float n = n_rows[i / n_columns];
        values[i] = n > 0 ? values[i] / n : 1; // an expert that was never chosen: all columns are equal
    }
    return add(m, path, name, values, n_sums, err);
}

static bool read_gguf(struct fm_importance *m, const char *path, const struct fm_mapped_file *mapped,
    struct fathom_error *err) {
    struct fm_tensors *file = fm_gguf_from_memory(path, mapped->data, mapped->size, err);
    if (!file) return false;
    const char *type = "";
    size_t length;
    bool ok = true;
    fm_meta_string(file, "general.type", &type, &length, NULL);
    if (strcmp(type, "imatrix") != 0)
        ok = fm_fail(
            err, FATHOM_INVALID, "%s: is a GGUF file of type \"%.32s\", expected \"imatrix\"", path, type);
    m->entries = ok ? fm_arena_alloc(&m->arena, fm_tensors_count(file), sizeof(*m->entries)) : NULL;
    if (ok && !m->entries) ok = no_memory(path, err);
    for (size_t i = 0; i < fm_tensors_count(file) && ok; i++) {
        const struct fm_tensor *tensor = fm_tensors_at(file, i);
        const size_t n = strlen(tensor->name), end = sizeof(sums_end) - 1;
        if (n > end && !strcmp(tensor->name + n - end, sums_end)) ok = add_sums(m, file, tensor, err);
    }
    fm_tensors_close(&file);
    return ok;
}

// ---- The older form --------------------------------------------------------------------------------------
// A count, then for each matrix a name, a number of runs, and values that are multiplied by that number. The
// reader ignores the rest of the file, which names the text.

static bool add_old(
    struct fm_importance *m, const char *path, struct fm_cursor *c, uint32_t i, struct fathom_error *err) {
    const uint32_t length = fm_cursor_u32(c);
    if (c->failed || length == 0 || length > MAX_NAME)
        return fm_fail(err, FATHOM_INVALID,
            "%s: is not an importance matrix: entry %u has a name of %u bytes", path, i, length);
    const uint8_t *text = fm_cursor_bytes(c, length);
    const uint32_t n_runs = fm_cursor_u32(c), count = fm_cursor_u32(c);
    const uint8_t *bytes = fm_cursor_bytes(c, 4ull * count);
    if (!bytes)
        return fm_fail(err, FATHOM_INVALID, "%s: ends too early, after %llu bytes, in entry %u", path,
            (unsigned long long)c->size, i);
    const char *name = fm_arena_string(&m->arena, (const char *)text, length);
    float *values = fm_arena_alloc(&m->arena, count, sizeof(*values));
    if (!name || !values) return no_memory(path, err);
    memcpy(values, bytes, count * sizeof(*values));
    for (uint32_t j = 0; j < count && n_runs > 0; j++) values[j] /= (float)n_runs;
    return add(m, path, name, values, count, err);
}

static bool read_old(struct fm_importance *m, const char *path, const struct fm_mapped_file *mapped,
    struct fathom_error *err) {
    struct fm_cursor c = {.data = mapped->data, .size = mapped->size};
    const uint32_t n = fm_cursor_u32(&c);
    if (c.failed || n == 0 || n > MAX_ENTRIES)
        return fm_fail(err, FATHOM_INVALID, "%s: is not an importance matrix", path);
    m->entries = fm_arena_alloc(&m->arena, n, sizeof(*m->entries));
    if (!m->entries) return no_memory(path, err);
    for (uint32_t i = 0; i < n; i++)
        if (!add_old(m, path, &c, i, err)) return false;
    return true;
}

struct fm_importance *fm_importance_open(const char *path, struct fathom_error *err) {
    struct fm_mapped_file mapped = {0};
    uint32_t magic = 0;
    struct fm_importance *m = calloc(1, sizeof(*m));
    if (!m) {
        no_memory(path, err);
        return NULL;
    }
    bool ok = fm_mapped_file_open(&mapped, path, err);
    if (ok) {
        memcpy(&magic, mapped.data, mapped.size < 4 ? mapped.size : 4);
        ok = magic == FM_GGUF_MAGIC ? read_gguf(m, path, &mapped, err) : read_old(m, path, &mapped, err);
        fm_mapped_file_close(&mapped);
    }
    if (ok && m->count == 0) ok = fm_fail(err, FATHOM_INVALID, "%s: holds no importances", path);
    if (!ok) fm_importance_close(&m);
    return m;
}

void fm_importance_close(struct fm_importance **importance) {
    if (!importance || !*importance) return;
    fm_names_free(&(*importance)->names);
    fm_arena_free(&(*importance)->arena);
    free(*importance);
    *importance = NULL;
}

size_t fm_importance_count(const struct fm_importance *importance) {
    return importance->count;
}

const float *fm_importance_find(
    const struct fm_importance *importance, const struct fm_tensor *tensor, uint64_t matrix) {
    uint32_t i;
    if (!fm_names_find(&importance->names, tensor->name, &i)) return NULL;
    const struct entry *e = &importance->entries[i];
    return e->values + (e->count == tensor->dims[0] ? 0 : matrix * tensor->dims[0]);
}

bool fm_importance_fits(
    const struct fm_importance *importance, const struct fm_tensor *tensor, struct fathom_error *err) {
    uint32_t i;
    if (!fm_names_find(&importance->names, tensor->name, &i)) return true;
    const uint64_t count = importance->entries[i].count;
    if (count == tensor->dims[0] ||
        (count / tensor->dims[0] == tensor->dims[2] && count % tensor->dims[0] == 0))
        return true;
    return fm_fail(err, FATHOM_INVALID,
        "the importances of tensor %s are %llu values, expected %llu for each of %llu matrices", tensor->name,
        (unsigned long long)count, (unsigned long long)tensor->dims[0], (unsigned long long)tensor->dims[2]);
}
