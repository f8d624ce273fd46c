// Compares the slots after expert_fetch with the experts' matrices in the sources, byte for byte.
#include "ops/harness.h"
#include <fathom/ops.h>
#include <stdio.h>
#include <string.h>

static const struct fetch_case {
    enum fathom_type gate, up, down;
    uint32_t n_experts, n_slots, top_k, n_tokens;
    uint32_t n_inter, n_cols; // gate and up: [n_inter][n_cols]; down: [n_cols][n_inter]
    uint32_t round, n_missing, n_sources, offset_words;
    uint32_t unit; // homes are multiples of so many words
} cases[] = {
    {FATHOM_F32, FATHOM_F32, FATHOM_F32, 1, 1, 1, 1, 4, 4, 0, 1, 1, 4, 4},
    {FATHOM_F32, FATHOM_F32, FATHOM_F32, 7, 3, 2, 1, 4, 12, 0, 2, 1, 4, 4},
    {FATHOM_F32, FATHOM_F32, FATHOM_F32, 7, 3, 2, 4, 8, 12, 2, 1, 3, 3, 1},
    {FATHOM_Q8_0, FATHOM_Q4_0, FATHOM_F16, 16, 5, 4, 1, 32, 64, 0, 4, 2, 4, 4},
    {FATHOM_Q8_0, FATHOM_Q4_0, FATHOM_F16, 16, 5, 4, 1, 32, 64, 0, 0, 2, 4, 4}, // nothing is missing
    {FATHOM_Q8_0, FATHOM_Q8_0, FATHOM_F32, 16, 16, 4, 64, 36, 32, 0, 16, 2, 4,
        2}, // no multiples of four words
    {FATHOM_Q4_K, FATHOM_Q5_K, FATHOM_Q6_K, 9, 4, 3, 33, 256, 256, 1, 4, 1, 4, 8},
    {FATHOM_MXFP4, FATHOM_Q4_1, FATHOM_Q5_0, 40, 8, 8, 512, 96, 160, 4, 8, 3, 4, 8},
    {FATHOM_F32, FATHOM_F32, FATHOM_F32, 12, 8, 8, 1, 520, 1040, 0, 8, 2, 4, 8}, // many tiles
    // timed only: V2-Lite, R1
    {FATHOM_Q4_0, FATHOM_Q4_0, FATHOM_Q4_0, 16, 12, 6, 1, 1408, 2048, 0, 1, 1, 4, 8},
    {FATHOM_Q4_0, FATHOM_Q4_0, FATHOM_Q4_0, 16, 12, 6, 1, 1408, 2048, 0, 6, 1, 4, 8},
    {FATHOM_Q4_0, FATHOM_Q4_0, FATHOM_Q4_0, 4, 4, 4, 1, 2048, 7168, 0, 4, 1, 4, 8},
    {FATHOM_Q4_0, FATHOM_Q4_0, FATHOM_Q4_0, 4, 4, 4, 1, 2048, 7168, 0, 0, 1, 4, 8},
};
enum { N_CASES = sizeof(cases) / sizeof(cases[0]), N_BENCH = 4, MAX_SOURCES = 3 };

static const char *name(size_t i, char *buffer, size_t size) {
    const struct fetch_case *c = &cases[i];
    snprintf(buffer, size, "%u of %u slots from %u sources, types %d %d %d, %u x %u, round %u", c->n_missing,
        c->n_slots, c->n_sources, (int)c->gate, (int)c->up, (int)c->down, c->n_inter, c->n_cols, c->round);
    return buffer;
}

struct matrix {
    struct fathom_weight weight;
    struct fathom_slice slice;
    uint32_t n_words; // of an expert's matrix
    const uint32_t *wanted;
};

// A weight of a slot a matrix, with poison around it
static void make(struct op_test *test, const struct fetch_case *c, enum fathom_type type, uint32_t n_rows,
    uint32_t n_cols, struct matrix *m) {
    m->n_words = (uint32_t)(fathom_row_size(type, n_cols) * n_rows / 4);
    test->offset_words = test->info->storage_alignment > 16 ? test->info->storage_alignment / 4 : 4;
    m->slice =
        (struct fathom_slice){op_output(test, (size_t)c->n_slots * m->n_words), 0, c->n_slots * n_rows};
    m->weight = (struct fathom_weight){type, c->n_slots, n_rows, n_cols, 1, &m->slice};
    uint32_t *wanted = op_alloc(test, 4 * (size_t)c->n_slots * m->n_words);
    for (size_t i = 0; i < (size_t)c->n_slots * m->n_words; i++) wanted[i] = op_poison();
    m->wanted = wanted;
}

static void check_refusals(struct op_test *test, const struct fathom_expert_fetch_params *params) {
    struct fathom_expert_fetch_params bad = *params;
    op_begin(test);
    bad.fetches.size -= 4;
    fathom_expert_fetch(test->stream, &bad);
    op_run_refused(test, "fetches has");
    bad = *params;
    bad.homes.size -= 4;
    fathom_expert_fetch(test->stream, &bad);
    op_run_refused(test, "homes has");
    bad = *params;
    bad.round = fathom_expert_rounds(bad.n_tokens, bad.top_k, bad.n_experts, bad.n_slots);
    fathom_expert_fetch(test->stream, &bad);
    op_run_refused(test, "round ");
    struct fathom_weight weight = *params->up;
    struct fathom_slice slices[2] = {weight.slices[0], weight.slices[0]};
    weight.slices = slices;
    bad = *params;
    bad.up = &weight;
    weight.n_mats = bad.n_slots + 1;
    slices[0].n_rows += weight.n_rows;
    fathom_expert_fetch(test->stream, &bad);
    op_run_refused(test, "up has");
    weight.n_mats = 2 * bad.n_slots;
    weight.n_slices = 2;
    slices[0].n_rows = slices[1].n_rows;
    fathom_expert_fetch(test->stream, &bad);
    op_run_refused(test, "in 2 slices");
    weight = *params->up;
    weight.slices = slices;
    slices[0].view.size -= 4;
    fathom_expert_fetch(test->stream, &bad);
    op_run_refused(test, "up has");
    weight = (struct fathom_weight){FATHOM_Q8_0, bad.n_slots, 1, 32, 1, slices}; // 34 bytes
    slices[0] = params->up->slices[0];
    slices[0].n_rows = bad.n_slots;
    fathom_expert_fetch(test->stream, &bad);
    op_run_refused(test, "a matrix of up has 34 bytes");
}

static void run(struct op_test *test, size_t index) {
    const struct fetch_case *c = &cases[index];
    struct matrix m[3];
    make(test, c, c->gate, c->n_inter, c->n_cols, &m[0]);
    make(test, c, c->up, c->n_inter, c->n_cols, &m[1]);
    make(test, c, c->down, c->n_cols, c->n_inter, &m[2]);
    // Homes: experts go round the sources, a gap before each matrix. Experts of the last source, where there
    // are several, are in none that is read.
    uint32_t *homes = op_alloc(test, 16 * (size_t)c->n_experts), n_words[MAX_SOURCES] = {0};
    for (uint32_t e = 0; e < c->n_experts; e++) {
        const uint32_t source = e % c->n_sources;
        homes[4 * e] = 10 + source;
        for (int i = 0; i < 3; i++) {
            homes[4 * e + 1 + i] = n_words[source] += c->unit * (1 + op_random(test) % 3);
            n_words[source] += (m[i].n_words + c->unit - 1) / c->unit * c->unit;
        }
    }
    uint32_t *words[MAX_SOURCES];
    for (uint32_t s = 0; s < c->n_sources; s++) {
        words[s] = op_alloc(test, 4 * (size_t)n_words[s]);
        for (uint32_t i = 0; i < n_words[s]; i++) words[s][i] = op_random(test);
    }
    // The rounds before and after list other experts, which must not be taken.
    const uint32_t n_rounds = fathom_expert_rounds(c->n_tokens, c->top_k, c->n_experts, c->n_slots),
                   stride = 1 + 2 * c->n_slots;
    uint32_t *fetches = op_alloc(test, 4 * (size_t)n_rounds * stride);
    for (uint32_t round = 0; round < n_rounds; round++) {
        uint32_t *list = fetches + round * stride;
        list[0] = round == c->round ? c->n_missing : c->n_slots;
        const uint32_t first = op_random(test) % c->n_experts, slot = op_random(test) % c->n_slots;
        for (uint32_t i = 0; i < c->n_slots; i++) {
            list[1 + i] = (first + i) % c->n_experts;
            list[1 + c->n_slots + i] = (slot + i) % c->n_slots;
        }
    }
    const uint32_t *list = fetches + c->round * stride, n_read = c->n_sources > 2 ? 2 : c->n_sources;
    for (uint32_t i = 0; i < c->n_missing; i++) {
        const uint32_t *home = homes + 4 * list[1 + i], slot = list[1 + c->n_slots + i];
        if (home[0] - 10 >= n_read) continue;
        for (int k = 0; k < 3; k++)
            memcpy((uint32_t *)m[k].wanted + (size_t)slot * m[k].n_words, words[home[0] - 10] + home[1 + k],
                4 * (size_t)m[k].n_words);
    }
    test->offset_words = c->offset_words;
    struct fathom_expert_fetch_params params = {
        .size = sizeof(params),
        .fetches = op_input(test, fetches, (size_t)n_rounds * stride),
        .homes = op_input(test, homes, 4 * (size_t)c->n_experts),
        .gate = &m[0].weight,
        .up = &m[1].weight,
        .down = &m[2].weight,
        .round = c->round,
        .n_experts = c->n_experts,
        .n_slots = c->n_slots,
        .n_tokens = c->n_tokens,
        .top_k = c->top_k,
    };
    for (uint32_t s = 0; s < n_read; s++) {
        params.source = op_input(test, words[s], n_words[s]);
        params.source_number = 10 + s;
        fathom_expert_fetch(test->stream, &params);
    }
    bool quads = c->offset_words % 4 == 0;
    for (int k = 0; k < 3; k++) quads &= m[k].n_words % 4 == 0;
    op_run(test, op_takes(test, quads ? FM_CALL_ALIGNED : 0));
    for (int k = 0; k < 3; k++)
        op_check_equal(test,
            k == 0       ? "gate"
                : k == 1 ? "up"
                         : "down",
            op_result(test, m[k].slice.view), m[k].wanted, (size_t)c->n_slots * m[k].n_words);
    if (index < N_CASES - N_BENCH) check_refusals(test, &params);
}

int main(int argc, char **argv) {
    return op_test_main(argc, argv,
        &(struct op_suite){
            .op = "expert_fetch",
            .n_cases = N_CASES - N_BENCH,
            .n_bench_cases = N_BENCH,
            .name = name,
            .run = run,
        });
}
