#include "op/matmul/columns.h"
#include "ops/expert.h"
#include <stdio.h>

static const struct up_case {
    enum fathom_type gate, up, shared_gate, shared_up;
    uint32_t n_experts, top_k, n_inter, n_shared, n_cols, n_tokens, offset_words;
    float spread; // of x; 0: 0.5
} cases[] = {
    {FATHOM_F32, FATHOM_F32, FATHOM_F32, FATHOM_F32, 5, 1, 12, 12, 36, 1, 4},
    {FATHOM_F32, FATHOM_F32, FATHOM_F32, FATHOM_F32, 5, 2, 12, 24, 68, 3, 4},
    {FATHOM_F16, FATHOM_F16, FATHOM_F16, FATHOM_F16, 8, 3, 36, 36, 132, 7, 4},
    {FATHOM_BF16, FATHOM_F32, FATHOM_F16, FATHOM_BF16, 8, 8, 20, 4, 100, 3, 4},
    {FATHOM_Q8_0, FATHOM_Q8_0, FATHOM_Q8_0, FATHOM_Q8_0, 16, 4, 64, 64, 160, 7, 4},
    {FATHOM_Q8_0, FATHOM_Q8_0, FATHOM_Q8_0, FATHOM_Q8_0, 16, 4, 40, 40, 64, 1, 3},
    {FATHOM_Q4_0, FATHOM_Q4_0, FATHOM_Q4_0, FATHOM_Q4_0, 16, 6, 32, 72, 256, 33, 4},
    {FATHOM_Q4_0, FATHOM_Q8_0, FATHOM_F16, FATHOM_Q8_0, 8, 2, 44, 100, 96, 19, 4},
    {FATHOM_F32, FATHOM_Q8_0, FATHOM_F32, FATHOM_Q4_0, 64, 6, 20, 40, 128, 5, 4},
    {FATHOM_Q8_0, FATHOM_Q8_0, FATHOM_F32, FATHOM_F32, 256, 8, 12, 12, 64, 33, 4},
    {FATHOM_Q4_0, FATHOM_Q4_0, FATHOM_F32, FATHOM_F32, 64, 8, 76, 0, 128, 120,
        4}, // no shared expert; more tiles than rounds of a workgroup on lavapipe 22.3
    {FATHOM_F32, FATHOM_F32, FATHOM_Q8_0, FATHOM_F16, 0, 0, 0, 300, 96, 9, 4}, // a dense layer
    {FATHOM_F32, FATHOM_F32, FATHOM_Q4_0, FATHOM_Q4_0, 0, 0, 0, 517, 2080, 2, 4},
    {FATHOM_F32, FATHOM_F32, FATHOM_F32, FATHOM_F32, 2, 2, 130, 64, 64, 150, 4},
    {FATHOM_Q8_0, FATHOM_Q8_0, FATHOM_F16, FATHOM_F16, 4, 2, 32, 32, 32, 1100, 4},
    {FATHOM_Q4_K, FATHOM_Q5_K, FATHOM_Q6_K, FATHOM_Q5_0, 4, 2, 36, 20, 256, 5, 4},
    {FATHOM_Q2_K, FATHOM_Q3_K, FATHOM_IQ4_XS, FATHOM_Q5_1, 4, 2, 36, 20, 256, 5, 4},
    {FATHOM_IQ4_NL, FATHOM_MXFP4, FATHOM_TQ1_0, FATHOM_TQ2_0, 4, 2, 36, 20, 256, 5, 4},
    {FATHOM_Q8_0, FATHOM_Q4_0, FATHOM_F32, FATHOM_F16, 4, 2, 40, 40, 96, 20, 4, 1e7f}, // beyond float16
    {FATHOM_Q8_0, FATHOM_Q4_0, FATHOM_Q8_0, FATHOM_Q8_0, 16, 4, 520, 72, 32, 140, 4},  // many workgroups
    {FATHOM_IQ1_S, FATHOM_IQ2_XS, FATHOM_IQ3_S, FATHOM_IQ2_XXS, 4, 2, 36, 20, 256, 5, 4},
    {FATHOM_F8_E4M3, FATHOM_F8_E4M3, FATHOM_F8_E4M3, FATHOM_F8_E4M3, 4, 2, 36, 20, 224, 20, 4},
    // the types of quant/packed.h, with a single last block
    {FATHOM_Q4_K, FATHOM_Q6_K, FATHOM_Q3_K, FATHOM_Q5_K, 4, 2, 68, 20, 256, 37, 4},
    {FATHOM_IQ4_XS, FATHOM_Q5_K, FATHOM_Q6_K, FATHOM_Q3_K, 8, 2, 44, 68, 256, 19, 4},
    {FATHOM_Q4_1, FATHOM_Q5_0, FATHOM_Q8_0, FATHOM_IQ4_NL, 4, 3, 68, 132, 96, 37, 4},
    {FATHOM_MXFP4, FATHOM_Q4_0, FATHOM_Q5_1, FATHOM_Q4_1, 4, 3, 36, 68, 160, 21, 4},
    // two tiles of columns that overlap, workgroups of many rows
    {FATHOM_Q4_0, FATHOM_Q8_0, FATHOM_Q4_1, FATHOM_Q4_1, 8, 3, 268, 140, 1088, 2, 4},
    // timed only: V2-Lite
    {FATHOM_Q4_0, FATHOM_Q4_0, FATHOM_Q4_0, FATHOM_Q4_0, 64, 6, 1408, 2816, 2048, 1, 4},
    {FATHOM_Q8_0, FATHOM_Q8_0, FATHOM_Q8_0, FATHOM_Q8_0, 64, 6, 1408, 2816, 2048, 1, 4},
    {FATHOM_Q4_0, FATHOM_Q4_0, FATHOM_Q4_0, FATHOM_Q4_0, 64, 6, 1408, 2816, 2048, 64, 4},
    {FATHOM_Q8_0, FATHOM_Q8_0, FATHOM_Q8_0, FATHOM_Q8_0, 16, 6, 1408, 2816, 2048, 64, 4},
};
enum { N_CASES = sizeof(cases) / sizeof(cases[0]), N_BENCH = 4, SMALL_RANGE = 32768 };

static const char *name(size_t i, char *buffer, size_t size) {
    const struct up_case *c = &cases[i];
    snprintf(buffer, size, "types %d %d %d %d, %u of %u x %u + %u x %u, %u tokens", (int)c->gate, (int)c->up,
        (int)c->shared_gate, (int)c->shared_up, c->top_k, c->n_experts, c->n_inter, c->n_shared, c->n_cols,
        c->n_tokens);
    return buffer;
}

static bool fits(const struct up_case *c, uint64_t h_stride) {
    const uint64_t views = SMALL_RANGE - 256;
    return 4 * (uint64_t)c->n_tokens * h_stride <= views && 4 * (uint64_t)c->n_tokens * c->n_cols <= views &&
        (!c->n_experts ||
            (expert_fits(c->gate, c->n_inter, c->n_cols, SMALL_RANGE) &&
                expert_fits(c->up, c->n_inter, c->n_cols, SMALL_RANGE)));
}

struct pair {
    const struct fathom_weight *gate, *up;
    const uint8_t *gate_bytes, *up_bytes;
};

static struct pair make(struct op_test *test, enum fathom_type gate, enum fathom_type up, uint32_t n_mats,
    uint32_t n_rows, uint32_t n_cols) {
    struct pair pair = {0};
    if (!n_mats || !n_rows) return pair;
    pair.gate = op_weight(test, gate, n_mats, n_rows, n_cols, 1.0f, &pair.gate_bytes);
    pair.up = op_weight(test, up, n_mats, n_rows, n_cols, 1.0f, &pair.up_bytes);
    return pair;
}

// silu is nowhere steeper than 1.1
static void check(struct op_test *test, const struct pair *pair, float limit, uint64_t row, const float *x,
    const float *got) {
    struct expert_dot g = expert_dot(test, pair->gate, pair->gate_bytes, row, x),
                      u = expert_dot(test, pair->up, pair->up_bytes, row, x);
    if (limit > 0) { // limits errors, too
        g.value = fmin(g.value, limit), g.twin = fminf(g.twin, limit);
        u.value = fmax(fmin(u.value, limit), -limit), u.twin = fmaxf(fminf(u.twin, limit), -limit);
    }
    const double silu = g.value / (1 + exp(-g.value)), want = silu * u.value;
    const double silu_bound = 1.1 * g.bound + 1e-6 * fabs(silu);
    const double bound =
        silu_bound * fabs(u.value) + fabs(silu) * u.bound + silu_bound * u.bound + 1e-6 * fabs(want);
    const float twin = exact_silu(g.twin) * u.twin;
    op_check(test, "h", got, &want, &bound, 1);
    if (test->exact) op_check_equal(test, "h, exact", got, &twin, 1);
}

// The same from experts in slots, in one round and in several: the same bits, by the same variant.
static void check_parts(struct op_test *test, const struct up_case *c, const struct pair *experts,
    const uint32_t *ids, const struct fathom_expert_up_params *whole, const float *h, bool only) {
    const uint32_t n_choices = c->n_tokens * c->top_k;
    const size_t n_h = whole->h.size / 4;
    for (uint32_t trial = 0; trial < 3; trial++) {
        const struct expert_places p =
            expert_places(test, ids, n_choices, c->n_experts, expert_slots(trial, c->n_experts, c->top_k));
        struct fathom_expert_up_params params = *whole;
        params.gate = expert_pool(test, experts->gate, experts->gate_bytes, &p);
        params.up = expert_pool(test, experts->up, experts->up_bytes, &p);
        if (!params.gate || !params.up) continue;
        params.ids = op_input(test, p.places, n_choices);
        params.h = op_output(test, n_h);
        params.part = (struct fathom_expert_part){c->n_experts, 0, p.n_rounds};
        op_begin(test);
        for (; params.part.round < p.n_rounds; params.part.round++) fathom_expert_up(test->stream, &params);
        op_run(test, only);
        op_check_equal(test, "h by rounds", op_result(test, params.h), h, n_h);

        // refused: a round too many; slices that are no rounds
        op_begin(test);
        fathom_expert_up(test->stream, &params);
        op_run_refused(test, "wanted a number below");
        params.part.n_rounds++;
        fathom_expert_up(test->stream, &params);
        op_run_refused(test, "wanted a slice of as many");
    }
}

static void run(struct op_test *test, size_t index) {
    const struct up_case *c = &cases[index];
    const size_t h_stride = (size_t)c->top_k * c->n_inter + c->n_shared;
    if (test->small_slices && !fits(c, h_stride)) return;
    const struct pair experts = make(test, c->gate, c->up, c->n_experts, c->n_inter, c->n_cols);
    const struct pair shared = make(test, c->shared_gate, c->shared_up, 1, c->n_shared, c->n_cols);
    const float spread = c->spread ? c->spread : 0.5f, limit = index % 2 ? 0.75f * spread : 0;
    const float *x = op_random_floats(test, (size_t)c->n_tokens * c->n_cols, -spread, spread);
    const uint32_t *ids = expert_choices(test, c->n_tokens, c->top_k, c->n_experts);
    test->offset_words = c->offset_words;
    struct fathom_expert_up_params params = {
        .size = sizeof(params),
        .gate = experts.gate,
        .up = experts.up,
        .shared_gate = shared.gate,
        .shared_up = shared.up,
        .x = op_input(test, x, (size_t)c->n_tokens * c->n_cols),
        .h = op_output(test, c->n_tokens * h_stride),
        .n_tokens = c->n_tokens,
        .top_k = c->top_k,
        .limit = limit,
    };
    if (c->top_k) params.ids = op_input(test, ids, (size_t)c->n_tokens * c->top_k);
    fathom_expert_up(test->stream, &params);
    const bool packed =
        fm_expert_packed(experts.gate, experts.up) && fm_expert_packed(shared.gate, shared.up);
    const bool columns =
        fm_columns_take_all(experts.gate, experts.up) && fm_columns_take_all(shared.gate, shared.up);
    const bool by_address = test->row->does &
        FM_DOES_ADDRESS; // only these variants, and variants that take bytes, know few types
    const uint32_t is = (c->offset_words % 4 ? 0 : FM_CALL_ALIGNED) | (c->n_cols % 32 ? 0 : FM_CALL_BLOCKS) |
        (c->n_experts == 1 ? 0 : FM_CALL_EXPERTS) | (!test->bytes || packed ? FM_CALL_PACKED : 0) |
        (!by_address || columns ? FM_CALL_UNITS : 0);
    op_run(test, op_takes(test, is));

    const float *h = op_result(test, params.h);
    const uint32_t step = index < N_CASES - N_BENCH ? 1 : 97; // of large cases only some rows
    for (uint32_t t = 0; t < c->n_tokens; t++) {
        const float *h_t = h + t * h_stride, *x_t = x + (size_t)t * c->n_cols;
        for (uint32_t s = 0; s < c->top_k; s++)
            for (uint32_t r = (t + s) % step; r < c->n_inter; r += step)
                check(test, &experts, limit, (uint64_t)ids[t * c->top_k + s] * c->n_inter + r, x_t,
                    h_t + s * c->n_inter + r);
        for (uint32_t r = t % step; r < c->n_shared; r += step)
            check(test, &shared, limit, r, x_t, h_t + c->top_k * c->n_inter + r);
    }
    if (index >= N_CASES - N_BENCH) return;
    if (c->n_experts) check_parts(test, c, &experts, ids, &params, h, op_takes(test, is));

    // refused: a view too small; more experts than there are
    op_begin(test);
    params.h.size -= 4;
    fathom_expert_up(test->stream, &params);
    op_run_refused(test, "h has");
    params.limit = -1;
    fathom_expert_up(test->stream, &params);
    op_run_refused(test, "limit is -1");
    params.top_k = 17;
    fathom_expert_up(test->stream, &params);
    op_run_refused(test, "top_k is 17");
}

int main(int argc, char **argv) {
    return op_test_main(argc, argv,
        &(struct op_suite){
            .op = "expert_up",
            .n_cases = N_CASES - N_BENCH,
            .n_bench_cases = N_BENCH,
            .name = name,
            .run = run,
            .small_range = SMALL_RANGE,
        });
}
