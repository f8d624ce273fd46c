#include "ops/attention_reference.h"
#include "ops/cache_rows.h"
#include <stdio.h>

static const struct attention_case {
    enum fathom_type type;
    uint32_t n_tokens, n_heads, n_kv, n_head, position;
    uint32_t max_positions;  // 0: position + n_tokens
    uint32_t scratch_tokens; // 0: all
    uint32_t q_gap;          // between one token's queries and the next's
    float spread;            // of the queries
} cases[] = {
    {FATHOM_F32, 1, 1, 1, 4, 0, 0, 0, 0, 1},
    {FATHOM_F16, 1, 6, 2, 24, 1, 0, 0, 0, 1},
    {FATHOM_F32, 1, 9, 3, 64, 255, 0, 0, 0, 1},
    {FATHOM_F16, 1, 9, 3, 64, 256, 700, 0, 0, 1},
    {FATHOM_F32, 5, 28, 4, 128, 257, 0, 0, 1024, 1},
    {FATHOM_F16, 7, 10, 2, 32, 250, 0, 2, 128, 1},
    {FATHOM_F32, 33, 4, 4, 20, 225, 0, 5, 8, 30},
    {FATHOM_F16, 3, 34, 2, 16, 600, 0, 0, 4, 30},
    {FATHOM_Q8_0, 2, 12, 3, 64, 300, 0, 0, 0, 1},
    {FATHOM_F16, 1, 32, 8, 128, 16500, 0, 0, 0, 1}, // workgroups loop over splits
    {FATHOM_F16, 70, 6, 2, 64, 290, 1000, 3, 0, 4},
    {FATHOM_Q8_0, 45, 14, 2, 128, 20, 0, 1, 16, 1},
    {FATHOM_F32, 19, 6, 2, 160, 37, 0, 1, 4, 30},
    // for --bench
    {FATHOM_F16, 1, 9, 3, 64, 511, 0, 0, 0, 1},
    {FATHOM_F16, 1, 32, 8, 128, 4095, 0, 0, 0, 1},
    {FATHOM_F16, 128, 32, 8, 128, 0, 0, 0, 0, 1},
    {FATHOM_F16, 128, 32, 8, 128, 1920, 0, 0, 0, 1},
    {FATHOM_F16, 128, 9, 3, 64, 896, 0, 0, 0, 1},
};
enum { N_BENCH = 5 };

static const char *name(size_t i, char *buffer, size_t size) {
    const struct attention_case *c = &cases[i];
    snprintf(buffer, size, "type %d, %u tokens at %u of %u, %u heads of %u, %u of keys, spread %g",
        (int)c->type, c->n_tokens, c->position, c->max_positions, c->n_heads, c->n_head, c->n_kv,
        (double)c->spread);
    return buffer;
}

static void check(struct op_test *test, const struct attention_case *c, const float *q, const float *rows,
    float scale, const float *got) {
    const uint32_t q_stride = c->n_heads * c->n_head + c->q_gap;
    for (uint32_t t = 0; t < c->n_tokens; t++)
        for (uint32_t h = 0; h < c->n_heads; h++) {
            const uint32_t kv = h / (c->n_heads / c->n_kv);
            const struct attention_rows all = {
                .rows = rows,
                .width = 2 * c->n_kv * c->n_head,
                .key = kv * c->n_head,
                .key_width = c->n_head,
                .value = (c->n_kv + kv) * c->n_head,
                .value_width = c->n_head,
            };
            attention_check(test, &all, q + (size_t)t * q_stride + h * c->n_head, c->position + t + 1, scale,
                got + ((size_t)t * c->n_heads + h) * c->n_head);
        }
}

static void run(struct op_test *test, size_t index) {
    const struct attention_case *c = &cases[index];
    const uint32_t n_positions = c->position + c->n_tokens,
                   max_positions = c->max_positions ? c->max_positions : n_positions;
    const uint32_t q_stride = c->n_heads * c->n_head + c->q_gap;
    const size_t n_q = (size_t)(c->n_tokens - 1) * q_stride + c->n_heads * c->n_head,
                 n_out = (size_t)c->n_tokens * c->n_heads * c->n_head;
    const float scale = 2.0f / sqrtf((float)c->n_head),
                *q = op_random_floats(test, n_q, -2 * c->spread, 2 * c->spread);
    const struct cache_rows rows =
        cache_rows(test, c->type, n_positions, max_positions, 2 * c->n_kv * c->n_head);
    const uint64_t scratch = fathom_grouped_attention_scratch(c->n_heads, c->n_head, max_positions);
    const size_t n_zeros = (size_t)c->n_tokens * c->n_heads;
    const uint32_t *zeros = op_alloc(test, n_zeros * sizeof(*zeros));
    test->offset_words = index % 2 ? 1 : 4;
    const struct fathom_view position = op_input(test, &c->position, 1), out = op_output(test, n_out);
    const struct fathom_grouped_attention_params params = {
        .size = sizeof(params),
        .q = op_input(test, q, n_q),
        .out = out,
        .position = position,
        .cache =
            {
                .pages = rows.pages,
                .page_table = rows.page_table,
                .type = c->type,
                .n_kv = c->n_kv,
                .n_head = c->n_head,
            },
        .scratch =
            op_output(test, (size_t)scratch / 4 * (c->scratch_tokens ? c->scratch_tokens : c->n_tokens)),
        .counters = index % 3 ? op_input(test, zeros, n_zeros) : (struct fathom_view){0},
        .n_tokens = c->n_tokens,
        .n_heads = c->n_heads,
        .q_stride = q_stride,
        .max_positions = max_positions,
        .scale = scale,
    };
    if (index == 1) { // refused calls
        struct fathom_grouped_attention_params bad = params;
        bad.scratch.size -= 4;
        fathom_grouped_attention(test->stream, &bad);
        op_run_refused(test, "scratch has");
        bad = params;
        bad.n_heads = 5;
        fathom_grouped_attention(test->stream, &bad);
        op_run_refused(test, "n_heads is 5, wanted a multiple of 2");
        bad = params;
        bad.cache.type = FATHOM_Q8_0;
        fathom_grouped_attention(test->stream, &bad);
        op_run_refused(test, "n_head is 24, wanted a multiple of 64");
    }
    fathom_grouped_attention(test->stream, &params);
    // llvmpipe before 25 ends loops early, so there another variant takes long contexts
    const bool ends = test->info->caps & FATHOM_CAP_UNIFORM_LOADS || n_positions <= 4096;
    op_run(test, op_takes(test, FM_CALL_TILES | (ends ? FM_CALL_ENDS : 0)));
    check(test, c, q, rows.rows, scale, op_result(test, out));
    op_result(test, params.scratch);
    if (params.counters.buffer)
        op_check_equal(test, "counters", op_result(test, params.counters), zeros, n_zeros);
    if (c->n_tokens > 1 || !c->max_positions) return;

    const uint32_t other = 63; // the recording is replayed at another position
    struct attention_case moved = *c;
    moved.position = other;
    struct fathom_error err = {0};
    if (!fathom_upload(test->gpu, position, &other, &err)) fail_msg("%s", err.message);
    op_rerun(test);
    check(test, &moved, q, rows.rows, scale, op_result(test, out));
    if (!fathom_upload(test->gpu, position, &c->position, &err)) fail_msg("%s", err.message);
}

int main(int argc, char **argv) {
    return op_test_main(argc, argv,
        &(struct op_suite){
            .op = "grouped_attention",
            .n_cases = sizeof(cases) / sizeof(cases[0]) - N_BENCH,
            .n_bench_cases = N_BENCH,
            .name = name,
            .run = run,
        });
}
