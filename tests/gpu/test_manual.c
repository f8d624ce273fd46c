// What gpu.h and ops.h promise and the tests of single operators do not look at: refused weights are named,
// views may be larger than needed, a scale of 0 is the number 0, and what does not exist is not written.
#include "device.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static struct fathom_gpu *gpu;

static int open_gpu(void **state) {
    (void)state;
    struct fathom_error err = {0};
    struct fathom_gpu_debug debug;
    const struct fathom_gpu_params params = device_params(FATHOM_INIT(fathom_gpu_params), &debug);
    if (!(gpu = fathom_gpu_create(&params, &err))) fail_msg("%s", err.message);
    return 0;
}

static int close_gpu(void **state) {
    (void)state;
    fathom_gpu_destroy(&gpu);
    return 0;
}

// A buffer of n words.
static struct fathom_view words(const void *data, size_t n) {
    struct fathom_error err = {0};
    struct fathom_buffer *buffer = fathom_buffer_create(gpu, 4 * n, FATHOM_MEMORY_DEVICE, &err);
    if (!buffer || !fathom_upload(gpu, fathom_buffer_view(buffer), data, &err)) fail_msg("%s", err.message);
    return fathom_buffer_view(buffer);
}

static void read_words(struct fathom_view view, void *data) {
    struct fathom_error err = {0};
    if (!fathom_download(gpu, view, data, &err)) fail_msg("%s", err.message);
}

static struct fathom_stream *begin(void) {
    struct fathom_error err = {0};
    struct fathom_stream *stream = fathom_stream_create(gpu, &err);
    if (!stream) fail_msg("%s", err.message);
    fathom_stream_begin(stream);
    return stream;
}

static void run(struct fathom_stream *stream) {
    struct fathom_error err = {0};
    uint64_t ticket;
    if (!fathom_stream_finish(stream, &err) || !fathom_stream_submit(stream, &ticket, &err) ||
        !fathom_gpu_wait(gpu, ticket, &err))
        fail_msg("%s", err.message);
    fathom_stream_destroy(&stream);
}

static void run_refused(struct fathom_stream *stream, const char *message) {
    struct fathom_error err = {0};
    assert_false(fathom_stream_finish(stream, &err));
    assert_int_equal(err.status, FATHOM_INVALID);
    if (!strstr(err.message, message)) fail_msg("'%s' does not say '%s'", err.message, message);
    fathom_stream_destroy(&stream);
}

static struct fathom_weight *matrix(uint32_t n_rows, uint32_t n_cols, const float *data) {
    struct fathom_error err = {0};
    struct fathom_weight *w = fathom_weight_create(gpu, FATHOM_F32, 1, n_rows, n_cols, &err);
    if (!w || !fathom_weight_upload(gpu, w, 0, n_rows, data, &err)) fail_msg("%s", err.message);
    return w;
}

// ---- Weights ---------------------------------------------------------------------------------------------

static void refused_weights_are_named(void **state) {
    (void)state;
    static const struct {
        int type;
        uint32_t n_rows, n_cols;
        const char *message;
    } cases[] = {
        {FATHOM_Q8_0, 4, 33, "a row of Q8_0 is a multiple of 32 columns above 0, not 33"},
        {FATHOM_Q8_0, 4, 0, "a row of Q8_0 is a multiple of 32 columns above 0, not 0"},
        {FATHOM_F32, 4, 6, "a row of F32 is a multiple of 4 columns above 0, not 6"},
        {FATHOM_Q4_K, 4, 32, "a row of Q4_K is a multiple of 256 columns above 0, not 32"},
        {FATHOM_F8_E4M3, 4, 48, "a row of F8_E4M3 is a multiple of 32 columns above 0, not 48"},
        {9, 4, 32, "weights cannot have the type Q8_1"},
        {99, 4, 32, "99 is the number of no type"},
        {FATHOM_Q8_0, 0, 32, "[1][0][32] elements has 0 rows, wanted 1 to 4294967295"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fathom_error err = {0};
        const enum fathom_type type = (enum fathom_type)cases[i].type;
        assert_null(fathom_weight_create(gpu, type, 1, cases[i].n_rows, cases[i].n_cols, &err));
        assert_int_equal(err.status, FATHOM_INVALID);
        if (!strstr(err.message, cases[i].message))
            fail_msg("'%s' does not say '%s'", err.message, cases[i].message);
        if (cases[i].n_rows) assert_int_equal(fathom_row_size(type, cases[i].n_cols), 0);
    }
    // the same from an operator, of a weight that a program has made itself
    const struct fathom_weight w = {.type = FATHOM_Q8_0, .n_mats = 1, .n_rows = 4, .n_cols = 33};
    struct fathom_stream *stream = begin();
    fathom_matmul(stream, &FATHOM_INIT(fathom_matmul_params, .w = &w, .n_tokens = 1));
    run_refused(stream, "matmul: w is no weight: a row of Q8_0 is a multiple of 32 columns above 0, not 33");
}

// ---- Views -----------------------------------------------------------------------------------------------

enum { N_ROWS = 5, N_COLS = 32, BEHIND = 3 };

static void views_may_be_larger_than_needed(void **state) {
    (void)state;
    float w[N_ROWS][N_COLS], x[N_COLS + BEHIND], y[N_ROWS + BEHIND];
    for (int r = 0; r < N_ROWS; r++)
        for (int k = 0; k < N_COLS; k++) w[r][k] = (float)((3 * r + k) % 7 - 3);
    for (int k = 0; k < N_COLS; k++) x[k] = (float)(k % 5 - 2);
    for (int k = N_COLS; k < N_COLS + BEHIND; k++) x[k] = 1e9f;
    for (int r = 0; r < N_ROWS + BEHIND; r++) y[r] = 77;
    struct fathom_weight *weight = matrix(N_ROWS, N_COLS, w[0]);
    struct fathom_view in = words(x, N_COLS + BEHIND), out = words(y, N_ROWS + BEHIND);
    struct fathom_stream *stream = begin();
    fathom_matmul(stream, &FATHOM_INIT(fathom_matmul_params, .w = weight, .x = in, .y = out, .n_tokens = 1));
    run(stream);
    read_words(out, y);
    for (int r = 0; r < N_ROWS; r++) {
        float sum = 0; // integers: exact in any order
        for (int k = 0; k < N_COLS; k++) sum += w[r][k] * x[k];
        assert_float_equal(y[r], sum, 0);
    }
    for (int r = N_ROWS; r < N_ROWS + BEHIND; r++) assert_float_equal(y[r], 77, 0);

    stream = begin();
    out.size = 4 * N_ROWS - 4;
    fathom_matmul(stream, &FATHOM_INIT(fathom_matmul_params, .w = weight, .x = in, .y = out, .n_tokens = 1));
    run_refused(stream, "matmul: y has 16 bytes, needs 4 * 5");
    fathom_buffer_destroy(&in.buffer);
    fathom_buffer_destroy(&out.buffer);
    fathom_weight_destroy(&weight);
}

static void what_does_not_exist_is_not_written(void **state) {
    (void)state;
    static const uint32_t ids[] = {1, 5, 0}, at = 1;
    float table[2][4] = {{1, 2, 3, 4}, {5, 6, 7, 8}}, x[3][4] = {{0}, {9, 9, 9, 9}};
    struct fathom_weight *weight = matrix(2, 4, table[0]);
    struct fathom_view chosen = words(ids, 3), out = words(x, 12);
    struct fathom_stream *stream = begin();
    fathom_embed(
        stream, &FATHOM_INIT(fathom_embed_params, .w = weight, .ids = chosen, .x = out, .n_tokens = 3));
    run(stream);
    read_words(out, x);
    for (int k = 0; k < 4; k++) {
        assert_float_equal(x[0][k], table[1][k], 0);
        assert_float_equal(x[1][k], 9, 0);
        assert_float_equal(x[2][k], table[0][k], 0);
    }
    // of positions 1 and 2 the table of angles has the first: a quarter turn
    static const float angles[2][2] = {{1, 0}, {0, 1}}, pairs[2][2] = {{2, 3}, {2, 3}};
    float turned[2][2] = {{7, 7}, {7, 7}};
    struct fathom_view position = words(&at, 1), angle_view = words(angles, 4), from = words(pairs, 4),
                       to = words(turned, 4);
    stream = begin();
    fathom_rope(stream,
        &FATHOM_INIT(fathom_rope_params, .x = from, .y = to, .rope_table = angle_view, .position = position,
            .n_tokens = 2, .n_heads = 1, .n_rope = 2, .x_token_stride = 2, .x_head_stride = 2,
            .y_token_stride = 2, .y_head_stride = 2));
    run(stream);
    read_words(to, turned);
    assert_float_equal(turned[0][0], -3, 0);
    assert_float_equal(turned[0][1], 2, 0);
    assert_float_equal(turned[1][0], 7, 0);
    assert_float_equal(turned[1][1], 7, 0);
    struct fathom_view *all[] = {&chosen, &out, &position, &angle_view, &from, &to};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) fathom_buffer_destroy(&all[i]->buffer);
    fathom_weight_destroy(&weight);
}

// ---- Numbers ---------------------------------------------------------------------------------------------

static void a_scale_of_0_weighs_all_positions_alike(void **state) {
    (void)state;
    enum { N_POSITIONS = 3, RANK = 8 };
    static float rows[FATHOM_PAGE][RANK], out[RANK];
    static const uint32_t page = 0, last = N_POSITIONS - 1;
    float q[RANK];
    for (int j = 0; j < N_POSITIONS; j++)
        for (int k = 0; k < RANK; k++) rows[j][k] = (float)(j * j * (k + 1));
    for (int k = 0; k < RANK; k++) q[k] = (float)(k + 1);
    static float zeros[1024];
    const uint64_t scratch_size = fathom_latent_attention_scratch(1, RANK, N_POSITIONS);
    assert_true(scratch_size <= sizeof(zeros));
    struct fathom_view pages = words(rows, FATHOM_PAGE * RANK), table = words(&page, 1),
                       position = words(&last, 1), query = words(q, RANK), result = words(out, RANK),
                       scratch = words(zeros, scratch_size / 4);
    struct fathom_stream *stream = begin();
    fathom_latent_attention(stream,
        &FATHOM_INIT(fathom_latent_attention_params, .q = query, .out = result, .position = position,
            .cache = {.pages = pages, .page_table = table, .type = FATHOM_F32, .kv_rank = RANK},
            .scratch = scratch, .n_tokens = 1, .n_heads = 1, .max_positions = N_POSITIONS, .scale = 0));
    run(stream);
    read_words(result, out);
    for (int k = 0; k < RANK; k++) assert_float_equal(out[k], 5.0f / 3 * (float)(k + 1), 1e-5);
    struct fathom_view *all[] = {&pages, &table, &position, &query, &result, &scratch};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) fathom_buffer_destroy(&all[i]->buffer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused_weights_are_named),
        cmocka_unit_test(views_may_be_larger_than_needed),
        cmocka_unit_test(what_does_not_exist_is_not_written),
        cmocka_unit_test(a_scale_of_0_weighs_all_positions_alike),
    };
    return cmocka_run_group_tests(tests, open_gpu, close_gpu);
}
