// Copies of a chat, in memory and in a file: both go on as the chat would.
#include "engine/chat_support.h"
#include <stdio.h>
#include <unistd.h>

static const struct fathom_ask_params some = {.size = sizeof(some), .max_tokens = 24};

static const char file[] = "test_chat_file.session";

static struct fathom_chat *fork_of(struct fathom_chat *chat) {
    struct fathom_error err = {0};
    struct fathom_chat *copy = fathom_chat_fork(chat, &err);
    if (!copy) fail_msg("%s", err.message);
    return copy;
}

// Through a file.
static struct fathom_chat *restored(struct fathom_engine *engine, struct fathom_chat *chat) {
    struct fathom_error err = {0};
    if (!fathom_chat_save(chat, file, &err)) fail_msg("%s", err.message);
    struct fathom_chat *copy = fathom_chat_restore(engine, file, NULL, &err);
    if (!copy) fail_msg("%s", err.message);
    remove(file);
    return copy;
}

static void same_messages(const struct fathom_chat *a, const struct fathom_chat *b) {
    assert_int_equal(fathom_chat_count(a), fathom_chat_count(b));
    for (size_t i = 0; i < fathom_chat_count(a); i++) {
        const struct fathom_message *m = fathom_chat_get(a, i), *n = fathom_chat_get(b, i);
        check_message(b, i, m->role, m->content);
        assert_int_equal(m->reasoning != NULL, n->reasoning != NULL);
        if (m->reasoning) assert_string_equal(m->reasoning, n->reasoning);
        assert_int_equal(m->n_tool_calls, n->n_tool_calls);
    }
}

static const char tools[] =
    "[{\"type\": \"function\", \"function\": {\"name\": \"add\", \"parameters\": {\"type\": \"object\"}}}]";

// Copies in the middle of a conversation; copies of copies; with what each sort of chat has besides.
static void copies_go_on(void **state) {
    static const struct fathom_template_params
        v4 = {.size = sizeof(v4), .name = "deepseek-v4"},
        dated = {.size = sizeof(dated),
            .text = "{{ strftime_now('%d %B %Y') }}{% for m in messages %}"
                    "<｜User｜>{{ m.content }}{% endfor %}<｜Assistant｜>"};
    static const struct fathom_chat_params kinds[] = {
        {.size = sizeof(*kinds), .system = "Be brief."},
        {.size = sizeof(*kinds), .tools = tools, .chat_template = &v4},
        {.size = sizeof(*kinds), .chat_template = &dated},
        {.size = sizeof(*kinds), .raw = true},
    };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        struct fathom_chat *chat = open_chat(*state, &kinds[i]);
        struct said said, forked, loaded;
        ask(chat, paul, some, &said);
        struct fathom_chat *fork = fork_of(chat), *first = restored(*state, chat),
                           *second = restored(*state, first);
        fathom_chat_destroy(&first);
        same_messages(chat, fork);
        same_messages(chat, second);
        same_text(chat, fork);
        same_text(chat, second);
        ask(fork, three, some, &forked);
        ask(second, three, some, &loaded);
        ask(chat, three, some, &said);
        same_reply(&said, &forked);
        same_reply(&said, &loaded);
        assert_true(said.r.n_reused > 0);
        assert_int_equal(forked.r.n_reused, said.r.n_reused);
        assert_int_equal(loaded.r.n_reused, said.r.n_reused);
        same_text(chat, fork);
        same_text(chat, second);
        // the chat's own system prompt stays
        fathom_chat_clear(second);
        assert_int_equal(fathom_chat_count(second), kinds[i].system != NULL);
        fathom_chat_destroy(&chat);
        fathom_chat_destroy(&fork);
        fathom_chat_destroy(&second);
    }
}

// What one does is nothing to the other, and a fork outlives the chat.
static void forks_are_apart(void **state) {
    struct fathom_chat *chat = open_chat(*state, NULL), *same = open_chat(*state, NULL);
    struct said said, other, want;
    ask(chat, paul, some, &said);
    ask(same, paul, some, &want);
    struct fathom_chat *fork = fork_of(chat);
    ask(fork, "Et 4 boîtes ?", some, &other);
    assert_int_equal(fathom_chat_count(chat), 2);
    ask(chat, three, some, &said);
    ask(same, three, some, &want);
    same_reply(&said, &want);
    fathom_chat_destroy(&chat);
    regenerate(fork, some, &want);
    same_reply(&other, &want);
    fathom_chat_destroy(&fork);
    fathom_chat_destroy(&same);
}

// An answer that was stopped in its middle goes on alike in the chat and its copies.
static void in_the_middle(void **state) {
    struct fathom_chat *raw = open_chat(*state, &FATHOM_INIT(fathom_chat_params, .raw = true));
    struct said whole, part, rest, copied;
    ask(raw, paul, FATHOM_INIT(fathom_ask_params, .max_tokens = 24), &whole);
    fathom_chat_clear(raw);
    ask(raw, paul, FATHOM_INIT(fathom_ask_params, .max_tokens = 10), &part);
    struct fathom_chat *fork = fork_of(raw), *loaded = restored(*state, raw);
    ask(raw, NULL, FATHOM_INIT(fathom_ask_params, .max_tokens = 14), &rest);
    assert_memory_equal(rest.ids, whole.ids + 10, 14 * sizeof(*rest.ids));
    ask(fork, NULL, FATHOM_INIT(fathom_ask_params, .max_tokens = 14), &copied);
    same_reply(&rest, &copied);
    ask(loaded, NULL, FATHOM_INIT(fathom_ask_params, .max_tokens = 14), &copied);
    same_reply(&rest, &copied);
    fathom_chat_destroy(&raw);
    fathom_chat_destroy(&fork);
    fathom_chat_destroy(&loaded);
}

static void refused(void **state) {
    struct fathom_error err = {0};
    struct fathom_chat *chat = open_chat(*state, NULL);
    struct said said;
    ask(chat, paul, FATHOM_INIT(fathom_ask_params, .max_tokens = 2), &said);
    assert_true(fathom_session_save(fathom_chat_get_session(chat), file, &err));
    assert_null(fathom_chat_restore(*state, file, NULL, &err));
    if (!strstr(err.message, "test_chat_file.session: holds a session without a conversation"))
        fail_msg("%s", err.message);
    remove(file);
    memset(&err, 0, sizeof(err));
    assert_null(fathom_chat_restore(*state, "nowhere/at all", NULL, &err));
    assert_non_null(strstr(err.message, "nowhere/at all"));
    // a chat's file is a session's, too
    assert_true(fathom_chat_save(chat, file, &err));
    memset(&err, 0, sizeof(err));
    struct fathom_session *session = fathom_session_restore(*state, file, NULL, &err);
    if (!session) fail_msg("%s", err.message);
    assert_int_equal(fathom_session_length(session), said.r.n_prompt_ids + 2);
    fathom_session_destroy(&session);
    remove(file);
    fathom_chat_destroy(&chat);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(copies_go_on), cmocka_unit_test(forks_are_apart),
        cmocka_unit_test(in_the_middle), cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, open_engine, close_engine);
}
