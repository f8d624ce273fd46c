#include "base/disk_reader.h"
#include "base/clock.h"
#include "base/disk_queue.h"
#include "base/log.h"
#include "base/size.h"
#include <stdlib.h>
#include <string.h>

// Starts io_uring, or threads.
static bool start(struct fm_disk_reader *r, enum fm_disk_engine engine, struct fathom_error *err) {
    struct fathom_error refused = {0};
    if (engine != FM_DISK_THREADS) {
        r->ops = &fm_disk_ring;
        if (r->ops->start(r, &refused)) return true;
        r->ops->stop(r);
        r->engine = NULL;
        if (engine == FM_DISK_RING) return fm_fail(err, refused.status, "%s", refused.message);
        fm_log(&r->log, FATHOM_LOG_NOTICE, "%s: files are read by threads", refused.message);
    }
    r->ops = &fm_disk_threads;
    return r->ops->start(r, err);
}

struct fm_disk_reader *fm_disk_open(const struct fm_disk_params *params, struct fathom_error *err) {
    const struct fm_disk_params p = params ? *params : (struct fm_disk_params){0};
    if (p.request % FM_DISK_ALIGNMENT || p.request > 1u << 30 || p.depth > FM_DISK_MAX_DEPTH) {
        fm_fail(err, FATHOM_INVALID,
            "reads of %u bytes with %u in flight: expected a multiple of %d up to 1 GiB, and up to %d",
            p.request, p.depth, FM_DISK_ALIGNMENT, FM_DISK_MAX_DEPTH);
        return NULL;
    }
    struct fm_disk_reader *r = calloc(1, sizeof(*r));
    if (!r) {
        fm_fail(err, FATHOM_NO_MEMORY, "out of host memory for a reader of files");
        return NULL;
    }
    r->request = p.request ? p.request : FM_DISK_REQUEST;
    r->depth = p.depth ? p.depth : FM_DISK_DEPTH;
    if (p.log) r->log = *p.log;
    r->last = &r->first;
    r->next_ticket = 1;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->ended, NULL);
    if (!start(r, p.engine, err)) fm_disk_close(&r);
    return r;
}

static void free_pieces(struct fm_disk_piece *piece) {
    for (struct fm_disk_piece *next; piece; piece = next) {
        next = piece->next;
        free(piece);
    }
}

void fm_disk_close(struct fm_disk_reader **reader) {
    if (!reader || !*reader) return;
    struct fm_disk_reader *r = *reader;
    pthread_mutex_lock(&r->lock);
    r->stopping = true;
    *r->last = r->unused;
    r->unused = r->first;
    r->first = NULL;
    r->last = &r->first;
    pthread_mutex_unlock(&r->lock);
    r->ops->stop(r);
    free_pieces(r->unused);
    for (uint32_t i = 0; i < r->n_files; i++) fm_disk_file_close(&r->files[i]);
    free(r->files);
    free(r->tickets);
    pthread_cond_destroy(&r->ended);
    pthread_mutex_destroy(&r->lock);
    free(r);
    *reader = NULL;
}

const char *fm_disk_engine_name(const struct fm_disk_reader *r) {
    return r->ops->name;
}

bool fm_disk_add(struct fm_disk_reader *r, const struct fm_mapped_file *mapped, const char *mirror,
    uint32_t *number, struct fathom_error *err) {
    struct fm_disk_file file;
    if (!fm_disk_file_open(&file, mapped, mirror, &r->log, err)) return false;
    pthread_mutex_lock(&r->lock);
    struct fm_disk_file *files = realloc(r->files, (r->n_files + 1) * sizeof(*files));
    if (files) {
        r->files = files;
        if (number) *number = r->n_files;
        r->files[r->n_files++] = file;
    }
    pthread_mutex_unlock(&r->lock);
    if (files) return true;
    fm_disk_file_close(&file);
    return fm_fail(err, FATHOM_NO_MEMORY, "%s: out of host memory", mapped->path);
}

bool fm_disk_is_direct(const struct fm_disk_reader *r, uint32_t file) {
    return r->files[file].copies[0].direct;
}

void fm_disk_window(uint64_t offset, uint64_t size, uint64_t *begin, uint64_t *length) {
    *begin = offset / FM_DISK_ALIGNMENT * FM_DISK_ALIGNMENT;
    *length = (offset + size - *begin + FM_DISK_ALIGNMENT - 1) / FM_DISK_ALIGNMENT * FM_DISK_ALIGNMENT;
}

static bool check(
    const struct fm_disk_reader *r, const struct fm_disk_range *range, struct fathom_error *err) {
    if (range->file >= r->n_files)
        return fm_fail(err, FATHOM_INVALID, "a read of file %u of %u", range->file, r->n_files);
    const struct fm_disk_file *file = &r->files[range->file];
    uint64_t end;
    if (!range->size || !fm_add(range->offset, range->size, &end) || end > file->size)
        return fm_fail(err, FATHOM_INVALID, "%s: a read of %llu bytes at offset %llu, of %llu",
            file->copies[0].path, (unsigned long long)range->size, (unsigned long long)range->offset,
            (unsigned long long)file->size);
    if ((uintptr_t)range->window % FM_DISK_ALIGNMENT)
        return fm_fail(err, FATHOM_INVALID, "%s: a read to address %p, expected a multiple of %d",
            file->copies[0].path, range->window, FM_DISK_ALIGNMENT);
    return true;
}

static struct fm_disk_piece *new_piece(struct fm_disk_reader *r) {
    struct fm_disk_piece *piece = r->unused;
    if (!piece) return malloc(sizeof(*piece));
    r->unused = piece->next;
    return piece;
}

// Cuts a range's window into pieces of about the same size and appends them to a list. Returns false without
// memory.
static bool cut(struct fm_disk_reader *r, const struct fm_disk_range *range, struct fm_disk_piece ***last,
    size_t *n_pieces) {
    uint64_t begin, length;
    fm_disk_window(range->offset, range->size, &begin, &length);
    const uint64_t n = (length + r->request - 1) / r->request, blocks = length / FM_DISK_ALIGNMENT;
    for (uint64_t i = 0; i < n; i++) {
        struct fm_disk_piece *piece = new_piece(r);
        if (!piece) return false;
        const uint64_t from = blocks * i / n * FM_DISK_ALIGNMENT,
                       to = blocks * (i + 1) / n * FM_DISK_ALIGNMENT;
        *piece = (struct fm_disk_piece){
            .ticket = r->next_ticket,
            .offset = begin + from,
            .dst = (uint8_t *)range->window + from,
            .size = (uint32_t)(to - from),
            .file = range->file,
        };
        **last = piece;
        *last = &piece->next;
        ++*n_pieces;
    }
    return true;
}

static bool grow_tickets(struct fm_disk_reader *r) {
    if (r->n_tickets < r->capacity) return true;
    const size_t capacity = r->capacity ? 2 * r->capacity : 32;
    struct fm_disk_ticket *tickets = realloc(r->tickets, capacity * sizeof(*tickets));
    if (!tickets) return false;
    r->tickets = tickets;
    r->capacity = capacity;
    return true;
}

// Logs that the mirror failed. The lock is held, and is released meanwhile.
static void tell(struct fm_disk_reader *r) {
    if (!r->note[0]) return;
    char note[sizeof(r->note)];
    memcpy(note, r->note, sizeof(note));
    r->note[0] = 0;
    pthread_mutex_unlock(&r->lock);
    fm_log(&r->log, FATHOM_LOG_WARNING, "%s; the mirrors are no longer read", note);
    pthread_mutex_lock(&r->lock);
}

static bool failed(struct fm_disk_reader *r, struct fathom_error *err) {
    r->failure_told = true;
    return fm_fail(err, r->failed.status, "%s", r->failed.message);
}

bool fm_disk_submit(struct fm_disk_reader *r, const struct fm_disk_range *ranges, size_t n_ranges,
    uint64_t *ticket, struct fathom_error *err) {
    for (size_t i = 0; i < n_ranges; i++)
        if (!check(r, &ranges[i], err)) return false;
    struct fm_disk_piece *first = NULL, **last = &first;
    size_t n_pieces = 0;
    bool ok = true;
    pthread_mutex_lock(&r->lock);
    tell(r);
    while (r->failing) pthread_cond_wait(&r->ended, &r->lock);
    if (r->failed_before && !r->failure_told) {
        ok = failed(r, err);
    } else {
        ok = grow_tickets(r);
        for (size_t i = 0; i < n_ranges && ok; i++) ok = cut(r, &ranges[i], &last, &n_pieces);
        if (!ok) fm_fail(err, FATHOM_NO_MEMORY, "out of host memory for reads of a file");
    }
    if (ok && first) {
        *r->last = first;
        r->last = last;
        r->tickets[r->n_tickets++] = (struct fm_disk_ticket){r->next_ticket, n_pieces};
        r->ops->poke(r);
    } else {
        *last = r->unused;
        r->unused = first;
    }
    if (ok) *ticket = r->next_ticket++;
    pthread_mutex_unlock(&r->lock);
    return ok;
}

static bool is_done(const struct fm_disk_reader *r, uint64_t ticket) {
    for (size_t i = 0; i < r->n_tickets; i++)
        if (r->tickets[i].number == ticket) return false;
    return true;
}

bool fm_disk_done(struct fm_disk_reader *r, uint64_t ticket) {
    pthread_mutex_lock(&r->lock);
    const bool done = is_done(r, ticket);
    pthread_mutex_unlock(&r->lock);
    return done;
}

bool fm_disk_wait_for(struct fm_disk_reader *r, uint64_t ticket, double seconds) {
    const struct timespec until = fm_clock_after(seconds);
    pthread_mutex_lock(&r->lock);
    while (!is_done(r, ticket) && !pthread_cond_timedwait(&r->ended, &r->lock, &until)) {}
    const bool done = is_done(r, ticket);
    pthread_mutex_unlock(&r->lock);
    return done;
}

bool fm_disk_wait(struct fm_disk_reader *r, uint64_t ticket, struct fathom_error *err) {
    pthread_mutex_lock(&r->lock);
    while (!is_done(r, ticket)) pthread_cond_wait(&r->ended, &r->lock);
    tell(r);
    const bool ok = ticket >= r->failed_before || failed(r, err);
    pthread_mutex_unlock(&r->lock);
    return ok;
}

struct fm_disk_counts fm_disk_counts(struct fm_disk_reader *r) {
    pthread_mutex_lock(&r->lock);
    const bool busy = r->drives[0].in_flight || r->drives[1].in_flight;
    const struct fm_disk_counts counts = {
        .bytes = r->drives[0].bytes + r->drives[1].bytes,
        .mirror_bytes = r->drives[1].bytes,
        .seconds = r->busy + (busy ? fm_clock() - r->since : 0),
    };
    pthread_mutex_unlock(&r->lock);
    return counts;
}
