// Opening a file and its mirror for direct reads.
#define _GNU_SOURCE // O_DIRECT, statx()
#include "base/disk_queue.h"
#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef O_DIRECT
#define O_DIRECT 0
#endif
// Bytes at each end of a mirror that are compared. At the end of the file they begin at an aligned offset, so
// that up to FM_DISK_ALIGNMENT bytes fewer are compared: 64 KiB at least.
// PARTS: of a mirror, which are compared with the file's.
enum { PARTS = 32, PART_BYTES = (64 << 10) + FM_DISK_ALIGNMENT };

// Whether the file system's requirement for direct reads is met by FM_DISK_ALIGNMENT. A system that does not
// tell requires the size of a block, which is no larger.
static bool takes_direct(int fd) {
#ifdef STATX_DIOALIGN
    struct statx s;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &s) == 0 && s.stx_mask & STATX_DIOALIGN)
        return s.stx_dio_offset_align && FM_DISK_ALIGNMENT % s.stx_dio_offset_align == 0 &&
            FM_DISK_ALIGNMENT % s.stx_dio_mem_align == 0;
#endif
    (void)fd;
    return O_DIRECT != 0;
}

static ssize_t read_at(int fd, void *dst, size_t size, uint64_t offset) {
    ssize_t n;
    do n = pread(fd, dst, size, (off_t)offset);
    while (n < 0 && errno == EINTR);
    return n;
}

// Opens a copy, tries a direct read, and falls back to the page cache.
static bool open_copy(struct fm_disk_copy *copy, const char *path, void *block, const struct fathom_log *log,
    struct fathom_error *err) {
    const int flags = O_RDONLY | O_CLOEXEC; // O_NONBLOCK would make io_uring return EAGAIN
    copy->path = strdup(path);
    if (!copy->path) return fm_fail(err, FATHOM_NO_MEMORY, "%s: out of host memory", path);
    copy->fd = open(path, flags | O_DIRECT);
    copy->direct = copy->fd >= 0 && takes_direct(copy->fd) &&
        (read_at(copy->fd, block, FM_DISK_ALIGNMENT, 0) >= 0 || errno != EINVAL);
    if (!copy->direct && (copy->fd >= 0 || errno == EINVAL)) {
        if (copy->fd >= 0) close(copy->fd);
        copy->fd = open(path, flags);
        if (copy->fd >= 0)
            fm_log(log, FATHOM_LOG_NOTICE,
                "%s: its file system takes no direct reads: read through the page cache", path);
    }
    if (copy->fd < 0) return fm_fail(err, FATHOM_IO, "%s: cannot open: %s", path, strerror(errno));
#ifdef POSIX_FADV_RANDOM
    // no reading ahead: what follows an expert in the file is another expert
    if (!copy->direct) posix_fadvise(copy->fd, 0, 0, POSIX_FADV_RANDOM);
#endif
    return true;
}

// Compares both copies around `offset`, which is aligned. `blocks` has room for PART_BYTES bytes twice.
static bool same_part(
    const struct fm_disk_file *file, uint64_t offset, uint8_t *blocks, struct fathom_error *err) {
    const struct fm_disk_copy *a = &file->copies[0], *b = &file->copies[1];
    const uint64_t wanted = file->size - offset < PART_BYTES ? file->size - offset : PART_BYTES;
    for (int i = 0; i < 2; i++) {
        const ssize_t n = read_at(file->copies[i].fd, blocks + i * PART_BYTES, PART_BYTES, offset);
        if (n < 0 || (uint64_t)n < wanted)
            return fm_fail(err, FATHOM_IO, "%s: cannot read %llu bytes at %llu: %s", file->copies[i].path,
                (unsigned long long)wanted, (unsigned long long)offset,
                n < 0 ? strerror(errno) : "it ends before");
    }
    if (!memcmp(blocks, blocks + PART_BYTES, wanted)) return true;
    return fm_fail(err, FATHOM_INVALID, "%s: is no copy of %s: the %llu bytes at %llu differ", b->path,
        a->path, (unsigned long long)wanted, (unsigned long long)offset);
}

static bool open_mirror(struct fm_disk_file *file, const struct fm_mapped_file *mapped, const char *mirror,
    uint8_t *blocks, const struct fathom_log *log, struct fathom_error *err) {
    struct stat status;
    char *joined = NULL;
    bool ok = stat(mirror, &status) == 0 ||
        fm_fail(
            err, FATHOM_IO, "%s, the mirror of %s: cannot open: %s", mirror, mapped->path, strerror(errno));
    if (ok && S_ISDIR(status.st_mode)) {
        const char *slash = strrchr(mapped->path, '/'), *name = slash ? slash + 1 : mapped->path;
        const size_t size = strlen(mirror) + strlen(name) + 2;
        joined = malloc(size);
        if (!joined) return fm_fail(err, FATHOM_NO_MEMORY, "%s: out of host memory", mirror);
        snprintf(joined, size, "%s/%s", mirror, name);
        mirror = joined;
        ok = stat(mirror, &status) == 0 ||
            fm_fail(err, FATHOM_IO, "%s, the mirror of %s: cannot open: %s", mirror, mapped->path,
                strerror(errno));
    }
    if (ok && !S_ISREG(status.st_mode))
        ok = fm_fail(err, FATHOM_IO, "%s, the mirror of %s: is not a plain file", mirror, mapped->path);
    if (ok && fm_mapped_file_is(mapped, mirror))
        ok = fm_fail(err, FATHOM_INVALID, "%s: is the file %s itself; a mirror is a copy on another drive",
            mirror, mapped->path);
    if (ok && (uint64_t)status.st_size != mapped->size)
        ok = fm_fail(err, FATHOM_INVALID, "%s: is no copy of %s: it has %llu bytes, expected %llu", mirror,
            mapped->path, (unsigned long long)status.st_size, (unsigned long long)mapped->size);
    ok = ok && open_copy(&file->copies[1], mirror, blocks, log, err);
    const uint64_t last = file->size > PART_BYTES ? file->size - PART_BYTES + FM_DISK_ALIGNMENT - 1 : 0;
    for (uint64_t i = 0; ok && i < PARTS; i++) // the first and the last bytes, and others between
        ok = same_part(file,
            (uint64_t)((double)last * (double)i / (PARTS - 1)) / FM_DISK_ALIGNMENT * FM_DISK_ALIGNMENT,
            blocks, err);
    free(joined);
    return ok;
}

static bool replaced(const struct fm_mapped_file *mapped, struct fathom_error *err) {
    return fm_fail(err, FATHOM_IO,
        "%s: was replaced, changed or removed since it was opened; open the model again", mapped->path);
}

bool fm_disk_file_open(struct fm_disk_file *file, const struct fm_mapped_file *mapped, const char *mirror,
    const struct fathom_log *log, struct fathom_error *err) {
    *file = (struct fm_disk_file){.copies = {{.fd = -1}, {.fd = -1}}, .size = mapped->size};
    uint8_t *blocks = aligned_alloc(FM_DISK_ALIGNMENT, 2 * PART_BYTES);
    bool ok = blocks || fm_fail(err, FATHOM_NO_MEMORY, "%s: out of host memory", mapped->path);
    ok = ok && (fm_mapped_file_is(mapped, mapped->path) || replaced(mapped, err)) &&
        open_copy(&file->copies[0], mapped->path, blocks, log, err);
    struct stat status;
    if (ok &&
        (fstat(file->copies[0].fd, &status) != 0 || status.st_dev != mapped->device ||
            status.st_ino != mapped->number || (uint64_t)status.st_size != mapped->size))
        ok = replaced(mapped, err);
    ok = ok && (!mirror || open_mirror(file, mapped, mirror, blocks, log, err));
    free(blocks);
    if (!ok) fm_disk_file_close(file);
    return ok;
}

void fm_disk_file_close(struct fm_disk_file *file) {
    for (int i = 0; i < 2; i++) {
        if (file->copies[i].fd >= 0) close(file->copies[i].fd);
        free(file->copies[i].path);
    }
}
