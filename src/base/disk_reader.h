// Reads ranges of files past the system's page cache, with many requests in flight: by io_uring, or by
// threads where the system has no io_uring or refuses it. A file whose file system refuses direct reads is
// read through the page cache. A mirror, a copy of a file on another drive, shares the reads of the file. A
// thread of the reader keeps the drives busy: after fm_disk_submit() the caller can do other things. All
// functions of one reader must be called by one thread at a time. The caller owns all destinations.
#ifndef FM_BASE_DISK_READER_H
#define FM_BASE_DISK_READER_H
#include "base/mapped_file.h"
#include <stddef.h>

struct fm_disk_reader;

// The alignment of windows and of destinations.
enum { FM_DISK_ALIGNMENT = 4096 };

enum fm_disk_engine {
    FM_DISK_ANY, // io_uring, else threads
    FM_DISK_RING,
    FM_DISK_THREADS,
};

struct fm_disk_params {
    enum fm_disk_engine engine;
    uint32_t request; // bytes of the largest request, a multiple of FM_DISK_ALIGNMENT; 0: FM_DISK_REQUEST
    uint32_t depth;   // requests in flight on each drive; 0: FM_DISK_DEPTH
    const struct fathom_log *log; // may be NULL; is called by the caller's thread only
};
// src/decisions/reading-experts.md has the measurements.
enum { FM_DISK_REQUEST = 512 << 10, FM_DISK_DEPTH = 16, FM_DISK_MAX_DEPTH = 256 };

// params may be NULL.
struct fm_disk_reader *fm_disk_open(const struct fm_disk_params *params, struct fathom_error *err);
// Waits for the reads in flight. Reads that have not begun are dropped.
void fm_disk_close(struct fm_disk_reader **reader);
// "io_uring" or "threads"
const char *fm_disk_engine_name(const struct fm_disk_reader *reader);

// Adds a file, which must still be the one that is mapped. `mirror` may be NULL; it is a copy of the file, or
// a folder that holds a copy of the same name. A mirror of another size, or whose first or last 64 KiB
// differ, is refused. Files get the numbers 0, 1, 2 in *file, which may be NULL.
bool fm_disk_add(struct fm_disk_reader *reader, const struct fm_mapped_file *mapped, const char *mirror,
    uint32_t *file, struct fathom_error *err);
// Whether the file is read past the page cache.
bool fm_disk_is_direct(const struct fm_disk_reader *reader, uint32_t file);

// The aligned window around bytes [offset, offset + size) of a file. The window may end past the file's end.
void fm_disk_window(uint64_t offset, uint64_t size, uint64_t *begin, uint64_t *length);

struct fm_disk_range {
    uint32_t file;
    uint64_t offset, size; // any; the bytes must lie in the file
    void *window; // receives the whole window: aligned, with room for its length. Byte `offset` of the file
                  // goes to window + offset % FM_DISK_ALIGNMENT. Bytes past the file's end are undefined.
};

// Queues reads, and gives one ticket for them all (the three matrices of an expert, say).
bool fm_disk_submit(struct fm_disk_reader *reader, const struct fm_disk_range *ranges, size_t n_ranges,
    uint64_t *ticket, struct fathom_error *err);
// Whether fm_disk_wait() for the ticket would return at once.
bool fm_disk_done(struct fm_disk_reader *reader, uint64_t ticket);
// Drops those of the ticket's reads that have not begun, and returns their bytes. Unless that is 0, the
// ticket's destinations stay incomplete; the reads that have begun still write to them.
uint64_t fm_disk_cancel(struct fm_disk_reader *reader, uint64_t ticket);
// Waits until the ticket's reads have ended. When a read fails, all tickets given so far fail: fm_disk_wait()
// for any of them, and the next fm_disk_submit(), wait until no read is in flight, so that nothing is written
// to a destination afterwards, and return the error. Later tickets are read as if nothing had been.
bool fm_disk_wait(struct fm_disk_reader *reader, uint64_t ticket, struct fathom_error *err);
// Waits for at most so many seconds. Returns fm_disk_done().
bool fm_disk_wait_for(struct fm_disk_reader *reader, uint64_t ticket, double seconds);

// What was read since the reader was opened.
struct fm_disk_counts {
    uint64_t bytes;        // from the files and their mirrors
    uint64_t mirror_bytes; // of those, from mirrors
    double seconds;        // in which at least one read was in flight
};
struct fm_disk_counts fm_disk_counts(struct fm_disk_reader *reader);

// Reads requests of the reader's size at scattered places of all files for about that many seconds, with all
// drives as full as in a long queue. Allocates and frees the memory for that: about 2 * depth * request bytes
// a drive.
bool fm_disk_measure(
    struct fm_disk_reader *reader, double seconds, double *bytes_per_second, struct fathom_error *err);
#endif
