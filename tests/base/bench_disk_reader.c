// Measures how fast ranges at scattered places of a file are read:
//   bench_disk_reader FILE [--engine io_uring|threads|mmap] [--size 1M] [--request SIZE] [--depth 8]
//   [--seconds 2]
//                     [--parts 1] [--burst 0] [--mirror PATH]
// A ticket has `parts` ranges of `size` bytes, and is read in requests of `request` bytes (0: of the size),
// with `depth` of them in flight. With a burst, that many tickets are submitted and all are awaited, as a
// step awaits its experts; otherwise the queue is never empty. The engine "mmap" copies from the mapped file
// with `depth` threads, after the system was told to forget the file's pages. Prints bytes a second.
#include "base/clock.h"
#include "base/disk_reader.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct bench {
    const char *path, *mirror, *engine;
    uint64_t size, request, depth, parts, burst;
    double seconds;
    struct fm_mapped_file mapped;
    uint64_t next; // range
    double rate;
};

// Offsets of all ranges that do not overlap, scattered, each once before any comes again.
static uint64_t next_offset(struct bench *b) {
    const uint64_t n = b->mapped.size / b->size, i = __atomic_fetch_add(&b->next, 1, __ATOMIC_RELAXED);
    uint64_t stride = (uint64_t)(0.618 * (double)n) | 1;
    for (uint64_t x = n, y = stride; y;) { // until it has no common divisor with n
        const uint64_t rest = x % y;
        x = y;
        y = rest;
        if (!y && x != 1) y = stride += 2, x = n;
    }
    return i % n * stride % n * b->size;
}

static bool no_memory(struct fathom_error *err) {
    return fm_fail(err, FATHOM_NO_MEMORY, "out of memory");
}

// Submits a ticket whose windows lie one after the other in `buffer`.
static bool submit(
    struct bench *b, struct fm_disk_reader *r, uint8_t *buffer, uint64_t *ticket, struct fathom_error *err) {
    struct fm_disk_range ranges[64];
    for (uint64_t i = 0; i < b->parts; i++)
        ranges[i] =
            (struct fm_disk_range){0, next_offset(b), b->size, buffer + i * (b->size + FM_DISK_ALIGNMENT)};
    return fm_disk_submit(r, ranges, b->parts, ticket, err);
}

static bool read_all(struct bench *b, struct fm_disk_reader *r, struct fathom_error *err) {
    const uint64_t requests = b->parts * ((b->size + b->request - 1) / b->request),
                   count = b->burst ? b->burst : 2 * b->depth / requests + 2;
    const size_t room = b->parts * (b->size + FM_DISK_ALIGNMENT);
    uint64_t *tickets = calloc(count, sizeof(*tickets));
    uint8_t *buffer = aligned_alloc(FM_DISK_ALIGNMENT, count * room);
    bool ok = (tickets && buffer) || no_memory(err);
    if (ok) memset(buffer, 1, count * room); // pages that exist
    b->next = (uint64_t)(1e6 * fm_clock());
    double start = fm_clock();
    const double end = start + b->seconds;
    uint64_t begun = 0, ended = 0;
    while (ok && (fm_clock() < end || ended < begun)) {
        if (fm_clock() < end && begun < ended + count && (!b->burst || begun % count || begun == ended)) {
            ok = submit(b, r, buffer + begun % count * room, &tickets[begun % count], err);
            begun += ok;
        } else {
            ok = fm_disk_wait(r, tickets[ended % count], err);
            ended += ok;
        }
    }
    b->rate = (double)(ended * b->parts * b->size) / (fm_clock() - start);
    free(tickets);
    free(buffer);
    return ok;
}

static bool with_reader(struct bench *b, struct fathom_error *err) {
    const struct fm_disk_params params = {
        .engine = strcmp(b->engine, "threads") ? FM_DISK_RING : FM_DISK_THREADS,
        .request = (uint32_t)b->request,
        .depth = (uint32_t)b->depth,
    };
    struct fm_disk_reader *r = fm_disk_open(&params, err);
    bool ok = r && fm_disk_add(r, &b->mapped, b->mirror, NULL, err);
    if (ok && !fm_disk_is_direct(r, 0)) fprintf(stderr, "%s: read through the page cache\n", b->path);
    ok = ok && read_all(b, r, err);
    fm_disk_close(&r);
    return ok;
}

struct copier {
    struct bench *bench;
    uint64_t bytes;
    double end;
};

static void *copy(void *user) {
    struct copier *c = user;
    uint8_t *to = malloc(c->bench->size);
    while (to && fm_clock() < c->end) {
        memcpy(to, c->bench->mapped.data + next_offset(c->bench), c->bench->size);
        c->bytes += c->bench->size;
    }
    free(to);
    return NULL;
}

static bool with_map(struct bench *b, struct fathom_error *err) {
    pthread_t threads[256];
    struct copier copiers[256];
    const int fd = open(b->path, O_RDONLY);
    if (fd < 0 || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
        return fm_fail(err, FATHOM_IO, "%s: its pages stay in memory", b->path);
    close(fd);
    posix_madvise((void *)(uintptr_t)b->mapped.data, (size_t)b->mapped.size, POSIX_MADV_NORMAL);
    b->next = (uint64_t)(1e6 * fm_clock());
    const double start = fm_clock();
    uint64_t bytes = 0;
    for (uint64_t i = 0; i < b->depth; i++) {
        copiers[i] = (struct copier){b, 0, start + b->seconds};
        if (pthread_create(&threads[i], NULL, copy, &copiers[i]) != 0) abort();
    }
    for (uint64_t i = 0; i < b->depth; i++) {
        pthread_join(threads[i], NULL);
        bytes += copiers[i].bytes;
    }
    b->rate = (double)bytes / (fm_clock() - start);
    return true;
}

static uint64_t number(const char *text) {
    char *end;
    const uint64_t value = strtoull(text, &end, 10);
    return *end == 'K' ? value << 10 : *end == 'M' ? value << 20 : value;
}

int main(int argc, char **argv) {
    struct bench b = {.engine = "io_uring", .size = 1 << 20, .depth = 8, .parts = 1, .seconds = 2};
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (argv[i][0] != '-') {
            b.path = argv[i];
            continue;
        }
        if (!strcmp(argv[i], "--engine")) b.engine = value;
        if (!strcmp(argv[i], "--mirror")) b.mirror = value;
        if (!strcmp(argv[i], "--size")) b.size = number(value);
        if (!strcmp(argv[i], "--request")) b.request = number(value);
        if (!strcmp(argv[i], "--depth")) b.depth = number(value);
        if (!strcmp(argv[i], "--parts")) b.parts = number(value);
        if (!strcmp(argv[i], "--burst")) b.burst = number(value);
        if (!strcmp(argv[i], "--seconds")) b.seconds = atof(value);
        i++;
    }
    if (!b.request) b.request = b.size;
    if (!b.path || !b.size || b.size % FM_DISK_ALIGNMENT || b.depth < 1 || b.depth > 256 || b.parts < 1 ||
        b.parts > 64) {
        fprintf(stderr,
            "usage: %s FILE [--engine io_uring|threads|mmap] [--size 1M] [--request 1M] [--depth 8]\n"
            "  [--seconds 2] [--parts 1] [--burst 0] [--mirror PATH]; sizes are multiples of 4K\n",
            argv[0]);
        return 2;
    }
    struct fathom_error err = {0};
    bool ok = fm_mapped_file_open(&b.mapped, b.path, &err);
    if (ok && b.mapped.size < b.size) ok = fm_fail(&err, FATHOM_INVALID, "%s: is too small", b.path);
    ok = ok && (strcmp(b.engine, "mmap") ? with_reader(&b, &err) : with_map(&b, &err));
    if (ok) printf("%.0f bytes/s\n", b.rate);
    if (!ok) fprintf(stderr, "%s\n", err.message);
    fm_mapped_file_close(&b.mapped);
    return !ok;
}
