// Conversations that are edited: every edit must leave what a new chat with the same messages has.
#include "engine/chat_support.h"

static const struct fathom_chat_params brief = {.size = sizeof(brief), .system = "Be brief."};
static const struct fathom_ask_params some = {.size = sizeof(some), .max_tokens = 24};

// A new chat with messages `first` to `end` - 1 of another; the system prompt of `brief` comes first.
static struct fathom_chat *copy_messages(
    struct fathom_engine *engine, const struct fathom_chat *from, size_t first, size_t end) {
    struct fathom_error err = {0};
    struct fathom_chat *chat = open_chat(engine, &brief);
    for (size_t i = first; i < end; i++)
        if (!fathom_chat_add(chat, fathom_chat_get(from, i), &err)) fail_msg("%s", err.message);
    return chat;
}

// Asks both chats the same; their answers and texts must be the same.
static void check_next(struct fathom_chat *a, struct fathom_chat *b, const char *question) {
    struct said said, want;
    ask(a, question, some, &said);
    ask(b, question, some, &want);
    same_reply(&said, &want);
    same_text(a, b);
}

static void messages(void **state) {
    struct fathom_error err = {0};
    struct fathom_chat *chat = open_chat(*state, &brief);
    struct said said;
    assert_int_equal(fathom_chat_count(chat), 1);
    check_message(chat, 0, FATHOM_ROLE_SYSTEM, "Be brief.");
    ask(chat, paul, some, &said);
    assert_int_equal(fathom_chat_count(chat), 3);
    check_message(chat, 1, FATHOM_ROLE_USER, paul);
    check_message(chat, 2, FATHOM_ROLE_ASSISTANT, said.answer);
    assert_string_equal(fathom_chat_get(chat, 2)->reasoning, said.thought);
    assert_null(fathom_chat_get(chat, 3));
    // a message of the chat itself
    if (!fathom_chat_add(chat, fathom_chat_get(chat, 1), &err)) fail_msg("%s", err.message);
    check_message(chat, 3, FATHOM_ROLE_USER, paul);
    assert_false(fathom_chat_truncate(chat, 5, &err));
    assert_non_null(strstr(err.message, "n_messages is 5, the conversation has 4 messages"));
    assert_true(fathom_chat_truncate(chat, 0, &err));
    assert_int_equal(fathom_chat_count(chat), 1);
    add(chat, FATHOM_ROLE_USER, paul);
    fathom_chat_clear(chat);
    assert_int_equal(fathom_chat_count(chat), 1);
    memset(&err, 0, sizeof(err));
    assert_false(fathom_chat_add(chat, NULL, &err));
    assert_non_null(strstr(err.message, "fathom_chat_add: message is NULL"));
    memset(&err, 0, sizeof(err));
    assert_false(fathom_chat_add(chat, &(struct fathom_message){.size = 0, .content = "x"}, &err));
    assert_non_null(strstr(err.message, "fathom_chat_add: message.size is 0"));
    assert_int_equal(fathom_chat_count(chat), 1);
    fathom_chat_destroy(&chat);
}

static void last_question_is_edited(void **state) {
    struct fathom_error err = {0};
    struct fathom_chat *chat = open_chat(*state, &brief);
    struct said said;
    ask(chat, paul, some, &said);
    ask(chat, three, some, &said);
    assert_true(fathom_chat_truncate(chat, 3, &err));
    struct fathom_chat *anew = copy_messages(*state, chat, 1, 3);
    check_next(chat, anew, "Et 4 boîtes ?");
    assert_int_equal(fathom_chat_count(chat), 5);
    fathom_chat_destroy(&anew);
    fathom_chat_destroy(&chat);
}

static const struct fathom_sampling hot = {.size = sizeof(hot), .temperature = 4, .seed = 7},
                                    other_seed = {.size = sizeof(hot), .temperature = 4, .seed = 8};

static void regenerates(void **state) {
    const struct fathom_ask_params warm = {.size = sizeof(warm), .max_tokens = 24, .sampling = &hot},
                                   other = {.max_tokens = 24, .sampling = &other_seed};
    struct fathom_chat *chat = open_chat(*state, &brief);
    struct said first, second, third;
    ask(chat, paul, some, &first);
    ask(chat, three, warm, &first);
    regenerate(chat, warm, &second);
    same_reply(&first, &second);
    assert_int_equal(fathom_chat_count(chat), 5);
    regenerate(chat, other, &third);
    assert_int_equal(third.r.n_prompt_ids, first.r.n_prompt_ids);
    assert_memory_not_equal(third.ids, first.ids, 10 * sizeof(*first.ids));
    assert_int_equal(fathom_chat_count(chat), 5);
    check_message(chat, 4, FATHOM_ROLE_ASSISTANT, third.answer);
    assert_string_equal(fathom_chat_get(chat, 4)->reasoning, third.thought);
    struct fathom_chat *anew = copy_messages(*state, chat, 1, 5);
    check_next(chat, anew, paul);
    fathom_chat_destroy(&anew);
    fathom_chat_destroy(&chat);
}

// The results of tools belong to the answer.
static void regenerates_before_tools(void **state) {
    struct fathom_error err = {0};
    const struct fathom_template_params v4 = {.size = sizeof(v4), .name = "deepseek-v4"};
    struct fathom_chat *chat = open_chat(*state, &FATHOM_INIT(fathom_chat_params, .chat_template = &v4));
    struct said first, again;
    assert_false(fathom_chat_regenerate(chat, NULL, NULL, &err));
    assert_non_null(strstr(err.message, "has no question"));
    ask(chat, paul, some, &first);
    assert_true(fathom_chat_truncate(chat, 1, NULL));
    assert_true(fathom_chat_add(chat,
        &FATHOM_INIT(fathom_message, FATHOM_ROLE_ASSISTANT,
            .tool_calls = &(struct fathom_tool_call){"f", "{}"}, .n_tool_calls = 1),
        NULL));
    add(chat, FATHOM_ROLE_TOOL, "7");
    ask(chat, NULL, some, &again);
    assert_int_equal(fathom_chat_count(chat), 4);
    assert_true(again.r.n_prompt_ids > first.r.n_prompt_ids);
    regenerate(chat, some, &again);
    same_reply(&first, &again);
    assert_int_equal(fathom_chat_count(chat), 2);
    fathom_chat_destroy(&chat);
}

static void oldest_are_dropped(void **state) {
    static const char *const questions[] = {paul, three, "Et 4 boîtes ?", "Et 5 boîtes ?"};
    struct fathom_error err = {0};
    struct fathom_chat *chat = open_chat(*state, &brief);
    struct said said;
    size_t n = 9;
    for (int i = 0; i < 3; i++)
        ask(chat, questions[i], FATHOM_INIT(fathom_ask_params, .max_tokens = 12), &said);
    struct fathom_chat *anew = copy_messages(*state, chat, 3, 7);
    assert_true(fathom_chat_drop_oldest(chat, 1, &n, &err));
    assert_int_equal(n, 1);
    assert_int_equal(fathom_chat_count(chat), 5);
    check_message(chat, 0, FATHOM_ROLE_SYSTEM, "Be brief.");
    check_message(chat, 1, FATHOM_ROLE_USER, three);
    check_next(chat, anew, questions[3]);
    assert_true(fathom_chat_drop_oldest(chat, 0, &n, &err));
    assert_int_equal(n, 0);
    assert_true(fathom_chat_drop_oldest(chat, 5, &n, &err)); // of three turns
    assert_int_equal(n, 2);
    assert_int_equal(fathom_chat_count(chat), 3);
    check_message(chat, 1, FATHOM_ROLE_USER, questions[3]);
    assert_true(fathom_chat_drop_oldest(chat, 1, &n, &err));
    assert_int_equal(n, 0);
    fathom_chat_clear(chat);
    assert_true(fathom_chat_drop_oldest(chat, 1, NULL, &err));
    assert_int_equal(fathom_chat_count(chat), 1);
    // a greeting, and a turn with the results of tools
    struct fathom_chat *plain = open_chat(*state,
        &FATHOM_INIT(fathom_chat_params,
            .chat_template = &FATHOM_INIT(fathom_template_params, .name = "deepseek-v4")));
    add(plain, FATHOM_ROLE_ASSISTANT, "Bonjour !");
    add(plain, FATHOM_ROLE_USER, "un");
    assert_true(fathom_chat_add(plain,
        &FATHOM_INIT(fathom_message, FATHOM_ROLE_ASSISTANT,
            .tool_calls = &(struct fathom_tool_call){"f", "{}"}, .n_tool_calls = 1),
        NULL));
    add(plain, FATHOM_ROLE_TOOL, "7");
    add(plain, FATHOM_ROLE_ASSISTANT, "7.");
    add(plain, FATHOM_ROLE_USER, "deux");
    assert_true(fathom_chat_drop_oldest(plain, 2, &n, &err));
    assert_int_equal(n, 1);
    assert_int_equal(fathom_chat_count(plain), 1);
    check_message(plain, 0, FATHOM_ROLE_USER, "deux");
    fathom_chat_destroy(&plain);
    fathom_chat_destroy(&anew);
    fathom_chat_destroy(&chat);
}

// The count before a question is what the reply says after it, and counting changes nothing.
static void counts_tokens(void **state) {
    static const char *const questions[] = {paul, three, "Et 4 boîtes ?"};
    struct fathom_error err = {0};
    struct fathom_chat *chat = open_chat(*state, &brief);
    struct said said;
    uint32_t n, n_reused;
    for (int i = 0; i < 3; i++) {
        const size_t n_messages = fathom_chat_count(chat);
        assert_true(fathom_chat_count_tokens(chat, questions[i], NULL, &n, &n_reused, &err));
        assert_int_equal(fathom_chat_count(chat), n_messages);
        ask(chat, questions[i], some, &said);
        assert_int_equal(said.r.n_prompt_ids, n);
        assert_int_equal(said.r.n_reused, n_reused);
        assert_int_equal(n_reused > 0, i > 0);
    }
    // a question that the context cannot hold
    char *long_question = malloc(20001);
    memset(long_question, 'a', 20000), long_question[20000] = 0;
    for (int i = 0; i < 20000; i += 2) long_question[i] = (char)('0' + i / 2 % 7);
    assert_true(fathom_chat_count_tokens(chat, long_question, NULL, &n, NULL, &err));
    assert_true(n > fathom_session_context(fathom_chat_get_session(chat)));
    const size_t n_messages = fathom_chat_count(chat);
    assert_false(fathom_chat_ask(chat, long_question, NULL, NULL, &err));
    assert_non_null(strstr(err.message, "the context holds 1024"));
    assert_int_equal(fathom_chat_count(chat), n_messages);
    assert_false(fathom_chat_count_tokens(chat, NULL, NULL, &n, NULL, NULL)); // after an answer
    free(long_question);
    fathom_chat_destroy(&chat);
}

// DeepSeek-V4's ring cannot go back to every position: what is counted, and read again, is more.
static void rings(void **state) {
    (void)state;
    const struct fathom_template_params v4 = {.size = sizeof(v4), .name = "deepseek-v4"};
    const struct fathom_chat_params params = {.size = sizeof(params), .chat_template = &v4};
    const struct fathom_ask_params long_answer = {.size = sizeof(long_answer), .max_tokens = 70};
    struct fathom_error err = {0};
    struct fathom_engine *engine =
        open_opening((struct opening){.engine.model = FATHOM_SOURCE_DIR "/tests/data/reference/v4",
                         .engine.n_context = 400,
                         .gpu.exact = true},
            &err);
    if (!engine) fail_msg("%s", err.message);
    struct fathom_chat *chat = open_chat(engine, &params), *anew = open_chat(engine, &params);
    struct said first, said, want;
    uint32_t n = 0, n_reused = 0;
    ask(chat, "How many books are in eight boxes?", long_answer, &first);
    ask(chat, "And in three?", long_answer, &said);
    assert_true(fathom_chat_truncate(chat, 2, &err));
    assert_true(fathom_chat_count_tokens(chat, "And in two?", NULL, &n, &n_reused, &err));
    for (size_t i = 0; i < 2; i++) assert_true(fathom_chat_add(anew, fathom_chat_get(chat, i), &err));
    ask(chat, "And in two?", long_answer, &said);
    ask(anew, "And in two?", long_answer, &want);
    same_reply(&said, &want);
    same_text(chat, anew);
    assert_int_equal(said.r.n_prompt_ids, n);
    assert_int_equal(said.r.n_reused, n_reused);
    regenerate(chat, long_answer, &said);
    same_reply(&said, &want);
    fathom_chat_destroy(&chat);
    fathom_chat_destroy(&anew);
    fathom_engine_destroy(&engine);
}

struct failing {
    uint32_t n_calls, n_fine;
};

// Forbids every token, which is an error, after n_fine tokens.
static bool forbid(void *user, float *logits, uint32_t n_vocab) {
    struct failing *failing = user;
    for (uint32_t i = 0; i < n_vocab && failing->n_calls >= failing->n_fine; i++) logits[i] = -INFINITY;
    failing->n_calls++;
    return true;
}

static bool report(void *user, enum fathom_phase phase, uint64_t done, uint64_t total) {
    (void)done, (void)total;
    return phase != FATHOM_PHASE_PROMPT || !*(bool *)user;
}

// A question that fails, or is cancelled, leaves the conversation; a new answer that fails leaves the old
// one.
static void failures_change_nothing(void **state) {
    bool cancel = false;
    struct fathom_error err = {0};
    struct failing failing = {0, 5};
    const struct fathom_ask_params fails = {
        .size = sizeof(fails), .sampling = &greedy, .max_tokens = 24, .on_logits = forbid, .user = &failing};
    const struct fathom_session_params session = {
        .size = sizeof(session), .n_chunk = 8, .progress = {report, &cancel}};
    struct fathom_chat *chat =
        open_chat(*state, &FATHOM_INIT(fathom_chat_params, .system = "Be brief.", .session = &session));
    struct said said;
    ask(chat, paul, some, &said);
    struct fathom_chat *anew = copy_messages(*state, chat, 1, 3);
    assert_false(fathom_chat_ask(chat, three, &fails, NULL, &err));
    assert_int_equal(failing.n_calls, 6);
    assert_int_equal(fathom_chat_count(chat), 3);
    failing.n_calls = 0;
    assert_false(fathom_chat_regenerate(chat, &fails, NULL, &err));
    assert_int_equal(fathom_chat_count(chat), 3);
    check_message(chat, 2, FATHOM_ROLE_ASSISTANT, said.answer);
    assert_string_equal(fathom_chat_get(chat, 2)->reasoning, said.thought);
    cancel = true;
    memset(&err, 0, sizeof(err));
    assert_false(
        fathom_chat_ask(chat, "Combien de boîtes, de livres et de pages en tout ?", NULL, NULL, &err));
    assert_int_equal(err.status, FATHOM_CANCELLED);
    assert_int_equal(fathom_chat_count(chat), 3);
    cancel = false;
    check_next(chat, anew, three);
    fathom_chat_destroy(&anew);
    fathom_chat_destroy(&chat);
    // the text of a raw chat is its conversation
    struct fathom_chat *raw = open_chat(*state, &FATHOM_INIT(fathom_chat_params, .raw = true));
    ask(raw, paul, some, &said);
    const uint32_t length = fathom_session_length(fathom_chat_get_session(raw));
    failing.n_calls = 0;
    assert_false(fathom_chat_ask(raw, three, &fails, NULL, &err));
    assert_int_equal(fathom_session_length(fathom_chat_get_session(raw)), length);
    fathom_chat_destroy(&raw);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(messages), cmocka_unit_test(last_question_is_edited),
        cmocka_unit_test(regenerates), cmocka_unit_test(regenerates_before_tools),
        cmocka_unit_test(oldest_are_dropped), cmocka_unit_test(counts_tokens), cmocka_unit_test(rings),
        cmocka_unit_test(failures_change_nothing)};
    return cmocka_run_group_tests(tests, open_engine, close_engine);
}
