#include "base/mapped_file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

bool fm_mapped_file_open(struct fm_mapped_file *file, const char *path, struct fathom_error *err) {
    *file = (struct fm_mapped_file){0};
    // O_NONBLOCK: opening a pipe would otherwise wait for a writer
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return fm_fail(err, FATHOM_IO, "%s: cannot open: %s", path, strerror(errno));
    char *name = NULL;
    struct stat status;
    if (fstat(fd, &status) != 0) {
        fm_fail(err, FATHOM_IO, "%s: cannot read: %s", path, strerror(errno));
        goto fail;
    }
    if (!S_ISREG(status.st_mode)) {
        fm_fail(err, FATHOM_IO, "%s: is not a plain file", path);
        goto fail;
    }
    if (status.st_size == 0) {
        fm_fail(err, FATHOM_INVALID, "%s: is empty", path);
        goto fail;
    }
    name = strdup(path);
    if (!name) {
        fm_fail(err, FATHOM_NO_MEMORY, "%s: out of host memory", path);
        goto fail;
    }
    void *data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED) {
        fm_fail(err, FATHOM_IO, "%s: cannot map %lld bytes: %s", path, (long long)status.st_size,
            strerror(errno));
        goto fail;
    }
    close(fd);
    *file = (struct fm_mapped_file){
        .data = data,
        .size = (uint64_t)status.st_size,
        .device = status.st_dev,
        .number = status.st_ino,
        .path = name,
    };
    return true;
fail:
    free(name);
    close(fd);
    return false;
}

bool fm_mapped_file_of_memory(struct fm_mapped_file *file, const char *name, const void *data, uint64_t size,
    struct fathom_error *err) {
    *file = (struct fm_mapped_file){.data = data, .size = size, .path = strdup(name), .memory = true};
    return file->path || fm_fail(err, FATHOM_NO_MEMORY, "%s: out of host memory", name);
}

void fm_mapped_file_expect(const struct fm_mapped_file *file) {
    posix_madvise((void *)(uintptr_t)file->data, (size_t)file->size, POSIX_MADV_WILLNEED);
}

uint64_t fm_mapped_file_readable(const struct fm_mapped_file *file) {
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    const uint64_t begin = (uintptr_t)file->data; // a file begins a page, memory may begin anywhere
    return (begin + file->size + page - 1) / page * page - begin;
}

bool fm_mapped_file_is(const struct fm_mapped_file *file, const char *path) {
    struct stat status;
    return !file->memory && stat(path, &status) == 0 && status.st_dev == file->device &&
        status.st_ino == file->number;
}

void fm_mapped_file_close(struct fm_mapped_file *file) {
    if (file->data && !file->memory) munmap((void *)(uintptr_t)file->data, (size_t)file->size);
    free(file->path);
    *file = (struct fm_mapped_file){0};
}
