// Chooses a chat template, and makes prompts with it.
#include "text/chat.h"
#include "base/json.h"
#include "text/chat_parts.h"
#include <stdlib.h>
#include <string.h>

// ---- Choosing --------------------------------------------------------------------------------------------

static const struct fm_chat_builtin *builtin_named(const char *name, struct fathom_error *err) {
    char list[256] = "";
    for (size_t i = 0; i < fm_chat_n_builtins; i++) {
        if (!strcmp(name, fm_chat_builtins[i].name)) return &fm_chat_builtins[i];
        strcat(strcat(list, i ? ", " : ""), fm_chat_builtins[i].name);
    }
    fm_fail(err, FATHOM_INVALID,
        "there is no chat template \"%s\" built in; there are %s; a model's own needs no name", name, list);
    return NULL;
}

// The mark of a template that the tokenizer lacks; NULL: none.
static const char *missing_mark(
    const struct fm_chat_builtin *builtin, const struct fathom_tokenizer *tokenizer) {
    for (size_t i = 0; i < sizeof(builtin->marks) / sizeof(*builtin->marks) && builtin->marks[i]; i++)
        if (fathom_tokenizer_find(tokenizer, builtin->marks[i]) < 0) return builtin->marks[i];
    return NULL;
}

// The template for a model that brings none: V3.2 and V4 by architecture or by the mark that only V4 has, the
// others by the marks of the tokenizer.
static const struct fm_chat_builtin *builtin_for(
    const struct fathom_tokenizer *tokenizer, const char *architecture, struct fathom_error *err) {
    if (!architecture) architecture = "";
    const bool v4 = !strcmp(architecture, "deepseek4"), v32 = !strcmp(architecture, "deepseek32"),
               dsml = fathom_tokenizer_find(tokenizer, "｜DSML｜") >= 0;
    if (v4 || (dsml && !v32 && fathom_tokenizer_find(tokenizer, "<｜latest_reminder｜>") >= 0))
        return builtin_named("deepseek-v4", err);
    if (v32 || dsml) return builtin_named("deepseek-v3.2", err);
    for (size_t i = 0; i < fm_chat_n_builtins; i++)
        if (!fm_chat_builtins[i].encoder && !missing_mark(&fm_chat_builtins[i], tokenizer))
            return &fm_chat_builtins[i];
    fm_fail(err, FATHOM_UNSUPPORTED,
        "the model has no chat template, and its tokenizer has the marks of no template that is built in "
        "(<｜Assistant｜>, <|im_start|>, <|start_header_id|>); a template can be given");
    return NULL;
}

static void find_thought_marks(struct fathom_template *t) {
    static const char *const pairs[][2] = {{"<think>", "</think>"}, {"[THINK]", "[/THINK]"},
        {"<|START_THINKING|>", "<|END_THINKING|>"}, {"<seed:think>", "</seed:think>"},
        {"◁think▷", "◁/think▷"}};
    t->open_thought = t->close_thought = -1;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
        const int32_t open = fathom_tokenizer_find(t->tokenizer, pairs[i][0]),
                      close = fathom_tokenizer_find(t->tokenizer, pairs[i][1]);
        if (open < 0 || close < 0) continue;
        t->open_thought = open, t->close_thought = close;
        t->open_mark = pairs[i][0], t->close_mark = pairs[i][1];
        return;
    }
}

static bool render(const struct fathom_template *t, const struct fm_conversation *talk,
    const struct fm_call_form *form, struct fm_jinja_output *out, struct fathom_error *err) {
    struct fm_text variables = {0};
    bool done = fm_chat_variables(talk, t->tokenizer, form, &variables);
    if (!done) fm_fail(err, FATHOM_NO_MEMORY, "chat: no memory for the conversation");
    const struct fm_jinja_input input = {
        .variables = variables.text,
        .length = variables.length,
        .own = fm_chat_own_variables,
        .n_own = fm_chat_n_own_variables,
        .now = t->now,
    };
    done = done && fm_jinja_render(talk->tools && t->with_tools ? t->with_tools : t->jinja, &input, out, err);
    fm_text_free(&variables);
    return done;
}

// Returns true when the template, for a conversation with or without tools, has the word in its code or its
// text.
static bool mentions(const struct fathom_template *t, bool tools, const char *word) {
    return !t->jinja || fm_jinja_mentions(tools && t->with_tools ? t->with_tools : t->jinja, word);
}

static size_t count(const char *text, const char *word) {
    size_t n = 0;
    for (; (text = strstr(text, word)); text++) n++;
    return n;
}

// Renders a conversation, and tells whether it shows the call of probe_calls(): the name and the argument,
// without a dict as Python prints it, and with at most *n_none times None.
static bool shows_call(const struct fathom_template *t, const struct fm_conversation *talk,
    const struct fm_call_form *form, size_t *n_none, enum fm_call_style *style, bool *no_memory) {
    struct fm_jinja_output out = {0};
    struct fathom_error why = {0};
    bool shows = render(t, talk, form, &out, &why);
    *no_memory |= why.status == FATHOM_NO_MEMORY;
    if (shows) {
        const size_t n = count(out.text, "None");
        shows = strstr(out.text, "probe_name") && strstr(out.text, "probe_value") &&
            !strstr(out.text, "{'probe_key'") && n <= *n_none;
        *n_none = n;
        *style = fm_call_style_of(out.text);
    }
    fm_jinja_output_free(&out);
    return shows;
}

// Chooses how the template wants calls, and tells how the model writes them: by the first form with which a
// conversation with a call shows the call, and no None that a conversation without calls does not show. A
// template that renders no call is asked by its text. A template without tool_calls could not render a call
// that an answer has: such a call stays text.
static bool probe_calls(struct fathom_template *t, const char *text, struct fathom_error *err) {
    static const struct fm_call_form forms[] = {{false, false}, {true, false}, {false, true}, {true, true}};
    static const struct fathom_tool_call call = {
        "probe_name", "{\"probe_key\": \"probe_value\"}", "call00000"};
    static const char list[] =
        "[{\"type\": \"function\", \"function\": {\"name\": \"probe_name\", \"description\": \"d\", "
        "\"parameters\": {\"type\": \"object\", \"properties\": {}}}}]";
    static const struct fathom_message messages[] = {{.role = FATHOM_ROLE_USER, .content = "q"},
        {.role = FATHOM_ROLE_ASSISTANT, .tool_calls = &call, .n_tool_calls = 1},
        {.role = FATHOM_ROLE_TOOL, .content = "r", .tool_call_id = "call00000"}};
    const char *tools = t->with_tools ? list : NULL; // takes the template that writes the calls
    bool no_memory = false;
    size_t n_none = 0;
    enum fm_call_style style;
    t->call_form = forms[2];
    t->call_style = mentions(t, true, "tool_calls") ? fm_call_style_of(text) : FM_CALL_NONE;
    shows_call(t, &(struct fm_conversation){messages, 1, tools}, &forms[2], &n_none, &style, &no_memory);
    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
        size_t n = n_none;
        if (!shows_call(t, &(struct fm_conversation){messages, 3, tools}, &forms[i], &n, &style, &no_memory))
            continue;
        t->call_form = forms[i];
        t->call_style = style;
        break;
    }
    return !no_memory || fm_fail(err, FATHOM_NO_MEMORY, "chat: no memory for the template");
}

static bool parse(struct fm_jinja **jinja, const char *text, struct fathom_error *err) {
    return !text || (*jinja = fm_jinja_parse(text, strlen(text), err));
}

static bool open_template(
    struct fathom_template *t, const struct fm_chat_source *source, struct fathom_error *err) {
    const char *text = source->name ? NULL : source->text, *with_tools = NULL;
    if (source->name && source->text)
        return fm_fail(
            err, FATHOM_INVALID, "chat: the name of a template and a template are given; one is wanted");
    if (!source->name && !text) {
        text = fm_tokenizer_chat_template(t->tokenizer);
        with_tools = fm_tokenizer_tool_template(t->tokenizer);
        if (!text && with_tools)
            return fm_fail(err, FATHOM_UNSUPPORTED,
                "chat: the model has a chat template named tool_use, and none named default; another can be "
                "given");
    }
    if (!text) {
        t->builtin = source->name ? builtin_named(source->name, err)
                                  : builtin_for(t->tokenizer, source->architecture, err);
        if (!t->builtin) return false;
        const char *mark = missing_mark(t->builtin, t->tokenizer);
        if (mark)
            return fm_fail(err, FATHOM_UNSUPPORTED,
                "chat: the tokenizer has no token %s, which the template %s needs", mark, t->builtin->name);
        text = t->builtin->text;
    }
    find_thought_marks(t);
    if (!parse(&t->jinja, text, err) || !parse(&t->with_tools, with_tools, err)) return false;
    t->call_style = FM_CALL_DSML;
    return !t->jinja || probe_calls(t, with_tools ? with_tools : text, err);
}

struct fathom_template *fm_chat_template_create(
    const struct fathom_tokenizer *tokenizer, const struct fm_chat_source *source, struct fathom_error *err) {
    struct fathom_template *t = calloc(1, sizeof(*t));
    if (!t) {
        fm_fail(err, FATHOM_NO_MEMORY, "chat: no memory for the template");
        return NULL;
    }
    t->tokenizer = tokenizer;
    t->now = source->now;
    if (!open_template(t, source, err)) fathom_template_destroy(&t);
    return t;
}

void fathom_template_destroy(struct fathom_template **chat_template) {
    struct fathom_template *t = chat_template ? *chat_template : NULL;
    if (!t) return;
    fm_jinja_destroy(&t->jinja);
    fm_jinja_destroy(&t->with_tools);
    free(t);
    *chat_template = NULL;
}

// ---- Checks ----------------------------------------------------------------------------------------------

// Returns true when the template reads the variable.
static bool reads(const struct fathom_template *t, bool tools, const char *variable) {
    return !t->jinja || fm_jinja_names(tools && t->with_tools ? t->with_tools : t->jinja, variable);
}

bool fm_chat_check_tools(const struct fathom_template *t, const char *tools, struct fathom_error *err) {
    if (!reads(t, true, "tools"))
        return fm_fail(err, FATHOM_UNSUPPORTED,
            "chat: the chat template has no list of tools: the system prompt can describe them");
    cJSON *json = fm_json_parse("tools", tools, strlen(tools), err);
    const cJSON *entry;
    bool good = cJSON_IsArray(json) && json->child;
    cJSON_ArrayForEach(entry, json) good = good &&
        cJSON_IsString(
            cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(entry, "function"), "name"));
    const bool parsed = json;
    cJSON_Delete(json);
    return good || !parsed ? good
                           : fm_fail(err, FATHOM_INVALID,
                                 "tools: no array of objects that each have a \"function\" with a \"name\"");
}

static bool check_calls(const struct fathom_message *message, struct fathom_error *err) {
    for (size_t i = 0; i < message->n_tool_calls; i++) {
        const struct fathom_tool_call *call = &message->tool_calls[i];
        if (!call->name || !call->name[0])
            return fm_fail(err, FATHOM_INVALID, "chat: tool call %zu has no name", i);
        cJSON *json = call->arguments
            ? fm_json_parse(call->name, call->arguments, strlen(call->arguments), NULL)
            : NULL;
        const bool object = cJSON_IsObject(json);
        cJSON_Delete(json);
        if (!object)
            return fm_fail(err, FATHOM_INVALID, "chat: the arguments of the call of %s are not a JSON object",
                call->name);
    }
    return true;
}

// Returns true when there are at least as many calls of the id as results that name the id.
static bool fits(
    const struct fathom_message *asker, const struct fathom_message *results, size_t n, const char *id) {
    size_t n_calls = 0, n_results = 0;
    for (size_t i = 0; i < asker->n_tool_calls; i++)
        n_calls += asker->tool_calls[i].id && !strcmp(asker->tool_calls[i].id, id);
    for (size_t i = 0; i < n; i++)
        n_results += results[i].tool_call_id && !strcmp(results[i].tool_call_id, id);
    return n_results <= n_calls;
}

// Either each result names a call, or no result does.
static bool check_results(
    const struct fathom_message *results, size_t n, bool complete, struct fathom_error *err) {
    const struct fathom_message *asker = results - 1;
    const size_t n_calls = asker->role == FATHOM_ROLE_ASSISTANT ? asker->n_tool_calls : 0;
    size_t n_naming = 0;
    bool all_fit = true;
    if (complete ? n != n_calls : n > n_calls)
        return fm_fail(
            err, FATHOM_INVALID, "chat: %zu tool results after a message with %zu calls", n, n_calls);
    for (size_t i = 0; i < n; i++) {
        const char *id = results[i].tool_call_id;
        n_naming += id != NULL;
        all_fit = all_fit && (!id || fits(asker, results, n, id));
    }
    return !n_naming || (n_naming == n && all_fit) ||
        fm_fail(err, FATHOM_INVALID, "chat: the tool results do not name one call each");
}

static bool check_message(const struct fathom_template *t, const struct fathom_message *message, size_t i,
    struct fathom_error *err) {
    if ((unsigned)message->role > FATHOM_ROLE_TOOL)
        return fm_fail(err, FATHOM_INVALID, "chat: message %zu has no role", i);
    if (message->role == FATHOM_ROLE_SYSTEM && i)
        return fm_fail(err, FATHOM_INVALID, "chat: message %zu is a system prompt, which comes first", i);
    if ((message->role == FATHOM_ROLE_TOOL || message->n_tool_calls) && !mentions(t, true, "tool_calls"))
        return fm_fail(err, FATHOM_UNSUPPORTED, "chat: the chat template has no calls of tools");
    if (message->role == FATHOM_ROLE_TOOL && !i)
        return fm_fail(err, FATHOM_INVALID, "chat: a tool's result before any call");
    if (message->role != FATHOM_ROLE_ASSISTANT && message->n_tool_calls)
        return fm_fail(err, FATHOM_INVALID, "chat: message %zu calls tools, but is not the assistant's", i);
    return check_calls(message, err);
}

bool fm_chat_check_messages(const struct fathom_template *t, const struct fathom_message *messages, size_t n,
    bool complete, struct fathom_error *err) {
    for (size_t i = 0, n_results = 0; i < n; i++) {
        const bool result = messages[i].role == FATHOM_ROLE_TOOL,
                   last = i + 1 == n || messages[i + 1].role != FATHOM_ROLE_TOOL;
        if (!check_message(t, &messages[i], i, err)) return false;
        n_results = result ? n_results + 1 : 0;
        if (result && last &&
            !check_results(&messages[i] + 1 - n_results, n_results, complete || i + 1 < n, err))
            return false;
    }
    return true;
}

static bool check_talk(
    const struct fathom_template *t, const struct fm_conversation *talk, struct fathom_error *err) {
    const enum fathom_role last = talk->n ? talk->messages[talk->n - 1].role : FATHOM_ROLE_SYSTEM;
    if (talk->complete && !talk->n)
        return fm_fail(err, FATHOM_INVALID, "chat: the conversation has no messages");
    if (!talk->complete && last != FATHOM_ROLE_USER && last != FATHOM_ROLE_TOOL)
        return fm_fail(err, FATHOM_INVALID, "chat: the last message must be the user's, or a tool's result");
    if (talk->complete && !reads(t, talk->tools, "add_generation_prompt"))
        return fm_fail(err, FATHOM_UNSUPPORTED,
            "chat: the chat template has no switch add_generation_prompt, so that it always opens an answer");
    if (talk->disable_thinking && t->close_mark && !reads(t, talk->tools, "enable_thinking") &&
        !reads(t, talk->tools, "thinking") && mentions(t, talk->tools, t->close_mark))
        return fm_fail(err, FATHOM_UNSUPPORTED,
            "chat: the chat template has no switch for thinking (enable_thinking, thinking), so that the "
            "model always thinks");
    return (!talk->tools || fm_chat_check_tools(t, talk->tools, err)) &&
        fm_chat_check_messages(t, talk->messages, talk->n, true, err);
}

// ---- Prompts ---------------------------------------------------------------------------------------------

// Returns true when the text ends with the mark, white space aside, and both are the template's own.
static bool ends_with(const char *text, const uint8_t *foreign, size_t length, const char *mark) {
    const size_t n = mark ? strlen(mark) : 0;
    while (length && !foreign[length - 1] && strchr(" \t\r\n", text[length - 1])) length--;
    if (!n || length < n || memcmp(text + length - n, mark, n) != 0) return false;
    for (size_t i = length - n; i < length; i++)
        if (foreign[i]) return false;
    return true;
}

static bool write_text(const struct fathom_template *t, const struct fm_conversation *talk,
    struct fm_chat_text *out, struct fathom_error *err) {
    if (!t->jinja)
        return fm_chat_encode(t->builtin->encoder, talk, out) ||
            fm_fail(err, FATHOM_NO_MEMORY, "chat: no memory for the prompt");
    struct fm_jinja_output rendered = {0};
    if (!render(t, talk, &t->call_form, &rendered, err)) return false;
    const size_t n = rendered.length;
    *out = (struct fm_chat_text){{rendered.text, n, n + 1}, {(char *)rendered.foreign, n, n}};
    return true;
}

static const uint8_t *foreign(const struct fm_chat_text *text) {
    return (const uint8_t *)text->foreign.text;
}

static bool opens_thought(const struct fathom_template *t, const struct fm_chat_text *text) {
    return ends_with(text->bytes.text, foreign(text), text->bytes.length, t->open_mark);
}

bool fm_chat_render(const struct fathom_template *t, const struct fm_conversation *talk,
    struct fm_chat_text *out, struct fathom_error *err) {
    if (!check_talk(t, talk, err) || !write_text(t, talk, out, err)) return false;
    if (!out->bytes.length)
        return fm_fail(
            err, FATHOM_INVALID, "chat: the chat template makes an empty prompt of the conversation");
    return !talk->disable_thinking || talk->complete || !opens_thought(t, out) ||
        fm_fail(err, FATHOM_UNSUPPORTED,
            "chat: the chat template opens a thought, although thinking is disabled: the model "
            "always thinks");
}

bool fm_chat_encode_text(const struct fathom_template *t, const struct fm_chat_text *text,
    struct fm_tokens *tokens, struct fathom_error *err) {
    return fm_tokenizer_encode_rendered(
        t->tokenizer, text->bytes.text, foreign(text), text->bytes.length, tokens, err);
}

bool fm_chat_prompt(const struct fathom_template *t, const struct fm_conversation *talk,
    struct fm_tokens *tokens, struct fm_chat_state *state, struct fathom_error *err) {
    struct fm_chat_text text = {0};
    const bool done = fm_chat_render(t, talk, &text, err) && fm_chat_encode_text(t, &text, tokens, err);
    if (done) *state = (struct fm_chat_state){.in_answer = !opens_thought(t, &text)};
    fm_chat_text_free(&text);
    return done;
}

void fm_chat_text_free(struct fm_chat_text *text) {
    fm_text_free(&text->bytes);
    fm_text_free(&text->foreign);
}
