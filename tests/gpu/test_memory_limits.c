// Limits of memory: what the driver is asked for, what goes back to it, and weights in host memory.
#include "gpu/lazy.h"
#include "gpu/support.h"
#include "gpu/watch.h"

// ---- Limits ----------------------------------------------------------------------------------------------

// A plan whose sum is nearly the limit can be placed: large buffers cost whole pages, small ones little more
// than their sum.
static void place(uint64_t limit, uint64_t large, uint32_t n_large, uint64_t small, uint32_t n_small) {
    struct fathom_gpu *gpu = watched_gpu(FATHOM_INIT(fathom_gpu_params, .device_limit = limit));
    struct fathom_buffer **held = calloc(n_large + n_small, sizeof(struct fathom_buffer *));
    for (uint32_t i = 0; i < n_large + n_small; i++) {
        const bool is_large =
            i % ((n_large + n_small) / n_large) == 0 && i / ((n_large + n_small) / n_large) < n_large;
        held[i] = raw(gpu, is_large ? large : small, FATHOM_MEMORY_DEVICE);
        check_counters(gpu);
    }
    assert_true(watch.most <= limit + counters_of(gpu).host_peak);
    for (uint32_t i = 0; i < n_large + n_small; i++) fathom_buffer_destroy(&held[i]);
    assert_int_equal(counters_of(gpu).device_allocated, 0);
    check_counters(gpu);
    free(held);
    fathom_gpu_destroy(&gpu);
}

static void test_plan_fits(void **state) {
    (void)state;
    place(3 * MIB, 300 * 1024, 7, 4000, 150);       // 2 MiB, 600 KB
    place(64 * MIB, 12 * MIB - 777, 5, 30000, 100); // 60 MiB, 3 MB
    place(64 * MIB, 64 * MIB, 1, 1, 0);             // all of it
    place(300 * MIB, 1 * MIB + 1, 296, 256, 200);
}

// The last block is as large as the limit allows, also where that is less than other shared blocks.
static void test_last_block(void **state) {
    (void)state;
    enum { N_SMALL = 200 };
    struct fathom_gpu *gpu = watched_gpu(FATHOM_INIT(fathom_gpu_params, .device_limit = 3 * MIB));
    struct fathom_buffer *large = raw(gpu, 3 * MIB - 60000, FATHOM_MEMORY_DEVICE), *small[N_SMALL];
    for (int i = 0; i < N_SMALL; i++) small[i] = raw(gpu, 256, FATHOM_MEMORY_DEVICE);
    assert_int_equal(watch.n, 2);
    check_counters(gpu);
    for (int i = 0; i < N_SMALL; i++) fathom_buffer_destroy(&small[i]);
    fathom_buffer_destroy(&large);
    fathom_gpu_destroy(&gpu);
}

static void test_refused_above_limit(void **state) {
    (void)state;
    struct fathom_error err = {0};
    struct fathom_gpu *gpu =
        watched_gpu(FATHOM_INIT(fathom_gpu_params, .device_limit = 4 * MIB + 1000, .host_limit = 2 * MIB));
    struct fathom_buffer *a = raw(gpu, 3 * MIB, FATHOM_MEMORY_DEVICE);
    assert_null(fm_buffer_create_raw(gpu, 3 * MIB / 2, FATHOM_MEMORY_DEVICE, &err));
    assert_int_equal(err.status, FATHOM_NO_MEMORY);
    assert_non_null(strstr(err.message, "device_limit allows 4195304"));
    assert_non_null(strstr(err.message, "buffer of 1572864 bytes"));
    assert_non_null(strstr(err.message, "3145728 bytes are allocated"));
    struct fathom_buffer *b = raw(gpu, MIB, FATHOM_MEMORY_DEVICE); // the rest
    assert_null(fm_buffer_create_raw(gpu, 4, FATHOM_MEMORY_DEVICE, NULL));
    err = (struct fathom_error){0};
    assert_null(fm_buffer_create_raw(gpu, 2 * MIB + 4, FATHOM_MEMORY_HOST, &err));
    assert_non_null(strstr(err.message, "host_limit"));
    fathom_buffer_destroy(&b);
    watch.extra = 2000; // the driver's rounding counts
    assert_null(fm_buffer_create_raw(gpu, MIB, FATHOM_MEMORY_DEVICE, NULL));
    b = raw(gpu, MIB - 4096, FATHOM_MEMORY_DEVICE);
    check_counters(gpu);
    fathom_buffer_destroy(&b);
    fathom_buffer_destroy(&a);
    fathom_gpu_destroy(&gpu);
}

// Buffers of both kinds come and go at random, mostly more than fits.
static void test_lives_below_limit(void **state) {
    (void)state;
    enum { N_SLOTS = 60 };
    uint64_t seed = (uint64_t)getpid() * 0x9e3779b97f4a7c15u + 1;
    print_message("seed %llu\n", (unsigned long long)seed);
    struct fathom_gpu *gpu =
        watched_gpu(FATHOM_INIT(fathom_gpu_params, .device_limit = 20 * MIB, .host_limit = 9 * MIB));
    const struct fathom_gpu_counters before = counters_of(gpu);
    struct fathom_buffer *held[N_SLOTS] = {0};
    uint32_t n_refused = 0;
    for (int step = 0; step < 3000; step++) {
        struct fathom_buffer **b = &held[next_random(&seed) % N_SLOTS];
        const enum fathom_memory kind = next_random(&seed) % 3 ? FATHOM_MEMORY_DEVICE : FATHOM_MEMORY_HOST;
        struct fathom_error err = {0};
        if (*b)
            fathom_buffer_destroy(b);
        else if (!(*b = fm_buffer_create_raw(gpu,
                       1 + next_random(&seed) % (next_random(&seed) % 2 ? 5000 : 3 * MIB), kind, &err))) {
            assert_int_equal(err.status, FATHOM_NO_MEMORY);
            assert_non_null(strstr(err.message, "_limit"));
            n_refused++;
        }
        check_counters(gpu);
    }
    assert_true(n_refused > 10);
    for (int i = 0; i < N_SLOTS; i++) fathom_buffer_destroy(&held[i]);
    const struct fathom_gpu_counters c = counters_of(gpu);
    assert_int_equal(c.device_allocated, before.device_allocated);
    assert_int_equal(c.host_allocated, before.host_allocated);
    assert_true(c.device_peak > 15 * MIB);
    fathom_gpu_destroy(&gpu);
}

// Uploads of a card go through staging buffers, which count.
static void test_staging_below_limit(void **state) {
    (void)state;
    enum { N_WORDS = 3 << 20 };
    struct fathom_error err = {0};
    struct fathom_gpu *gpu = watched_gpu(FATHOM_INIT(fathom_gpu_params, .device_limit = 13 * MIB,
        .host_limit = 3 * MIB, .debug = &FATHOM_INIT(fathom_gpu_debug, .discrete = true)));
    struct fathom_buffer *b = raw(gpu, 4 * N_WORDS, FATHOM_MEMORY_DEVICE);
    uint32_t *words = malloc(4 * N_WORDS), *got = calloc(N_WORDS, 4);
    for (uint32_t i = 0; i < N_WORDS; i++) words[i] = i * 0x9e3779b9u;
    check(fathom_upload(gpu, fathom_buffer_view(b), words, &err), &err);
    check(fathom_download(gpu, fathom_buffer_view(b), got, &err), &err);
    assert_memory_equal(got, words, 4 * N_WORDS);
    check_counters(gpu);
    assert_in_range(counters_of(gpu).host_peak, 3 * 64 * 1024, 3 * MIB / 4);
    free(words);
    free(got);
    fathom_buffer_destroy(&b);
    fathom_gpu_destroy(&gpu);
}

// ---- What goes back --------------------------------------------------------------------------------------

static void test_large_blocks_go_back(void **state) {
    (void)state;
    struct fathom_gpu *gpu = watched_gpu(FATHOM_INIT(fathom_gpu_params));
    struct fathom_buffer *small = raw(gpu, 1000, FATHOM_MEMORY_DEVICE);
    const uint64_t before = watch.total;
    struct fathom_buffer *a = raw(gpu, 40 * MIB, FATHOM_MEMORY_DEVICE),
                         *b = raw(gpu, 50 * MIB, FATHOM_MEMORY_DEVICE);
    assert_int_equal(watch.total, before + 90 * MIB); // blocks of their own
    fathom_buffer_destroy(&a);
    assert_int_equal(watch.total, before + 50 * MIB);
    fathom_buffer_destroy(&b);
    assert_int_equal(watch.total, before);
    fathom_buffer_destroy(&small);
    assert_int_equal(watch.total, before); // a small block stays for the next buffer
    const struct fathom_gpu_counters c = counters_of(gpu);
    assert_int_equal(c.device_peak, c.device_allocated + 90 * MIB);
    fathom_gpu_destroy(&gpu);
}

// A block does not go back while the device may use it. An allocation that finds no room waits for that.
static void test_used_block_stays(void **state) {
    (void)state;
    struct fathom_error err = {0};
    struct fathom_gpu *gpu =
        fathom_gpu_create(&FATHOM_INIT(fathom_gpu_params, .device_limit = 200 * MIB), &err);
    check(gpu != NULL, &err);
    make_lazy(gpu);
    struct fathom_buffer *x = raw(gpu, 40 * MIB, FATHOM_MEMORY_DEVICE),
                         *y = raw(gpu, 4096, FATHOM_MEMORY_DEVICE);
    struct fathom_stream *stream = fathom_stream_create(gpu, &err);
    check(stream != NULL, &err);
    record_affine(
        stream, (struct fathom_view){x, 0, 4096}, fathom_buffer_view(y), (struct affine_args){64, 1, 0});
    check(fathom_stream_finish(stream, &err) && fathom_stream_submit(stream, NULL, &err), &err);
    assert_int_equal(lazy.n_kept, 1);
    const uint64_t before = counters_of(gpu).device_allocated;
    fathom_buffer_destroy(&x);
    assert_int_equal(lazy.n_kept, 1);
    assert_int_equal(counters_of(gpu).device_allocated, before);
    check((x = raw(gpu, 40 * MIB, FATHOM_MEMORY_DEVICE)) != NULL, &err); // there is room beside it
    assert_int_equal(lazy.n_kept, 1);
    fathom_buffer_destroy(&x);
    check((x = raw(gpu, 180 * MIB, FATHOM_MEMORY_DEVICE)) != NULL, &err);
    assert_int_equal(lazy.n_kept, 0); // it waited
    fathom_buffer_destroy(&x);
    fathom_stream_destroy(&stream);
    fathom_buffer_destroy(&y);
    assert_int_equal(counters_of(gpu).device_allocated, 0);
    fathom_gpu_destroy(&gpu);
}

// ---- Weights in host memory ------------------------------------------------------------------------------

static void test_host_weight(void **state) {
    (void)state;
    enum { N_ROWS = 300, N_COLS = 64 };
    struct fathom_error err = {0};
    struct fathom_gpu *gpu = create_gpu(
        &FATHOM_INIT(fathom_gpu_params, .debug = &FATHOM_INIT(fathom_gpu_debug, .max_storage_range = 16384)));
    struct fathom_weight *w = fathom_weight_create_host(gpu, FATHOM_F32, 1, N_ROWS, N_COLS, &err);
    check(w != NULL, &err);
    assert_true(w->n_slices > 1);
    static float data[N_ROWS * N_COLS];
    static uint32_t got[4096];
    for (uint32_t i = 0; i < N_ROWS * N_COLS; i++) data[i] = (float)i;
    check(fathom_weight_upload(gpu, w, 0, 7, data, &err), &err);
    check(fathom_weight_upload(gpu, w, 7, N_ROWS - 7, data + 7 * N_COLS, &err), &err);
    for (uint32_t i = 0; i < w->n_slices; i++) {
        const struct fathom_slice *s = &w->slices[i];
        const uint64_t bytes = 4ull * s->n_rows * N_COLS;
        assert_memory_equal(fathom_buffer_map(s->view.buffer), data + s->first_row * N_COLS, bytes);
        struct fathom_buffer *y = raw(gpu, bytes, FATHOM_MEMORY_DEVICE);
        struct fathom_stream *stream = fathom_stream_create(gpu, &err);
        check(stream != NULL, &err);
        record_affine(stream, (struct fathom_view){s->view.buffer, 0, bytes}, fathom_buffer_view(y),
            (struct affine_args){(uint32_t)(bytes / 4), 1, 0});
        run_stream(gpu, stream);
        check(fathom_download(gpu, fathom_buffer_view(y), got, &err), &err);
        assert_memory_equal(got, data + s->first_row * N_COLS, bytes);
        fathom_stream_destroy(&stream);
        fathom_buffer_destroy(&y);
    }
    assert_true(counters_of(gpu).host_allocated >= sizeof(data));
    fathom_weight_destroy(&w);
    assert_null(fathom_weight_create_host(gpu, FATHOM_Q4_0, 1, 4, 48, &err));
    fathom_gpu_destroy(&gpu);
}

// An upload to a new weight does not wait for what the device does; a later one does.
static void test_host_upload_waits_only_for_its_readers(void **state) {
    (void)state;
    struct fathom_error err = {0};
    struct fathom_gpu *gpu = fathom_gpu_create(&FATHOM_INIT(fathom_gpu_params), &err);
    check(gpu != NULL, &err);
    make_lazy(gpu);
    struct fathom_weight *w = fathom_weight_create_host(gpu, FATHOM_F32, 1, 1, 64, &err);
    struct fathom_buffer *x = raw(gpu, 256, FATHOM_MEMORY_HOST), *y = raw(gpu, 256, FATHOM_MEMORY_HOST);
    struct fathom_stream *stream = fathom_stream_create(gpu, &err);
    check(w && stream, &err);
    record_affine(stream, fathom_buffer_view(x), fathom_buffer_view(y), (struct affine_args){64, 1, 0});
    check(fathom_stream_finish(stream, &err) && fathom_stream_submit(stream, NULL, &err), &err);
    float row[64] = {1, 2, 3};
    check(fathom_weight_upload(gpu, w, 0, 1, row, &err), &err);
    assert_int_equal(lazy.n_kept, 1); // the submit is still to run
    fathom_stream_begin(stream);
    record_affine(stream, (struct fathom_view){w->slices[0].view.buffer, 0, 256}, fathom_buffer_view(y),
        (struct affine_args){64, 1, 0});
    check(fathom_stream_finish(stream, &err) && fathom_stream_submit(stream, NULL, &err), &err);
    float other[64] = {4};
    check(fathom_weight_upload(gpu, w, 0, 1, other, &err), &err);
    assert_int_equal(lazy.n_kept, 0);
    assert_memory_equal(fathom_buffer_map(y), row, sizeof(row)); // the submit read the old row
    // so do copies
    struct fathom_buffer *z = raw(gpu, 256, FATHOM_MEMORY_HOST);
    fathom_stream_begin(stream);
    fathom_stream_copy(stream, fathom_buffer_view(z), fathom_buffer_view(y));
    check(fathom_stream_finish(stream, &err) && fathom_stream_submit(stream, NULL, &err), &err);
    check(fathom_upload(gpu, fathom_buffer_view(z), row, &err), &err);
    assert_int_equal(lazy.n_kept, 0);
    fathom_buffer_destroy(&z);
    fathom_stream_destroy(&stream);
    fathom_buffer_destroy(&x);
    fathom_buffer_destroy(&y);
    fathom_weight_destroy(&w);
    fathom_gpu_destroy(&gpu);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan_fits),
        cmocka_unit_test(test_last_block),
        cmocka_unit_test(test_refused_above_limit),
        cmocka_unit_test(test_lives_below_limit),
        cmocka_unit_test(test_staging_below_limit),
        cmocka_unit_test(test_large_blocks_go_back),
        cmocka_unit_test(test_used_block_stays),
        cmocka_unit_test(test_host_weight),
        cmocka_unit_test(test_host_upload_waits_only_for_its_readers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
