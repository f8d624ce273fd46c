// Reading experts from the file before the device asks for them, and leaving drafts where they do not pay:
// the tokens are those of the model in device memory, and what is read ahead is what was needed.
#include "device.h"
#include "convert/convert.h"
#include "engine/golden.h"
#include "engine/session.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>
// after the standard headers
#include <cmocka.h>

#define MINNOW FATHOM_SOURCE_DIR "/tools/demo/minnow-q8_0.gguf"
#define V4 FATHOM_SOURCE_DIR "/tests/data/reference/v4"
enum { N_PROMPT = 24, N_NEW = 36, N_CONTEXT = 128 };

struct run {
    const char *model;
    bool exact;
    uint32_t n_experts, n_drafts, n_homes; // n_homes 0: all experts in device memory
    float temperature;
    enum fm_compare_rule guesses, drafts;
    uint32_t window; // of the comparison of drafts
};
struct result {
    struct fathom_memory_plan plan;
    struct fathom_expert_stats experts;
    struct fathom_session_stats stats;
    struct fm_comparison comparisons[FM_N_COMPARISONS];
    uint64_t late[16], late_before[16]; // by layer; before: when the prompt was read
    uint64_t logits;                    // hash of the prompt's
    int32_t ids[N_CONTEXT];
    uint32_t n_ids;
};

static bool collect(void *user, int32_t id) {
    struct result *r = user;
    r->ids[r->n_ids++] = id;
    return true;
}

static struct fathom_engine *open_engine(
    const struct run *run, uint64_t device_limit, uint64_t host_limit, struct fathom_error *err) {
    const struct opening opening = {
        .engine.model = run->model,
        .engine.n_context = N_CONTEXT,
        .engine.n_drafts = run->n_drafts,
        .engine.experts = run->n_homes ? FATHOM_EXPERTS_DISK : FATHOM_EXPERTS_AUTO,
        .gpu.exact = run->exact,
        .gpu.device_limit = device_limit,
        .gpu.host_limit = host_limit,
        .debug.discrete = true,
    };
    return open_opening(opening, err);
}

// An engine with slots for half of the experts, and the least host memory in which there are n_homes homes.
static struct fathom_engine *open_limited(const struct run *run) {
    struct fathom_error err = {0};
    struct run all = *run;
    all.n_homes = 0;
    struct fathom_engine *engine = open_engine(&all, 0, 0, &err);
    if (!engine) fail_msg("%s: %s", run->model, err.message);
    if (!run->n_homes) return engine;
    const struct fathom_memory_plan plan = *fathom_engine_get_plan(engine);
    fathom_engine_destroy(&engine);
    const uint64_t device = plan.total - plan.expert_bytes + plan.expert_bytes / 2;
    const uint64_t homes = plan.expert_bytes / run->n_experts * run->n_homes;
    for (uint64_t host = homes + (1 << 18); host < 1 << 28; host += host / 32) {
        engine = open_engine(run, device, host, &err);
        if (engine && fathom_engine_get_plan(engine)->n_homes >= run->n_homes) return engine;
        fathom_engine_destroy(&engine);
    }
    fail_msg("%s: %s", run->model, err.message);
    return NULL;
}

static struct result generate(const struct run *run) {
    struct fathom_error err = {0};
    struct result r = {.experts.size = sizeof(r.experts)};
    struct fathom_engine *engine = open_limited(run);
    const uint32_t n_vocab = fathom_engine_get_info(engine)->n_vocab,
                   n_layers = fathom_engine_get_info(engine)->n_layers;
    if (engine->residency) {
        fm_residency_comparison(engine->residency, FM_GUESSES)->rule = run->guesses;
        fm_slots_guess(engine->weights.slots, run->guesses == FM_COMPARE_SECOND);
        fm_residency_comparison(engine->residency, FM_NO_DRAFTS)->rule = run->drafts;
        fm_residency_comparison(engine->residency, FM_NO_DRAFTS)->window = run->window;
    }
    struct fathom_session *session =
        fathom_session_create(engine, &FATHOM_INIT(fathom_session_params, .n_chunk = 10), &err);
    if (!session) fail_msg("%s", err.message);
    int32_t prompt[N_PROMPT];
    for (uint32_t i = 0; i < N_PROMPT; i++) prompt[i] = (int32_t)((i * 7919 + i * i * 31) % (n_vocab - 8));
    float *logits = malloc(sizeof(*logits) * N_PROMPT * n_vocab);
    const struct fathom_sampling sampling = {
        .size = sizeof(sampling), .temperature = run->temperature, .seed = 5};
    uint32_t n;
    if (!fathom_session_append(session, prompt, N_PROMPT, logits, &err)) fail_msg("%s", err.message);
    for (uint32_t i = 0; engine->residency && i < n_layers; i++)
        r.late_before[i] = fm_residency_late(engine->residency, i);
    if (!generate_of(session, &sampling, N_NEW, collect, &r, &n, &err) ||
        !fathom_engine_get_expert_stats(engine, &r.experts, &err))
        fail_msg("%s: %s", run->model, err.message);
    r.logits = hash_floats(logits, (size_t)N_PROMPT * n_vocab);
    r.plan = *fathom_engine_get_plan(engine);
    r.stats = stats_of(session);
    for (uint32_t i = 0; engine->residency && i < n_layers; i++)
        r.late[i] = fm_residency_late(engine->residency, i);
    for (int i = 0; engine->residency && i < FM_N_COMPARISONS; i++)
        r.comparisons[i] = *fm_residency_comparison(engine->residency, i);
    free(logits);
    fathom_session_destroy(&session);
    fathom_engine_destroy(&engine);
    print_message("%u slots, %u homes: %llu needed, %llu fetched, %llu read, %llu known, %llu guessed, %llu "
                  "right, %llu drafts, %llu steps\n",
        r.plan.n_slots, r.plan.n_homes, (unsigned long long)r.experts.needed,
        (unsigned long long)r.experts.fetched, (unsigned long long)r.experts.read,
        (unsigned long long)r.experts.known, (unsigned long long)r.experts.guessed,
        (unsigned long long)r.experts.guessed_right, (unsigned long long)r.stats.drafts,
        (unsigned long long)r.stats.decode_steps);
    return r;
}

static void compare(const struct run *run, const struct result *want, const struct result *got) {
    if (run->exact) assert_true(got->logits == want->logits);
    assert_int_equal(got->n_ids, want->n_ids);
    assert_memory_equal(got->ids, want->ids, sizeof(*got->ids) * want->n_ids);
    assert_int_equal(got->plan.experts, FATHOM_EXPERTS_DISK);
}

// Guesses change nothing but what is read when.
static void guesses_change_no_token(void **state) {
    (void)state;
    for (int exact = 0; exact < 2; exact++) {
        struct run run = {.model = MINNOW, .n_experts = 16, .exact = exact, .temperature = 0.8f};
        const struct result all = generate(&run);
        run.n_homes = 10;
        run.guesses = FM_COMPARE_FIRST;
        const struct result without = generate(&run);
        compare(&run, &all, &without);
        assert_int_equal(without.experts.guessed, 0);
        run.guesses = FM_COMPARE_SECOND;
        const struct result with = generate(&run);
        compare(&run, &all, &with);
        assert_true(with.experts.guessed > 0);
        assert_true(with.experts.guessed_right > 0);
        assert_true(with.experts.guessed_right <= with.experts.guessed);
        assert_int_equal(with.experts.known, 0);
    }
}

static char folder[] = "/tmp/fathom-ahead-XXXXXX", v4[64];

static int make_v4(void **state) {
    (void)state;
    if (!mkdtemp(folder)) return -1;
    snprintf(v4, sizeof(v4), "%s/v4.gguf", folder);
    return fm_convert(V4, v4, FATHOM_F16, true, NULL, NULL) ? 0 : -1;
}
static int remove_v4(void **state) {
    (void)state;
    unlink(v4);
    rmdir(folder);
    return 0;
}

// A layer that takes its experts from a table never waits for a read that could have begun earlier: its homes
// hold all experts of a token, and of the chunks.
static void a_table_is_read_exactly(void **state) {
    (void)state;
    enum { N_HASHED = 2, N_LAYERS = 6 };
    for (int exact = 0; exact < 2; exact++) {
        struct run run = {.model = v4, .n_experts = 8, .exact = exact, .temperature = exact ? 0.8f : 0};
        const struct result all = generate(&run);
        run.n_homes = 5;
        run.guesses = exact ? FM_COMPARE_FIRST : FM_COMPARE_SECOND;
        const struct result got = generate(&run);
        compare(&run, &all, &got);
        assert_true(got.experts.known > 0);
        uint64_t late = 0;
        for (int i = 0; i < N_LAYERS; i++) {
            if (i < N_HASHED)
                assert_int_equal(got.late[i], got.late_before[i]);
            else
                late += got.late[i] - got.late_before[i];
        }
        assert_true(late > 0); // else there is nothing to read late
        assert_int_equal(got.experts.guessed > 0, !exact);
    }
}

// Steps with drafts and without alternate, and then one of them goes on: the text stays the same.
static void drafts_come_and_go(void **state) {
    (void)state;
    for (int sampled = 0; sampled < 2; sampled++) {
        struct run run = {.model = MINNOW, .n_experts = 16, .exact = true, .temperature = (float)sampled};
        const struct result all = generate(&run);
        run.n_drafts = 2;
        run.n_homes = 12;
        run.drafts = FM_COMPARE_FIRST;
        const struct result with = generate(&run);
        compare(&run, &all, &with);
        run.drafts = FM_COMPARE_SECOND;
        const struct result without = generate(&run);
        compare(&run, &all, &without);
        assert_int_equal(without.stats.drafts, 0);
        assert_int_equal(without.stats.decode_steps, N_NEW);
        run.drafts = FM_COMPARE_MEASURED;
        run.window = 3;
        const struct result both = generate(&run);
        compare(&run, &all, &both);
        assert_true(both.comparisons[FM_NO_DRAFTS].left > 0);
        assert_true(both.stats.drafts > 0);
        assert_true(both.stats.drafts < with.stats.drafts);
    }
}

// Drafts after single steps are those that a session guesses which has read the same text at once: single
// steps keep the draft layer's cache.
static void steps_keep_the_drafts_cache(void **state) {
    (void)state;
    enum { N_SINGLE = 50, N_DRAFTED = 60 };
    struct fathom_error err = {0};
    const struct run run = {.model = MINNOW, .n_experts = 16, .exact = true, .n_drafts = 2, .n_homes = 14};
    struct fathom_engine *engine = open_limited(&run);
    struct fm_comparison *drafts = fm_residency_comparison(engine->residency, FM_NO_DRAFTS);
    struct result results[2] = {0};
    const int32_t prompt[] = {5, 100, 31, 7, 400, 12};
    const struct fathom_sampling sampling = {.size = sizeof(sampling), .temperature = 0.5f, .seed = 2};
    uint32_t n;
    for (int i = 0; i < 2; i++) {
        struct result *r = &results[i];
        struct fathom_session *session = fathom_session_create(engine, NULL, &err);
        if (!session) fail_msg("%s", err.message);
        assert_true(fathom_session_append(session, prompt, 6, NULL, &err));
        const uint32_t n_prefill = stats_of(session).prefill_tokens;
        drafts->rule = FM_COMPARE_SECOND;
        if (i == 0) assert_true(generate_of(session, &sampling, N_SINGLE, collect, r, &n, &err));
        if (i == 1) assert_true(fathom_session_append(session, results[0].ids, N_SINGLE, NULL, &err));
        assert_int_equal(stats_of(session).drafts, 0);
        drafts->rule = FM_COMPARE_FIRST;
        assert_true(generate_of(session, &sampling, N_DRAFTED, collect, r, &n, &err));
        r->stats = stats_of(session);
        if (i == 0) assert_int_equal(r->stats.prefill_tokens, n_prefill); // nothing is read again
        fathom_session_destroy(&session);
    }
    assert_memory_equal(results[0].ids + N_SINGLE, results[1].ids, N_DRAFTED * sizeof(int32_t));
    print_message("%llu of %llu drafts accepted\n", (unsigned long long)results[0].stats.drafts_accepted,
        (unsigned long long)results[0].stats.drafts);
    assert_true(results[0].stats.drafts > 0);
    assert_int_equal(results[0].stats.drafts, results[1].stats.drafts);
    assert_int_equal(results[0].stats.drafts_accepted, results[1].stats.drafts_accepted);
    fathom_engine_destroy(&engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guesses_change_no_token),
        cmocka_unit_test_setup_teardown(a_table_is_read_exactly, make_v4, remove_v4),
        cmocka_unit_test(drafts_come_and_go),
        cmocka_unit_test(steps_keep_the_drafts_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
