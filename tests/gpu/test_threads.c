// One gpu in four threads: buffers, uploads, downloads, weights, streams, pipelines, limits and the log. The
// preset tsan builds this program for ThreadSanitizer (tests/tools/sanitizers.sh).
//   test_gpu_threads [ROUNDS]    of each thread; 10 unless given
#include "gpu/support.h"
#include "gpu/tuned.h"
#include <pthread.h>
#include <sched.h>

enum { N_THREADS = 4, N_WORDS = 20000, N_BUFFERS = 6, N_ROUNDS = 10, N_ROWS = 24, N_PIPELINES = 15 };

static int n_rounds = N_ROUNDS;
static atomic_int n_writing, n_overlaps; // calls of the log; those during another one
static int n_messages;                   // not atomic: the calls come one at a time
static pthread_barrier_t start;          // all threads begin at once

// cmocka's asserts belong to the main thread: the others leave what went wrong here.
struct user {
    struct fathom_gpu *gpu;
    uint32_t number;
    char failure[600];
};

static bool note_failure(struct user *u, const char *what, const struct fathom_error *err) {
    snprintf(u->failure, sizeof(u->failure), "%s: %s", what, err->message);
    return false;
}

static void write_log(void *user, enum fathom_log_level level, const char *message) {
    (void)user, (void)level;
    // relaxed, so that this orders nothing
    if (atomic_fetch_add_explicit(&n_writing, 1, memory_order_relaxed)) n_overlaps++;
    sched_yield();
    n_messages += !strncmp(message, "from", 4);
    atomic_fetch_sub_explicit(&n_writing, 1, memory_order_relaxed);
}

// Runs several threads over one gpu.
static void run_threads(struct fathom_gpu *gpu, void *(*run)(void *)) {
    struct user users[N_THREADS];
    pthread_t threads[N_THREADS];
    pthread_barrier_init(&start, NULL, N_THREADS);
    for (uint32_t i = 0; i < N_THREADS; i++) {
        users[i] = (struct user){.gpu = gpu, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, run, &users[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++) pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&start);
    for (int i = 0; i < N_THREADS; i++) assert_string_equal(users[i].failure, "");
}

// ---- Buffers and streams ---------------------------------------------------------------------------------

// y = affine(x), by a pipeline of `rounds`. x and y are destroyed while the device may still compute, once
// their results are copied.
static bool compute(struct user *u, uint64_t *random, uint32_t rounds) {
    struct fathom_error err = {0};
    const uint32_t n = 1 + next_random(random) % N_WORDS;
    const uint64_t size = 4ull * n;
    const struct affine_args args = {n, 3 + 2 * u->number, 5};
    struct fathom_buffer *x = fathom_buffer_create(u->gpu, size, FATHOM_MEMORY_DEVICE, &err),
                         *y = fathom_buffer_create(u->gpu, size, FATHOM_MEMORY_DEVICE, &err),
                         *host = fathom_buffer_create(u->gpu, size, FATHOM_MEMORY_HOST, &err);
    struct fathom_stream *stream = fathom_stream_create(u->gpu, &err);
    uint32_t *words = malloc(size), *got = malloc(size);
    uint64_t ticket = 0;
    bool ok = x && y && host && stream;
    for (uint32_t i = 0; i < n; i++) words[i] = next_random(random);
    if (ok) {
        struct fm_dispatch d = affine_dispatch(fathom_buffer_view(x), fathom_buffer_view(y), &args);
        d.constants[0].value = rounds;
        fm_stream_dispatch(stream, &d);
        fathom_stream_copy(stream, fathom_buffer_view(y), fathom_buffer_view(host));
    }
    ok = ok && fathom_upload(u->gpu, fathom_buffer_view(x), words, &err) &&
        fathom_stream_finish(stream, &err) && fathom_stream_submit(stream, &ticket, &err);
    const bool download = next_random(random) % 2;
    if (ok && download) ok = fathom_download(u->gpu, fathom_buffer_view(y), got, &err);
    fathom_stream_destroy(&stream);
    fathom_buffer_destroy(&x);
    fathom_buffer_destroy(&y);
    if (ok && !download && (ok = fathom_gpu_wait(u->gpu, ticket, &err)))
        memcpy(got, fathom_buffer_map(host), size);
    if (!ok) note_failure(u, "compute", &err);
    for (uint32_t i = 0; ok && i < n; i++)
        if (got[i] != affine(words[i], rounds, args)) {
            snprintf(u->failure, sizeof(u->failure), "word %u of %u of thread %u is wrong", i, n, u->number);
            ok = false;
        }
    fathom_buffer_destroy(&host);
    free(words);
    free(got);
    return ok;
}

static void *compute_all(void *user) {
    struct user *u = user;
    uint64_t random = 77 + u->number;
    pthread_barrier_wait(&start);
    for (int i = 0; i < n_rounds && compute(u, &random, 1 + (uint32_t)i % 3); i++)
        for (int j = 0; j < 20; j++)
            fm_log(&u->gpu->params.log, FATHOM_LOG_DEBUG, "from thread %u", u->number);
    return NULL;
}

static void test_streams(void **state) {
    (void)state;
    struct fathom_gpu *gpu = create_gpu(&FATHOM_INIT(fathom_gpu_params,
        .debug = &FATHOM_INIT(fathom_gpu_debug, .statistics = true), .log = {.write = write_log}));
    const uint64_t used = counters_of(gpu).memory_used;
    run_threads(gpu, compute_all);
    const struct fathom_gpu_counters c = counters_of(gpu);
    // each of the three once, whoever asked first
    assert_int_equal(c.pipelines_built + c.pipelines_from_cache, n_rounds < 3 ? n_rounds : 3);
    assert_int_equal(c.recorded, N_THREADS * n_rounds);
    assert_int_equal(c.dispatches, N_THREADS * n_rounds);
    check(fm_gpu_wait_all(gpu, &(struct fathom_error){0}), &(struct fathom_error){0});
    assert_int_equal(gpu->n_retired, 0);
    uint64_t staging = 0;
    for (int i = 0; i < FM_N_STAGING; i++)
        if (gpu->staging[i].buffer) staging += gpu->staging[i].buffer->room;
    assert_int_equal(counters_of(gpu).memory_used, used + staging);
    assert_int_equal(n_overlaps, 0);
    assert_int_equal(n_messages, 20 * N_THREADS * n_rounds);
    fathom_gpu_destroy(&gpu);
}

// ---- Pipelines -------------------------------------------------------------------------------------------

// All threads want the same pipelines at the same time, each in its own order.
static void *want_pipelines(void *user) {
    struct user *u = user;
    struct fathom_error err = {0};
    const struct affine_args args = {64, 3, 5};
    struct fathom_buffer *x = fathom_buffer_create(u->gpu, 256, FATHOM_MEMORY_DEVICE, &err),
                         *y = fathom_buffer_create(u->gpu, 256, FATHOM_MEMORY_DEVICE, &err);
    struct fathom_stream *stream = fathom_stream_create(u->gpu, &err);
    bool ok = x && y && stream;
    for (uint32_t i = 0; ok && i < 60 * N_PIPELINES; i++) {
        struct fm_dispatch d = affine_dispatch(fathom_buffer_view(x), fathom_buffer_view(y), &args);
        d.constants[0].value = 1 + (i * 7 + u->number * 5) % N_PIPELINES;
        fm_stream_dispatch(stream, &d);
    }
    pthread_barrier_wait(&start);
    ok = ok && fathom_stream_finish(stream, &err) && fathom_stream_submit(stream, NULL, &err);
    if (!ok) note_failure(u, "pipelines", &err);
    fathom_stream_destroy(&stream);
    fathom_buffer_destroy(&x);
    fathom_buffer_destroy(&y);
    return NULL;
}

static void test_pipelines(void **state) {
    (void)state;
    struct fathom_gpu *gpu = create_gpu(NULL);
    run_threads(gpu, want_pipelines);
    const struct fathom_gpu_counters c = counters_of(gpu);
    assert_int_equal(c.pipelines_built + c.pipelines_from_cache, N_PIPELINES);
    fathom_gpu_destroy(&gpu);
}

// ---- Weights, operators, and what a gpu is asked meanwhile -----------------------------------------------

static bool multiply(struct user *u) {
    struct fathom_error err = {0};
    // a type with grids, whose buffer all threads want first
    const enum fathom_type type = FATHOM_IQ2_XXS;
    const uint64_t row_size = fathom_row_size(type, 256);
    unsigned char *rows = calloc(N_ROWS, row_size); // all scales 0
    float x[256], y[N_ROWS] = {1};
    struct fathom_weight *w = fathom_weight_create(u->gpu, type, 1, N_ROWS, 256, &err);
    struct fathom_buffer *in = fathom_buffer_create(u->gpu, sizeof(x), FATHOM_MEMORY_DEVICE, &err),
                         *out = fathom_buffer_create(u->gpu, sizeof(y), FATHOM_MEMORY_DEVICE, &err);
    struct fathom_stream *stream = fathom_stream_create(u->gpu, &err);
    bool ok = w && in && out && stream;
    for (int i = 0; i < 256; i++) x[i] = (float)i;
    if (ok)
        fathom_matmul(stream,
            &FATHOM_INIT(fathom_matmul_params, .w = w, .x = fathom_buffer_view(in),
                .y = fathom_buffer_view(out), .n_tokens = 1));
    ok = ok && fathom_weight_upload(u->gpu, w, 0, N_ROWS, rows, &err) &&
        fathom_upload(u->gpu, fathom_buffer_view(in), x, &err) && fathom_stream_finish(stream, &err) &&
        fathom_stream_submit(stream, NULL, &err) && fathom_download(u->gpu, fathom_buffer_view(out), y, &err);
    if (!ok) note_failure(u, "matmul", &err);
    for (int i = 0; ok && i < N_ROWS; i++)
        if (y[i] != 0) ok = note_failure(u, "matmul: the product with a weight of zeros is not 0", &err);
    fathom_weight_destroy(&w);
    fathom_buffer_destroy(&in);
    fathom_buffer_destroy(&out);
    fathom_stream_destroy(&stream);
    free(rows);
    return ok;
}

static void *work(void *user) {
    struct user *u = user;
    pthread_barrier_wait(&start);
    for (int i = 0; i < n_rounds; i++) {
        if (u->number < N_THREADS - 1) {
            if (!multiply(u)) break;
            continue;
        }
        const struct fathom_gpu_limits limits = fathom_gpu_get_limits(u->gpu);
        fathom_gpu_set_limits(u->gpu, limits);
        const struct fathom_gpu_memory memory = memory_of(u->gpu);
        const struct fathom_gpu_counters counters = counters_of(u->gpu);
        if (memory.device_total == 0 || counters.device_allocated > 1ull << 40)
            snprintf(u->failure, sizeof(u->failure), "the gpu counts wrongly");
        struct fm_call call = {.op = "matmul", .n_tokens = 1};
        struct fm_tuned row = {
            .op = "other", .variant = "plain", .first_token = (uint32_t)i + 1, .last_token = 9};
        fm_tuned_set(u->gpu, &row);
        fm_tuned_find(u->gpu, &call, &row);
        fm_tuned_remove(u->gpu, &row);
    }
    return NULL;
}

static void test_operators(void **state) {
    (void)state;
    struct fathom_gpu *gpu = create_gpu(NULL);
    run_threads(gpu, work);
    fathom_gpu_destroy(&gpu);
}

// ---- Little memory ---------------------------------------------------------------------------------------

// More threads want room than there is: those who find none wait for what others have destroyed.
static void *fill_memory(void *user) {
    struct user *u = user;
    pthread_barrier_wait(&start);
    for (int i = 0; i < n_rounds; i++) {
        struct fathom_error err = {0};
        struct fathom_buffer *b = fathom_buffer_create(u->gpu, 3 << 20, FATHOM_MEMORY_DEVICE, &err),
                             *host = fathom_buffer_create(u->gpu, 4096, FATHOM_MEMORY_HOST, &err);
        struct fathom_stream *stream = fathom_stream_create(u->gpu, &err);
        bool ok = b && host && stream;
        if (ok) fathom_stream_copy(stream, (struct fathom_view){b, 0, 4096}, fathom_buffer_view(host));
        ok = ok && fathom_stream_finish(stream, &err) && fathom_stream_submit(stream, NULL, &err);
        if (!ok) note_failure(u, "little memory", &err);
        fathom_buffer_destroy(&b);
        fathom_stream_destroy(&stream);
        fathom_buffer_destroy(&host);
        if (!ok) break;
    }
    return NULL;
}

static void test_little_memory(void **state) {
    (void)state;
    struct fathom_gpu *gpu = create_gpu(&FATHOM_INIT(fathom_gpu_params, .device_limit = 16 << 20));
    run_threads(gpu, fill_memory);
    assert_true(counters_of(gpu).device_peak <= 16 << 20);
    fathom_gpu_destroy(&gpu);
}

int main(int argc, char **argv) {
    if (argc > 1) n_rounds = atoi(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_pipelines),
        cmocka_unit_test(test_operators),
        cmocka_unit_test(test_little_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
