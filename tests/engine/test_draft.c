// Compares the draft layer with its golden logits, and drafting with plain decoding: the same tokens, greedy
// and sampled, in fewer steps. The test asks some questions; all 200 with FATHOM_ALL_QUESTIONS set.
// FATHOM_DRAFTS sets the number of drafted tokens in default mode.
#include "device.h"
#include "engine/golden.h"
#include "engine/session.h"
#include "model/draft.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// after the standard headers
#include <cmocka.h>

#define SHIPPED FATHOM_SOURCE_DIR "/tools/demo/minnow-q8_0.gguf"
enum { N_VOCAB = 768, N_GOLDEN = 128, MAX_NEW = 400, END = 764 };

static struct fathom_engine *open_engine(const char *model, bool exact, uint32_t n_drafts) {
    struct fathom_error err = {0};
    struct fathom_engine *engine =
        open_opening((struct opening){.engine = {.model = model, .n_context = 1024, .n_drafts = n_drafts},
                         .gpu.exact = exact},
            &err);
    if (!engine) fail_msg("%s", err.message);
    return engine;
}

static struct fathom_session *open_session(
    struct fathom_engine *engine, struct fathom_session_params params) {
    struct fathom_error err = {0};
    struct fathom_session *session = fathom_session_create(engine, &params, &err);
    if (!session) fail_msg("%s", err.message);
    return session;
}

// ---- The layer -------------------------------------------------------------------------------------------

// All tokens but the last at once, through the parts of drafting.
static void layer_logits(struct fathom_session *s, const int32_t *ids, float *logits) {
    enum { N = N_GOLDEN - 1 };
    struct fathom_error err = {0};
    struct fathom_buffer *input =
        fathom_buffer_create(s->engine->gpu, 4 * (N_GOLDEN + 1), FATHOM_MEMORY_DEVICE, &err);
    struct fathom_buffer *pair =
        fathom_buffer_create(s->engine->gpu, 8ull * N * s->engine->hp.n_hidden, FATHOM_MEMORY_DEVICE, &err);
    struct fathom_buffer *out =
        fathom_buffer_create(s->engine->gpu, 4ull * N * s->engine->hp.n_hidden, FATHOM_MEMORY_DEVICE, &err);
    struct fathom_stream *stream = fathom_stream_create(s->engine->gpu, &err);
    assert_non_null(input);
    assert_non_null(pair);
    assert_non_null(out);
    assert_non_null(stream);
    uint32_t words[1 + N_GOLDEN] = {0};
    memcpy(words + 1, ids, sizeof(*ids) * N_GOLDEN);
    assert_true(fathom_upload(s->engine->gpu, fathom_buffer_view(input), words, &err));
    struct fm_pass pass = fm_session_pass(s, stream);
    pass.ids = (struct fathom_view){input, 4, 4 * N}, pass.position = (struct fathom_view){input, 0, 4};
    pass.n_tokens = pass.n_positions = N;
    struct fathom_view x = s->ws.x;
    x.size = fathom_buffer_view(out).size;
    fathom_stream_begin(stream);
    fm_pass_layers(&pass);
    fm_draft_mix(&pass, s->ws.x, (struct fathom_view){input, 8, 4 * N}, fathom_buffer_view(pair));
    fm_draft_layer(&pass);
    fathom_stream_copy(stream, x, fathom_buffer_view(out));
    for (uint32_t first = 0; first < N; first += s->ws.n_logits) {
        const uint32_t n = N - first < s->ws.n_logits ? N - first : s->ws.n_logits;
        const uint64_t skip = 4ull * first * s->engine->hp.n_hidden;
        struct fathom_view state = fathom_buffer_view(out), rows = s->ws.logits;
        state.offset += skip, state.size -= skip;
        rows.size = 4ull * n * N_VOCAB;
        if (first) fathom_stream_begin(stream);
        fm_draft_head(&pass, state, n);
        uint64_t ticket;
        if (!fathom_stream_finish(stream, &err) || !fathom_stream_submit(stream, &ticket, &err) ||
            !fathom_gpu_wait(s->engine->gpu, ticket, &err) ||
            !fathom_download(s->engine->gpu, rows, logits + (size_t)first * N_VOCAB, &err))
            fail_msg("%s", err.message);
    }
    fathom_stream_destroy(&stream);
    fathom_buffer_destroy(&out);
    fathom_buffer_destroy(&pair);
    fathom_buffer_destroy(&input);
}

static void golden_logits(void **state) {
    (void)state;
    char folder[1024], weights[1100];
    const char *shared = getenv("FATHOM_SHARED"),
               *golden = FATHOM_SOURCE_DIR "/tests/data/reference/minnow/golden.safetensors";
    snprintf(folder, sizeof(folder), "%s/reference/minnow", shared ? shared : FATHOM_SOURCE_DIR "/../shared");
    snprintf(weights, sizeof(weights), "%s/model.safetensors", folder);
    FILE *f = fopen(weights, "rb");
    if (!f) {
        print_message("skipped: golden_logits: %s is absent\n", weights);
        skip();
    }
    fclose(f);
    size_t n_ids = 0, n = 0;
    int32_t *ids = golden_tensor(golden, "input_ids", &n_ids);
    float *want = golden_tensor(golden, "mtp_logits", &n),
          *got = malloc(sizeof(float) * (N_GOLDEN - 1) * N_VOCAB);
    assert_non_null(ids);
    assert_non_null(want);
    assert_non_null(got);
    assert_int_equal(n_ids, N_GOLDEN);
    assert_int_equal(n, (N_GOLDEN - 1) * N_VOCAB);
    struct fathom_engine *engine = open_engine(folder, true, 1);
    struct fathom_session *session =
        open_session(engine, FATHOM_INIT(fathom_session_params, .n_chunk = N_GOLDEN));
    layer_logits(session, ids, got);
    double worst = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        const double d = fabs((double)got[i] - want[i]);
        if (!(d <= worst)) worst = d; // a NaN stays
        squares += d * d;
    }
    print_message("draft layer, exact: largest difference %.2e, root mean square %.2e, hash %016llx\n", worst,
        sqrt(squares / (double)n), (unsigned long long)hash_floats(got, n));
    assert_true(worst <= 1e-3);
    assert_true(sqrt(squares / (double)n) <= 2e-4);
    fathom_session_destroy(&session);
    fathom_engine_destroy(&engine);
    free(got);
    free(want);
    free(ids);
}

// ---- The text --------------------------------------------------------------------------------------------

struct text {
    int32_t ids[MAX_NEW];
    uint32_t n;
};
static bool collect(void *user, int32_t id) {
    struct text *t = user;
    t->ids[t->n++] = id;
    return id != END;
}

static void continue_text(struct fathom_session *session, const struct fathom_sampling *sampling,
    uint32_t max_tokens, struct text *text) {
    struct fathom_error err = {0};
    uint32_t n;
    text->n = 0;
    if (!generate_of(session, sampling, max_tokens, collect, text, &n, &err)) fail_msg("%s", err.message);
}

static void answer(struct fathom_session *session, const int32_t *prompt, uint32_t n_prompt,
    const struct fathom_sampling *sampling, struct text *text) {
    struct fathom_error err = {0};
    if (!fathom_session_truncate(session, 0, &err) ||
        !fathom_session_append(session, prompt, n_prompt, NULL, &err))
        fail_msg("%s", err.message);
    continue_text(session, sampling, MAX_NEW, text);
}

static bool same_text(const struct text *a, const struct text *b) {
    return a->n == b->n && !memcmp(a->ids, b->ids, sizeof(int32_t) * a->n);
}

struct pair {
    struct fathom_engine *engines[2];
    struct fathom_session *sessions[2];
}; // plain, drafting

static struct pair open_pair(bool exact, uint32_t n_drafts) {
    struct pair p;
    for (uint32_t i = 0; i < 2; i++) {
        p.engines[i] = open_engine(SHIPPED, exact, i * n_drafts);
        p.sessions[i] = open_session(p.engines[i], FATHOM_INIT(fathom_session_params, .n_chunk = 64));
    }
    return p;
}

static void close_pair(struct pair *p) {
    for (int i = 0; i < 2; i++) {
        fathom_session_destroy(&p->sessions[i]);
        fathom_engine_destroy(&p->engines[i]);
    }
}

// Asks both sessions every step-th question, in turns. Returns the number of answers that differ.
static uint32_t ask_both(
    const struct pair *p, uint32_t step, const struct fathom_sampling *sampling, uint32_t *n_asked) {
    size_t size;
    char *file = read_whole_file(FATHOM_SOURCE_DIR "/tests/data/reference/minnow/questions.jsonl", &size),
         *rest = NULL;
    assert_non_null(file);
    uint32_t n_different = 0, n = 0;
    *n_asked = 0;
    for (char *line = strtok_r(file, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (n++ % step) continue;
        cJSON *json = cJSON_Parse(line), *ids = cJSON_GetObjectItem(json, "prompt_ids");
        int32_t prompt[512];
        uint32_t n_prompt = 0;
        const cJSON *item;
        cJSON_ArrayForEach(item, ids) {
            assert_true(n_prompt < 512);
            prompt[n_prompt++] = item->valueint;
        }
        struct text texts[2];
        for (uint32_t i = 0; i < 2; i++) {
            const uint32_t which = (i + *n_asked) % 2; // each is the second in turn
            answer(p->sessions[which], prompt, n_prompt, sampling, &texts[which]);
        }
        n_different += !same_text(&texts[0], &texts[1]);
        ++*n_asked;
        cJSON_Delete(json);
    }
    free(file);
    return n_different;
}

static double report(const struct pair *p, const char *what, uint32_t n_asked, uint32_t n_different) {
    const struct fathom_session_stats plain = stats_of(p->sessions[0]), drafting = stats_of(p->sessions[1]);
    const double accepted = (double)drafting.drafts_accepted / (double)drafting.drafts;
    print_message("%s: %u of %u answers differ; %.1f %% of %llu drafts accepted, %llu rounds for %u tokens; "
                  "%.0f tokens/s, plain %.0f\n",
        what, n_different, n_asked, 100 * accepted, (unsigned long long)drafting.drafts,
        (unsigned long long)drafting.decode_steps, drafting.decode_tokens,
        drafting.decode_tokens / drafting.decode_seconds, plain.decode_tokens / plain.decode_seconds);
    assert_int_equal(drafting.decode_submits, drafting.decode_steps);
    return accepted;
}

// Exact mode gives the same tokens with any drafts.
static void exact_texts(void **state) {
    (void)state;
    static const struct fathom_sampling sampled = {
        .size = sizeof(sampled),
        .temperature = 2,
        .top_p = 0.95f,
        .repeat_penalty = 1.1f,
        .seed = 7,
    };
    for (uint32_t n_drafts = 1; n_drafts <= 3; n_drafts += 2) {
        struct pair p = open_pair(true, n_drafts);
        for (int i = 0; i < (n_drafts == 1 ? 2 : 1); i++) {
            char what[64];
            uint32_t n_asked;
            const uint32_t n_different = ask_both(&p,
                getenv("FATHOM_ALL_QUESTIONS") && n_drafts == 1 ? 10 : 100, i ? &sampled : NULL, &n_asked);
            snprintf(what, sizeof(what), "exact, %s, %u drafted", i ? "sampled" : "greedy", n_drafts);
            report(&p, what, n_asked, n_different);
            assert_int_equal(n_different, 0);
        }
        close_pair(&p);
    }
}

static void default_texts(void **state) {
    (void)state;
    const char *only = getenv("FATHOM_DRAFTS"), *all = getenv("FATHOM_ALL_QUESTIONS");
    const uint32_t n_drafts = only ? (uint32_t)atoi(only) : 1;
    struct pair p = open_pair(false, n_drafts);
    uint32_t n_asked;
    const uint32_t n_different = ask_both(&p, all ? 1 : 20, NULL, &n_asked);
    const double accepted = report(&p, "default, greedy", n_asked, n_different);
    assert_int_equal(n_different, 0);
    if (n_drafts == 1) assert_true(accepted >= 0.8);
    close_pair(&p);
}

// ---- Edges -----------------------------------------------------------------------------------------------

// Texts are cut, continued, evaluated with logits, or come to the end of the context: all as without
// drafting.
static void edges(void **state) {
    (void)state;
    struct fathom_error err = {0};
    struct fathom_engine *engines[2];
    struct text texts[2][4];
    float *logits[2];
    int32_t prompt[40];
    for (int i = 0; i < 40; i++) prompt[i] = (i * 37 + 11) % 700;
    for (uint32_t i = 0; i < 2; i++) {
        engines[i] = open_engine(SHIPPED, true, 3 * i);
        struct fathom_session *s =
            open_session(engines[i], FATHOM_INIT(fathom_session_params, .n_context = 64, .n_chunk = 7));
        logits[i] = malloc(sizeof(float) * 8 * N_VOCAB);
        assert_true(fathom_session_append(s, prompt, 20, NULL, &err));
        continue_text(s, NULL, 1, &texts[i][0]); // fewer tokens than a round gives
        assert_true(fathom_session_append(s, prompt + 20, 8, logits[i], &err));
        continue_text(s, NULL, 5, &texts[i][1]);
        assert_true(fathom_session_truncate(s, 15, &err));
        assert_true(fathom_session_append_decode(s, prompt + 30, 3, NULL, &err));
        continue_text(s, NULL, 4, &texts[i][2]);
        continue_text(s, NULL, MAX_NEW, &texts[i][3]); // to the end of the context, or of the text
        assert_true(fathom_session_length(s) <= 64);
        fathom_session_destroy(&s);
    }
    for (int j = 0; j < 4; j++) assert_true(same_text(&texts[0][j], &texts[1][j]));
    assert_memory_equal(logits[0], logits[1], sizeof(float) * 8 * N_VOCAB);
    for (int i = 0; i < 2; i++) {
        free(logits[i]);
        fathom_engine_destroy(&engines[i]);
    }
}

static void refused(void **state) {
    (void)state;
    struct fathom_error err = {0};
    assert_null(
        fathom_engine_create(&FATHOM_INIT(fathom_engine_params,
                                 .model = FATHOM_SOURCE_DIR "/tests/data/reference/v3", .n_drafts = 1),
            &err));
    assert_int_equal(err.status, FATHOM_UNSUPPORTED);
    assert_non_null(strstr(err.message, "no draft layer"));
    err = (struct fathom_error){0};
    assert_null(fathom_engine_create(
        &FATHOM_INIT(fathom_engine_params, .model = SHIPPED, .n_drafts = FATHOM_MAX_DRAFTS + 1), &err));
    assert_non_null(strstr(err.message, "at most 7"));
}

// ---- The distribution ------------------------------------------------------------------------------------

// Three tokens and two rows; the second row's token is guessed. Over many seeds, pairs of tokens come as
// often as their probabilities say, and the second row is sampled exactly if the guess holds. Chi-square with
// fixed seeds, 4 cells.
static void distribution(void **state) {
    (void)state;
    enum { N = 3, SEEDS = 3000, GUESS = 1 };
    static const float share[2][N] = {{0.5f, 0.3f, 0.2f}, {0.1f, 0.2f, 0.7f}};
    struct fathom_error err = {0};
    struct fathom_gpu *gpu = fathom_gpu_create(&FATHOM_INIT(fathom_gpu_params), &err);
    if (!gpu) fail_msg("%s", err.message);
    struct fathom_buffer *logits = fathom_buffer_create(gpu, sizeof(share), FATHOM_MEMORY_DEVICE, &err);
    struct fathom_buffer *ring = fathom_buffer_create(gpu, 8, FATHOM_MEMORY_HOST, &err);
    struct fathom_buffer *step =
        fathom_buffer_create(gpu, sizeof(struct fathom_step), FATHOM_MEMORY_DEVICE, &err);
    struct fathom_buffer *seen = fathom_buffer_create(gpu, 4 * N, FATHOM_MEMORY_DEVICE, &err);
    struct fathom_buffer *drafts =
        fathom_buffer_create(gpu, sizeof(struct fathom_drafts), FATHOM_MEMORY_DEVICE, &err);
    struct fathom_stream *stream = fathom_stream_create(gpu, &err);
    float rows[2][N];
    for (int i = 0; i < 2 * N; i++) rows[i / N][i % N] = logf(share[i / N][i % N]);
    assert_non_null(logits);
    assert_non_null(ring);
    assert_non_null(step);
    assert_non_null(seen);
    assert_non_null(drafts);
    assert_non_null(stream);
    assert_true(fathom_upload(gpu, fathom_buffer_view(logits), rows, &err));
    const struct fathom_drafts guess = {.ids = {0, GUESS}};
    assert_true(fathom_upload(gpu, fathom_buffer_view(drafts), &guess, &err));
    fathom_stream_begin(stream);
    fathom_sample(stream,
        &FATHOM_INIT(fathom_sample_params, .logits = fathom_buffer_view(logits),
            .step = fathom_buffer_view(step), .seen = fathom_buffer_view(seen),
            .ring = fathom_buffer_view(ring), .drafts = fathom_buffer_view(drafts), .n_vocab = N, .n_ring = 2,
            .n_rows = 2));
    if (!fathom_stream_finish(stream, &err)) fail_msg("%s", err.message);
    uint32_t firsts[N] = {0}, seconds[N] = {0};
    const volatile uint32_t *given = fathom_buffer_map(ring);
    for (uint32_t seed = 0; seed < SEEDS; seed++) {
        const struct fathom_step start = {
            .seed_low = seed,
            .position = 5,
            .temperature = 1,
            .top_p = 1,
            .repeat_penalty = 1,
        };
        uint64_t ticket;
        if (!fathom_upload(gpu, fathom_buffer_view(step), &start, &err) ||
            !fathom_stream_submit(stream, &ticket, &err) || !fathom_gpu_wait(gpu, ticket, &err))
            fail_msg("%s", err.message);
        assert_true(given[0] < N);
        firsts[given[0]]++;
        if (given[0] == GUESS)
            seconds[given[1]]++;
        else
            assert_int_equal(given[1], FATHOM_NO_TOKEN);
    }
    double chi = 0;
    for (int i = 0; i < N; i++) {
        const double want = SEEDS * (double)share[0][i], second = firsts[GUESS] * (double)share[1][i];
        chi += (firsts[i] - want) * (firsts[i] - want) / want +
            (seconds[i] - second) * (seconds[i] - second) / second;
    }
    print_message("chi-square of two rows over %d seeds: %.2f with 4 degrees of freedom\n", SEEDS, chi);
    assert_true(chi < 13.28); // 1 in 100
    fathom_stream_destroy(&stream);
    struct fathom_buffer **buffers[] = {&logits, &ring, &step, &seen, &drafts};
    for (size_t i = 0; i < sizeof(buffers) / sizeof(*buffers); i++) fathom_buffer_destroy(buffers[i]);
    fathom_gpu_destroy(&gpu);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden_logits), cmocka_unit_test(exact_texts),
        cmocka_unit_test(default_texts), cmocka_unit_test(edges), cmocka_unit_test(refused),
        cmocka_unit_test(distribution)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
