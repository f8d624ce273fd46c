// The public functions for tokens and text: tokenizers, detokenizers and chat templates alone.
#include "text/vectors.h"
#include "text/tokenizer_parts.h"
#include <fathom/tokens.h>
#include <pthread.h>

static const char minnow_folder[] = TEST_REFERENCE "/minnow";

static struct fathom_tokenizer *open_tokenizer(const char *path) {
    struct fathom_error err = {0};
    struct fathom_tokenizer *tokenizer = fathom_tokenizer_open(path, &err);
    if (!tokenizer) fail_msg("%s", err.message);
    return tokenizer;
}

static void check_error(struct fathom_error *err, enum fathom_status status, const char *says) {
    assert_int_equal(err->status, status);
    if (!strstr(err->message, says)) fail_msg("\"%s\" does not say \"%s\"", err->message, says);
    *err = (struct fathom_error){0};
}

// The ids of a text; free() the result.
static int32_t *tokenize(
    const struct fathom_tokenizer *tokenizer, const char *text, size_t length, bool marks, size_t *n) {
    struct fathom_error err = {0};
    size_t again;
    if (!fathom_tokenize(tokenizer, text, length, marks, NULL, 0, n, &err)) fail_msg("%s", err.message);
    int32_t *ids = malloc((*n + 1) * sizeof(*ids));
    assert_non_null(ids);
    ids[*n] = -7;
    assert_true(fathom_tokenize(tokenizer, text, length, marks, ids, *n, &again, &err));
    assert_int_equal(again, *n);
    assert_int_equal(ids[*n], -7);
    return ids;
}

// ---- Vocabulary ------------------------------------------------------------------------------------------

static void vocabulary(void **state) {
    (void)state;
    struct fathom_tokenizer *tokenizer = open_tokenizer(minnow_folder);
    size_t length;
    assert_int_equal(fathom_tokenizer_count(tokenizer), 768);
    assert_int_equal(fathom_tokenizer_find(tokenizer, "<think>"), 761);
    assert_int_equal(fathom_tokenizer_find(tokenizer, "no such token"), -1);
    assert_int_equal(fathom_tokenizer_first(tokenizer), 763);
    assert_int_equal(fathom_tokenizer_last(tokenizer), 764);
    assert_true(fathom_token_is_end(tokenizer, 764));
    assert_false(fathom_token_is_end(tokenizer, 763));
    assert_false(fathom_token_is_end(tokenizer, -1));
    assert_true(fathom_token_is_control(tokenizer, 766));
    assert_false(fathom_token_is_control(tokenizer, 761));
    assert_memory_equal(fathom_token_bytes(tokenizer, 761, &length), "<think>", 7);
    assert_int_equal(length, 7);
    assert_null(fathom_token_bytes(tokenizer, 768, &length));
    assert_int_equal(length, 0);
    assert_null(fathom_token_bytes(tokenizer, INT32_MIN, &length));
    fathom_tokenizer_destroy(&tokenizer);
    assert_null(tokenizer);
    fathom_tokenizer_destroy(&tokenizer);
    fathom_tokenizer_destroy(NULL);
}

static void no_tokenizer(void **state) {
    (void)state;
    size_t length = 1;
    assert_int_equal(fathom_tokenizer_count(NULL), 0);
    assert_int_equal(fathom_tokenizer_find(NULL, "a"), -1);
    assert_int_equal(fathom_tokenizer_first(NULL), -1);
    assert_int_equal(fathom_tokenizer_last(NULL), -1);
    assert_false(fathom_token_is_end(NULL, 0));
    assert_false(fathom_token_is_control(NULL, 0));
    assert_null(fathom_token_bytes(NULL, 0, &length));
    assert_int_equal(length, 0);
    struct fathom_error err = {0};
    assert_null(fathom_tokenizer_open(NULL, &err));
    check_error(&err, FATHOM_INVALID, "fathom_tokenizer_open: path is NULL");
    assert_null(fathom_tokenizer_open("/no/such/file", &err));
    check_error(&err, FATHOM_IO, "/no/such/file");
    assert_null(fathom_tokenizer_open("/no/such/file", NULL));
}

// ---- Text to tokens --------------------------------------------------------------------------------------

// The texts of vectors.json give the recorded ids, and a detokenizer gives the texts back.
static void texts_come_back(void **state) {
    (void)state;
    struct fathom_tokenizer *tokenizer = open_tokenizer(minnow_folder);
    size_t size;
    char *file = need_file(TEST_REFERENCE "/vectors.json", &size);
    for (char *at = file; (at = strstr(at, "\\u0000"));) memcpy(at, "\\u0001", 6);
    cJSON *json = cJSON_Parse(file);
    const cJSON *text;
    int n_texts = 0;
    cJSON_ArrayForEach(text, cJSON_GetObjectItem(json, "texts")) {
        const char *bytes = text->valuestring;
        size_t n, used = 0;
        int32_t *ids = tokenize(tokenizer, bytes, strlen(bytes), true, &n);
        struct fathom_detokenizer *d = fathom_detokenizer_create(tokenizer, true, NULL);
        char *back = calloc(1, strlen(bytes) + 8);
        assert_non_null(back);
        for (size_t i = 0; i < n; i++) {
            const char *piece = fathom_detokenizer_push(d, ids[i], NULL);
            assert_non_null(piece);
            assert_true(used + strlen(piece) <= strlen(bytes));
            used += (size_t)sprintf(back + used, "%s", piece);
        }
        assert_string_equal(fathom_detokenizer_flush(d), "");
        assert_string_equal(back, bytes);
        fathom_detokenizer_destroy(&d);
        free(back);
        free(ids);
        n_texts++;
    }
    assert_true(n_texts > 100);
    cJSON_Delete(json);
    free(file);
    fathom_tokenizer_destroy(&tokenizer);
}

static void room(void **state) {
    (void)state;
    struct fathom_tokenizer *tokenizer = open_tokenizer(minnow_folder);
    static const char text[] = "<think>1 + 1</think>";
    size_t n, count;
    int32_t *ids = tokenize(tokenizer, text, strlen(text), true, &n), few[2] = {-7, -7};
    assert_true(n > 2);
    assert_true(fathom_tokenize(tokenizer, text, strlen(text), true, few, 1, &count, NULL)); // too small
    assert_int_equal(count, n);
    assert_int_equal(few[0], ids[0]);
    assert_int_equal(few[1], -7);
    assert_true(fathom_tokenize(tokenizer, NULL, 0, true, NULL, 0, &count, NULL));
    assert_int_equal(count, 0);
    free(ids);
    struct fathom_error err = {0};
    count = 5;
    assert_false(fathom_tokenize(NULL, text, 1, true, few, 2, &count, &err));
    check_error(&err, FATHOM_INVALID, "fathom_tokenize: tokenizer is NULL");
    assert_false(fathom_tokenize(tokenizer, NULL, 1, true, few, 2, &count, &err));
    check_error(&err, FATHOM_INVALID, "fathom_tokenize: text is NULL");
    assert_false(fathom_tokenize(tokenizer, text, 1, true, NULL, 2, &count, &err));
    check_error(&err, FATHOM_INVALID, "fathom_tokenize: ids is NULL");
    assert_false(fathom_tokenize(tokenizer, text, 1, true, few, 2, NULL, &err));
    check_error(&err, FATHOM_INVALID, "fathom_tokenize: n_tokens is NULL");
    assert_false(fathom_tokenize(tokenizer, text, (size_t)1 << 29, true, few, 2, &count, &err));
    check_error(&err, FATHOM_INVALID, "536870912 bytes");
    assert_int_equal(count, 5);
    fathom_tokenizer_destroy(&tokenizer);
}

// A person's text with marks has none of their tokens; the same text as a template's has them.
static void marks(void **state) {
    (void)state;
    struct fathom_tokenizer *tokenizer = open_tokenizer(minnow_folder);
    static const char text[] = "a<｜User｜>b<think>";
    size_t n;
    int32_t *ids = tokenize(tokenizer, text, strlen(text), false, &n);
    for (size_t i = 0; i < n; i++) assert_in_range(ids[i], 0, 760);
    free(ids);
    ids = tokenize(tokenizer, text, strlen(text), true, &n);
    assert_int_equal(n, 4);
    assert_int_equal(ids[1], fathom_tokenizer_find(tokenizer, "<｜User｜>"));
    assert_int_equal(ids[3], 761);
    free(ids);
    fathom_tokenizer_destroy(&tokenizer);
}

// Zero bytes, and bytes that are no UTF-8, are kept by the tokens.
static void any_bytes(void **state) {
    (void)state;
    struct fathom_tokenizer *tokenizer = open_tokenizer(minnow_folder);
    static const char text[] = "a\0\0b \xff\xc0\x80z\xe4\xbd";
    const size_t length = sizeof(text) - 1;
    char back[64];
    size_t n, used = 0;
    int32_t *ids = tokenize(tokenizer, text, length, true, &n);
    for (size_t i = 0; i < n; i++) {
        size_t size;
        const char *bytes = fathom_token_bytes(tokenizer, ids[i], &size);
        assert_true(used + size <= length);
        memcpy(back + used, bytes, size);
        used += size;
    }
    assert_int_equal(used, length);
    assert_memory_equal(back, text, length);

    struct fathom_detokenizer *d = fathom_detokenizer_create(tokenizer, false, NULL);
    used = 0;
    for (size_t i = 0; i < n; i++)
        used += (size_t)sprintf(back + used, "%s", fathom_detokenizer_push(d, ids[i], NULL));
    assert_string_equal(back, "a\ufffd\ufffdb \ufffd\ufffd\ufffdz"); // the last character is incomplete
    assert_string_equal(fathom_detokenizer_flush(d), "\ufffd");
    assert_string_equal(fathom_detokenizer_flush(d), "");
    fathom_detokenizer_destroy(&d);
    free(ids);
    fathom_tokenizer_destroy(&tokenizer);
}

// ---- Tokens to text --------------------------------------------------------------------------------------

// The characters of tokens that hold one byte each come whole.
static void split_characters(void **state) {
    (void)state;
    struct fathom_tokenizer *tokenizer = open_tokenizer(minnow_folder);
    static const char text[] = "é你🙂";
    static const char *const pieces[] = {"", "é", "", "", "你", "", "", "", "🙂"};
    struct fathom_detokenizer *d = fathom_detokenizer_create(tokenizer, false, NULL);
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        int32_t id = 0;
        for (size_t n = 0; id < 768; id++) {
            const char *bytes = fathom_token_bytes(tokenizer, id, &n);
            if (bytes && n == 1 && *bytes == text[i]) break;
        }
        assert_true(id < 768);
        assert_string_equal(fathom_detokenizer_push(d, id, NULL), pieces[i]);
    }
    fathom_detokenizer_destroy(&d);
    assert_null(d);
    fathom_detokenizer_destroy(&d);
    fathom_detokenizer_destroy(NULL);
    fathom_tokenizer_destroy(&tokenizer);
}

static void control_tokens(void **state) {
    (void)state;
    struct fathom_tokenizer *tokenizer = open_tokenizer(minnow_folder);
    struct fathom_detokenizer *without = fathom_detokenizer_create(tokenizer, false, NULL),
                              *with = fathom_detokenizer_create(tokenizer, true, NULL);
    assert_string_equal(fathom_detokenizer_push(without, 766, NULL), "");
    assert_string_equal(fathom_detokenizer_push(with, 766, NULL), "<｜User｜>");
    assert_string_equal(fathom_detokenizer_push(without, 761, NULL), "<think>"); // no control token
    struct fathom_error err = {0};
    assert_null(fathom_detokenizer_push(with, 768, &err));
    check_error(&err, FATHOM_INVALID, "768 tokens has no token 768");
    assert_null(fathom_detokenizer_push(with, -1, &err));
    check_error(&err, FATHOM_INVALID, "no token -1");
    assert_null(fathom_detokenizer_push(NULL, 1, &err));
    check_error(&err, FATHOM_INVALID, "detokenizer is NULL");
    assert_null(fathom_detokenizer_create(NULL, false, &err));
    check_error(&err, FATHOM_INVALID, "tokenizer is NULL");
    assert_null(fathom_detokenizer_flush(NULL));
    fathom_detokenizer_destroy(&with);
    fathom_detokenizer_destroy(&without);
    fathom_tokenizer_destroy(&tokenizer);
}

// A token longer than any buffer that was needed before.
static void long_token(void **state) {
    (void)state;
    char json[4096], name[1001];
    memset(name, 'x', 1000);
    name[1000] = 0;
    snprintf(json, sizeof(json),
        "{\"pre_tokenizer\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"%s\":1}"
        ","
        "\"merges\":[]}}",
        name);
    struct fathom_tokenizer *tokenizer = fm_tokenizer_from_json(json, strlen(json), NULL);
    assert_non_null(tokenizer);
    struct fathom_detokenizer *d = fathom_detokenizer_create(tokenizer, false, NULL);
    assert_string_equal(fathom_detokenizer_push(d, 1, NULL), name);
    assert_string_equal(fathom_detokenizer_push(d, 0, NULL), "a");
    fathom_detokenizer_destroy(&d);
    fathom_tokenizer_destroy(&tokenizer);
}

// ---- Templates -------------------------------------------------------------------------------------------

static const char *string_of(const cJSON *json, const char *name) {
    const cJSON *value = cJSON_GetObjectItem(json, name);
    return cJSON_IsString(value) ? value->valuestring : NULL;
}

static cJSON *load_vectors(void) {
    size_t length;
    char *file = need_file(FATHOM_SOURCE_DIR "/tests/text/chat_vectors.json", &length);
    cJSON *json = cJSON_Parse(file);
    assert_non_null(json);
    free(file);
    return json;
}

// A tokenizer of bytes and marks, in which all templates can be written.
static struct fathom_tokenizer *byte_tokenizer(const cJSON *vectors) {
    char *text = cJSON_PrintUnformatted(cJSON_GetObjectItem(vectors, "tokenizer"));
    struct fathom_error err = {0};
    struct fathom_tokenizer *tokenizer = fm_tokenizer_from_json(text, strlen(text), &err);
    if (!tokenizer) fail_msg("%s", err.message);
    cJSON_free(text);
    return tokenizer;
}

static struct fathom_template *create_template(
    const struct fathom_tokenizer *tokenizer, const char *name, const char *text) {
    struct fathom_error err = {0};
    struct fathom_template *t = fathom_template_create(
        tokenizer, &FATHOM_INIT(fathom_template_params, .name = name, .text = text), &err);
    if (!t) fail_msg("%s", err.message);
    return t;
}

enum { MAX_MESSAGES = 16, MAX_TEXT = 1 << 16 };

struct talk {
    struct fathom_message messages[MAX_MESSAGES];
    const struct fathom_message *pointers[MAX_MESSAGES];
    struct fathom_tool_call calls[MAX_MESSAGES];
    struct fathom_conversation conversation;
};

static void read_talk(const cJSON *json, struct talk *t) {
    static const char *const roles[] = {"system", "user", "assistant", "tool"};
    size_t n_calls = 0, n = 0;
    const cJSON *entry, *call;
    cJSON_ArrayForEach(entry, cJSON_GetObjectItem(json, "messages")) {
        struct fathom_message *message = &t->messages[n];
        assert_true(n < MAX_MESSAGES);
        *message = FATHOM_INIT(fathom_message, .content = string_of(entry, "content"),
            .reasoning = string_of(entry, "reasoning"), .tool_calls = t->calls + n_calls,
            .tool_call_id = string_of(entry, "tool_call_id"));
        while (strcmp(roles[message->role], string_of(entry, "role")) != 0) message->role++;
        cJSON_ArrayForEach(call, cJSON_GetObjectItem(entry, "tool_calls")) {
            assert_true(n_calls < MAX_MESSAGES);
            t->calls[n_calls++] = (struct fathom_tool_call){
                string_of(call, "name"), string_of(call, "arguments"), string_of(call, "id")};
            message->n_tool_calls++;
        }
        t->pointers[n++] = message;
    }
    t->conversation = FATHOM_INIT(fathom_conversation, .messages = t->pointers, .n_messages = n,
        .tools = string_of(json, "tools"),
        .disable_thinking = cJSON_IsTrue(cJSON_GetObjectItem(json, "disable_thinking")));
}

// The text of a conversation, which is also what the ids stand for where no message has a mark; free() the
// result.
static char *apply(const struct fathom_template *t, const struct fathom_conversation *c) {
    struct fathom_error err = {0};
    size_t length, n, again;
    if (!fathom_template_apply(t, c, NULL, 0, &length, NULL, 0, &n, &err)) fail_msg("%s", err.message);
    char *text = malloc(length + 1);
    int32_t *ids = malloc((n + 1) * sizeof(*ids));
    assert_non_null(text);
    assert_non_null(ids);
    assert_true(fathom_template_apply(t, c, text, length + 1, &again, ids, n, NULL, &err));
    assert_int_equal(again, length);
    assert_int_equal(strlen(text), length);
    free(ids);
    return text;
}

// transformers' texts of the conversations of six families. The ids are those of the whole text.
static void templates_of_models(void **state) {
    (void)state;
    static const char *const names[] = {"deepseek-r1", "deepseek-v3", "deepseek-v3.1", "deepseek-v3.2",
        "deepseek-v4", "qwen2.5", "qwen3", "llama3"};
    cJSON *json = load_vectors();
    struct fathom_tokenizer *tokenizer = byte_tokenizer(json);
    const cJSON *entry, *templates = cJSON_GetObjectItem(json, "templates");
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        const char *text = string_of(templates, names[i]);
        char own[MAX_TEXT]; // the byte tokenizer's bos is DeepSeek's
        if (text && !strcmp(names[i], "llama3")) {
            snprintf(own, sizeof(own), "{%% set bos_token = '<|begin_of_text|>' %%}%s", text);
            text = own;
        }
        struct fathom_template *t = create_template(tokenizer, text ? NULL : names[i], text);
        size_t n_cases = 0, n_shorter = 0;
        cJSON_ArrayForEach(entry, cJSON_GetObjectItem(json, "cases")) {
            if (strcmp(string_of(entry, "form"), names[i]) != 0) continue;
            struct talk talk;
            const char *wanted = string_of(entry, "text");
            read_talk(entry, &talk);
            char *given = apply(t, &talk.conversation);
            assert_string_equal(given, wanted);
            size_t n, count;
            int32_t *ids = tokenize(tokenizer, wanted, strlen(wanted), true, &n),
                    *applied = malloc((n + 1) * sizeof(*applied));
            assert_non_null(applied);
            assert_true(
                fathom_template_apply(t, &talk.conversation, NULL, 0, NULL, applied, n + 1, &count, NULL));
            assert_int_equal(count, n);
            assert_memory_equal(applied, ids, n * sizeof(*ids));
            free(applied);
            free(ids);
            // complete: the same text without the opening of an answer. R1's template opens none after
            // results
            talk.conversation.complete = true;
            char *complete = apply(t, &talk.conversation);
            n_shorter += strlen(complete) < strlen(given);
            assert_memory_equal(complete, given, strlen(complete));
            free(complete);
            free(given);
            n_cases++;
        }
        assert_true(n_cases > 0);
        assert_true(n_shorter > 0);
        fathom_template_destroy(&t);
    }
    cJSON_Delete(json);
    fathom_tokenizer_destroy(&tokenizer);
}

// The demonstration model's recorded prompts, by the template that its file decides on.
static void recorded_prompts(void **state) {
    (void)state;
    struct fathom_tokenizer *tokenizer = open_tokenizer(minnow_folder);
    struct fathom_error err = {0};
    struct fathom_template *t = fathom_template_create(tokenizer, NULL, &err);
    if (!t) fail_msg("%s", err.message);
    size_t length, n;
    char *file = need_file(TEST_REFERENCE "/minnow/questions.jsonl", &length), *rest = file;
    int n_questions = 0;
    for (char *line; (line = strsep(&rest, "\n"));) {
        if (!*line) continue;
        cJSON *json = cJSON_Parse(line);
        const struct fathom_message *question =
            &FATHOM_INIT(fathom_message, .role = FATHOM_ROLE_USER, .content = string_of(json, "question"));
        const cJSON *wanted = cJSON_GetObjectItem(json, "prompt_ids"), *id;
        int32_t ids[512];
        size_t i = 0;
        assert_true(fathom_template_apply(t,
            &FATHOM_INIT(fathom_conversation, .messages = &question, .n_messages = 1), NULL, 0, NULL, ids,
            512, &n, &err));
        assert_int_equal(n, cJSON_GetArraySize(wanted));
        cJSON_ArrayForEach(id, wanted) assert_int_equal(ids[i++], (int32_t)id->valuedouble);
        cJSON_Delete(json);
        n_questions++;
    }
    assert_true(n_questions > 10);
    free(file);
    fathom_template_destroy(&t);
    assert_null(t);
    fathom_template_destroy(&t);
    fathom_template_destroy(NULL);
    fathom_tokenizer_destroy(&tokenizer);
}

// A conversation that ends with an answer. V3.2 reads the thoughts since the last question, V4 only where
// there are tools.
static void complete(void **state) {
    (void)state;
    static const struct {
        const char *name, *wanted;
    } rows[] = {
        {"deepseek-r1", "<｜begin▁of▁sentence｜><｜User｜>q<｜Assistant｜>a<｜end▁of▁sentence｜>"},
        {"deepseek-v3", "<｜begin▁of▁sentence｜><｜User｜>q<｜Assistant｜>a<｜end▁of▁sentence｜>"},
        {"deepseek-v3.2",
            "<｜begin▁of▁sentence｜><｜User｜>q<｜Assistant｜><think>t</think>a<｜end▁of▁sentence｜>"},
        {"deepseek-v4", "<｜begin▁of▁sentence｜><｜User｜>q<｜Assistant｜></think>a<｜end▁of▁sentence｜>"},
        {"chatml", "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\na<|im_end|>\n"},
        {"llama3",
            "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nq<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\na<|eot_id|>"},
    };
    cJSON *json = load_vectors();
    struct fathom_tokenizer *tokenizer = byte_tokenizer(json);
    cJSON_Delete(json);
    const struct fathom_message question = {
        .size = sizeof(question), .role = FATHOM_ROLE_USER, .content = "q"};
    const struct fathom_message answer = {
        .size = sizeof(answer), .role = FATHOM_ROLE_ASSISTANT, .content = "a", .reasoning = "t"};
    const struct fathom_message *const both[] = {&question, &answer};
    struct fathom_conversation c = {.size = sizeof(c), .messages = both, .n_messages = 2, .complete = true};
    struct fathom_error err = {0};
    size_t n;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct fathom_template *t = create_template(tokenizer, rows[i].name, NULL);
        char *text = apply(t, &c);
        assert_string_equal(text, rows[i].wanted);
        free(text);
        fathom_template_destroy(&t);
    }
    struct fathom_template *opens = create_template(tokenizer, NULL, "{{ messages[0].content }}<think>"),
                           *v4 = create_template(tokenizer, "deepseek-v4", NULL);
    assert_false(fathom_template_apply(opens, &c, NULL, 0, NULL, NULL, 0, &n, &err));
    check_error(&err, FATHOM_UNSUPPORTED, "no switch add_generation_prompt");
    c.complete = false;
    assert_false(fathom_template_apply(v4, &c, NULL, 0, NULL, NULL, 0, &n, &err));
    check_error(&err, FATHOM_INVALID, "the last message must be the user's");
    c.complete = true;
    c.n_messages = 0;
    assert_false(fathom_template_apply(v4, &c, NULL, 0, NULL, NULL, 0, &n, &err));
    check_error(&err, FATHOM_INVALID, "no messages");
    fathom_template_destroy(&opens);
    fathom_template_destroy(&v4);
    fathom_tokenizer_destroy(&tokenizer);
}

// The text is cut where it does not fit; so are the ids.
static void room_for_templates(void **state) {
    (void)state;
    struct fathom_tokenizer *tokenizer = open_tokenizer(minnow_folder);
    struct fathom_template *t = create_template(tokenizer, NULL, "ab{{ messages[0].content }}");
    const struct fathom_message *m =
        &FATHOM_INIT(fathom_message, .role = FATHOM_ROLE_USER, .content = "<think>cd");
    const struct fathom_conversation c = {.size = sizeof(c), .messages = &m, .n_messages = 1};
    char text[16];
    int32_t ids[16];
    size_t length, n;
    memset(text, '#', sizeof(text));
    assert_true(fathom_template_apply(t, &c, text, 4, &length, NULL, 0, NULL, NULL));
    assert_int_equal(length, 11);
    assert_string_equal(text, "ab<");
    assert_int_equal(text[4], '#');
    assert_true(fathom_template_apply(t, &c, text, 12, NULL, ids, 16, &n, NULL));
    assert_string_equal(text, "ab<think>cd");
    for (size_t i = 0; i < n; i++) assert_int_not_equal(ids[i], 761); // the message forged no mark
    assert_true(n > 3);
    ids[2] = -7;
    assert_true(fathom_template_apply(t, &c, NULL, 0, NULL, ids, 2, NULL, NULL));
    assert_int_equal(ids[2], -7);
    assert_true(fathom_template_apply(t, &c, NULL, 0, NULL, NULL, 0, NULL, NULL));
    fathom_template_destroy(&t);
    fathom_tokenizer_destroy(&tokenizer);
}

static void wrong_parameters(void **state) {
    (void)state;
    struct fathom_tokenizer *tokenizer = open_tokenizer(minnow_folder);
    struct fathom_error err = {0};
    struct fathom_template_params p = {.size = sizeof(p)};
    assert_null(fathom_template_create(NULL, NULL, &err));
    check_error(&err, FATHOM_INVALID, "fathom_template_create: tokenizer is NULL");
    p.size = 0;
    assert_null(fathom_template_create(tokenizer, &p, &err));
    check_error(&err, FATHOM_INVALID, "fathom_template_create: params.size is 0");
    p = FATHOM_INIT(fathom_template_params, .name = "deepseek-r1", .text = "a");
    assert_null(fathom_template_create(tokenizer, &p, &err));
    check_error(&err, FATHOM_INVALID, "one is wanted");

    struct fathom_template *t = create_template(tokenizer, "deepseek-r1", NULL);
    struct fathom_message message = {.size = sizeof(message), .role = FATHOM_ROLE_USER, .content = "q"};
    const struct fathom_message *list[] = {&message, NULL};
    struct fathom_conversation c = {.size = sizeof(c), .messages = list, .n_messages = 1};
    char text[4];
    int32_t ids[4];
    size_t n;
    assert_false(fathom_template_apply(NULL, &c, NULL, 0, NULL, NULL, 0, &n, &err));
    check_error(&err, FATHOM_INVALID, "fathom_template_apply: chat_template is NULL");
    assert_false(fathom_template_apply(t, NULL, NULL, 0, NULL, NULL, 0, &n, &err));
    check_error(&err, FATHOM_INVALID, "fathom_template_apply: conversation is NULL");
    assert_false(fathom_template_apply(t, &c, NULL, 4, NULL, NULL, 0, &n, &err));
    check_error(&err, FATHOM_INVALID, "fathom_template_apply: text is NULL");
    assert_false(fathom_template_apply(t, &c, text, 4, NULL, NULL, 4, &n, &err));
    check_error(&err, FATHOM_INVALID, "fathom_template_apply: ids is NULL");
    c.n_messages = 2;
    assert_false(fathom_template_apply(t, &c, text, 4, NULL, ids, 4, &n, &err));
    check_error(&err, FATHOM_INVALID, "conversation.messages[1] is NULL");
    c.n_messages = 1;
    message.n_tool_calls = 1;
    assert_false(fathom_template_apply(t, &c, text, 4, NULL, ids, 4, &n, &err));
    check_error(&err, FATHOM_INVALID, "messages[0].tool_calls is NULL");
    message.n_tool_calls = 0;
    message.size = 0;
    assert_false(fathom_template_apply(t, &c, text, 4, NULL, ids, 4, &n, &err));
    check_error(&err, FATHOM_INVALID, "conversation.messages.size is 0");
    c.messages = NULL;
    assert_false(fathom_template_apply(t, &c, text, 4, NULL, ids, 4, &n, &err));
    check_error(&err, FATHOM_INVALID, "conversation.messages is NULL");
    c.size = 0;
    assert_false(fathom_template_apply(t, &c, text, 4, NULL, ids, 4, &n, &err));
    check_error(&err, FATHOM_INVALID, "conversation.size is 0");
    fathom_template_destroy(&t);
    fathom_tokenizer_destroy(&tokenizer);
}

// A tokenizer that was opened alone has the folder's own template, and a GGUF file's architecture decides.
static void template_of_a_folder(void **state) {
    (void)state;
    char folder[] = "/tmp/fathom-tokens-XXXXXX", path[256], command[1024];
    assert_non_null(mkdtemp(folder));
    snprintf(command, sizeof(command), "cp " TEST_REFERENCE "/minnow/tokenizer.json %s", folder);
    assert_int_equal(system(command), 0);
    snprintf(path, sizeof(path), "%s/chat_template.jinja", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("own {{ messages[0].content }}", file);
    fclose(file);
    struct fathom_tokenizer *tokenizer = open_tokenizer(folder);
    struct fathom_template *t = create_template(tokenizer, NULL, NULL);
    const struct fathom_message *m = &FATHOM_INIT(fathom_message, .role = FATHOM_ROLE_USER, .content = "q");
    char *text = apply(t, &FATHOM_INIT(fathom_conversation, .messages = &m, .n_messages = 1));
    assert_string_equal(text, "own q");
    free(text);
    fathom_template_destroy(&t);
    fathom_tokenizer_destroy(&tokenizer);
    snprintf(command, sizeof(command), "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

// The architecture of the file decides where a model brings no template; a parameter overrides it.
static void architecture_decides(void **state) {
    (void)state;
    static const char tool[] = "[{\"type\": \"function\", \"function\": {\"name\": \"f\"}}]";
    struct fathom_tokenizer *tokenizer = open_tokenizer(minnow_folder);
    const struct fathom_message *m = &FATHOM_INIT(fathom_message, .role = FATHOM_ROLE_USER, .content = "q");
    const struct fathom_conversation c = {.size = sizeof(c), .messages = &m, .n_messages = 1, .tools = tool};
    assert_true(fm_tokenizer_set_text(&tokenizer->architecture, "deepseek4", 9, NULL));
    struct fathom_template *v4 = create_template(tokenizer, NULL, NULL),
                           *v32 = fathom_template_create(tokenizer,
                               &FATHOM_INIT(fathom_template_params, .architecture = "deepseek32"), NULL);
    assert_non_null(v32);
    char *by_file = apply(v4, &c), *by_parameter = apply(v32, &c);
    assert_non_null(strstr(by_file, "｜DSML｜tool_calls>"));
    assert_non_null(strstr(by_parameter, "｜DSML｜function_calls>"));
    free(by_file);
    free(by_parameter);
    fathom_template_destroy(&v4);
    fathom_template_destroy(&v32);
    fathom_tokenizer_destroy(&tokenizer);
}

// ---- Threads ---------------------------------------------------------------------------------------------

enum { N_THREADS = 4, N_ROUNDS = 30, MAX_IDS = 1024 };

struct shared {
    const struct fathom_tokenizer *tokenizer;
    const struct fathom_template *chat_template;
    const struct fathom_conversation *conversation;
    int32_t ids[MAX_IDS];
    size_t n_ids;
    char text[MAX_TEXT];
    bool same[N_THREADS];
};
struct worker {
    struct shared *shared;
    size_t i;
};

static void *work(void *user) {
    struct worker *w = user;
    struct shared *s = w->shared;
    char *text = malloc(MAX_TEXT);
    int32_t *ids = malloc(MAX_IDS * sizeof(*ids));
    bool same = text && ids;
    for (int round = 0; same && round < N_ROUNDS; round++) {
        size_t length, n, used = 0;
        same = fathom_template_apply(
                   s->chat_template, s->conversation, text, MAX_TEXT, &length, ids, MAX_IDS, &n, NULL) &&
            n == s->n_ids && !memcmp(ids, s->ids, n * sizeof(*ids)) && !strcmp(text, s->text) &&
            fathom_tokenize(s->tokenizer, s->text, strlen(s->text), true, ids, MAX_IDS, &n, NULL) &&
            n == s->n_ids && !memcmp(ids, s->ids, n * sizeof(*ids));
        struct fathom_detokenizer *d = same ? fathom_detokenizer_create(s->tokenizer, true, NULL) : NULL;
        for (size_t i = 0; d && i < n; i++) {
            const char *piece = fathom_detokenizer_push(d, ids[i], NULL);
            if (piece) used += (size_t)snprintf(text + used, MAX_TEXT - used, "%s", piece);
        }
        same = same && d && !strcmp(text, s->text);
        fathom_detokenizer_destroy(&d);
        // a second template of the same tokenizer
        struct fathom_template *own = fathom_template_create(
            s->tokenizer, &FATHOM_INIT(fathom_template_params, .name = "deepseek-v4"), NULL);
        same = same && own;
        fathom_template_destroy(&own);
    }
    s->same[w->i] = same;
    free(text);
    free(ids);
    return NULL;
}

static void four_threads(void **state) {
    (void)state;
    struct shared *s = calloc(1, sizeof(*s));
    assert_non_null(s);
    struct fathom_tokenizer *tokenizer = open_tokenizer(minnow_folder);
    cJSON *json = load_vectors();
    struct fathom_template *t =
        create_template(tokenizer, NULL, string_of(cJSON_GetObjectItem(json, "templates"), "deepseek-v3.1"));
    const struct fathom_message *m = &FATHOM_INIT(
        fathom_message, .role = FATHOM_ROLE_USER, .content = "What is 1 + 1? Mehr als 你好 🙂!");
    const struct fathom_conversation c = {.size = sizeof(c), .messages = &m, .n_messages = 1};
    s->tokenizer = tokenizer, s->chat_template = t, s->conversation = &c;
    assert_true(fathom_template_apply(t, &c, s->text, MAX_TEXT, NULL, s->ids, MAX_IDS, &s->n_ids, NULL));
    pthread_t threads[N_THREADS];
    struct worker workers[N_THREADS];
    for (size_t i = 0; i < N_THREADS; i++) {
        workers[i] = (struct worker){s, i};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (size_t i = 0; i < N_THREADS; i++) pthread_join(threads[i], NULL);
    for (size_t i = 0; i < N_THREADS; i++) assert_true(s->same[i]);
    fathom_template_destroy(&t);
    fathom_tokenizer_destroy(&tokenizer);
    cJSON_Delete(json);
    free(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vocabulary),
        cmocka_unit_test(no_tokenizer),
        cmocka_unit_test(texts_come_back),
        cmocka_unit_test(room),
        cmocka_unit_test(marks),
        cmocka_unit_test(any_bytes),
        cmocka_unit_test(split_characters),
        cmocka_unit_test(control_tokens),
        cmocka_unit_test(long_token),
        cmocka_unit_test(templates_of_models),
        cmocka_unit_test(recorded_prompts),
        cmocka_unit_test(complete),
        cmocka_unit_test(room_for_templates),
        cmocka_unit_test(wrong_parameters),
        cmocka_unit_test(template_of_a_folder),
        cmocka_unit_test(architecture_decides),
        cmocka_unit_test(four_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
