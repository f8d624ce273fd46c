#include "system.h"
#include "common.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

double clock_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

uint64_t clock_seed(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void clock_date(char text[32]) {
    const time_t now = time(NULL);
    strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
}

bool is_readable(const char *path) {
    return access(path, R_OK) == 0;
}

char *beside_program(const char *name) {
    char self[PATH_MAX];
    const ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    char *slash = n > 0 ? (self[n] = 0, strrchr(self, '/')) : NULL;
    const size_t size = slash ? (size_t)(slash - self) + strlen(name) + 2 : 0;
    char *path = slash ? malloc(size) : NULL;
    if (!path) return NULL;
    snprintf(path, size, "%.*s/%s", (int)(slash - self), self, name);
    if (is_readable(path)) return path;
    free(path);
    return NULL;
}

// $XDG_CACHE_HOME/fathom or ~/.cache/fathom. A path that is not absolute is ignored, as the specification of
// XDG_CACHE_HOME wants.
char *cache_dir(void) {
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    const bool own = cache && cache[0] == '/';
    const char *folder = own     ? cache
        : home && home[0] == '/' ? home
                                 : NULL,
               *rest = own ? "/fathom" : "/.cache/fathom";
    const size_t size = folder ? strlen(folder) + strlen(rest) + 1 : 0;
    char *path = folder ? malloc(size) : NULL;
    if (path) snprintf(path, size, "%s%s", folder, rest);
    return path;
}

// ---- Output files ----------------------------------------------------------------------------------------

static bool output_failed(const struct output *o, struct fathom_error *err) {
    return fail(err, FATHOM_IO, "%s: cannot write: %s", o->path, strerror(errno));
}

bool output_create(struct output *o, const char *path, struct fathom_error *err) {
    struct stat status;
    const bool exists = stat(path, &status) == 0;
    *o = (struct output){0};
    if (exists && !S_ISREG(status.st_mode))
        return fail(err, FATHOM_INVALID, "%s: is %s; an output is a plain file, or a name that is free", path,
            S_ISDIR(status.st_mode)        ? "a folder"
                : S_ISFIFO(status.st_mode) ? "a pipe"
                                           : "a device or a socket");
    o->path = exists ? realpath(path, NULL) : strdup(path);
    const size_t size = o->path ? strlen(o->path) + 32 : 0;
    char *part = o->path ? malloc(size) : NULL;
    if (!part) return output_discard(o), fail(err, FATHOM_NO_MEMORY, "%s: out of host memory", path);
    snprintf(part, size, "%s.part%ld", o->path, (long)getpid());
    FILE *trial = fopen(part, "wbx"); // "x": a file of that name would be another's
    if (!trial) {
        fail(err, FATHOM_IO, "%s: cannot create: %s", path, strerror(errno));
        free(part);
        output_discard(o);
        return false;
    }
    // what ends the program before there is anything to write leaves no file
    fclose(trial);
    unlink(part);
    o->part = part;
    return true;
}

bool output_write(struct output *o, const void *data, size_t size, struct fathom_error *err) {
    if (!o->file && !(o->file = fopen(o->part, "wbx"))) return output_failed(o, err);
    o->is_made = true;
    return fwrite(data, 1, size, o->file) == size || output_failed(o, err);
}

bool output_finish(struct output *o, struct fathom_error *err) {
    FILE *file = o->file;
    o->file = NULL;
    if (fclose(file) != 0 || rename(o->part, o->path) != 0) return output_failed(o, err);
    free(o->part);
    o->part = NULL;
    return true;
}

void output_discard(struct output *o) {
    if (o->file) fclose(o->file);
    if (o->part && o->is_made) unlink(o->part);
    free(o->part);
    free(o->path);
    *o = (struct output){0};
}
