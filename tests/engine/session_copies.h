// Shared by the tests of sessions that are copied, saved and steered: engines by name, prompts, generated
// texts.
#ifndef TEST_SESSION_COPIES_H
#define TEST_SESSION_COPIES_H
// cmocka wants these first
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "device.h"
#include <fathom/fathom.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEMO FATHOM_SOURCE_DIR "/tools/demo/minnow-q8_0.gguf"

enum { MAX_TEXT = 200, N_CONTEXT = 256 };

static const struct fathom_sampling greedy = {.size = sizeof(greedy)},
                                    warm = {
                                        .size = sizeof(warm),
                                        .temperature = 1.2f,
                                        .top_k = 50,
                                        .top_p = 0.95f,
                                        .min_p = 0.01f,
                                        .repeat_penalty = 1.3f,
                                        .seed = 0x123456789abcdefu,
};

// model: a folder of tests/data/reference, or NULL: the demonstration model, which has a draft layer.
static inline struct fathom_engine *open_named(const char *model, struct opening o) {
    struct fathom_error err = {0};
    char path[512];
    snprintf(path, sizeof(path), FATHOM_SOURCE_DIR "/tests/data/reference/%s", model ? model : "");
    o.engine.model = model ? path : DEMO;
    if (!o.engine.n_context) o.engine.n_context = N_CONTEXT;
    struct fathom_engine *engine = open_on_device(o, &err);
    if (!engine) fail_msg("%s", err.message);
    if (o.engine.experts) assert_int_equal(fathom_engine_get_plan(engine)->experts, o.engine.experts);
    return engine;
}

static inline struct fathom_session *open_session(struct fathom_engine *engine, uint32_t n_chunk) {
    struct fathom_error err = {0};
    struct fathom_session *session =
        fathom_session_create(engine, &FATHOM_INIT(fathom_session_params, .n_chunk = n_chunk), &err);
    if (!session) fail_msg("%s", err.message);
    return session;
}

static inline void read_prompt(struct fathom_session *session, uint32_t n) {
    struct fathom_error err = {0};
    int32_t ids[MAX_TEXT];
    for (uint32_t i = 0; i < n; i++) ids[i] = (int32_t)((i * 2654435761u >> 16) % 700);
    if (!fathom_session_append(session, ids, n, NULL, &err)) fail_msg("%s", err.message);
}

struct text {
    int32_t ids[MAX_TEXT];
    uint32_t n, refused; // the number of the token that is refused; 0: none
};

static inline bool collect(void *user, int32_t id) {
    struct text *t = user;
    t->ids[t->n++] = id;
    return t->n != t->refused;
}

// refused: as in struct text.
static inline struct text write_on(
    struct fathom_session *session, const struct fathom_sampling *sampling, uint32_t n, uint32_t refused) {
    struct fathom_error err = {0};
    struct text text = {.refused = refused};
    uint32_t n_new;
    if (!generate_of(session, sampling, n, collect, &text, &n_new, &err)) fail_msg("%s", err.message);
    assert_int_equal(text.n, refused ? refused : n);
    return text;
}

// The logits after the last token. The caller frees them.
static inline float *last_logits(struct fathom_session *session, uint32_t n_vocab) {
    struct fathom_error err = {0};
    float *logits = malloc(sizeof(*logits) * n_vocab);
    if (!fathom_session_get_logits(session, logits, &err)) fail_msg("%s", err.message);
    return logits;
}

// The name of a file that does not exist yet.
static inline void free_name(char path[64]) {
    strcpy(path, "/tmp/fathom-session-XXXXXX");
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    unlink(path);
}
#endif
