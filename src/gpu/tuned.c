#include "gpu/tuned.h"
#include "gpu/cache_file.h"
#include "gpu/internal.h"
#include <stdlib.h>
#include <string.h>

static bool same_place(const struct fm_tuned *a, const struct fm_tuned *b) {
    return !strcmp(a->op, b->op) && !memcmp(a->shape, b->shape, sizeof(a->shape)) &&
        a->first_token == b->first_token && a->last_token == b->last_token;
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
        struct fm_tuned *grown = at < FM_MAX_TUNED ? realloc(gpu->tuned, (at + 1) * sizeof(*grown)) : NULL;
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
    const struct fm_tuned_head head = {FM_TUNED_VERSION, sizeof(*gpu->tuned)};
    const size_t size = gpu->n_tuned * sizeof(*gpu->tuned);
    char *data = malloc(sizeof(head) + size);
    if (!data) return;
    memcpy(data, &head, sizeof(head));
    if (size) memcpy(data + sizeof(head), gpu->tuned, size);
    fm_cache_write(gpu, "tuning", file_key(gpu, model_key), data, sizeof(head) + size);
    free(data);
}
