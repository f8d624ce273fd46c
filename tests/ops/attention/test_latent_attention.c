#include "ops/attention_reference.h"
#include "ops/cache_rows.h"
#include <stdio.h>

static const struct attention_case {
    enum fathom_type type;
    uint32_t n_tokens, n_heads, kv_rank, n_rope, position;
    uint32_t max_positions;         // 0: position + n_tokens
    uint32_t scratch_tokens;        // 0: all
    float spread;                   // of the queries
    uint32_t top_k;                 // not 0: positions, or compressed rows, are selected
    uint32_t sliding_window, ratio; // sliding_window not 0: a cache of compressed rows
    bool rising;                    // scores ascend with the position
} cases[] = {
    {FATHOM_F32, 1, 1, 4, 4, 0, 0, 0, 1},
    {FATHOM_F16, 1, 3, 36, 8, 1, 0, 0, 1},
    {FATHOM_F32, 1, 4, 64, 16, 63, 0, 0, 1},
    {FATHOM_F16, 1, 4, 64, 16, 64, 0, 0, 1},
    {FATHOM_F32, 1, 5, 64, 16, 255, 0, 0, 1},
    {FATHOM_F16, 1, 4, 64, 16, 256, 700, 0, 1},
    {FATHOM_F32, 1, 4, 64, 16, 257, 0, 0, 1},
    {FATHOM_F32, 1, 4, 64, 16, 1000, 20000, 0, 1},
    {FATHOM_F16, 1, 9, 64, 16, 1000, 0, 0, 1},
    {FATHOM_F32, 7, 4, 64, 16, 0, 0, 3, 1},
    {FATHOM_F32, 7, 4, 64, 16, 250, 0, 2, 1},
    {FATHOM_F16, 33, 4, 64, 16, 225, 0, 0, 1},
    {FATHOM_F32, 64, 4, 64, 16, 0, 0, 0, 1},
    {FATHOM_F32, 64, 5, 36, 8, 480, 1000, 40, 1},
    {FATHOM_F16, 3, 17, 100, 4, 1000, 0, 1, 1},
    {FATHOM_F32, 3, 4, 64, 16, 600, 0, 0, 30},
    {FATHOM_F16, 3, 4, 64, 16, 600, 0, 0, 30},
    {FATHOM_F32, 2, 16, 512, 64, 510, 0, 0, 1},
    {FATHOM_F16, 2, 16, 512, 64, 510, 0, 0, 1},
    {FATHOM_F16, 1, 128, 512, 64, 300, 0, 0, 1},
    {FATHOM_F16, 5, 128, 512, 64, 40, 0, 0, 1},
    {FATHOM_F32, 1, 2, 36, 8, 16700, 0, 0, 1},
    {FATHOM_F16, 2, 2, 36, 8, 33000, 0, 1, 1}, // workgroups loop over splits
    {FATHOM_Q8_0, 1, 5, 64, 8, 300, 0, 0, 1},
    {FATHOM_Q8_0, 3, 4, 32, 32, 255, 0, 0, 30},
    {FATHOM_Q8_0, 2, 16, 512, 64, 510, 0, 0, 1},
    {FATHOM_F32, 1, 4, 64, 16, 40, 0, 0, 1, 24},
    {FATHOM_F16, 7, 5, 64, 16, 600, 0, 2, 1, 300},
    {FATHOM_F32, 7, 4, 36, 8, 20, 900, 0, 1, 24}, // for some tokens all positions
    {FATHOM_F32, 1, 4, 64, 0, 0, 0, 0, 1, 0, 16, 0},
    {FATHOM_F32, 7, 5, 64, 0, 12, 0, 3, 1, 0, 16, 4},
    {FATHOM_F16, 3, 9, 96, 0, 700, 2000, 0, 1, 0, 128, 16},
    {FATHOM_F32, 5, 4, 64, 0, 1500, 0, 1, 30, 300, 33, 4},
    {FATHOM_Q8_0, 2, 4, 64, 0, 130, 0, 0, 1, 6, 16, 4},
    {FATHOM_F16, 2, 64, 512, 0, 1040, 0, 0, 1, 100, 128, 4},
    {FATHOM_F32, 1, 33, 64, 16, 900, 0, 0, 1, .rising = true},
    {FATHOM_F16, 2, 5, 64, 16, 600, 0, 0, 30, .rising = true},
    {FATHOM_F16, 1, 128, 512, 64, 700, 0, 0, 3, .rising = true},
    {FATHOM_F32, 1, 4, 64, 16, 300, 0, 0, 1e-6f},
    {FATHOM_F32, 1, 4, 64, 16, 300, 0, 0, 1e6f},
    {FATHOM_F16, 1, 40, 128, 64, 5000, 0, 0, 1},
    // for --bench
    {FATHOM_Q8_0, 1, 128, 512, 64, 4095, 0, 0, 1},
    {FATHOM_F16, 1, 16, 512, 64, 511, 0, 0, 1},
    {FATHOM_F16, 1, 16, 512, 64, 4095, 0, 0, 1},
    {FATHOM_F16, 1, 16, 512, 64, 511, 32768, 0, 1},
    {FATHOM_F16, 1, 128, 512, 64, 511, 0, 0, 1},
    {FATHOM_F16, 1, 128, 512, 64, 4095, 0, 0, 1},
    {FATHOM_F16, 1, 128, 512, 64, 32767, 0, 0, 1},
    {FATHOM_F16, 1, 16, 512, 64, 32767, 0, 0, 1},
    {FATHOM_F32, 1, 16, 512, 64, 4095, 0, 0, 1},
    {FATHOM_F16, 64, 16, 512, 64, 0, 0, 0, 1},
};
enum { N_BENCH = 10 };

static const char *name(size_t i, char *buffer, size_t size) {
    const struct attention_case *c = &cases[i];
    snprintf(buffer, size,
        "type %d, %u tokens at %u of %u, %u heads x (%u + %u), spread %g%s, best %u, sliding_window %u and "
        "every %u",
        (int)c->type, c->n_tokens, c->position, c->max_positions, c->n_heads, c->kv_rank, c->n_rope,
        (double)c->spread, c->rising ? ", rising" : "", c->top_k, c->sliding_window, c->ratio);
    return buffer;
}

// The rows that a token attends to, in order. selected: the token's part of the list.
static uint32_t attended(const struct attention_case *c, uint32_t at, uint32_t first_compressed,
    const uint32_t *selected, uint32_t *list) {
    uint32_t n = 0, n_older = c->sliding_window ? c->ratio ? (at + 1) / c->ratio : 0 : at + 1;
    const uint32_t n_window = at + 1 < c->sliding_window ? at + 1 : c->sliding_window;
    if (c->top_k && n_older > c->top_k) n_older = c->top_k;
    for (uint32_t i = 0; i < n_older; i++)
        list[n++] = (c->sliding_window ? first_compressed : 0) + (c->top_k ? selected[i] : i);
    for (uint32_t i = 0; i < n_window; i++) list[n++] = at + 1 - n_window + i;
    return n;
}

static void check(struct op_test *test, const struct attention_case *c, const float *q, const float *rows,
    uint32_t first_compressed, const uint32_t *selected, const float *sinks, float scale, const float *got) {
    const uint32_t width = c->kv_rank + c->n_rope, most = c->position + c->n_tokens + c->sliding_window;
    uint32_t *list = op_alloc(test, most * sizeof(*list));
    float *own = op_alloc(test, (size_t)most * width * sizeof(*own));
    for (uint32_t t = 0; t < c->n_tokens && !test->compile_only; t++) {
        const uint32_t n =
            attended(c, c->position + t, first_compressed, selected + (size_t)t * c->top_k, list);
        for (uint32_t i = 0; i < n; i++)
            memcpy(own + (size_t)i * width, rows + (size_t)list[i] * width, width * sizeof(*own));
        for (uint32_t h = 0; h < c->n_heads; h++) {
            const size_t i = (size_t)t * c->n_heads + h;
            const struct attention_rows all = {
                .rows = own,
                .width = width,
                .key_width = width,
                .value_width = c->kv_rank,
                .sink = sinks ? sinks + h : NULL,
            };
            attention_check(test, &all, q + i * width, n, scale, got + i * c->kv_rank);
        }
    }
}

// For each token, top_k of the rows that the token sees, ascending; all rows if there are no more. The device
// must not read the words behind them.
static uint32_t *select_some(struct op_test *test, const struct attention_case *c) {
    uint32_t *selected = op_alloc(test, ((size_t)c->n_tokens * c->top_k + 1) * sizeof(*selected));
    memset(selected, 0xff, (size_t)c->n_tokens * c->top_k * sizeof(*selected));
    for (uint32_t t = 0; t < c->n_tokens; t++) {
        const uint32_t seen = c->top_k ? (c->position + t + 1) / (c->sliding_window ? c->ratio : 1) : 0;
        uint32_t n = 0;
        for (uint32_t i = 0; i < seen && n < c->top_k; i++)
            if (op_random(test) % 2 || seen - i <= c->top_k - n) selected[(size_t)t * c->top_k + n++] = i;
    }
    return selected;
}

// Queries and rows get the same signs. Later rows get more of them, so that scores ascend.
static void let_rise(
    struct op_test *test, float *q, size_t n_q, float *rows, uint32_t n_rows, uint32_t width) {
    const float *signs = op_random_floats(test, width, -1, 1);
    for (size_t i = 0; i < n_q; i++) q[i] = copysignf(q[i], signs[i % width]);
    for (uint32_t r = 0; r < n_rows; r++)
        for (uint32_t k = 0; k < width; k++) {
            float *v = &rows[(size_t)r * width + k];
            *v = 0.25f * *v + copysignf(0.75f * (float)r / (float)n_rows, signs[k]);
        }
}

static void run(struct op_test *test, size_t index) {
    const struct attention_case *c = &cases[index];
    const uint32_t width = c->kv_rank + c->n_rope, n_positions = c->position + c->n_tokens,
                   max_positions = c->max_positions ? c->max_positions : n_positions;
    const uint32_t n_table = (n_positions + FATHOM_PAGE - 1) / FATHOM_PAGE * FATHOM_PAGE,
                   first_compressed = c->sliding_window ? n_table : 0;
    const uint32_t n_compressed = c->ratio ? n_positions / c->ratio : 0,
                   n_rows = c->sliding_window ? n_table + n_compressed : n_positions;
    const uint32_t n_list = c->sliding_window
        ? (c->top_k ? c->top_k : max_positions / (c->ratio ? c->ratio : max_positions + 1)) +
            c->sliding_window
        : c->top_k ? c->top_k
                   : max_positions;
    const size_t n_q = (size_t)c->n_tokens * c->n_heads * width,
                 n_out = (size_t)c->n_tokens * c->n_heads * c->kv_rank;
    const float scale = 2.0f / sqrtf((float)width);
    float *q = op_random_floats(test, n_q, -2 * c->spread, 2 * c->spread),
          *values = op_random_floats(test, (size_t)n_rows * width, -1, 1);
    if (c->rising) let_rise(test, q, n_q, values, n_rows, width);
    const struct cache_rows rows =
        cache_of_rows(test, c->type, values, n_rows, c->sliding_window ? n_rows : max_positions, width);
    const uint32_t *selected = select_some(test, c);
    const float *sinks = c->sliding_window ? op_random_floats(test, c->n_heads, -3, 3) : NULL;
    const uint64_t scratch = fathom_latent_attention_scratch(c->n_heads, c->kv_rank, n_list);
    assert_int_equal(scratch, (n_list + 255) / 256 * 4ull * c->n_heads * (c->kv_rank + 2));
    const size_t n_zeros = (size_t)c->n_tokens * c->n_heads;
    const uint32_t *zeros = op_alloc(test, n_zeros * sizeof(*zeros));
    test->offset_words = index % 2 ? 1 : 4;
    struct fathom_view position = op_input(test, &c->position, 1), out = op_output(test, n_out);
    struct fathom_latent_attention_params params = {
        .size = sizeof(params),
        .q = op_input(test, q, n_q),
        .out = out,
        .position = position,
        .cache = latent_cache(&rows, c->type, c->kv_rank, c->n_rope),
        .scratch =
            op_output(test, (size_t)scratch / 4 * (c->scratch_tokens ? c->scratch_tokens : c->n_tokens)),
        .counters = index % 3 ? op_input(test, zeros, n_zeros) : (struct fathom_view){0},
        .n_tokens = c->n_tokens,
        .n_heads = c->n_heads,
        .max_positions = n_list,
        .top_k = c->top_k,
        .sliding_window = c->sliding_window,
        .ratio = c->ratio,
        .first_compressed = first_compressed,
        .scale = scale,
    };
    if (c->top_k) params.selected = op_input(test, selected, (size_t)c->n_tokens * c->top_k);
    if (sinks) params.sinks = op_input(test, sinks, c->n_heads);
    if (index == 0) { // refused calls
        struct fathom_latent_attention_params bad = params;
        bad.scratch.size -= 4;
        fathom_latent_attention(test->stream, &bad);
        op_run_refused(test, "scratch has");
        bad = params;
        bad.max_positions = FATHOM_PAGE + 1;
        bad.scratch.size = scratch;
        fathom_latent_attention(test->stream, &bad);
        op_run_refused(test, "page_table has");
        bad = params;
        bad.cache.type = FATHOM_BF16;
        fathom_latent_attention(test->stream, &bad);
        op_run_refused(test, "the cache has type 30");
        bad = params;
        bad.ratio = 4;
        fathom_latent_attention(test->stream, &bad);
        op_run_refused(test, "compressed rows of 4 positions without a sliding_window");
        bad = params;
        bad.selected = position;
        bad.top_k = 0;
        fathom_latent_attention(test->stream, &bad);
        op_run_refused(test, "0 positions are selected");
    }
    fathom_latent_attention(test->stream, &params);
    op_run(test, true);
    check(test, c, q, rows.rows, first_compressed, selected, sinks, scale, op_result(test, out));
    op_result(test, params.scratch);
    if (params.counters.buffer)
        op_check_equal(test, "counters", op_result(test, params.counters), zeros, n_zeros);
    if (c->n_tokens > 1 || !c->max_positions || c->top_k || c->sliding_window) return;

    // the recording is replayed at other positions
    static const uint32_t others[] = {0, 1, 63, 64, 255, 256, 257};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct attention_case moved = *c;
        moved.position = others[i];
        if (moved.position > c->position) continue;
        struct fathom_error err = {0};
        if (!fathom_upload(test->gpu, position, &moved.position, &err)) fail_msg("%s", err.message);
        op_rerun(test);
        check(test, &moved, q, rows.rows, first_compressed, selected, sinks, scale, op_result(test, out));
    }
    struct fathom_error err = {0};
    if (!fathom_upload(test->gpu, position, &c->position, &err)) fail_msg("%s", err.message);
}

int main(int argc, char **argv) {
    return op_test_main(argc, argv,
        &(struct op_suite){
            .op = "latent_attention",
            .n_cases = sizeof(cases) / sizeof(cases[0]) - N_BENCH,
            .n_bench_cases = N_BENCH,
            .name = name,
            .run = run,
        });
}
