// Tuning without a model: a table of choices and its file; and an operator of the test's own, whose fastest variant computes something else.
#include "gpu/support.h"
#include "base/clock.h"
#include "gpu/cache_file.h"
#include "gpu/tuned.h"
#include "op/tune.h"
#include <dirent.h>
#include <math.h>
#include <sys/stat.h>

// ---- An operator: y = x + 40000, in ten thousand rounds, in two, or, wrongly, in one that adds less ---------------

enum { N = 1 << 14, N_CALLS = 3 };
enum { SLOW, FAST, WRONG };
static const struct fm_variant variants[] = {
    [SLOW] = {.name = "plain", .shader = &affine_shader},
    [FAST] = {.name = "fast", .shader = &affine_shader, .min_tokens = 1000, .sizes = {1, 2}}, // never the default
    [WRONG] = {.name = "wrong", .shader = &affine_shader},
};
static const struct fm_op with_wrong = {"affine", variants, 3}, without = {"affine", variants, 2};

struct subject { struct fathom_gpu *gpu; const struct fm_op *op; struct fathom_view x, y; uint32_t n_tokens; };

static struct fm_choice choose(const struct subject *s) {
    const struct fm_call call = {"affine", s->n_tokens, {N, 1}};
    return fm_variant_choose(s->gpu, &call, s->op->variants, s->op->n_variants, s->n_tokens);
}

static void record(struct fathom_stream *stream, void *user) {
    const struct subject *s = user;
    for (int i = 0; i < N_CALLS; i++) {
        const struct fm_choice choice = choose(s);
        const struct affine_args args = {N, 1, choice.variant == &variants[SLOW] ? 4000 : choice.variant == &variants[FAST] ? 20000000 : 9000000};
        struct fm_dispatch d = affine_dispatch(s->x, s->y, &args);
        d.variant = choice.variant;
        d.constants[0].value = choice.variant == &variants[SLOW]   ? 10000
                               : choice.variant == &variants[FAST] ? 2
                                                                   : 1;
        fm_stream_dispatch(stream, &d);
    }
}

struct heard { int n; char last[1024]; };
static void hear(void *user, enum fathom_log_level level, const char *message) {
    struct heard *heard = user;
    if (level != FATHOM_LOG_WARNING) return;
    heard->n++;
    snprintf(heard->last, sizeof(heard->last), "%s", message);
}

// Tunes the operator on a fresh gpu; returns what it chooses afterwards.
static struct fm_choice tune(const struct fm_op *op, bool quick, double seconds, struct fm_trial_result *result, struct heard *heard) {
    struct fathom_error err = {0};
    *heard = (struct heard){0};
    struct fathom_gpu *gpu = create_gpu(&(struct fathom_gpu_params){.log = {hear, heard}});
    struct fathom_buffer *x = fathom_buffer_create(gpu, 4 * N, FATHOM_MEMORY_DEVICE, &err), *y = fathom_buffer_create(gpu, 4 * N, FATHOM_MEMORY_DEVICE, &err);
    uint32_t *words = malloc(4 * N);
    assert_true(x && y && words);
    for (uint32_t i = 0; i < N; i++) words[i] = 0x3f800000u + i; // floats a little over 1
    check(fathom_upload(gpu, fathom_buffer_view(x), words, &err), &err);
    free(words);
    struct subject subject = {gpu, op, fathom_buffer_view(x), fathom_buffer_view(y), 1};
    struct fm_tuner tuner = {.gpu = gpu, .deadline = fm_clock() + seconds, .quick = quick};
    const struct fm_trial trial = {.op = op, .first_token = 1, .last_token = 3, .n_calls = N_CALLS, .record = record, .user = &subject, .out = subject.y,
        .what = "a test"};
    check(fm_tune(&tuner, &trial, result, &err), &err);
    const struct fm_choice choice = choose(&subject);
    subject.n_tokens = 3;
    assert_ptr_equal(choose(&subject).variant, choice.variant);
    subject.n_tokens = 4; // not what was measured for
    assert_ptr_equal(choose(&subject).variant, &variants[op->n_variants == 3 ? WRONG : SLOW]);
    fathom_buffer_destroy(&x);
    fathom_buffer_destroy(&y);
    fathom_gpu_destroy(&gpu);
    return choice;
}

static void test_faster(void **state) {
    (void)state;
    struct fm_trial_result result;
    struct heard heard;
    for (int quick = 0; quick < 2; quick++) {
        assert_ptr_equal(tune(&without, quick, 60, &result, &heard).variant, &variants[FAST]);
        assert_ptr_equal(result.usual.choice.variant, &variants[SLOW]);
        assert_ptr_equal(result.best.choice.variant, &variants[FAST]);
        assert_true(result.best.nanoseconds > 0 && result.best.nanoseconds < result.usual.nanoseconds);
        assert_int_equal(result.n_measured, 4); // two sizes of the fast one
        assert_int_equal(result.n_wrong + heard.n, 0);
    }
}

// The fastest variant, here even the default, computes something else than the plain one.
static void test_wrong(void **state) {
    (void)state;
    struct fm_trial_result result;
    struct heard heard;
    assert_ptr_equal(tune(&with_wrong, false, 60, &result, &heard).variant, &variants[FAST]);
    assert_ptr_equal(result.usual.choice.variant, &variants[WRONG]);
    assert_true(result.usual.nanoseconds == 0);
    assert_int_equal(result.n_wrong, 1);
    assert_int_equal(heard.n, 1);
    assert_non_null(strstr(heard.last, "variant wrong gives wrong results"));
}

static void test_no_time(void **state) {
    (void)state;
    struct fm_trial_result result;
    struct heard heard;
    assert_ptr_equal(tune(&without, false, 0, &result, &heard).variant, &variants[SLOW]);
    assert_true(result.best.nanoseconds == 0 && !result.best.choice.variant);
}

static void test_agrees(void **state) {
    (void)state;
    enum { n = 1000 };
    float want[n], got[n];
    for (int i = 0; i < n; i++) want[i] = (float)(i % 7) - 3;
    memcpy(got, want, sizeof(got));
    assert_true(fm_tune_agrees(want, got, n));
    for (int i = 0; i < n; i++) got[i] = want[i] * 1.005f; // as 8-bit activations are off
    assert_true(fm_tune_agrees(want, got, n));
    for (int i = 0; i < n; i++) got[i] = want[i] * 1.05f;
    assert_false(fm_tune_agrees(want, got, n));
    memcpy(got, want, sizeof(got));
    got[999] = 0; // one row of many
    assert_false(fm_tune_agrees(want, got, n));
    got[999] = NAN;
    assert_false(fm_tune_agrees(want, got, n));
    memset(want, 0, sizeof(want));
    memset(got, 0, sizeof(got));
    assert_true(fm_tune_agrees(want, got, n));
    got[3] = 1e-20f;
    assert_false(fm_tune_agrees(want, got, n));
    want[0] = NAN; // nothing can be judged by it
    assert_false(fm_tune_agrees(want, want, n));
}

// ---- The table and its file -------------------------------------------------------------------------------------

enum { KEY = 7 };
static const struct fm_tuned rows[] = {
    {.op = "affine", .variant = "fast", .shape = {N, 1}, .first_token = 1, .last_token = 1},
    {.op = "affine", .variant = "fast", .shape = {N, 1}, .first_token = 2, .last_token = 9, .size = 2},
    {.op = "affine", .variant = "fast", .shape = {N, 1}, .first_token = 10, .last_token = 10, .size = 77}, // no such size
    {.op = "affine", .variant = "gone", .shape = {N, 1}, .first_token = 11, .last_token = UINT32_MAX},     // no such variant
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
    struct fathom_gpu *gpu = create_gpu(&(struct fathom_gpu_params){.cache_dir = folder});
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) assert_true(fm_tuned_set(gpu, &rows[i]));
    fm_tuned_save(gpu, key);
    fathom_gpu_destroy(&gpu);
}

static enum fm_tuned_file load(const char *folder, uint64_t key, size_t *n) {
    struct fathom_gpu *gpu = create_gpu(&(struct fathom_gpu_params){.cache_dir = folder});
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
    struct fathom_gpu *gpu = create_gpu(&(struct fathom_gpu_params){.cache_dir = folder});
    assert_int_equal(fm_tuned_load(gpu, KEY), FM_TUNED_READ);
    assert_int_equal(gpu->n_tuned, 4);
    assert_memory_equal(gpu->tuned, rows, sizeof(rows));
    struct subject s = {.gpu = gpu, .op = &without};
    static const struct { uint32_t n_tokens; int variant; uint32_t size; } want[] = {{1, FAST, 0}, {2, FAST, 2}, {9, FAST, 2}, {10, FAST, 0}, {11, SLOW, 0}};
    for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
        s.n_tokens = want[i].n_tokens;
        assert_ptr_equal(choose(&s).variant, &variants[want[i].variant]);
        assert_int_equal(choose(&s).size, want[i].size);
    }
    fathom_gpu_destroy(&gpu);
    remove_folder(folder);
}

// Exact mode has one variant; what is named on the command line goes before what was measured.
static void test_before_the_file(void **state) {
    (void)state;
    static const struct { struct fathom_gpu_params params; int variant; uint32_t size; } want[] = {
        {{.exact = true}, SLOW, 0}, {{.variants = "affine=plain"}, SLOW, 0}, {{.variants = "other=plain"}, FAST, 2},
        {{.variants = "affine=fast:1"}, FAST, 1}, {{.variants = "x=y,affine=fast:3"}, FAST, 0}, {{.exact = true, .variants = "affine=fast"}, SLOW, 0}};
    for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
        struct subject s = {.gpu = create_gpu(&want[i].params), .op = &without, .n_tokens = 5};
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
    // of another device, driver or model: there is no such file but by renaming
    struct fathom_gpu *gpu = create_gpu(NULL);
    const uint64_t key = KEY + 1;
    snprintf(other, sizeof(other), "%s/tuning-%016llx", folder, (unsigned long long)fm_cache_key_add(fm_cache_key(gpu), &key, sizeof(key)));
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
        cmocka_unit_test(test_faster), cmocka_unit_test(test_wrong), cmocka_unit_test(test_no_time), cmocka_unit_test(test_agrees),
        cmocka_unit_test(test_file), cmocka_unit_test(test_before_the_file), cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
