// Chats with the demonstration model in exact mode, in which equal texts have equal answers however their
// parts were read.
#ifndef TEST_CHAT_SUPPORT_H
#define TEST_CHAT_SUPPORT_H
#include "device.h"
#include <fathom/fathom.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
// after the standard headers
#include <cmocka.h>

static const char paul[] = "Paul a 8 boîtes de 62 livres. Combien de livres en tout ?",
                  three[] = "Et 3 boîtes ?";

static int open_engine(void **state) {
    struct fathom_error err = {0};
    *state = open_opening((struct opening){.engine.model = FATHOM_SOURCE_DIR "/tools/demo/minnow-q8_0.gguf",
                              .engine.n_context = 1024,
                              .gpu.exact = true},
        &err);
    if (!*state) print_error("%s\n", err.message);
    return *state ? 0 : -1;
}

static int close_engine(void **state) {
    fathom_engine_destroy((struct fathom_engine **)state);
    return 0;
}

static inline struct fathom_chat *open_chat(
    struct fathom_engine *engine, const struct fathom_chat_params *params) {
    struct fathom_error err = {0};
    struct fathom_chat *chat = fathom_chat_create(engine, params, &err);
    if (!chat) fail_msg("%s", err.message);
    return chat;
}

static const struct fathom_sampling greedy = {.size = sizeof(greedy)};

// A reply whose texts are copies.
struct said {
    struct fathom_reply r;
    char thought[2048], answer[2048];
    int32_t ids[512];
};

static inline void keep(struct said *said) {
    assert_true(said->r.n_ids <= 512);
    assert_true(strlen(said->r.thought) < 2048);
    assert_true(strlen(said->r.answer) < 2048);
    strcpy(said->thought, said->r.thought);
    strcpy(said->answer, said->r.answer);
    if (said->r.n_ids) memcpy(said->ids, said->r.ids, said->r.n_ids * sizeof(*said->ids));
}

// Greedy unless p has a sampling.
static inline void ask(
    struct fathom_chat *chat, const char *question, struct fathom_ask_params p, struct said *said) {
    struct fathom_error err = {0};
    p.size = sizeof(p), said->r.size = sizeof(said->r);
    if (!p.sampling) p.sampling = &greedy;
    if (!fathom_chat_ask(chat, question, &p, &said->r, &err)) fail_msg("%s", err.message);
    keep(said);
}

static inline void regenerate(struct fathom_chat *chat, struct fathom_ask_params p, struct said *said) {
    struct fathom_error err = {0};
    p.size = sizeof(p), said->r.size = sizeof(said->r);
    if (!p.sampling) p.sampling = &greedy;
    if (!fathom_chat_regenerate(chat, &p, &said->r, &err)) fail_msg("%s", err.message);
    keep(said);
}

static inline void add(struct fathom_chat *chat, enum fathom_role role, const char *content) {
    struct fathom_error err = {0};
    if (!fathom_chat_add(chat, &FATHOM_INIT(fathom_message, role, content), &err))
        fail_msg("%s", err.message);
}

static inline void same_reply(const struct said *a, const struct said *b) {
    assert_int_equal(a->r.n_prompt_ids, b->r.n_prompt_ids);
    assert_int_equal(a->r.n_ids, b->r.n_ids);
    assert_memory_equal(a->ids, b->ids, a->r.n_ids * sizeof(*a->ids));
    assert_string_equal(a->thought, b->thought);
    assert_string_equal(a->answer, b->answer);
    assert_int_equal(a->r.end, b->r.end);
}

// Both have read the same tokens.
static inline void same_text(const struct fathom_chat *a, const struct fathom_chat *b) {
    const struct fathom_session *s = fathom_chat_get_session(a), *t = fathom_chat_get_session(b);
    assert_int_equal(fathom_session_length(s), fathom_session_length(t));
    assert_memory_equal(
        fathom_session_tokens(s), fathom_session_tokens(t), fathom_session_length(s) * sizeof(int32_t));
}

static inline void check_message(
    const struct fathom_chat *chat, size_t i, enum fathom_role role, const char *content) {
    const struct fathom_message *message = fathom_chat_get(chat, i);
    assert_non_null(message);
    assert_int_equal(message->size, sizeof(*message));
    assert_int_equal(message->role, role);
    assert_string_equal(message->content, content);
}
#endif
