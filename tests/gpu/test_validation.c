// The validation layer prints nothing for the commands that we record. It reports a hazard if a barrier is
// left out on purpose, so its silence means something. The layer prints to the output of a child process.
#include "gpu/layer.h"
#include "gpu/support.h"

enum { N = 256 };

// A chain over three slots of one buffer, an indirect dispatch, a copy, uploads and downloads. With true, the
// chain has no barriers.
static int chain(bool planted) {
    struct fathom_error err = {0};
    struct fathom_gpu *gpu = create_gpu(&FATHOM_INIT(fathom_gpu_params, .timers = true));
    struct fathom_buffer *buffer = fathom_buffer_create(gpu, 5 * 4 * N, FATHOM_MEMORY_DEVICE, &err),
                         *host = fathom_buffer_create(gpu, 4 * N, FATHOM_MEMORY_HOST, &err);
    struct fathom_stream *stream = fathom_stream_create(gpu, &err);
    struct fathom_view slots[5];
    uint32_t words[N];
    if (!buffer || !host || !stream) return 1;
    for (uint32_t i = 0; i < 5; i++) slots[i] = (struct fathom_view){buffer, 4ull * N * i, 4 * N};
    for (uint32_t i = 0; i < N; i++) words[i] = 1;
    const struct affine_args args = {N, 1, 1};
    if (planted) {
        const struct fm_layout *layout = fm_layout_get(gpu, &affine_shader, &err);
        ((struct fm_layout *)layout)->spirv.writes[1] =
            false; // false, so that no barrier is derived from the write
    }
    bool ok = fathom_upload(gpu, slots[0], words, &err) && fathom_upload(gpu, slots[3], words, &err);
    fathom_stream_begin(stream);
    record_affine(stream, slots[0], slots[1], args);
    record_affine(stream, slots[1], slots[2], args);
    record_affine(stream, slots[2], slots[0], args);
    struct fm_dispatch d = affine_dispatch(slots[0], slots[1], &args);
    d.indirect = slots[3];
    fm_stream_dispatch(stream, &d);
    record_affine(stream, slots[1], slots[3], args);
    fathom_stream_copy(stream, slots[1], fathom_buffer_view(host));
    uint64_t ticket = 0;
    ok = ok && fathom_stream_finish(stream, &err) && fathom_stream_submit(stream, NULL, &err) &&
        fathom_stream_submit(stream, &ticket, &err) && fathom_gpu_wait(gpu, ticket, &err) &&
        fathom_download(gpu, slots[1], words, &err);
    fathom_stream_destroy(&stream);
    fathom_buffer_destroy(&buffer);
    fathom_buffer_destroy(&host);
    fathom_gpu_destroy(&gpu);
    puts(ok ? "chain done" : err.message);
    return !ok;
}

static void test_silence(void **state) {
    (void)state;
    static char output[65536];
    run_under_layer("right", "chain done", output, sizeof(output));
    expect_silence(output);
}

static void test_planted(void **state) {
    (void)state;
    static char output[65536];
    run_under_layer("planted", "chain done", output, sizeof(output));
    if (!strstr(output, "SYNC-HAZARD")) fail_msg("the layer saw no hazard: %s", output);
}

int main(int argc, char **argv) {
    if (argc == 2) return chain(!strcmp(argv[1], "planted"));
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_silence), cmocka_unit_test(test_planted)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
