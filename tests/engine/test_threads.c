// Several threads: sessions and chats of one engine give the same tokens as alone, with all experts in device
// memory, in slots, and in the file; several engines live at once; sessions and engines are created and
// destroyed meanwhile. The preset tsan builds this program for ThreadSanitizer (tests/tools/sanitizers.sh).
//   test_engine_threads [SECONDS [NAME]]    repeats the chats in two threads for so long; 0: once. Runs the
//   tests that match NAME, as "test_chat*".
#include "device.h"
#include "engine/session.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// after the standard headers
#include <cmocka.h>

#define MINNOW FATHOM_SOURCE_DIR "/tools/demo/minnow-q8_0.gguf"
enum { N_PROMPT = 24, N_NEW = 12, N_CONTEXT = 128, N_THREADS = 3, N_ROUNDS = 2 };

static double chat_seconds;

// cmocka's asserts belong to the main thread: the others leave what went wrong here.
struct failure {
    char text[600];
};
static bool note_failure(struct failure *failure, const char *what, const struct fathom_error *err) {
    snprintf(failure->text, sizeof(failure->text), "%s: %s", what, err->message);
    return false;
}

// ---- One text --------------------------------------------------------------------------------------------

struct text {
    uint32_t number; // gives the prompt and the sampling
    int32_t ids[N_NEW];
    uint32_t n_ids;
    void (*between)(struct fathom_engine *engine, uint32_t n_ids); // called at each token; may be NULL
    struct fathom_engine *engine;
};

static bool collect(void *user, int32_t id) {
    struct text *t = user;
    t->ids[t->n_ids++] = id;
    if (t->between) t->between(t->engine, t->n_ids);
    return true;
}

static struct fathom_session *open_session(
    struct fathom_engine *engine, uint32_t number, struct failure *failure) {
    struct fathom_error err = {0};
    struct fathom_session *session =
        fathom_session_create(engine, &FATHOM_INIT(fathom_session_params, .n_chunk = 10 + number % 3), &err);
    if (!session) note_failure(failure, "session", &err);
    return session;
}

static bool read_prompt(struct fathom_session *session, const struct text *t, struct failure *failure) {
    struct fathom_error err = {0};
    const uint32_t n_vocab = session->engine->hp.n_vocab;
    int32_t prompt[N_PROMPT];
    for (uint32_t i = 0; i < N_PROMPT; i++)
        prompt[i] = (int32_t)((i * 7919 + i * i * 31 + t->number * 101) % (n_vocab - 8));
    return fathom_session_append(session, prompt, N_PROMPT, NULL, &err) ||
        note_failure(failure, "prompt", &err);
}

static bool generate(
    struct fathom_session *session, struct text *t, uint32_t n_tokens, struct failure *failure) {
    struct fathom_error err = {0};
    const struct fathom_sampling sampling = {
        .size = sizeof(sampling), .temperature = t->number % 2 ? 0.8f : 0, .top_p = 0.95f, .seed = t->number};
    uint32_t n;
    t->engine = session->engine;
    return generate_of(session, &sampling, n_tokens, collect, t, &n, &err) ||
        note_failure(failure, "text", &err);
}

static bool continue_text(struct fathom_session *session, struct text *t, struct failure *failure) {
    return read_prompt(session, t, failure) && generate(session, t, N_NEW, failure);
}

static bool write_text(struct fathom_engine *engine, struct text *t, struct failure *failure) {
    struct fathom_session *session = open_session(engine, t->number, failure);
    const bool ok = session && continue_text(session, t, failure);
    fathom_session_destroy(&session);
    return ok;
}

// Writes half of the text, and the rest by a copy of the session.
static bool write_forked(struct fathom_engine *engine, struct text *t, struct failure *failure) {
    struct fathom_error err = {0};
    struct fathom_session *session = open_session(engine, t->number, failure), *fork = NULL;
    bool ok = session && read_prompt(session, t, failure) && generate(session, t, N_NEW / 2, failure);
    if (ok && !(fork = fathom_session_fork(session, &err))) ok = note_failure(failure, "fork", &err);
    fathom_session_destroy(&session);
    ok = ok && generate(fork, t, N_NEW - N_NEW / 2, failure);
    fathom_session_destroy(&fork);
    return ok;
}

// ---- Sessions of one engine ------------------------------------------------------------------------------

struct writer {
    struct fathom_engine *engine;
    const struct text *wanted;
    struct failure failure;
};

static void *write_texts(void *user) {
    struct writer *w = user;
    for (int i = 0; i < N_ROUNDS; i++) {
        struct text t = {.number = w->wanted->number};
        struct fathom_expert_stats stats = {.size = sizeof(stats)};
        if (!(i % 2 ? write_forked : write_text)(w->engine, &t, &w->failure)) return NULL;
        if (t.n_ids != w->wanted->n_ids || memcmp(t.ids, w->wanted->ids, sizeof(t.ids)))
            snprintf(w->failure.text, sizeof(w->failure.text), "text %u is another one", t.number);
        fathom_engine_get_expert_stats(w->engine, &stats, NULL);
    }
    return NULL;
}

static struct fathom_engine *open_engine(struct opening opening) {
    struct fathom_error err = {0};
    opening.engine.model = MINNOW;
    if (!opening.engine.n_context) opening.engine.n_context = N_CONTEXT;
    struct fathom_engine *engine = open_opening(opening, &err);
    if (!engine) fail_msg("%s", err.message);
    return engine;
}

static void write_together(struct fathom_engine *engine) {
    struct failure failure = {""};
    struct text wanted[N_THREADS];
    struct writer writers[N_THREADS];
    pthread_t threads[N_THREADS];
    for (uint32_t i = 0; i < N_THREADS; i++) {
        wanted[i] = (struct text){.number = i};
        if (!write_text(engine, &wanted[i], &failure)) fail_msg("%s", failure.text);
    }
    for (int i = 0; i < N_THREADS; i++) {
        writers[i] = (struct writer){engine, &wanted[i], {""}};
        assert_int_equal(pthread_create(&threads[i], NULL, write_texts, &writers[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < N_THREADS; i++) assert_string_equal(writers[i].failure.text, "");
}

static void test_sessions(void **state) {
    (void)state;
    struct fathom_engine *engine = open_engine((struct opening){0});
    write_together(engine);
    fathom_engine_destroy(&engine);
}

static void test_drafting(void **state) {
    (void)state;
    struct fathom_engine *engine = open_engine((struct opening){.engine.n_drafts = 2});
    write_together(engine);
    fathom_engine_destroy(&engine);
}

// Device memory for everything but the experts, and for this share of the experts.
static uint64_t limit_for(double share) {
    struct fathom_engine *engine = open_engine((struct opening){.debug.discrete = true});
    const struct fathom_memory_plan *all = fathom_engine_get_plan(engine);
    const uint64_t limit = all->total - all->expert_bytes + (uint64_t)(share * (double)all->expert_bytes);
    fathom_engine_destroy(&engine);
    return limit;
}

static uint64_t session_bytes(void) {
    struct fathom_error err = {0};
    struct fathom_engine *engine = open_engine((struct opening){.debug.discrete = true});
    const uint64_t before = counters_of(engine->gpu).memory_used;
    struct fathom_session *session = fathom_session_create(engine, NULL, &err);
    assert_non_null(session);
    const uint64_t bytes = counters_of(engine->gpu).memory_used - before;
    fathom_session_destroy(&session);
    fathom_engine_destroy(&engine);
    return bytes;
}

// The engine plans for one session. The limit is raised for the caches and workspaces of the others.
static struct fathom_engine *open_limited(double share, enum fathom_experts experts, uint32_t n_drafts) {
    const uint64_t limit = limit_for(share);
    struct fathom_engine *engine = open_engine((struct opening){
        .debug.discrete = true,
        .gpu.device_limit = limit,
        .engine.experts = experts,
        .engine.n_drafts = n_drafts,
    });
    assert_int_equal(fathom_engine_get_plan(engine)->experts, experts);
    assert_non_null(engine->weights.slots);
    fathom_gpu_set_limits(
        engine->gpu, (struct fathom_gpu_limits){.device = limit + 2 * N_THREADS * session_bytes()});
    return engine;
}

static void test_slots(void **state) {
    (void)state;
    struct fathom_engine *engine = open_limited(0.3, FATHOM_EXPERTS_HOST, 0);
    write_together(engine);
    fathom_engine_destroy(&engine);
}

static void test_disk(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct fathom_engine *engine = open_limited(i ? 0.02 : 0.4, FATHOM_EXPERTS_DISK, i ? 0 : 2);
        write_together(engine);
        struct fathom_expert_stats stats = {.size = sizeof(stats)};
        assert_true(fathom_engine_get_expert_stats(engine, &stats, NULL));
        assert_true(stats.read > 0);
        fathom_engine_destroy(&engine);
    }
}

// One session meets a lowered limit: the slots change while the others have steps in flight.
static void squeeze(struct fathom_engine *engine, uint32_t n_ids) {
    static uint64_t limit;
    if (n_ids == 3) {
        limit = fathom_gpu_get_limits(engine->gpu).device;
        const uint64_t held = counters_of(engine->gpu).device_allocated;
        fathom_gpu_set_limits(
            engine->gpu, (struct fathom_gpu_limits){.device = held - engine->plan.expert_bytes / 8});
    }
    if (n_ids == 8) fathom_gpu_set_limits(engine->gpu, (struct fathom_gpu_limits){.device = limit});
}

struct squeezed {
    struct fathom_session *session;
    struct text text;
    struct failure failure;
};

static void *continue_one(void *user) {
    struct squeezed *s = user;
    continue_text(s->session, &s->text, &s->failure);
    return NULL;
}

static void test_pressure(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct fathom_engine *engine = open_limited(0.6, i ? FATHOM_EXPERTS_DISK : FATHOM_EXPERTS_HOST, 0);
        struct squeezed all[N_THREADS];
        struct text wanted[N_THREADS];
        pthread_t threads[N_THREADS];
        for (uint32_t j = 0; j < N_THREADS; j++) {
            all[j] = (struct squeezed){.text = {.number = j, .between = j ? NULL : squeeze}};
            wanted[j] = (struct text){.number = j};
            if (!write_text(engine, &wanted[j], &all[j].failure)) fail_msg("%s", all[j].failure.text);
        }
        for (uint32_t j = 0; j < N_THREADS; j++)
            assert_non_null(all[j].session = open_session(engine, j, &all[j].failure));
        engine->pressure.interval = 0;
        for (uint32_t j = 0; j < N_THREADS; j++)
            assert_int_equal(pthread_create(&threads[j], NULL, continue_one, &all[j]), 0);
        for (uint32_t j = 0; j < N_THREADS; j++) pthread_join(threads[j], NULL);
        for (uint32_t j = 0; j < N_THREADS; j++) {
            fathom_session_destroy(&all[j].session);
            assert_string_equal(all[j].failure.text, "");
            assert_memory_equal(all[j].text.ids, wanted[j].ids, sizeof(wanted[j].ids));
        }
        print_message("the slots changed %u times\n", engine->weights.slots->n_resizes);
        assert_true(engine->weights.slots->n_resizes >= 2);
        fathom_engine_destroy(&engine);
    }
}

// ---- Chats -----------------------------------------------------------------------------------------------

static const char *const questions[] = {"2+3", "What is 7 times 8?", "Paul a 8 boîtes de 62 livres."};

struct talker {
    struct fathom_engine *engine;
    uint32_t number, n_answers;
    double end; // of fm_clock(); 0: one answer
    char first[2000];
    struct failure failure;
};

static void *talk(void *user) {
    struct talker *t = user;
    do {
        struct fathom_error err = {0};
        struct fathom_reply reply = {.size = sizeof(reply)};
        const struct fathom_sampling sampling = {
            .size = sizeof(sampling), .temperature = 0.7f, .seed = t->number};
        const struct fathom_ask_params params = {
            .size = sizeof(params), .sampling = &sampling, .max_tokens = 24};
        struct fathom_chat *chat = fathom_chat_create(t->engine, NULL, &err);
        if (!chat || !fathom_chat_ask(chat, questions[t->number], &params, &reply, &err)) {
            note_failure(&t->failure, "chat", &err);
        } else {
            char text[sizeof(t->first)];
            snprintf(text, sizeof(text), "%s|%s", reply.thought, reply.answer);
            if (t->n_answers++ == 0)
                memcpy(t->first, text, sizeof(text));
            else if (strcmp(text, t->first))
                snprintf(t->failure.text, sizeof(t->failure.text), "another answer: %.500s", text);
        }
        fathom_chat_destroy(&chat);
    } while (!t->failure.text[0] && fm_clock() < t->end);
    return NULL;
}

static void test_chats(void **state) {
    (void)state;
    struct fathom_engine *engine = open_engine((struct opening){.engine.n_context = 512});
    struct talker together[2];
    pthread_t threads[2];
    for (uint32_t i = 0; i < 2; i++) {
        together[i] = (struct talker){.engine = engine, .number = i};
        talk(&together[i]); // alone
        together[i].end = fm_clock() + chat_seconds;
    }
    for (int i = 0; i < 2; i++) assert_int_equal(pthread_create(&threads[i], NULL, talk, &together[i]), 0);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < 2; i++) {
        assert_string_equal(together[i].failure.text, "");
        print_message("%u answers of chat %d\n", together[i].n_answers, i);
    }
    fathom_engine_destroy(&engine);
}

// ---- Engines ---------------------------------------------------------------------------------------------

struct owner {
    struct text wanted;
    bool discrete;
    struct failure failure;
};

static void *own_engines(void *user) {
    struct owner *o = user;
    for (int i = 0; i < N_ROUNDS; i++) {
        struct fathom_error err = {0};
        struct fathom_engine *engine = open_opening(
            (struct opening){
                .engine.model = MINNOW, .engine.n_context = N_CONTEXT, .debug.discrete = o->discrete},
            &err);
        struct text t = {.number = o->wanted.number};
        if (!engine) return note_failure(&o->failure, "engine", &err), NULL;
        if (write_text(engine, &t, &o->failure) && memcmp(t.ids, o->wanted.ids, sizeof(t.ids)))
            snprintf(o->failure.text, sizeof(o->failure.text), "text %u is another one", t.number);
        fathom_engine_destroy(&engine);
    }
    return NULL;
}

// Engines are created and destroyed beside one whose sessions run.
static void test_engines(void **state) {
    (void)state;
    struct owner owners[2] = {{.wanted = {.number = 1}}, {.wanted = {.number = 2}, .discrete = true}};
    struct failure failure = {""};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        struct fathom_engine *engine = open_engine((struct opening){.debug.discrete = owners[i].discrete});
        if (!write_text(engine, &owners[i].wanted, &failure)) fail_msg("%s", failure.text);
        fathom_engine_destroy(&engine);
    }
    struct fathom_engine *engine = open_engine((struct opening){0});
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, own_engines, &owners[i]), 0);
    write_together(engine);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    fathom_engine_destroy(&engine);
    for (int i = 0; i < 2; i++) assert_string_equal(owners[i].failure.text, "");
}

// ---- Tuning ----------------------------------------------------------------------------------------------

static void *try_session(void *user) {
    struct fathom_error err = {0};
    struct fathom_session *session = fathom_session_create(user, NULL, &err);
    const bool refused = !session && err.status == FATHOM_INVALID;
    fathom_session_destroy(&session);
    return refused ? user : NULL;
}

struct tuned {
    struct fathom_engine *engine;
    bool refused;
};

// Another thread wants a session while the engine is tuned.
static bool meanwhile(void *user, enum fathom_phase phase, uint64_t done, uint64_t total) {
    (void)done, (void)total;
    struct tuned *t = user;
    pthread_t thread;
    void *refused = NULL;
    if (phase != FATHOM_PHASE_TUNE) return true;
    if (!pthread_create(&thread, NULL, try_session, t->engine)) pthread_join(thread, &refused);
    t->refused = refused;
    return false;
}

static void test_tuning_is_alone(void **state) {
    (void)state;
    struct fathom_error err = {0};
    struct fathom_engine *engine = open_engine((struct opening){.engine.tuning = FATHOM_TUNING_OFF});
    struct fathom_session *session = fathom_session_create(engine, NULL, &err);
    assert_non_null(session);
    assert_false(fathom_engine_tune(engine, &FATHOM_INIT(fathom_tune_params, .seconds = 1), &err));
    assert_int_equal(err.status, FATHOM_INVALID);
    assert_non_null(strstr(err.message, "has 1 sessions"));
    fathom_session_destroy(&session);
    err = (struct fathom_error){0};
    struct tuned tuned = {engine, false};
    const struct fathom_tune_params params = {
        .size = sizeof(params), .seconds = 1, .progress = {meanwhile, &tuned}};
    fathom_engine_tune(engine, &params, NULL);
    assert_true(tuned.refused);
    session = fathom_session_create(engine, NULL, &err);
    assert_non_null(session);
    fathom_session_destroy(&session);
    fathom_engine_destroy(&engine);
}

int main(int argc, char **argv) {
    chat_seconds = argc > 1 ? atof(argv[1]) : 0;
    if (argc > 2) cmocka_set_test_filter(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sessions),
        cmocka_unit_test(test_drafting),
        cmocka_unit_test(test_slots),
        cmocka_unit_test(test_disk),
        cmocka_unit_test(test_pressure),
        cmocka_unit_test(test_chats),
        cmocka_unit_test(test_engines),
        cmocka_unit_test(test_tuning_is_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
