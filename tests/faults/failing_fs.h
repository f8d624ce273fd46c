// A file system of one plain file, on FUSE, whose reads fail when the test says so. A process of its own
// speaks the kernel's protocol on /dev/fuse, because a process that serves a file which it has mapped can
// wait for itself. No library of FUSE is needed; the mount needs the superuser. The mount is private to the
// process that asks for it and to its children, and ends with them.
#ifndef TEST_FAILING_FS_H
#define TEST_FAILING_FS_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

// Shared with the process that serves. A direct read is a request for each MiB; a mapped read one for a few
// pages.
struct failing_fs_control {
    _Atomic uint32_t n_reads;           // requests since the test last wrote 0
    _Atomic uint32_t fail_from, n_fail; // requests fail_from (1: the first) and the n_fail - 1 after it: EIO
    _Atomic bool reversed; // requests wait until no other comes; the last is answered first, the others later
};

struct failing_fs {
    struct failing_fs_control *control;
    char path[128]; // of the file
    char folder[64];
    pid_t server;
};

// Mounts a file system whose file has the contents of `original`, which must not change. Returns NULL, or why
// that is not possible here. Start it before threads.
const char *failing_fs_start(struct failing_fs *fs, const char *original);
void failing_fs_fail(struct failing_fs *fs, uint32_t from, uint32_t n); // counts from 0 again; n = 0: none
void failing_fs_stop(struct failing_fs *fs);
#endif
