// Converts a conversation to a prompt.
#include "base/json.h"
#include "text/chat_forms.h"
#include "text/json_text.h"
#include <string.h>

// A prompt that is being built. `text` holds the text since the last mark, because a word may span the form's
// text and a message's text.
struct prompt {
    const struct fm_chat_form *form;
    const struct fm_tokenizer *tokenizer;
    const struct fm_conversation *talk;
    size_t last_question; // index of the user's last message
    struct fm_tokens *tokens;
    struct fm_text text;
    struct fathom_error *err;
};

// ---- Text and marks --------------------------------------------------------------------------------------

static bool fits(struct prompt *p, bool appended) {
    return appended || fm_fail(p->err, FATHOM_NO_MEMORY, "chat: no memory for the prompt");
}

static bool add_text(struct prompt *p, const char *text, size_t length) {
    return fits(p, fm_text_append(&p->text, text, length));
}

static bool add_string(struct prompt *p, const char *text) {
    return add_text(p, text, strlen(text));
}

static bool flush(struct prompt *p) {
    const size_t length = p->text.length;
    p->text.length = 0;
    return !length || fm_tokenizer_encode(p->tokenizer, p->text.text, length, false, p->tokens, p->err);
}

static bool add_mark(struct prompt *p, const char *mark, bool optional) {
    if (fm_tokenizer_find(p->tokenizer, mark) >= 0)
        return flush(p) && fm_tokenizer_encode(p->tokenizer, mark, strlen(mark), true, p->tokens, p->err);
    if (optional) return add_string(p, mark);
    return fm_fail(p->err, FATHOM_UNSUPPORTED,
        "chat: the tokenizer has no token %s, which the template %s needs", mark, p->form->name);
}

static const char *mark_at(const char *text, const char *const *marks) {
    while (*marks && strncmp(text, *marks, strlen(*marks)) != 0) marks++;
    return *marks;
}

// Adds a text of the form, in which marks become tokens.
static bool add_form(struct prompt *p, const char *text) {
    while (*text) {
        const char *needed = mark_at(text, fm_chat_marks),
                   *mark = needed ? needed : mark_at(text, fm_chat_optional_marks);
        if (mark ? !add_mark(p, mark, !needed) : !add_text(p, text, 1)) return false;
        text += mark ? strlen(mark) : 1;
    }
    return true;
}

static bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1c && c <= 0x1f);
}
static bool is_line_end(char c) {
    return c == '\n';
}

static bool add_trimmed(struct prompt *p, const char *text, bool (*drop)(char), bool behind_too) {
    size_t length = strlen(text);
    while (length && drop(*text)) text++, length--;
    while (behind_too && length && drop(text[length - 1])) length--;
    return add_text(p, text, length);
}

static bool add_content(struct prompt *p, const char *text) {
    if (!text) return true;
    return p->form->trim ? add_trimmed(p, text, is_space, true) : add_string(p, text);
}

// ---- Tools -----------------------------------------------------------------------------------------------

// Adds the text of a member, or the given default when the member is missing.
static bool add_member(
    struct prompt *p, struct fm_json_text object, const char *name, const char *otherwise) {
    const struct fm_json_text value = fm_json_text_member(object, name);
    if (value.at == value.end) return add_string(p, otherwise);
    return fits(
        p, *value.at == '"' ? fm_json_text_unquote(value, &p->text) : fm_json_text_print(value, &p->text));
}

static bool add_tool(struct prompt *p, struct fm_json_text entry) {
    const struct fm_json_text function = fm_json_text_member(entry, "function");
    switch (p->form->tools->list) {
    case FM_LIST_FUNCTIONS: return fits(p, fm_json_text_print(function, &p->text));
    case FM_LIST_ENTRIES: return fits(p, fm_json_text_print(entry, &p->text));
    default: break;
    }
    return add_string(p, "### ") && add_member(p, function, "name", "") && add_string(p, "\nDescription: ") &&
        add_member(p, function, "description", "") && add_string(p, "\n\nParameters: ") &&
        add_member(p, function, "parameters", "{}");
}

static bool add_list(struct prompt *p) {
    struct fm_json_text rest = fm_json_text(p->talk->tools, strlen(p->talk->tools)), key, entry;
    const struct fm_tool_form *tools = p->form->tools;
    if (!add_form(p, tools->list_open)) return false;
    for (bool first = true; fm_json_text_next(&rest, &key, &entry); first = false)
        if ((!first && !add_form(p, tools->list_between)) || !add_tool(p, entry)) return false;
    return add_form(p, tools->list_close);
}

// Adds one line for each parameter: strings as they are, other values as JSON.
static bool add_dsml(struct prompt *p, struct fm_json_text rest) {
    struct fm_json_text key, value;
    for (bool first = true; fm_json_text_next(&rest, &key, &value); first = false) {
        const bool is_string = value.at < value.end && *value.at == '"';
        if (!add_form(p, first ? "<｜DSML｜parameter name=\"" : "\n<｜DSML｜parameter name=\"") ||
            !fits(p, fm_json_text_unquote(key, &p->text)) ||
            !add_string(p, is_string ? "\" string=\"true\">" : "\" string=\"false\">") ||
            !fits(
                p, is_string ? fm_json_text_unquote(value, &p->text) : fm_json_text_print(value, &p->text)) ||
            !add_form(p, "</｜DSML｜parameter>"))
            return false;
    }
    return true;
}

static bool add_call(struct prompt *p, const struct fathom_tool_call *call) {
    const struct fm_tool_form *tools = p->form->tools;
    const struct fm_json_text arguments = fm_json_text(call->arguments, strlen(call->arguments));
    if (!add_form(p, tools->call_open) || !add_string(p, call->name) || !add_form(p, tools->call_name_close))
        return false;
    if (tools->style == FM_CALL_DSML       ? !add_dsml(p, arguments)
            : tools->style == FM_CALL_JSON ? !fits(p, fm_json_text_print(arguments, &p->text))
                                           : !add_string(p, call->arguments))
        return false;
    return add_form(p, tools->call_close);
}

static bool add_calls(struct prompt *p, const struct fathom_message *message) {
    const struct fm_tool_form *tools = p->form->tools;
    const bool content = message->content && message->content[0];
    if (!message->n_tool_calls) return true;
    if ((content && tools->content_between && !add_form(p, tools->call_between)) ||
        !add_form(p, tools->calls_open))
        return false;
    for (size_t i = 0; i < message->n_tool_calls; i++)
        if ((i && !add_form(p, tools->call_between)) || !add_call(p, &message->tool_calls[i])) return false;
    return add_form(p, tools->calls_close);
}

// Returns the result with the given call id, or NULL.
static const struct fathom_message *result_named(
    const struct fathom_message *results, size_t n, const char *id) {
    for (size_t i = 0; id && i < n; i++)
        if (results[i].tool_call_id && !strcmp(results[i].tool_call_id, id)) return &results[i];
    return NULL;
}

static bool add_results(struct prompt *p, const struct fathom_message *results) {
    const struct fathom_message *asker = results - 1;
    const struct fm_tool_form *tools = p->form->tools;
    if (!add_form(p, tools->results_open)) return false;
    for (size_t i = 0; i < asker->n_tool_calls; i++) {
        const struct fathom_message *named =
            result_named(results, asker->n_tool_calls, asker->tool_calls[i].id);
        if ((i && !add_form(p, tools->result_between)) || !add_form(p, tools->result_open) ||
            !add_content(p, (named ? named : &results[i])->content) || !add_form(p, tools->result_close))
            return false;
    }
    return add_form(p, tools->results_close);
}

// ---- Turns -----------------------------------------------------------------------------------------------

static bool add_system(struct prompt *p) {
    const struct fathom_message *first = &p->talk->messages[0];
    const bool given = first->role == FATHOM_ROLE_SYSTEM;
    const char *text = given ? first->content : p->form->default_system;
    if (!given && !text && !p->talk->tools) return true;
    if (!add_form(p, p->form->system.open) || !add_content(p, text)) return false;
    if (p->talk->tools) {
        const bool alone = p->form->tools->list_alone && !given && !text;
        if ((!alone && !add_form(p, "\n\n")) || !add_list(p)) return false;
    }
    return add_form(p, p->form->system.close);
}

static bool add_question(struct prompt *p, size_t i) {
    const struct fm_chat_form *form = p->form;
    const struct fathom_message *messages = p->talk->messages;
    const bool joins = form->user_joint && i &&
        (messages[i - 1].role == FATHOM_ROLE_USER || messages[i - 1].role == FATHOM_ROLE_TOOL);
    const bool ignored = form->answer_each && i + 1 < p->talk->n && messages[i + 1].role == FATHOM_ROLE_USER;
    return add_form(p, joins ? form->user_joint : form->user.open) && add_content(p, messages[i].content) &&
        add_form(p, form->user.close) &&
        (!ignored || (add_form(p, form->assistant.open) && add_form(p, form->past)));
}

static bool sees_thought(const struct prompt *p, size_t i) {
    const char *thought = p->talk->messages[i].reasoning;
    switch (p->form->keep) {
    case FM_KEEP_SINCE_USER: return !p->talk->disable_thinking && i > p->last_question;
    case FM_KEEP_ANY_SINCE_USER: return i > p->last_question && thought && thought[0];
    case FM_KEEP_WITH_TOOLS: return !p->talk->disable_thinking && p->talk->tools;
    case FM_KEEP_NONE: break;
    }
    return false;
}

// Adds the text before the thought of message i, or of the answer to generate. *thinks: a thought can follow.
static bool open_answer(struct prompt *p, size_t i, bool *thinks) {
    const struct fm_tool_form *tools = p->form->tools;
    const bool behind_results = i && p->talk->messages[i - 1].role == FATHOM_ROLE_TOOL && tools->after;
    *thinks = !behind_results || tools->thought_after;
    return add_form(p, behind_results ? tools->after : p->form->assistant.open);
}

static bool add_answer(struct prompt *p, size_t i) {
    const struct fm_chat_form *form = p->form;
    const struct fathom_message *message = &p->talk->messages[i];
    bool thinks;
    if (!open_answer(p, i, &thinks)) return false;
    const bool any_since = form->keep == FM_KEEP_ANY_SINCE_USER, sees = thinks && sees_thought(p, i);
    if (sees) {
        const char *thought = message->reasoning ? message->reasoning : "",
                   *content = message->content ? message->content : "";
        if (!add_form(p, form->thought.open) ||
            !(any_since ? add_trimmed(p, thought, is_line_end, true) : add_string(p, thought)) ||
            !add_form(p, form->thought.close) ||
            !(any_since ? add_trimmed(p, content, is_line_end, false) : add_string(p, content)))
            return false;
    } else if ((thinks && !add_form(p, form->past)) || !add_content(p, message->content)) {
        return false;
    }
    return add_calls(p, message) && add_form(p, form->assistant.close);
}

static bool add_turns(struct prompt *p) {
    for (size_t i = 0; i < p->talk->n; i++) {
        const struct fathom_message *message = &p->talk->messages[i];
        switch (message->role) {
        case FATHOM_ROLE_SYSTEM: break; // add_system() added this message
        case FATHOM_ROLE_USER:
            if (!add_question(p, i)) return false;
            break;
        case FATHOM_ROLE_ASSISTANT:
            if (!add_answer(p, i)) return false;
            break;
        case FATHOM_ROLE_TOOL:
            if (message[-1].role != FATHOM_ROLE_TOOL && !add_results(p, message)) return false;
            break;
        }
    }
    return true;
}

// ---- Checks ----------------------------------------------------------------------------------------------

static bool no_tools(const struct fm_chat_form *form, struct fathom_error *err) {
    return fm_fail(err, FATHOM_UNSUPPORTED, "chat: the template %s has no tools", form->name);
}

bool fm_chat_check_tools(const struct fm_chat_form *form, const char *tools, struct fathom_error *err) {
    if (!form->tools) return no_tools(form, err);
    if (form->tools->list == FM_LIST_NONE)
        return fm_fail(err, FATHOM_UNSUPPORTED,
            "chat: the template %s has no list of tools: the system prompt can describe them", form->name);
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

// Either each result names a call, or no result does.
static bool check_results(
    const struct fathom_message *results, size_t n, bool complete, struct fathom_error *err) {
    const struct fathom_message *asker = results - 1;
    const size_t n_calls = asker->role == FATHOM_ROLE_ASSISTANT ? asker->n_tool_calls : 0;
    size_t n_naming = 0, n_named = 0;
    if (complete ? n != n_calls : n > n_calls)
        return fm_fail(
            err, FATHOM_INVALID, "chat: %zu tool results after a message with %zu calls", n, n_calls);
    for (size_t i = 0; i < n; i++) n_naming += results[i].tool_call_id != NULL;
    for (size_t i = 0; i < n_calls; i++) n_named += result_named(results, n, asker->tool_calls[i].id) != NULL;
    return !n_naming || (n_naming == n && n_named == n) ||
        fm_fail(err, FATHOM_INVALID, "chat: the tool results do not name one call each");
}

static bool check_message(const struct fm_chat_form *form, const struct fathom_message *message, size_t i,
    struct fathom_error *err) {
    if ((unsigned)message->role > FATHOM_ROLE_TOOL)
        return fm_fail(err, FATHOM_INVALID, "chat: message %zu has no role", i);
    if (message->role == FATHOM_ROLE_SYSTEM && i)
        return fm_fail(err, FATHOM_INVALID, "chat: message %zu is a system prompt, which comes first", i);
    if ((message->role == FATHOM_ROLE_TOOL || message->n_tool_calls) && !form->tools)
        return no_tools(form, err);
    if (message->role == FATHOM_ROLE_TOOL && !i)
        return fm_fail(err, FATHOM_INVALID, "chat: a tool's result before any call");
    if (message->role != FATHOM_ROLE_ASSISTANT && message->n_tool_calls)
        return fm_fail(err, FATHOM_INVALID, "chat: message %zu calls tools, but is not the assistant's", i);
    return check_calls(message, err);
}

bool fm_chat_check_messages(const struct fm_chat_form *form, const struct fathom_message *messages, size_t n,
    bool complete, struct fathom_error *err) {
    for (size_t i = 0, n_results = 0; i < n; i++) {
        const bool result = messages[i].role == FATHOM_ROLE_TOOL,
                   last = i + 1 == n || messages[i + 1].role != FATHOM_ROLE_TOOL;
        if (!check_message(form, &messages[i], i, err)) return false;
        n_results = result ? n_results + 1 : 0;
        if (result && last &&
            !check_results(&messages[i] + 1 - n_results, n_results, complete || i + 1 < n, err))
            return false;
    }
    return true;
}

static bool check_talk(const struct prompt *p) {
    const struct fm_conversation *talk = p->talk;
    const enum fathom_role last = talk->n ? talk->messages[talk->n - 1].role : FATHOM_ROLE_SYSTEM;
    if (last != FATHOM_ROLE_USER && last != FATHOM_ROLE_TOOL)
        return fm_fail(
            p->err, FATHOM_INVALID, "chat: the last message must be the user's, or a tool's result");
    if (talk->disable_thinking && !p->form->no_think)
        return fm_fail(
            p->err, FATHOM_UNSUPPORTED, "chat: with the template %s a model always thinks", p->form->name);
    return (!talk->tools || fm_chat_check_tools(p->form, talk->tools, p->err)) &&
        fm_chat_check_messages(p->form, talk->messages, talk->n, true, p->err);
}

bool fm_chat_prompt(const struct fm_chat_form *form, const struct fm_tokenizer *tokenizer,
    const struct fm_conversation *talk, struct fm_tokens *tokens, struct fm_chat_state *state,
    struct fathom_error *err) {
    struct prompt p = {.form = form, .tokenizer = tokenizer, .talk = talk, .tokens = tokens, .err = err};
    const size_t count = tokens->count;
    const char *think = form->think && !talk->disable_thinking ? form->think : form->no_think;
    bool thinks;
    for (size_t i = 0; i < talk->n; i++)
        if (talk->messages[i].role == FATHOM_ROLE_USER) p.last_question = i;
    if (!check_talk(&p) || !add_form(&p, form->begin) || !add_system(&p) || !add_turns(&p) ||
        !open_answer(&p, talk->n, &thinks) || (thinks && !add_form(&p, think)) || !flush(&p))
        goto fail;
    *state = (struct fm_chat_state){
        .in_answer = !thinks || talk->disable_thinking || !form->think || !form->think[0],
    };
    fm_text_free(&p.text);
    return true;
fail:
    tokens->count = count;
    fm_text_free(&p.text);
    return false;
}
