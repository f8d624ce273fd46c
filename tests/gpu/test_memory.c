// Buffers and weights: random lives and contents, in memory that the host sees and through staging; slices;
// refusals.
#include "gpu/lazy.h"
#include "gpu/support.h"

enum { N_SLOTS = 40, LARGEST = 300000 /* words */ };

struct held {
    struct fathom_buffer *buffer;
    uint64_t n_words, seed;
};

static void fill(uint32_t *words, uint64_t n, uint64_t seed) {
    for (uint64_t i = 0; i < n; i++) words[i] = (uint32_t)((seed + i) * 0x9e3779b97f4a7c15u >> 32);
}

static void check_contents(struct fathom_gpu *gpu, const struct held *h, uint32_t *got, uint32_t *want) {
    struct fathom_error err = {0};
    fill(want, h->n_words, h->seed);
    check(fathom_download(gpu, fathom_buffer_view(h->buffer), got, &err), &err);
    assert_memory_equal(got, want, 4 * h->n_words);
}

static void create_one(
    struct fathom_gpu *gpu, struct held *h, uint64_t *random, uint32_t *got, uint32_t *want) {
    struct fathom_error err = {0};
    *h = (struct held){
        .n_words = 1 + next_random(random) % (next_random(random) % 4 ? 3000 : LARGEST),
        .seed = next_random(random),
    };
    const enum fathom_memory memory = next_random(random) % 4 ? FATHOM_MEMORY_DEVICE : FATHOM_MEMORY_HOST;
    check((h->buffer = fathom_buffer_create(gpu, 4 * h->n_words, memory, &err)) != NULL, &err);
    check(fathom_download(gpu, fathom_buffer_view(h->buffer), got, &err), &err);
    for (uint64_t i = 0; i < h->n_words; i++) assert_int_equal(got[i], 0);
    fill(want, h->n_words, h->seed);
    const uint64_t cut = next_random(random) % (h->n_words + 1); // in two pieces
    const struct fathom_view head = {h->buffer, 0, 4 * cut},
                             tail = {h->buffer, 4 * cut, 4 * (h->n_words - cut)};
    check(fathom_upload(gpu, head, want, &err) && fathom_upload(gpu, tail, want + cut, &err), &err);
}

static void lives(struct fathom_gpu *gpu, uint64_t seed) {
    static uint32_t got[LARGEST + 1], want[LARGEST + 1];
    static struct held held[N_SLOTS];
    const uint64_t used = counters_of(gpu).memory_used;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (int step = 0; step < 600; step++) {
        struct held *h = &held[next_random(&seed) % N_SLOTS];
        if (h->buffer) {
            check_contents(gpu, h, got, want);
            fathom_buffer_destroy(&h->buffer);
            assert_null(h->buffer);
        } else {
            create_one(gpu, h, &seed, got, want);
        }
    }
    for (int i = 0; i < N_SLOTS; i++) {
        if (held[i].buffer) check_contents(gpu, &held[i], got, want);
        fathom_buffer_destroy(&held[i].buffer);
    }
    // all memory came back: the same again takes from the driver only what fragments of one range cost
    const struct fathom_gpu_counters c = counters_of(gpu);
    assert_true(c.memory_used <= used + (24u << 20)); // apart from the staging buffers
    struct fathom_error err = {0};
    struct fathom_buffer *whole = fathom_buffer_create(gpu, 15u << 20, FATHOM_MEMORY_DEVICE, &err);
    check(whole != NULL, &err);
    assert_int_equal(counters_of(gpu).memory_allocated, c.memory_allocated);
    fathom_buffer_destroy(&whole);
}

static uint64_t new_seed(void) {
    return (uint64_t)getpid() * 0x9e3779b97f4a7c15u + 1;
}

static void test_lives(void **state) {
    (void)state;
    struct fathom_gpu *gpu = create_gpu(NULL);
    lives(gpu, new_seed());
    fathom_gpu_destroy(&gpu);
}

// As on discrete cards: blocks that the host does not see. The earlier blocks are full.
static void test_staging(void **state) {
    (void)state;
    struct fathom_error err = {0};
    struct fathom_gpu *gpu = create_gpu(NULL);
    gpu->info.unified_memory = false;
    struct fathom_buffer *rest = fathom_buffer_create(gpu, (16u << 20) - 256, FATHOM_MEMORY_DEVICE, &err);
    check(rest != NULL, &err);
    lives(gpu, new_seed());
    // larger than all staging buffers, and not a multiple of one
    const uint64_t n = (44u << 20) / 4 + 5;
    uint32_t *words = malloc(4 * n), *got = malloc(4 * n);
    struct held big = {
        .buffer = fathom_buffer_create(gpu, 4 * n, FATHOM_MEMORY_DEVICE, &err),
        .n_words = n,
        .seed = 99,
    };
    check(big.buffer != NULL, &err);
    assert_null(big.buffer->mapped);
    fill(words, n, big.seed);
    check(fathom_upload(gpu, fathom_buffer_view(big.buffer), words, &err), &err);
    check_contents(gpu, &big, got, words);
    free(words);
    free(got);
    fathom_buffer_destroy(&big.buffer);
    fathom_buffer_destroy(&rest);
    fathom_gpu_destroy(&gpu);
}

// Fills the blocks that the host sees, and makes the gpu a card that does nothing until the host waits.
static struct fathom_buffer *play_lazy_card(struct fathom_gpu *gpu) {
    struct fathom_error err = {0};
    gpu->info.unified_memory = false;
    struct fathom_buffer *rest = fathom_buffer_create(gpu, (16u << 20) - 256, FATHOM_MEMORY_DEVICE, &err);
    check(rest != NULL, &err);
    make_lazy(gpu);
    return rest;
}

// Uploads, one after another, go around the staging ring more than twice, and the device lags as far behind
// as it may.
static void test_staging_waits(void **state) {
    (void)state;
    enum { N_BUFFERS = 2 * FM_N_STAGING + 1, N_WORDS = 1000 };
    struct fathom_error err = {0};
    struct fathom_gpu *gpu = fathom_gpu_create(&FATHOM_INIT(fathom_gpu_params), &err);
    check(gpu != NULL, &err);
    struct fathom_buffer *rest = play_lazy_card(gpu);
    static uint32_t got[N_WORDS], words[N_WORDS];
    struct held held[N_BUFFERS];
    for (uint32_t i = 0; i < N_BUFFERS; i++) {
        held[i] = (struct held){.n_words = N_WORDS, .seed = i};
        held[i].buffer = fathom_buffer_create(gpu, 4 * N_WORDS, FATHOM_MEMORY_DEVICE, &err);
        check(held[i].buffer != NULL, &err);
        assert_null(held[i].buffer->mapped);
    }
    for (uint32_t i = 0; i < N_BUFFERS; i++) {
        fill(words, N_WORDS, held[i].seed);
        check(fathom_upload(gpu, fathom_buffer_view(held[i].buffer), words, &err), &err);
    }
    assert_int_equal(lazy.most_kept, FM_N_STAGING); // the ring was full
    for (uint32_t i = 0; i < N_BUFFERS; i++) check_contents(gpu, &held[i], got, words);
    for (uint32_t i = 0; i < N_BUFFERS; i++) fathom_buffer_destroy(&held[i].buffer);
    // one upload of many pieces, and its download
    const uint64_t n = (44u << 20) / 4 + 5;
    uint32_t *large = malloc(4 * n), *large_got = malloc(4 * n);
    struct held big = {.n_words = n, .seed = 99};
    big.buffer = fathom_buffer_create(gpu, 4 * n, FATHOM_MEMORY_DEVICE, &err);
    check(big.buffer != NULL, &err);
    fill(large, n, big.seed);
    check(fathom_upload(gpu, fathom_buffer_view(big.buffer), large, &err), &err);
    check_contents(gpu, &big, large_got, large);
    free(large);
    free(large_got);
    fathom_buffer_destroy(&big.buffer);
    fathom_buffer_destroy(&rest);
    fathom_gpu_destroy(&gpu);
}

// Streams and transfers in turn: each sees the contents at the time of its submit, whether the host sees the
// memory or not.
static void lazy_turns(bool card) {
    enum { N_WORDS = 640 };
    struct fathom_error err = {0};
    struct fathom_gpu *gpu = fathom_gpu_create(&FATHOM_INIT(fathom_gpu_params), &err);
    check(gpu != NULL, &err);
    struct fathom_buffer *rest = card ? play_lazy_card(gpu) : NULL;
    if (!card) make_lazy(gpu);
    struct fathom_buffer *x = fathom_buffer_create(gpu, 4 * N_WORDS, FATHOM_MEMORY_DEVICE, &err);
    struct fathom_buffer *y = fathom_buffer_create(gpu, 4 * N_WORDS, FATHOM_MEMORY_DEVICE, &err);
    struct fathom_buffer *host = fathom_buffer_create(gpu, 4 * N_WORDS, FATHOM_MEMORY_HOST, &err);
    struct fathom_stream *stream = fathom_stream_create(gpu, &err);
    check(x && y && host && stream, &err);
    assert_int_equal(x->mapped == NULL, card);
    const struct affine_args args = {N_WORDS, 3, 1};
    static uint32_t words[N_WORDS], got[N_WORDS];
    uint64_t ticket = 0;
    for (uint32_t round = 0; round < 6; round++) {
        fathom_stream_begin(stream);
        record_affine(stream, fathom_buffer_view(x), fathom_buffer_view(y), args);
        fathom_stream_copy(stream, fathom_buffer_view(y), fathom_buffer_view(host));
        check(fathom_stream_finish(stream, &err), &err);
        fill(words, N_WORDS, 2 * round);
        check(fathom_upload(gpu, fathom_buffer_view(x), words, &err), &err);
        check(fathom_stream_submit(stream, &ticket, &err), &err);
        if (round % 3 == 0) { // the submit must read the earlier words
            fill(got, N_WORDS, 2 * round + 1);
            check(fathom_upload(gpu, fathom_buffer_view(x), got, &err), &err);
        }
        if (round % 2)
            check(fathom_download(gpu, fathom_buffer_view(y), got, &err), &err);
        else
            check(fathom_gpu_wait(gpu, ticket, &err), &err);
        const uint32_t *seen = round % 2 ? got : fathom_buffer_map(host);
        for (uint32_t i = 0; i < N_WORDS; i++) assert_int_equal(seen[i], affine(words[i], 1, args));
    }
    // commands are freed once they have run
    check(fathom_stream_submit(stream, NULL, &err), &err);
    fathom_stream_begin(stream);
    record_affine(stream, fathom_buffer_view(x), fathom_buffer_view(y), args);
    check(fathom_stream_finish(stream, &err), &err);
    assert_false(lazy.freed_early);
    // a buffer that a submit still uses gives its memory back after the submit, for which its destruction
    // does not wait: the next buffer there is empty
    check(fathom_stream_submit(stream, NULL, &err), &err);
    const uint64_t used = counters_of(gpu).memory_used;
    fathom_buffer_destroy(&y);
    assert_int_equal(lazy.n_kept, 1);
    assert_int_equal(counters_of(gpu).memory_used, used);
    check(fm_gpu_wait_all(gpu, &err), &err);
    assert_int_equal(counters_of(gpu).memory_used, used - 4 * N_WORDS);
    check((y = fathom_buffer_create(gpu, 4 * N_WORDS, FATHOM_MEMORY_DEVICE, &err)) != NULL, &err);
    check(fathom_download(gpu, fathom_buffer_view(y), got, &err), &err);
    for (uint32_t i = 0; i < N_WORDS; i++) assert_int_equal(got[i], 0);
    fathom_stream_begin(stream);
    fathom_stream_copy(stream, fathom_buffer_view(x), fathom_buffer_view(host));
    check(fathom_stream_finish(stream, &err) && fathom_stream_submit(stream, NULL, &err), &err);
    assert_int_equal(lazy.n_kept, 1);
    fathom_stream_destroy(&stream);
    assert_int_equal(lazy.n_kept, 1);
    assert_false(lazy.freed_early);
    check(fm_gpu_wait_all(gpu, &err), &err);
    assert_int_equal(gpu->n_retired, 0);
    fathom_buffer_destroy(&host);
    fathom_buffer_destroy(&y);
    fathom_buffer_destroy(&x);
    fathom_buffer_destroy(&rest);
    fathom_gpu_destroy(&gpu);
}

static void test_lazy_turns(void **state) {
    (void)state;
    lazy_turns(false);
    lazy_turns(true);
}

static void expect_no_buffer(struct fathom_gpu *gpu, uint64_t size, enum fathom_status status) {
    struct fathom_error err = {0};
    assert_null(fathom_buffer_create(gpu, size, FATHOM_MEMORY_DEVICE, &err));
    assert_int_equal(err.status, status);
    assert_true(strlen(err.message) > 10);
}

static void test_refused(void **state) {
    (void)state;
    struct fathom_error err = {0};
    struct fathom_gpu *gpu = create_gpu(NULL);
    expect_no_buffer(gpu, 0, FATHOM_INVALID);
    expect_no_buffer(gpu, gpu->info.max_allocation + 1, FATHOM_NO_MEMORY);
    expect_no_buffer(gpu, UINT64_MAX, FATHOM_NO_MEMORY);
    const uint64_t largest = gpu->info.max_allocation, used = counters_of(gpu).memory_used;
    gpu->info.max_allocation = UINT64_MAX / 2; // so that the driver refuses
    assert_null(fathom_buffer_create(gpu, 1ull << 50, FATHOM_MEMORY_DEVICE, &err));
    assert_int_equal(err.status, FATHOM_NO_MEMORY);
    assert_non_null(strstr(err.message, "are free"));
    assert_int_equal(counters_of(gpu).memory_used, used);
    err = (struct fathom_error){0};
    gpu->info.max_allocation = largest;
    struct fathom_buffer *b = fathom_buffer_create(gpu, 64, FATHOM_MEMORY_DEVICE, &err);
    uint32_t words[32] = {0};
    assert_false(fathom_upload(gpu, (struct fathom_view){b, 0, 68}, words, &err));
    assert_int_equal(err.status, FATHOM_INVALID);
    assert_false(fathom_upload(gpu, (struct fathom_view){b, 68, 4}, words, NULL));
    assert_false(fathom_upload(gpu, (struct fathom_view){b, UINT64_MAX - 3, 8}, words, NULL));
    assert_false(fathom_download(gpu, (struct fathom_view){b, 2, 4}, words, NULL));
    assert_false(fathom_download(gpu, (struct fathom_view){NULL, 0, 4}, words, NULL));
    fathom_buffer_destroy(&b);
    fathom_buffer_destroy(&b);
    fathom_buffer_destroy(NULL);
    fathom_gpu_destroy(&gpu);
}

static void test_row_size(void **state) {
    (void)state;
    assert_int_equal(fathom_row_size(FATHOM_F32, 12), 48);
    assert_int_equal(fathom_row_size(FATHOM_F16, 12), 24);
    assert_int_equal(fathom_row_size(FATHOM_BF16, 4), 8);
    assert_int_equal(fathom_row_size(FATHOM_Q8_0, 64), 68);
    assert_int_equal(fathom_row_size(FATHOM_Q4_0, 64), 36);
    assert_int_equal(fathom_row_size(FATHOM_Q4_0, 48), 0);
    assert_int_equal(fathom_row_size(FATHOM_F32, 6), 0);
    assert_int_equal(fathom_row_size((enum fathom_type)77, 32), 0);
    assert_int_equal(fathom_row_size(FATHOM_F32, 0xfffffffc), 0x3fffffff0);
}

// A weight in several slices: its bytes come back, in whatever pieces they were uploaded.
static void slices(enum fathom_type type, uint32_t n_mats, uint32_t n_rows, uint32_t n_cols) {
    enum { RANGE = 16384 };
    struct fathom_error err = {0};
    struct fathom_gpu *gpu = create_gpu(
        &FATHOM_INIT(fathom_gpu_params, .debug = &FATHOM_INIT(fathom_gpu_debug, .max_storage_range = RANGE)));
    struct fathom_weight *w = fathom_weight_create(gpu, type, n_mats, n_rows, n_cols, &err);
    check(w != NULL, &err);
    const uint64_t row = fathom_row_size(type, n_cols);
    const uint32_t total = n_mats * n_rows;
    assert_true(w->n_slices > 1);
    uint8_t *data = malloc(total * row), *got = malloc(RANGE);
    for (uint64_t i = 0; i < total * row; i++) data[i] = (uint8_t)(i * 0x9e3779b97f4a7c15u >> 56);
    for (uint32_t at = 0; at < total;) {
        const uint32_t n = at + 7 < total ? 7 : total - at;
        check(fathom_weight_upload(gpu, w, at, n, data + at * row, &err), &err);
        at += n;
    }
    uint32_t next = 0;
    for (uint32_t i = 0; i < w->n_slices; i++) {
        const struct fathom_slice *v = &w->slices[i];
        assert_int_equal(v->first_row, next);
        if (n_mats > 1) assert_int_equal(v->n_rows % n_rows, 0);
        assert_in_range(v->view.size, v->n_rows * row, RANGE);
        check(fathom_download(gpu, v->view, got, &err), &err);
        assert_memory_equal(got, data + next * row, v->n_rows * row);
        next += v->n_rows;
    }
    assert_int_equal(next, total);
    assert_false(fathom_weight_upload(gpu, w, total - 1, 2, data, &err));
    free(data);
    free(got);
    fathom_weight_destroy(&w);
    fathom_weight_destroy(&w);
    // one matrix that no slice can hold; invalid shapes
    err = (struct fathom_error){0};
    assert_null(fathom_weight_create(gpu, FATHOM_F32, 2, 64, 128, &err));
    assert_int_equal(err.status, FATHOM_UNSUPPORTED);
    assert_null(fathom_weight_create(gpu, FATHOM_Q4_0, 1, 4, 48, NULL));
    assert_null(fathom_weight_create(gpu, FATHOM_F32, 0, 4, 4, NULL));
    assert_null(fathom_weight_create(gpu, FATHOM_F32, UINT32_MAX, UINT32_MAX, 4, NULL));
    fathom_gpu_destroy(&gpu);
}

static void test_windows(void **state) {
    (void)state;
    slices(FATHOM_F32, 1, 300, 36);
    slices(FATHOM_Q8_0, 1, 501, 96);
    slices(FATHOM_Q4_0, 21, 33, 96);
    slices(FATHOM_F16, 9, 40, 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lives),
        cmocka_unit_test(test_staging),
        cmocka_unit_test(test_staging_waits),
        cmocka_unit_test(test_lazy_turns),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_row_size),
        cmocka_unit_test(test_windows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
