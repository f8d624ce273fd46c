// Compares expert_place, call after call on one state, with a model of the policy that chooses slot by slot,
// and the depths with an LRU cache of every size.
#include "ops/harness.h"
#include <fathom/ops.h>
#include <stdio.h>
#include <string.h>

static const struct place_case {
    uint32_t n_experts, n_slots, top_k, most_tokens, n_calls, offset_words;
    bool any_order; // a token's experts are not ascending
    bool strange;   // some ids are no experts
} cases[] = {
    {1, 1, 1, 1, 3, 4},
    {7, 3, 2, 1, 60, 4},
    {7, 3, 3, 5, 30, 3},
    {5, 1, 1, 9, 20, 4}, // a round for each expert
    {8, 8, 2, 1, 20, 4}, // a slot for each expert
    {8, 8, 3, 40, 10, 4},
    {33, 17, 4, 3, 30, 5, true},
    {64, 12, 6, 1, 60, 4},
    {64, 33, 6, 7, 30, 4, false, true},
    {256, 40, 8, 1, 40, 4},
    {256, 40, 8, 64, 10, 4},
    {256, 8, 8, 512, 4, 4, true, true},
    {512, 16, 16, 1, 30, 4},
    {512, 512, 16, 300, 4, 4},
    {512, 1, 1, 2048, 2, 4},
    {511, 311, 8, 33, 10, 1},
    {384, 100, 16, 65535, 1, 4},
    // timed only
    {256, 64, 8, 1, 40, 4},
    {256, 256, 8, 1, 200, 4},
    {256, 64, 8, 512, 3, 4},
};
enum { N_CASES = sizeof(cases) / sizeof(cases[0]), N_BENCH = 3, MAX_EXPERTS = 512 };

static const char *name(size_t i, char *buffer, size_t size) {
    const struct place_case *c = &cases[i];
    snprintf(buffer, size, "%u slots, %u of %u experts, %u tokens%s%s", c->n_slots, c->top_k, c->n_experts,
        c->most_tokens, c->any_order ? ", any order" : "", c->strange ? ", strange ids" : "");
    return buffer;
}

// The state of the operator, and what it is compared with.
struct model {
    uint32_t n_experts, n_slots;
    uint32_t clock, n_needed, n_fetched;
    uint32_t last_use[MAX_EXPERTS], slots[MAX_EXPERTS], depths[MAX_EXPERTS + 1];
    uint32_t stack[MAX_EXPERTS], n_stack; // experts, the last used first
    bool needed[MAX_EXPERTS];             // by the call
    uint32_t round[MAX_EXPERTS];          // of a needed expert
};

// Which of two slots is taken first?
static bool before(const struct model *m, uint32_t a, uint32_t b) {
    const uint32_t slots[2] = {a, b};
    uint32_t class[2], expert[2];
    for (int i = 0; i < 2; i++) {
        expert[i] = m->slots[slots[i]] - 1;
        class[i] = !m->slots[slots[i]] ? 0 : !m->needed[expert[i]] ? 1 : 2;
    }
    if (class[0] != class[1]) return class[0] < class[1];
    if (class[0] == 0) return a < b;
    if (class[0] == 1 && m->last_use[expert[0]] != m->last_use[expert[1]])
        return m->last_use[expert[0]] < m->last_use[expert[1]];
    return expert[0] > expert[1];
}

static uint32_t slot_of(const struct model *m, uint32_t e) {
    uint32_t s = 0;
    while (s < m->n_slots && m->slots[s] != e + 1) s++;
    return s;
}

// Uses the stack of the experts by their last use. Counts only with `history`.
static void use_stack(struct model *m, bool history) {
    for (uint32_t e = 0; e < m->n_experts; e++) {
        if (!m->needed[e]) continue;
        uint32_t depth = 0;
        while (depth < m->n_stack && m->stack[depth] != e) depth++;
        m->depths[depth < m->n_stack ? depth : m->n_experts] += history;
    }
    uint32_t stack[MAX_EXPERTS], n = 0;
    for (uint32_t e = 0; e < m->n_experts; e++)
        if (m->needed[e]) stack[n++] = e;
    for (uint32_t i = 0; i < m->n_stack; i++)
        if (!m->needed[m->stack[i]]) stack[n++] = m->stack[i];
    memcpy(m->stack, stack, sizeof(stack));
    m->n_stack = n;
}

static void model_call(struct model *m, const uint32_t *ids, uint32_t n_choices, uint32_t n_rounds,
    bool history, uint32_t *places, uint32_t *fetches) {
    memset(m->needed, 0, sizeof(m->needed));
    for (uint32_t i = 0; i < n_choices; i++)
        if (ids[i] < m->n_experts) m->needed[ids[i]] = true;
    uint32_t n = 0, place_of[MAX_EXPERTS] = {0};
    for (uint32_t e = 0; e < m->n_experts; e++)
        if (m->needed[e]) m->round[e] = n++ / m->n_slots;
    use_stack(m, history);
    for (uint32_t round = 0; round < n_rounds; round++) {
        uint32_t *list = fetches + round * (1 + 2 * m->n_slots);
        list[0] = 0;
        for (uint32_t e = 0; e < m->n_experts; e++) {
            if (!m->needed[e] || m->round[e] != round) continue;
            uint32_t s = slot_of(m, e);
            if (s == m->n_slots) {
                for (uint32_t other = 0; other < m->n_slots; other++) {
                    const uint32_t held = m->slots[other];
                    if (held && m->needed[held - 1] && m->round[held - 1] == round) continue;
                    if (s == m->n_slots || before(m, other, s)) s = other;
                }
                assert_true(s < m->n_slots);
                m->slots[s] = e + 1;
                list[1 + list[0]] = e;
                list[1 + m->n_slots + list[0]++] = s;
            }
            place_of[e] = round * m->n_slots + s;
        }
        m->n_fetched += list[0];
    }
    m->clock++;
    m->n_needed += n;
    for (uint32_t e = 0; e < m->n_experts; e++)
        if (m->needed[e]) m->last_use[e] = m->clock;
    for (uint32_t i = 0; i < n_choices; i++) places[i] = ids[i] < m->n_experts ? place_of[ids[i]] : 0;
}

// LRU caches of every size that holds a token's experts, for calls of one token.
struct caches {
    bool holds[MAX_EXPERTS + 1][MAX_EXPERTS]; // by size
    uint32_t n[MAX_EXPERTS + 1];
    uint32_t n_hits[MAX_EXPERTS + 1];
};

// Before the model's call
static void use_caches(struct caches *caches, const struct model *m, const uint32_t *ids, uint32_t top_k) {
    for (uint32_t size = top_k; size <= m->n_experts; size++) {
        bool *holds = caches->holds[size], needed[MAX_EXPERTS] = {0};
        for (uint32_t s = 0; s < top_k; s++) needed[ids[s]] = true;
        for (uint32_t s = 0; s < top_k; s++) {
            if (holds[ids[s]]) {
                caches->n_hits[size]++;
                continue;
            }
            if (caches->n[size] == size) {
                uint32_t oldest = MAX_EXPERTS;
                for (uint32_t e = 0; e < m->n_experts; e++)
                    if (holds[e] && !needed[e] &&
                        (oldest == MAX_EXPERTS || m->last_use[e] <= m->last_use[oldest]))
                        oldest = e;
                assert_true(oldest < MAX_EXPERTS);
                holds[oldest] = false;
                caches->n[size]--;
            }
            holds[ids[s]] = true;
            caches->n[size]++;
        }
    }
}

// Low numbers are chosen more often.
static void choose(struct op_test *test, const struct place_case *c, uint32_t n_tokens, uint32_t *ids) {
    for (uint32_t t = 0; t < n_tokens; t++) {
        uint32_t *mine = ids + (size_t)t * c->top_k;
        for (uint32_t s = 0; s < c->top_k;) {
            const uint32_t a = op_random(test) % c->n_experts, b = op_random(test) % c->n_experts;
            uint32_t e = a < b ? a : b, at = s;
            bool known = false;
            for (uint32_t i = 0; i < s; i++) known |= mine[i] == e;
            if (known) continue;
            while (!c->any_order && at && mine[at - 1] > e) mine[at] = mine[at - 1], at--;
            mine[at] = e;
            s++;
        }
        if (c->strange && t % 3 == 0) mine[t % c->top_k] = t % 2 ? c->n_experts : UINT32_MAX;
    }
}

static void check_state(struct op_test *test, const struct model *m, const uint32_t *state) {
    const uint32_t *table = state + FATHOM_EXPERT_STATE, *last_use = table + m->n_experts,
                   *slots = last_use + m->n_experts, *depths = slots + m->n_slots;
    op_check_equal(test, "clock", state + FATHOM_EXPERT_CLOCK, &m->clock, 1);
    op_check_equal(test, "needed", state + FATHOM_EXPERT_NEEDED, &m->n_needed, 1);
    op_check_equal(test, "fetched", state + FATHOM_EXPERT_FETCHED, &m->n_fetched, 1);
    uint32_t wanted[MAX_EXPERTS];
    for (uint32_t e = 0; e < m->n_experts; e++) {
        const uint32_t s = slot_of(m, e);
        wanted[e] = s < m->n_slots ? s + 1 : 0;
    }
    op_check_equal(test, "table", table, wanted, m->n_experts);
    op_check_equal(test, "last_use", last_use, m->last_use, m->n_experts);
    op_check_equal(test, "slots", slots, m->slots, m->n_slots);
    op_check_equal(test, "depths", depths, m->depths, m->n_experts + 1);
}

// The histogram says how often a cache of each size would have hit.
static void check_depths(
    struct op_test *test, const struct place_case *c, const struct caches *caches, const uint32_t *state) {
    const uint32_t *depths = state + FATHOM_EXPERT_STATE + 2 * c->n_experts + c->n_slots;
    uint32_t n = 0;
    for (uint32_t size = 1; size <= c->n_experts; size++) {
        n += depths[size - 1];
        if (size >= c->top_k) op_check_equal(test, "hits by depths", &n, &caches->n_hits[size], 1);
        const uint32_t n_hits = state[FATHOM_EXPERT_NEEDED] - state[FATHOM_EXPERT_FETCHED];
        if (size == c->n_slots) op_check_equal(test, "hits of the slots", &n_hits, &n, 1);
    }
}

static void check_refusals(struct op_test *test, struct fathom_expert_place_params params) {
    struct fathom_expert_place_params bad = params;
    op_begin(test);
    bad.state.size -= 4;
    fathom_expert_place(test->stream, &bad);
    op_run_refused(test, "state has");
    bad = params;
    bad.fetches.size -= 4;
    fathom_expert_place(test->stream, &bad);
    op_run_refused(test, "fetches has");
    bad = params;
    bad.places.size = 4 * params.n_tokens * params.top_k - 4;
    fathom_expert_place(test->stream, &bad);
    op_run_refused(test, "places has");
    bad = params;
    bad.n_slots = params.top_k - 1;
    fathom_expert_place(test->stream, &bad);
    op_run_refused(test, "slots, wanted at least the top_k");
    bad = params;
    bad.n_slots = params.n_experts + 1;
    fathom_expert_place(test->stream, &bad);
    op_run_refused(test, "and at most the");
    bad = params;
    bad.n_experts = 513;
    fathom_expert_place(test->stream, &bad);
    op_run_refused(test, "of 513 experts");
    bad = params;
    bad.top_k = 17;
    fathom_expert_place(test->stream, &bad);
    op_run_refused(test, "choose 17 of");
    bad = params;
    bad.n_tokens = 0;
    fathom_expert_place(test->stream, &bad);
    op_run_refused(test, "0 tokens");
}

static void run(struct op_test *test, size_t index) {
    const struct place_case *c = &cases[index];
    const size_t n_most = (size_t)c->most_tokens * c->top_k,
                 n_state = fathom_expert_state_size(c->n_experts, c->n_slots) / 4;
    const bool single = c->most_tokens == 1;
    struct model *m = op_alloc(test, sizeof(*m));
    struct caches *caches = op_alloc(test, sizeof(*caches));
    m->n_experts = c->n_experts, m->n_slots = c->n_slots;
    test->offset_words = c->offset_words;
    const size_t n_fetches =
        fathom_expert_fetches_size(c->most_tokens, c->top_k, c->n_experts, c->n_slots) / 4;
    const struct fathom_view zero = op_input(test, op_alloc(test, n_state * 4), n_state);
    struct fathom_expert_place_params params = {
        .size = sizeof(params),
        .state = zero,
        .places = op_output(test, n_most),
        .fetches = op_output(test, n_fetches),
        .top_k = c->top_k,
        .n_experts = c->n_experts,
        .n_slots = c->n_slots,
    };
    uint32_t *ids = op_alloc(test, n_most * 4), *places = op_alloc(test, n_most * 4),
             *fetches = op_alloc(test, n_fetches * 4);
    for (size_t i = 0; i < n_most; i++) places[i] = op_poison();
    for (size_t i = 0; i < n_fetches; i++) fetches[i] = op_poison();
    const uint32_t *state = NULL;
    for (uint32_t call = 0; call < c->n_calls; call++) {
        const uint32_t n_tokens = call + 1 == c->n_calls || single ? c->most_tokens
            : call % 3 == 0                                        ? 1
                                                                   : 1 + op_random(test) % c->most_tokens;
        choose(test, c, n_tokens, ids);
        params.n_tokens = n_tokens;
        params.history = single || call % 4 != 3;
        params.ids = op_input(test, ids, (size_t)n_tokens * c->top_k);
        op_begin(test);
        fathom_expert_place(test->stream, &params);
        op_run(test, true);
        if (single && !c->strange) use_caches(caches, m, ids, c->top_k);
        model_call(m, ids, n_tokens * c->top_k,
            fathom_expert_rounds(n_tokens, c->top_k, c->n_experts, c->n_slots), params.history, places,
            fetches);
        op_check_equal(test, "places", op_result(test, params.places), places, n_most);
        op_check_equal(test, "fetches", op_result(test, params.fetches), fetches, n_fetches);
        state = op_result(test, params.state);
        check_state(test, m, state);
    }
    if (single && !c->strange) check_depths(test, c, caches, state);
    if (index < N_CASES - N_BENCH) check_refusals(test, params);
}

int main(int argc, char **argv) {
    return op_test_main(argc, argv,
        &(struct op_suite){
            .op = "expert_place",
            .n_cases = N_CASES - N_BENCH,
            .n_bench_cases = N_BENCH,
            .name = name,
            .run = run,
        });
}
