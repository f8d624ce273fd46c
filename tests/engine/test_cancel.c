// Calls that are cancelled, in every phase: at the first report, in the middle, at a random report, and by
// another thread. What was cancelled can be used at once, and goes on as if nothing had been. Prints the
// latest return and the longest time without a report of each phase; no clock fails the test.
//     test_engine_cancel MODEL [TOKENS]   prints the same for any model
#include "device.h"
#include "base/clock.h"
#include "engine/golden.h"
#include "engine/session.h"
#include "gpu/internal.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>
#include <dirent.h>
// after the standard headers
#include <cmocka.h>

#define MINNOW FATHOM_SOURCE_DIR "/tools/demo/minnow-q8_0.gguf"
#define REFERENCE(name) FATHOM_SOURCE_DIR "/tests/data/reference/" name
enum { N_PHASES = FATHOM_PHASE_CONVERT + 1, N_PROMPT = 40, N_CHUNK = 16, N_NEW = 12 };
static const char *const names[N_PHASES] = {
    "open", "weights", "tune", "pipelines", "prompt", "answer", "state", "convert"};

// Seconds, of all calls so far.
static double latest[N_PHASES], longest[N_PHASES];

struct listener {
    enum fathom_phase phase; // stop at report number `at` of this phase; 0: at none
    uint64_t at;
    atomic_bool *flag;      // stop once this is set
    struct fm_watch *watch; // look every time, not every 50 ms
    double last, asked;
    uint64_t n[N_PHASES], done[N_PHASES];
};

static bool listen(void *user, enum fathom_phase phase, uint64_t done, uint64_t total) {
    struct listener *l = user;
    const double now = fm_clock();
    assert_true(total == 0 || done <= total);
    if (l->last > 0 && now - l->last > longest[phase]) longest[phase] = now - l->last;
    l->last = now;
    l->n[phase]++;
    l->done[phase] = done;
    if (l->watch) l->watch->last = 0;
    if (!(l->at && phase == l->phase && l->n[phase] == l->at) && !(l->flag && *l->flag)) return true;
    assert_true(l->asked == 0); // no report comes after the one that has cancelled
    l->asked = now;
    l->phase = phase;
    return false;
}

// The call has returned.
static void note(const struct listener *l, const struct fathom_error *err) {
    if (l->asked == 0) return;
    const double took = fm_clock() - l->asked;
    assert_int_equal(err->status, FATHOM_CANCELLED);
    if (took > latest[l->phase]) latest[l->phase] = took;
}

static uint32_t pseudo_random(void) {
    static uint32_t state = 1;
    return state = state * 1664525u + 1013904223u;
}

// Report number i of 3 to stop at, of n: the first, one in the middle, any.
static uint64_t choose(int i, uint64_t n) {
    return i == 0 ? 1 : i == 1 ? n / 2 + 1 : 1 + (pseudo_random() >> 8) % n;
}

static int n_files(const char *folder) {
    int n = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));) n += entry->d_name[0] != '.';
    if (dir) closedir(dir);
    return n;
}

static void empty(const char *folder) {
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char path[600];
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.') unlink(path);
    }
    if (dir) closedir(dir);
}

// ---- Opening ---------------------------------------------------------------------------------------------

static struct fathom_engine *open_listened(struct opening o, struct listener *l, struct fathom_error *err) {
    *err = (struct fathom_error){0};
    o.engine.progress = (struct fathom_progress){listen, l};
    struct fathom_engine *engine = open_on_device(o, err);
    note(l, err);
    return engine;
}

// Experts in slots that are filled from the file, in a folder without files: the device and the drive are
// measured. Then the quick tuning of a card.
static void test_opening(void **state) {
    (void)state;
    char folder[] = "/tmp/fathom-cancel-XXXXXX";
    assert_non_null(mkdtemp(folder));
    const struct opening openings[] = {
        {.engine = {.model = MINNOW, .n_context = 256}},
        {.engine = {.model = MINNOW, .n_context = 256, .experts = FATHOM_EXPERTS_DISK},
            .gpu.cache_dir = folder,
            .debug.separate_memory = true},
        {.engine = {.model = REFERENCE("v3"), .n_context = 128},
            .gpu.cache_dir = folder,
            .debug.discrete = true},
    };
    for (size_t i = 0; i < sizeof(openings) / sizeof(*openings); i++) {
        struct listener whole = {0};
        struct fathom_error err;
        empty(folder);
        struct fathom_engine *engine = open_listened(openings[i], &whole, &err);
        if (!engine) fail_msg("%s", err.message);
        fathom_engine_destroy(&engine);
        assert_true(whole.n[FATHOM_PHASE_OPEN] > 3);
        assert_true(whole.n[FATHOM_PHASE_WEIGHTS] > 3);
        assert_int_equal(whole.n[FATHOM_PHASE_TUNE] > 0, i > 0);
        for (int phase = 0; phase < N_PHASES; phase++)
            for (int at = 0; at < 3 && whole.n[phase]; at++) {
                struct listener l = {.phase = (enum fathom_phase)phase, .at = choose(at, whole.n[phase])};
                empty(folder);
                engine = open_listened(openings[i], &l, &err);
                // another run of the same may report less often
                if (l.asked > 0) assert_null(engine);
                if (l.asked > 0 && !strstr(err.message, "cancelled")) fail_msg("%s", err.message);
                fathom_engine_destroy(&engine);
                if (l.asked > 0 && l.n[FATHOM_PHASE_TUNE] == 0) assert_in_range(n_files(folder), 0, 1);
            }
    }
    empty(folder);
    rmdir(folder);
}

// ---- Sessions --------------------------------------------------------------------------------------------

struct text {
    int32_t ids[4096];
    uint32_t n;
};

static bool collect(void *user, int32_t id) {
    struct text *t = user;
    t->ids[t->n++] = id;
    return true;
}

static void make_prompt(int32_t *prompt, uint32_t n, uint32_t n_vocab) {
    for (uint32_t i = 0; i < n; i++) prompt[i] = (int32_t)((i * 7919 + i * i * 31) % (n_vocab - 8));
}

// Reads what the session lacks of the prompt, then generates up to n_new tokens in all.
static bool go_on(struct fathom_session *s, const int32_t *prompt, uint32_t n_prompt, uint32_t n_new,
    struct text *text, struct fathom_error *err) {
    const uint32_t n_have = fathom_session_length(s);
    uint32_t n;
    *err = (struct fathom_error){0};
    return (n_have >= n_prompt || fathom_session_append(s, prompt + n_have, n_prompt - n_have, NULL, err)) &&
        generate_of(s, NULL, n_new - text->n, collect, text, &n, err);
}

struct sessions {
    struct fathom_engine *engine;
    uint32_t n_chunk, n_prompt, n_new;
    int32_t prompt[4096];
    struct text whole;
};

static struct fathom_session *create(struct sessions *c, struct listener *l) {
    struct fathom_error err = {0};
    struct fathom_session *s = fathom_session_create(
        c->engine, &FATHOM_INIT(fathom_session_params, .n_chunk = c->n_chunk, .progress = {listen, l}), &err);
    if (!s) fail_msg("%s", err.message);
    return s;
}

// Goes on until everything is there, and compares with the unbroken text.
static void finish(
    const struct sessions *c, struct fathom_session *s, struct listener *l, struct text *text) {
    struct fathom_error err;
    *l = (struct listener){0};
    if (!go_on(s, c->prompt, c->n_prompt, c->n_new, text, &err)) fail_msg("%s", err.message);
    assert_int_equal(text->n, c->whole.n);
    assert_memory_equal(text->ids, c->whole.ids, text->n * sizeof(*text->ids));
    assert_int_equal(fathom_session_length(s), c->n_prompt + text->n);
    fathom_session_destroy(&s);
}

static void cancel_sessions(struct sessions *c, bool every) {
    struct listener whole = {0};
    struct fathom_error err;
    struct fathom_session *s = create(c, &whole);
    c->whole.n = 0;
    whole.watch = every ? &s->watch : NULL;
    make_prompt(c->prompt, c->n_prompt, fathom_engine_get_info(c->engine)->n_vocab);
    if (!go_on(s, c->prompt, c->n_prompt, c->n_new, &c->whole, &err)) fail_msg("%s", err.message);
    fathom_session_destroy(&s);
    assert_int_equal(c->whole.n, c->n_new);
    assert_true(whole.n[FATHOM_PHASE_PROMPT] > 2);
    assert_int_equal(whole.done[FATHOM_PHASE_PROMPT], c->n_prompt - 1);
    assert_true(whole.n[FATHOM_PHASE_ANSWER] > 0);
    const enum fathom_phase phases[] = {FATHOM_PHASE_PIPELINES, FATHOM_PHASE_PROMPT, FATHOM_PHASE_ANSWER};
    for (int i = 0; i < 3; i++)
        for (int at = 0; at < 3 && whole.n[phases[i]]; at++) {
            struct listener l = {.phase = phases[i], .at = choose(at, whole.n[phases[i]])};
            struct text text = {.n = 0};
            s = create(c, &l);
            l.watch = every ? &s->watch : NULL;
            const bool ok = go_on(s, c->prompt, c->n_prompt, c->n_new, &text, &err);
            note(&l, &err);
            assert_int_equal(ok, l.asked == 0);
            finish(c, s, &l, &text);
        }
}

static void *set_later(void *flag) {
    fm_sleep(0.001 * (pseudo_random() % 100));
    *(atomic_bool *)flag = true;
    return NULL;
}

// A flag that another thread sets.
static void cancel_from_a_thread(struct sessions *c) {
    for (int i = 0; i < 5; i++) {
        atomic_bool flag = false;
        struct listener l = {.flag = &flag};
        struct text text = {.n = 0};
        struct fathom_error err;
        struct fathom_session *s = create(c, &l);
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, set_later, &flag), 0);
        const bool ok = go_on(s, c->prompt, c->n_prompt, c->n_new, &text, &err);
        note(&l, &err);
        assert_int_equal(ok, l.asked == 0);
        pthread_join(thread, NULL);
        finish(c, s, &l, &text);
    }
}

static void test_sessions(void **state) {
    (void)state;
    // short submits: even these models' chunks are many submits, and dispatches are split
    const struct opening openings[] = {
        {.engine = {.model = REFERENCE("v3"), .n_context = 128}, .debug.short_submits = true},
        {.engine = {.model = MINNOW, .n_context = 128, .n_drafts = 1}},
        {.engine = {.model = REFERENCE("v4"), .n_context = 128}, .gpu.exact = true},
        {.engine = {.model = MINNOW, .n_context = 128, .experts = FATHOM_EXPERTS_DISK},
            .debug.separate_memory = true},
    };
    for (size_t i = 0; i < sizeof(openings) / sizeof(*openings); i++) {
        struct sessions c = {.n_chunk = N_CHUNK, .n_prompt = N_PROMPT, .n_new = N_NEW};
        struct fathom_error err = {0};
        if (!(c.engine = open_on_device(openings[i], &err))) fail_msg("%s", err.message);
        cancel_sessions(&c, true);
        cancel_from_a_thread(&c);
        fathom_engine_destroy(&c.engine);
    }
}

// A chunk, and a step, of many submits and split dispatches have the bits of one submit. The pace makes the
// submits so short that all long dispatches are split.
static void test_splitting(void **state) {
    (void)state;
    static const char *const models[] = {REFERENCE("v3"), REFERENCE("llama"), MINNOW};
    for (int i = 0; i < 6; i++) {
        uint64_t hashes[2], submits[2], dispatches[2];
        for (int split = 0; split < 2; split++) {
            struct fathom_error err = {0};
            struct fathom_engine *engine =
                open_opening((struct opening){.engine = {.model = models[i / 2], .n_context = 128},
                                 .gpu.exact = i % 2,
                                 .debug.short_submits = split},
                    &err);
            if (!engine) fail_msg("%s", err.message);
            struct fathom_session *s = fathom_session_create(engine, NULL, &err);
            const uint32_t n_vocab = fathom_engine_get_info(engine)->n_vocab;
            enum { N = 40, N_STEPS = 3 };
            int32_t ids[N];
            float *logits = malloc((uint64_t)N * n_vocab * sizeof(*logits));
            make_prompt(ids, N, n_vocab);
            if (split) engine->gpu->pace = 16;
            if (!s || !fathom_session_append(s, ids, N - N_STEPS, logits, &err) ||
                !fathom_session_append_decode(
                    s, ids + N - N_STEPS, N_STEPS, logits + (uint64_t)(N - N_STEPS) * n_vocab, &err))
                fail_msg("%s", err.message);
            hashes[split] = hash_floats(logits, (uint64_t)N * n_vocab);
            submits[split] = counters_of(fathom_engine_get_gpu(engine)).submits;
            dispatches[split] = counters_of(fathom_engine_get_gpu(engine)).dispatches;
            free(logits);
            fathom_session_destroy(&s);
            fathom_engine_destroy(&engine);
        }
        print_message("%s%s: %llu submits in place of %llu, %llu dispatches in place of %llu\n",
            strrchr(models[i / 2], '/') + 1, i % 2 ? ", exact" : "", (unsigned long long)submits[1],
            (unsigned long long)submits[0], (unsigned long long)dispatches[1],
            (unsigned long long)dispatches[0]);
        assert_true(submits[1] > 2 * submits[0]);
        assert_true(dispatches[1] > dispatches[0]);
        assert_true(hashes[0] == hashes[1]);
    }
}

// ---- Any model -------------------------------------------------------------------------------------------

static void print_figures(void) {
    for (int i = 0; i < N_PHASES; i++)
        if (longest[i] > 0 || latest[i] > 0)
            print_message("%-9s  latest return %6.3f s, longest time without a report %6.3f s\n", names[i],
                latest[i], longest[i]);
}

static const char *model_of_hand;
static uint32_t tokens_of_hand;

// Each call is cancelled in the middle. Then the device may still be busy with what it was given.
static void by_hand(void **state) {
    (void)state;
    struct sessions *c = calloc(1, sizeof(*c));
    struct text *text = calloc(1, sizeof(*text));
    struct listener opening = {0}, whole = {0};
    struct fathom_error err;
    c->n_prompt = tokens_of_hand, c->n_new = N_NEW;
    c->engine = open_listened((struct opening){.engine = {.model = model_of_hand}}, &opening, &err);
    if (!c->engine) fail_msg("%s", err.message);
    make_prompt(c->prompt, c->n_prompt, fathom_engine_get_info(c->engine)->n_vocab);
    struct fathom_session *s = create(c, &whole);
    if (!go_on(s, c->prompt, c->n_prompt, c->n_new, &c->whole, &err)) fail_msg("%s", err.message);
    print_message("prompt %.2f s, answer %.2f s, %llu and %llu reports\n", stats_of(s).prefill_seconds,
        stats_of(s).decode_seconds, (unsigned long long)whole.n[FATHOM_PHASE_PROMPT],
        (unsigned long long)whole.n[FATHOM_PHASE_ANSWER]);
    fathom_session_destroy(&s);
    const enum fathom_phase phases[] = {FATHOM_PHASE_PROMPT, FATHOM_PHASE_ANSWER};
    for (int i = 0; i < 4; i++) {
        struct listener l = {.phase = phases[i / 2], .at = choose(1 + i % 2, whole.n[phases[i / 2]])};
        text->n = 0;
        s = create(c, &l);
        go_on(s, c->prompt, c->n_prompt, c->n_new, text, &err);
        note(&l, &err);
        const double start = fm_clock();
        assert_true(fm_gpu_settle(fathom_engine_get_gpu(c->engine), NULL, &err));
        print_message("%s: the device was busy for %.3f s more\n", names[phases[i / 2]], fm_clock() - start);
        if (i == 3)
            finish(c, s, &l, text);
        else
            fathom_session_destroy(&s);
    }
    fathom_engine_destroy(&c->engine);
    free(text);
    free(c);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_splitting),
        cmocka_unit_test(test_sessions),
        cmocka_unit_test(test_opening),
    };
    const struct CMUnitTest hand[] = {cmocka_unit_test(by_hand)};
    if (argc > 1) model_of_hand = argv[1], tokens_of_hand = argc > 2 ? (uint32_t)atoi(argv[2]) : 512;
    const int n_failed =
        argc > 1 ? cmocka_run_group_tests(hand, NULL, NULL) : cmocka_run_group_tests(tests, NULL, NULL);
    print_figures();
    return n_failed;
}
