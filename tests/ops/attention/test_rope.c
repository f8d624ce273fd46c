#include "ops/harness.h"
#include <math.h>
#include <stdio.h>

static const struct rope_case {
    uint32_t n_tokens, n_heads, n_rope, x_lead, position, offset_words;
    bool in_place;
} cases[] = {
    {1, 1, 4, 0, 0, 1, false},
    {3, 5, 8, 16, 11, 4, false},
    {7, 16, 64, 128, 100, 4, true},
    {2, 128, 64, 128, 3, 2, true},
    {129, 3, 36, 0, 0, 4, false},
    {1, 128, 64, 128, 200, 4, true},
    {512, 128, 64, 128, 0, 4, true},
};

static const char *name(size_t i, char *buffer, size_t size) {
    snprintf(buffer, size, "%u tokens, %u heads of %u at %u%s", cases[i].n_tokens, cases[i].n_heads,
        cases[i].n_rope, cases[i].position, cases[i].in_place ? ", in place" : "");
    return buffer;
}

static void run(struct op_test *test, size_t index) {
    const struct rope_case *c = &cases[index];
    const uint32_t head = c->x_lead + c->n_rope, stride = c->n_heads * head,
                   n_positions = c->position + c->n_tokens;
    const size_t n = (size_t)c->n_tokens * stride;
    const bool inverse = index % 2;
    const float *x = op_random_floats(test, n, -2, 2),
                *table = op_random_floats(test, (size_t)n_positions * c->n_rope, -1, 1);
    float *twin = op_alloc(test, n * sizeof(*twin));
    double *want = op_alloc(test, n * sizeof(*want)), *bound = op_alloc(test, n * sizeof(*bound));
    for (size_t i = 0; i < n; i++) want[i] = twin[i] = x[i];
    for (uint32_t t = 0; t < c->n_tokens; t++)
        for (uint32_t h = 0; h < c->n_heads; h++)
            for (uint32_t i = 0; i < c->n_rope; i += 2) {
                const size_t at = (size_t)t * stride + h * head + c->x_lead + i;
                const float a = x[at], b = x[at + 1];
                const float *entry = table + (size_t)(c->position + t) * c->n_rope + i,
                            angle[2] = {entry[0], inverse ? -entry[1] : entry[1]};
                want[at] = (double)a * angle[0] - (double)b * angle[1];
                want[at + 1] = (double)a * angle[1] + (double)b * angle[0];
                bound[at] = bound[at + 1] = 2 * 0x1p-24 * (fabs((double)a) + fabs((double)b));
                twin[at] = a * angle[0] - b * angle[1];
                twin[at + 1] = a * angle[1] + b * angle[0];
            }

    test->offset_words = c->offset_words;
    struct fathom_view x_view = op_input(test, x, n), y_view = x_view, part = x_view;
    if (!c->in_place)
        y_view = op_input(test, x, n); // the parts of a head that are not rotated stay as they are
    part.offset += 4 * (uint64_t)c->x_lead;
    part.size -= 4 * (uint64_t)c->x_lead;
    struct fathom_view y_part = part;
    y_part.buffer = y_view.buffer;
    struct fathom_rope_params params = {
        .size = sizeof(params),
        .x = part,
        .y = y_part,
        .rope_table = op_input(test, table, (size_t)n_positions * c->n_rope),
        .position = op_input(test, &c->position, 1),
        .n_tokens = c->n_tokens,
        .n_heads = c->n_heads,
        .n_rope = c->n_rope,
        .x_token_stride = stride,
        .x_head_stride = head,
        .y_token_stride = stride,
        .y_head_stride = head,
        .inverse = inverse,
    };
    fathom_rope(test->stream, &params);
    op_run(test, true);
    const float *y = op_result(test, y_view);
    op_check(test, "y", y, want, bound, n);
    if (test->exact) op_check_equal(test, "y, exact", y, twin, n);
    if (index != 0) return;

    op_begin(test);
    params.rope_table.size = 0;
    fathom_rope(test->stream, &params);
    op_run_refused(test, "rope_table has 0 positions, needs 1");
    params.n_rope = 3;
    fathom_rope(test->stream, &params);
    op_run_refused(test, "n_rope is 3, wanted a multiple of 2");
}

int main(int argc, char **argv) {
    return op_test_main(argc, argv,
        &(struct op_suite){
            .op = "rope",
            .n_cases = sizeof(cases) / sizeof(cases[0]) - 2,
            .n_bench_cases = 2,
            .name = name,
            .run = run,
        });
}
