// The life of engines and sessions: they are created and destroyed without a leak (seen by the sanitizers and
// valgrind), errors name the thing, a text is cut and continued, a seed repeats a sampled text.
#include "device.h"
#include <fathom/fathom.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// after the standard headers
#include <cmocka.h>

static const char model[] = FATHOM_SOURCE_DIR "/tests/data/reference/v3";

static struct fathom_engine *open_engine(uint32_t n_context) {
    struct fathom_error err = {0};
    struct fathom_engine *engine =
        open_on_device((struct opening){.engine = {.model = model, .n_context = n_context}}, &err);
    if (!engine) fail_msg("%s", err.message);
    return engine;
}

struct collected {
    int32_t ids[128];
    uint32_t n, stop_after;
};
static bool collect(void *user, int32_t id) {
    struct collected *c = user;
    c->ids[c->n++] = id;
    return c->stop_after == 0 || c->n < c->stop_after;
}

static void generate(struct fathom_session *session, const struct fathom_sampling *sampling, uint32_t n,
    struct collected *got) {
    const int32_t prompt[] = {1, 2, 3, 4, 5};
    struct fathom_error err = {0};
    uint32_t n_new;
    *got = (struct collected){.stop_after = got->stop_after};
    if (!fathom_session_truncate(session, 0, &err) ||
        !fathom_session_append(session, prompt, 5, NULL, &err) ||
        !generate_of(session, sampling, n, collect, got, &n_new, &err))
        fail_msg("%s", err.message);
}

static void ten_lives(void **state) {
    (void)state;
    for (int i = 0; i < 10; i++) {
        struct fathom_engine *engine = open_engine(128);
        struct fathom_error err = {0};
        struct fathom_session *session = fathom_session_create(engine, NULL, &err);
        assert_non_null(session);
        struct collected got = {.n = 0};
        generate(session, NULL, 3, &got);
        assert_int_equal(got.n, 3);
        fathom_session_destroy(&session);
        assert_null(session);
        fathom_engine_destroy(&engine);
        assert_null(engine);
    }
    fathom_engine_destroy(NULL);
    fathom_session_destroy(NULL);
    fathom_chat_destroy(NULL);
}

static void continues_after_a_cut(void **state) {
    (void)state;
    struct fathom_engine *engine = open_engine(128);
    struct fathom_error err = {0};
    struct fathom_session *session = fathom_session_create(engine, NULL, &err);
    struct collected whole = {.n = 0}, part = {.stop_after = 5};
    generate(session, NULL, 12, &whole);
    generate(session, NULL, 12, &part);
    assert_int_equal(part.n, 5);
    assert_int_equal(fathom_session_length(session), 5 + 4); // the token that was refused is not kept
    uint32_t n;
    struct collected rest = {.n = 0};
    assert_true(generate_of(session, NULL, 8, collect, &rest, &n, &err));
    assert_memory_equal(rest.ids, whole.ids + 4, 8 * sizeof(int32_t));
    fathom_session_destroy(&session);
    fathom_engine_destroy(&engine);
}

// Stops an append once 32 tokens are read, where *user is true.
static bool stop_at_32(void *user, enum fathom_phase phase, uint64_t done, uint64_t total) {
    (void)total;
    return !*(const bool *)user || phase != FATHOM_PHASE_PROMPT || done < 32;
}

// Appends n of 40 ids, and generates 5 tokens.
static void continue_with(
    struct fathom_session *session, const int32_t *ids, uint32_t n, struct collected *got) {
    struct fathom_error err = {0};
    uint32_t n_new;
    *got = (struct collected){.n = 0};
    if (!fathom_session_append(session, ids, n, NULL, &err) ||
        !generate_of(session, NULL, 5, collect, got, &n_new, &err))
        fail_msg("%s", err.message);
}

// A cancelled append keeps the chunks that were read. The rest may be appended, or a text generated at once.
static void a_cancelled_append_keeps_chunks(void **state) {
    (void)state;
    struct fathom_engine *engine = open_engine(128);
    struct fathom_error err = {0};
    bool stops = false;
    const struct fathom_session_params params = {
        .size = sizeof(params), .n_chunk = 16, .progress = {stop_at_32, &stops}};
    struct fathom_session *session = fathom_session_create(engine, &params, &err);
    int32_t ids[40];
    for (int i = 0; i < 40; i++) ids[i] = i + 5;
    struct collected whole, part, wanted[2];
    continue_with(session, ids, 40, &wanted[0]);
    assert_true(fathom_session_truncate(session, 0, &err));
    continue_with(session, ids, 32, &wanted[1]);
    for (int now = 0; now < 2; now++) {
        stops = true;
        err = (struct fathom_error){0};
        assert_true(fathom_session_truncate(session, 0, &err));
        assert_false(fathom_session_append(session, ids, 40, NULL, &err));
        assert_int_equal(err.status, FATHOM_CANCELLED);
        assert_int_equal(fathom_session_length(session), 32);
        stops = false;
        struct collected *got = now ? &part : &whole;
        continue_with(session, ids + 32, now ? 0 : 8, got);
        assert_int_equal(got->n, wanted[now].n);
        assert_memory_equal(got->ids, wanted[now].ids, got->n * sizeof(*got->ids));
    }
    fathom_session_destroy(&session);
    fathom_engine_destroy(&engine);
}

// DeepSeek-V4 keeps a ring of positions, and sums of the positions before. A text continues after a cut near
// the end, where steps in flight had run on, and after a cut far back.
static void rings_continue_after_a_cut(void **state) {
    (void)state;
    struct fathom_error err = {0};
    const struct opening opening = {
        .engine = {.model = FATHOM_SOURCE_DIR "/tests/data/reference/v4", .n_context = 200},
        .gpu.exact = true,
    };
    struct fathom_engine *engine = open_on_device(opening, &err);
    if (!engine) fail_msg("%s", err.message);
    struct fathom_session *session =
        fathom_session_create(engine, &FATHOM_INIT(fathom_session_params, .n_chunk = 7), &err);
    struct collected whole = {.n = 0}, part = {.stop_after = 10};
    uint32_t n;
    generate(session, NULL, 70, &whole); // once around the ring
    generate(session, NULL, 20, &part);
    assert_int_equal(part.n, 10);
    for (uint32_t cut = 0; cut < 3;
         cut++) { // after the ninth token (the tenth was refused), after the twelfth, after the second
        const uint32_t kept = cut == 0 ? 9 : cut == 1 ? 12 : 2;
        if (cut) assert_true(fathom_session_truncate(session, 5 + kept, &err));
        part = (struct collected){.n = 0};
        if (!generate_of(session, NULL, 20, collect, &part, &n, &err)) fail_msg("%s", err.message);
        assert_int_equal(part.n, 20);
        assert_memory_equal(part.ids, whole.ids + kept, 20 * sizeof(int32_t));
    }
    fathom_session_destroy(&session);
    fathom_engine_destroy(&engine);
}

// When a text is stopped, steps in flight have run on past its end. Tokens that are appended afterwards are
// all evaluated: their logits are those of a session that evaluates the whole text at once.
static void appends_after_a_stop(void **state) {
    (void)state;
    enum { N_MORE = 3, N_VOCAB = 768 };
    static const char *const models[] = {"v3", "v4"};
    static const int32_t more[N_MORE] = {30, 31, 32};
    float *got = malloc(sizeof(float) * N_MORE * N_VOCAB), *want = malloc(sizeof(float) * 128 * N_VOCAB);
    for (int i = 0; i < 2; i++) {
        struct fathom_error err = {0};
        char path[512];
        snprintf(path, sizeof(path), FATHOM_SOURCE_DIR "/tests/data/reference/%s", models[i]);
        struct fathom_engine *engine = open_opening(
            (struct opening){.engine = {.model = path, .n_context = 128}, .gpu.exact = true}, &err);
        struct fathom_session *session = engine ? fathom_session_create(engine, NULL, &err) : NULL;
        struct fathom_session *anew = session ? fathom_session_create(engine, NULL, &err) : NULL;
        if (!anew) fail_msg("%s", err.message);
        struct collected part = {.stop_after = 5};
        generate(session, NULL, 12, &part);
        if (!fathom_session_append(session, more, N_MORE, got, &err)) fail_msg("%s", err.message);
        const uint32_t n = fathom_session_length(session);
        assert_int_equal(n, 5 + 4 + N_MORE); // the token that was refused is not kept
        if (!fathom_session_append(anew, fathom_session_tokens(session), n, want, &err))
            fail_msg("%s", err.message);
        assert_memory_equal(got, want + (n - N_MORE) * N_VOCAB, sizeof(float) * N_MORE * N_VOCAB);
        fathom_session_destroy(&session);
        fathom_session_destroy(&anew);
        fathom_engine_destroy(&engine);
    }
    free(got);
    free(want);
}

// DeepSeek-V4's ring holds the sliding window before a chunk and the chunk itself. So chunks give the same
// bits as one chunk of the whole text, which never wraps around. The sliding window has 16 positions and a
// page 64. A chunk of 56 would fit one page without the sliding window; a chunk of 64 fills a page alone.
static void rings_hold_a_chunk(void **state) {
    (void)state;
    enum { N = 272 /* of every four one is kept, in more than a page */, N_VOCAB = 768 };
    static const uint32_t chunks[] = {N, 56, 64};
    struct fathom_error err = {0};
    const struct opening opening = {
        .engine = {.model = FATHOM_SOURCE_DIR "/tests/data/reference/v4", .n_context = N},
        .gpu.exact = true,
    };
    struct fathom_engine *engine = open_opening(opening, &err);
    if (!engine) fail_msg("%s", err.message);
    int32_t ids[N];
    for (uint32_t i = 0; i < N; i++) ids[i] = (int32_t)((i * 2654435761u >> 16) % 700);
    float *want = malloc(sizeof(float) * N * N_VOCAB), *got = malloc(sizeof(float) * N * N_VOCAB);
    for (size_t c = 0; c < sizeof(chunks) / sizeof(*chunks); c++) {
        const struct fathom_session_params by_chunk = {.size = sizeof(by_chunk), .n_chunk = chunks[c]};
        struct fathom_session *session = fathom_session_create(engine, &by_chunk, &err);
        if (!session || !fathom_session_append(session, ids, N, c ? got : want, &err))
            fail_msg("%s", err.message);
        for (uint32_t i = 0; c && i < N; i++)
            if (memcmp(got + i * N_VOCAB, want + i * N_VOCAB, N_VOCAB * sizeof(*got)))
                fail_msg("chunks of %u: the logits of token %u are not those of one chunk", chunks[c], i);
        fathom_session_destroy(&session);
    }
    free(want);
    free(got);
    fathom_engine_destroy(&engine);
}

static void seeds_repeat(void **state) {
    (void)state;
    struct fathom_engine *engine = open_engine(128);
    struct fathom_error err = {0};
    struct fathom_session *session = fathom_session_create(engine, NULL, &err);
    const struct fathom_sampling warm = {
        .size = sizeof(warm),
        .temperature = 1.5f,
        .top_p = 0.95f,
        .min_p = 0.001f,
        .top_k = 200,
        .repeat_penalty = 1.1f,
        .seed = 0x123456789abcdefu,
    };
    struct fathom_sampling other = warm;
    other.seed++;
    struct collected a = {.n = 0}, b = {.n = 0}, c = {.n = 0};
    generate(session, &warm, 20, &a);
    generate(session, &warm, 20, &b);
    generate(session, &other, 20, &c);
    assert_memory_equal(a.ids, b.ids, sizeof(a.ids));
    assert_memory_not_equal(a.ids, c.ids, sizeof(a.ids));
    fathom_session_destroy(&session);
    fathom_engine_destroy(&engine);
}

static void ends_with_the_context(void **state) {
    (void)state;
    struct fathom_engine *engine = open_engine(16);
    struct fathom_error err = {0};
    struct fathom_session *session = fathom_session_create(engine, NULL, &err);
    struct collected got = {.n = 0};
    generate(session, NULL, 60, &got);
    assert_int_equal(got.n, 11);
    assert_int_equal(fathom_session_length(session), 16);
    const int32_t one_more = 1;
    assert_false(fathom_session_append(session, &one_more, 1, NULL, &err));
    assert_non_null(strstr(err.message, "17 tokens, the context holds 16"));
    fathom_session_destroy(&session);
    fathom_engine_destroy(&engine);
}

// The logits of five tokens of the demonstration model, and the number of bytes of its file used in place.
static float *logits_without(uint32_t caps, uint64_t *in_place, size_t *n) {
    const int32_t prompt[] = {1, 2, 3, 4, 5};
    struct fathom_error err = {0};
    const struct opening opening = {
        .engine = {.model = FATHOM_SOURCE_DIR "/tools/demo/minnow-q8_0.gguf", .n_context = 64},
        .debug.disabled_caps = caps,
    };
    struct fathom_engine *engine = open_on_device(opening, &err);
    struct fathom_session *session = engine ? fathom_session_create(engine, NULL, &err) : NULL;
    if (!session) fail_msg("%s", err.message);
    *n = (size_t)5 * fathom_engine_get_info(engine)->n_vocab;
    float *logits = malloc(*n * sizeof(*logits));
    if (!fathom_session_append(session, prompt, 5, logits, &err)) fail_msg("%s", err.message);
    *in_place = counters_of(fathom_engine_get_gpu(engine)).memory_in_place;
    struct fathom_start_times start = {.size = sizeof(start)};
    fathom_engine_get_start_times(engine, &start);
    assert_true(start.file > 0);
    assert_true(start.tokenizer > 0);
    assert_true(start.device > 0);
    assert_true(start.weights > 0);
    assert_true(stats_of(session).create_seconds > 0);
    assert_true(stats_of(session).pipeline_seconds > 0);
    fathom_session_destroy(&session);
    fathom_engine_destroy(&engine);
    return logits;
}

// Weights in place in the file give the same results as copied weights.
static void in_place(void **state) {
    (void)state;
    uint64_t here, copied;
    size_t n, n_copied;
    float *a = logits_without(0, &here, &n), *b = logits_without(FATHOM_CAP_HOST_IMPORT, &copied, &n_copied);
    print_message("%llu bytes in place\n", (unsigned long long)here);
    assert_int_equal(copied, 0);
    if (device_is_card()) assert_int_equal(here, 0);
    assert_int_equal(n, n_copied);
    assert_memory_equal(a, b, n * sizeof(*a));
    free(a);
    free(b);
}

// The decode step is recorded when the prompt has been evaluated.
static void decode_is_recorded_while_reading(void **state) {
    (void)state;
    const int32_t prompt[] = {1, 2, 3, 4, 5};
    struct fathom_engine *engine = open_engine(128);
    struct fathom_error err = {0};
    struct fathom_session *session = fathom_session_create(engine, NULL, &err);
    assert_non_null(session);
    assert_true(fathom_session_append(session, prompt, 5, NULL, &err));
    const uint64_t n_recordings = stats_of(session).decode_recordings;
    if (device_is_card())
        assert_true(n_recordings > 1); // a step's work is split
    else
        assert_int_equal(n_recordings, 1);
    struct collected got = {.n = 0};
    uint32_t n;
    assert_true(generate_of(session, NULL, 2, collect, &got, &n, &err));
    assert_int_equal(stats_of(session).decode_recordings, n_recordings);
    fathom_session_destroy(&session);
    fathom_engine_destroy(&engine);
}

static void refuses(void **state) {
    (void)state;
    struct fathom_engine *engine = open_engine(64);
    struct fathom_error err = {0};
    assert_null(fathom_session_create(engine, &FATHOM_INIT(fathom_session_params, .n_context = 65), &err));
    assert_int_equal(err.status, FATHOM_INVALID);
    err = (struct fathom_error){0};
    struct fathom_session *session = fathom_session_create(engine, NULL, &err);
    uint32_t n;
    assert_false(generate_of(session, NULL, 1, collect, NULL, &n, &err));
    err = (struct fathom_error){0};
    const int32_t foreign = 768;
    assert_false(fathom_session_append(session, &foreign, 1, NULL, &err));
    assert_non_null(strstr(err.message, "768"));
    err = (struct fathom_error){0};
    assert_false(fathom_session_truncate(session, 1, &err));
    const int32_t fine = 1;
    assert_true(fathom_session_append(session, &fine, 1, NULL, NULL));
    err = (struct fathom_error){0};
    assert_false(generate_of(session, &FATHOM_INIT(fathom_sampling, .top_p = 2), 1, collect, NULL, &n, &err));
    assert_non_null(strstr(err.message, "top-p"));
    fathom_session_destroy(&session);
    fathom_engine_destroy(&engine);
    err = (struct fathom_error){0};
    assert_null(
        fathom_engine_create(&FATHOM_INIT(fathom_engine_params, .model = model, .n_context = 100000), &err));
    assert_non_null(strstr(err.message, "100000"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_lives),
        cmocka_unit_test(continues_after_a_cut),
        cmocka_unit_test(a_cancelled_append_keeps_chunks),
        cmocka_unit_test(rings_continue_after_a_cut),
        cmocka_unit_test(appends_after_a_stop),
        cmocka_unit_test(rings_hold_a_chunk),
        cmocka_unit_test(seeds_repeat),
        cmocka_unit_test(ends_with_the_context),
        cmocka_unit_test(in_place),
        cmocka_unit_test(decode_is_recorded_while_reading),
        cmocka_unit_test(refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
