// A session's copies, by fork and by a file, go on as the session itself: the same logits and the same
// tokens, in the middle of a generation, for every architecture, type of cache, draft layer and place of
// experts.
//   test_engine_session_copies [NAME]    runs the tests that match NAME, as "dr*"
#include "engine/session_copies.h"
#include "engine/session.h"

struct run {
    const char *model; // of open_named()
    struct opening opening;
    const struct fathom_sampling *sampling;
    uint32_t n_chunk;
};
enum { N_PROMPT = 90 /* past a ring's end */, N_FIRST = 9, N_MORE = 14 };

static uint32_t vocabulary(const struct fathom_session *session) {
    return fathom_engine_get_info(session->engine)->n_vocab;
}

static void same_logits(struct fathom_session *a, struct fathom_session *b) {
    const uint32_t n = vocabulary(a);
    float *want = last_logits(a, n), *got = last_logits(b, n);
    assert_memory_equal(got, want, sizeof(*want) * n);
    free(want);
    free(got);
}

static struct fathom_session *through_file(struct fathom_session *session, struct fathom_engine *engine,
    const struct fathom_session_params *params) {
    struct fathom_error err = {0};
    char path[64];
    free_name(path);
    if (!fathom_session_save(session, path, &err)) fail_msg("%s", err.message);
    struct fathom_session *copy = fathom_session_restore(engine, path, params, &err);
    if (!copy) fail_msg("%s", err.message);
    unlink(path);
    return copy;
}

// The copies of a session that has stopped in the middle of `whole`.
static void copies_go_on(const struct run *run, struct fathom_session *session, const struct text *whole,
    struct fathom_engine *other) {
    struct fathom_error err = {0};
    const struct fathom_session_params short_context = {
        .size = sizeof(short_context), .n_context = 200, .n_chunk = 33};
    struct fathom_session *copies[] = {
        fathom_session_fork(session, &err),
        through_file(session, session->engine, NULL),
        through_file(session, session->engine, &short_context),
        through_file(session, other, NULL),
    };
    enum { N_COPIES = sizeof(copies) / sizeof(*copies) };
    if (!copies[0]) fail_msg("%s", err.message);
    const uint32_t n_before = fathom_session_length(session), at = n_before - N_PROMPT;
    for (int i = 0; i < N_COPIES; i++) {
        assert_int_equal(fathom_session_length(copies[i]), n_before);
        assert_memory_equal(fathom_session_tokens(copies[i]), fathom_session_tokens(session), 4 * n_before);
        // nothing is read again
        assert_int_equal(copies[i]->n_evaluated, session->n_evaluated);
        const struct text more = write_on(copies[i], run->sampling, N_MORE, 0);
        assert_memory_equal(more.ids, whole->ids + at, 4 * N_MORE);
    }
    const struct text own = write_on(session, run->sampling, N_MORE, 0);
    assert_memory_equal(own.ids, whole->ids + at, 4 * N_MORE);
    for (int i = 0; i < N_COPIES; i++) {
        if (i < 3 || run->opening.gpu.exact) same_logits(session, copies[i]); // the same device
        fathom_session_destroy(&copies[i]);
    }
}

static void check(struct run run) {
    print_message("%s%s%s%s%s\n", run.model ? run.model : "minnow", run.opening.gpu.exact ? ", exact" : "",
        run.opening.engine.cache_8bit ? ", 8 bits" : "", run.opening.engine.n_drafts ? ", drafts" : "",
        run.sampling == &warm ? ", sampled" : "");
    struct fathom_engine *engine = open_named(run.model, run.opening);
    struct opening larger = run.opening;
    larger.engine.n_context = 2 * N_CONTEXT - 3;
    if (run.opening.gpu.exact) larger.debug.discrete = true; // another device gives the same bits
    struct fathom_engine *other = open_named(run.model, larger);
    struct fathom_session *unbroken = open_session(engine, run.n_chunk);
    read_prompt(unbroken, N_PROMPT);
    const struct text whole = write_on(unbroken, run.sampling, 3 * N_FIRST + N_MORE, 0);
    fathom_session_destroy(&unbroken);
    struct fathom_session *session = open_session(engine, run.n_chunk);
    read_prompt(session, N_PROMPT);
    // stopped by the limit; and then by the caller, which leaves steps behind that have run ahead
    for (uint32_t refused = 0; refused <= 8; refused += 8) {
        const uint32_t at = fathom_session_length(session) - N_PROMPT;
        const struct text first = write_on(session, run.sampling, N_FIRST, refused);
        assert_memory_equal(first.ids, whole.ids + at, 4 * first.n);
        struct fathom_error err = {0};
        struct fathom_session *copy = fathom_session_fork(session, &err);
        if (!copy) fail_msg("%s", err.message);
        copies_go_on(&run, copy, &whole, other);
        fathom_session_destroy(&copy);
    }
    fathom_session_destroy(&session);
    fathom_engine_destroy(&other);
    fathom_engine_destroy(&engine);
}

static void architectures(void **state) {
    (void)state;
    static const char *const models[] = {
        "v2-lite", "v2", "v3", "v32", "v4", "llama", "qwen2", "qwen3", "v3-fp8", "glm4-lite"};
    for (size_t i = 0; i < sizeof(models) / sizeof(*models); i++)
        check((struct run){models[i], {.gpu.exact = true}, &greedy, 7});
}

static void rings(void **state) {
    (void)state;
    check((struct run){"v4", {.gpu.exact = true}, &warm, 20});
    check((struct run){"v4", {{0}}, &warm, 20});
    check((struct run){"v4", {.engine.cache_8bit = true}, &greedy, 7});
}

static void drafts(void **state) {
    (void)state;
    check((struct run){NULL, {.gpu.exact = true, .engine.n_drafts = 2}, &warm, 20});
    check((struct run){NULL, {.engine.n_drafts = 2}, &greedy, 20});
}

static void caches(void **state) {
    (void)state;
    check((struct run){"v3", {{0}}, &warm, 20});
    check((struct run){"v3", {.engine.cache_8bit = true}, &warm, 20});
    check((struct run){"v32", {.engine.cache_8bit = true}, &greedy, 20});
}

// Experts in slots, filled from host memory or from the file.
static void slots(void **state) {
    (void)state;
    struct opening opening = {.gpu.exact = true, .debug.discrete = true};
    struct fathom_engine *engine = open_named(NULL, opening);
    const struct fathom_memory_plan plan = *fathom_engine_get_plan(engine);
    fathom_engine_destroy(&engine);
    opening.gpu.device_limit = 3 * plan.total; // room for the sessions
    opening.engine.experts = FATHOM_EXPERTS_HOST;
    check((struct run){NULL, opening, &warm, 20});
    opening.engine.experts = FATHOM_EXPERTS_DISK;
    check((struct run){NULL, opening, &greedy, 20});
}

// A copy is independent: what one does leaves the other as it is.
static void copies_part(void **state) {
    (void)state;
    struct fathom_error err = {0};
    struct fathom_engine *engine = open_named("v4", (struct opening){.gpu.exact = true});
    struct fathom_session *a = open_session(engine, 20);
    read_prompt(a, N_PROMPT);
    struct fathom_session *b = fathom_session_fork(a, &err);
    assert_non_null(b);
    const struct text of_b = write_on(b, &greedy, N_MORE, 0);
    write_on(a, &warm, N_MORE, 0);
    assert_true(fathom_session_truncate(b, N_PROMPT, &err));
    fathom_session_destroy(&a);
    const struct text again = write_on(b, &greedy, N_MORE, 0);
    assert_memory_equal(again.ids, of_b.ids, 4 * N_MORE);
    fathom_session_destroy(&b);
    fathom_engine_destroy(&engine);
}

// An empty session has copies, too.
static void nothing(void **state) {
    (void)state;
    struct fathom_error err = {0};
    struct fathom_engine *engine = open_named("v4", (struct opening){.gpu.exact = true});
    struct fathom_session *empty = open_session(engine, 20);
    struct fathom_session *copies[] = {fathom_session_fork(empty, &err), through_file(empty, engine, NULL)};
    read_prompt(empty, N_PROMPT);
    const struct text want = write_on(empty, &greedy, N_MORE, 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(fathom_session_length(copies[i]), 0);
        read_prompt(copies[i], N_PROMPT);
        const struct text got = write_on(copies[i], &greedy, N_MORE, 0);
        assert_memory_equal(got.ids, want.ids, 4 * N_MORE);
        fathom_session_destroy(&copies[i]);
    }
    fathom_session_destroy(&empty);
    fathom_engine_destroy(&engine);
}

int main(int argc, char **argv) {
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(architectures),
        cmocka_unit_test(rings),
        cmocka_unit_test(drafts),
        cmocka_unit_test(caches),
        cmocka_unit_test(slots),
        cmocka_unit_test(copies_part),
        cmocka_unit_test(nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
