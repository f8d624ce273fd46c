// The reader's engine of threads: each reads one request at a time.
#include "base/disk_queue.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct threads {
    pthread_cond_t work;
    uint32_t count;
    pthread_t list[];
};

static void *run(void *user) {
    struct fm_disk_reader *r = user;
    struct threads *threads = r->engine;
    pthread_mutex_lock(&r->lock);
    for (;;) {
        struct fm_disk_piece *piece = fm_disk_take(r);
        if (!piece) {
            if (r->stopping && !r->first) break;
            pthread_cond_wait(&threads->work, &r->lock);
            continue;
        }
        if (r->first) pthread_cond_signal(&threads->work); // the next piece may be for the other drive
        pthread_mutex_unlock(&r->lock);
        const ssize_t n = pread(piece->fd, piece->dst, piece->taken, (off_t)piece->offset);
        const int64_t result = n < 0 ? -errno : n;
        pthread_mutex_lock(&r->lock);
        fm_disk_finish(r, piece, result);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

static void poke(struct fm_disk_reader *r) {
    struct threads *threads = r->engine;
    pthread_cond_signal(&threads->work); // which wakes the next
}

static void stop(struct fm_disk_reader *r) {
    struct threads *threads = r->engine;
    if (!threads) return;
    pthread_cond_broadcast(&threads->work);
    for (uint32_t i = 0; i < threads->count; i++) pthread_join(threads->list[i], NULL);
    pthread_cond_destroy(&threads->work);
    free(threads);
}

static bool start(struct fm_disk_reader *r, struct fathom_error *err) {
    const uint32_t most = 2 * r->depth; // two drives
    struct threads *threads = calloc(1, sizeof(*threads) + most * sizeof(*threads->list));
    if (!threads) return fm_fail(err, FATHOM_NO_MEMORY, "out of host memory for threads that read");
    pthread_cond_init(&threads->work, NULL);
    r->engine = threads;
    while (threads->count < most && fm_disk_thread(&threads->list[threads->count], run, r)) threads->count++;
    // fewer threads than wanted read with fewer requests in flight
    return threads->count || fm_fail(err, FATHOM_NO_MEMORY, "the system starts no thread that reads files");
}

const struct fm_disk_engine_ops fm_disk_threads = {"threads", start, poke, stop};
