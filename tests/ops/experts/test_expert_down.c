#include "op/matmul/columns.h"
#include "ops/expert.h"
#include "ops/norm_after.h"
#include <stdio.h>

static const struct down_case {
    enum fathom_type down, shared;
    uint32_t n_experts, top_k, n_rows, n_inter, n_shared, n_tokens, offset_words;
    bool in_place;
    float spread; // of h; 0: 0.5
} cases[] = {
    {FATHOM_F32, FATHOM_F32, 5, 1, 12, 12, 12, 1, 4, false},
    {FATHOM_F32, FATHOM_F32, 5, 2, 36, 36, 68, 3, 4, true},
    {FATHOM_F16, FATHOM_F16, 8, 3, 37, 132, 36, 7, 4, true},
    {FATHOM_BF16, FATHOM_F16, 8, 8, 20, 100, 4, 3, 4, true},
    {FATHOM_Q8_0, FATHOM_Q8_0, 16, 4, 64, 64, 160, 7, 4, true},
    {FATHOM_Q8_0, FATHOM_Q8_0, 16, 4, 41, 64, 64, 1, 3, true},
    {FATHOM_Q4_0, FATHOM_Q4_0, 16, 6, 130, 32, 96, 33, 4, true},
    {FATHOM_Q4_0, FATHOM_Q8_0, 8, 2, 100, 96, 64, 19, 4, false},
    {FATHOM_Q8_0, FATHOM_F32, 64, 6, 40, 128, 256, 5, 4, true},
    {FATHOM_Q8_0, FATHOM_F32, 256, 8, 28, 64, 12, 33, 4, true},
    {FATHOM_Q4_0, FATHOM_F32, 64, 8, 36, 128, 0, 70, 4, true}, // no shared expert
    {FATHOM_F32, FATHOM_Q8_0, 0, 0, 300, 0, 96, 9, 4, true},   // a dense layer
    {FATHOM_F32, FATHOM_Q4_0, 0, 0, 517, 0, 2080, 2, 4, true},
    {FATHOM_F32, FATHOM_F32, 2, 2, 64, 64, 64, 150, 4, true},
    {FATHOM_Q8_0, FATHOM_F32, 16, 4, 100, 32, 128, 20, 4,
        true}, // rows of the shared expert and of the experts are cut into slices
    {FATHOM_Q8_0, FATHOM_F16, 4, 2, 36, 32, 32, 1100, 4, true},
    {FATHOM_Q6_K, FATHOM_Q4_K, 4, 2, 36, 256, 256, 5, 4, true},
    {FATHOM_Q5_K, FATHOM_Q5_0, 4, 2, 36, 256, 96, 5, 4, true},
    {FATHOM_IQ4_XS, FATHOM_Q3_K, 4, 2, 36, 256, 256, 5, 4, true},
    {FATHOM_F8_E4M3, FATHOM_F8_E4M3, 4, 2, 36, 96, 160, 20, 4, true},
    {FATHOM_Q8_0, FATHOM_F16, 4, 2, 36, 96, 64, 20, 4, true, 1e7f}, // beyond float16
    {FATHOM_Q4_0, FATHOM_Q8_0, 16, 4, 520, 32, 64, 140, 4, true},   // many workgroups
    // the types of quant/packed.h, with a single last block
    {FATHOM_Q3_K, FATHOM_IQ4_XS, 4, 2, 67, 256, 256, 37, 4, true},
    {FATHOM_Q4_K, FATHOM_Q6_K, 4, 2, 131, 256, 512, 19, 4, true},
    {FATHOM_Q5_K, FATHOM_Q4_0, 4, 3, 70, 256, 96, 21, 4, true},
    {FATHOM_Q4_1, FATHOM_MXFP4, 4, 3, 67, 96, 160, 37, 4, false},
    {FATHOM_IQ4_NL, FATHOM_Q5_1, 4, 3, 131, 160, 96, 21, 4, true},
    {FATHOM_Q4_0, FATHOM_Q8_0, 8, 3, 70, 128, 64, 1, 4, true}, // index 27: no scratch; columns need none
    {FATHOM_Q8_0, FATHOM_Q5_0, 8, 2, 67, 32, 96, 35, 4, true},
    // two tiles of columns that overlap, a shorter row of the shared expert, workgroups of many rows
    {FATHOM_Q4_1, FATHOM_Q8_0, 8, 3, 2060, 1088, 192, 2, 4, true},
    // timed only: V2-Lite
    {FATHOM_Q4_0, FATHOM_Q4_0, 64, 6, 2048, 1408, 2816, 1, 4, true},
    {FATHOM_Q8_0, FATHOM_Q8_0, 64, 6, 2048, 1408, 2816, 1, 4, true},
    {FATHOM_Q4_0, FATHOM_Q4_0, 64, 6, 2048, 1408, 2816, 64, 4, true},
    {FATHOM_Q8_0, FATHOM_Q8_0, 16, 6, 2048, 1408, 2816, 64, 4, true},
};
enum { N_CASES = sizeof(cases) / sizeof(cases[0]), N_BENCH = 4, SMALL_RANGE = 32768 };

static const char *name(size_t i, char *buffer, size_t size) {
    const struct down_case *c = &cases[i];
    snprintf(buffer, size, "types %d %d, %u of %u x %u + %u to %u, %u tokens%s", (int)c->down, (int)c->shared,
        c->top_k, c->n_experts, c->n_inter, c->n_shared, c->n_rows, c->n_tokens,
        c->in_place ? ", in place" : "");
    return buffer;
}

static bool fits(const struct down_case *c, uint64_t h_stride) {
    const uint64_t views = SMALL_RANGE - 256;
    return 4 * (uint64_t)c->n_tokens * h_stride <= views && 4 * (uint64_t)c->n_tokens * c->n_rows <= views &&
        (!c->n_experts || expert_fits(c->down, c->n_rows, c->n_inter, SMALL_RANGE));
}

struct inputs {
    const struct fathom_weight *down, *shared;
    const uint8_t *down_bytes, *shared_bytes;
    const float *h, *weights, *residual;
    const uint32_t *ids;
};

static void check(struct op_test *test, const struct down_case *c, const struct inputs *in, uint32_t t,
    uint32_t r, const float *got) {
    const float *h = in->h + t * ((size_t)c->top_k * c->n_inter + c->n_shared);
    float twin = in->residual ? in->residual[(size_t)t * c->n_rows + r] : 0;
    double want = twin, magnitude = fabs(want), bound = 0;
    if (c->n_shared) {
        const struct expert_dot dot =
            expert_dot(test, in->shared, in->shared_bytes, r, h + c->top_k * c->n_inter);
        want += dot.value;
        magnitude += fabs(dot.value);
        bound += dot.bound;
        twin = twin + dot.twin;
    }
    for (uint32_t s = 0; s < c->top_k; s++) {
        const float weight = in->weights[t * c->top_k + s];
        const struct expert_dot dot = expert_dot(test, in->down, in->down_bytes,
            (uint64_t)in->ids[t * c->top_k + s] * c->n_rows + r, h + s * c->n_inter);
        want += weight * dot.value;
        magnitude += fabs(weight * dot.value);
        bound += fabs(weight) * dot.bound;
        twin = twin + weight * dot.twin;
    }
    bound += (c->top_k + 4) * 0x1p-24 * (magnitude + bound);
    op_check(test, "y", got, &want, &bound, 1);
    if (test->exact) op_check_equal(test, "y, exact", got, &twin, 1);
}

// The same from experts in slots, in one round or in several, by the same variant. The bits are the same,
// unless each round adds to y a sum that the variant made in another order.
static void check_parts(struct op_test *test, const struct down_case *c, const struct inputs *in,
    const struct fathom_expert_down_params *whole, const float *y, size_t index, uint32_t is) {
    const uint32_t n_choices = c->n_tokens * c->top_k;
    const size_t n_y = (size_t)c->n_tokens * c->n_rows;
    const uint64_t all = fathom_expert_down_scratch(c->n_tokens, c->top_k, c->n_rows);
    const struct expert_places p = expert_places(test, in->ids, n_choices, c->n_experts,
        expert_slots((uint32_t)(index / 3 + index) % 3, c->n_experts, c->top_k));
    struct fathom_expert_down_params params = *whole;
    params.down = expert_pool(test, in->down, in->down_bytes, &p);
    if (!params.down) return;
    params.ids = op_input(test, p.places, n_choices);
    params.residual = in->residual ? op_input(test, in->residual, n_y) : (struct fathom_view){0};
    params.y = c->in_place ? params.residual : op_output(test, n_y);
    const float *norm_w = NULL;
    if (whole->norm.w.buffer) params.norm = norm_after(test, c->n_tokens, c->n_rows, &norm_w);
    if (whole->scratch.buffer)
        params.scratch =
            op_output(test, (index % 2 && !test->small_slices ? all + 256 : whole->scratch.size) / 4);
    params.part = (struct fathom_expert_part){c->n_experts, 0, p.n_rounds};
    // the parts of several rounds must all fit
    const bool room = p.n_rounds == 1 || (params.scratch.buffer && params.scratch.size >= 256 + all);
    const bool grouped = test->row->does & FM_DOES_GROUP, only = op_takes(test, is) && (room || !grouped);
    op_begin(test);
    for (; params.part.round < p.n_rounds; params.part.round++) fathom_expert_down(test->stream, &params);
    op_run(test, only);
    if (params.scratch.buffer) op_result(test, params.scratch);
    const float *got = op_result(test, params.y);
    if (p.n_rounds == 1 || test->exact || (grouped && only))
        op_check_equal(test, "y by rounds", got, y, n_y);
    else
        for (uint32_t t = 0; t < c->n_tokens; t++)
            for (uint32_t r = 0; r < c->n_rows; r++)
                check(test, c, in, t, r, got + (size_t)t * c->n_rows + r);
    if (norm_w) norm_after_check(test, &params.norm, norm_w, got, c->n_tokens, c->n_rows);
}

static void run(struct op_test *test, size_t index) {
    const struct down_case *c = &cases[index];
    const size_t h_stride = (size_t)c->top_k * c->n_inter + c->n_shared,
                 n_y = (size_t)c->n_tokens * c->n_rows;
    if (test->small_slices && !fits(c, h_stride)) return;
    const float spread = c->spread ? c->spread : 0.5f;
    const bool residual = c->in_place || index % 5 != 4;
    struct inputs in = {
        .h = op_random_floats(test, c->n_tokens * h_stride, -spread, spread),
        .residual = residual ? op_random_floats(test, n_y, -1, 1) : NULL,
        .weights = op_random_floats(test, (size_t)c->n_tokens * c->top_k, 0, 1),
        .ids = expert_choices(test, c->n_tokens, c->top_k, c->n_experts),
    };
    if (c->n_experts)
        in.down = op_weight(test, c->down, c->n_experts, c->n_rows, c->n_inter, 1.0f, &in.down_bytes);
    if (c->n_shared)
        in.shared = op_weight(test, c->shared, 1, c->n_rows, c->n_shared, 1.0f, &in.shared_bytes);
    test->offset_words = c->offset_words;
    struct fathom_expert_down_params params = {
        .size = sizeof(params),
        .down = in.down,
        .shared_down = in.shared,
        .h = op_input(test, in.h, c->n_tokens * h_stride),
        .residual = residual ? op_input(test, in.residual, n_y) : (struct fathom_view){0},
        .n_tokens = c->n_tokens,
        .top_k = c->top_k,
    };
    const float *norm_w = NULL;
    if (index % 2) params.norm = norm_after(test, c->n_tokens, c->n_rows, &norm_w);
    params.y = c->in_place ? params.residual : op_output(test, n_y);
    if (c->top_k) {
        params.ids = op_input(test, in.ids, (size_t)c->n_tokens * c->top_k);
        params.weights = op_input(test, in.weights, (size_t)c->n_tokens * c->top_k);
    }
    // scratch of grouped variants: for all tokens at once, for some, for none
    const uint32_t at_once = index % 3 == 0 ? (c->n_tokens + 2) / 3 : c->n_tokens;
    uint64_t n_scratch = fathom_expert_down_scratch(at_once, c->top_k, c->n_rows) / 4 + 64;
    if (test->small_slices && 4 * n_scratch > SMALL_RANGE) n_scratch = SMALL_RANGE / 4;
    if (index % 7 != 6) params.scratch = op_output(test, n_scratch);
    fathom_expert_down(test->stream, &params);
    const bool room =
        params.scratch.buffer && 4 * n_scratch >= 256 + fathom_expert_down_scratch(1, c->top_k, c->n_rows);
    const bool blocks = c->n_inter % 32 == 0 && c->n_shared % 32 == 0;
    // only these variants, and variants that take bytes, know few types; only grouped variants need scratch
    const bool by_address = test->row->does & FM_DOES_ADDRESS;
    const uint32_t is = (c->offset_words % 4 ? 0 : FM_CALL_ALIGNED) | (blocks ? FM_CALL_BLOCKS : 0) |
        (c->n_experts == 1 ? 0 : FM_CALL_EXPERTS) |
        (room || !(test->row->does & FM_DOES_GROUP) ? FM_CALL_SCRATCH : 0) |
        (!test->bytes || fm_expert_packed(in.down, in.shared) ? FM_CALL_PACKED : 0) |
        (!by_address || fm_columns_take_all(in.down, in.shared) ? FM_CALL_UNITS : 0);
    op_run(test, op_takes(test, is));
    if (params.scratch.buffer) op_result(test, params.scratch); // nothing is written past the scratch

    const float *y = op_result(test, params.y);
    const uint32_t step = index < N_CASES - N_BENCH ? 1 : 97; // of large cases only some rows
    for (uint32_t t = 0; t < c->n_tokens; t++)
        for (uint32_t r = t % step; r < c->n_rows; r += step)
            check(test, c, &in, t, r, y + (size_t)t * c->n_rows + r);
    if (norm_w) norm_after_check(test, &params.norm, norm_w, y, c->n_tokens, c->n_rows);
    if (index >= N_CASES - N_BENCH) return;
    if (c->n_experts) check_parts(test, c, &in, &params, y, index, is);

    // refused: a view too small; weights of different heights
    op_begin(test);
    params.y.size -= 4;
    fathom_expert_down(test->stream, &params);
    op_run_refused(test, "y has");
    const uint8_t *bytes;
    params.shared_down = op_weight(test, FATHOM_F32, 2, c->n_rows, 4, 1.0f, &bytes);
    fathom_expert_down(test->stream, &params);
    op_run_refused(test, "shared_down has 2 matrices");
}

int main(int argc, char **argv) {
    return op_test_main(argc, argv,
        &(struct op_suite){
            .op = "expert_down",
            .n_cases = N_CASES - N_BENCH,
            .n_bench_cases = N_BENCH,
            .name = name,
            .run = run,
            .small_range = SMALL_RANGE,
        });
}
