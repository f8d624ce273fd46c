#include "ops/harness.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_RING = 5, N_STEPS = 7 };
// A bound that one token meets exactly, or misses by the last bit. If the bound keeps the token, the seed
// draws it.
enum edge { NO_EDGE, MIN_P_MET, MIN_P_MISSED, TOP_P_MET, TOP_P_MISSED, TOP_K_MET, TOP_K_MISSED };
static const char *const edge_names[] = {
    "", ", min-p met", ", min-p missed", ", top-p met", ", top-p missed", ", top-k met", ", top-k missed"};
static const struct sample_case {
    uint32_t n_vocab;
    float temperature;
    uint32_t top_k;
    float top_p, min_p, penalty, spread; // logits within +-spread
    bool coarse;                         // logits in steps of 0.5: many equals
    uint32_t n_peaks;                    // tokens far above the others
    enum edge edge;                      // sets one of the bounds above
    uint32_t n_allowed;                  // tokens whose logit is not -infinity; 0: all
} cases[] = {
    {1, 0, 0, 0, 0, 0, 1, false},
    {37, 0, 0, 0, 0, 0, 5, true},
    {1000, 0, 0, 0, 0, 1.3f, 5, false},
    {37, 1, 0, 0, 0, 0, 3, false},
    {1000, 0.6f, 0, 0, 0, 0, 8, false},
    {1000, 0.6f, 20, 0, 0, 0, 8, false},
    {1000, 0.6f, 20, 0, 0, 0, 8, true},
    {1000, 1, 0, 0.95f, 0, 0, 8, false},
    {1000, 1, 0, 0.5f, 0, 0, 8, true},
    {1000, 2, 0, 0, 0.05f, 0, 8, false},
    {1000, 1.5f, 50, 0.9f, 0.02f, 1.2f, 8, true},
    {513, 1, 1, 0, 0, 0, 8, false},
    {513, 1, 0, 1e-6f, 0, 0, 8, false},
    {513, 0, 0, 0, 0, 0, 0, false},
    {513, 1, 5, 0, 0, 0, 0, false},
    {513, 1, 600, 1, 0, 1, 0, false},
    {40000, 1, 0, 0.9f, 0, 1.1f, 15, false},
    {513, 0.01f, 0, 0.9f, 0, 0, 80, false},
    {40000, 1, 0, 0.9f, 0, 1.1f, 4, false, 300},
    {513, 100, 0, 0.99f, 0, 0, 80, false},
    {37, 1, 0, 0, 1, 0, 3, false},
    {37, 1, 0, 0, 1, 0, 1, true},
    {37, 1, 0, 0, 0, 0, 1, false, .edge = MIN_P_MET},
    {37, 1, 0, 0, 0, 0, 1, false, .edge = MIN_P_MISSED},
    {37, 1, 0, 0, 0, 0, 1, true, .edge = MIN_P_MET},
    {37, 1, 0, 0, 0, 0, 1, false, .edge = TOP_P_MET},
    {37, 1, 0, 0, 0, 0, 1, false, .edge = TOP_P_MISSED},
    {37, 1, 0, 0, 0, 0, 1, false, .edge = TOP_K_MET},
    {37, 1, 0, 0, 0, 0, 1, false, .edge = TOP_K_MISSED},
    {37, 1, 36, 0, 0, 0, 1, false},
    {37, 1, 37, 0, 0, 0, 1, false},
    // tiny temperatures: no normal number, the least normal one, and those that make scores infinite
    {1000, 1e-45f, 0, 0, 0, 0, 8, true},
    {1000, 1e-38f, 0, 0.95f, 0, 1.2f, 8, true},
    {37, 0x1p-126f, 0, 0, 0, 0, 8, false},
    {37, 0x1p-126f, 0, 0.95f, 0, 0, 1, false},
    {513, 1e-37f, 0, 0.9f, 0, 0, 80, false},
    {513, 1e-37f, 40, 0, 0.1f, 0, 800, true},
    {513, 1e-30f, 0, 0, 0, 0, 8, false},
    // forbidden tokens
    {1000, 0, 0, 0, 0, 1.3f, 5, false, .n_allowed = 1},
    {1000, 0, 0, 0, 0, 1.3f, 5, false, .n_allowed = 40},
    {1000, 1, 0, 0.95f, 0, 1.2f, 8, false, .n_allowed = 3},
    {1000, 1, 20, 0, 0.01f, 1e-30f, 8, false, .n_allowed = 5},
    {1000, 100, 0, 0, 0, 0, 1, false, .n_allowed = 300},
    {513, 1e-37f, 0, 0.9f, 0, 0, 800, true, .n_allowed = 9},
    {129280, 0, 0, 0, 0, 0, 15, false},
    {129280, 0.6f, 0, 0.95f, 0, 0, 15, false},
    {129280, 0.6f, 0, 0.95f, 0, 0, 4, false, 300},
    {129280, 0.6f, 40, 0.95f, 0.05f, 1.1f, 4, false, 300},
};
enum { N_BENCH = 4 };

static const char *name(size_t i, char *buffer, size_t size) {
    const struct sample_case *c = &cases[i];
    snprintf(buffer, size, "%u tokens, temp %g top-k %u top-p %g min-p %g penalty %g%s%s%s%s", c->n_vocab,
        (double)c->temperature, c->top_k, (double)c->top_p, (double)c->min_p, (double)c->penalty,
        c->coarse ? ", equals" : "", c->n_peaks ? ", peaked" : "", c->n_allowed ? ", some forbidden" : "",
        edge_names[c->edge]);
    return buffer;
}

struct candidate {
    float score;
    uint32_t id, weight;
};

static int by_score(const void *a, const void *b) {
    const struct candidate *x = a, *y = b;
    if (x->score != y->score) return x->score < y->score ? 1 : -1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static int by_id(const void *a, const void *b) {
    const struct candidate *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

static uint32_t philox(uint32_t key, uint32_t a, uint32_t b) {
    for (int i = 0; i < 10; i++) {
        const uint64_t product = (uint64_t)a * 0xd256d193u;
        a = (uint32_t)(product >> 32) ^ key ^ b;
        b = (uint32_t)product;
        key += 0x9e3779b9u;
    }
    return a;
}

static float share_of(const struct candidate *list, uint32_t i) {
    return list[i].score == list[0].score ? 1.0f : exact_exp(list[i].score - list[0].score);
}

// Lists the tokens by their scores, best first, and computes the weights of the tokens that top-k keeps.
// Returns their number; *sum becomes the sum of their weights.
static uint32_t weigh(const float *logits, const uint32_t *seen, uint32_t n, const struct fathom_step *step,
    struct candidate *list, uint64_t *sum) {
    const float penalty = step->repeat_penalty > 0 ? step->repeat_penalty : 1,
                inv_penalty = exact_reciprocal(penalty);
    const float inv_temperature = step->temperature > 0 ? exact_reciprocal(step->temperature) : 1;
    for (uint32_t i = 0; i < n; i++) {
        float v = logits[i];
        if (penalty != 1 && seen[i]) v = v * (v > 0 ? inv_penalty : penalty);
        list[i] = (struct candidate){.score = v * inv_temperature, .id = i};
    }
    qsort(list, n, sizeof(*list), by_score);
    uint32_t kept = n;
    if (step->top_k && step->top_k < n)
        for (kept = step->top_k; kept < n && list[kept].score == list[step->top_k - 1].score;) kept++;
    uint64_t total = 0;
    for (uint32_t i = 0; i < kept; i++) total += (uint64_t)(share_of(list, i) * 0x1p30f);
    int shift = 0;
    while (total >> shift >= 1u << 24) shift++;
    const float unit = exact_reciprocal((float)(total >> shift)) * ldexpf(1, 60 - shift);
    *sum = 0;
    for (uint32_t i = 0; i < kept; i++) {
        list[i].weight = (uint32_t)(share_of(list, i) * unit);
        *sum += list[i].weight;
    }
    return kept;
}

// The same choice by sorting. `list` has room for n.
static uint32_t choose(const float *logits, const uint32_t *seen, uint32_t n, const struct fathom_step *step,
    struct candidate *list) {
    uint64_t sum;
    struct fathom_step greedy = *step;
    greedy.temperature = 0;
    weigh(logits, seen, n, &greedy, list, &sum);
    const uint32_t best = list[0].id;
    if (!(step->temperature >= 0x1p-126f)) return best;
    if (isinf(list[0].score * exact_reciprocal(step->temperature))) return best;
    uint32_t kept = weigh(logits, seen, n, step, list, &sum);
    assert_in_range(sum, (1u << 29) + 1, (1u << 31) - 1);
    if (step->top_p > 0 && step->top_p < 1) {
        uint64_t mass = sum * (uint32_t)(step->top_p * 16777216.0f) >> 24, so_far = 0;
        if (!mass) mass = 1;
        uint32_t i = 0;
        while (i < kept && so_far < mass) so_far += list[i++].weight;
        while (i < kept && list[i].score == list[i - 1].score) i++;
        kept = i;
    }
    sum = 0;
    for (uint32_t i = 0; i < kept; i++) {
        if (share_of(list, i) < step->min_p) list[i].weight = 0;
        sum += list[i].weight;
    }
    const uint64_t target = sum * philox(step->seed_low, step->position, step->seed_high) >> 32;
    qsort(list, kept, sizeof(*list), by_id);
    sum = 0;
    for (uint32_t i = 0; i < kept; i++)
        if ((sum += list[i].weight) > target) return list[i].id;
    return UINT32_MAX;
}

// Finds a temperature and a top-p that asks for exactly `more` than the weight of the best tokens. Returns
// the place in `list` of the token after the best tokens.
static uint32_t find_top_p(const float *logits, const uint32_t *seen, uint32_t n, uint32_t more,
    struct fathom_step *step, struct candidate *list) {
    for (; step->temperature < 10; step->temperature *= 1.01f) {
        uint64_t sum, so_far = 0;
        weigh(logits, seen, n, step, list, &sum);
        for (uint32_t i = 0; i + 2 < n; i++) {
            so_far += list[i].weight;
            const uint64_t parts = (((so_far + more) << 24) + sum - 1) / sum;
            if (i < n / 4 || sum * parts >> 24 != so_far + more) continue;
            step->top_p = (float)parts * 0x1p-24f;
            return i + 1;
        }
    }
    fail_msg("no temperature has a top-p that is a sum of weights");
    return 0;
}

// Sets a bound that one token meets exactly, or misses by the last bit, and the seed.
static void set_edge(enum edge edge, const float *logits, const uint32_t *seen, uint32_t n,
    struct fathom_step *step, struct candidate *list) {
    const bool met = edge == MIN_P_MET || edge == TOP_P_MET || edge == TOP_K_MET;
    uint64_t unused;
    uint32_t i = n / 2;
    if (edge == TOP_P_MET || edge == TOP_P_MISSED)
        i = find_top_p(logits, seen, n, met, step, list);
    else
        weigh(logits, seen, n, step, list, &unused);
    const uint32_t id = list[i].id;
    const struct fathom_step start = *step;
    if (edge == MIN_P_MET || edge == MIN_P_MISSED)
        step->min_p = share_of(list, i);
    else if (edge == TOP_K_MET || edge == TOP_K_MISSED)
        step->top_k = i + 1;
    else if (edge == TOP_P_MISSED)
        step->top_p += 0x1p-24f;
    while (choose(logits, seen, n, step, list) != id) step->seed_low++;
    if (edge == MIN_P_MISSED)
        step->min_p = nextafterf(step->min_p, 1);
    else if (edge == TOP_K_MISSED)
        step->top_k--;
    else if (edge == TOP_P_MISSED)
        step->top_p = start.top_p;
    assert_int_equal(choose(logits, seen, n, step, list) == id, met);
}

// Three rows, where the second guess is right and the third wrong, give what two single steps give.
static void check_rows(struct op_test *test, const struct sample_case *c) {
    enum { N_ROWS = 3, FIRST = 3 /* in the ring, which goes round */ };
    const uint32_t n = c->n_vocab;
    float *logits = op_random_floats(test, N_ROWS * n, -c->spread, c->spread);
    uint32_t *seen = op_alloc(test, n * sizeof(*seen)), want_ring[N_RING];
    struct candidate *list = op_alloc(test, n * sizeof(*list));
    for (uint32_t i = 0; i < n; i++) seen[i] = op_random(test) % 4 == 0;
    struct fathom_step step = {
        .position = 254,
        .n_sampled = FIRST,
        .seed_low = op_random(test),
        .seed_high = op_random(test),
        .temperature = c->temperature,
        .top_k = c->top_k,
        .top_p = c->top_p,
        .min_p = c->min_p,
        .repeat_penalty = c->penalty,
    };
    struct fathom_drafts drafts = {.row = 77, .next = {1, 2, 3, 4, 5}};
    const struct fathom_view step_view = op_input(test, &step, sizeof(step) / 4),
                             seen_view = op_input(test, seen, n), ring = op_output(test, N_RING);
    for (int i = 0; i < N_RING; i++) want_ring[i] = op_poison();
    for (uint32_t row = 0; row < 2; row++) {
        step.token = choose(logits + row * n, seen, n, &step, list);
        seen[step.token] = 1;
        step.position++;
        want_ring[(FIRST + row) % N_RING] = step.token;
        drafts.ids[row + 1] = row ? (step.token + 1) % n : step.token;
    }
    const struct fathom_view drafts_view = op_input(test, &drafts, sizeof(drafts) / 4);
    fathom_sample(test->stream,
        &FATHOM_INIT(fathom_sample_params, .logits = op_input(test, logits, N_ROWS * n), .step = step_view,
            .seen = seen_view, .ring = ring, .drafts = drafts_view, .n_vocab = n, .n_ring = N_RING,
            .n_rows = N_ROWS));
    op_run(test, true);
    want_ring[(FIRST + 2) % N_RING] = FATHOM_NO_TOKEN;
    step.n_sampled += N_ROWS;
    drafts.step.position = 255;
    drafts.position = 254;
    drafts.row = 1;
    drafts.ids[0] = step.token;
    drafts.next[0] = want_ring[FIRST];
    drafts.next[1] = drafts.next[2] = step.token;
    op_check_equal(test, "step", op_result(test, step_view), &step, sizeof(step) / 4);
    op_check_equal(test, "ring", op_result(test, ring), want_ring, N_RING);
    op_check_equal(test, "seen", op_result(test, seen_view), seen, n);
    op_check_equal(test, "drafts", op_result(test, drafts_view), &drafts, sizeof(drafts) / 4);
}

// One logit of the second row is not finite: the first row's token is told, then FATHOM_NOT_FINITE, or 0 for
// a guess, and the step goes on with token 0.
static void check_not_finite(
    struct op_test *test, const struct sample_case *c, float value, uint32_t at, bool guess) {
    enum { N_ROWS = 3 };
    const uint32_t n = c->n_vocab, first = guess ? 1 : 0, n_rows = guess ? 1 : N_ROWS;
    float *logits = op_random_floats(test, N_ROWS * n, -c->spread, c->spread);
    uint32_t *seen = op_alloc(test, n * sizeof(*seen)), want_ring[N_RING];
    struct candidate *list = op_alloc(test, n * sizeof(*list));
    struct fathom_step step = {.seed_low = op_random(test), .temperature = c->temperature};
    step.top_k = c->top_k, step.top_p = c->top_p, step.min_p = c->min_p, step.repeat_penalty = c->penalty;
    logits[n + at] = value;
    for (int i = 0; i < N_RING; i++) want_ring[i] = op_poison();
    const uint32_t token = choose(logits, seen, n, &step, list);
    struct fathom_drafts drafts = {.ids = {9, token, 1}};
    const struct fathom_view step_view = op_input(test, &step, sizeof(step) / 4),
                             seen_view = op_input(test, seen, n), ring = op_output(test, N_RING),
                             drafts_view = op_input(test, &drafts, sizeof(drafts) / 4);
    fathom_sample(test->stream,
        &FATHOM_INIT(fathom_sample_params, .logits = op_input(test, logits + first * n, n_rows * n),
            .step = step_view, .seen = seen_view, .ring = ring,
            .drafts = guess ? (struct fathom_view){0} : drafts_view, .n_vocab = n, .n_ring = N_RING,
            .n_rows = n_rows, .guess = guess,
            .forbids = value > 0 || (isnan(value) && at > 0))); // -infinity is one where nothing is forbidden
    op_run(test, true);
    if (!guess) seen[token] = 1;
    step.position = guess ? 1 : 2;
    step.n_sampled = n_rows;
    want_ring[0] = guess ? 0 : token;
    if (!guess) want_ring[1] = FATHOM_NOT_FINITE, want_ring[2] = FATHOM_NO_TOKEN;
    op_check_equal(
        test, "step after logits that are not finite", op_result(test, step_view), &step, sizeof(step) / 4);
    op_check_equal(test, "ring after logits that are not finite", op_result(test, ring), want_ring, N_RING);
    op_check_equal(test, "seen after logits that are not finite", op_result(test, seen_view), seen, n);
    if (guess) return;
    const struct fathom_drafts *got = op_result(test, drafts_view);
    for (int i = 1; !test->compile_only && i < N_ROWS; i++) assert_int_equal(got->next[i], 0);
    if (!test->compile_only) assert_int_equal(got->ids[0], 0);
}

static void run(struct op_test *test, size_t index) {
    const struct sample_case *c = &cases[index];
    const uint32_t n = c->n_vocab;
    float *logits = op_random_floats(test, n, -c->spread, c->spread);
    uint32_t *seen = op_alloc(test, n * sizeof(*seen));
    struct candidate *list = op_alloc(test, n * sizeof(*list));
    for (uint32_t i = 0; i < n; i++) {
        if (c->spread == 0) logits[i] = i % 2 ? 0.0f : -0.0f; // equal logits
        if (c->coarse) logits[i] = roundf(2 * logits[i]) / 2;
        seen[i] = op_random(test) % 4 == 0;
    }
    for (uint32_t i = 0; i < c->n_peaks; i++) logits[op_random(test) % n] += 4 * c->spread;
    for (uint32_t i = 0; c->n_allowed && i < n; i++)
        if (i * 7919u % n >= c->n_allowed) logits[i] = -INFINITY;
    struct fathom_step step = {
        .position = 254,
        .n_sampled = 3,
        .seed_low = op_random(test),
        .seed_high = op_random(test),
        .temperature = c->temperature,
        .top_k = c->top_k,
        .top_p = c->top_p,
        .min_p = c->min_p,
        .repeat_penalty = c->penalty,
        .reserved = {7, 8},
    };
    if (c->edge) set_edge(c->edge, logits, seen, n, &step, list);
    const struct fathom_view step_view = op_input(test, &step, sizeof(step) / 4),
                             seen_view = op_input(test, seen, n), ring = op_output(test, N_RING);
    struct fathom_sample_params params = {
        .size = sizeof(params),
        .logits = op_input(test, logits, n),
        .step = step_view,
        .seen = seen_view,
        .ring = ring,
        .n_vocab = n,
        .n_ring = N_RING,
        .forbids = c->n_allowed > 0,
    };
    fathom_sample(test->stream, &params);
    uint32_t want_ring[N_RING];
    for (int i = 0; i < N_RING; i++) want_ring[i] = op_poison();
    for (int i = 0; i < N_STEPS; i++) {
        if (i == 0)
            op_run(test, true);
        else
            op_rerun(test);
        step.token = choose(logits, seen, n, &step, list);
        seen[step.token] = 1;
        want_ring[step.n_sampled++ % N_RING] = step.token;
        step.position++;
        op_check_equal(test, "step", op_result(test, step_view), &step, sizeof(step) / 4);
    }
    op_check_equal(test, "ring", op_result(test, ring), want_ring, N_RING);
    op_check_equal(test, "seen", op_result(test, seen_view), seen, n);
    if (c->n_vocab == 1000) {
        op_begin(test);
        check_rows(test, c);
        const float values[] = {NAN, -NAN, INFINITY, -INFINITY};
        const uint32_t places[] = {0, n - 1, op_random(test) % n, op_random(test) % n};
        for (int i = 0; i < 8; i++) {
            op_begin(test);
            check_not_finite(test, c, values[i % 4], places[i % 4], i >= 4);
        }
    }
    if (index != 0) return;

    // all tokens are forbidden
    const float forbidden = -INFINITY;
    const uint32_t none = FATHOM_NOT_FINITE;
    op_begin(test);
    params.logits = op_input(test, &forbidden, 1);
    params.step = op_input(test, &step, sizeof(step) / 4);
    params.seen = op_input(test, seen, n);
    params.ring = op_output(test, 1);
    params.n_ring = 1;
    params.forbids = true;
    fathom_sample(test->stream, &params);
    op_run(test, true);
    op_check_equal(test, "ring where all are forbidden", op_result(test, params.ring), &none, 1);

    op_begin(test);
    params.n_rows = 2;
    fathom_sample(test->stream, &params);
    op_run_refused(test, "logits has 4 bytes, needs 4 * 2");
    params.n_rows = 1;
    params.n_vocab = 2;
    fathom_sample(test->stream, &params);
    op_run_refused(test, "logits has 4 bytes, needs 4 * 2");
    params.n_ring = 0;
    fathom_sample(test->stream, &params);
    op_run_refused(test, "n_ring is 0");
}

int main(int argc, char **argv) {
    return op_test_main(argc, argv,
        &(struct op_suite){
            .op = "sample",
            .n_cases = sizeof(cases) / sizeof(cases[0]) - N_BENCH,
            .n_bench_cases = N_BENCH,
            .name = name,
            .run = run,
        });
}
