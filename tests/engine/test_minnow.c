// The demonstration model on its 200 questions. Answers from the float32 weights equal those of transformers
// token for token; answers from the shipped 8-bit file are right. The token checks ask every eighth question;
// all 200 with FATHOM_ALL_QUESTIONS set.
#include "device.h"
#include "engine/golden.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// after the standard headers
#include <cmocka.h>

enum { MAX_NEW = 400 };

struct question {
    int32_t prompt[512], greedy[MAX_NEW];
    uint32_t n_prompt, n_greedy;
    char *text, *answer;
};

static uint32_t read_ids(const cJSON *array, int32_t *ids, uint32_t capacity) {
    uint32_t n = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, array) {
        assert_true(n < capacity);
        ids[n++] = item->valueint;
    }
    return n;
}

// Calls `ask` for every step-th question. Returns how often `ask` returned true.
static uint32_t for_each_question(
    uint32_t step, bool (*ask)(void *context, const struct question *q), void *context, uint32_t *n_asked) {
    size_t size;
    char *file = read_whole_file(FATHOM_SOURCE_DIR "/tests/data/reference/minnow/questions.jsonl", &size),
         *rest = NULL;
    assert_non_null(file);
    uint32_t n_good = 0, i = 0;
    *n_asked = 0;
    for (char *line = strtok_r(file, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (i++ % step) continue;
        cJSON *json = cJSON_Parse(line);
        assert_non_null(json);
        struct question q = {
            .text = cJSON_GetObjectItem(json, "question")->valuestring,
            .answer = cJSON_GetObjectItem(json, "answer")->valuestring,
        };
        q.n_prompt = read_ids(cJSON_GetObjectItem(json, "prompt_ids"), q.prompt, 512);
        q.n_greedy = read_ids(cJSON_GetObjectItem(json, "greedy_ids"), q.greedy, MAX_NEW);
        n_good += ask(context, &q);
        ++*n_asked;
        cJSON_Delete(json);
    }
    free(file);
    return n_good;
}

struct collected {
    int32_t ids[MAX_NEW];
    uint32_t n;
};
static bool collect(void *user, int32_t id) {
    struct collected *c = user;
    c->ids[c->n++] = id;
    return id != 764; // Minnow's end of sentence
}

static bool same_tokens(void *context, const struct question *q) {
    struct fathom_session *session = context;
    struct fathom_error err = {0};
    struct collected got = {.n = 0};
    uint32_t n;
    if (!fathom_session_truncate(session, 0, &err) ||
        !fathom_session_append(session, q->prompt, q->n_prompt, NULL, &err) ||
        !generate_of(session, NULL, MAX_NEW, collect, &got, &n, &err))
        fail_msg("%s", err.message);
    return got.n == q->n_greedy && !memcmp(got.ids, q->greedy, sizeof(int32_t) * q->n_greedy);
}

static bool right_answer(void *context, const struct question *q) {
    struct fathom_error err = {0};
    struct fathom_reply reply;
    fathom_chat_clear(context);
    if (!ask_of(context, q->text, MAX_NEW, &reply, &err)) fail_msg("%s", err.message);
    return !strcmp(reply.answer, q->answer);
}

// Without `file`, which is the model itself or the weights in its folder, the test is skipped.
static struct fathom_engine *open_engine(const char *model, const char *file, bool exact) {
    struct fathom_error err = {0};
    FILE *f = fopen(file, "rb");
    if (!f) {
        print_message("skipped: %s is absent\n", file);
        skip();
    }
    fclose(f);
    struct fathom_engine *engine = open_opening(
        (struct opening){.engine = {.model = model, .n_context = 1024}, .gpu.exact = exact}, &err);
    if (!engine) fail_msg("%s", err.message);
    return engine;
}

// At most `wrong` of 200 answers may differ. Of fewer answers the same share may differ, and at least one.
static void check_tokens(bool exact, uint32_t wrong) {
    char folder[1024], weights[1100];
    const char *shared = getenv("FATHOM_SHARED");
    snprintf(folder, sizeof(folder), "%s/reference/minnow", shared ? shared : FATHOM_SOURCE_DIR "/../shared");
    snprintf(weights, sizeof(weights), "%s/model.safetensors", folder);
    struct fathom_error err = {0};
    struct fathom_engine *engine = open_engine(folder, weights, exact);
    struct fathom_session *session = fathom_session_create(engine, NULL, &err);
    if (!session) fail_msg("%s", err.message);
    uint32_t n_asked;
    const uint32_t step = getenv("FATHOM_ALL_QUESTIONS") ? 1 : 8,
                   n_good = for_each_question(step, same_tokens, session, &n_asked);
    print_message("%s: %u of %u questions token for token\n", exact ? "exact" : "default", n_good, n_asked);
    assert_int_equal(n_asked, 200 / step);
    assert_true(n_asked - n_good <= (wrong + step - 1) / step);
    fathom_session_destroy(&session);
    fathom_engine_destroy(&engine);
}

static void exact_tokens(void **state) {
    (void)state;
    check_tokens(true, 1);
}
static void default_tokens(void **state) {
    (void)state;
    check_tokens(false, 5);
}

static void shipped_answers(void **state) {
    (void)state;
    struct fathom_error err = {0};
    const char *model = FATHOM_SOURCE_DIR "/tools/demo/minnow-q8_0.gguf";
    struct fathom_engine *engine = open_engine(model, model, false);
    struct fathom_chat *chat = fathom_chat_create(engine, NULL, &err);
    if (!chat) fail_msg("%s", err.message);
    uint32_t n_asked;
    const uint32_t n_good = for_each_question(1, right_answer, chat, &n_asked);
    print_message("shipped 8-bit file: %u of %u answers right\n", n_good, n_asked);
    assert_int_equal(n_asked, 200);
    assert_true(n_good * 100 >= 97 * n_asked);
    fathom_chat_destroy(&chat);
    fathom_engine_destroy(&engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shipped_answers), cmocka_unit_test(default_tokens), cmocka_unit_test(exact_tokens)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
