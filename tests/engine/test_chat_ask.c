// What one question may ask for: sampling, limits, a thought's budget, stops, logits, the prompt alone.
#include "engine/chat_support.h"
#include "file/folder.h"

// Sampling, limits and stops of one question are not those of the next.
static void does_not_stick(void **state) {
    static const char *const stops[] = {"9"};
    struct fathom_chat *chat = open_chat(*state, NULL);
    struct said plain, hot, again;
    ask(chat, paul, FATHOM_INIT(fathom_ask_params, .max_tokens = 60), &plain);
    fathom_chat_clear(chat);
    ask(chat, paul,
        FATHOM_INIT(fathom_ask_params, .sampling = &FATHOM_INIT(fathom_sampling, .temperature = 3, .seed = 5),
            .max_tokens = 20, .max_thought = 9, .stops = stops, .n_stops = 1),
        &hot);
    assert_true(hot.r.n_ids <= 20);
    assert_memory_not_equal(plain.ids, hot.ids, 9 * sizeof(*plain.ids));
    fathom_chat_clear(chat);
    ask(chat, paul, FATHOM_INIT(fathom_ask_params, .max_tokens = 60), &again);
    same_reply(&plain, &again);
    fathom_chat_destroy(&chat);
}

// NULL is the engine's sampling, here that of a model which asks for a high temperature.
static void default_sampling(void **state) {
    (void)state;
    static const char config[] = "{\"do_sample\": true, \"temperature\": 1.8}";
    struct fathom_error err = {0};
    struct folder f;
    char path[1024];
    struct said named, unnamed = {.r.size = sizeof(unnamed.r)}, cold;
    const struct fathom_ask_params p = {.size = sizeof(p), .max_tokens = 20};
    folder_make(&f, "v3");
    folder_file(&f, "generation_config.json", path);
    write_bytes(path, config, strlen(config));
    struct fathom_engine *engine =
        open_opening((struct opening){.engine.model = f.path, .gpu.exact = true}, &err);
    if (!engine) fail_msg("%s", err.message);
    struct fathom_chat *chat = open_chat(engine, &FATHOM_INIT(fathom_chat_params, .raw = true));
    const struct fathom_sampling *sampling = fathom_engine_get_sampling(engine);
    ask(chat, paul, FATHOM_INIT(fathom_ask_params, .max_tokens = 20, .sampling = sampling), &named);
    fathom_chat_clear(chat);
    ask(chat, paul, FATHOM_INIT(fathom_ask_params, .max_tokens = 20), &cold);
    assert_memory_not_equal(named.ids, cold.ids, 8 * sizeof(*cold.ids));
    fathom_chat_clear(chat);
    if (!fathom_chat_ask(chat, paul, &p, &unnamed.r, &err)) fail_msg("%s", err.message);
    keep(&unnamed);
    same_reply(&named, &unnamed);
    fathom_chat_destroy(&chat);
    fathom_engine_destroy(&engine);
    folder_remove(&f);
}

static void limits(void **state) {
    struct fathom_chat *chat = open_chat(*state,
        &FATHOM_INIT(fathom_chat_params, .session = &FATHOM_INIT(fathom_session_params, .n_context = 40)));
    struct said said;
    ask(chat, paul, FATHOM_INIT(fathom_ask_params, .max_tokens = 7), &said);
    assert_int_equal(said.r.n_ids, 7);
    assert_int_equal(said.r.end, FATHOM_END_LENGTH);
    fathom_chat_clear(chat);
    ask(chat, paul, FATHOM_INIT(fathom_ask_params), &said);
    assert_int_equal(said.r.end, FATHOM_END_CONTEXT);
    assert_int_equal(said.r.n_prompt_ids + said.r.n_ids, 40);
    fathom_chat_destroy(&chat);
}

struct heard {
    char texts[2][2048];
    bool answering;
};

static bool hear(void *user, enum fathom_piece kind, const char *text) {
    struct heard *heard = user;
    heard->answering |= kind == FATHOM_PIECE_ANSWER;
    assert_int_equal(heard->answering, kind == FATHOM_PIECE_ANSWER); // in order
    strcat(heard->texts[kind], text);
    return true;
}

// The thought ends after as many tokens as asked; then comes the mark, and an answer.
static void budget(void **state) {
    struct fathom_chat *chat = open_chat(*state, NULL);
    struct said whole, said;
    ask(chat, paul, FATHOM_INIT(fathom_ask_params, .max_tokens = 200), &whole);
    assert_int_equal(whole.r.end, FATHOM_END_STOP);
    const uint32_t n_thought = whole.r.n_thought_ids - 1;
    assert_true(n_thought > 12);
    static const uint32_t budgets[] = {1, 5, 12};
    for (size_t i = 0; i < 3; i++) {
        struct heard heard = {0};
        fathom_chat_clear(chat);
        ask(chat, paul,
            FATHOM_INIT(fathom_ask_params, .max_tokens = 200, .max_thought = budgets[i], .on_piece = hear,
                .user = &heard),
            &said);
        const uint32_t n = budgets[i], n_mark = said.r.n_thought_ids - n;
        print_message("budget %u: thought \"%s\", answer \"%s\"\n", n, said.thought, said.answer);
        assert_memory_equal(said.ids, whole.ids, n * sizeof(*said.ids));
        assert_in_range(n_mark, 1, 2); // the line end before the mark, if any
        assert_int_equal(said.ids[said.r.n_thought_ids - 1], whole.ids[n_thought]);
        assert_string_not_equal(said.answer, "");
        assert_null(strstr(said.answer, "</think>")); // which the model may write again
        assert_int_equal(said.r.end, FATHOM_END_STOP);
        assert_string_equal(heard.texts[FATHOM_PIECE_THOUGHT], said.thought);
        assert_string_equal(heard.texts[FATHOM_PIECE_ANSWER], said.answer);
        check_message(chat, 1, FATHOM_ROLE_ASSISTANT, said.answer);
        assert_string_equal(fathom_chat_get(chat, 1)->reasoning, said.thought);
        // the session has the mark, and everything before the end token
        const struct fathom_session *session = fathom_chat_get_session(chat);
        assert_int_equal(fathom_session_length(session), said.r.n_prompt_ids + said.r.n_ids - 1);
        assert_memory_equal(fathom_session_tokens(session) + said.r.n_prompt_ids, said.ids,
            (said.r.n_ids - 1) * sizeof(*said.ids));
    }
    // a thought that is as long as its budget, or shorter, ends by itself
    for (uint32_t n = n_thought; n < n_thought + 2; n++) {
        fathom_chat_clear(chat);
        ask(chat, paul, FATHOM_INIT(fathom_ask_params, .max_tokens = 200, .max_thought = n), &said);
        same_reply(&said, &whole);
    }
    // max_tokens holds for the mark, too
    for (uint32_t n = 5; n < 9; n++) {
        fathom_chat_clear(chat);
        ask(chat, paul, FATHOM_INIT(fathom_ask_params, .max_tokens = n, .max_thought = 5), &said);
        assert_int_equal(said.r.n_ids, n);
        assert_int_equal(said.r.end, FATHOM_END_LENGTH);
    }
    fathom_chat_destroy(&chat);
}

// A stop ends the text of the answer, of the message and of the session; the thought has the same digits.
static void stops(void **state) {
    struct fathom_chat *chat = open_chat(*state, NULL), *given = open_chat(*state, NULL);
    struct said whole, said, next, same;
    ask(chat, paul, FATHOM_INIT(fathom_ask_params, .max_tokens = 200), &whole);
    assert_true(strlen(whole.answer) > 2);
    const size_t at = strlen(whole.answer) / 2;
    const char *const list[] = {"zzzz", whole.answer + at};
    struct heard heard = {0};
    fathom_chat_clear(chat);
    ask(chat, paul,
        FATHOM_INIT(fathom_ask_params, .max_tokens = 200, .stops = list, .n_stops = 2, .on_piece = hear,
            .user = &heard),
        &said);
    print_message("\"%s\" stopped before \"%s\": \"%s\"\n", whole.answer, list[1], said.answer);
    assert_int_equal(said.r.end, FATHOM_END_STRING);
    const size_t stop = (size_t)(strstr(whole.answer, list[1]) - whole.answer);
    assert_int_equal(strlen(said.answer), stop);
    assert_memory_equal(said.answer, whole.answer, stop);
    assert_string_equal(heard.texts[FATHOM_PIECE_ANSWER], said.answer);
    assert_string_equal(said.thought, whole.thought);
    check_message(chat, 1, FATHOM_ROLE_ASSISTANT, said.answer);
    const struct fathom_session *session = fathom_chat_get_session(chat);
    assert_int_equal(fathom_session_length(session), said.r.n_prompt_ids + said.r.n_ids);
    // the next question goes on from the answer as it was kept
    add(given, FATHOM_ROLE_USER, paul);
    add(given, FATHOM_ROLE_ASSISTANT, said.answer);
    ask(chat, three, FATHOM_INIT(fathom_ask_params, .max_tokens = 20), &next);
    ask(given, three, FATHOM_INIT(fathom_ask_params, .max_tokens = 20), &same);
    same_reply(&next, &same);
    fathom_chat_destroy(&chat);
    fathom_chat_destroy(&given);
}

// The text of a raw chat ends before a stop, too, and goes on from there.
static void raw_text(void **state) {
    struct fathom_error err = {0};
    struct fathom_chat *raw = open_chat(*state, &FATHOM_INIT(fathom_chat_params, .raw = true));
    struct fathom_chat *other = open_chat(*state, &FATHOM_INIT(fathom_chat_params, .raw = true));
    struct fathom_session *session = fathom_chat_get_session(raw);
    struct said whole, said, more;
    uint32_t n = 0, n_reused = 0;
    ask(raw, paul, FATHOM_INIT(fathom_ask_params, .max_tokens = 24), &whole);
    // the text goes on where it was, and both parts are what one call gives
    ask(other, paul, FATHOM_INIT(fathom_ask_params, .max_tokens = 9), &said);
    assert_true(fathom_chat_count_tokens(other, NULL, NULL, &n, &n_reused, &err));
    assert_int_equal(n, said.r.n_prompt_ids + 9);
    ask(other, NULL, FATHOM_INIT(fathom_ask_params, .max_tokens = 15), &more);
    same_text(raw, other);
    // every stop of three bytes
    for (size_t i = 0; i + 3 < strlen(whole.answer); i += 2) {
        char stop[4] = {0};
        memcpy(stop, whole.answer + i, 3);
        if (((unsigned char)stop[0] & 0xC0) == 0x80 || ((unsigned char)whole.answer[i + 3] & 0xC0) == 0x80)
            continue;
        const char *const list[] = {stop};
        const size_t at = (size_t)(strstr(whole.answer, stop) - whole.answer);
        fathom_chat_clear(raw);
        ask(raw, paul, FATHOM_INIT(fathom_ask_params, .max_tokens = 24, .stops = list, .n_stops = 1), &said);
        assert_int_equal(said.r.end, FATHOM_END_STRING);
        assert_int_equal(strlen(said.answer), at);
        // the session's text is the question and the answer
        char text[2048] = "";
        size_t length, end = 0;
        const struct fathom_tokenizer *tokenizer = fathom_engine_get_tokenizer(*state);
        for (uint32_t j = said.r.n_prompt_ids; j < fathom_session_length(session); j++, end += length) {
            const int32_t id = fathom_session_tokens(session)[j];
            const char *bytes = fathom_token_bytes(tokenizer, id, &length);
            if (fathom_token_is_control(tokenizer, id)) length = 0;
            memcpy(text + end, bytes, length);
        }
        text[end] = 0;
        assert_string_equal(text, said.answer);
    }
    fathom_chat_destroy(&raw);
    fathom_chat_destroy(&other);
}

static void refused(void **state) {
    static const char *const holes[] = {"a", NULL}, *const empty[] = {""};
    const struct {
        struct fathom_ask_params p;
        const char *says;
    } bad[] = {
        {{.size = sizeof(struct fathom_ask_params), .n_stops = 1}, "fathom_chat_ask: params.stops is NULL"},
        {{.size = sizeof(struct fathom_ask_params), .stops = holes, .n_stops = 2}, "params.stops[1] is NULL"},
        {{.size = sizeof(struct fathom_ask_params), .stops = empty, .n_stops = 1},
            "params.stops[0] is empty"},
        {{.size = 0}, "fathom_chat_ask: params.size is 0"},
    };
    struct fathom_chat *chat = open_chat(*state, NULL);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct fathom_error err = {0};
        assert_false(fathom_chat_ask(chat, paul, &bad[i].p, NULL, &err));
        if (!strstr(err.message, bad[i].says)) fail_msg("\"%s\" and not \"%s\"", err.message, bad[i].says);
        assert_int_equal(fathom_chat_count(chat), 0);
    }
    struct fathom_error err = {0};
    struct fathom_reply reply = {.size = 0};
    assert_false(fathom_chat_ask(chat, paul, NULL, &reply, &err));
    assert_non_null(strstr(err.message, "fathom_chat_ask: reply.size is 0"));
    struct fathom_chat *raw = open_chat(*state, &FATHOM_INIT(fathom_chat_params, .raw = true));
    const char *const says = "a raw text has no messages";
    memset(&err, 0, sizeof(err));
    assert_false(fathom_chat_regenerate(raw, NULL, NULL, &err));
    assert_non_null(strstr(err.message, says));
    memset(&err, 0, sizeof(err));
    assert_false(fathom_chat_truncate(raw, 0, &err));
    assert_non_null(strstr(err.message, says));
    memset(&err, 0, sizeof(err));
    assert_false(fathom_chat_drop_oldest(raw, 1, NULL, &err));
    assert_non_null(strstr(err.message, says));
    memset(&err, 0, sizeof(err));
    assert_null(
        fathom_chat_create(*state, &FATHOM_INIT(fathom_chat_params, .system = "x", .raw = true), &err));
    assert_non_null(strstr(err.message, "a system prompt needs a template"));
    fathom_chat_destroy(&raw);
    fathom_chat_destroy(&chat);
}

// The prompt alone, and its answer later.
static void prompt_only(void **state) {
    struct fathom_chat *chat = open_chat(*state, NULL), *other = open_chat(*state, NULL);
    struct said prompt, said, want;
    ask(chat, paul, FATHOM_INIT(fathom_ask_params, .prompt_only = true, .max_tokens = 20), &prompt);
    assert_int_equal(prompt.r.n_ids, 0);
    assert_int_equal(fathom_chat_count(chat), 1);
    assert_int_equal(fathom_session_length(fathom_chat_get_session(chat)), prompt.r.n_prompt_ids);
    ask(chat, NULL, FATHOM_INIT(fathom_ask_params, .max_tokens = 20), &said);
    assert_int_equal(said.r.n_reused, prompt.r.n_prompt_ids);
    ask(other, paul, FATHOM_INIT(fathom_ask_params, .max_tokens = 20), &want);
    assert_int_equal(want.r.n_reused, 0);
    same_reply(&said, &want);
    fathom_chat_destroy(&chat);
    fathom_chat_destroy(&other);
}

static const struct fathom_template_params switched = {
    .size = sizeof(switched),
    .text =
        "{{ bos_token }}{% for m in messages %}<｜User｜>{{ m.content }}{% endfor %}<｜Assistant｜><think>\n"
        "{% if not enable_thinking %}\n</think>\n\n{% endif %}",
};

static void disable_thinking(void **state) {
    struct fathom_chat *chat =
        open_chat(*state, &FATHOM_INIT(fathom_chat_params, .chat_template = &switched));
    struct said said, thinking;
    ask(chat, paul, FATHOM_INIT(fathom_ask_params, .max_tokens = 30, .disable_thinking = true), &said);
    assert_string_equal(said.thought, "");
    assert_string_not_equal(said.answer, "");
    assert_int_equal(said.r.n_thought_ids, 0);
    fathom_chat_clear(chat);
    ask(chat, paul, FATHOM_INIT(fathom_ask_params, .max_tokens = 12), &thinking);
    assert_string_not_equal(thinking.thought, "");
    assert_int_equal(thinking.r.n_thought_ids, 12);
    assert_true(thinking.r.n_prompt_ids < said.r.n_prompt_ids);
    fathom_chat_destroy(&chat);
}

struct grammar {
    int32_t id;
    uint32_t n_calls, n_wanted;
};

static bool force(void *user, float *logits, uint32_t n_vocab) {
    struct grammar *grammar = user;
    if (grammar->n_calls++ == grammar->n_wanted) return false;
    for (uint32_t i = 0; i < n_vocab; i++)
        if ((int32_t)i != grammar->id) logits[i] = -INFINITY;
    return true;
}

static void logits_are_changed(void **state) {
    struct fathom_chat *chat = open_chat(*state, NULL);
    struct said plain, forced;
    ask(chat, paul, FATHOM_INIT(fathom_ask_params, .max_tokens = 8), &plain);
    struct grammar grammar = {plain.ids[5], 0, 6};
    fathom_chat_clear(chat);
    ask(chat, paul, FATHOM_INIT(fathom_ask_params, .max_tokens = 8, .on_logits = force, .user = &grammar),
        &forced);
    assert_int_equal(forced.r.n_ids, 6);
    for (int i = 0; i < 6; i++) assert_int_equal(forced.ids[i], plain.ids[5]);
    assert_int_equal(forced.r.end, FATHOM_END_CALLER);
    fathom_chat_destroy(&chat);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(does_not_stick), cmocka_unit_test(default_sampling),
        cmocka_unit_test(limits), cmocka_unit_test(budget), cmocka_unit_test(stops),
        cmocka_unit_test(raw_text), cmocka_unit_test(refused), cmocka_unit_test(prompt_only),
        cmocka_unit_test(disable_thinking), cmocka_unit_test(logits_are_changed)};
    return cmocka_run_group_tests(tests, open_engine, close_engine);
}
