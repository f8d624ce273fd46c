// The queue of requests: which drive gets the next one, and what its end means.
#include "base/disk_queue.h"
#include "base/clock.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { MAX_TRIES = 1000 }; // EAGAIN in a row

static double rate(const struct fm_disk_drive *drive, const struct fm_disk_drive *other) {
    if (drive->rate_bytes > 0) return drive->rate_bytes / drive->rate_seconds;
    return other->rate_bytes > 0 ? other->rate_bytes / other->rate_seconds : 1;
}

// The drive that would end the piece first, by the rates of both. A slow drive so gets less, and holds up the
// last pieces of an expert no longer than the other would.
static int choose(const struct fm_disk_reader *r, const struct fm_disk_piece *piece) {
    const struct fm_disk_drive *a = &r->drives[0], *b = &r->drives[1];
    if (r->mirror_failed || r->files[piece->file].copies[1].fd < 0) return 0;
    const double size = piece->size, to_a = ((double)a->in_flight_bytes + size) / rate(a, b),
                 to_b = ((double)b->in_flight_bytes + size) / rate(b, a);
    return to_b < to_a;
}

struct fm_disk_piece *fm_disk_take(struct fm_disk_reader *r) {
    struct fm_disk_piece *piece = r->first;
    if (!piece) return NULL;
    piece->drive = choose(r, piece);
    struct fm_disk_drive *drive = &r->drives[piece->drive];
    if (drive->in_flight == r->depth) return NULL;
    r->first = piece->next;
    if (!r->first) r->last = &r->first;
    const struct fm_disk_copy *copy = &r->files[piece->file].copies[piece->drive];
    piece->fd = copy->fd;
    piece->taken = piece->size;
    const double now = fm_clock();
    if (!r->drives[0].in_flight && !r->drives[1].in_flight) r->since = now;
    if (!drive->in_flight++) drive->since = now;
    drive->in_flight_bytes += piece->size;
    return piece;
}

static void put_back(struct fm_disk_reader *r, struct fm_disk_piece *piece) {
    piece->next = r->first;
    if (!r->first) r->last = &piece->next;
    r->first = piece;
}

static void drop(struct fm_disk_reader *r, struct fm_disk_piece *piece) {
    piece->next = r->unused;
    r->unused = piece;
}

static void end_piece(struct fm_disk_reader *r, struct fm_disk_piece *piece) {
    size_t i = 0;
    while (r->tickets[i].number != piece->ticket) i++;
    if (!--r->tickets[i].left) {
        r->tickets[i] = r->tickets[--r->n_tickets];
        pthread_cond_signal(&r->ended);
    }
    drop(r, piece);
}

uint64_t fm_disk_cancel(struct fm_disk_reader *r, uint64_t ticket) {
    uint64_t bytes = 0;
    pthread_mutex_lock(&r->lock);
    struct fm_disk_piece **at = &r->first;
    for (struct fm_disk_piece *piece; (piece = *at);) {
        if (piece->ticket != ticket) {
            at = &piece->next;
            continue;
        }
        *at = piece->next;
        bytes += piece->size;
        end_piece(r, piece);
    }
    r->last = at;
    pthread_mutex_unlock(&r->lock);
    return bytes;
}

static void count(struct fm_disk_reader *r, const struct fm_disk_piece *piece, int64_t n) {
    struct fm_disk_drive *drive = &r->drives[piece->drive];
    const double now = fm_clock();
    drive->in_flight--;
    drive->in_flight_bytes -= piece->taken;
    drive->rate_seconds += now - drive->since;
    drive->since = now;
    if (n > 0) {
        drive->bytes += (uint64_t)n;
        drive->rate_bytes += (double)n;
    }
    if (drive->rate_seconds > 1) { // older reads count half, because rates change
        drive->rate_seconds /= 2;
        drive->rate_bytes /= 2;
    }
    if (!r->drives[0].in_flight && !r->drives[1].in_flight) r->busy += now - r->since;
}

// Says in `text` why a piece failed.
static void explain(const struct fm_disk_reader *r, const struct fm_disk_piece *piece, int64_t result,
    char *text, size_t size) {
    const struct fm_disk_file *file = &r->files[piece->file];
    if (result < 0)
        snprintf(text, size, "%s: cannot read %lu bytes at offset %llu: %s", file->copies[piece->drive].path,
            (unsigned long)piece->taken, (unsigned long long)piece->offset, strerror((int)-result));
    else
        snprintf(text, size,
            "%s: is shorter than when it was opened: it ends at byte %llu, and had %llu bytes",
            file->copies[piece->drive].path, (unsigned long long)(piece->offset + (uint64_t)result),
            (unsigned long long)file->size);
}

static void fail(struct fm_disk_reader *r, const char *text) {
    if (!r->failing) {
        r->failed = (struct fathom_error){0};
        fm_fail(&r->failed, FATHOM_IO, "%s", text);
    }
    r->failing = true;
    for (struct fm_disk_piece *piece; (piece = r->first);) {
        r->first = piece->next;
        drop(r, piece);
    }
    r->last = &r->first;
}

// Gives the piece, which read n bytes, an end or another turn. Returns false when the piece failed.
static bool go_on(struct fm_disk_reader *r, struct fm_disk_piece *piece, int64_t n) {
    const struct fm_disk_file *file = &r->files[piece->file];
    if ((n == -EINTR || n == -EAGAIN) && piece->tries++ < MAX_TRIES) {
        put_back(r, piece);
        return true;
    }
    if (n < 0) return false;
    if (n >= piece->size || piece->offset + (uint64_t)n >= file->size) {
        end_piece(r, piece);
        return true;
    }
    // a direct read goes on at an aligned byte; one that gives no aligned byte is at the end
    const uint32_t more =
        file->copies[piece->drive].direct ? (uint32_t)n / FM_DISK_ALIGNMENT * FM_DISK_ALIGNMENT : (uint32_t)n;
    if (!more) return false;
    piece->offset += more;
    piece->dst += more;
    piece->size -= more;
    piece->tries = 0;
    put_back(r, piece);
    return true;
}

void fm_disk_finish(struct fm_disk_reader *r, struct fm_disk_piece *piece, int64_t result) {
    count(r, piece, result);
    if (r->failing) {
        drop(r, piece);
    } else if (!go_on(r, piece, result)) {
        char text[sizeof(r->note)];
        explain(r, piece, result, text, sizeof(text));
        if (piece->drive) {
            if (!r->mirror_failed) memcpy(r->note, text, sizeof(text));
            r->mirror_failed = true;
            piece->tries = 0;
            put_back(r, piece);
        } else {
            fail(r, text);
            drop(r, piece);
        }
    }
    if (r->failing && !r->drives[0].in_flight && !r->drives[1].in_flight) {
        r->failing = r->failure_told = false;
        r->failed_before = r->next_ticket;
        r->n_tickets = 0;
        pthread_cond_signal(&r->ended);
    }
}

bool fm_disk_is_over(const struct fm_disk_reader *r) {
    return r->stopping && !r->first && !r->drives[0].in_flight && !r->drives[1].in_flight;
}

bool fm_disk_thread(pthread_t *thread, void *(*run)(void *), void *user) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(thread, NULL, run, user);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error == 0;
}
