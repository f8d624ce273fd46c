// Weights that are NaN or infinite: every way to a token or a row of logits fails with an error that says so.
#include "device.h"
#include "engine/golden.h"
#include "file/tensors.h"
#include <fathom/fathom.h>
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

static const char demo[] = FATHOM_SOURCE_DIR "/tools/demo/minnow-q8_0.gguf";
enum { N_PROMPT = 5, ODD = 300 /* a token of which the prompts have one */ };
static const int32_t prompt[N_PROMPT] = {1, 2, 3, 4, 5}, late[N_PROMPT] = {1, 2, 3, ODD, 5};

// A copy of the demonstration model with other bytes at `offset` of a tensor. The caller frees the path.
static char *damage(const char *tensor, uint64_t offset, const void *bytes, size_t n) {
    struct fathom_error err = {0};
    size_t size = 0;
    char *file = read_whole_file(demo, &size), *path = strdup("/tmp/fathom-not-finite-XXXXXX");
    struct fm_tensors *tensors = fm_tensors_open(demo, &err);
    if (!tensors) fail_msg("%s", err.message);
    const struct fm_tensor *t = fm_tensors_find(tensors, tensor);
    assert_non_null(file);
    assert_non_null(path);
    assert_non_null(t);
    assert_in_range(offset + n, 1, t->size);
    const void *data = fm_tensor_map(tensors, t);
    const struct fathom_host_range whole = fm_tensors_around(tensors, data);
    assert_non_null(data);
    memcpy(file + ((const char *)data - (const char *)whole.data) + offset, bytes, n);
    const int f = mkstemp(path);
    assert_true(f >= 0);
    assert_int_equal(write(f, file, size), size);
    close(f);
    fm_tensors_close(&tensors);
    free(file);
    return path;
}

static bool count(void *user, int32_t id) {
    (void)id;
    ++*(uint32_t *)user;
    return true;
}

static void says_so(bool ok, const struct fathom_error *err, const char *says) {
    if (ok) fail_msg("no error");
    assert_int_equal(err->status, FATHOM_INVALID);
    if (!strstr(err->message, says)) fail_msg("\"%s\" and not \"%s\"", err->message, says);
}

// The logits of `ids` are not finite from position n_good on. (In a chunk of prefill those before it may not
// be either: attention weighs the positions ahead with 0, and 0 times NaN is NaN.)
static void every_way(const char *path, uint32_t n_drafts, const int32_t *ids, uint32_t n_good) {
    struct fathom_error err = {0};
    struct fathom_engine *engine = open_on_device(
        (struct opening){.engine = {.model = path, .n_context = 64, .n_drafts = n_drafts}}, &err);
    struct fathom_session *s = engine ? fathom_session_create(engine, NULL, &err) : NULL;
    if (!s) fail_msg("%s", err.message);
    const uint32_t n_vocab = fathom_engine_get_info(engine)->n_vocab;
    float *logits = malloc(sizeof(*logits) * N_PROMPT * n_vocab);
    char at[64];
    snprintf(at, sizeof(at), "at position %u are not finite", n_good);
    assert_non_null(logits);
    const struct fathom_sampling samplings[] = {FATHOM_INIT(fathom_sampling),
        FATHOM_INIT(fathom_sampling, .temperature = 1),
        FATHOM_INIT(fathom_sampling, .temperature = 1, .top_k = 20, .top_p = 0.9f, .repeat_penalty = 1.2f)};
    for (size_t i = 0; i < sizeof(samplings) / sizeof(*samplings); i++) {
        uint32_t n = 0, n_new = 9;
        err = (struct fathom_error){0};
        if (!fathom_session_truncate(s, 0, &err) || !fathom_session_append(s, ids, n_good + 1, NULL, &err))
            fail_msg("%s", err.message);
        says_so(generate_of(s, &samplings[i], 20, count, &n, &n_new, &err), &err, at);
        assert_int_equal(n, 0);
        assert_int_equal(n_new, 0);
    }
    assert_true(fathom_session_truncate(s, 0, NULL));
    err = (struct fathom_error){0};
    says_so(fathom_session_append(s, ids, N_PROMPT, logits, &err), &err, "not finite");
    for (int i = 0; i < 2; i++) { // with logits and without
        assert_true(fathom_session_truncate(s, 0, NULL));
        err = (struct fathom_error){0};
        says_so(fathom_session_append_decode(s, ids, N_PROMPT, i ? logits : NULL, &err), &err, at);
        assert_int_equal(fathom_session_length(s), n_good);
    }
    free(logits);
    fathom_session_destroy(&s);
    struct fathom_chat *chat = fathom_chat_create(engine, NULL, &err);
    if (!chat) fail_msg("%s", err.message);
    if (n_good == 0) {
        err = (struct fathom_error){0};
        says_so(ask_of(chat, "1 + 1?", 5, NULL, &err), &err, "not finite");
    }
    fathom_chat_destroy(&chat);
    fathom_engine_destroy(&engine);
}

static void damaged(
    const char *tensor, uint64_t offset, const void *bytes, size_t n, const int32_t *ids, uint32_t n_good) {
    char *path = damage(tensor, offset, bytes, n);
    // every second file, for the time that an engine takes to start
    static uint32_t n_drafts = 0;
    every_way(path, n_drafts, ids, n_good);
    n_drafts = 2 - n_drafts;
    unlink(path);
    free(path);
}

// The norm before the head makes all logits NaN or infinite; one scale of the head's matrix makes one logit
// so.
static void weights(void **state) {
    (void)state;
    const float nan = NAN, infinity = INFINITY;
    const uint16_t half_nan = 0x7e00, half_infinity = 0x7c00;
    damaged("output_norm.weight", 12, &nan, 4, prompt, 0);
    damaged("output_norm.weight", 12, &infinity, 4, prompt, 0);
    damaged("output.weight", 700 * 256 / 32 * 34, &half_infinity, 2, prompt, 0);
    damaged("output.weight", 700 * 256 / 32 * 34, &half_nan, 2, prompt, 0);
}

// The row of a token in the middle of the text: what comes before it is as ever.
static void later(void **state) {
    (void)state;
    const uint16_t nan = 0x7e00;
    damaged("token_embd.weight", ODD * 256 / 32 * 34, &nan, 2, late, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(weights), cmocka_unit_test(later)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
