#include "gpu/tuned.h"
#include "gpu/cache_file.h"
#include "gpu/internal.h"
#include <stdlib.h>
#include <string.h>

static bool same_place(const struct fm_tuned *a, const struct fm_tuned *b) {
    return !strcmp(a->op, b->op) && !memcmp(a->shape, b->shape, sizeof(a->shape)) &&
        a->first_token == b->first_token && a->last_token == b->last_token;
}

bool fm_tuned_find(const struct fathom_gpu *gpu, const struct fm_call *call, struct fm_tuned *found) {
    bool is_there = false;
    fm_lock_take(&gpu->lock);
    for (size_t i = 0; i < gpu->n_tuned && !is_there; i++) {
        const struct fm_tuned *row = &gpu->tuned[i];
        is_there = call->n_tokens >= row->first_token && call->n_tokens <= row->last_token &&
            !memcmp(call->shape, row->shape, sizeof(row->shape)) && !strcmp(call->op, row->op);
        if (is_there) *found = *row;
    }
    fm_lock_release(&gpu->lock);
    return is_there;
}

// The number of the row of the same place; gpu->n_tuned: there is none. Under gpu->lock.
static size_t find_place(const struct fathom_gpu *gpu, const struct fm_tuned *row) {
    size_t at = 0;
    while (at < gpu->n_tuned && !same_place(&gpu->tuned[at], row)) at++;
    return at;
}

bool fm_tuned_set(struct fathom_gpu *gpu, const struct fm_tuned *row) {
    fm_lock_take(&gpu->lock);
    const size_t at = find_place(gpu, row);
    struct fm_tuned *table = gpu->tuned;
    if (at == gpu->n_tuned) table = at < FM_MAX_TUNED ? realloc(table, (at + 1) * sizeof(*table)) : NULL;
    if (table) {
        gpu->n_tuned += at == gpu->n_tuned;
        gpu->tuned = table;
        gpu->tuned[at] = *row;
    }
    fm_lock_release(&gpu->lock);
    return table;
}

void fm_tuned_remove(struct fathom_gpu *gpu, const struct fm_tuned *row) {
    fm_lock_take(&gpu->lock);
    const size_t at = find_place(gpu, row);
    if (at < gpu->n_tuned) gpu->tuned[at] = gpu->tuned[--gpu->n_tuned];
    fm_lock_release(&gpu->lock);
}

static void set_table(struct fathom_gpu *gpu, struct fm_tuned *rows, size_t n) {
    fm_lock_take(&gpu->lock);
    free(gpu->tuned);
    gpu->tuned = rows;
    gpu->n_tuned = n;
    fm_lock_release(&gpu->lock);
}

void fm_tuned_clear(struct fathom_gpu *gpu) {
    set_table(gpu, NULL, 0);
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
    set_table(gpu, rows, (size_t)n);
    return FM_TUNED_READ;
}

void fm_tuned_save(const struct fathom_gpu *gpu, uint64_t model_key) {
    const struct fm_tuned_head head = {FM_TUNED_VERSION, sizeof(*gpu->tuned)};
    fm_lock_take(&gpu->lock);
    const size_t size = gpu->n_tuned * sizeof(*gpu->tuned);
    char *data = malloc(sizeof(head) + size);
    if (data && size) memcpy(data + sizeof(head), gpu->tuned, size);
    fm_lock_release(&gpu->lock);
    if (!data) return;
    memcpy(data, &head, sizeof(head));
    fm_cache_write(gpu, "tuning", file_key(gpu, model_key), data, sizeof(head) + size);
    free(data);
}
