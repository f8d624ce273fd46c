// The inside of the reader (disk_reader.h): the queue of requests that its engines empty.
#ifndef FM_BASE_DISK_QUEUE_H
#define FM_BASE_DISK_QUEUE_H
#include "base/disk_reader.h"
#include <pthread.h>

// A file, or its mirror.
struct fm_disk_copy {
    int fd; // -1: there is none
    bool direct;
    char *path;
};
struct fm_disk_file {
    struct fm_disk_copy copies[2]; // the file, its mirror
    uint64_t size;
};

// A request: what is still to be read of a piece of a window.
struct fm_disk_piece {
    struct fm_disk_piece *next;
    uint64_t ticket, offset;
    uint8_t *dst;
    uint32_t size, file;
    uint32_t tries; // times in a row that the system asked to try again
    int fd, drive;  // set by fm_disk_take()
    uint32_t taken; // bytes that were asked for
};
struct fm_disk_ticket {
    uint64_t number;
    size_t left; // pieces
};

// Drive 0 holds the files, drive 1 the mirrors.
struct fm_disk_drive {
    uint32_t in_flight; // requests
    uint64_t in_flight_bytes, bytes;
    // the rate: bytes over seconds with a request in flight, the recent ones
    double rate_bytes, rate_seconds, since;
};

struct fm_disk_engine_ops {
    const char *name;
    bool (*start)(struct fm_disk_reader *reader, struct fathom_error *err);
    void (*poke)(struct fm_disk_reader *reader); // pieces were queued, or the reader is stopping
    void (*stop)(struct fm_disk_reader *reader); // returns when nothing is in flight
};
extern const struct fm_disk_engine_ops fm_disk_ring, fm_disk_threads;

struct fm_disk_reader {
    uint32_t request, depth;
    struct fathom_log log; // a copy: the caller's may be gone when a read fails
    const struct fm_disk_engine_ops *ops;
    void *engine; // the engine's own
    uint64_t next_ticket;

    pthread_mutex_t lock; // of all below
    pthread_cond_t ended; // a ticket ended
    struct fm_disk_file *files;
    uint32_t n_files;
    struct fm_disk_drive drives[2];
    struct fm_disk_piece *first, **last; // the queue
    struct fm_disk_piece *unused;
    struct fm_disk_ticket *tickets; // those with reads that have not ended
    size_t n_tickets, capacity;
    bool stopping, mirror_failed;
    char note[512];             // why the mirror failed, until it is logged
    bool failing;               // a read failed and others are in flight
    uint64_t failed_before;     // tickets below this number failed
    struct fathom_error failed; // why
    bool failure_told;
    double busy, since; // seconds with a request in flight
};

// For the engines, with the lock held. fm_disk_take() takes a piece off the queue, or returns NULL when the
// queue is empty or the drive that should read the piece is full. fm_disk_finish() takes what pread()
// returned, or a negative errno, and may queue the rest of the piece.
struct fm_disk_piece *fm_disk_take(struct fm_disk_reader *reader);
void fm_disk_finish(struct fm_disk_reader *reader, struct fm_disk_piece *piece, int64_t result);
// Whether the engine's thread must end: stopping, and nothing left to read.
bool fm_disk_is_over(const struct fm_disk_reader *reader);
// Starts a thread that receives no signals.
bool fm_disk_thread(pthread_t *thread, void *(*run)(void *), void *user);

// disk_file.c
bool fm_disk_file_open(struct fm_disk_file *file, const struct fm_mapped_file *mapped, const char *mirror,
    const struct fathom_log *log, struct fathom_error *err);
void fm_disk_file_close(struct fm_disk_file *file);
#endif
