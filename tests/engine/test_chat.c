// Conversations that are given as messages, and tools.
#include <fathom/fathom.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
// after the standard headers
#include <cmocka.h>

static const char tools[] = "[{\"type\": \"function\", \"function\": {\"name\": \"add\", \"parameters\": {\"type\": \"object\"}}}]";

static int open_engine(void **state) {
    struct fathom_error err = {0};
    *state = fathom_engine_create(&(struct fathom_engine_params){.model = FATHOM_SOURCE_DIR "/tools/demo/minnow-q8_0.gguf"}, &err);
    if (!*state) print_error("%s\n", err.message);
    return *state ? 0 : -1;
}

static int close_engine(void **state) {
    fathom_engine_destroy((struct fathom_engine **)state);
    return 0;
}

static struct fathom_chat *open_chat(struct fathom_engine *engine, const struct fathom_chat_params *params) {
    struct fathom_error err = {0};
    struct fathom_chat *chat = fathom_chat_create(engine, params, &err);
    if (!chat) fail_msg("%s", err.message);
    return chat;
}

static void ask(struct fathom_chat *chat, const char *question, struct fathom_reply *reply) {
    struct fathom_error err = {0};
    if (!fathom_chat_ask(chat, question, NULL, NULL, reply, &err)) fail_msg("%s", err.message);
}

static void add(struct fathom_chat *chat, const struct fathom_message *message) {
    struct fathom_error err = {0};
    if (!fathom_chat_add(chat, message, &err)) fail_msg("%s", err.message);
}

static void refuse(struct fathom_chat *chat, const struct fathom_message *message, const char *says) {
    struct fathom_error err = {0};
    assert_false(message ? fathom_chat_add(chat, message, &err) : fathom_chat_ask(chat, NULL, NULL, NULL, NULL, &err));
    if (!strstr(err.message, says)) fail_msg("\"%s\" and not \"%s\"", err.message, says);
}

// Earlier turns that were given have the same prompt as those that were had; the thought is not read again.
static void given_turns(void **state) {
    const struct fathom_chat_params params = {.system = "Be brief.", .max_tokens = 200};
    struct fathom_chat *had = open_chat(*state, &params), *given = open_chat(*state, &params);
    struct fathom_reply first, second, same;
    ask(had, "Paul a 8 boîtes de 62 livres. Combien de livres en tout ?", &first);
    assert_true(first.end == FATHOM_END_STOP && first.thought[0] && first.answer[0] && first.n_tool_calls == 0);
    add(given, &(struct fathom_message){FATHOM_ROLE_USER, "Paul a 8 boîtes de 62 livres. Combien de livres en tout ?"});
    add(given, &(struct fathom_message){FATHOM_ROLE_ASSISTANT, first.answer, first.thought});
    add(given, &(struct fathom_message){FATHOM_ROLE_USER, "Et 3 boîtes ?"});
    ask(had, "Et 3 boîtes ?", &second);
    ask(given, NULL, &same);
    assert_int_equal(second.n_prompt_ids, same.n_prompt_ids);
    assert_memory_equal(fathom_session_tokens(fathom_chat_get_session(had)), fathom_session_tokens(fathom_chat_get_session(given)),
        second.n_prompt_ids * sizeof(int32_t));
    fathom_chat_destroy(&had);
    fathom_chat_destroy(&given);
}

static void with_tools(void **state) {
    struct fathom_chat *chat = open_chat(*state, &(struct fathom_chat_params){.template_name = "deepseek-v4", .tools = tools, .max_tokens = 2});
    struct fathom_chat *plain = open_chat(*state, &(struct fathom_chat_params){.template_name = "deepseek-v4", .max_tokens = 2});
    struct fathom_reply reply, other;
    ask(chat, "1 + 1?", &reply);
    ask(plain, "1 + 1?", &other);
    assert_true(reply.n_prompt_ids > other.n_prompt_ids + 200); // the list is in it
    fathom_chat_destroy(&plain);

    fathom_chat_clear(chat);
    struct fathom_tool_call calls[] = {{"add", "{\"a\": 1, \"b\": 1}", "one"}, {"add", "{}", "two"}};
    add(chat, &(struct fathom_message){FATHOM_ROLE_USER, "1 + 1?"});
    refuse(chat, &(struct fathom_message){FATHOM_ROLE_TOOL, "2"}, "after a message with 0 calls");
    refuse(chat, &(struct fathom_message){FATHOM_ROLE_SYSTEM, "x"}, "comes first");
    refuse(chat, &(struct fathom_message){FATHOM_ROLE_ASSISTANT, .tool_calls = &(struct fathom_tool_call){"add", "2"}, .n_tool_calls = 1}, "not a JSON object");
    add(chat, &(struct fathom_message){FATHOM_ROLE_ASSISTANT, .reasoning = "add", .tool_calls = calls, .n_tool_calls = 2});
    memset(calls, 0, sizeof(calls)); // were copied
    refuse(chat, NULL, "last message must be");
    add(chat, &(struct fathom_message){FATHOM_ROLE_TOOL, "0", .tool_call_id = "two"});
    refuse(chat, NULL, "1 tool results after a message with 2");
    refuse(chat, &(struct fathom_message){FATHOM_ROLE_USER, "and?"}, "1 tool results after a message with 2");
    refuse(chat, &(struct fathom_message){FATHOM_ROLE_TOOL, "2", .tool_call_id = "two"}, "name one call each");
    add(chat, &(struct fathom_message){FATHOM_ROLE_TOOL, "2", .tool_call_id = "one"});
    ask(chat, NULL, &other);
    assert_true(other.n_prompt_ids > reply.n_prompt_ids);
    fathom_chat_destroy(&chat);
}

static void refused_tools(void **state) {
    static const struct { struct fathom_chat_params params; const char *says; } bad[] = {
        {{.tools = tools}, "deepseek-r1 has no list of tools"},
        {{.tools = tools, .template_name = "llama3"}, "llama3 has no tools"},
        {{.tools = "{}", .template_name = "deepseek-v4"}, "no array of objects"},
        {{.tools = tools, .raw = true}, "need a template"},
        {{.template_name = "dance"}, "there is no chat template \"dance\"; there are deepseek-r1, "},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct fathom_error err = {0};
        assert_null(fathom_chat_create(*state, &bad[i].params, &err));
        if (!strstr(err.message, bad[i].says)) fail_msg("\"%s\" and not \"%s\"", err.message, bad[i].says);
    }
    struct fathom_chat *raw = open_chat(*state, &(struct fathom_chat_params){.raw = true});
    refuse(raw, &(struct fathom_message){FATHOM_ROLE_USER, "x"}, "no messages");
    refuse(raw, NULL, "no text");
    fathom_chat_destroy(&raw);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(given_turns), cmocka_unit_test(with_tools), cmocka_unit_test(refused_tools)};
    return cmocka_run_group_tests(tests, open_engine, close_engine);
}
