// The reader's engine of io_uring: one thread, which submits requests and collects their ends.
#include "base/disk_queue.h"
#ifdef FATHOM_HAVE_LIBURING
#include "base/clock.h"
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

struct ring {
    struct io_uring uring;
    int event; // eventfd: written by poke(), always being read by the ring
    uint64_t event_value;
    pthread_t thread;
    bool started;
};

static void read_event(struct ring *ring) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);
    io_uring_prep_read(sqe, ring->event, &ring->event_value, sizeof(ring->event_value), 0);
    io_uring_sqe_set_data(sqe, NULL);
}

// Puts requests into the ring until the drives are full. The ring has an entry for each request that can be
// in flight, and one for the event.
static void fill(struct fm_disk_reader *r, struct ring *ring) {
    for (struct fm_disk_piece *piece; (piece = fm_disk_take(r));) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);
        io_uring_prep_read(sqe, piece->fd, piece->dst, piece->taken, piece->offset);
        io_uring_sqe_set_data(sqe, piece);
    }
}

static void *run(void *user) {
    struct fm_disk_reader *r = user;
    struct ring *ring = r->engine;
    read_event(ring);
    pthread_mutex_lock(&r->lock);
    for (;;) {
        fill(r, ring);
        if (fm_disk_is_over(r)) break;
        pthread_mutex_unlock(&r->lock);
        // A failure means that the kernel lacks memory, or a signal: entries that the kernel did not take
        // stay in the ring, and are offered again.
        const int submitted = io_uring_submit_and_wait(&ring->uring, 1);
        if (submitted < 0 && submitted != -EINTR) fm_sleep(1e-3);
        pthread_mutex_lock(&r->lock);
        struct io_uring_cqe *cqe;
        while (io_uring_peek_cqe(&ring->uring, &cqe) == 0) {
            struct fm_disk_piece *piece = io_uring_cqe_get_data(cqe);
            const int result = cqe->res;
            io_uring_cqe_seen(&ring->uring, cqe);
            if (piece)
                fm_disk_finish(r, piece, result);
            else
                read_event(ring);
        }
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

static void poke(struct fm_disk_reader *r) {
    const struct ring *ring = r->engine;
    const uint64_t one = 1;
    // the counter of the event cannot overflow, so the write cannot fail
    if (write(ring->event, &one, sizeof(one)) < 0) return;
}

static void stop(struct fm_disk_reader *r) {
    struct ring *ring = r->engine;
    if (!ring) return;
    if (ring->started) {
        poke(r);
        pthread_join(ring->thread, NULL);
    }
    if (ring->event >= 0) close(ring->event);
    if (ring->uring.ring_fd >= 0) io_uring_queue_exit(&ring->uring);
    free(ring);
}

// Whether the ring takes requests: a filter of system calls may allow io_uring_setup() alone, and a kernel
// before 5.6 lacks IORING_OP_READ.
static int try_ring(struct ring *ring) {
    struct io_uring_probe *probe = io_uring_get_probe_ring(&ring->uring);
    const bool reads = probe && io_uring_opcode_supported(probe, IORING_OP_READ);
    io_uring_free_probe(probe);
    if (!reads) return -ENOSYS;
    struct io_uring_cqe *cqe;
    io_uring_prep_nop(io_uring_get_sqe(&ring->uring));
    const int n = io_uring_submit_and_wait(&ring->uring, 1);
    if (n < 0) return n;
    if (n != 1 || io_uring_peek_cqe(&ring->uring, &cqe) != 0) return -EIO;
    io_uring_cqe_seen(&ring->uring, cqe);
    return 0;
}

static bool refused(int error, struct fathom_error *err) {
    struct rlimit limit;
    // kernels before 5.12 count a ring as locked memory
    if (error == -ENOMEM && getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        return fm_fail(err, FATHOM_UNSUPPORTED,
            "the system refuses io_uring: %s; the limit of locked memory (ulimit -l) is %llu KiB",
            strerror(-error), (unsigned long long)limit.rlim_cur / 1024);
    return fm_fail(err, FATHOM_UNSUPPORTED, "the system refuses io_uring: %s", strerror(-error));
}

static bool start(struct fm_disk_reader *r, struct fathom_error *err) {
    struct ring *ring = calloc(1, sizeof(*ring));
    if (!ring) return fm_fail(err, FATHOM_NO_MEMORY, "out of host memory for a ring");
    r->engine = ring;
    ring->uring.ring_fd = ring->event = -1;
    int error = io_uring_queue_init(2 * r->depth + 1, &ring->uring, 0);
    if (error) {
        ring->uring.ring_fd = -1;
        return refused(error, err);
    }
    error = try_ring(ring);
    if (error) return refused(error, err);
    ring->event = eventfd(0, EFD_CLOEXEC);
    if (ring->event < 0) return refused(-errno, err);
    ring->started = fm_disk_thread(&ring->thread, run, r);
    return ring->started || fm_fail(err, FATHOM_NO_MEMORY, "the system starts no thread that reads files");
}
#else

static void nothing(struct fm_disk_reader *r) {
    (void)r;
}

static bool start(struct fm_disk_reader *r, struct fathom_error *err) {
    (void)r;
    return fm_fail(err, FATHOM_UNSUPPORTED, "this build has no io_uring: liburing was missing");
}
#define poke nothing
#define stop nothing
#endif

const struct fm_disk_engine_ops fm_disk_ring = {"io_uring", start, poke, stop};
