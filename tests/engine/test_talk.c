// What a chat's file keeps of a conversation.
#include "engine/talk.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
// after the standard headers
#include <cmocka.h>

static void same_text(const char *a, const char *b) {
    assert_int_equal(a == NULL, b == NULL);
    if (a) assert_string_equal(a, b);
}

static void check_same(const struct fm_talk *a, const struct fm_talk *b) {
    assert_int_equal(a->raw, b->raw);
    assert_int_equal(a->n_system, b->n_system);
    assert_int_equal(a->now.tm_year, b->now.tm_year);
    assert_int_equal(a->now.tm_isdst, b->now.tm_isdst);
    same_text(a->template_name, b->template_name);
    same_text(a->template_text, b->template_text);
    same_text(a->tools, b->tools);
    assert_int_equal(a->messages.n, b->messages.n);
    for (size_t i = 0; i < a->messages.n; i++) {
        const struct fathom_message *m = &a->messages.items[i], *n = &b->messages.items[i];
        assert_int_equal(m->role, n->role);
        same_text(m->content, n->content);
        same_text(m->reasoning, n->reasoning);
        same_text(m->tool_call_id, n->tool_call_id);
        assert_int_equal(m->n_tool_calls, n->n_tool_calls);
        for (size_t j = 0; j < m->n_tool_calls; j++) {
            same_text(m->tool_calls[j].name, n->tool_calls[j].name);
            same_text(m->tool_calls[j].arguments, n->tool_calls[j].arguments);
            same_text(m->tool_calls[j].id, n->tool_calls[j].id);
        }
    }
}

static void talk_is_kept(void **state) {
    (void)state;
    static const struct fathom_tool_call calls[] = {{"f", "{\"a\": \"\\u00e9\\n\"}", "one"}, {"g", "{}"}};
    static const struct fathom_message messages[] = {
        {sizeof(*messages), FATHOM_ROLE_SYSTEM, "Be \"brief\".\n\t\x01"},
        {sizeof(*messages), FATHOM_ROLE_USER, "Ça va ? 🙂"},
        {sizeof(*messages), FATHOM_ROLE_ASSISTANT, NULL, "hm", calls, 2},
        {sizeof(*messages), FATHOM_ROLE_TOOL, "", .tool_call_id = "one"},
        {sizeof(*messages), FATHOM_ROLE_ASSISTANT, "ok", ""},
    };
    struct fm_talk talk = {.now = {.tm_year = 126, .tm_mday = 30, .tm_mon = 10, .tm_isdst = -1},
        .template_name = strdup("deepseek-v4"),
        .tools = strdup("[{}]"),
        .n_system = 1};
    struct fm_talk empty = {.raw = true, .now = {.tm_mday = 1}}, copy, read;
    const struct fm_talk *talks[] = {&talk, &empty};
    for (size_t i = 0; i < sizeof(messages) / sizeof(*messages); i++)
        assert_true(fm_messages_add(&talk.messages, &messages[i]));
    for (int i = 0; i < 2; i++) {
        struct fathom_error err = {0};
        struct fm_text json = {0};
        assert_true(fm_talk_copy(&copy, talks[i]));
        check_same(&copy, talks[i]);
        assert_true(fm_talk_write(talks[i], &json));
        if (!fm_talk_read(&read, json.text, json.length, &err)) fail_msg("%s", err.message);
        check_same(&read, talks[i]);
        for (size_t n = 0; n < json.length; n++) { // cut short
            struct fm_talk part;
            assert_false(fm_talk_read(&part, json.text, n, NULL));
            assert_null(part.messages.items);
        }
        fm_text_free(&json);
        fm_talk_free(&copy);
        fm_talk_free(&read);
    }
    fm_talk_free(&talk);
}

#define TALK(version, messages, more) \
    "{\"version\": " version \
    ", \"raw\": false, \"fixed_system\": false, \"time\": [126,10,30,1,2,3,1,333,0], " \
    "\"messages\": [" messages "]" more "}"

static void talk_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"", "is not JSON"},
        {"[]", "has no version"},
        {TALK("2", "", ""), "is of version 2, this library reads 1"},
        {TALK("1", "{}", ""), "\"role\" is missing or wrong"},
        {TALK("1", "7", ""), "\"role\" is missing or wrong"},
        {TALK("1", "{\"role\": \"king\"}", ""), "\"role\""},
        {TALK("1", "{\"role\": \"user\", \"content\": 7}", ""), "\"content\""},
        {TALK("1", "{\"role\": \"user\", \"tool_calls\": {}}", ""), "\"tool_calls\""},
        {TALK("1", "{\"role\": \"user\", \"tool_calls\": [{\"name\": \"f\"}]}", ""), "\"tool_calls\""},
        {TALK("1", "", ", \"tools\": []"), "\"tools\""},
        {TALK("1", "", ", \"template_name\": \"a\", \"template_text\": \"b\""), "\"template_text\""},
        {"{\"version\": 1, \"raw\": true, \"fixed_system\": true, \"time\": [0,0,1,0,0,0,0,0,0], "
         "\"messages\": "
         "[]}",
            "\"fixed_system\""},
        {"{\"version\": 1, \"raw\": true, \"fixed_system\": false, \"time\": [0,0,1,0,0,0,0,0,0], "
         "\"messages\": "
         "[{\"role\": \"user\"}]}",
            "\"raw\""},
        {"{\"version\": 1, \"raw\": true, \"fixed_system\": false, \"time\": [0,0,1,0,0,0,0,0], "
         "\"messages\": "
         "[]}",
            "\"time\""},
        {"{\"version\": 1, \"raw\": true, \"fixed_system\": false, \"time\": [0,12,1,0,0,0,0,0,0], "
         "\"messages\": []}",
            "\"time\""},
        {"{\"version\": 1}", "\"messages\""},
        {TALK("1", "{\"role\": \"user\"}, {\"role\": \"king\"}", ""), "\"role\""},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct fathom_error err = {0};
        struct fm_talk talk;
        assert_false(fm_talk_read(&talk, bad[i].text, strlen(bad[i].text), &err));
        assert_null(talk.messages.items);
        if (!strstr(err.message, bad[i].says)) fail_msg("\"%s\" and not \"%s\"", err.message, bad[i].says);
    }
    struct fm_talk good;
    static const char text[] = TALK("1", "{\"role\": \"user\", \"later\": 1}", ", \"later\": 2");
    assert_true(fm_talk_read(&good, text, strlen(text), NULL));
    fm_talk_free(&good);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(talk_is_kept), cmocka_unit_test(talk_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
