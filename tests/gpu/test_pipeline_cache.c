// Pipelines are built once and kept on disk. A file that is cut, changed or of something else costs time and
// nothing more.
// --compile-only: does not check results, for drivers whose submits do nothing.
#include "gpu/support.h"
#include <dirent.h>
#include <sys/stat.h>

enum { N_PIPELINES = 12, N = 64 };
static bool compile_only;

// The life of a gpu that needs N_PIPELINES pipelines, each twice.
static struct fathom_gpu_counters live(const char *cache_dir, uint32_t n_threads) {
    struct fathom_error err = {0};
    struct fathom_gpu *gpu =
        create_gpu(&FATHOM_INIT(fathom_gpu_params, .cache_dir = cache_dir, .n_threads = n_threads));
    struct fathom_buffer *buffer = fathom_buffer_create(gpu, 4 * N, FATHOM_MEMORY_DEVICE, &err);
    struct fathom_stream *stream = fathom_stream_create(gpu, &err);
    assert_non_null(buffer);
    assert_non_null(stream);
    const struct affine_args args = {N, 3, 1};
    uint32_t want = 0, got[N];
    for (int pass = 0; pass < 2; pass++) {
        fathom_stream_begin(stream);
        for (uint32_t i = 0; i < N_PIPELINES; i++) {
            struct fm_dispatch d =
                affine_dispatch(fathom_buffer_view(buffer), fathom_buffer_view(buffer), &args);
            d.constants[0].value = i + 1;
            fm_stream_dispatch(stream, &d);
            want = affine(want, i + 1, args);
        }
        run_stream(gpu, stream);
    }
    check(fathom_download(gpu, fathom_buffer_view(buffer), got, &err), &err);
    for (int i = 0; i < N && !compile_only; i++) assert_int_equal(got[i], want);
    const struct fathom_gpu_counters c = counters_of(gpu);
    assert_int_equal(c.pipelines_built + c.pipelines_from_cache, N_PIPELINES);
    fathom_stream_destroy(&stream);
    fathom_buffer_destroy(&buffer);
    fathom_gpu_destroy(&gpu);
    return c;
}

// The only file of a folder. False: there is none. Two files are a failure: a temporary file was left.
static bool only_file(const char *folder, char *path, size_t size) {
    DIR *d = opendir(folder);
    int n = 0;
    if (!d) return false;
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.') snprintf(path, size, "%s/%s", folder, e->d_name), n++;
    closedir(d);
    assert_true(n <= 1);
    return n == 1;
}

static void make_folder(char base[32], char nested[64]) {
    strcpy(base, "/tmp/fathom-cache-XXXXXX");
    assert_non_null(mkdtemp(base));
    snprintf(nested, 64, "%s/a/b", base);
}

static void remove_folder(const char *base, const char *nested) {
    char path[512];
    if (only_file(nested, path, sizeof(path))) unlink(path);
    rmdir(nested);
    snprintf(path, sizeof(path), "%s/a", base);
    rmdir(path);
    assert_int_equal(rmdir(base), 0);
}

static void test_second_start(void **state) {
    (void)state;
    char base[32], nested[64], path[512];
    make_folder(base, nested);
    assert_int_equal(live(nested, 0).pipelines_built, N_PIPELINES);
    assert_true(only_file(nested, path, sizeof(path)));
    const uint64_t built = live(nested, 0).pipelines_built;
    remove_folder(base, nested);
    // lavapipe and SwiftShader keep nothing useful in their caches, or do not report it
    struct fathom_gpu *gpu = create_gpu(NULL);
    const bool cpu = fathom_gpu_get_info(gpu)->type == FATHOM_GPU_CPU || device_is_card();
    fathom_gpu_destroy(&gpu);
    print_message("a second start compiles %d of %d\n", (int)built, N_PIPELINES);
    if (!cpu) assert_int_equal(built, 0);
}

static void change(const char *path, long cut, long flip) {
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    if (cut >= 0) assert_int_equal(truncate(path, cut < status.st_size ? cut : status.st_size / 2), 0);
    if (flip < 0) return;
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    fseek(f, flip, SEEK_SET);
    const int byte = fgetc(f);
    fseek(f, flip, SEEK_SET);
    fputc(byte ^ 0x40, f);
    fclose(f);
}

static void test_damaged(void **state) {
    (void)state;
    static const struct {
        long cut, flip;
    } damage[] = {{0, -1}, {7, -1}, {32, -1}, {40, -1}, {-1, 0}, {-1, 9}, {-1, 17}, {-1, 25}, {-1, 40}};
    for (size_t i = 0; i < sizeof(damage) / sizeof(*damage); i++) {
        char base[32], nested[64], path[512];
        make_folder(base, nested);
        live(nested, 0);
        assert_true(only_file(nested, path, sizeof(path)));
        change(path, damage[i].cut, damage[i].flip);
        assert_int_equal(live(nested, 0).pipelines_built, N_PIPELINES);
        remove_folder(base, nested);
    }
}

static void count_warnings(void *user, enum fathom_log_level level, const char *text) {
    (void)text;
    if (level == FATHOM_LOG_WARNING) ++*(int *)user;
}

// A folder that cannot be created gives a warning, and work goes on.
static void test_no_folder(void **state) {
    (void)state;
    struct fathom_error err = {0};
    int n_warnings = 0;
    char path[] = "/tmp/fathom-cache-XXXXXX", below[64];
    close(mkstemp(path)); // a file in place of the folder
    snprintf(below, sizeof(below), "%s/sub", path);
    struct fathom_gpu *gpu =
        create_gpu(&FATHOM_INIT(fathom_gpu_params, .cache_dir = below, .log = {count_warnings, &n_warnings}));
    struct fathom_buffer *buffer = fathom_buffer_create(gpu, 4 * N, FATHOM_MEMORY_DEVICE, &err);
    struct fathom_stream *stream = fathom_stream_create(gpu, &err);
    fathom_stream_begin(stream);
    record_affine(
        stream, fathom_buffer_view(buffer), fathom_buffer_view(buffer), (struct affine_args){N, 1, 1});
    run_stream(gpu, stream);
    fathom_stream_destroy(&stream);
    fathom_buffer_destroy(&buffer);
    fathom_gpu_destroy(&gpu);
    unlink(path);
    assert_int_equal(n_warnings, 1);
}

static void test_threads(void **state) {
    (void)state;
    for (uint32_t n = 1; n <= 200; n = 3 * n + 5)
        assert_int_equal(live(NULL, n).pipelines_built, N_PIPELINES);
}

// An invalid shader fails its own stream, and no other.
static void test_bad_shader(void **state) {
    (void)state;
    struct fathom_error err = {0};
    static const uint32_t garbage[] = {0x07230203, 0x00010500, 0, 9, 0, 0x0000003b};
    const struct fm_shader shaders[] = {
        {"empty", garbage, 0},
        {"garbage", garbage, 6},
        {"cut", affine_words, 5 + 1},
    };
    struct fathom_gpu *gpu = create_gpu(NULL);
    struct fathom_stream *stream = fathom_stream_create(gpu, &err);
    struct fathom_buffer *buffer = fathom_buffer_create(gpu, 4 * N, FATHOM_MEMORY_DEVICE, &err);
    const struct affine_args args = {N, 1, 1};
    for (int i = 0; i < 3; i++) {
        const struct fm_variant variant = {.name = "plain", .shader = &shaders[i]};
        struct fm_dispatch d = affine_dispatch(fathom_buffer_view(buffer), fathom_buffer_view(buffer), &args);
        d.variant = &variant;
        err = (struct fathom_error){0};
        fathom_stream_begin(stream);
        fm_stream_dispatch(stream, &d);
        assert_false(fathom_stream_finish(stream, &err));
        assert_non_null(strstr(err.message, shaders[i].name));
    }
    fathom_stream_begin(stream);
    record_affine(stream, fathom_buffer_view(buffer), fathom_buffer_view(buffer), args);
    run_stream(gpu, stream);
    fathom_stream_destroy(&stream);
    fathom_buffer_destroy(&buffer);
    fathom_gpu_destroy(&gpu);
}

int main(int argc, char **argv) {
    compile_only = argc == 2 && !strcmp(argv[1], "--compile-only");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_second_start),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_no_folder),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_bad_shader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
