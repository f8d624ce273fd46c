// Compares whole models with transformers' float32 logits. A text is read in one chunk, in chunks of 7, and
// token by token through the decode step. Exact mode must be within 1e-3, and give the same bits for all
// three ways and on all devices: the hashes below are part of the test.
#include "device.h"
#include "engine/engine.h"
#include "engine/golden.h"
#include "op/op.h"
#include <fathom/fathom.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// after the standard headers
#include <cmocka.h>

enum { N_TOKENS = 64, N_VOCAB = 768 };

struct reference {
    const char *name;
    const char *file; // under tests/data/reference, or under FATHOM_SHARED for weights too large to commit
    const char *golden;
    uint32_t n_tokens;
    uint64_t exact_hash; // of the exact logits, on every device
    double width; // the spread of the logits, relative to other models; the bounds grow with it. FP8 has a
                  // larger one for its coarser weights
    bool shared;
};

static const struct reference references[] = {
    {"v2-lite", "v2-lite", "v2-lite/golden.safetensors", 64, 0xa6a1b129475d085bu, 1, false},
    {"v2", "v2", "v2/golden.safetensors", 64, 0x14789baa609bfe62u, 1, false},
    {"v3", "v3", "v3/golden.safetensors", 64, 0x24e78085eb83dde7u, 1, false},
    {"minnow", "reference/minnow", "minnow/golden.safetensors", 128, 0x706dfe36b85d277du, 1, true},
    {"llama", "llama", "llama/golden.safetensors", 64, 0xfef288abe7b97c46u, 7, false},
    {"qwen2", "qwen2", "qwen2/golden.safetensors", 64, 0x1dfab0cf5c5aab33u, 1, false},
    {"qwen3", "qwen3", "qwen3/golden.safetensors", 64, 0x5087403bedf070c3u, 7, false},
    {"v32", "v32", "v32/golden.safetensors", 64, 0xf3eb3660e5c58533u, 1, false},
    {"v4", "v4", "v4/golden.safetensors", 64, 0xbf303fc17b6e461fu, 2, false},
    {"v3-fp8", "v3-fp8", "v3-fp8/golden.safetensors", 64, 0x8b6f6ad742be8543u, 2, false},
    {"glm4-lite", "glm4-lite", "glm4-lite/golden.safetensors", 64, 0x371ee4301f1bb5b2u, 1, false},
};

static void say(void *user, enum fathom_log_level level, const char *message) {
    (void)user;
    if (level <= FATHOM_LOG_WARNING) print_message("%s\n", message);
}

static struct fathom_engine *open_engine_with(const struct reference *r, struct opening opening) {
    char path[1024];
    const char *shared = getenv("FATHOM_SHARED");
    if (r->shared)
        snprintf(path, sizeof(path), "%s/%s", shared ? shared : FATHOM_SOURCE_DIR "/../shared", r->file);
    else
        snprintf(path, sizeof(path), FATHOM_SOURCE_DIR "/tests/data/reference/%s", r->file);
    struct fathom_error err = {0};
    if (r->shared) {
        char weights[1100];
        snprintf(weights, sizeof(weights), "%s/model.safetensors", path);
        FILE *f = fopen(weights, "rb");
        if (!f) {
            print_message("skipped: %s is absent\n", r->file);
            skip();
        }
        fclose(f);
    }
    opening.engine.model = path;
    opening.gpu.log = (struct fathom_log){say, NULL};
    struct fathom_engine *engine = open_on_device(opening, &err);
    if (!engine) fail_msg("%s", err.message);
    return engine;
}

static struct fathom_engine *open_engine(const struct reference *r, bool exact) {
    return open_engine_with(r, (struct opening){.gpu.exact = exact});
}

// The last way is for texts of several pages.
enum way { ONE_CHUNK, CHUNKS_OF_7, TOKEN_BY_TOKEN, N_WAYS, CHUNKS_OF_64 = N_WAYS, N_LONG_WAYS };
static const char *const way_names[N_LONG_WAYS] = {
    "one chunk", "chunks of 7", "token by token", "chunks of 64"};

static float *read_logits(struct fathom_engine *engine, const int32_t *ids, uint32_t n, enum way way) {
    const uint32_t n_chunk = way == CHUNKS_OF_7 ? 7 : way == CHUNKS_OF_64 ? 64 : n;
    struct fathom_error err = {0};
    struct fathom_session *session =
        fathom_session_create(engine, &FATHOM_INIT(fathom_session_params, .n_chunk = n_chunk), &err);
    if (!session) fail_msg("%s", err.message);
    float *logits = malloc(sizeof(float) * n * N_VOCAB);
    const bool ok = way == TOKEN_BY_TOKEN ? fathom_session_append_decode(session, ids, n, logits, &err)
                                          : fathom_session_append(session, ids, n, logits, &err);
    if (!ok) fail_msg("%s: %s", way_names[way], err.message);
    fathom_session_destroy(&session);
    return logits;
}

static void *tensor(const char *file, const char *name, size_t n) {
    char path[1024];
    snprintf(path, sizeof(path), FATHOM_SOURCE_DIR "/tests/data/reference/%s", file);
    size_t found = 0;
    void *values = golden_tensor(path, name, &found);
    if (!values || found != n) fail_msg("%s: %s has %zu values, expected %zu", path, name, found, n);
    return values;
}

static void *golden(const struct reference *r, const char *name, size_t n) {
    return tensor(r->golden, name, n);
}

static uint32_t best_of(const float *row, float *margin) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < N_VOCAB; i++)
        if (row[i] > row[best]) best = i;
    *margin = INFINITY;
    for (uint32_t i = 0; i < N_VOCAB; i++)
        if (i != best && row[best] - row[i] < *margin) *margin = row[best] - row[i];
    return best;
}

static double log_sum_exp(const float *row) {
    double top = row[0], sum = 0;
    for (int i = 1; i < N_VOCAB; i++) top = fmax(top, row[i]);
    for (int i = 0; i < N_VOCAB; i++) sum += exp(row[i] - top);
    return top + log(sum);
}

// KL(golden || got), in nats.
static double divergence(const float *want, const float *got) {
    const double z_want = log_sum_exp(want), z_got = log_sum_exp(got);
    double sum = 0;
    for (int i = 0; i < N_VOCAB; i++) sum += exp(want[i] - z_want) * ((want[i] - z_want) - (got[i] - z_got));
    return sum;
}

static int compare_doubles(const void *a, const void *b) {
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

// Default mode: the mean divergence is under 1e-4, and best tokens that are clear are equal. The worst two of
// 64 tokens are left out (a near tie in a gate may have the other outcome).
static void check_close(const struct reference *r, const char *mode, const char *way, const float *want,
    const float *got, uint32_t n_rows, double most) {
    const uint32_t n_out = (2 * n_rows + 63) / 64;
    double kl[128], mean = 0;
    uint32_t n_wrong = 0;
    for (uint32_t t = 0; t < n_rows; t++) {
        float margin, unused;
        const float *want_row = want + (size_t)t * N_VOCAB, *got_row = got + (size_t)t * N_VOCAB;
        kl[t] = divergence(want_row, got_row);
        assert_true(kl[t] >= -1e-9);
        const uint32_t best = best_of(want_row, &margin);
        n_wrong += margin > 0.05 && best != best_of(got_row, &unused);
    }
    qsort(kl, n_rows, sizeof(*kl), compare_doubles);
    for (uint32_t t = 0; t < n_rows - n_out; t++) mean += kl[t] / (n_rows - n_out);
    print_message("%s %s, %s: mean divergence %.2e, largest left in %.2e, %u clear best tokens differ\n",
        r->name, mode, way, mean, kl[n_rows - n_out - 1], n_wrong);
    assert_true(mean < most);
    assert_true(n_wrong <= n_out);
}

static void check_ways(
    const struct reference *r, const char *mode, struct fathom_engine *engine, double most) {
    int32_t *ids = golden(r, "input_ids", r->n_tokens);
    float *want = golden(r, "logits", (size_t)r->n_tokens * N_VOCAB);
    for (enum way way = 0; way < N_WAYS; way++) {
        float *got = read_logits(engine, ids, r->n_tokens, way);
        check_close(r, mode, way_names[way], want, got, r->n_tokens, most);
        free(got);
    }
    free(want);
    free(ids);
}

static void check_default(const struct reference *r) {
    struct fathom_engine *engine = open_engine(r, false);
    check_ways(r, "default", engine, 1e-4);
    fathom_engine_destroy(&engine);
}

// A cache of 8 bits a value: the logits of a model with random weights may differ ten times as much as with
// float16. Those of a trained model hardly differ.
static void cache_8bit(void **state) {
    (void)state;
    static const struct {
        int reference;
        double most;
    } models[] = {{0, 1e-3}, {3, 1e-5}};
    for (int i = 0; i < 2; i++) {
        const struct reference *r = &references[models[i].reference];
        struct fathom_engine *engine = open_engine_with(r, (struct opening){.engine.cache_8bit = true});
        check_ways(r, "8-bit cache", engine, models[i].most);
        fathom_engine_destroy(&engine);
    }
}

// Every variant of every operator that the model uses: the first variants together, then the second variants
// together, …
static void check_every_variant(const struct reference *r) {
    struct fathom_engine *engine = open_engine(r, false);
    bool more = true;
    for (size_t v = 0; more; v++) {
        char choices[1024] = "";
        more = false;
        for (size_t i = 0; i < fm_n_ops; i++) {
            const struct fm_op *op = fm_ops[i];
            const size_t last = op->n_variants - 1, n = strlen(choices);
            snprintf(choices + n, sizeof(choices) - n, "%s%s=%s", n ? "," : "", op->name,
                op->variants[v < last ? v : last].name);
            more |= v < last;
        }
        assert_true(fm_variants_force(engine->gpu, choices));
        check_ways(r, choices, engine, 1e-4);
    }
    fathom_engine_destroy(&engine);
}

static void every_variant(void **state) {
    (void)state;
    check_every_variant(&references[2]); // latent attention, experts
    check_every_variant(&references[6]); // grouped attention, norms of heads
}

// A missing barrier would show as a difference between a run with the derived barriers and a run with all
// barriers.
static void full_barriers(void **state) {
    (void)state;
    const struct reference *r = &references[8]; // the most operators
    struct fathom_engine *engine =
        open_engine_with(r, (struct opening){.gpu.exact = true, .debug.full_barriers = true});
    int32_t *ids = golden(r, "input_ids", r->n_tokens);
    for (enum way way = 0; way < N_WAYS; way++) {
        float *got = read_logits(engine, ids, r->n_tokens, way);
        assert_int_equal(hash_floats(got, (size_t)r->n_tokens * N_VOCAB), r->exact_hash);
        free(got);
    }
    free(ids);
    fathom_engine_destroy(&engine);
}

struct collected {
    int32_t ids[64];
    uint32_t n;
};
static bool collect(void *user, int32_t id) {
    struct collected *c = user;
    c->ids[c->n++] = id;
    return true;
}

// The greedy continuation in exact mode. Tokens are equal, or the two candidates are closer than 1e-3.
static void check_greedy(const struct reference *r, struct fathom_engine *engine) {
    enum { N_PROMPT = 40, N_NEW = 24 };
    int32_t *prompt = golden(r, "greedy_prompt", N_PROMPT), *want = golden(r, "greedy_ids", N_NEW);
    struct fathom_error err = {0};
    struct fathom_session *session = fathom_session_create(engine, NULL, &err);
    struct collected got = {.n = 0};
    uint32_t n;
    if (!session || !fathom_session_append(session, prompt, N_PROMPT, NULL, &err) ||
        !generate_of(session, NULL, N_NEW, collect, &got, &n, &err))
        fail_msg("%s", err.message);
    assert_int_equal(n, N_NEW);
    for (uint32_t i = 0; i < N_NEW; i++) {
        if (got.ids[i] == want[i]) continue;
        float *row = malloc(sizeof(float) * N_VOCAB);
        assert_true(fathom_session_truncate(session, N_PROMPT + i - 1, &err));
        assert_true(
            fathom_session_append_decode(session, i ? &want[i - 1] : &prompt[N_PROMPT - 1], 1, row, &err));
        print_message("%s: token %u is %d, golden %d, apart by %g\n", r->name, i, got.ids[i], want[i],
            row[got.ids[i]] - row[want[i]]);
        assert_true(row[got.ids[i]] - row[want[i]] < 1e-3f);
        free(row);
        break;
    }
    const struct fathom_session_stats stats = stats_of(session);
    const uint64_t n_split = stats.decode_submits / stats.decode_steps; // submits of a step
    assert_int_equal(stats.decode_submits, n_split * stats.decode_steps);
    if (device_is_card())
        assert_true(n_split > 1);
    else
        assert_int_equal(n_split, 1);
    assert_true(stats.decode_recordings <= 2 * n_split);
    fathom_session_destroy(&session);
    free(prompt);
    free(want);
}

static void check_exact(const struct reference *r) {
    struct fathom_engine *engine = open_engine(r, true);
    const size_t n = (size_t)r->n_tokens * N_VOCAB;
    int32_t *ids = golden(r, "input_ids", r->n_tokens);
    float *want = golden(r, "logits", n), *first = NULL;
    for (enum way way = 0; way < N_WAYS; way++) {
        float *got = read_logits(engine, ids, r->n_tokens, way);
        double worst = 0, squares = 0;
        for (size_t i = 0; i < n; i++) {
            const double d = fabs((double)got[i] - want[i]);
            if (!(d <= worst)) worst = d; // a NaN stays
            squares += d * d;
        }
        print_message("%s exact, %s: largest difference %.2e, root mean square %.2e, hash %016llx\n", r->name,
            way_names[way], worst, sqrt(squares / (double)n), (unsigned long long)hash_floats(got, n));
        assert_true(worst <= r->width * 1e-3);
        assert_true(sqrt(squares / (double)n) <= r->width * 2e-4);
        if (first) assert_memory_equal(got, first, n * sizeof(float));
        if (first)
            free(got);
        else
            first = got;
    }
    assert_int_equal(hash_floats(first, n), r->exact_hash);
    free(first);
    free(want);
    free(ids);
    if (!r->shared) check_greedy(r, engine);
    fathom_engine_destroy(&engine);
}

// ---- Texts of 320 tokens ---------------------------------------------------------------------------------
// In a whole model, such texts cross pages (64 positions), splits of attention (256), V4's ring and V3.2's
// choice of positions.

enum { N_LONG = 320, N_ROWS = 53 };

struct long_text {
    const char *name;
    uint64_t exact_hash; // of the exact logits, on every device
    bool tips; // float16 keys may change the choice of positions at its edge: only exact mode has a bound
};

static const struct long_text long_texts[] = {
    {"v2-lite", 0x6fdf6ba7e112f45bu, false},
    {"v2", 0xab838b8309799ed2u, false},
    {"v3", 0x9afdfca51c226dccu, false},
    {"llama", 0xab17e634706b0500u, false},
    {"qwen2", 0x055544adb8dfcc68u, false},
    {"qwen3", 0x6c6d85362c317231u, false},
    {"v32", 0x3676b046ee2ce9d2u, true},
    {"v4", 0xec9ec224514e5812u, true},
    {"v3-fp8", 0xe333793a7439c40au, false},
    {"glm4-lite", 0xbe43105980307db3u, false},
};

static const struct reference *reference_called(const char *name) {
    const struct reference *r = references;
    while (strcmp(r->name, name)) r++;
    return r;
}

// Some positions of a long text, with the golden logits there.
struct long_golden {
    int32_t *ids, *positions;
    float *logits;
};

static struct long_golden read_long_golden(const struct long_text *text) {
    char file[64];
    snprintf(file, sizeof(file), "%s/long.safetensors", text->name);
    return (struct long_golden){tensor(file, "input_ids", N_LONG), tensor(file, "rows", N_ROWS),
        tensor(file, "logits", (size_t)N_ROWS * N_VOCAB)};
}

static void free_long_golden(struct long_golden *g) {
    free(g->ids);
    free(g->positions);
    free(g->logits);
}

// Devices differ in pipelines and rounding, but not in the ways of reading. So all four ways run on one
// subgroup size of a CPU and on cards. Elsewhere one way runs, and the hash stands for the others.
static bool reads_all_ways(struct fathom_engine *engine) {
    const struct fathom_gpu_info *info = fathom_gpu_get_info(fathom_engine_get_gpu(engine));
    return info->type != FATHOM_GPU_CPU || info->subgroup_size == 8;
}

// Returns true if all ways of reading were tried.
static bool check_long_exact(const struct long_text *text) {
    const struct reference *r = reference_called(text->name);
    struct fathom_engine *engine = open_engine(r, true);
    struct long_golden want = read_long_golden(text);
    const bool all_ways = reads_all_ways(engine);
    for (enum way way = all_ways ? ONE_CHUNK : CHUNKS_OF_64; way < N_LONG_WAYS; way++) {
        float *got = read_logits(engine, want.ids, N_LONG, way);
        const uint64_t hash = hash_floats(got, (size_t)N_LONG * N_VOCAB);
        double worst = 0;
        for (uint32_t i = 0; i < N_ROWS; i++)
            for (uint32_t j = 0; j < N_VOCAB; j++) {
                const double d =
                    fabs((double)got[want.positions[i] * N_VOCAB + j] - want.logits[i * N_VOCAB + j]);
                if (!(d <= worst)) worst = d; // a NaN stays
            }
        print_message("%s exact, %d tokens, %s: largest difference %.2e, hash %016llx\n", text->name, N_LONG,
            way_names[way], worst, (unsigned long long)hash);
        assert_true(worst <= r->width * 1e-4);
        assert_int_equal(hash, text->exact_hash);
        free(got);
    }
    free_long_golden(&want);
    fathom_engine_destroy(&engine);
    return all_ways;
}

static void check_long_default(const struct long_text *text) {
    const struct reference *r = reference_called(text->name);
    struct fathom_engine *engine = open_engine(r, false);
    struct long_golden want = read_long_golden(text);
    for (enum way way = TOKEN_BY_TOKEN; way < N_LONG_WAYS; way++) {
        float *got = read_logits(engine, want.ids, N_LONG, way);
        for (uint32_t i = 0; i < N_ROWS; i++) // positions ascend
            memmove(got + i * N_VOCAB, got + want.positions[i] * N_VOCAB, sizeof(float) * N_VOCAB);
        check_close(r, "default, 320 tokens", way_names[way], want.logits, got, N_ROWS, 1e-4);
        free(got);
    }
    free_long_golden(&want);
    fathom_engine_destroy(&engine);
}

// Default mode, where exact mode reads in all ways. On other devices the operators' own tests cross splits.
static void long_texts_read(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(long_texts) / sizeof(*long_texts); i++) {
        const bool all_ways = check_long_exact(&long_texts[i]);
        if (all_ways && !long_texts[i].tips) check_long_default(&long_texts[i]);
    }
}

#define MODEL_TESTS(name, i) \
    static void name##_exact(void **state) { \
        (void)state; \
        check_exact(&references[i]); \
    } \
    static void name##_default(void **state) { \
        (void)state; \
        check_default(&references[i]); \
    }
MODEL_TESTS(v2_lite, 0)
MODEL_TESTS(v2, 1)
MODEL_TESTS(v3, 2)
MODEL_TESTS(minnow, 3)
MODEL_TESTS(llama, 4)
MODEL_TESTS(qwen2, 5)
MODEL_TESTS(qwen3, 6)
MODEL_TESTS(v32, 7)
MODEL_TESTS(v4, 8)
MODEL_TESTS(v3_fp8, 9)
MODEL_TESTS(glm4_lite, 10)

int main(void) {
    // One architecture with the variants of cards. The code above the device is the same on all devices.
    const struct CMUnitTest of_card[] = {cmocka_unit_test(v3_exact), cmocka_unit_test(v3_default)};
    if (device_is_card()) return cmocka_run_group_tests(of_card, NULL, NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(v2_lite_exact),
        cmocka_unit_test(v2_lite_default),
        cmocka_unit_test(v2_exact),
        cmocka_unit_test(v2_default),
        cmocka_unit_test(v3_exact),
        cmocka_unit_test(v3_default),
        cmocka_unit_test(minnow_exact),
        cmocka_unit_test(minnow_default),
        cmocka_unit_test(llama_exact),
        cmocka_unit_test(llama_default),
        cmocka_unit_test(qwen2_exact),
        cmocka_unit_test(qwen2_default),
        cmocka_unit_test(qwen3_exact),
        cmocka_unit_test(qwen3_default),
        cmocka_unit_test(v32_exact),
        cmocka_unit_test(v32_default),
        cmocka_unit_test(v4_exact),
        cmocka_unit_test(v4_default),
        cmocka_unit_test(v3_fp8_exact),
        cmocka_unit_test(v3_fp8_default),
        cmocka_unit_test(glm4_lite_exact),
        cmocka_unit_test(glm4_lite_default),
        cmocka_unit_test(cache_8bit),
        cmocka_unit_test(every_variant),
        cmocka_unit_test(full_barriers),
        cmocka_unit_test(long_texts_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
