// Tuning of a model: measured once, then the file alone decides. On the demonstration model, where it is installed.
#include "engine/session.h"
#include "gpu/internal.h"
#include "gpu/tuned.h"
#include <dirent.h>
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

struct heard { int n_notices, n_warnings; char notice[1024]; };
static struct heard heard;
static void hear(void *user, enum fathom_log_level level, const char *message) {
    (void)user;
    heard.n_warnings += level == FATHOM_LOG_WARNING;
    if (level != FATHOM_LOG_NOTICE) return;
    if (!heard.n_notices++) snprintf(heard.notice, sizeof(heard.notice), "%s", message);
}

static struct fathom_engine *start(struct fathom_gpu_params gpu, enum fathom_tuning tuning) {
    struct fathom_error err = {0};
    heard = (struct heard){0};
    gpu.log.write = hear;
    struct fathom_engine *engine = fathom_engine_create(&(struct fathom_engine_params){
        .model = FATHOM_SOURCE_DIR "/tools/demo/minnow-q8_0.gguf", .n_context = 256, .gpu = gpu, .tuning = tuning}, &err);
    if (!engine) fail_msg("%s", err.message);
    return engine;
}

static void finish(struct fathom_engine **engine) { fathom_engine_destroy(engine); }

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
    struct fathom_engine *engine = start((struct fathom_gpu_params){.cache_dir = folder}, FATHOM_TUNING_QUICK);
    assert_int_equal(heard.n_notices, 1);
    assert_non_null(strstr(heard.notice, "first use of this model on"));
    assert_int_equal(heard.n_warnings, 0);
    assert_int_equal(n_tuning_files(path, sizeof(path)), 1);
    const size_t n = engine->gpu->n_tuned;
    finish(&engine);
    engine = start((struct fathom_gpu_params){.cache_dir = folder}, FATHOM_TUNING_QUICK);
    assert_int_equal(heard.n_notices, 0);
    assert_int_equal(engine->gpu->n_tuned, n);
    assert_int_equal(fathom_gpu_get_counters(engine->gpu).dispatches, 0); // nothing was measured
    finish(&engine);
    // elsewhere than in the folder there is nothing to keep it
    engine = start((struct fathom_gpu_params){0}, FATHOM_TUNING_QUICK);
    assert_int_equal(heard.n_notices, 0);
    finish(&engine);
}

static bool stop_soon(void *user, const char *what, uint64_t done, uint64_t total) {
    (void)total;
    return strcmp(what, "tuning") || done < *(const uint64_t *)user;
}

// Does a decode step use the plain variant of expert_up, and only that one?
static void check_step(struct fathom_engine *engine, bool plain) {
    static struct fathom_timing list[1024];
    struct fathom_error err = {0};
    const int32_t ids[] = {1, 2, 3};
    struct fathom_session *s = fathom_session_create(engine, NULL, &err);
    if (!s || !fathom_session_append_decode(s, ids, 3, NULL, &err)) fail_msg("%s", err.message);
    const size_t n = fathom_stream_timings(s->decode, list, 1024);
    uint32_t n_seen = 0;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(list[i].op, "expert_up")) continue;
        assert_int_equal(!strcmp(list[i].variant, "plain"), plain);
        n_seen++;
    }
    assert_true(n_seen >= engine->hp.n_layers);
    fathom_session_destroy(&s);
}

// What a full tuning found is what every later engine uses.
static void test_file_decides(void **state) {
    (void)state;
    struct fathom_error err = {0};
    struct fathom_tuned list[6];
    size_t n;
    char path[512];
    uint64_t most = 6;
    struct fathom_engine *engine = start((struct fathom_gpu_params){.cache_dir = folder, .timers = true}, FATHOM_TUNING_OFF);
    assert_int_equal(heard.n_notices + n_tuning_files(path, sizeof(path)), 0);
    if (!fathom_engine_tune(engine, 600, &(struct fathom_progress){stop_soon, &most}, list, 6, &n, &err)) fail_msg("%s", err.message);
    assert_int_equal(heard.n_warnings, 0);
    assert_int_equal(n, 6);
    assert_int_equal(engine->gpu->n_tuned, 6);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(list[i].n_tokens, 1);
        assert_string_not_equal(list[i].usual, "");
        assert_string_not_equal(list[i].best, "");
        assert_true(list[i].best_nanoseconds > 0);
        assert_true(list[i].best_nanoseconds <= list[i].usual_nanoseconds);
        assert_true(list[i].n_measured >= 1);
        assert_int_equal(list[i].n_wrong, 0);
    }
    struct fm_tuned rows[6];
    memcpy(rows, engine->gpu->tuned, sizeof(rows));
    finish(&engine);
    engine = start((struct fathom_gpu_params){.cache_dir = folder, .timers = true}, FATHOM_TUNING_QUICK);
    assert_int_equal(heard.n_notices, 0);
    assert_int_equal(engine->gpu->n_tuned, 6);
    assert_memory_equal(engine->gpu->tuned, rows, sizeof(rows));
    // choices that nobody would make, as if they had been measured
    uint32_t n_changed = 0;
    for (size_t i = 0; i < 6; i++)
        if (!strcmp(engine->gpu->tuned[i].op, "expert_up")) strcpy(engine->gpu->tuned[i].variant, "plain"), n_changed++;
    assert_int_equal(n_changed, 2); // dense layers, and those with experts
    fm_tuned_save(engine->gpu, engine->tuning_key);
    finish(&engine);
    engine = start((struct fathom_gpu_params){.cache_dir = folder, .timers = true}, FATHOM_TUNING_QUICK);
    check_step(engine, true);
    finish(&engine);
    engine = start((struct fathom_gpu_params){.cache_dir = folder, .timers = true}, FATHOM_TUNING_OFF);
    check_step(engine, false);
    finish(&engine);
    engine = start((struct fathom_gpu_params){.cache_dir = folder}, FATHOM_TUNING_OFF);
    assert_int_equal(engine->gpu->n_tuned, 0);
    finish(&engine);
    engine = start((struct fathom_gpu_params){.cache_dir = folder, .exact = true}, FATHOM_TUNING_QUICK);
    assert_int_equal(engine->gpu->n_tuned, 0);
    if (fathom_engine_tune(engine, 1, NULL, NULL, 0, &n, &err)) fail_msg("exact mode was tuned");
    assert_non_null(strstr(err.message, "exact mode"));
    finish(&engine);
    engine = start((struct fathom_gpu_params){.cache_dir = folder, .variants = "matmul=plain"}, FATHOM_TUNING_QUICK);
    assert_int_equal(engine->gpu->n_tuned, 0);
    finish(&engine);
}

// A full tuning's file that is damaged: a notice, and another one takes its place.
static void test_damaged(void **state) {
    (void)state;
    char path[512];
    struct fathom_engine *engine = start((struct fathom_gpu_params){.cache_dir = folder}, FATHOM_TUNING_QUICK);
    finish(&engine);
    assert_int_equal(n_tuning_files(path, sizeof(path)), 1);
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    fseek(f, -1, SEEK_END);
    const int byte = fgetc(f);
    fseek(f, -1, SEEK_END);
    fputc(byte ^ 1, f);
    fclose(f);
    engine = start((struct fathom_gpu_params){.cache_dir = folder}, FATHOM_TUNING_QUICK);
    assert_int_equal(heard.n_notices, 2);
    assert_non_null(strstr(heard.notice, "is damaged"));
    finish(&engine);
    engine = start((struct fathom_gpu_params){.cache_dir = folder}, FATHOM_TUNING_QUICK);
    assert_int_equal(heard.n_notices, 0);
    finish(&engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_first_and_second_start, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_file_decides, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_damaged, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
