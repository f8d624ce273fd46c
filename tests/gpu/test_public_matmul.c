// Uses the backend as a foreign program does: includes only <fathom/gpu.h> of Fathom, and multiplies two
// matrices.
#include <fathom/debug.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

enum { N_ROWS = 37, N_COLS = 64, N_TOKENS = 5 };

static void multiply(bool exact) {
    static float w[N_ROWS][N_COLS], x[N_TOKENS][N_COLS], y[N_TOKENS][N_ROWS];
    for (int r = 0; r < N_ROWS; r++)
        for (int k = 0; k < N_COLS; k++) w[r][k] = (float)((r * 7 + k * 3) % 11 - 5);
    for (int t = 0; t < N_TOKENS; t++)
        for (int k = 0; k < N_COLS; k++) x[t][k] = (float)((t * 5 + k) % 9 - 4) / 8;

    struct fathom_error err = {0};
    const bool card = getenv("FATHOM_TEST_CARD") != NULL;
    const struct fathom_gpu_debug debug = {.size = sizeof(debug), .discrete = card, .short_submits = card};
    const struct fathom_gpu_params params = {.size = sizeof(params), .exact = exact, .debug = &debug};
    struct fathom_gpu *gpu = fathom_gpu_create(&params, &err);
    if (!gpu) fail_msg("%s", err.message);
    struct fathom_weight *weight = fathom_weight_create(gpu, FATHOM_F32, 1, N_ROWS, N_COLS, &err);
    struct fathom_buffer *in = fathom_buffer_create(gpu, sizeof(x), FATHOM_MEMORY_DEVICE, &err);
    struct fathom_buffer *out = fathom_buffer_create(gpu, sizeof(y), FATHOM_MEMORY_DEVICE, &err);
    struct fathom_stream *stream = fathom_stream_create(gpu, &err);
    if (!weight || !in || !out || !stream) fail_msg("%s", err.message);
    if (!fathom_weight_upload(gpu, weight, 0, N_ROWS, w, &err) ||
        !fathom_upload(gpu, fathom_buffer_view(in), x, &err))
        fail_msg("%s", err.message);

    uint64_t ticket;
    fathom_stream_begin(stream);
    fathom_matmul(stream,
        &FATHOM_INIT(fathom_matmul_params, .w = weight, .x = fathom_buffer_view(in),
            .y = fathom_buffer_view(out), .n_tokens = N_TOKENS));
    if (!fathom_stream_finish(stream, &err) || !fathom_stream_submit(stream, &ticket, &err) ||
        !fathom_gpu_wait(gpu, ticket, &err) || !fathom_download(gpu, fathom_buffer_view(out), y, &err))
        fail_msg("%s", err.message);
    for (int t = 0; t < N_TOKENS; t++)
        for (int r = 0; r < N_ROWS; r++) {
            float sum = 0; // eighths: exact in any order
            for (int k = 0; k < N_COLS; k++) sum += w[r][k] * x[t][k];
            assert_true(y[t][r] == sum);
        }
    fathom_stream_destroy(&stream);
    fathom_buffer_destroy(&out);
    fathom_buffer_destroy(&in);
    fathom_weight_destroy(&weight);
    fathom_gpu_destroy(&gpu);
}

static void test_default(void **state) {
    (void)state;
    multiply(false);
}

static void test_exact(void **state) {
    (void)state;
    multiply(true);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_default), cmocka_unit_test(test_exact)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
