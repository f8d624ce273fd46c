// Tuning of a model: choices are measured once, and then the file alone decides. And tuning of every
// architecture: all calls of its pass are found, and its logits stay those of the reference.
#include "device.h"
#include "engine/golden.h"
#include "engine/session.h"
#include "gpu/internal.h"
#include "gpu/tuned.h"
#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// after the standard headers
#include <cmocka.h>

static char folder[32];

struct heard {
    int n_notices, n_warnings;
    char notice[1024];
};
static struct heard heard;
static void hear(void *user, enum fathom_log_level level, const char *message) {
    (void)user;
    heard.n_warnings += level == FATHOM_LOG_WARNING;
    if (level != FATHOM_LOG_NOTICE) return;
    if (!heard.n_notices++) snprintf(heard.notice, sizeof(heard.notice), "%s", message);
}

static struct fathom_engine *start_model(const char *model, struct opening opening) {
    struct fathom_error err = {0};
    char path[512];
    snprintf(path, sizeof(path), FATHOM_SOURCE_DIR "/%s", model);
    heard = (struct heard){0};
    opening.engine.model = path;
    opening.gpu.log.write = hear;
    struct fathom_engine *engine = open_opening(opening, &err);
    if (!engine) fail_msg("%s", err.message);
    return engine;
}

static struct fathom_engine *start(struct opening opening, enum fathom_tuning tuning) {
    opening.engine.n_context = 256;
    opening.engine.tuning = tuning;
    return start_model("tools/demo/minnow-q8_0.gguf", opening);
}

static void finish(struct fathom_engine **engine) {
    fathom_engine_destroy(engine);
}

static int make_folder(void **state) {
    (void)state;
    strcpy(folder, "/tmp/fathom-tune-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int n_tuning_files(char *path, size_t size) {
    DIR *d = opendir(folder);
    int n = 0;
    for (struct dirent *e; d && (e = readdir(d));)
        if (!strncmp(e->d_name, "tuning-", 7)) snprintf(path, size, "%s/%s", folder, e->d_name), n++;
    if (d) closedir(d);
    return n;
}

static int remove_folder(void **state) {
    (void)state;
    char path[512];
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
        if (e->d_name[0] != '.') unlink(path);
    }
    if (d) closedir(d);
    return rmdir(folder);
}

static void test_first_and_second_start(void **state) {
    (void)state;
    char path[512];
    struct fathom_engine *engine = start((struct opening){.gpu.cache_dir = folder}, FATHOM_TUNING_QUICK);
    assert_int_equal(heard.n_notices, 1);
    assert_non_null(strstr(heard.notice, "first use of this model on"));
    assert_int_equal(heard.n_warnings, 0);
    assert_int_equal(n_tuning_files(path, sizeof(path)), 1);
    const size_t n = engine->gpu->n_tuned;
    finish(&engine);
    engine = start((struct opening){.gpu.cache_dir = folder}, FATHOM_TUNING_QUICK);
    assert_int_equal(heard.n_notices, 0);
    assert_int_equal(engine->gpu->n_tuned, n);
    assert_int_equal(counters_of(engine->gpu).dispatches, 0); // nothing was measured
    finish(&engine);
    // only the folder keeps the choices
    engine = start((struct opening){0}, FATHOM_TUNING_QUICK);
    assert_int_equal(heard.n_notices, 0);
    finish(&engine);
}

static bool stop_soon(void *user, enum fathom_phase phase, uint64_t done, uint64_t total) {
    (void)total;
    return phase != FATHOM_PHASE_TUNE || done < *(const uint64_t *)user;
}

// most: calls to measure, after which the tuning is cancelled; NULL: all.
static bool tune_of(struct fathom_engine *engine, double seconds, uint64_t *most, struct fathom_error *err) {
    const struct fathom_tune_params params = {
        .size = sizeof(params),
        .seconds = seconds,
        .progress = {most ? stop_soon : NULL, most},
    };
    const bool ok = fathom_engine_tune(engine, &params, err);
    if (!most) return ok;
    assert_false(ok);
    assert_int_equal(err->status, FATHOM_CANCELLED);
    assert_non_null(strstr(err->message, "cancelled"));
    *err = (struct fathom_error){0};
    return true;
}

// Does a decode step use the plain variant of expert_up, and no other?
static void check_step(struct fathom_engine *engine, bool plain) {
    struct fathom_error err = {0};
    const int32_t ids[] = {1, 2, 3};
    struct fathom_session *s = fathom_session_create(engine, NULL, &err);
    if (!s || !fathom_session_append_decode(s, ids, 3, NULL, &err)) fail_msg("%s", err.message);
    const size_t n = fathom_session_read_timings(s, true);
    uint32_t n_seen = 0;
    for (size_t i = 0; i < n; i++) {
        const struct fathom_dispatch_time *t = fathom_session_get_timing(s, true, i);
        if (strcmp(t->op, "expert_up")) continue;
        assert_int_equal(!strcmp(t->variant, "plain"), plain);
        n_seen++;
    }
    assert_true(n_seen >= engine->hp.n_layers);
    fathom_session_destroy(&s);
}

// Every later engine uses the choices of a full tuning.
static void test_file_decides(void **state) {
    (void)state;
    struct fathom_error err = {0};
    char path[512];
    uint64_t most = 6;
    struct fathom_engine *engine =
        start((struct opening){.gpu.cache_dir = folder, .gpu.timers = true}, FATHOM_TUNING_OFF);
    assert_int_equal(heard.n_notices + n_tuning_files(path, sizeof(path)), 0);
    uint64_t none = 0; // a tuning that measured nothing writes no file, which would be taken for a tuning
    if (!tune_of(engine, 600, &none, &err)) fail_msg("%s", err.message);
    assert_int_equal(n_tuning_files(path, sizeof(path)), 0);
    if (!tune_of(engine, 600, &most, &err)) fail_msg("%s", err.message);
    assert_int_equal(heard.n_warnings, 0);
    assert_int_equal(fathom_engine_count_tuned(engine), 6);
    assert_int_equal(engine->gpu->n_tuned, 6);
    for (size_t i = 0; i < fathom_engine_count_tuned(engine); i++) {
        const struct fathom_tuned *t = fathom_engine_get_tuned(engine, i);
        assert_int_equal(t->n_tokens, 1);
        assert_string_not_equal(t->default_variant, "");
        assert_string_not_equal(t->best, "");
        assert_true(t->best_nanoseconds > 0);
        assert_true(t->best_nanoseconds <= t->default_nanoseconds);
        assert_true(t->n_measured >= 1);
        assert_int_equal(t->n_wrong, 0);
    }
    struct fm_tuned rows[6];
    memcpy(rows, engine->gpu->tuned, sizeof(rows));
    finish(&engine);
    engine = start((struct opening){.gpu.cache_dir = folder, .gpu.timers = true}, FATHOM_TUNING_QUICK);
    assert_int_equal(heard.n_notices, 0);
    assert_int_equal(engine->gpu->n_tuned, 6);
    assert_memory_equal(engine->gpu->tuned, rows, sizeof(rows));
    // slow choices, as if they had been measured
    uint32_t n_changed = 0;
    for (size_t i = 0; i < 6; i++)
        if (!strcmp(engine->gpu->tuned[i].op, "expert_up"))
            strcpy(engine->gpu->tuned[i].variant, "plain"), n_changed++;
    assert_int_equal(n_changed, 2); // dense layers, and those with experts
    fm_tuned_save(engine->gpu, engine->tuning_key);
    finish(&engine);
    engine = start((struct opening){.gpu.cache_dir = folder, .gpu.timers = true}, FATHOM_TUNING_QUICK);
    check_step(engine, true);
    finish(&engine);
    engine = start((struct opening){.gpu.cache_dir = folder, .gpu.timers = true}, FATHOM_TUNING_OFF);
    check_step(engine, false);
    finish(&engine);
    engine = start((struct opening){.gpu.cache_dir = folder}, FATHOM_TUNING_OFF);
    assert_int_equal(engine->gpu->n_tuned, 0);
    finish(&engine);
    engine = start((struct opening){.gpu.cache_dir = folder, .gpu.exact = true}, FATHOM_TUNING_QUICK);
    assert_int_equal(engine->gpu->n_tuned, 0);
    if (tune_of(engine, 1, NULL, &err)) fail_msg("exact mode was tuned");
    assert_non_null(strstr(err.message, "exact mode"));
    finish(&engine);
    engine =
        start((struct opening){.gpu.cache_dir = folder, .gpu.variants = "matmul=plain"}, FATHOM_TUNING_QUICK);
    assert_int_equal(engine->gpu->n_tuned, 0);
    finish(&engine);
}

// A full tuning's file is damaged: a notice, and a new file takes its place.
static void test_damaged(void **state) {
    (void)state;
    char path[512];
    struct fathom_engine *engine = start((struct opening){.gpu.cache_dir = folder}, FATHOM_TUNING_QUICK);
    finish(&engine);
    assert_int_equal(n_tuning_files(path, sizeof(path)), 1);
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    fseek(f, -1, SEEK_END);
    const int byte = fgetc(f);
    fseek(f, -1, SEEK_END);
    fputc(byte ^ 1, f);
    fclose(f);
    engine = start((struct opening){.gpu.cache_dir = folder}, FATHOM_TUNING_QUICK);
    assert_int_equal(heard.n_notices, 2);
    assert_non_null(strstr(heard.notice, "is damaged"));
    finish(&engine);
    engine = start((struct opening){.gpu.cache_dir = folder}, FATHOM_TUNING_QUICK);
    assert_int_equal(heard.n_notices, 0);
    finish(&engine);
}

// ---- Every architecture ----------------------------------------------------------------------------------

enum { N_TOKENS = 64, N_VOCAB = 768, MAX_LIST = 128, N_MEASURED = 2 };

static const struct model {
    const char *name, *golden;
    bool cache_8bit;
    double most;
} models[] = {
    {"v2-lite", "golden", false, 1e-4},
    {"v2", "golden", false, 1e-4},
    {"v3", "golden", false, 1e-4},
    {"v3-fp8", "golden", false, 1e-4},
    {"v32", "golden", false, 1e-4},
    {"v4", "golden", false, 1e-4},
    {"llama", "golden", false, 1e-4},
    {"qwen2", "golden", false, 1e-4},
    {"qwen3", "golden", false, 1e-4},
    {"v2-lite", "golden", true, 1e-3},
};
enum { N_MODELS = sizeof(models) / sizeof(models[0]), V4 = 5, LLAMA = 6 };

static struct fathom_engine *open_model(const struct model *m, struct opening opening) {
    char path[64];
    snprintf(path, sizeof(path), "tests/data/reference/%s", m->name);
    opening.engine.n_context = N_TOKENS;
    opening.engine.cache_8bit = m->cache_8bit;
    opening.engine.tuning = FATHOM_TUNING_OFF;
    return start_model(path, opening);
}

// Checks that all calls of every number of tokens are there. Attention is one, with the cache's type.
static void check_list(const struct model *m, const struct fathom_engine *engine) {
    const size_t n = fathom_engine_count_tuned(engine);
    static const uint32_t counts[] = {1, N_TOKENS, 2, 4, 8};
    size_t n_listed = 0;
    for (size_t c = 0; c < sizeof(counts) / sizeof(*counts); c++) {
        uint32_t n_attention = 0, n_matmul = 0, n_down = 0;
        for (size_t i = 0; i < n; i++) {
            const struct fathom_tuned *t = fathom_engine_get_tuned(engine, i);
            if (t->n_tokens != counts[c]) continue;
            n_listed++;
            n_matmul += !strcmp(t->op, "matmul");
            n_down += !strcmp(t->op, "expert_down");
            if (!strstr(t->op, "attention")) continue;
            n_attention++;
            assert_int_equal(strncmp(t->what, m->cache_8bit ? "Q8_0 " : "F16 ", m->cache_8bit ? 5 : 4), 0);
        }
        assert_int_equal(n_attention, 1);
        assert_in_range(n_matmul, 2, 12); // a chunk's pass has no head
        assert_in_range(n_down, 1, 2);    // dense layers, and those with experts
    }
    assert_int_equal(n_listed, n);
}

static int compare_doubles(const void *a, const void *b) {
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

// The mean divergence from the reference's logits, in nats, without the two largest of 64 tokens: a near tie
// in a gate may have the other outcome.
static double divergence(const struct model *m, struct fathom_engine *engine) {
    struct fathom_error err = {0};
    char path[512];
    size_t n_ids = 0, n_logits = 0;
    snprintf(
        path, sizeof(path), FATHOM_SOURCE_DIR "/tests/data/reference/%s/%s.safetensors", m->name, m->golden);
    int32_t *ids = golden_tensor(path, "input_ids", &n_ids);
    float *want = golden_tensor(path, "logits", &n_logits), *got = malloc(sizeof(float) * N_TOKENS * N_VOCAB);
    if (!ids || !want || !got || n_ids != N_TOKENS || n_logits != N_TOKENS * N_VOCAB) fail_msg("%s", path);
    struct fathom_session *s = fathom_session_create(engine, NULL, &err);
    // a chunk, then token by token
    if (!s || !fathom_session_append(s, ids, N_TOKENS / 2, got, &err) ||
        !fathom_session_append_decode(
            s, ids + N_TOKENS / 2, N_TOKENS / 2, got + N_TOKENS / 2 * N_VOCAB, &err))
        fail_msg("%s", err.message);
    double kl[N_TOKENS], sum = 0;
    for (int t = 0; t < N_TOKENS; t++) {
        const float *a = want + t * N_VOCAB, *b = got + t * N_VOCAB;
        double za = 0, zb = 0;
        for (int i = 0; i < N_VOCAB; i++) za += exp(a[i]), zb += exp(b[i]);
        kl[t] = 0;
        for (int i = 0; i < N_VOCAB; i++) kl[t] += exp(a[i]) / za * ((a[i] - log(za)) - (b[i] - log(zb)));
        assert_true(kl[t] > -1e-9);
    }
    qsort(kl, N_TOKENS, sizeof(*kl), compare_doubles);
    for (int t = 0; t < N_TOKENS - 2; t++) sum += kl[t] / (N_TOKENS - 2);
    fathom_session_destroy(&s);
    free(ids);
    free(want);
    free(got);
    return sum;
}

static void test_every_model(void **state) {
    (void)state;
    struct fathom_error err = {0};
    for (int i = 0; i < N_MODELS; i++) {
        const struct model *m = &models[i];
        struct fathom_engine *engine = open_model(m, (struct opening){0});
        uint64_t most = N_MEASURED;
        // no time at all: all calls are listed, none is measured
        if (!tune_of(engine, 1e-9, NULL, &err)) fail_msg("%s: %s", m->name, err.message);
        check_list(m, engine);
        for (size_t j = 0; j < fathom_engine_count_tuned(engine); j++) {
            assert_int_equal(fathom_engine_get_tuned(engine, j)->best[0], 0);
            assert_int_equal(fathom_engine_get_tuned(engine, j)->n_measured, 0);
        }
        assert_int_equal(engine->gpu->n_tuned, 0);
        if (!tune_of(engine, 600, &most, &err)) fail_msg("%s: %s", m->name, err.message);
        assert_int_equal(fathom_engine_count_tuned(engine), N_MEASURED);
        assert_int_equal(engine->gpu->n_tuned, N_MEASURED);
        for (size_t j = 0; j < fathom_engine_count_tuned(engine); j++) {
            assert_true(fathom_engine_get_tuned(engine, j)->best[0]);
            assert_int_equal(fathom_engine_get_tuned(engine, j)->n_wrong, 0);
        }
        const struct fathom_tuned *t = fathom_engine_get_tuned(engine, 0);
        const double kl = divergence(m, engine);
        print_message("%s%s: mean divergence %.2e after %s %s for %s\n", m->name,
            m->cache_8bit ? ", 8-bit cache" : "", kl, t->op, t->best, t->default_variant);
        assert_true(kl < m->most);
        assert_int_equal(heard.n_warnings, 0);
        finish(&engine);
    }
}

// All calls of the quick form on a card, with those of a chunk. A card's defaults differ from a CPU's, and
// buffers are staged.
static void test_quick_form(void **state) {
    (void)state;
    struct fathom_error err = {0};
    struct fm_tune_outcome outcome;
    struct fathom_engine *engine = open_model(&models[LLAMA], (struct opening){.debug.discrete = true});
    if (!fm_tune_quickly(engine, 600, 0, NULL, &outcome, &err)) fail_msg("%s", err.message);
    assert_int_equal(heard.n_warnings, 0);
    assert_true(outcome.n_calls > 20);
    assert_int_equal(outcome.n_measured, outcome.n_calls);
    assert_int_equal(engine->gpu->n_tuned, outcome.n_calls);
    uint32_t n_chunk = 0;
    for (size_t i = 0; i < engine->gpu->n_tuned; i++)
        n_chunk += engine->gpu->tuned[i].last_token == UINT32_MAX;
    assert_true(n_chunk >= 5);
    const double kl = divergence(&models[LLAMA], engine);
    print_message("%zu calls, mean divergence %.2e\n", outcome.n_calls, kl);
    assert_true(kl < models[LLAMA].most);
    finish(&engine);
}

// A first start that fails or is stopped leaves no file, so that the next start tries again. A start without
// time leaves a file.
static void test_first_start_of_a_card(void **state) {
    (void)state;
    struct fathom_error err = {0};
    struct fm_tune_outcome outcome;
    char path[512];
    uint64_t none = 0;
    struct fathom_engine *engine =
        open_model(&models[V4], (struct opening){.debug.discrete = true, .gpu.cache_dir = folder});
    struct fm_watch watch = {.progress = {stop_soon, &none}};
    assert_false(fm_tune_start(engine, &watch, &err));
    assert_int_equal(err.status, FATHOM_CANCELLED);
    assert_int_equal(n_tuning_files(path, sizeof(path)) + (int)engine->gpu->n_tuned + heard.n_notices, 0);
    struct fathom_weight *head = engine->weights.head;
    engine->weights.head = NULL;
    assert_true(fm_tune_start(engine, NULL, &err));
    assert_int_equal(heard.n_warnings, 1);
    assert_int_equal(n_tuning_files(path, sizeof(path)) + (int)engine->gpu->n_tuned + heard.n_notices, 0);
    engine->weights.head = head;
    if (!fm_tune_quickly(engine, 1e-9, 0, NULL, &outcome, &err)) fail_msg("%s", err.message);
    assert_int_equal(outcome.n_measured, 0);
    assert_true(outcome.n_calls > 40);
    if (!fm_tune_start(engine, NULL, &err)) fail_msg("%s", err.message);
    // where there was no time to measure a call, the next start tries again
    const bool kept = !strstr(heard.notice, "the next start tries again");
    assert_int_equal(n_tuning_files(path, sizeof(path)), kept);
    assert_int_equal(heard.n_notices, 1);
    assert_non_null(strstr(heard.notice, "first use of this model on"));
    print_message("%s\n", heard.notice);
    if (kept) {
        const size_t n = engine->gpu->n_tuned;
        const uint64_t before = counters_of(engine->gpu).dispatches;
        if (!fm_tune_start(engine, NULL, &err)) fail_msg("%s", err.message);
        assert_int_equal(heard.n_notices, 1);
        assert_int_equal(engine->gpu->n_tuned, n);
        assert_int_equal(counters_of(engine->gpu).dispatches, before);
    }
    finish(&engine);
}

// Another type of the cache, or another model, has another file.
static void test_key(void **state) {
    (void)state;
    uint64_t keys[N_MODELS];
    for (int i = 0; i < N_MODELS; i++) {
        struct fathom_engine *engine = open_model(&models[i], (struct opening){0});
        keys[i] = engine->tuning_key;
        finish(&engine);
        for (int j = 0; j < i; j++) assert_int_not_equal(keys[i], keys[j]);
    }
    struct fathom_engine *engine = open_model(&models[0], (struct opening){0});
    assert_int_equal(engine->tuning_key, keys[0]);
    finish(&engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_first_and_second_start, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_file_decides, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_damaged, make_folder, remove_folder),
        cmocka_unit_test(test_key),
        cmocka_unit_test(test_every_model),
        cmocka_unit_test(test_quick_form),
        cmocka_unit_test_setup_teardown(test_first_start_of_a_card, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
