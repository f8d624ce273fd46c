#include "gpu/internal.h"

// Releases what was to wait for tickets up to `done`.
static void release_until(struct fathom_gpu *gpu, uint64_t done) {
    fm_lock_take(&gpu->lock);
    for (struct fm_retired **link = &gpu->retired; *link;) {
        struct fm_retired *r = *link;
        if (r->ticket > done) {
            link = &r->next;
            continue;
        }
        *link = r->next;
        gpu->n_retired--;
        r->release(gpu, r);
    }
    fm_lock_release(&gpu->lock);
}

void fm_retire(struct fathom_gpu *gpu, struct fm_retired *r, uint64_t ticket,
    void (*release)(struct fathom_gpu *gpu, struct fm_retired *r)) {
    const bool now = ticket <= gpu->done_ticket || ticket <= fm_gpu_poll(gpu);
    fm_lock_take(&gpu->lock);
    if (now) {
        release(gpu, r);
    } else {
        *r = (struct fm_retired){gpu->retired, ticket, release};
        gpu->retired = r;
        gpu->n_retired++;
    }
    fm_lock_release(&gpu->lock);
}

void fm_retired_collect(struct fathom_gpu *gpu) {
    if (gpu->n_retired) release_until(gpu, fm_gpu_poll(gpu));
}

bool fm_retired_wait(struct fathom_gpu *gpu) {
    const size_t before = gpu->n_retired;
    if (!before || !fm_gpu_wait_all(gpu, NULL)) return false;
    release_until(gpu, gpu->done_ticket);
    return true;
}

void fm_retired_release_all(struct fathom_gpu *gpu) {
    release_until(gpu, UINT64_MAX);
}
