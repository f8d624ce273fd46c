#include "ops/harness.h"
#include "quant/decoded.h"
#include "quant/types.h"
#include <fathom/debug.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { GUARD = 64 /* words */, POISON = 0x7fc0dead, SKIPPED = 77 };

struct op_allocation {
    struct op_allocation *next;
    void *memory;
    struct fathom_buffer *buffer;
    struct fathom_weight *weight;
};

struct op_options {
    bool bench, compile_only, statistics;
    bool matrices; // run only variants with cooperative matrices
    uint64_t seed;
    unsigned part, n_parts;
    const char *device, *variant, *only_case;
};

struct op_private {
    const struct op_suite *suite;
    const struct op_options *options;
    struct op_allocation *allocations;
    const char *case_name;
    bool finished; // the stream can be submitted again
};

// One row of the run: a case on a variant. `test` is shared by the rows of a gpu.
struct op_row {
    struct op_test *test;
    size_t index;
    char name[160];
};

static struct op_allocation *keep(struct op_test *test) {
    struct op_allocation *a = calloc(1, sizeof(*a));
    assert_non_null(a);
    a->next = test->private->allocations;
    test->private->allocations = a;
    return a;
}

static void release_all(struct op_test *test) {
    for (struct op_allocation *a = test->private->allocations, *next; a; a = next) {
        next = a->next;
        fathom_buffer_destroy(&a->buffer);
        fathom_weight_destroy(&a->weight);
        free(a->memory);
        free(a);
    }
    test->private->allocations = NULL;
}

// splitmix64
uint32_t op_random(struct op_test *test) {
    uint64_t z = test->random += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)(z >> 32);
}

void *op_alloc(struct op_test *test, size_t size) {
    struct op_allocation *a = keep(test);
    a->memory = calloc(1, size ? size : 1);
    assert_non_null(a->memory);
    return a->memory;
}

float *op_random_floats(struct op_test *test, size_t n, float low, float high) {
    float *x = op_alloc(test, n * sizeof(*x));
    for (size_t i = 0; i < n; i++) x[i] = low + (high - low) * (float)(op_random(test) >> 8) * 0x1p-24f;
    return x;
}

uint32_t op_poison(void) {
    return POISON;
}

static struct fathom_view guarded(struct op_test *test, const void *data, size_t n_words) {
    const size_t lead = test->offset_words, total = lead + n_words + GUARD;
    struct fathom_error err = {0};
    struct op_allocation *a = keep(test);
    a->buffer = fathom_buffer_create(test->gpu, total * 4, FATHOM_MEMORY_DEVICE, &err);
    if (!a->buffer) fail_msg("%s", err.message);
    uint32_t *words = a->memory = malloc(total * 4);
    assert_non_null(words);
    for (size_t i = 0; i < total; i++) words[i] = POISON;
    if (data) memcpy(words + lead, data, n_words * 4);
    if (!fathom_upload(test->gpu, fathom_buffer_view(a->buffer), words, &err)) fail_msg("%s", err.message);
    return (struct fathom_view){a->buffer, lead * 4, n_words * 4};
}

struct fathom_view op_input(struct op_test *test, const void *data, size_t n_words) {
    return guarded(test, data, n_words);
}

struct fathom_view op_output(struct op_test *test, size_t n_words) {
    return guarded(test, NULL, n_words);
}

static void random_half(struct op_test *test, float low, float high, uint8_t *bytes) {
    const uint32_t half = half_encode(low + (high - low) * (float)(op_random(test) >> 8) * 0x1p-24f);
    bytes[0] = (uint8_t)half;
    bytes[1] = (uint8_t)(half >> 8);
}

// Random codes. The block is decoded once with all float16 numbers 1. Then the float16 numbers are drawn so
// that elements lie within +-spread. Scales in another form are made small.
static void random_blocks(
    struct op_test *test, enum fathom_type type, uint32_t n_cols, float spread, uint8_t *row) {
    const struct fm_type_info *info = fm_type_info(type);
    const struct decoded *format = decoded;
    while (format->type != type) format++;
    for (uint32_t b = 0; b < n_cols / info->block; b++, row += info->bytes) {
        float elements[256], most = 0;
        for (uint32_t i = 0; i < info->bytes; i++) row[i] = (uint8_t)op_random(test);
        for (uint32_t i = format->scales.first; i < format->scales.end; i++)
            row[i] = (uint8_t)((row[i] & format->scales.keep) | format->scales.set);
        if (format->scales.end) continue;
        for (uint32_t i = 0; i < format->n_halves; i++)
            row[format->halves[i] - 1] = 0x00, row[format->halves[i]] = 0x3c;
        fm_dequantize_row(type, row, elements, info->block);
        for (uint32_t i = 0; i < info->block; i++) most = fmaxf(most, fabsf(elements[i]));
        const float limit = spread / fmaxf(most, 1);
        for (uint32_t i = 0; i < format->n_halves; i++)
            random_half(test, -limit, limit, row + format->halves[i] - 1);
    }
}

// All codes but those of NaN
static void random_f8(struct op_test *test, uint32_t n_cols, float spread, uint8_t *row) {
    for (uint32_t k = 0; k < n_cols; k++) {
        if (k % 128 == 0) {
            const float scale = spread / 448 * ((float)(op_random(test) >> 8) * 0x1p-23f - 1.0f);
            memcpy(row, &scale, 4);
            row += 4;
        }
        const uint8_t code = (uint8_t)op_random(test);
        *row++ = (code & 0x7f) == 0x7f ? code ^ 0x55 : code;
    }
}

static void random_row(
    struct op_test *test, enum fathom_type type, uint32_t n_cols, float spread, uint8_t *row) {
    switch (type) {
    case FATHOM_F32:
        for (uint32_t k = 0; k < n_cols; k++) {
            const float v = spread * ((float)(op_random(test) >> 8) * 0x1p-23f - 1.0f);
            memcpy(row + 4 * (size_t)k, &v, 4);
        }
        return;
    case FATHOM_F16:
        for (uint32_t k = 0; k < n_cols; k++) random_half(test, -spread, spread, row + 2 * (size_t)k);
        return;
    case FATHOM_BF16:
        for (uint32_t k = 0; k < n_cols; k++) {
            const float v = spread * ((float)(op_random(test) >> 8) * 0x1p-23f - 1.0f);
            memcpy(row + 2 * (size_t)k, (const uint8_t *)&v + 2, 2); // little-endian host
        }
        return;
    case FATHOM_F8_E4M3: random_f8(test, n_cols, spread, row); return;
    default: random_blocks(test, type, n_cols, spread, row);
    }
}

const struct fathom_weight *op_weight(struct op_test *test, enum fathom_type type, uint32_t n_mats,
    uint32_t n_rows, uint32_t n_cols, float spread, const uint8_t **bytes) {
    const size_t row_size = (size_t)fathom_row_size(type, n_cols), n = (size_t)n_mats * n_rows;
    assert_true(row_size > 0);
    uint8_t *data = op_alloc(test, n * row_size);
    for (size_t r = 0; r < n; r++) random_row(test, type, n_cols, spread, data + r * row_size);
    struct fathom_error err = {0};
    struct op_allocation *a = keep(test);
    a->weight = fathom_weight_create(test->gpu, type, n_mats, n_rows, n_cols, &err);
    if (!a->weight) fail_msg("%s", err.message);
    if (!fathom_weight_upload(test->gpu, a->weight, 0, (uint32_t)n, data, &err)) fail_msg("%s", err.message);
    *bytes = data;
    return a->weight;
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void submit_and_wait(struct op_test *test) {
    struct fathom_error err = {0};
    uint64_t ticket = 0;
    if (!fathom_stream_submit(test->stream, &ticket, &err) || !fathom_gpu_wait(test->gpu, ticket, &err))
        fail_msg("%s", err.message);
}

// The least time of some submits, by the device's clock. By the host's clock, if the device has none.
static void print_time(struct op_test *test) {
    double best = INFINITY, flops = 0, bytes = 0;
    const char *clock = "device";
    const double begin = seconds();
    for (int i = 0; i < 3 || (seconds() - begin < 0.5 && i < 200); i++) {
        const double start = seconds();
        submit_and_wait(test);
        double time = seconds() - start, on_device = 0;
        const size_t n = fathom_stream_read_timings(test->stream);
        flops = bytes = 0;
        for (size_t j = 0; j < n; j++) {
            const struct fathom_dispatch_time *t = fathom_stream_get_timing(test->stream, j);
            on_device += 1e-9 * t->nanoseconds;
            flops += t->flops;
            bytes += t->bytes;
        }
        if (on_device > 0)
            time = on_device;
        else
            clock = "host";
        if (time < best) best = time;
    }
    printf("time %-14s %-10s %-44s %10.1f us (%s) %9.3f GFLOP/s %8.3f GB/s\n", test->private->suite->op,
        test->variant, test->private->case_name, 1e6 * best, clock, 1e-9 * flops / best, 1e-9 * bytes / best);
}

void op_run(struct op_test *test, bool only) {
    const struct op_options *options = test->private->options;
    struct fathom_error err = {0};
    if (!fathom_stream_finish(test->stream, &err)) fail_msg("%s", err.message);
    submit_and_wait(test);
    if (!options->compile_only) {
        const size_t n = fathom_stream_read_timings(test->stream);
        for (size_t i = 0; only && i < n; i++) {
            const struct fathom_dispatch_time *t = fathom_stream_get_timing(test->stream, i);
            if (!strcmp(t->op, test->private->suite->op)) assert_string_equal(t->variant, test->variant);
        }
    }
    test->private->finished = true;
}

bool op_takes(const struct op_test *test, uint32_t is) {
    return (test->row->takes & is) == test->row->takes;
}

void op_rerun(struct op_test *test) {
    submit_and_wait(test);
}

void op_begin(struct op_test *test) {
    fathom_stream_begin(test->stream);
    test->private->finished = false;
}

void op_run_refused(struct op_test *test, const char *message_part) {
    struct fathom_error err = {0};
    if (fathom_stream_finish(test->stream, &err))
        fail_msg("accepted; wanted a message with \"%s\"", message_part);
    if (!strstr(err.message, message_part))
        fail_msg("the message is \"%s\", wanted \"%s\" in it", err.message, message_part);
    op_begin(test);
}

void *op_result(struct op_test *test, struct fathom_view view) {
    const size_t lead = (size_t)view.offset / 4, n = (size_t)view.size / 4, total = lead + n + GUARD;
    uint32_t *words = op_alloc(test, total * 4);
    struct fathom_error err = {0};
    if (!fathom_download(test->gpu, fathom_buffer_view(view.buffer), words, &err))
        fail_msg("%s", err.message);
    for (size_t i = 0; i < total && !test->private->options->compile_only; i++)
        if ((i < lead || i >= lead + n) && words[i] != POISON)
            fail_msg("word %td of an output of %zu words was written: 0x%08" PRIx32,
                (ptrdiff_t)i - (ptrdiff_t)lead, n, words[i]);
    return words + lead;
}

void op_check(struct op_test *test, const char *what, const float *got, const double *want,
    const double *bound, size_t n) {
    if (test->private->options->compile_only) return;
    for (size_t i = 0; i < n; i++)
        if (!(fabs(got[i] - want[i]) <= bound[i]))
            fail_msg("%s[%zu] of %zu is %.9g, wanted %.9g within %.3g", what, i, n, (double)got[i], want[i],
                bound[i]);
}

void op_check_equal(
    struct op_test *test, const char *what, const void *got, const void *want, size_t n_words) {
    if (test->private->options->compile_only) return;
    for (size_t i = 0; i < n_words; i++) {
        uint32_t a, b;
        memcpy(&a, (const uint8_t *)got + 4 * i, 4);
        memcpy(&b, (const uint8_t *)want + 4 * i, 4);
        if (a != b)
            fail_msg(
                "%s[%zu] of %zu has the bits 0x%08" PRIx32 ", wanted 0x%08" PRIx32, what, i, n_words, a, b);
    }
}

double op_bytes_error(const float *w, const float *x, uint32_t n) {
    double error = 0;
    for (uint32_t k = 0; k + 32 <= n; k += 32) {
        double largest = 0, weights = 0;
        for (uint32_t i = k; i < k + 32; i++) {
            largest = fmax(largest, fabs(x[i]));
            weights += fabs(w[i]);
        }
        error += 0.5001 / 127 * largest * weights;
    }
    return error;
}

static void run_row(void **state) {
    const struct op_row *row = *state;
    struct op_test *test = row->test;
    test->offset_words = 4;
    test->random = test->private->options->seed + 1000003 * row->index;
    test->private->case_name = strstr(row->name, ": ") + 2;
    op_begin(test);
    test->private->suite->run(test, row->index);
    if (test->private->options->bench && test->private->finished) print_time(test);
}

static int end_row(void **state) {
    const struct op_row *row = *state;
    op_begin(row->test); // the old recording refers to the buffers
    release_all(row->test);
    return 0;
}

static bool parse(int argc, char **argv, struct op_options *options) {
    *options = (struct op_options){.seed = (uint64_t)time(NULL), .part = 1, .n_parts = 1};
    for (int i = 1; i < argc; i++) {
        const char *next = i + 1 < argc ? argv[i + 1] : NULL;
        if (!strcmp(argv[i], "--bench"))
            options->bench = true;
        else if (!strcmp(argv[i], "--compile-only"))
            options->compile_only = true;
        else if (!strcmp(argv[i], "--statistics"))
            options->statistics = true;
        else if (!strcmp(argv[i], "--matrices"))
            options->matrices = true;
        else if (!next)
            return false;
        else if (!strcmp(argv[i], "--seed"))
            options->seed = strtoull(argv[++i], NULL, 0);
        else if (!strcmp(argv[i], "--device"))
            options->device = argv[++i];
        else if (!strcmp(argv[i], "--variant"))
            options->variant = argv[++i];
        else if (!strcmp(argv[i], "--case"))
            options->only_case = argv[++i];
        else if (!strcmp(argv[i], "--part")) {
            if (sscanf(argv[++i], "%u/%u", &options->part, &options->n_parts) != 2 || !options->part ||
                options->part > options->n_parts)
                return false;
        } else
            return false;
    }
    return true;
}

static void log_line(void *user, enum fathom_log_level level, const char *message) {
    const struct op_options *options = user;
    if (level <= FATHOM_LOG_WARNING)
        fprintf(stderr, "%s\n", message);
    else if (options->statistics && !strncmp(message, "statistics", 10))
        printf("%s\n", message);
}

// Runs all cases of one variant, with a tile size if `size` is not 0. Returns the number of failures.
static int run_variant(struct op_test *test, const struct fm_variant *variant, uint32_t size) {
    const struct op_suite *suite = test->private->suite;
    const struct op_options *options = test->private->options;
    char choice[96], of_size[32] = "";
    if (size) snprintf(of_size, sizeof(of_size), ":%u", size);
    snprintf(choice, sizeof(choice), "%s=%s%s", suite->op, variant->name, of_size);
    if (!fm_variants_force(test->gpu, choice)) return 1;
    test->row = variant;
    test->variant = variant->name;
    test->exact = !strcmp(variant->name, "plain");
    test->bytes = variant->needs & FATHOM_CAP_INTEGER_DOT;
    test->rounding = variant->needs & FATHOM_CAP_FLOAT16 ? 0x1.01p-9 : 0;

    const size_t n = suite->n_cases + (options->bench && !test->small_slices ? suite->n_bench_cases : 0);
    struct op_row *rows = calloc(n, sizeof(*rows));
    struct CMUnitTest *tests = calloc(n, sizeof(*tests));
    size_t n_tests = 0;
    for (size_t i = 0; rows && tests && i < n; i++) {
        char name[96];
        suite->name(i, name, sizeof(name));
        if (options->only_case && !strstr(name, options->only_case)) continue;
        if (i % options->n_parts != options->part - 1) continue;
        const bool another_constant = size || variant->wants == FATHOM_CAP_READ_AHEAD;
        if (another_constant && !options->bench && (i / options->n_parts + size) % 3)
            continue; // the same shader
        struct op_row *row = &rows[n_tests];
        *row = (struct op_row){.test = test, .index = i};
        snprintf(row->name, sizeof(row->name), "%s %s%s%s: %s", suite->op, variant->name, of_size,
            test->small_slices ? " in small slices" : "", name);
        tests[n_tests++] = (struct CMUnitTest){row->name, run_row, NULL, end_row, row};
    }
    const int failures = !rows || !tests ? 1
        : n_tests                        ? _cmocka_run_group_tests(variant->name, tests, n_tests, NULL, NULL)
                                         : 0;
    free(rows);
    free(tests);
    return failures;
}

// Runs all variants on one gpu, so that common pipelines are compiled once. Adds the number of variants that
// could run to `n_run`. Returns the number of failures; a missing device counts as one.
static int run_variants(const struct op_suite *suite, const struct fm_op *op,
    const struct op_options *options, bool small_slices, size_t *n_run) {
    struct fathom_error err = {0};
    struct op_private private = {.suite = suite, .options = options};
    struct op_test test = {
        .small_slices = small_slices,
        .compile_only = options->compile_only,
        .private = &private,
    };
    int failures = 1;
    const struct fathom_gpu_debug debug = {
        .size = sizeof(debug),
        .statistics = options->statistics,
        .max_storage_range = small_slices ? suite->small_range : 0,
    };
    test.gpu = fathom_gpu_create(
        &FATHOM_INIT(fathom_gpu_params, .device = options->device, .timers = !options->compile_only,
            .debug = &debug, .log = {.write = log_line, .user = (void *)options}),
        &err);
    if (test.gpu) test.stream = fathom_stream_create(test.gpu, &err);
    if (!test.stream) goto end;
    test.info = fathom_gpu_get_info(test.gpu);
    failures = 0;
    for (const struct fm_variant *v = op->variants; v < op->variants + op->n_variants; v++) {
        if (options->variant && strcmp(options->variant, v->name)) continue;
        if (options->matrices && !(v->needs & FATHOM_CAP_COOPERATIVE_MATRIX)) continue;
        if (!fm_variant_can_run(test.info, v)) {
            if (!v->shader->n_words)
                printf("skipped: %s %s was not compiled\n", suite->op, v->name);
            else
                printf("skipped: %s %s needs what %s lacks (capabilities 0x%x of 0x%x)\n", suite->op, v->name,
                    test.info->name, test.info->caps & v->needs, v->needs);
            continue;
        }
        ++*n_run;
        failures += run_variant(&test, v, 0);
        for (size_t i = 0; !small_slices && i < FM_MAX_SIZES && v->sizes[i] && !options->statistics; i++)
            failures += run_variant(&test, v, v->sizes[i]);
    }
end:
    if (err.status) fprintf(stderr, "%s: %s\n", suite->op, err.message);
    fathom_stream_destroy(&test.stream);
    fathom_gpu_destroy(&test.gpu);
    return failures;
}

int op_test_main(int argc, char **argv, const struct op_suite *suite) {
    struct op_options options;
    if (!parse(argc, argv, &options)) {
        fprintf(stderr,
            "usage: %s [--bench] [--compile-only] [--statistics] [--matrices] [--seed N] "
            "[--device NAME] [--variant NAME] [--case TEXT] [--part K/N]\n",
            argv[0]);
        return 2;
    }
    const struct fm_op *op = fm_op_find(suite->op);
    if (!op) {
        fprintf(stderr, "%s: no such operator in src/op/table.c\n", suite->op);
        return 2;
    }
    printf("seed %" PRIu64 "\n", options.seed);
    size_t n_run = 0;
    int failures = run_variants(suite, op, &options, false, &n_run);
    if (suite->small_range) failures += run_variants(suite, op, &options, true, &n_run);
    return failures ? 1 : n_run ? 0 : SKIPPED;
}
