// fathom bench --ops: shows the time of a step by operator, and compares each operator with the limits of the
// device: reading speed and float32 multiply-adds, both measured by plain shaders in the same run.
#include "bench.h"
#include <fathom/debug.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DISPATCHES = 16384 };

struct op_time {
    const char *op, *variant;
    uint32_t n;
    double seconds, flops, bytes;
};

// One dispatch: what a fathom_dispatch_time says.
struct dispatch {
    const char *op, *variant;
    double nanoseconds, flops, bytes;
};

// Adds up the dispatches of each variant of an operator, in order of first use.
static size_t add_up(const struct dispatch *list, size_t n, struct op_time *ops, size_t capacity) {
    size_t n_ops = 0;
    for (size_t i = 0; i < n; i++) {
        size_t at = 0;
        while (at < n_ops && (strcmp(ops[at].op, list[i].op) || strcmp(ops[at].variant, list[i].variant)))
            at++;
        if (at == n_ops && n_ops == capacity) continue;
        if (at == n_ops) ops[n_ops++] = (struct op_time){.op = list[i].op, .variant = list[i].variant};
        ops[at].n++;
        ops[at].seconds += list[i].nanoseconds / 1e9;
        ops[at].flops += list[i].flops;
        ops[at].bytes += list[i].bytes;
    }
    return n_ops;
}

static double share(const struct fathom_roofline *r, double bytes, double flops, double seconds) {
    const double reading = bytes / r->bytes_per_second, computing = flops / r->flops_per_second;
    return 100 * (reading > computing ? reading : computing) / seconds;
}

static void show_line(const char *op, const char *variant, uint32_t n, const struct op_time *t,
    const struct fathom_roofline *r) {
    printf("| %s | %s | %u | %.0f | %.2f | %.2f | %.0f %% |\n", op, variant, n, 1e6 * t->seconds,
        t->bytes / t->seconds / 1e9, t->flops / t->seconds / 1e9, share(r, t->bytes, t->flops, t->seconds));
}

static void show_step(
    const char *title, const struct dispatch *list, size_t n, const struct fathom_roofline *r) {
    struct op_time ops[64], all = {0};
    const size_t n_ops = add_up(list, n, ops, sizeof(ops) / sizeof(*ops));
    printf("\n| %s | variant | dispatches | us | GB/s | GFLOP/s | of the roofline "
           "|\n|---|---|---|---|---|---|---|\n",
        title);
    for (size_t i = 0; i < n_ops; i++) {
        show_line(ops[i].op, ops[i].variant, ops[i].n, &ops[i], r);
        all.n += ops[i].n;
        all.seconds += ops[i].seconds;
        all.flops += ops[i].flops;
        all.bytes += ops[i].bytes;
    }
    show_line("all", "", all.n, &all, r);
}

// Keeps the least time of each dispatch, because disturbances only add time.
static bool least_times(struct fathom_session *s, const struct bench_test *test, const int32_t *ids,
    struct dispatch *list, size_t *n, struct fathom_error *err) {
    for (uint32_t i = 0; i <= test->n_repeats; i++) { // the first one warms up
        if (bench_once(s, test, ids, err) < 0) return false;
        *n = fathom_session_read_timings(s, test->decode);
        if (*n == 0) return fail(err, FATHOM_UNSUPPORTED, "the times of the dispatches could not be read");
        if (*n > MAX_DISPATCHES) *n = MAX_DISPATCHES;
        for (size_t j = 0; j < *n; j++) {
            const struct fathom_dispatch_time *t = fathom_session_get_timing(s, test->decode, j);
            if (i <= 1 || t->nanoseconds < list[j].nanoseconds)
                list[j] = (struct dispatch){t->op, t->variant, t->nanoseconds, t->flops, t->bytes};
        }
        if (!show_progress("measuring", i + 1, test->n_repeats + 1))
            return fail(err, FATHOM_CANCELLED, "interrupted");
    }
    return true;
}

bool bench_ops(struct fathom_engine *engine, struct fathom_session *s, const char *model,
    const struct bench_test *tests, size_t n_tests, const int32_t *ids, struct fathom_error *err) {
    struct fathom_gpu *gpu = fathom_engine_get_gpu(engine);
    const struct fathom_gpu_info *device = fathom_gpu_get_info(gpu);
    struct fathom_roofline before, after;
    struct dispatch *list = malloc(MAX_DISPATCHES * sizeof(*list));
    bool ok = list ||
        fail(err, FATHOM_NO_MEMORY, "out of host memory for the times of %d dispatches", MAX_DISPATCHES);
    ok = ok && fathom_gpu_measure_roofline(gpu, &before, err);
    if (ok) printf("%s on %s, %s\n", model, device->name, device->driver);
    for (size_t i = 0; ok && i < n_tests; i++) {
        size_t n = 0;
        char title[64];
        if (!(ok = least_times(s, &tests[i], ids, list, &n, err))) break;
        snprintf(title, sizeof(title),
            tests[i].decode ? "one token after %u" : "last chunk of %u tokens after %u",
            tests[i].decode ? tests[i].depth + tests[i].n_tokens - 1 : tests[i].n_tokens, tests[i].depth);
        show_step(title, list, n, &before);
    }
    ok = ok && fathom_gpu_measure_roofline(gpu, &after, err);
    if (ok)
        printf("\nRoofline, before and after: reading %.2f and %.2f GB/s, float32 multiply-adds %.1f and "
               "%.1f GFLOP/s.\n",
            before.bytes_per_second / 1e9, after.bytes_per_second / 1e9, before.flops_per_second / 1e9,
            after.flops_per_second / 1e9);
    free(list);
    return ok;
}
