// Conversations given as messages, and tools.
#include "device.h"
#include "file/folder.h"
#include <fathom/fathom.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
// after the standard headers
#include <cmocka.h>

static const char tools[] =
    "[{\"type\": \"function\", \"function\": {\"name\": \"add\", \"parameters\": {\"type\": \"object\"}}}]";

static int open_engine(void **state) {
    struct fathom_error err = {0};
    *state = fathom_engine_create(
        &FATHOM_INIT(fathom_engine_params, .model = FATHOM_SOURCE_DIR "/tools/demo/minnow-q8_0.gguf"), &err);
    if (!*state) print_error("%s\n", err.message);
    return *state ? 0 : -1;
}

static int close_engine(void **state) {
    fathom_engine_destroy((struct fathom_engine **)state);
    return 0;
}

static const struct fathom_template_params v4_template = {.size = sizeof(v4_template), .name = "deepseek-v4"};

static struct fathom_chat *open_chat(struct fathom_engine *engine, const struct fathom_chat_params *params) {
    struct fathom_error err = {0};
    struct fathom_chat *chat = fathom_chat_create(engine, params, &err);
    if (!chat) fail_msg("%s", err.message);
    return chat;
}

static void ask(
    struct fathom_chat *chat, const char *question, uint32_t max_tokens, struct fathom_reply *reply) {
    struct fathom_error err = {0};
    if (!ask_of(chat, question, max_tokens, reply, &err)) fail_msg("%s", err.message);
}

static void add(struct fathom_chat *chat, const struct fathom_message *message) {
    struct fathom_error err = {0};
    if (!fathom_chat_add(chat, message, &err)) fail_msg("%s", err.message);
}

static void refuse(struct fathom_chat *chat, const struct fathom_message *message, const char *says) {
    struct fathom_error err = {0};
    assert_false(
        message ? fathom_chat_add(chat, message, &err) : fathom_chat_ask(chat, NULL, NULL, NULL, &err));
    if (!strstr(err.message, says)) fail_msg("\"%s\" and not \"%s\"", err.message, says);
}

// Earlier turns have the same prompt whether they were given or generated. The thought is not evaluated
// again.
static void given_turns(void **state) {
    const struct fathom_chat_params params = {.size = sizeof(params), .system = "Be brief."};
    struct fathom_chat *had = open_chat(*state, &params), *given = open_chat(*state, &params);
    struct fathom_reply first, second, same;
    ask(had, "Paul a 8 boîtes de 62 livres. Combien de livres en tout ?", 200, &first);
    assert_int_equal(first.end, FATHOM_END_STOP);
    assert_string_not_equal(first.thought, "");
    assert_string_not_equal(first.answer, "");
    assert_int_equal(first.n_tool_calls, 0);
    add(given,
        &FATHOM_INIT(
            fathom_message, FATHOM_ROLE_USER, "Paul a 8 boîtes de 62 livres. Combien de livres en tout ?"));
    add(given, &FATHOM_INIT(fathom_message, FATHOM_ROLE_ASSISTANT, first.answer, first.thought));
    add(given, &FATHOM_INIT(fathom_message, FATHOM_ROLE_USER, "Et 3 boîtes ?"));
    ask(had, "Et 3 boîtes ?", 200, &second);
    ask(given, NULL, 200, &same);
    assert_int_equal(second.n_prompt_ids, same.n_prompt_ids);
    assert_memory_equal(fathom_session_tokens(fathom_chat_get_session(had)),
        fathom_session_tokens(fathom_chat_get_session(given)), second.n_prompt_ids * sizeof(int32_t));
    fathom_chat_destroy(&had);
    fathom_chat_destroy(&given);
}

static uint32_t best_of(const float *row, uint32_t n) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < n; i++)
        if (row[i] > row[best]) best = i;
    return best;
}

static void check_rows(const char *what, const float *got, const float *want, uint32_t n_rows, uint32_t n) {
    for (uint32_t i = 0; i < n_rows; i++)
        if (memcmp(got + (size_t)i * n, want + (size_t)i * n, n * sizeof(*got)))
            fail_msg("%s: row %u of %u is not the row of the whole text, read anew", what, i, n_rows);
}

// The cache of a chat holds the first question, its answer without the thought, the second question and its
// answer. Each part was evaluated at another time. A new session evaluates the whole text at once. In exact
// mode both give the same bits.
static void check_second_answer(struct fathom_engine *engine, const struct fathom_chat_params *params,
    uint32_t max_tokens, const char *const questions[2]) {
    struct fathom_error err = {0};
    struct fathom_chat *chat = open_chat(engine, params);
    struct fathom_reply reply;
    for (int i = 0; i < 2; i++) ask(chat, questions[i], max_tokens, &reply);
    struct fathom_session *session = fathom_chat_get_session(chat);
    struct fathom_session *anew = fathom_session_create(engine, NULL, &err);
    if (!anew) fail_msg("%s", err.message);
    const uint32_t n_vocab = fathom_engine_get_info(engine)->n_vocab;
    const uint32_t length = fathom_session_length(session), n = length + 1;
    const uint32_t first = reply.n_prompt_ids - 1; // the row that gives the answer's first token
    int32_t *ids = malloc(n * sizeof(*ids));
    float *want = malloc(sizeof(float) * n * n_vocab), *got = malloc(sizeof(float) * n * n_vocab);
    assert_true(length > reply.n_prompt_ids);
    memcpy(ids, fathom_session_tokens(session), length * sizeof(*ids));
    ids[length] = ids[0];
    print_message("%u tokens, %u of the second answer\n", length, reply.n_ids);
    if (!fathom_session_append(anew, ids, n, want, &err)) fail_msg("%s", err.message);
    // every token of the answer was the best one
    for (uint32_t i = 0; i < reply.n_ids; i++)
        assert_int_equal(reply.ids[i], best_of(want + (size_t)(first + i) * n_vocab, n_vocab));
    // one more token attends to the cache that the answer left
    if (!fathom_session_append_decode(session, &ids[length], 1, got, &err)) fail_msg("%s", err.message);
    check_rows("the token after the answer", got, want + (size_t)length * n_vocab, 1, n_vocab);
    // the answer's logits, over the cache that the second question left
    if (!fathom_session_truncate(session, first, &err) ||
        !fathom_session_append_decode(session, ids + first, n - first, got, &err))
        fail_msg("%s", err.message);
    check_rows("the second answer", got, want + (size_t)first * n_vocab, n - first, n_vocab);
    free(got);
    free(want);
    free(ids);
    fathom_session_destroy(&anew);
    fathom_chat_destroy(&chat);
}

static struct fathom_engine *open_exact(const char *model, uint32_t n_context) {
    struct fathom_error err = {0};
    struct fathom_engine *engine = open_opening(
        (struct opening){.engine = {.model = model, .n_context = n_context}, .gpu.exact = true}, &err);
    if (!engine) fail_msg("%s", err.message);
    return engine;
}

static void second_answer(void **state) {
    (void)state;
    static const char *const questions[2] = {
        "Paul a 8 boîtes de 62 livres. Combien de livres en tout ?", "Et 3 boîtes ?"};
    const struct fathom_chat_params brief = {.size = sizeof(brief), .system = "Be brief."};
    const struct fathom_session_params chunks_of_5 = {.size = sizeof(chunks_of_5), .n_chunk = 5};
    const struct fathom_chat_params small_chunks = {.size = sizeof(small_chunks), .session = &chunks_of_5};
    struct fathom_engine *engine = open_exact(FATHOM_SOURCE_DIR "/tools/demo/minnow-q8_0.gguf", 1024);
    check_second_answer(engine, &brief, 200, questions);
    check_second_answer(engine, &small_chunks, 30, questions);
    fathom_engine_destroy(&engine);
}

// DeepSeek-V4's ring and compressed positions. The text wraps around the ring. The weights are random, so the
// answers have no end.
static void second_answer_of_rings(void **state) {
    (void)state;
    static const char *const questions[2] = {"How many books are in eight boxes?", "And in three?"};
    const struct fathom_session_params chunks = {.size = sizeof(chunks), .n_chunk = 48};
    const struct fathom_chat_params params = {
        .size = sizeof(params), .chat_template = &v4_template, .session = &chunks};
    struct fathom_engine *engine = open_exact(FATHOM_SOURCE_DIR "/tests/data/reference/v4", 400);
    check_second_answer(engine, &params, 90, questions);
    fathom_engine_destroy(&engine);
}

static void with_tools(void **state) {
    struct fathom_chat *chat =
        open_chat(*state, &FATHOM_INIT(fathom_chat_params, .chat_template = &v4_template, .tools = tools));
    struct fathom_chat *plain =
        open_chat(*state, &FATHOM_INIT(fathom_chat_params, .chat_template = &v4_template));
    struct fathom_reply reply, other;
    ask(chat, "1 + 1?", 2, &reply);
    ask(plain, "1 + 1?", 2, &other);
    assert_true(reply.n_prompt_ids > other.n_prompt_ids + 200); // the list is in it
    fathom_chat_destroy(&plain);

    fathom_chat_clear(chat);
    struct fathom_tool_call calls[] = {{"add", "{\"a\": 1, \"b\": 1}", "one"}, {"add", "{}", "two"}};
    add(chat, &FATHOM_INIT(fathom_message, FATHOM_ROLE_USER, "1 + 1?"));
    refuse(chat, &FATHOM_INIT(fathom_message, FATHOM_ROLE_TOOL, "2"), "after a message with 0 calls");
    refuse(chat, &FATHOM_INIT(fathom_message, FATHOM_ROLE_SYSTEM, "x"), "comes first");
    refuse(chat,
        &FATHOM_INIT(fathom_message, FATHOM_ROLE_ASSISTANT,
            .tool_calls = &(struct fathom_tool_call){"add", "2"}, .n_tool_calls = 1),
        "not a JSON object");
    add(chat,
        &FATHOM_INIT(fathom_message, FATHOM_ROLE_ASSISTANT, .reasoning = "add", .tool_calls = calls,
            .n_tool_calls = 2));
    memset(calls, 0, sizeof(calls)); // were copied
    refuse(chat, NULL, "last message must be");
    add(chat, &FATHOM_INIT(fathom_message, FATHOM_ROLE_TOOL, "0", .tool_call_id = "two"));
    refuse(chat, NULL, "1 tool results after a message with 2");
    refuse(chat, &FATHOM_INIT(fathom_message, FATHOM_ROLE_USER, "and?"),
        "1 tool results after a message with 2");
    refuse(chat, &FATHOM_INIT(fathom_message, FATHOM_ROLE_TOOL, "2", .tool_call_id = "two"),
        "name one call each");
    add(chat, &FATHOM_INIT(fathom_message, FATHOM_ROLE_TOOL, "2", .tool_call_id = "one"));
    ask(chat, NULL, 2, &other);
    assert_true(other.n_prompt_ids > reply.n_prompt_ids);
    fathom_chat_destroy(&chat);
}

static void refused_tools(void **state) {
    static const struct {
        const char *tools, *name, *text;
        bool raw;
        const char *says;
    } bad[] = {
        {.tools = tools, .says = "has no list of tools"},
        {.tools = "{}", .name = "deepseek-v4", .says = "no array of objects"},
        {.tools = tools, .raw = true, .says = "need a template"},
        {.name = "dance", .says = "there is no chat template \"dance\" built in; there are deepseek-v3.2, "},
        {.name = "deepseek-v3", .text = "x", .says = "one is wanted"},
        {.text = "x\n\n{% else %}", .says = "chat template, line 3: "},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct fathom_error err = {0};
        const struct fathom_template_params t = {.size = sizeof(t), .name = bad[i].name, .text = bad[i].text};
        const struct fathom_chat_params params = {
            .size = sizeof(params), .tools = bad[i].tools, .raw = bad[i].raw, .chat_template = &t};
        assert_null(fathom_chat_create(*state, &params, &err));
        if (!strstr(err.message, bad[i].says)) fail_msg("\"%s\" and not \"%s\"", err.message, bad[i].says);
    }
    struct fathom_chat *raw = open_chat(*state, &FATHOM_INIT(fathom_chat_params, .raw = true));
    refuse(raw, &FATHOM_INIT(fathom_message, FATHOM_ROLE_USER, "x"), "no messages");
    refuse(raw, NULL, "no text");
    fathom_chat_destroy(&raw);
}

// A raw text may begin with the token that begins every text: the prompt has it once.
static void begins_once(void **state) {
    static const char *const texts[] = {"12 + 3", "<｜begin▁of▁sentence｜>12 + 3"};
    struct fathom_reply replies[2];
    struct fathom_chat *chats[2];
    for (int i = 0; i < 2; i++) {
        chats[i] = open_chat(*state, &FATHOM_INIT(fathom_chat_params, .raw = true));
        ask(chats[i], texts[i], 1, &replies[i]);
    }
    assert_int_equal(replies[0].n_prompt_ids, replies[1].n_prompt_ids);
    assert_memory_equal(fathom_session_tokens(fathom_chat_get_session(chats[0])),
        fathom_session_tokens(fathom_chat_get_session(chats[1])), replies[0].n_prompt_ids * sizeof(int32_t));
    for (int i = 0; i < 2; i++) fathom_chat_destroy(&chats[i]);
}

// Any of several ids in generation_config.json ends an answer.
static void every_end_stops(void **state) {
    (void)state;
    struct folder f;
    int32_t ids[12];
    uint32_t n, at = 0;
    folder_make(&f, "v3");
    for (int round = 0; round < 2; round++) {
        struct fathom_error err = {0};
        struct fathom_engine *engine = fathom_engine_create(
            &FATHOM_INIT(fathom_engine_params, .model = f.path, .tuning = FATHOM_TUNING_OFF), &err);
        if (!engine) fail_msg("%s", err.message);
        struct fathom_chat *chat = open_chat(engine, &FATHOM_INIT(fathom_chat_params, .raw = true));
        struct fathom_reply reply;
        ask(chat, "The 3 brothers", 12, &reply);
        if (round == 0) {
            char text[64], path[1024];
            n = reply.n_ids;
            assert_int_equal(n, 12);
            memcpy(ids, reply.ids, n * sizeof(*ids));
            for (at = n - 2; at > 0; at--) { // the last id but one that is new where it stands
                uint32_t first = 0;
                while (ids[first] != ids[at]) first++;
                if (first == at) break;
            }
            snprintf(text, sizeof(text), "{\"eos_token_id\": [764, 765, %d]}", ids[at]);
            folder_file(&f, "generation_config.json", path);
            write_bytes(path, text, strlen(text));
        } else {
            assert_int_equal(reply.n_ids, at + 1);
            assert_memory_equal(reply.ids, ids, reply.n_ids * sizeof(*ids));
            assert_int_equal(reply.end, FATHOM_END_STOP);
        }
        fathom_chat_destroy(&chat);
        fathom_engine_destroy(&engine);
    }
    folder_remove(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(given_turns), cmocka_unit_test(second_answer),
        cmocka_unit_test(second_answer_of_rings), cmocka_unit_test(with_tools),
        cmocka_unit_test(refused_tools), cmocka_unit_test(begins_once), cmocka_unit_test(every_end_stops)};
    return cmocka_run_group_tests(tests, open_engine, close_engine);
}
