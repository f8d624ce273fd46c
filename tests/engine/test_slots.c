// Models whose experts do not fit: the same logits and tokens as with all experts in device memory, for
// experts in slots, in host memory and in the file; no allocation past the limits; one submit a token where
// host memory holds all experts. The device pretends to be a card, because a device that shares the host's
// memory needs no slots.
#include "device.h"
#include "engine/golden.h"
#include "engine/session.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>
// after the standard headers
#include <cmocka.h>

#define MINNOW FATHOM_SOURCE_DIR "/tools/demo/minnow-q8_0.gguf"
#define REFERENCE(name) FATHOM_SOURCE_DIR "/tests/data/reference/" name
enum { N_PROMPT = 48, N_NEW = 24, N_CONTEXT = 256 };

struct run {
    const char *model;
    bool exact, sampled;
    uint32_t n_drafts;
    uint64_t device_limit, host_limit;
    enum fathom_experts experts;
};
struct result {
    struct fathom_memory_plan plan;
    struct fathom_expert_stats experts;
    struct fathom_session_stats stats;
    struct fathom_gpu_counters counters;
    uint64_t logits; // hash of the prompt's
    int32_t ids[N_NEW];
    uint32_t n_ids;
};

static bool collect(void *user, int32_t id) {
    struct result *r = user;
    r->ids[r->n_ids++] = id;
    return true;
}

static struct fathom_engine *open_engine(const struct run *run, struct fathom_error *err) {
    const struct opening opening = {
        .engine.model = run->model,
        .engine.n_context = N_CONTEXT,
        .engine.n_drafts = run->n_drafts,
        .engine.experts = run->experts,
        .gpu.exact = run->exact,
        .gpu.device_limit = run->device_limit,
        .gpu.host_limit = run->host_limit,
        .debug.discrete = true,
    };
    return open_opening(opening, err);
}

static void make_prompt(int32_t prompt[N_PROMPT], uint32_t n_vocab) {
    for (uint32_t i = 0; i < N_PROMPT; i++) prompt[i] = (int32_t)((i * 7919 + i * i * 31) % (n_vocab - 8));
}

// Reads a prompt in chunks of unequal length, then generates.
static struct result generate(const struct run *run) {
    struct fathom_error err = {0};
    struct result r = {.experts.size = sizeof(r.experts)};
    struct fathom_engine *engine = open_engine(run, &err);
    if (!engine) fail_msg("%s: %s", run->model, err.message);
    const uint32_t n_vocab = fathom_engine_get_info(engine)->n_vocab;
    struct fathom_session *session =
        fathom_session_create(engine, &FATHOM_INIT(fathom_session_params, .n_chunk = 20), &err);
    if (!session) fail_msg("%s", err.message);
    int32_t prompt[N_PROMPT];
    make_prompt(prompt, n_vocab);
    float *logits = malloc(sizeof(*logits) * N_PROMPT * n_vocab);
    const struct fathom_sampling sampling = {
        .size = sizeof(sampling), .temperature = run->sampled ? 0.9f : 0, .top_p = 0.95f, .seed = 17};
    uint32_t n;
    if (!fathom_session_append(session, prompt, N_PROMPT, logits, &err) ||
        !generate_of(session, &sampling, N_NEW, collect, &r, &n, &err) ||
        !fathom_engine_get_expert_stats(engine, &r.experts, &err))
        fail_msg("%s: %s", run->model, err.message);
    r.logits = hash_floats(logits, (size_t)N_PROMPT * n_vocab);
    r.plan = *fathom_engine_get_plan(engine);
    r.stats = stats_of(session);
    r.counters = counters_of(engine->gpu);
    free(logits);
    fathom_session_destroy(&session);
    fathom_engine_destroy(&engine);
    return r;
}

static void compare(const struct run *run, const struct result *want, const struct result *got) {
    print_message("%s%s%s%s, %llu bytes: %u slots, %u homes, %llu of %llu experts fetched, %llu read\n",
        strrchr(run->model, '/') + 1, run->exact ? ", exact" : "", run->sampled ? ", sampled" : "",
        run->n_drafts ? ", drafts" : "", (unsigned long long)run->device_limit, got->plan.n_slots,
        got->plan.n_homes, (unsigned long long)got->experts.fetched, (unsigned long long)got->experts.needed,
        (unsigned long long)got->experts.read);
    assert_true(got->logits == want->logits); // in default mode, too
    assert_int_equal(got->n_ids, want->n_ids);
    assert_memory_equal(got->ids, want->ids, sizeof(*got->ids) * want->n_ids);
    if (run->device_limit) assert_true(got->counters.device_peak <= run->device_limit);
    if (run->host_limit) assert_true(got->counters.host_peak <= run->host_limit);
}

// Device memory for everything but the experts, and for this share of the experts.
static uint64_t limit_for(const struct fathom_memory_plan *all, double share) {
    return all->total - all->expert_bytes + (uint64_t)(share * (double)all->expert_bytes);
}

static void limited(struct run run, const double *shares, size_t n_shares) {
    const struct result all = generate(&run);
    assert_int_equal(all.plan.experts, FATHOM_EXPERTS_DEVICE);
    assert_int_equal(all.experts.needed, 0);
    for (size_t i = 0; i < n_shares; i++) {
        run.device_limit = limit_for(&all.plan, shares[i]);
        run.experts = FATHOM_EXPERTS_HOST;
        struct result got = generate(&run);
        compare(&run, &all, &got);
        assert_int_equal(got.stats.decode_submits, all.stats.decode_submits);
        assert_int_equal(got.plan.experts, FATHOM_EXPERTS_HOST);
        if (got.plan.n_slots) assert_true(got.plan.n_slots >= got.plan.floor);
        if (got.plan.n_slots) assert_true(got.experts.needed > 0);
    }
}

static const double shares[] = {0.6, 0.3, 0.15, 0.02};

static void test_minnow_exact(void **state) {
    (void)state;
    limited((struct run){.model = MINNOW, .exact = true}, shares, 4);
    limited((struct run){.model = MINNOW, .exact = true, .sampled = true, .n_drafts = 2}, shares, 2);
}

static void test_minnow(void **state) {
    (void)state;
    limited((struct run){.model = MINNOW}, shares, 4);
    limited((struct run){.model = MINNOW, .sampled = true, .n_drafts = 3}, shares, 3);
}

static void test_architectures(void **state) {
    (void)state;
    static const char *const models[] = {
        REFERENCE("v2-lite"), REFERENCE("v3"), REFERENCE("v32"), REFERENCE("v4")};
    for (size_t i = 0; i < sizeof(models) / sizeof(*models); i++) {
        limited((struct run){.model = models[i], .exact = true}, shares + 1, 1);
        limited((struct run){.model = models[i]}, shares, 1);
    }
}

// The file is the experts' place: with some homes in host memory, with slots that hold the least, without.
static void test_disk(void **state) {
    (void)state;
    struct run run = {.model = MINNOW, .exact = true};
    const struct result all = generate(&run);
    run.experts = FATHOM_EXPERTS_DISK;
    for (int i = 0; i < 3; i++) {
        run.device_limit = limit_for(&all.plan, (double[]){0.6, 0.3, 0.02}[i]);
        const struct result got = generate(&run);
        compare(&run, &all, &got);
        assert_true(got.experts.read > 0);
        assert_int_equal(got.plan.experts, FATHOM_EXPERTS_DISK);
    }
}

// Experts of a hub folder begin at any word of the file.
static void test_words(void **state) {
    (void)state;
    for (int exact = 0; exact < 2; exact++) {
        struct run run = {.model = REFERENCE("v4"), .exact = exact};
        const struct result all = generate(&run);
        run.experts = FATHOM_EXPERTS_DISK;
        run.device_limit = limit_for(&all.plan, 0.7);
        const struct result got = generate(&run);
        compare(&run, &all, &got);
        assert_true(got.experts.read > 0);
    }
}

// Another program takes device memory while the device decodes, and gives it back.
struct squeezed {
    struct fathom_engine *engine;
    struct result *result;
    uint64_t all, some;   // limits
    uint32_t least, most; // slots
};
static bool squeeze(void *user, int32_t id) {
    struct squeezed *s = user;
    const uint32_t n = s->engine->weights.slots->n_slots;
    collect(s->result, id);
    if (n < s->least) s->least = n;
    if (s->result->n_ids == 10) { // the limit was lowered five tokens ago
        assert_true(n < s->most);
        if (n > s->engine->plan.floor) assert_true(counters_of(s->engine->gpu).device_allocated <= s->some);
    }
    if (s->result->n_ids == 5)
        fathom_gpu_set_limits(s->engine->gpu, (struct fathom_gpu_limits){.device = s->some});
    if (s->result->n_ids == 15)
        fathom_gpu_set_limits(s->engine->gpu, (struct fathom_gpu_limits){.device = s->all});
    return true;
}

static void test_pressure(void **state) {
    (void)state;
    struct run run = {.model = MINNOW, .exact = true};
    const struct result all = generate(&run);
    for (int i = 0; i < 2; i++) {
        struct fathom_error err = {0};
        struct result r = {.experts.size = sizeof(r.experts)};
        run.experts = i ? FATHOM_EXPERTS_DISK : FATHOM_EXPERTS_HOST;
        run.device_limit = limit_for(&all.plan, 0.6);
        struct fathom_engine *engine = open_engine(&run, &err);
        if (!engine) fail_msg("%s", err.message);
        assert_non_null(engine->weights.slots);
        struct fathom_session *session =
            fathom_session_create(engine, &FATHOM_INIT(fathom_session_params, .n_chunk = 20), &err);
        assert_non_null(session);
        engine->pressure.interval = 0;
        struct squeezed s = {engine, &r, run.device_limit, 0, UINT32_MAX, engine->weights.slots->n_slots};
        s.some = counters_of(engine->gpu).device_allocated -
            all.plan.expert_bytes / (i ? 4 : 8); // i: below the least
        int32_t prompt[N_PROMPT];
        make_prompt(prompt, fathom_engine_get_info(engine)->n_vocab);
        uint32_t n;
        if (!fathom_session_append(session, prompt, N_PROMPT, NULL, &err) ||
            !generate_of(session, NULL, N_NEW, squeeze, &s, &n, &err))
            fail_msg("%s", err.message);
        print_message("%u slots, %u while memory was scarce, %u again\n", s.most, s.least,
            engine->weights.slots->n_slots);
        assert_true(s.least < s.most);
        // blocks of a small limit do not come out even, so there may be fewer than before
        assert_true(engine->weights.slots->n_slots > s.least);
        assert_int_equal(r.n_ids, all.n_ids);
        assert_memory_equal(r.ids, all.ids, sizeof(*r.ids) * all.n_ids);
        fathom_session_destroy(&session);
        fathom_engine_destroy(&engine);
    }
}

// No memory for any slots: steps are refused, and the first one after that works again.
static void test_lost_slots(void **state) {
    (void)state;
    struct run run = {.model = MINNOW, .exact = true};
    struct fathom_error err = {0};
    struct fathom_expert_stats stats = {.size = sizeof(stats)};
    struct result all = generate(&run), r = {0};
    run.experts = FATHOM_EXPERTS_HOST;
    run.device_limit = limit_for(&all.plan, 0.6);
    struct fathom_engine *engine = open_engine(&run, &err);
    assert_non_null(engine);
    struct fm_slots *slots = engine->weights.slots;
    assert_non_null(slots);
    struct fathom_session *session =
        fathom_session_create(engine, &FATHOM_INIT(fathom_session_params, .n_chunk = 20), &err);
    assert_non_null(session);
    int32_t prompt[N_PROMPT];
    uint32_t n;
    make_prompt(prompt, fathom_engine_get_info(engine)->n_vocab);
    fathom_gpu_set_limits(engine->gpu, (struct fathom_gpu_limits){.device = 1});
    assert_false(fm_slots_resize(engine->gpu, slots, slots->top_k, &err));
    assert_int_equal(err.status, FATHOM_NO_MEMORY);
    assert_true(fathom_engine_get_expert_stats(engine, &stats, &err));
    assert_int_equal(stats.needed, 0);
    assert_false(fathom_session_append(session, prompt, N_PROMPT, NULL, &err) &&
        generate_of(session, NULL, N_NEW, collect, &r, &n, &err));
    assert_int_equal(r.n_ids, 0);
    fathom_session_destroy(&session);
    fathom_gpu_set_limits(engine->gpu, (struct fathom_gpu_limits){.device = run.device_limit});
    session = fathom_session_create(engine, &FATHOM_INIT(fathom_session_params, .n_chunk = 20), &err);
    assert_non_null(session);
    if (!fathom_session_append(session, prompt, N_PROMPT, NULL, &err) ||
        !generate_of(session, NULL, N_NEW, collect, &r, &n, &err))
        fail_msg("%s", err.message);
    assert_int_equal(r.n_ids, all.n_ids);
    assert_memory_equal(r.ids, all.ids, sizeof(*r.ids) * all.n_ids);
    fathom_session_destroy(&session);
    fathom_engine_destroy(&engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_minnow_exact),
        cmocka_unit_test(test_minnow),
        cmocka_unit_test(test_architectures),
        cmocka_unit_test(test_disk),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_pressure),
        cmocka_unit_test(test_lost_slots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
