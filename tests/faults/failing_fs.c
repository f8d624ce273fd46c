#define _GNU_SOURCE
#include "faults/failing_fs.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FILE_ID = 2, MOST = (1 << 20) + 65536, MOST_HELD = 64, PAUSE = 10 /* ms */ };
#define NAME "model.gguf"

struct held {
    uint64_t unique;
    struct fuse_read_in in;
};
struct server {
    int fuse;
    struct failing_fs_control *control;
    const char *data;
    uint64_t size;
    struct held held[MOST_HELD];
    int n_held;
};

static void reply(const struct server *s, uint64_t unique, int error, const void *data, size_t size) {
    struct fuse_out_header header = {
        .len = (uint32_t)(sizeof(header) + (error ? 0 : size)), .error = -error, .unique = unique};
    const struct iovec parts[] = {{&header, sizeof(header)}, {(void *)(uintptr_t)data, size}};
    if (writev(s->fuse, parts, error || !size ? 1 : 2) < 0) return; // the request was interrupted
}

static struct fuse_attr attributes(const struct server *s, uint64_t id) {
    return (struct fuse_attr){
        .ino = id,
        .size = id == FILE_ID ? s->size : 0,
        .blocks = id == FILE_ID ? (s->size + 511) / 512 : 0,
        .mode = id == FILE_ID ? S_IFREG | 0444 : S_IFDIR | 0555,
        .nlink = 1,
        .blksize = 4096,
    };
}

static void serve_read(const struct server *s, uint64_t unique, const struct fuse_read_in *in) {
    const uint32_t k = atomic_fetch_add(&s->control->n_reads, 1) + 1, from = s->control->fail_from;
    const uint64_t left = in->offset < s->size ? s->size - in->offset : 0;
    const bool fails = k >= from && k - from < s->control->n_fail;
    reply(s, unique, fails ? EIO : 0, s->data + in->offset, left < in->size ? left : in->size);
}

static void answer_held(struct server *s) {
    for (int i = 0; s->n_held > 0; i++) {
        if (i % 3 == 0 && i > 0) usleep(PAUSE * 1000); // an expert has three matrices
        const struct held *h = &s->held[--s->n_held];
        serve_read(s, h->unique, &h->in);
    }
}

// Answers one request. Returns false when the file system is unmounted.
static bool serve(struct server *s, const struct fuse_in_header *in, const void *arguments) {
    const struct fuse_init_in *init = arguments;
    switch (in->opcode) {
    case FUSE_INIT: {
        const struct fuse_init_out out = {
            .major = FUSE_KERNEL_VERSION,
            .minor = init->minor < FUSE_KERNEL_MINOR_VERSION ? init->minor : FUSE_KERNEL_MINOR_VERSION,
            .max_readahead = 65536,
            .flags = FUSE_ASYNC_READ | FUSE_ASYNC_DIO | FUSE_MAX_PAGES,
            .max_write = 4096,
            .max_pages = 256,
        };
        reply(s, in->unique, 0, &out, sizeof(out));
        return true;
    }
    case FUSE_LOOKUP: {
        const struct fuse_entry_out out = {.nodeid = FILE_ID, .attr = attributes(s, FILE_ID)};
        reply(s, in->unique, strcmp(arguments, NAME) ? ENOENT : 0, &out, sizeof(out));
        return true;
    }
    case FUSE_GETATTR: {
        const struct fuse_attr_out out = {.attr = attributes(s, in->nodeid)};
        reply(s, in->unique, 0, &out, sizeof(out));
        return true;
    }
    case FUSE_OPEN:
        reply(s, in->unique, 0, &(struct fuse_open_out){0}, sizeof(struct fuse_open_out));
        return true;
    case FUSE_READ:
        if (s->control->reversed)
            s->held[s->n_held++] = (struct held){in->unique, *(const struct fuse_read_in *)arguments};
        else
            serve_read(s, in->unique, arguments);
        return true;
    case FUSE_FLUSH:
    case FUSE_RELEASE: reply(s, in->unique, 0, NULL, 0); return true;
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT: return true; // want no answer
    case FUSE_DESTROY: return false;
    default: reply(s, in->unique, ENOSYS, NULL, 0); return true;
    }
}

static void run_server(struct server *s) {
    static _Alignas(struct fuse_in_header) char request[MOST];
    const struct fuse_in_header *header = (const void *)request;
    for (;;) {
        struct pollfd more = {s->fuse, POLLIN, 0};
        if (s->n_held == MOST_HELD || (s->n_held && poll(&more, 1, PAUSE) == 0)) answer_held(s);
        const ssize_t n = read(s->fuse, request, sizeof(request));
        if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOENT)) continue;
        if (n < (ssize_t)sizeof(*header) || !serve(s, header, header + 1)) return;
    }
}

// Mounts of this process are its own from here on.
static bool own_mounts(void) {
    static bool done;
    if (!done) done = unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
    return done;
}

static bool map_original(struct server *s, const char *path) {
    struct stat status;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    const void *data = MAP_FAILED;
    if (fstat(fd, &status) == 0) data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    s->data = data;
    s->size = data == MAP_FAILED ? 0 : (uint64_t)status.st_size;
    return data != MAP_FAILED;
}

const char *failing_fs_start(struct failing_fs *fs, const char *original) {
    char options[64];
    struct server s = {.fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC)};
    *fs = (struct failing_fs){0};
    if (s.fuse < 0) return "/dev/fuse cannot be opened: no FUSE here, or not the superuser";
    const char *why = NULL;
    snprintf(fs->folder, sizeof(fs->folder), "/tmp/fathom-failing-XXXXXX");
    snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=%u,group_id=%u", s.fuse,
        (unsigned)getuid(), (unsigned)getgid());
    fs->control = mmap(NULL, sizeof(*fs->control), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (!own_mounts())
        why = "this process may not mount";
    else if (fs->control == MAP_FAILED || !map_original(&s, original) || !mkdtemp(fs->folder))
        why = "no file to serve";
    else if (mount("failing", fs->folder, "fuse", MS_NOSUID | MS_NODEV, options) != 0)
        why = "the kernel mounts no FUSE file system";
    if (!why && (fs->server = fork()) == 0) {
        s.control = fs->control;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        run_server(&s);
        _exit(0);
    }
    snprintf(fs->path, sizeof(fs->path), "%s/" NAME, fs->folder);
    close(s.fuse);
    if (s.size) munmap((void *)(uintptr_t)s.data, s.size);
    return why;
}

void failing_fs_fail(struct failing_fs *fs, uint32_t from, uint32_t n) {
    fs->control->n_fail = 0;
    fs->control->n_reads = 0;
    fs->control->fail_from = from;
    fs->control->n_fail = n;
}

void failing_fs_stop(struct failing_fs *fs) {
    umount2(fs->folder, MNT_DETACH);
    kill(fs->server, SIGKILL);
    waitpid(fs->server, NULL, 0);
    rmdir(fs->folder);
    munmap(fs->control, sizeof(*fs->control));
}
