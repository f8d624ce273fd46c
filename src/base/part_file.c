#define _GNU_SOURCE // O_TMPFILE
#include "base/part_file.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_LINKS = 40, MAX_NAMES = 100 };

static bool no_memory(const char *path, struct fathom_error *err) {
    return fm_fail(err, FATHOM_NO_MEMORY, "%s: out of host memory", path);
}

static bool io_failed(const struct fm_part_file *f, const char *what, struct fathom_error *err) {
    const int error = errno;
    char of[32] = "";
    if (f->size) snprintf(of, sizeof(of), " of %llu", (unsigned long long)f->size);
    if (error == ENOSPC || error == EDQUOT || error == EFBIG)
        return fm_fail(err, FATHOM_IO, "%s: no room for the file: %s after %llu%s bytes", f->path,
            strerror(error), (unsigned long long)f->written, of);
    return fm_fail(err, FATHOM_IO, "%s: %s failed: %s", f->path, what, strerror(error));
}

// Replaces *path, which is the name of a link, by the name that the link holds. Returns false with errno set.
static bool follow(char **path) {
    char target[PATH_MAX];
    const ssize_t n = readlink(*path, target, sizeof(target) - 1);
    if (n < 0) return false;
    target[n] = 0;
    const char *slash = strrchr(*path, '/');
    const size_t folder = target[0] == '/' || !slash ? 0 : (size_t)(slash - *path) + 1;
    char *joined = malloc(folder + (size_t)n + 1);
    if (!joined) return false;
    memcpy(joined, *path, folder);
    memcpy(joined + folder, target, (size_t)n + 1);
    free(*path);
    *path = joined;
    return true;
}

static const char *kind_of(mode_t mode) {
    return S_ISDIR(mode) ? "a folder" : S_ISFIFO(mode) ? "a pipe" : S_ISSOCK(mode) ? "a socket" : "a device";
}

// Sets f->path to where the file goes.
static bool find_place(struct fm_part_file *f, const char *path, struct fathom_error *err) {
    struct stat status;
    if (!path[0]) return fm_fail(err, FATHOM_INVALID, "the name of the output is empty");
    if (!(f->path = strdup(path))) return no_memory(path, err);
    for (int i = 0; lstat(f->path, &status) == 0; i++) {
        if (S_ISREG(status.st_mode)) return true;
        if (!S_ISLNK(status.st_mode))
            return fm_fail(err, FATHOM_INVALID,
                "%s: is %s; an output is a plain file, or a name that is free", path,
                kind_of(status.st_mode));
        if (i == MAX_LINKS) errno = ELOOP;
        if (i == MAX_LINKS || !follow(&f->path))
            return fm_fail(err, FATHOM_IO, "%s: cannot follow the link: %s", path, strerror(errno));
    }
    return true; // what hinders is found when the file is created
}

// The name of an open file for linkat().
static void descriptor_path(int fd, char path[64]) {
    snprintf(path, 64, "/proc/self/fd/%d", fd);
}

// Opens a file without a name in the folder of f->path. Returns -1 where the system cannot.
static int open_nameless(const struct fm_part_file *f) {
    int fd = -1;
#ifdef O_TMPFILE
    struct stat status;
    char self[64], *copy = strdup(f->path);
    if (!copy) return -1;
    fd = open(dirname(copy), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
    free(copy);
    descriptor_path(fd, self);
    if (fd >= 0 && stat(self, &status) != 0) { // without /proc the file could never get a name
        close(fd);
        fd = -1;
    }
#endif
    return fd;
}

// Calls `take` with f->part set to one name after the other, until one is free.
static int take_name(struct fm_part_file *f, int (*take)(const struct fm_part_file *f, int fd), int fd) {
    const size_t size = strlen(f->path) + 48;
    int result = -1;
    if (!(f->part = malloc(size))) return -1;
    errno = EEXIST;
    for (int i = 0; result < 0 && errno == EEXIST && i < MAX_NAMES; i++) {
        snprintf(f->part, size, i ? "%s.part%ld-%d" : "%s.part%ld", f->path, (long)getpid(), i);
        result = take(f, fd);
    }
    if (result >= 0) return result;
    const int error = errno;
    free(f->part); // the file of that name is another's and must not be removed
    f->part = NULL;
    errno = error;
    return -1;
}

static int create_named(const struct fm_part_file *f, int fd) {
    (void)fd;
    return open(f->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
}

static int link_named(const struct fm_part_file *f, int fd) {
    char self[64];
    descriptor_path(fd, self);
    return linkat(AT_FDCWD, self, AT_FDCWD, f->part, AT_SYMLINK_FOLLOW);
}

// Moves the descriptor past those of standard input, output and error: where the program has closed one of
// them, what is printed must not land in the file.
static int past_standard(int fd) {
    if (fd < 0 || fd > STDERR_FILENO) return fd;
    const int moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1), error = errno;
    close(fd);
    errno = error;
    return moved;
}

bool fm_part_file_create(struct fm_part_file *f, const char *path, struct fathom_error *err) {
    *f = (struct fm_part_file){0};
    int fd = -1;
    if (!find_place(f, path, err)) goto fail;
    fd = past_standard(open_nameless(f));
    if (fd < 0) fd = past_standard(take_name(f, create_named, -1));
    if (fd >= 0) f->file = fdopen(fd, "wb");
    if (f->file) return true;
    fm_fail(err, FATHOM_IO, "%s: cannot create: %s", path, strerror(errno));
    if (fd >= 0) close(fd);
fail:
    fm_part_file_discard(f);
    return false;
}

bool fm_part_file_write(struct fm_part_file *f, const void *data, uint64_t size, struct fathom_error *err) {
    if (size && fwrite(data, 1, size, f->file) != size) return io_failed(f, "writing", err);
    f->written += size;
    return true;
}

bool fm_part_file_flush(struct fm_part_file *f, struct fathom_error *err) {
    return (fflush(f->file) == 0 && fsync(fileno(f->file)) == 0) || io_failed(f, "writing", err);
}

// Writes the new name to the disk. Some file systems cannot sync a folder; that is not an error.
static void sync_folder(const char *path) {
    char *copy = strdup(path);
    if (!copy) return;
    const int fd = open(dirname(copy), O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(copy);
}

bool fm_part_file_finish(struct fm_part_file *f, bool durable, struct fathom_error *err) {
    if (durable ? !fm_part_file_flush(f, err) : fflush(f->file) != 0 && !io_failed(f, "writing", err))
        return false;
    if (!f->part && take_name(f, link_named, fileno(f->file)) < 0)
        return io_failed(f, "naming the finished file", err);
    FILE *file = f->file;
    f->file = NULL;
    if (fclose(file) != 0) return io_failed(f, "closing", err);
    if (rename(f->part, f->path) != 0) return io_failed(f, "renaming the finished file", err);
    if (durable) sync_folder(f->path);
    free(f->part);
    f->part = NULL;
    fm_part_file_discard(f);
    return true;
}

void fm_part_file_discard(struct fm_part_file *f) {
    if (f->file) fclose(f->file);
    if (f->part) unlink(f->part);
    free(f->part);
    free(f->path);
    *f = (struct fm_part_file){0};
}
