// Fails one call of the program into the C library or PCRE2. tests/CMakeLists.txt links it into
// `fathom_faults` with the linker's --wrap for some names, so that calls of Fathom's own objects alone are
// counted.
//
//   FAULT=KIND@K     the K-th call of the kind fails; K+: so do all later ones; K = 0: none does. Kinds:
//                    alloc, io, thread, pcre; and cut: the file of the K-th mapping of a file is cut short
//                    once it is mapped.
//   FAULT_LOG=FILE   gets "K NAME KIND" for the failed call, and "= N" at the end, for N counted calls
#define _GNU_SOURCE
#define PCRE2_CODE_UNIT_WIDTH 8
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pcre2.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const kinds[] = {"alloc", "io", "thread", "pcre", "cut"};
enum { ALLOC, IO, THREAD, PCRE, CUT, N_KINDS };

static struct {
    int kind; // -1: none
    unsigned long at;
    bool later;
    int log;
} plan = {.kind = -1, .log = -1};
static atomic_ulong n_counted;

__attribute__((constructor)) static void read_plan(void) {
    const char *fault = getenv("FAULT"), *at = fault ? strchr(fault, '@') : NULL, *log = getenv("FAULT_LOG");
    for (int i = 0; at && i < N_KINDS; i++)
        if (!strncmp(fault, kinds[i], (size_t)(at - fault)) && !kinds[i][at - fault]) plan.kind = i;
    if (plan.kind < 0) return;
    plan.at = strtoul(at + 1, NULL, 10);
    plan.later = strchr(at, '+') != NULL;
    if (log) plan.log = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
}

__attribute__((destructor)) static void write_count(void) {
    if (plan.log >= 0) dprintf(plan.log, "= %lu\n", atomic_load(&n_counted));
}

static bool fails(int kind, const char *name) {
    if (kind != plan.kind) return false;
    const unsigned long k = atomic_fetch_add(&n_counted, 1) + 1;
    if (plan.at == 0 || (plan.later ? k < plan.at : k != plan.at)) return false;
    if (plan.log >= 0 && k == plan.at) dprintf(plan.log, "%lu %s %s\n", k, name, kinds[kind]);
    return true;
}

// A function `name` of the kind; if it fails, it sets errno to `error` and returns `failed`.
#define WRAP(kind, type, name, parameters, arguments, error, failed) \
    type __real_##name parameters; \
    type __wrap_##name parameters; \
    type __wrap_##name parameters { \
        return fails(kind, #name) ? (errno = error, failed) : __real_##name arguments; \
    }

WRAP(ALLOC, void *, malloc, (size_t n), (n), ENOMEM, NULL)
WRAP(ALLOC, void *, calloc, (size_t n, size_t size), (n, size), ENOMEM, NULL)
WRAP(ALLOC, void *, realloc, (void *old, size_t n), (old, n), ENOMEM, NULL)
WRAP(ALLOC, void *, aligned_alloc, (size_t to, size_t n), (to, n), ENOMEM, NULL)
WRAP(ALLOC, char *, strdup, (const char *s), (s), ENOMEM, NULL)
WRAP(ALLOC, char *, strndup, (const char *s, size_t n), (s, n), ENOMEM, NULL)
WRAP(IO, FILE *, fopen, (const char *path, const char *mode), (path, mode), EIO, NULL)
WRAP(IO, FILE *, fdopen, (int fd, const char *mode), (fd, mode), ENOMEM, NULL)
WRAP(IO, int, fstat, (int fd, struct stat *out), (fd, out), EIO, -1)
WRAP(IO, int, stat, (const char *path, struct stat *out), (path, out), EIO, -1)
WRAP(IO, int, lstat, (const char *path, struct stat *out), (path, out), EIO, -1)
WRAP(IO, int, fsync, (int fd), (fd), EIO, -1)
WRAP(IO, int, rename, (const char *from, const char *to), (from, to), EIO, -1)
WRAP(IO, int, linkat, (int a, const char *from, int b, const char *to, int flags), (a, from, b, to, flags),
    EIO, -1)
WRAP(IO, int, mkdir, (const char *path, mode_t mode), (path, mode), EIO, -1)
WRAP(IO, DIR *, opendir, (const char *path), (path), EIO, NULL)
WRAP(PCRE, pcre2_compile_context *, pcre2_compile_context_create_8, (pcre2_general_context * g), (g), ENOMEM,
    NULL)
WRAP(
    PCRE, pcre2_match_context *, pcre2_match_context_create_8, (pcre2_general_context * g), (g), ENOMEM, NULL)
WRAP(PCRE, pcre2_match_data *, pcre2_match_data_create_8, (uint32_t n, pcre2_general_context *g), (n, g),
    ENOMEM, NULL)
WRAP(PCRE, int, pcre2_jit_compile_8, (pcre2_code * code, uint32_t options), (code, options), ENOMEM,
    PCRE2_ERROR_NOMEMORY)
#define MATCH(name) \
    WRAP(PCRE, int, name, \
        (const pcre2_code *code, PCRE2_SPTR text, PCRE2_SIZE n, PCRE2_SIZE at, uint32_t options, \
            pcre2_match_data *data, pcre2_match_context *context), \
        (code, text, n, at, options, data, context), ENOMEM, PCRE2_ERROR_NOMEMORY)
MATCH(pcre2_match_8)
MATCH(pcre2_jit_match_8)

pcre2_code *__real_pcre2_compile_8(PCRE2_SPTR text, PCRE2_SIZE n, uint32_t options, int *error,
    PCRE2_SIZE *at, pcre2_compile_context *context);
pcre2_code *__wrap_pcre2_compile_8(PCRE2_SPTR text, PCRE2_SIZE n, uint32_t options, int *error,
    PCRE2_SIZE *at, pcre2_compile_context *context);
pcre2_code *__wrap_pcre2_compile_8(PCRE2_SPTR text, PCRE2_SIZE n, uint32_t options, int *error,
    PCRE2_SIZE *at, pcre2_compile_context *context) {
    if (!fails(PCRE, "pcre2_compile")) return __real_pcre2_compile_8(text, n, options, error, at, context);
    *error = PCRE2_ERROR_HEAP_FAILED;
    *at = 0;
    return NULL;
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...) {
    va_list list;
    va_start(list, flags);
    const mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;
    va_end(list);
    return fails(IO, "open") ? (errno = EIO, -1) : __real_open(path, flags, mode);
}

void *__real_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset) {
    if (fails(IO, "mmap")) return errno = ENOMEM, MAP_FAILED;
    void *data = __real_mmap(at, size, protection, flags, fd, offset);
    char path[64];
    if (fd < 0 || !fails(CUT, "mmap")) return data;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (truncate(path, 0) != 0) dprintf(plan.log, "cannot be cut\n");
    return data;
}

// Streams remember a failure, as ferror() tells: a stream without room, or of a closed descriptor, fails by
// itself.
enum { ERROR_SEEN = 0x20 }; // glibc's mark
static bool stream_fails(FILE *f, const char *name) {
    if (f == stderr || !fails(IO, name)) return false;
    f->_flags |= ERROR_SEEN;
    errno = EIO;
    return true;
}

size_t __real_fread(void *data, size_t size, size_t n, FILE *f);
size_t __wrap_fread(void *data, size_t size, size_t n, FILE *f);
size_t __wrap_fread(void *data, size_t size, size_t n, FILE *f) {
    return stream_fails(f, "fread") ? 0 : __real_fread(data, size, n, f);
}
size_t __real_fwrite(const void *data, size_t size, size_t n, FILE *f);
size_t __wrap_fwrite(const void *data, size_t size, size_t n, FILE *f);
size_t __wrap_fwrite(const void *data, size_t size, size_t n, FILE *f) {
    return stream_fails(f, "fwrite") ? 0 : __real_fwrite(data, size, n, f);
}
int __real_fflush(FILE *f);
int __wrap_fflush(FILE *f);
int __wrap_fflush(FILE *f) {
    return stream_fails(f, "fflush") ? EOF : __real_fflush(f);
}

int __real_fclose(FILE *f);
int __wrap_fclose(FILE *f);
int __wrap_fclose(FILE *f) {
    const bool failing = fails(IO, "fclose");
    const int result = __real_fclose(f);
    return failing ? (errno = EIO, EOF) : result;
}

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *a, void *(*run)(void *), void *user);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *a, void *(*run)(void *), void *user);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *a, void *(*run)(void *), void *user) {
    return fails(THREAD, "pthread_create") ? EAGAIN : __real_pthread_create(thread, a, run, user);
}
