// Shared by the tests of src/gpu: a small shader in integers, its dispatches, and child processes with
// another environment.
#ifndef TEST_GPU_SUPPORT_H
#define TEST_GPU_SUPPORT_H
// cmocka wants these first
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "device.h"
#include "gpu/internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const uint32_t affine_words[] = {
#include "affine.inc"
};
static const struct fm_shader_constant affine_constants[] = {{"ROUNDS", 0}, {0}};
static const struct fm_shader affine_shader = {
    "affine", affine_words, sizeof(affine_words) / 4, affine_constants};
static const struct fm_variant affine_variant = {.name = "plain", .shader = &affine_shader};
struct affine_args {
    uint32_t n, a, b;
};

static inline uint32_t affine(uint32_t v, uint32_t rounds, struct affine_args args) {
    for (uint32_t i = 0; i < rounds; i++) v = v * args.a + args.b;
    return v;
}

// A dispatch of y = x. Sizes are in bytes, of both views. Set more fields before the dispatch is recorded.
static inline struct fm_dispatch affine_dispatch(
    struct fathom_view x, struct fathom_view y, const struct affine_args *args) {
    return (struct fm_dispatch){
        .op = "affine",
        .variant = &affine_variant,
        .constants = {{"ROUNDS", 1}},
        .views = {x, y},
        .n_views = 2,
        .args = args,
        .args_size = sizeof(*args),
        .groups = {(args->n + 63) / 64, 1, 1},
    };
}

static inline void record_affine(
    struct fathom_stream *stream, struct fathom_view x, struct fathom_view y, struct affine_args args) {
    const struct fm_dispatch d = affine_dispatch(x, y, &args);
    fm_stream_dispatch(stream, &d);
}

static inline struct fathom_gpu *create_gpu(const struct fathom_gpu_params *params) {
    struct fathom_error err = {0};
    struct fathom_gpu_debug debug;
    const struct fathom_gpu_params wanted =
        device_params(params ? *params : FATHOM_INIT(fathom_gpu_params), &debug);
    struct fathom_gpu *gpu = fathom_gpu_create(&wanted, &err);
    if (!gpu) fail_msg("%s", err.message);
    return gpu;
}

static inline void check(bool ok, const struct fathom_error *err) {
    if (!ok) fail_msg("%s", err->message);
}

static inline void run_stream(struct fathom_gpu *gpu, struct fathom_stream *stream) {
    struct fathom_error err = {0};
    uint64_t ticket = 0;
    check(fathom_stream_finish(stream, &err) && fathom_stream_submit(stream, &ticket, &err) &&
            fathom_gpu_wait(gpu, ticket, &err),
        &err);
}

// xorshift64*
static inline uint32_t next_random(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (uint32_t)(*state * 0x2545f4914f6cdd1du >> 32);
}

// Runs this program again with `argument`, and with strings "NAME=value" in its environment. Returns the exit
// status (-1: a signal) and the output.
static inline int run_child(
    const char *argument, const char *const *environment, char *output, size_t capacity) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], 1);
        dup2(ends[1], 2);
        close(ends[0]);
        for (; *environment; environment++) putenv((char *)*environment);
        execl("/proc/self/exe", "child", argument, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    size_t n = 0;
    char dropped[4096];
    for (ssize_t got; (got = n + 1 < capacity ? read(ends[0], output + n, capacity - 1 - n)
                                              : read(ends[0], dropped, sizeof(dropped))) > 0;)
        if (n + 1 < capacity) n += (size_t)got;
    output[n] = 0;
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
#endif
