#include "gpu/tuned.h"
#include "gpu/cache_file.h"
#include "gpu/internal.h"
#include <stdlib.h>
#include <string.h>

// Of the file: a new one for every change of struct fm_tuned, or of what an operator's shape and size mean.
enum { VERSION = 1, MAX_ROWS = 4096 };

static bool same_place(const struct fm_tuned *a, const struct fm_tuned *b) {
    return !strcmp(a->op, b->op) && !memcmp(a->shape, b->shape, sizeof(a->shape)) && a->first_token == b->first_token &&
           a->last_token == b->last_token;
}

const struct fm_tuned *fm_tuned_find(const struct fathom_gpu *gpu, const struct fm_call *call) {
    for (size_t i = 0; i < gpu->n_tuned; i++) {
        const struct fm_tuned *row = &gpu->tuned[i];
        if (call->n_tokens >= row->first_token && call->n_tokens <= row->last_token &&
            !memcmp(call->shape, row->shape, sizeof(row->shape)) && !strcmp(call->op, row->op))
            return row;
    }
    return NULL;
}

bool fm_tuned_set(struct fathom_gpu *gpu, const struct fm_tuned *row) {
    size_t at = 0;
    while (at < gpu->n_tuned && !same_place(&gpu->tuned[at], row)) at++;
    if (at == gpu->n_tuned) {
        struct fm_tuned *grown = at < MAX_ROWS ? realloc(gpu->tuned, (at + 1) * sizeof(*grown)) : NULL;
        if (!grown) return false;
        gpu->tuned = grown;
        gpu->n_tuned++;
    }
    gpu->tuned[at] = *row;
    return true;
}

void fm_tuned_remove(struct fathom_gpu *gpu, const struct fm_tuned *row) {
    for (size_t i = 0; i < gpu->n_tuned; i++)
        if (same_place(&gpu->tuned[i], row)) {
            gpu->tuned[i] = gpu->tuned[--gpu->n_tuned];
            return;
        }
}

void fm_tuned_clear(struct fathom_gpu *gpu) {
    free(gpu->tuned);
    gpu->tuned = NULL;
    gpu->n_tuned = 0;
}

const struct fm_call *fm_last_call(const struct fathom_gpu *gpu, struct fm_choice *choice) {
    *choice = gpu->last_choice;
    return &gpu->last_call;
}

static bool is_name(const char name[24]) { return name[0] && memchr(name, 0, 24); }

// What stands before the rows; a table without any is a file too: it says that measuring was tried.
struct head { uint32_t version, row_size; };

long fm_tuned_parse(const void *data, size_t size, struct fm_tuned **rows) {
    struct head head;
    *rows = NULL;
    if (size < sizeof(head)) return -1;
    memcpy(&head, data, sizeof(head));
    size -= sizeof(head);
    const size_t n = size / sizeof(**rows);
    if (head.version != VERSION || head.row_size != sizeof(**rows) || size % sizeof(**rows) || n > MAX_ROWS) return -1;
    struct fm_tuned *list = malloc(size + 1);
    if (!list) return -1;
    memcpy(list, (const char *)data + sizeof(head), size);
    for (size_t i = 0; i < n; i++)
        if (!is_name(list[i].op) || !is_name(list[i].variant) || list[i].first_token == 0 || list[i].first_token > list[i].last_token) {
            free(list);
            return -1;
        }
    *rows = list;
    return (long)n;
}

static uint64_t file_key(const struct fathom_gpu *gpu, uint64_t model_key) {
    return fm_cache_key_add(fm_cache_key(gpu), &model_key, sizeof(model_key));
}

enum fm_tuned_file fm_tuned_load(struct fathom_gpu *gpu, uint64_t model_key) {
    size_t size = 0;
    bool unusable;
    struct fm_tuned *rows;
    void *data = fm_cache_read(gpu, "tuning", file_key(gpu, model_key), &size, &unusable);
    if (!data) return unusable ? FM_TUNED_UNUSABLE : FM_TUNED_ABSENT;
    const long n = fm_tuned_parse(data, size, &rows);
    free(data);
    if (n < 0) return FM_TUNED_UNUSABLE;
    fm_tuned_clear(gpu);
    gpu->tuned = rows;
    gpu->n_tuned = (size_t)n;
    return FM_TUNED_READ;
}

void fm_tuned_save(const struct fathom_gpu *gpu, uint64_t model_key) {
    const struct head head = {VERSION, sizeof(*gpu->tuned)};
    const size_t size = gpu->n_tuned * sizeof(*gpu->tuned);
    char *data = malloc(sizeof(head) + size);
    if (!data) return;
    memcpy(data, &head, sizeof(head));
    if (size) memcpy(data + sizeof(head), gpu->tuned, size);
    fm_cache_write(gpu, "tuning", file_key(gpu, model_key), data, sizeof(head) + size);
    free(data);
}
