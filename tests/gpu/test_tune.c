// Tuning without a model: the table of choices and its file, and an operator of the test's own whose fastest
// variant computes something else.
#include "gpu/support.h"
#include "base/clock.h"
#include "gpu/cache_file.h"
#include "gpu/tuned.h"
#include "op/tune.h"
#include <dirent.h>
#include <math.h>
#include <sys/stat.h>

// ---- An operator: y = x + 10000 in ten thousand rounds, in two, or wrongly in one that adds less
// -----------

static const uint32_t raise_words[] = {
#include "raise.inc"
};
static const struct fm_shader_constant raise_constants[] = {{"ROUNDS", 0}, {0}};
static const struct fm_shader raise_shader = {"raise", raise_words, sizeof(raise_words) / 4, raise_constants};
struct raise_args {
    uint32_t n;
    float by;
};

enum { N = 1 << 14, N_CALLS = 3 };
enum { SLOW, FAST, WRONG };
static const struct fm_variant variants[] = {
    [SLOW] = {.name = "plain", .shader = &raise_shader},
    [FAST] =
        {
            .name = "fast",
            .shader = &raise_shader,
            .min_tokens = 1000,
            .sizes = {1, 2},
        }, // never the default
    [WRONG] = {.name = "wrong", .shader = &raise_shader},
};
static const struct fm_op with_wrong = {"raise", variants, 3}, without = {"raise", variants, 2};

struct subject {
    struct fathom_gpu *gpu;
    const struct fm_op *op;
    struct fathom_view x, y, counter;
    uint32_t n_tokens;
};

static struct fm_call call_of(const struct subject *s) {
    return (struct fm_call){"raise", s->n_tokens, {N, 1}};
}

static struct fm_choice choose(const struct subject *s) {
    const struct fm_call call = call_of(s);
    return fm_variant_choose(s->gpu, &call, s->op->variants, s->op->n_variants, s->n_tokens);
}

static void dispatch(struct fathom_stream *stream, const struct subject *s, const char *op,
    const struct fm_variant *variant, uint32_t rounds, float by) {
    const struct raise_args args = {N, by};
    fm_stream_dispatch(stream,
        &(struct fm_dispatch){
            .op = op,
            .variant = variant,
            .constants = {{"ROUNDS", rounds}},
            .views = {s->x, s->y, s->counter},
            .n_views = 3,
            .args = &args,
            .args_size = sizeof(args),
            .groups = {N / 64, 1, 1},
        });
}

static void record_calls(struct fathom_stream *stream, const struct subject *s, int n) {
    for (int i = 0; i < n; i++) {
        const struct fm_call call = call_of(s);
        const struct fm_variant *v =
            fm_stream_choose(stream, &call, s->op->variants, s->op->n_variants, s->n_tokens).variant;
        dispatch(stream, s, "raise", v,
            v == &variants[SLOW]       ? 10000
                : v == &variants[FAST] ? 2
                                       : 1,
            v == &variants[SLOW]       ? 1
                : v == &variants[FAST] ? 5000
                                       : 8000);
    }
}

// Between the wanted calls are calls for another number of tokens, and dispatches that belong to no call.
// Each of them would spoil y. The wanted calls after the first N_CALLS must not run.
static void record(struct fathom_stream *stream, void *user) {
    const struct subject *s = user;
    struct subject other = *s;
    other.n_tokens = s->n_tokens + 50;
    record_calls(stream, s, 2);
    record_calls(stream, &other, 1);
    record_calls(stream, s, N_CALLS);
    dispatch(stream, s, "raises", &variants[SLOW], 1, 1e9f); // begins like the operator's name
    fathom_stream_copy(stream, s->counter, (struct fathom_view){s->y.buffer, 0, 4});
}

struct heard {
    int n;
    char last[1024];
};
static void hear(void *user, enum fathom_log_level level, const char *message) {
    struct heard *heard = user;
    if (level != FATHOM_LOG_WARNING) return;
    heard->n++;
    snprintf(heard->last, sizeof(heard->last), "%s", message);
}

// Tunes the operator on a fresh gpu. Returns the operator's choice afterwards.
static struct fm_choice tune_at(const struct fm_op *op, bool in_place, bool quick, double seconds,
    struct fm_trial_result *result, struct heard *heard) {
    struct fathom_error err = {0};
    *heard = (struct heard){0};
    struct fathom_gpu *gpu = create_gpu(&FATHOM_INIT(fathom_gpu_params, .log = {hear, heard}));
    struct fathom_buffer *x = fathom_buffer_create(gpu, 4 * N, FATHOM_MEMORY_DEVICE, &err),
                         *y = fathom_buffer_create(gpu, 4 * N, FATHOM_MEMORY_DEVICE, &err);
    struct fathom_buffer *counter = fathom_buffer_create(gpu, 4, FATHOM_MEMORY_DEVICE, &err);
    uint32_t *words = malloc(4 * N), *after = malloc(4 * N), n_runs = 1;
    assert_non_null(x);
    assert_non_null(y);
    assert_non_null(counter);
    assert_non_null(words);
    assert_non_null(after);
    for (uint32_t i = 0; i < N; i++)
        words[i] = (in_place ? 0x60000000u : 0x3f800000u) +
            i; // floats a little over 1, or so large that they hide a sum
    check(fathom_upload(gpu, fathom_buffer_view(x), words, &err) &&
            fathom_upload(gpu, fathom_buffer_view(y), words, &err),
        &err);
    struct subject subject = {
        gpu, op, fathom_buffer_view(x), fathom_buffer_view(in_place ? x : y), fathom_buffer_view(counter), 1};
    struct fm_tuner tuner = {.gpu = gpu, .deadline = fm_clock() + seconds, .quick = quick};
    const struct fm_trial trial = {
        .op = op,
        .call = {"raise", 1, {N, 1}},
        .first_token = 1,
        .last_token = 3,
        .max_calls = N_CALLS,
        .record = record,
        .user = &subject,
        .what = "a test",
    };
    check(fm_tune(&tuner, &trial, result, &err), &err);
    check(
        fathom_download(gpu, subject.y, after, &err) && fathom_download(gpu, subject.counter, &n_runs, &err),
        &err);
    assert_memory_equal(after, words, 4 * N); // the tuner has put back what the calls wrote
    assert_int_equal(n_runs, 0);
    const struct fm_choice choice = choose(&subject);
    subject.n_tokens = 3;
    assert_ptr_equal(choose(&subject).variant, choice.variant);
    subject.n_tokens = 4; // another number than the measured one
    assert_ptr_equal(choose(&subject).variant, &variants[op->n_variants == 3 ? WRONG : SLOW]);
    free(words);
    free(after);
    fathom_buffer_destroy(&x);
    fathom_buffer_destroy(&y);
    fathom_buffer_destroy(&counter);
    fathom_gpu_destroy(&gpu);
    return choice;
}

static struct fm_choice tune(
    const struct fm_op *op, bool quick, double seconds, struct fm_trial_result *result, struct heard *heard) {
    return tune_at(op, false, quick, seconds, result, heard);
}

static void test_faster(void **state) {
    (void)state;
    struct fm_trial_result result;
    struct heard heard;
    for (int quick = 0; quick < 2; quick++) {
        assert_ptr_equal(tune(&without, quick, 60, &result, &heard).variant, &variants[FAST]);
        assert_ptr_equal(result.by_default.choice.variant, &variants[SLOW]);
        assert_ptr_equal(result.best.choice.variant, &variants[FAST]);
        assert_true(result.best.nanoseconds > 0);
        assert_true(result.best.nanoseconds < result.by_default.nanoseconds);
        assert_int_equal(result.n_measured, 4); // two sizes of the fast one
        assert_int_equal(result.n_wrong + heard.n, 0);
    }
}

// The fastest variant, here even the default, computes something else than the plain variant. The same holds
// if the result is added to the contents of y.
static void test_wrong(void **state) {
    (void)state;
    struct fm_trial_result result;
    struct heard heard;
    for (int in_place = 0; in_place < 2; in_place++) {
        assert_ptr_equal(tune_at(&with_wrong, in_place, false, 60, &result, &heard).variant, &variants[FAST]);
        assert_ptr_equal(result.by_default.choice.variant, &variants[WRONG]);
        assert_true(result.by_default.nanoseconds == 0);
        assert_int_equal(result.n_wrong, 1);
        assert_int_equal(heard.n, 1);
        assert_non_null(strstr(heard.last, "variant wrong gives wrong results"));
    }
}

// ---- The calls of a recording ----------------------------------------------------------------------------

static void test_calls(void **state) {
    (void)state;
    struct fathom_error err = {0};
    struct fathom_gpu *gpu = create_gpu(NULL);
    struct fathom_buffer *buffer = fathom_buffer_create(gpu, 8 * N + 64, FATHOM_MEMORY_DEVICE, &err);
    struct fathom_stream *stream = fathom_stream_create(gpu, &err);
    assert_true(buffer && stream);
    struct subject s = {gpu, &without, {buffer, 0, 4 * N}, {buffer, 4 * N, 4 * N}, {buffer, 8 * N, 4}, 1};
    struct fm_stream_call *calls;
    struct fm_write *writes;
    struct fm_choice choice;
    size_t n;
    fathom_stream_begin(stream);
    record(stream, &s);
    check(fm_stream_calls(stream, &calls, &n, &err), &err);
    assert_int_equal(n, 2);
    assert_int_equal(calls[0].call.n_tokens, 1);
    assert_int_equal(calls[0].n, 2 + N_CALLS);
    assert_int_equal(calls[1].call.n_tokens, 51);
    assert_int_equal(calls[1].n, 1);
    fathom_stream_begin(stream);
    fm_stream_only(stream, &calls[0].call, 4);
    record(stream, &s);
    fm_stream_join(stream, true);
    dispatch(stream, &s, "other", &variants[FAST], 1, 0); // belongs to the last call, which was one too many
    fm_stream_join(stream, false);
    free(calls);
    assert_int_equal(fm_stream_kept(stream, &choice), 4);
    assert_ptr_equal(choice.variant, &variants[SLOW]);
    check(fm_stream_writes(stream, &writes, &n, &err), &err);
    assert_int_equal(n, 2);
    assert_true(writes[0].view.offset == 4 * N && writes[0].view.size == 4 * N);
    assert_true(writes[0].floats && !writes[0].in_place);
    assert_true(writes[1].view.offset == 8 * N && !writes[1].floats && !writes[1].in_place);
    free(writes);
    check(fathom_stream_finish(stream, &err), &err);
    // a joined dispatch of another name is kept with its call
    const uint64_t before = counters_of(gpu).dispatches;
    fathom_stream_begin(stream);
    fm_stream_only(stream, &(struct fm_call){"raise", 1, {N, 1}}, 1);
    record_calls(stream, &s, 1);
    fm_stream_join(stream, true);
    dispatch(stream, &s, "other", &variants[FAST], 1, 0);
    fm_stream_join(stream, false);
    dispatch(stream, &s, "other", &variants[FAST], 1, 0);
    check(fathom_stream_finish(stream, &err), &err);
    assert_int_equal(counters_of(gpu).dispatches - before, 2);
    fathom_stream_destroy(&stream);
    fathom_buffer_destroy(&buffer);
    fathom_gpu_destroy(&gpu);
}

static void test_no_time(void **state) {
    (void)state;
    struct fm_trial_result result;
    struct heard heard;
    assert_ptr_equal(tune(&without, false, 0, &result, &heard).variant, &variants[SLOW]);
    assert_true(result.best.nanoseconds == 0);
    assert_false(result.best.choice.variant);
}

static void test_agrees(void **state) {
    (void)state;
    enum { n = 1000 };
    float want[n], got[n];
    for (int i = 0; i < n; i++) want[i] = (float)(i % 7) - 3;
    memcpy(got, want, sizeof(got));
    assert_true(fm_tune_agrees(want, got, n));
    for (int i = 0; i < n; i++) got[i] = want[i] * 1.005f; // the error of 8-bit activations
    assert_true(fm_tune_agrees(want, got, n));
    for (int i = 0; i < n; i++) got[i] = want[i] * 1.05f;
    assert_false(fm_tune_agrees(want, got, n));
    memcpy(got, want, sizeof(got));
    got[999] = 0; // one wrong row of many
    assert_false(fm_tune_agrees(want, got, n));
    got[999] = NAN;
    assert_false(fm_tune_agrees(want, got, n));
    memset(want, 0, sizeof(want));
    memset(got, 0, sizeof(got));
    assert_true(fm_tune_agrees(want, got, n));
    memset(&want[5], 0xff, 4); // written by neither
    memset(&got[5], 0xff, 4);
    assert_true(fm_tune_agrees(want, got, n));
    got[5] = 0; // written by one
    assert_false(fm_tune_agrees(want, got, n));
    want[5] = 0;
    got[3] = 1e-20f;
    assert_false(fm_tune_agrees(want, got, n));
    want[0] = NAN; // no comparison with a NaN succeeds
    assert_false(fm_tune_agrees(want, want, n));
}

// ---- The table and its file ------------------------------------------------------------------------------

enum { KEY = 7 };
static const struct fm_tuned rows[] = {
    {.op = "raise", .variant = "fast", .shape = {N, 1}, .first_token = 1, .last_token = 1},
    {.op = "raise", .variant = "fast", .shape = {N, 1}, .first_token = 2, .last_token = 9, .size = 2},
    {
        .op = "raise",
        .variant = "fast",
        .shape = {N, 1},
        .first_token = 10,
        .last_token = 10,
        .size = 77,
    }, // no such size
    {
        .op = "raise",
        .variant = "gone",
        .shape = {N, 1},
        .first_token = 11,
        .last_token = UINT32_MAX,
    }, // no such variant
};

static void make_folder(char folder[32]) {
    strcpy(folder, "/tmp/fathom-tune-XXXXXX");
    assert_non_null(mkdtemp(folder));
}

// The folder's tuning file, the only one.
static void tuning_file(const char *folder, char *path, size_t size) {
    DIR *d = opendir(folder);
    int n = 0;
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        if (!strncmp(e->d_name, "tuning-", 7)) snprintf(path, size, "%s/%s", folder, e->d_name), n++;
    closedir(d);
    assert_int_equal(n, 1);
}

static void save(const char *folder, uint64_t key) {
    struct fathom_gpu *gpu = create_gpu(&FATHOM_INIT(fathom_gpu_params, .cache_dir = folder));
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) assert_true(fm_tuned_set(gpu, &rows[i]));
    fm_tuned_save(gpu, key);
    fathom_gpu_destroy(&gpu);
}

static enum fm_tuned_file load(const char *folder, uint64_t key, size_t *n) {
    struct fathom_gpu *gpu = create_gpu(&FATHOM_INIT(fathom_gpu_params, .cache_dir = folder));
    const enum fm_tuned_file file = fm_tuned_load(gpu, key);
    *n = gpu->n_tuned;
    fathom_gpu_destroy(&gpu);
    return file;
}

static void remove_folder(const char *folder) {
    char path[512];
    tuning_file(folder, path, sizeof(path));
    unlink(path);
    assert_int_equal(rmdir(folder), 0);
}

static void test_file(void **state) {
    (void)state;
    char folder[32];
    size_t n;
    make_folder(folder);
    assert_int_equal(load(folder, KEY, &n), FM_TUNED_ABSENT);
    save(folder, KEY);
    assert_int_equal(load(folder, KEY + 1, &n), FM_TUNED_ABSENT);
    struct fathom_gpu *gpu = create_gpu(&FATHOM_INIT(fathom_gpu_params, .cache_dir = folder));
    assert_int_equal(fm_tuned_load(gpu, KEY), FM_TUNED_READ);
    assert_int_equal(gpu->n_tuned, 4);
    assert_memory_equal(gpu->tuned, rows, sizeof(rows));
    struct subject s = {.gpu = gpu, .op = &without};
    static const struct {
        uint32_t n_tokens;
        int variant;
        uint32_t size;
    } want[] = {{1, FAST, 0}, {2, FAST, 2}, {9, FAST, 2}, {10, FAST, 0}, {11, SLOW, 0}};
    for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
        s.n_tokens = want[i].n_tokens;
        assert_ptr_equal(choose(&s).variant, &variants[want[i].variant]);
        assert_int_equal(choose(&s).size, want[i].size);
    }
    fathom_gpu_destroy(&gpu);
    remove_folder(folder);
}

// Exact mode has one variant. A variant that is named on the command line precedes the measured one.
static void test_before_the_file(void **state) {
    (void)state;
    static const struct {
        bool exact;
        const char *variants;
        int variant;
        uint32_t size;
    } want[] = {{true, NULL, SLOW, 0}, {false, "raise=plain", SLOW, 0}, {false, "other=plain", FAST, 2},
        {false, "raise=fast:1", FAST, 1}, {false, "x=y,raise=fast:3", FAST, 0},
        {true, "raise=fast", SLOW, 0}};
    for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
        const struct fathom_gpu_params params = {
            .size = sizeof(params), .exact = want[i].exact, .variants = want[i].variants};
        struct subject s = {.gpu = create_gpu(&params), .op = &without, .n_tokens = 5};
        assert_true(fm_tuned_set(s.gpu, &rows[1]));
        assert_ptr_equal(choose(&s).variant, &variants[want[i].variant]);
        assert_int_equal(choose(&s).size, want[i].size);
        fathom_gpu_destroy(&s.gpu);
    }
}

static void test_damaged(void **state) {
    (void)state;
    char folder[32], path[512], other[512];
    size_t n;
    struct stat status;
    make_folder(folder);
    save(folder, KEY);
    tuning_file(folder, path, sizeof(path));
    assert_int_equal(stat(path, &status), 0);
    for (long flip = 0; flip < status.st_size; flip += flip < 48 ? 1 : 37) { // every byte of the header
        FILE *f = fopen(path, "r+b");
        assert_non_null(f);
        for (int twice = 0; twice < 2; twice++) { // and back
            fseek(f, flip, SEEK_SET);
            const int byte = fgetc(f);
            fseek(f, flip, SEEK_SET);
            fputc(byte ^ 0x10, f);
            fflush(f);
            assert_int_equal(load(folder, KEY, &n), twice ? FM_TUNED_READ : FM_TUNED_UNUSABLE);
            assert_int_equal(n, twice ? 4 : 0);
        }
        fclose(f);
    }
    // a file of another device, driver or model, which only a rename can put here
    struct fathom_gpu *gpu = create_gpu(NULL);
    const uint64_t key = KEY + 1;
    snprintf(other, sizeof(other), "%s/tuning-%016llx", folder,
        (unsigned long long)fm_cache_key_add(fm_cache_key(gpu), &key, sizeof(key)));
    fathom_gpu_destroy(&gpu);
    assert_int_equal(rename(path, other), 0);
    assert_int_equal(load(folder, KEY + 1, &n), FM_TUNED_UNUSABLE);
    assert_int_equal(rename(other, path), 0);
    static const off_t cuts[] = {39, 33, 32, 31, 8, 0};
    for (size_t i = 0; i < sizeof(cuts) / sizeof(*cuts); i++) {
        assert_int_equal(truncate(path, cuts[i]), 0);
        assert_int_equal(load(folder, KEY, &n), FM_TUNED_UNUSABLE);
    }
    remove_folder(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faster),
        cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_no_time),
        cmocka_unit_test(test_agrees),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_before_the_file),
        cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
