// The kernels that measure the roofline do all the work that they claim.
#include "op/roofline/roofline.h"
#include "gpu/support.h"
#include <fathom/debug.h>

static struct fathom_buffer *new_buffer(struct fathom_gpu *gpu, uint64_t size) {
    struct fathom_error err = {0};
    struct fathom_buffer *buffer = fathom_buffer_create(gpu, size, FATHOM_MEMORY_DEVICE, &err);
    if (!buffer) fail_msg("%s", err.message);
    return buffer;
}

static void reads_every_word(void **state) {
    static const uint32_t sizes[] = {1, 63, 1024, 16 * 64 * 7 + 5, 3000001};
    struct fathom_gpu *gpu = *state;
    struct fathom_error err = {0};
    struct fathom_stream *stream = fathom_stream_create(gpu, &err);
    struct fathom_buffer *x = new_buffer(gpu, 4 * 3000001), *y = new_buffer(gpu, 4 * FM_ROOFLINE_RESULTS);
    uint32_t *words = malloc(4 * 3000001), *results = malloc(4 * FM_ROOFLINE_RESULTS);
    uint64_t random = 1;
    for (size_t i = 0; i < 3000001; i++) words[i] = next_random(&random);
    check(fathom_upload(gpu, fathom_buffer_view(x), words, &err), &err);
    for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
        fathom_stream_begin(stream);
        fm_roofline_read(stream, (struct fathom_view){x, 0, 4ull * sizes[s]}, fathom_buffer_view(y));
        run_stream(gpu, stream);
        check(fathom_download(gpu, fathom_buffer_view(y), results, &err), &err);
        uint32_t want = 0, got = 0;
        for (size_t i = 0; i < sizes[s]; i++) want ^= words[i];
        for (size_t i = 0; i < FM_ROOFLINE_RESULTS; i++) got ^= results[i];
        assert_int_equal(got, want);
    }
    free(words);
    free(results);
    fathom_stream_destroy(&stream);
    fathom_buffer_destroy(&x);
    fathom_buffer_destroy(&y);
}

static void multiplies_in_every_invocation(void **state) {
    struct fathom_gpu *gpu = *state;
    struct fathom_error err = {0};
    struct fathom_stream *stream = fathom_stream_create(gpu, &err);
    struct fathom_buffer *x = new_buffer(gpu, 4), *y = new_buffer(gpu, 4 * FM_ROOFLINE_RESULTS);
    float *results = malloc(4 * FM_ROOFLINE_RESULTS);
    check(fathom_upload(gpu, fathom_buffer_view(x), &(float){1}, &err), &err);
    fm_roofline_fma(stream, fathom_buffer_view(x), fathom_buffer_view(y));
    run_stream(gpu, stream);
    check(fathom_download(gpu, fathom_buffer_view(y), results, &err), &err);
    for (size_t i = 0; i < FM_ROOFLINE_RESULTS; i++)
        if (results[i] != 16) fail_msg("result %zu is %g, wanted 16", i, (double)results[i]);
    free(results);
    fathom_stream_destroy(&stream);
    fathom_buffer_destroy(&x);
    fathom_buffer_destroy(&y);
}

// The rates themselves depend on the machine.
static void measures_the_device(void **state) {
    struct fathom_gpu *gpu = *state;
    struct fathom_error err = {0};
    struct fathom_roofline roofline = {0};
    const bool ok = fathom_gpu_measure_roofline(gpu, &roofline, &err);
    if (fathom_gpu_get_info(gpu)->timestamp_period == 0) {
        assert_false(ok);
        assert_int_equal(err.status, FATHOM_UNSUPPORTED);
        return;
    }
    check(ok, &err);
    assert_true(roofline.bytes_per_second > 0);
    assert_true(roofline.flops_per_second > 0);
}

static void says_that_timers_are_missing(void **state) {
    (void)state;
    struct fathom_gpu *gpu = create_gpu(&FATHOM_INIT(fathom_gpu_params));
    struct fathom_error err = {0};
    struct fathom_roofline roofline;
    assert_false(fathom_gpu_measure_roofline(gpu, &roofline, &err));
    assert_int_equal(err.status, FATHOM_UNSUPPORTED);
    assert_non_null(strstr(err.message, "has no GPU timers"));
    fathom_gpu_destroy(&gpu);
}

static int start(void **state) {
    *state = create_gpu(&FATHOM_INIT(fathom_gpu_params, .timers = true));
    return 0;
}

static int start_columns(void **state) {
    *state = create_gpu(&FATHOM_INIT(fathom_gpu_params, .timers = true, .variants = "roofline=columns"));
    return 0;
}

static int finish(void **state) {
    struct fathom_gpu *gpu = *state;
    fathom_gpu_destroy(&gpu);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_word),
        cmocka_unit_test(multiplies_in_every_invocation),
        cmocka_unit_test(measures_the_device),
        cmocka_unit_test(says_that_timers_are_missing),
    };
    const int failures = cmocka_run_group_tests(tests, start, finish);
    return cmocka_run_group_tests_name("columns", tests, start_columns, finish) + failures;
}
