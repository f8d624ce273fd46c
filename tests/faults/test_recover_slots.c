// A fault in the middle of a step whose experts are not all in device memory: the call that met it says so,
// and the same session goes on with the right tokens. After a lost device a new engine does. Runs under the
// layer of layer.c; the device pretends to be a card, and a step is many submits, any of which can fail.
#include "device.h"
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// after the standard headers
#include <cmocka.h>

enum { N_PROMPT = 12, N_NEW = 4 };
static void (*fault_plan)(const char *fault, const char *calls);
static uint64_t fixed, experts; // bytes
static int32_t wanted[N_NEW];

// Where experts are: in host memory; homes for some; none; slots that all layers share; with drafts.
static const struct place {
    const char *name;
    enum fathom_experts experts;
    double share; // of the experts that device memory holds
    uint64_t host_limit;
    uint32_t n_drafts;
} places[] = {
    {"all in device memory", FATHOM_EXPERTS_AUTO, 0, 0, 0},
    {"host", FATHOM_EXPERTS_HOST, 0.3, 0, 0},
    {"homes", FATHOM_EXPERTS_DISK, 0.3, 3 << 20, 0},
    {"staging", FATHOM_EXPERTS_DISK, 0.3, 1400 << 10, 0},
    {"shared", FATHOM_EXPERTS_DISK, 0.11, 1400 << 10, 0},
    {"drafts", FATHOM_EXPERTS_HOST, 0.3, 0, 2},
};
enum { N_PLACES = sizeof(places) / sizeof(*places) };

static struct fathom_engine *open_engine(const struct place *p) {
    struct fathom_error err = {0};
    const struct opening opening = {
        .engine.model = FATHOM_SOURCE_DIR "/tools/demo/minnow-q8_0.gguf",
        .engine.n_context = 64,
        .engine.n_drafts = p->n_drafts,
        .engine.experts = p->experts,
        .gpu.exact = true,
        .gpu.device_limit = p->share > 0 ? fixed + (uint64_t)(p->share * (double)experts) : 0,
        .gpu.host_limit = p->host_limit,
        .debug.discrete = true,
        .debug.short_submits = true,
    };
    struct fathom_engine *engine = open_opening(opening, &err);
    if (!engine) fail_msg("%s: %s", p->name, err.message);
    return engine;
}

static struct fathom_session *open_session(struct fathom_engine *engine) {
    struct fathom_error err = {0};
    struct fathom_session *session =
        fathom_session_create(engine, &FATHOM_INIT(fathom_session_params, .n_chunk = 8), &err);
    if (!session) fail_msg("%s", err.message);
    return session;
}

static bool collect(void *user, int32_t id) {
    int32_t **next = user;
    *(*next)++ = id;
    return true;
}

// Reads what the session lacks of the prompt, and generates what it lacks of the text.
static bool go_on(struct fathom_session *session, struct fathom_error *err) {
    int32_t prompt[N_PROMPT], rest[N_NEW], *next = rest;
    uint32_t n = fathom_session_length(session);
    for (int i = 0; i < N_PROMPT; i++) prompt[i] = (i * 7919 + i * i * 31) % 760;
    *err = (struct fathom_error){0};
    if (n < N_PROMPT && !fathom_session_append(session, prompt + n, N_PROMPT - n, NULL, err)) return false;
    n = N_PROMPT + N_NEW - fathom_session_length(session);
    return generate_of(session, NULL, n, collect, &next, &n, err);
}

static void is_right(const struct place *p, struct fathom_session *session) {
    struct fathom_error err;
    if (!go_on(session, &err)) fail_msg("%s: %s", p->name, err.message);
    assert_int_equal(fathom_session_length(session), N_PROMPT + N_NEW);
    if (memcmp(fathom_session_tokens(session) + N_PROMPT, wanted, sizeof(wanted)))
        fail_msg("%s: other tokens", p->name);
}

static int find_tokens(void **state) {
    (void)state;
    struct fathom_error err;
    void *layer = dlopen(getenv("FAULT_LAYER"), RTLD_NOW);
    if (!layer) return -1;
    *(void **)&fault_plan = dlsym(layer, "fault_plan");
    struct fathom_engine *engine = open_engine(&places[0]);
    struct fathom_session *session = open_session(engine);
    const struct fathom_memory_plan *plan = fathom_engine_get_plan(engine);
    experts = plan->expert_bytes;
    fixed = plan->total - experts;
    const bool ok = go_on(session, &err);
    memcpy(wanted, fathom_session_tokens(session) + N_PROMPT, sizeof(wanted));
    fathom_session_destroy(&session);
    fathom_engine_destroy(&engine);
    return ok && fault_plan ? 0 : -1;
}

// Fails a call of a text. Returns whether the call was met.
static bool fail_call(
    const struct place *p, struct fathom_session *session, const char *kind, const char *call, uint32_t k) {
    char fault[64];
    struct fathom_error err;
    fathom_session_truncate(session, 0, NULL);
    snprintf(fault, sizeof(fault), "%s@%u", kind, k);
    fault_plan(fault, call);
    const bool ok = go_on(session, &err);
    fault_plan(NULL, NULL);
    if (!ok && !strstr(err.message, call)) fail_msg("%s, %s: %s", p->name, call, err.message);
    is_right(p, session);
    return !ok;
}

// Call k fails, for all k from `first` to `last`, and for further ones that lie ever wider apart.
static void fail_calls(
    const struct place *p, const char *kind, const char *call, uint32_t first, uint32_t last) {
    struct fathom_engine *engine = open_engine(p);
    struct fathom_session *session = open_session(engine);
    uint32_t n_failed = 0;
    is_right(p, session);
    for (uint32_t k = first; k <= last; k++) n_failed += fail_call(p, session, kind, call, k);
    for (uint32_t k = 1; fail_call(p, session, kind, call, k); k = 1 + k * 8 / 5) n_failed++;
    print_message("%s: %u times %s of %s\n", p->name, n_failed, kind, call);
    assert_true(n_failed > 3);
    fathom_session_destroy(&session);
    fathom_engine_destroy(&engine);
}

static void the_session_goes_on(void **state) {
    (void)state;
    // among them those between expert_place, which says that an expert is in a slot, and expert_fetch
    fail_calls(&places[1], "device", "vkQueueSubmit", 100, 140);
    for (size_t i = 1; i < N_PLACES; i++) {
        fail_calls(&places[i], "device", "vkQueueSubmit", 1, 0);
        fail_calls(&places[i], "host", "vkWaitSemaphores", 1, 0);
    }
}

static void a_new_engine_works(void **state) {
    (void)state;
    for (size_t i = 1; i < N_PLACES; i++)
        for (uint32_t k = 5; k < 40; k += 17) {
            struct fathom_engine *engine = open_engine(&places[i]);
            struct fathom_session *session = open_session(engine);
            struct fathom_error err;
            char fault[64];
            snprintf(fault, sizeof(fault), "lost@%u", k);
            fault_plan(fault, "vkQueueSubmit");
            for (int again = 0; again < 2; again++) {
                assert_false(go_on(session, &err));
                assert_int_equal(err.status, FATHOM_DEVICE_LOST);
                if (!strstr(err.message, "vkQueueSubmit")) fail_msg("%s: %s", places[i].name, err.message);
            }
            fault_plan(NULL, NULL);
            fathom_session_destroy(&session);
            fathom_engine_destroy(&engine);
            engine = open_engine(&places[i]);
            session = open_session(engine);
            is_right(&places[i], session);
            fathom_session_destroy(&session);
            fathom_engine_destroy(&engine);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_session_goes_on),
        cmocka_unit_test(a_new_engine_works),
    };
    return cmocka_run_group_tests(tests, find_tokens, NULL);
}
