// Streams: results, derived barriers, replays, indirect sizes, splits, refusals.
#include "gpu/support.h"

enum { N = 1024, ROOM = 16 * N /* words */ };

struct bench {
    struct fathom_gpu *gpu;
    struct fathom_buffer *buffer;
    struct fathom_stream *stream;
};

static struct bench begin_on(struct fathom_gpu *gpu) {
    struct fathom_error err = {0};
    struct bench b = {.gpu = gpu};
    check((b.buffer = fathom_buffer_create(b.gpu, 4 * ROOM, FATHOM_MEMORY_DEVICE, &err)) != NULL, &err);
    check((b.stream = fathom_stream_create(b.gpu, &err)) != NULL, &err);
    fathom_stream_begin(b.stream);
    return b;
}

static struct bench begin(const struct fathom_gpu_params *params) {
    return begin_on(create_gpu(params));
}

static void end(struct bench *b) {
    fathom_stream_destroy(&b->stream);
    fathom_buffer_destroy(&b->buffer);
    fathom_gpu_destroy(&b->gpu);
    assert_null(b->gpu);
}

// Slot i of the buffer: N words.
static struct fathom_view slot(const struct bench *b, uint32_t i) {
    return (struct fathom_view){b->buffer, 4ull * N * i, 4 * N};
}

// A random program over overlapping ranges, compared with the same program on the host.
static void random_program(bool full_barriers, uint64_t seed) {
    struct bench b = begin(&FATHOM_INIT(
        fathom_gpu_params, .debug = &FATHOM_INIT(fathom_gpu_debug, .full_barriers = full_barriers)));
    struct fathom_error err = {0};
    static uint32_t model[ROOM], got[ROOM];
    for (uint32_t i = 0; i < ROOM; i++) model[i] = next_random(&seed);
    check(fathom_upload(b.gpu, fathom_buffer_view(b.buffer), model, &err), &err);
    for (int step = 0; step < 300; step++) {
        const uint32_t n = 64 * (1 + next_random(&seed) % 32),
                       from = next_random(&seed) % ((ROOM - n) / 64 + 1) * 64;
        uint32_t to = next_random(&seed) % ((ROOM - n) / 64 + 1) * 64;
        const bool copy = step % 5 == 4, overlap = from < to + n && to < from + n;
        if (overlap && copy) continue;
        if (overlap) to = from; // in place; a partial overlap would race within the dispatch
        const struct fathom_view x = {b.buffer, 4 * from, 4 * n}, y = {b.buffer, 4 * to, 4 * n};
        const struct affine_args args = {n, next_random(&seed) | 1, next_random(&seed)};
        if (copy)
            fathom_stream_copy(b.stream, x, y);
        else
            record_affine(b.stream, x, y, args);
        for (uint32_t i = 0; i < n; i++)
            model[to + i] = copy ? model[from + i] : affine(model[from + i], 1, args);
    }
    run_stream(b.gpu, b.stream);
    check(fathom_download(b.gpu, fathom_buffer_view(b.buffer), got, &err), &err);
    assert_memory_equal(got, model, sizeof(model));
    const struct fathom_gpu_counters c = counters_of(b.gpu);
    if (full_barriers) assert_true(c.barriers >= 239); // one before every entry except the first
    assert_true(c.submits > 0);
    if (device_is_card())
        assert_true(c.recorded > 1); // by the bytes of its copies
    else
        assert_int_equal(c.recorded, 1);
    end(&b);
}

static void test_random_program(void **state) {
    (void)state;
    const uint64_t seed = (uint64_t)getpid() * 0x9e3779b97f4a7c15u + 1;
    print_message("seed %llu\n", (unsigned long long)seed);
    random_program(false, seed);
    random_program(true, seed);
}

// Barriers between two dispatches: slot a to b, then slot c to d.
static uint64_t barriers_of(uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
    struct bench bench = begin(NULL);
    const struct affine_args args = {N, 3, 1};
    record_affine(bench.stream, slot(&bench, a), slot(&bench, b), args);
    record_affine(bench.stream, slot(&bench, c), slot(&bench, d), args);
    run_stream(bench.gpu, bench.stream);
    const uint64_t n = counters_of(bench.gpu).barriers;
    end(&bench);
    return n - 1; // without the barrier at the head of the command buffer
}

static void test_derived_barriers(void **state) {
    (void)state;
    assert_int_equal(barriers_of(0, 1, 2, 3), 0); // nothing shared
    assert_int_equal(barriers_of(0, 1, 0, 2), 0); // both read
    assert_int_equal(barriers_of(0, 1, 1, 2), 1); // read after write
    assert_int_equal(barriers_of(0, 1, 2, 0), 1); // write after read
    assert_int_equal(barriers_of(0, 1, 2, 1), 1); // write after write
    assert_int_equal(barriers_of(0, 0, 0, 0), 1); // in place, twice
}

static void test_replay(void **state) {
    (void)state;
    struct bench b = begin(NULL);
    struct fathom_error err = {0};
    uint32_t words[N], got[N];
    const struct affine_args args = {N, 5, 7};
    for (uint32_t i = 0; i < N; i++) words[i] = i;
    check(fathom_upload(b.gpu, slot(&b, 0), words, &err), &err);
    record_affine(b.stream, slot(&b, 0), slot(&b, 0), args);
    check(fathom_stream_finish(b.stream, &err), &err);
    uint64_t ticket = 0, before = 0;
    for (int i = 0; i < 20; i++, before = ticket) { // all in flight at once
        check(fathom_stream_submit(b.stream, &ticket, &err), &err);
        assert_true(ticket > before);
    }
    assert_false(fathom_stream_finish(b.stream, NULL)); // twice
    check(fathom_gpu_wait(b.gpu, ticket, &err), &err);
    assert_false(fathom_gpu_wait(b.gpu, ticket + 1, &err)); // before the download, which is a submit on cards
    check(fathom_download(b.gpu, slot(&b, 0), got, &err), &err);
    for (uint32_t i = 0; i < N; i++) assert_int_equal(got[i], affine(i, 20, args));
    assert_int_equal(counters_of(b.gpu).recorded, 1);
    // the same stream, recorded anew
    fathom_stream_begin(b.stream);
    record_affine(b.stream, slot(&b, 0), slot(&b, 1), args);
    run_stream(b.gpu, b.stream);
    check(fathom_download(b.gpu, slot(&b, 1), got, &err), &err);
    for (uint32_t i = 0; i < N; i++) assert_int_equal(got[i], affine(i, 21, args));
    end(&b);
}

// The host changes what the next part reads. Cuts at the start, at the end and twice in one place make empty
// parts.
static void test_parts(void **state) {
    (void)state;
    struct bench b = begin(NULL);
    struct fathom_error err = {0};
    uint32_t words[N], got[N];
    const struct affine_args args = {N, 3, 1};
    fathom_stream_cut(b.stream, 10);
    record_affine(b.stream, slot(&b, 0), slot(&b, 1), args);
    fathom_stream_cut(b.stream, 11);
    fathom_stream_cut(b.stream, 12);
    record_affine(b.stream, slot(&b, 1), slot(&b, 2), args);
    fathom_stream_cut(b.stream, 13);
    check(fathom_stream_finish(b.stream, &err), &err);
    assert_int_equal(fathom_stream_parts(b.stream), 5);
    for (uint32_t i = 1; i < 5; i++) assert_int_equal(fathom_stream_tag(b.stream, i), 9 + i);
    const uint64_t before = counters_of(b.gpu).recorded;
    for (uint32_t round = 0; round < 3; round++) {
        uint64_t ticket;
        for (uint32_t i = 0; i < 5; i++) {
            if (i == 1) { // slot 0 before the first dispatch
                for (uint32_t j = 0; j < N; j++) words[j] = j + round;
                check(fathom_upload(b.gpu, slot(&b, 0), words, &err), &err);
            }
            check(fathom_stream_submit_part(b.stream, i, &ticket, &err), &err);
            check(fathom_gpu_wait(b.gpu, ticket, &err), &err);
            if (i == 1) { // slot 1 between the two
                check(fathom_download(b.gpu, slot(&b, 1), got, &err), &err);
                for (uint32_t j = 0; j < N; j++) assert_int_equal(got[j], affine(j + round, 1, args));
                check(fathom_upload(b.gpu, slot(&b, 1), words, &err), &err);
            }
        }
        check(fathom_download(b.gpu, slot(&b, 2), got, &err), &err);
        for (uint32_t j = 0; j < N; j++) assert_int_equal(got[j], affine(j + round, 1, args));
    }
    assert_int_equal(counters_of(b.gpu).recorded, before);
    assert_false(fathom_stream_submit_part(b.stream, 5, NULL, &err));
    fathom_stream_begin(b.stream);
    record_affine(b.stream, slot(&b, 0), slot(&b, 1), args);
    check(fathom_stream_finish(b.stream, &err), &err);
    assert_int_equal(fathom_stream_parts(b.stream), 1);
    end(&b);
}

// The first dispatch writes the size of the second.
static void test_indirect(void **state) {
    (void)state;
    struct bench b = begin(NULL);
    struct fathom_error err = {0};
    const uint32_t one[3] = {1, 1, 1};
    uint32_t got[N];
    const struct fathom_view source = {b.buffer, 0, 12}, size = {b.buffer, 4 * N, 12};
    check(fathom_upload(b.gpu, source, one, &err), &err);
    record_affine(b.stream, source, size, (struct affine_args){3, 1, 0});
    const struct affine_args args = {N, 0, 9};
    struct fm_dispatch d = affine_dispatch(slot(&b, 2), slot(&b, 3), &args);
    d.indirect = size;
    d.groups[0] = 0;
    fm_stream_dispatch(b.stream, &d);
    run_stream(b.gpu, b.stream);
    assert_int_equal(counters_of(b.gpu).barriers, 2);
    check(fathom_download(b.gpu, slot(&b, 3), got, &err), &err);
    for (uint32_t i = 0; i < N; i++) assert_int_equal(got[i], i < 64 ? 9 : 0); // one workgroup
    end(&b);
}

// Tiles of shaders/include/tiles.glsl: each tile is taken once, and dispatches that share only the counter of
// tiles run one after the other.
static void test_tiles(void **state) {
    (void)state;
    static const uint32_t words[] = {
#include "tiles.inc"
    };
    static const struct fm_shader shader = {"tiles", words, sizeof(words) / 4};
    static const struct fm_variant variant = {.name = "plain", .shader = &shader};
    enum { X = 7, Y = 5, Z = 29, TILES = X * Y * Z, SUBMITS = 20 };
    struct bench b = begin(NULL);
    struct fathom_error err = {0};
    uint32_t got[N];
    for (uint32_t i = 0; i < 2; i++)
        fm_stream_dispatch(b.stream,
            &(struct fm_dispatch){
                .op = "tiles",
                .variant = &variant,
                .views = {slot(&b, i)},
                .n_views = 1,
                .groups = {X, Y, Z},
            });
    check(fathom_stream_finish(b.stream, &err), &err);
    assert_int_equal(counters_of(b.gpu).barriers, 2); // the first one heads the command buffer
    for (uint32_t i = 0; i < SUBMITS; i++) check(fathom_stream_submit(b.stream, NULL, &err), &err);
    for (uint32_t i = 0; i < 2; i++) {
        check(fathom_download(b.gpu, slot(&b, i), got, &err), &err);
        for (uint32_t t = 0; t < N; t++) assert_int_equal(got[t], t < TILES ? SUBMITS : 0);
    }
    end(&b);
}

// On a CPU a dispatch that takes long is split as well. Its tiles are taken once, and a dispatch that follows
// has all of its tiles.
static void test_split_dispatch(void **state) {
    (void)state;
    static const uint32_t words[] = {
#include "parts.inc"
    };
    static const struct fm_shader shader = {"parts", words, sizeof(words) / 4};
    static const struct fm_variant variant = {.name = "plain", .shader = &shader};
    enum { X = 7, Y = 5, Z = 29, TILES = X * Y * Z };
    struct bench b = begin(NULL);
    struct fathom_error err = {0};
    uint32_t got[N];
    b.gpu->info.type = FATHOM_GPU_CPU; // also where it pretends to be a card
    for (uint32_t i = 0; i < 2; i++)
        fm_stream_dispatch(b.stream,
            &(struct fm_dispatch){
                .op = "parts",
                .variant = &variant,
                .views = {slot(&b, i)},
                .n_views = 1,
                .groups = {X, Y, Z},
                .flops = i ? 0 : 2e10, // a second
            });
    run_stream(b.gpu, b.stream);
    assert_in_range(counters_of(b.gpu).dispatches, 10, 40);
    assert_in_range(counters_of(b.gpu).submits, 10, 40);
    for (uint32_t i = 0; i < 2; i++) {
        check(fathom_download(b.gpu, slot(&b, i), got, &err), &err);
        for (uint32_t t = 0; t < N; t++) assert_int_equal(got[t], t < TILES ? 1 : 0);
    }
    end(&b);
}

// Work that would hold the queue for long goes in several submits. A CPU has no such limit, so it pretends to
// be another device here.
static void test_splits(void **state) {
    (void)state;
    struct bench b = begin(NULL);
    struct fathom_error err = {0};
    uint32_t got[N];
    const struct affine_args args = {N, 3, 1};
    b.gpu->info.type = FATHOM_GPU_DISCRETE;
    for (int i = 0; i < 40; i++) {
        struct fm_dispatch d = affine_dispatch(slot(&b, 0), slot(&b, 0), &args);
        d.flops = 5e10; // 0.05 s on a slow card
        fm_stream_dispatch(b.stream, &d);
    }
    run_stream(b.gpu, b.stream);
    const struct fathom_gpu_counters c = counters_of(b.gpu);
    assert_in_range(c.recorded, 8, 40);
    assert_int_equal(c.dispatches, 40);
    check(fathom_download(b.gpu, slot(&b, 0), got, &err), &err);
    for (uint32_t i = 0; i < N; i++) assert_int_equal(got[i], affine(0, 40, args));
    end(&b);
}

// How a device cuts a list of work into submits. A submit has as much work as fits into 0.2 s by the
// estimate. A longer dispatch is alone in its submit. Times are in hundredths of a second of a slow device of
// the type.
static const struct split_case {
    enum fathom_gpu_type type;
    uint32_t hundredths[8]; // up to the first 0
    uint32_t n_submits;
} split_cases[] = {
    {FATHOM_GPU_DISCRETE, {11, 11}, 2}, // 22: the second one is too much
    {FATHOM_GPU_DISCRETE, {11, 8}, 1},
    {FATHOM_GPU_DISCRETE, {15, 4, 30, 1, 1}, 3}, // a long dispatch is alone
    {FATHOM_GPU_DISCRETE, {30, 30, 30}, 3},
    {FATHOM_GPU_DISCRETE, {1, 30}, 2},
    {FATHOM_GPU_DISCRETE, {7, 7, 7, 7, 7, 7, 7, 7}, 4},
    {FATHOM_GPU_INTEGRATED, {11, 11, 8, 12, 30, 1}, 5},
    {FATHOM_GPU_VIRTUAL, {11, 11, 8}, 2},
    {FATHOM_GPU_OTHER, {11, 11, 8}, 2},
    {FATHOM_GPU_CPU, {8, 8, 8}, 1}, // no watchdog, and short as a whole
    {FATHOM_GPU_CPU, {8, 8, 8, 8}, 4},
    {FATHOM_GPU_CPU, {4, 4, 4, 4, 4, 4, 4}, 4},
};

static void check_split(const struct split_case *c, bool by_bytes) {
    struct fathom_error err = {0};
    struct fathom_gpu *gpu = fathom_gpu_create(&FATHOM_INIT(fathom_gpu_params), &err);
    check(gpu != NULL, &err);
    struct bench b = begin_on(gpu);
    uint32_t got[N], n = 0;
    const struct affine_args args = {N, 3, 1};
    b.gpu->info.type = c->type;
    const bool cpu = c->type == FATHOM_GPU_CPU;
    const double flops = c->type == FATHOM_GPU_DISCRETE ? 1e12
        : cpu                                           ? 2e10
                                                        : 2e11,
                 bytes = cpu ? flops / 4 : flops / 10; // a second
    for (; n < 8 && c->hundredths[n]; n++) {
        struct fm_dispatch d = affine_dispatch(slot(&b, 0), slot(&b, 0), &args);
        d.flops = by_bytes ? 0 : flops * c->hundredths[n] / 100;
        d.bytes = by_bytes ? bytes * c->hundredths[n] / 100 : 0;
        fm_stream_dispatch(b.stream, &d);
    }
    run_stream(b.gpu, b.stream);
    const struct fathom_gpu_counters counters = counters_of(b.gpu);
    assert_int_equal(counters.recorded, c->n_submits);
    assert_int_equal(counters.dispatches, n);
    assert_int_equal(counters.barriers, n); // one between all dispatches or at the head of a submit
    check(fathom_download(b.gpu, slot(&b, 0), got, &err), &err);
    for (uint32_t i = 0; i < N; i++) assert_int_equal(got[i], affine(0, n, args));
    end(&b);
}

static void test_where_it_splits(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(split_cases) / sizeof(*split_cases); i++) {
        print_message("case %zu\n", i);
        check_split(&split_cases[i], false);
        check_split(&split_cases[i], true);
    }
}

static void test_host_results(void **state) {
    (void)state;
    struct bench b = begin(NULL);
    struct fathom_error err = {0};
    struct fathom_buffer *host = fathom_buffer_create(b.gpu, 4 * N, FATHOM_MEMORY_HOST, &err);
    assert_non_null(host);
    uint32_t *words = fathom_buffer_map(host);
    assert_non_null(words);
    assert_null(fathom_buffer_map(b.buffer));
    for (uint32_t i = 0; i < N; i++) words[i] = i;
    record_affine(b.stream, fathom_buffer_view(host), slot(&b, 0), (struct affine_args){N, 3, 2});
    record_affine(b.stream, slot(&b, 0), fathom_buffer_view(host), (struct affine_args){N, 1, 1});
    run_stream(b.gpu, b.stream);
    for (uint32_t i = 0; i < N; i++) assert_int_equal(words[i], 3 * i + 3);
    fathom_buffer_destroy(&host);
    end(&b);
}

static void test_timings(void **state) {
    (void)state;
    struct bench b = begin(&FATHOM_INIT(fathom_gpu_params, .timers = true));
    if (fathom_gpu_get_info(b.gpu)->timestamp_period == 0) {
        end(&b);
        print_message("skipped: the device has no timers\n");
        skip();
    }
    const struct affine_args args = {N, 3, 1};
    struct fm_dispatch d = affine_dispatch(slot(&b, 0), slot(&b, 1), &args);
    d.constants[0].value = 20000;
    d.flops = 11;
    d.bytes = 13;
    fm_stream_dispatch(b.stream, &d);
    fathom_stream_copy(b.stream, slot(&b, 1), slot(&b, 2));
    assert_int_equal(fathom_stream_read_timings(b.stream), 0); // not submitted yet
    run_stream(b.gpu, b.stream);
    assert_int_equal(fathom_stream_read_timings(b.stream), 2);
    assert_string_equal(fathom_stream_get_timing(b.stream, 0)->op, "affine");
    assert_string_equal(fathom_stream_get_timing(b.stream, 0)->variant, "plain");
    assert_true(fathom_stream_get_timing(b.stream, 0)->flops == 11);
    assert_true(fathom_stream_get_timing(b.stream, 0)->bytes == 13);
    assert_true(fathom_stream_get_timing(b.stream, 0)->nanoseconds > 0);
    assert_true(fathom_stream_get_timing(b.stream, 0)->nanoseconds < 10e9);
    assert_string_equal(fathom_stream_get_timing(b.stream, 1)->op, "copy");
    end(&b);
}

// Records the dispatch, and expects an error that names the operator.
static void refused(struct bench *b, const struct fm_dispatch *d, enum fathom_status status) {
    struct fathom_error err = {0};
    fathom_stream_begin(b->stream);
    fm_stream_dispatch(b->stream, d);
    assert_false(fathom_stream_finish(b->stream, &err));
    assert_int_equal(err.status, status);
    assert_non_null(strstr(err.message, "affine"));
    assert_false(fathom_stream_submit(b->stream, NULL, NULL));
}

static void test_refused(void **state) {
    (void)state;
    struct bench b = begin(NULL);
    const struct fathom_gpu_info *info = fathom_gpu_get_info(b.gpu);
    const struct affine_args args = {N, 3, 1};
    const struct fm_dispatch good = affine_dispatch(slot(&b, 0), slot(&b, 1), &args);
    struct fm_dispatch d = good;
    d.views[0].offset = 4 * ROOM - 4 * N + info->storage_alignment, refused(&b, &d, FATHOM_INVALID),
    d = good; // past the end
    d.views[0].offset = UINT64_MAX - 3, refused(&b, &d, FATHOM_INVALID), d = good;
    d.views[1].size = 0, refused(&b, &d, FATHOM_INVALID), d = good;
    d.n_views = 1, refused(&b, &d, FATHOM_INVALID), d = good;
    d.n_views = 3, refused(&b, &d, FATHOM_INVALID), d = good;
    d.args_size = 8, refused(&b, &d, FATHOM_INVALID), d = good;
    d.constants[0].name = NULL, refused(&b, &d, FATHOM_INVALID), d = good;    // not given
    d.constants[0].name = "ROUND", refused(&b, &d, FATHOM_INVALID), d = good; // no such constant
    d.constants[1] = (struct fm_constant){"ROUNDS", 1}, refused(&b, &d, FATHOM_INVALID), d = good; // twice
    d.constants[1] = (struct fm_constant){"local_size_x", 64}, refused(&b, &d, FATHOM_INVALID),
    d = good; // one too many
    d.groups[1] = 0, refused(&b, &d, FATHOM_INVALID), d = good;
    d.groups[2] = UINT32_MAX, refused(&b, &d, FATHOM_INVALID), d = good;
    d.indirect = (struct fathom_view){b.buffer, 4, 8}, refused(&b, &d, FATHOM_INVALID), d = good;
    if (info->storage_alignment > 4) {
        d.views[0].offset = 4, refused(&b, &d, FATHOM_INVALID), d = good;
    }
    struct fathom_error err = {0};
    fathom_stream_begin(b.stream); // the error is gone
    fm_stream_dispatch(b.stream, &good);
    run_stream(b.gpu, b.stream);
    fm_stream_dispatch(b.stream, &good); // finished already
    assert_false(fathom_stream_finish(b.stream, &err));
    err = (struct fathom_error){0};
    fathom_stream_begin(b.stream);
    fathom_stream_copy(b.stream, slot(&b, 0), (struct fathom_view){b.buffer, 0, 8});
    assert_false(fathom_stream_finish(b.stream, &err));
    assert_int_equal(err.status, FATHOM_INVALID);
    fathom_stream_begin(b.stream);
    d.groups[1] = 0;
    fm_stream_dispatch(b.stream, &d);
    fathom_stream_copy(b.stream, slot(&b, 0), (struct fathom_view){b.buffer, 0, 8});
    assert_false(fathom_stream_finish(b.stream, &err));
    assert_non_null(strstr(err.message, "dimension 1")); // the first of the two
    end(&b);
}

static void test_another_gpu(void **state) {
    (void)state;
    struct bench b = begin(NULL), other = begin(NULL);
    struct fathom_error err = {0};
    uint32_t words[N] = {0};
    fathom_stream_copy(b.stream, slot(&other, 0), slot(&b, 0));
    assert_false(fathom_stream_finish(b.stream, &err));
    assert_non_null(strstr(err.message, "another gpu"));
    fathom_stream_begin(b.stream);
    record_affine(b.stream, slot(&b, 0), slot(&other, 0), (struct affine_args){N, 3, 1});
    assert_false(fathom_stream_finish(b.stream, &err));
    assert_non_null(strstr(err.message, "another gpu"));
    assert_false(fathom_upload(b.gpu, slot(&other, 0), words, &err));
    assert_non_null(strstr(err.message, "another gpu"));
    assert_false(fathom_download(b.gpu, slot(&other, 0), words, &err));
    assert_int_equal(err.status, FATHOM_INVALID);
    end(&other);
    end(&b);
}

// A binding without a buffer, an offset that needs alignment, an empty stream.
static void test_odds(void **state) {
    (void)state;
    struct bench b = begin(NULL);
    struct fathom_error err = {0};
    run_stream(b.gpu, b.stream);
    fathom_stream_begin(b.stream);
    struct fathom_view view = {b.buffer, 4 * 77, 400};
    const uint32_t rest = fm_stream_align(b.stream, &view);
    assert_int_equal(view.offset % fathom_gpu_get_info(b.gpu)->storage_alignment, 0);
    assert_int_equal(view.offset + 4 * rest, 4 * 77);
    assert_int_equal(view.offset + view.size, 4 * 77 + 400);
    const struct affine_args args = {1, 0, 42};
    const struct fm_dispatch d = affine_dispatch((struct fathom_view){0}, slot(&b, 1), &args);
    fm_stream_dispatch(b.stream, &d);
    run_stream(b.gpu, b.stream);
    uint32_t word;
    check(fathom_download(b.gpu, (struct fathom_view){b.buffer, 4 * N, 4}, &word, &err), &err);
    assert_int_equal(word, 42);
    struct fathom_stream *none = NULL;
    fathom_stream_destroy(&none);
    fathom_stream_destroy(NULL);
    end(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_program),
        cmocka_unit_test(test_derived_barriers),
        cmocka_unit_test(test_replay),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_indirect),
        cmocka_unit_test(test_tiles),
        cmocka_unit_test(test_split_dispatch),
        cmocka_unit_test(test_splits),
        cmocka_unit_test(test_where_it_splits),
        cmocka_unit_test(test_host_results),
        cmocka_unit_test(test_timings),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_another_gpu),
        cmocka_unit_test(test_odds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
