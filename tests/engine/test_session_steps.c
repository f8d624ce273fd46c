// A session that a program steers: texts that are replaced (sync), the logits of the last token, and logits
// that a callback changes before a token is sampled.
#include "engine/session_copies.h"
#include "engine/session.h"
#include <math.h>

enum { N_PROMPT = 40, N_NEW = 12, N_VOCAB = 768 };

// ---- sync ------------------------------------------------------------------------------------------------

static uint32_t sync_to(struct fathom_session *session, const int32_t *ids, uint32_t n) {
    struct fathom_error err = {0};
    uint32_t n_reused = UINT32_MAX;
    if (!fathom_session_sync(session, ids, n, &n_reused, &err)) fail_msg("%s", err.message);
    assert_int_equal(fathom_session_length(session), n);
    if (n) assert_memory_equal(fathom_session_tokens(session), ids, 4 * n);
    return n_reused;
}

static void same_as_read(struct fathom_session *session, struct fathom_session *anew) {
    struct fathom_error err = {0};
    const uint32_t n = fathom_session_length(session);
    float want[N_VOCAB], *got = last_logits(session, N_VOCAB), *rows = malloc(sizeof(*rows) * n * N_VOCAB);
    assert_true(fathom_session_truncate(anew, 0, &err));
    assert_true(fathom_session_append(anew, fathom_session_tokens(session), n, rows, &err));
    memcpy(want, rows + (n - 1) * N_VOCAB, sizeof(want));
    assert_memory_equal(got, want, sizeof(want));
    free(rows);
    free(got);
}

static void sync_keeps_the_beginning(void **state) {
    (void)state;
    static const char *const models[] = {"v3", "llama", "v4"};
    for (int m = 0; m < 3; m++) {
        const bool rings = m == 2; // which keep nothing of a text that is cut
        struct fathom_engine *engine = open_named(models[m], (struct opening){.gpu.exact = true});
        struct fathom_session *session = open_session(engine, 20), *anew = open_session(engine, 20);
        int32_t ids[MAX_TEXT];
        for (int i = 0; i < MAX_TEXT; i++) ids[i] = i + 5;
        assert_int_equal(sync_to(session, ids, 30), 0);
        assert_int_equal(stats_of(session).prefill_tokens, 29); // the last is left to the step
        same_as_read(session, anew);
        // longer
        assert_int_equal(sync_to(session, ids, 50), 30);
        assert_int_equal(stats_of(session).prefill_tokens, 49 - 1); // the step has read token 29
        same_as_read(session, anew);
        // the same
        assert_int_equal(sync_to(session, ids, 50), 50);
        assert_int_equal(stats_of(session).prefill_tokens, 48);
        same_as_read(session, anew);
        // another token in the middle
        ids[20] = 700;
        assert_int_equal(sync_to(session, ids, 60), rings ? 0 : 20);
        assert_int_equal(stats_of(session).prefill_tokens, 48 + (rings ? 59 : 39));
        same_as_read(session, anew);
        // shorter, and nothing
        assert_int_equal(sync_to(session, ids, 10), rings ? 0 : 10);
        same_as_read(session, anew);
        assert_int_equal(sync_to(session, NULL, 0), 0);
        fathom_session_destroy(&anew);
        fathom_session_destroy(&session);
        fathom_engine_destroy(&engine);
    }
}

// Ids that are refused leave the text as it is.
static void sync_refuses(void **state) {
    (void)state;
    struct fathom_error err = {0};
    struct fathom_engine *engine = open_named("v3", (struct opening){.engine.n_context = 64});
    struct fathom_session *session = open_session(engine, 20);
    read_prompt(session, N_PROMPT);
    const int32_t unknown[] = {1, 2, N_VOCAB};
    int32_t many[65] = {0};
    uint32_t n_reused = 9;
    assert_false(fathom_session_sync(session, unknown, 3, &n_reused, &err));
    assert_int_equal(err.status, FATHOM_INVALID);
    assert_int_equal(n_reused, 0);
    assert_int_equal(fathom_session_length(session), N_PROMPT);
    err = (struct fathom_error){0};
    assert_false(fathom_session_sync(session, many, 65, NULL, &err));
    assert_non_null(strstr(err.message, "65 tokens, the context holds 64"));
    assert_int_equal(fathom_session_length(session), N_PROMPT);
    fathom_session_destroy(&session);
    fathom_engine_destroy(&engine);
}

// ---- get_logits ------------------------------------------------------------------------------------------

static void logits_of_the_last_token(void **state) {
    (void)state;
    static const char *const models[] = {"v3", "v4", "qwen3", NULL};
    for (int m = 0; m < 4; m++) {
        struct fathom_error err = {0};
        const uint32_t n_drafts = models[m] ? 0 : 2;
        struct fathom_engine *engine =
            open_named(models[m], (struct opening){.gpu.exact = true, .engine.n_drafts = n_drafts});
        struct fathom_session *session = open_session(engine, 20), *anew = open_session(engine, 20);
        float none[N_VOCAB];
        assert_false(fathom_session_get_logits(session, none, &err));
        assert_int_equal(err.status, FATHOM_INVALID);
        read_prompt(session, N_PROMPT);
        same_as_read(session, anew);
        same_as_read(session, anew); // once more: the last token is in the cache already
        // nothing is spoilt for what comes after, neither text nor drafts
        const struct text got = write_on(session, &greedy, N_NEW, 0);
        same_as_read(session, anew);
        assert_true(fathom_session_truncate(anew, 0, &err));
        read_prompt(anew, N_PROMPT);
        const struct text want = write_on(anew, &greedy, N_NEW, 0);
        assert_memory_equal(got.ids, want.ids, 4 * N_NEW);
        fathom_session_destroy(&anew);
        fathom_session_destroy(&session);
        fathom_engine_destroy(&engine);
    }
}

// ---- on_logits -------------------------------------------------------------------------------------------

struct steered {
    struct text text;
    uint32_t n_calls, stop_at; // on_logits refuses call stop_at; 0: none
    int32_t only;              // the token that is left; -1: all
    uint32_t every;            // tokens whose ids are multiples of it are left; 0: all
    float set;                 // where not 0: the first logit
    float last[N_VOCAB];       // as they came
};

static bool steer(void *user, float *logits, uint32_t n_vocab) {
    struct steered *s = user;
    assert_int_equal(n_vocab, N_VOCAB);
    assert_int_equal(s->text.n, s->n_calls); // every token before has been handed over
    memcpy(s->last, logits, sizeof(s->last));
    for (uint32_t i = 0; i < n_vocab; i++)
        if ((s->only >= 0 && i != (uint32_t)s->only) || (s->every && i % s->every)) logits[i] = -INFINITY;
    if (s->set != 0) logits[0] = s->set;
    return ++s->n_calls != s->stop_at;
}

static bool take(void *user, int32_t id) {
    return collect(&((struct steered *)user)->text, id);
}

static bool generate_steered(struct fathom_session *session, const struct fathom_sampling *sampling,
    uint32_t n, struct steered *s, uint32_t *n_new, struct fathom_error *err) {
    return fathom_session_generate(session,
        &FATHOM_INIT(fathom_generate_params, .sampling = sampling, .max_tokens = n, .on_token = take,
            .on_logits = steer, .user = s),
        n_new, err);
}

// A callback that changes nothing gives the tokens that there are without it.
static void unchanged(const char *model, struct opening opening, const struct fathom_sampling *sampling) {
    struct fathom_error err = {0};
    struct fathom_engine *engine = open_named(model, opening);
    struct fathom_session *plain = open_session(engine, 20), *session = open_session(engine, 20);
    uint32_t n_new = 0;
    read_prompt(plain, N_PROMPT);
    read_prompt(session, N_PROMPT);
    const struct text want = write_on(plain, sampling, 2 * N_NEW, 0);
    struct steered s = {.only = -1};
    if (!generate_steered(session, sampling, N_NEW, &s, &n_new, &err)) fail_msg("%s", err.message);
    assert_int_equal(n_new, N_NEW);
    assert_int_equal(s.n_calls, N_NEW);
    assert_memory_equal(s.text.ids, want.ids, 4 * N_NEW);
    assert_int_equal(stats_of(session).drafts, 0);
    // the text goes on without the callback
    const struct text rest = write_on(session, sampling, N_NEW, 0);
    assert_memory_equal(rest.ids, want.ids + N_NEW, 4 * N_NEW);
    fathom_session_destroy(&plain);
    fathom_session_destroy(&session);
    fathom_engine_destroy(&engine);
}

static void unchanged_logits(void **state) {
    (void)state;
    static const char *const models[] = {"v3", "v4", "qwen2"};
    for (int exact = 0; exact < 2; exact++)
        for (int m = 0; m < 3; m++) {
            const struct opening opening = {.gpu.exact = exact};
            unchanged(models[m], opening, &warm);
            unchanged(models[m], opening, &greedy);
        }
    unchanged(NULL, (struct opening){.gpu.exact = true, .engine.n_drafts = 2}, &warm);
}

// Experts in slots: in host memory, where a step is one submit without a callback, and in the file, where it
// is cut anyway.
static void unchanged_logits_and_slots(void **state) {
    (void)state;
    for (int exact = 0; exact < 2; exact++) {
        struct opening opening = {.gpu.exact = exact, .debug.discrete = true};
        struct fathom_engine *engine = open_named(NULL, opening);
        opening.gpu.device_limit = 2 * fathom_engine_get_plan(engine)->total;
        fathom_engine_destroy(&engine);
        opening.engine.experts = FATHOM_EXPERTS_HOST;
        unchanged(NULL, opening, &greedy);
        opening.engine.experts = FATHOM_EXPERTS_DISK;
        unchanged(NULL, opening, &warm);
    }
}

static void changed_logits(void **state) {
    (void)state;
    struct fathom_engine *engine = open_named("v3", (struct opening){{0}});
    static const struct fathom_sampling *const samplings[] = {&greedy, &warm};
    for (int i = 0; i < 2; i++) {
        struct fathom_error err = {0};
        struct fathom_session *session = open_session(engine, 20);
        uint32_t n_new = 0;
        read_prompt(session, N_PROMPT);
        struct steered one = {.only = 123}, some = {.only = -1, .every = 7};
        if (!generate_steered(session, samplings[i], 5, &one, &n_new, &err)) fail_msg("%s", err.message);
        for (uint32_t t = 0; t < 5; t++) assert_int_equal(one.text.ids[t], 123);
        if (!generate_steered(session, samplings[i], 20, &some, &n_new, &err)) fail_msg("%s", err.message);
        for (uint32_t t = 0; t < 20; t++) assert_int_equal(some.text.ids[t] % 7, 0);
        // a bias
        struct steered bias = {.only = -1, .set = 1000};
        if (!generate_steered(session, samplings[i], 1, &bias, &n_new, &err)) fail_msg("%s", err.message);
        assert_int_equal(bias.text.ids[0], 0);
        // the callback has seen the logits of the text that there is
        struct steered look = {.only = -1, .stop_at = 1};
        if (!generate_steered(session, samplings[i], 1, &look, &n_new, &err)) fail_msg("%s", err.message);
        assert_int_equal(n_new, 0);
        assert_int_equal(fathom_session_length(session), N_PROMPT + 26);
        float *logits = last_logits(session, N_VOCAB);
        assert_memory_equal(look.last, logits, sizeof(look.last));
        free(logits);
        fathom_session_destroy(&session);
    }
    fathom_engine_destroy(&engine);
}

// Both callbacks may stop, and a text goes on afterwards.
static void stops(void **state) {
    (void)state;
    static const char *const models[] = {"v3", "v4"};
    for (int m = 0; m < 2; m++) {
        struct fathom_error err = {0};
        struct fathom_engine *engine = open_named(models[m], (struct opening){{0}});
        struct fathom_session *plain = open_session(engine, 20), *session = open_session(engine, 20);
        uint32_t n_new = 0;
        read_prompt(plain, N_PROMPT);
        read_prompt(session, N_PROMPT);
        const struct text want = write_on(plain, &warm, 3 * N_NEW, 0);
        struct steered s = {.only = -1, .stop_at = 4};
        if (!generate_steered(session, &warm, N_NEW, &s, &n_new, &err)) fail_msg("%s", err.message);
        assert_int_equal(n_new, 3);
        assert_int_equal(s.text.n, 3);
        struct steered t = {.only = -1, .text.refused = 4};
        if (!generate_steered(session, &warm, N_NEW, &t, &n_new, &err)) fail_msg("%s", err.message);
        assert_int_equal(n_new, 3);
        assert_int_equal(t.n_calls, 4);
        assert_int_equal(fathom_session_length(session), N_PROMPT + 6);
        const struct text rest = write_on(session, &warm, N_NEW, 0);
        assert_memory_equal(rest.ids, want.ids + 6, 4 * N_NEW);
        fathom_session_destroy(&plain);
        fathom_session_destroy(&session);
        fathom_engine_destroy(&engine);
    }
}

// Logits that no token can be sampled from.
static void refused_logits(void **state) {
    (void)state;
    struct fathom_engine *engine = open_named("v4", (struct opening){{0}});
    struct fathom_session *session = open_session(engine, 20);
    read_prompt(session, N_PROMPT);
    static const struct {
        struct steered s;
        const char *says;
    } cases[] = {
        {{.only = N_VOCAB}, "all 768 logits to -infinity"},
        {{.only = -1, .set = NAN}, "token 0 to nan"},
        {{.only = -1, .set = INFINITY}, "token 0 to inf"},
    };
    for (int i = 0; i < 3; i++) {
        struct fathom_error err = {0};
        struct steered *s = malloc(sizeof(*s));
        uint32_t n_new = 9;
        *s = cases[i].s;
        assert_false(generate_steered(session, &greedy, 5, s, &n_new, &err));
        assert_int_equal(err.status, FATHOM_INVALID);
        if (!strstr(err.message, cases[i].says)) fail_msg("%s", err.message);
        assert_int_equal(n_new, 0);
        assert_int_equal(fathom_session_length(session), N_PROMPT);
        free(s);
    }
    // the session goes on
    struct fathom_session *plain = open_session(engine, 20);
    read_prompt(plain, N_PROMPT);
    const struct text want = write_on(plain, &greedy, N_NEW, 0), got = write_on(session, &greedy, N_NEW, 0);
    assert_memory_equal(got.ids, want.ids, 4 * N_NEW);
    fathom_session_destroy(&plain);
    fathom_session_destroy(&session);
    fathom_engine_destroy(&engine);
}

// A failure after many tokens: a ring no longer holds what came before the first of them.
static bool fail_late(void *user, float *logits, uint32_t n_vocab) {
    (void)n_vocab;
    if (++*(uint32_t *)user == 100) logits[0] = NAN;
    return true;
}
static bool count(void *user, int32_t id) {
    (void)user, (void)id;
    return true;
}

static void goes_on_after_a_failure(void **state) {
    (void)state;
    struct fathom_error err = {0};
    struct fathom_engine *engine = open_named("v4", (struct opening){.gpu.exact = true});
    struct fathom_session *plain = open_session(engine, 7), *session = open_session(engine, 7);
    read_prompt(plain, N_PROMPT);
    read_prompt(session, N_PROMPT);
    const struct text want = write_on(plain, &greedy, 99 + N_NEW, 0);
    uint32_t n_calls = 0, n_new = 0;
    assert_false(fathom_session_generate(session,
        &FATHOM_INIT(fathom_generate_params, .sampling = &greedy, .max_tokens = 150, .on_token = count,
            .on_logits = fail_late, .user = &n_calls),
        &n_new, &err));
    assert_int_equal(n_new, 99);
    assert_int_equal(fathom_session_length(session), N_PROMPT + 99);
    const struct text got = write_on(session, &greedy, N_NEW, 0);
    assert_memory_equal(got.ids, want.ids + 99, 4 * N_NEW);
    fathom_session_destroy(&plain);
    fathom_session_destroy(&session);
    fathom_engine_destroy(&engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sync_keeps_the_beginning),
        cmocka_unit_test(sync_refuses),
        cmocka_unit_test(logits_of_the_last_token),
        cmocka_unit_test(unchanged_logits),
        cmocka_unit_test(unchanged_logits_and_slots),
        cmocka_unit_test(changed_logits),
        cmocka_unit_test(stops),
        cmocka_unit_test(refused_logits),
        cmocka_unit_test(goes_on_after_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
