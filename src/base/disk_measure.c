// The rate of the reader's drives.
#include "base/clock.h"
#include "base/disk_queue.h"
#include <stdlib.h>

static uint64_t next(uint64_t *state) { // splitmix64
    uint64_t x = *state += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

// A request at a random place of all files, which have `total` bytes.
static struct fm_disk_range random_range(
    const struct fm_disk_reader *r, uint64_t total, uint64_t *state, void *dst) {
    uint64_t at = next(state) % total;
    uint32_t file = 0;
    while (at >= r->files[file].size) at -= r->files[file++].size;
    at = at / FM_DISK_ALIGNMENT * FM_DISK_ALIGNMENT;
    const uint64_t left = r->files[file].size - at;
    return (struct fm_disk_range){file, at, left < r->request ? left : r->request, dst};
}

bool fm_disk_measure(
    struct fm_disk_reader *r, double seconds, double *bytes_per_second, struct fathom_error *err) {
    uint64_t total = 0;
    bool mirror = false;
    for (uint32_t i = 0; i < r->n_files; i++) {
        total += r->files[i].size;
        mirror |= r->files[i].copies[1].fd >= 0;
    }
    if (!total) return fm_fail(err, FATHOM_INVALID, "the rate of a drive was asked for without a file");
    const uint32_t count = r->depth * (mirror ? 4 : 2); // half waits
    uint64_t tickets[4 * FM_DISK_MAX_DEPTH];
    uint8_t *buffer = aligned_alloc(FM_DISK_ALIGNMENT, (size_t)count * r->request);
    if (!buffer)
        return fm_fail(
            err, FATHOM_NO_MEMORY, "out of host memory for %u reads of %u bytes", count, r->request);
    const double start = fm_clock();
    const uint64_t before = fm_disk_counts(r).bytes;
    // other offsets each time: below the system there may be another cache
    uint64_t state = (uint64_t)(1e9 * start), begun = 0, ended = 0;
    bool ok = true;
    while (ok && (begun == 0 || ended < begun)) {
        const bool more = begun < count || fm_clock() - start < seconds;
        if (more && begun < ended + count) {
            const struct fm_disk_range range =
                random_range(r, total, &state, buffer + begun % count * r->request);
            ok = fm_disk_submit(r, &range, 1, &tickets[begun % count], err);
            begun += ok;
        } else {
            ok = fm_disk_wait(r, tickets[ended % count], err);
            ended += ok;
        }
    }
    for (; ended < begun; ended++) fm_disk_wait(r, tickets[ended % count], NULL); // into the buffer
    *bytes_per_second = (double)(fm_disk_counts(r).bytes - before) / (fm_clock() - start);
    free(buffer);
    return ok;
}
