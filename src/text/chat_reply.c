// Reads the reply of a model: the thought, the answer, and the calls at the end of the answer.
#include "base/json.h"
#include "text/chat_forms.h"
#include "text/json_text.h"
#include <stdlib.h>
#include <string.h>

enum fm_chat_part fm_chat_follow(
    struct fm_chat_state *state, const struct fm_tokenizer *tokenizer, int32_t id) {
    const bool first = !state->any;
    state->any = true;
    if (fm_tokenizer_is_end(tokenizer, id)) return FM_CHAT_END;
    if (first && id == fm_tokenizer_find(tokenizer, "<think>"))
        return state->in_answer = false, FM_CHAT_THOUGHT_MARK;
    if (state->in_answer) return FM_CHAT_ANSWER;
    if (id != fm_tokenizer_find(tokenizer, "</think>")) return FM_CHAT_THOUGHT;
    state->in_answer = true;
    return FM_CHAT_THOUGHT_MARK;
}

// ---- The beginning of calls ------------------------------------------------------------------------------

bool fm_chat_is_call_mark(const struct fm_chat_form *form, const struct fm_tokenizer *tokenizer, int32_t id) {
    const struct fm_tool_form *tools = form->tools;
    if (!tools) return false;
    const char *const texts[] = {
        tools->begin, tools->call_open, tools->call_name_close, tools->call_close, tools->calls_close};
    size_t length;
    const char *bytes = fm_tokenizer_bytes(tokenizer, id, &length);
    for (size_t i = 0; bytes && length > 1 && i < sizeof(texts) / sizeof(*texts); i++)
        for (const char *at = texts[i]; strlen(at) >= length; at++)
            if (!memcmp(at, bytes, length)) return true;
    return false;
}

size_t fm_chat_content_length(const struct fm_chat_form *form, const char *answer, size_t length) {
    if (!form->tools) return length;
    const char *found = strstr(answer, form->tools->begin);
    if (found) {
        length = (size_t)(found - answer);
    } else {
        size_t n = strlen(form->tools->begin);
        if (n > length) n = length;
        while (n && memcmp(answer + length - n, form->tools->begin, n) != 0) n--;
        length -= n;
    }
    while (length && answer[length - 1] == '\n') length--;
    return length;
}

// ---- Calls -----------------------------------------------------------------------------------------------

void fm_tool_calls_free(struct fm_tool_calls *calls) {
    for (size_t i = 0; i < calls->n; i++) {
        free((char *)calls->items[i].name);
        free((char *)calls->items[i].arguments);
    }
    free(calls->items);
    *calls = (struct fm_tool_calls){0};
}

// Reads calls. Unexpected text sets `wrong` and ends the reading.
struct reader {
    const struct fm_tool_form *form;
    const char *at;
    bool wrong, no_memory;
    struct fm_tool_calls *calls;
};

// Skips white space and the given text, if that text comes next.
static bool take(struct reader *r, const char *text) {
    const char *at = r->at + strspn(r->at, " \t\r\n");
    const size_t length = strlen(text);
    if (strncmp(at, text, length) != 0) return false;
    r->at = at + length;
    return true;
}

static void expect(struct reader *r, const char *text) {
    r->wrong |= !take(r, text);
}

// Returns the text before the next occurrence of `text`, and moves behind that occurrence.
static struct fm_json_text until(struct reader *r, const char *text) {
    const char *from = r->at, *found = r->wrong ? NULL : strstr(from, text);
    if (!found) return r->wrong = true, (struct fm_json_text){from, from};
    r->at = found + strlen(text);
    return (struct fm_json_text){from, found};
}

static bool is_object(const char *text, size_t length) {
    cJSON *json = fm_json_parse("", text, length, NULL);
    const bool object = cJSON_IsObject(json);
    cJSON_Delete(json);
    return object;
}

static void add_call(struct reader *r, struct fm_json_text name, const char *arguments, size_t length) {
    if (r->wrong || name.at == name.end || !is_object(arguments, length)) {
        r->wrong = true;
        return;
    }
    struct fathom_tool_call *grown = realloc(r->calls->items, (r->calls->n + 1) * sizeof(*grown));
    if (grown) r->calls->items = grown;
    char *own_name = grown ? strndup(name.at, (size_t)(name.end - name.at)) : NULL,
         *own = own_name ? strndup(arguments, length) : NULL;
    if (!own) {
        free(own_name);
        r->wrong = r->no_memory = true;
        return;
    }
    r->calls->items[r->calls->n++] = (struct fathom_tool_call){.name = own_name, .arguments = own};
}

static void read_dsml_call(struct reader *r) {
    struct fm_text arguments = {0};
    const struct fm_json_text name = until(r, "\">");
    bool fits = fm_text_append(&arguments, "{", 1);
    for (bool first = true; fits && !r->wrong && take(r, "<｜DSML｜parameter name=\""); first = false) {
        const struct fm_json_text key = until(r, "\" string=\"");
        const bool is_string = take(r, "true\">");
        if (!is_string) expect(r, "false\">");
        const struct fm_json_text value = until(r, "</｜DSML｜parameter>");
        const size_t length = (size_t)(value.end - value.at);
        fits = (first || fm_text_append(&arguments, ", ", 2)) &&
            fm_json_text_quote(key.at, (size_t)(key.end - key.at), &arguments) &&
            fm_text_append(&arguments, ": ", 2) &&
            (is_string ? fm_json_text_quote(value.at, length, &arguments)
                       : fm_text_append(&arguments, value.at, length));
    }
    expect(r, "</｜DSML｜invoke>");
    fits = fits && fm_text_append(&arguments, "}", 1);
    r->no_memory |= !fits;
    r->wrong |= !fits;
    add_call(r, name, arguments.text, arguments.length);
    fm_text_free(&arguments);
}

static void read_json_call(struct reader *r) {
    const struct fm_json_text call = until(r, "</tool_call>");
    if (r->wrong || !is_object(call.at, (size_t)(call.end - call.at))) {
        r->wrong = true;
        return;
    }
    const struct fm_json_text object = fm_json_text(call.at, (size_t)(call.end - call.at));
    struct fm_json_text name = fm_json_text_member(object, "name");
    const struct fm_json_text arguments = fm_json_text_member(object, "arguments");
    if (name.end - name.at < 2 || *name.at != '"') {
        r->wrong = true;
        return;
    }
    name = (struct fm_json_text){name.at + 1, name.end - 1};
    add_call(r, name, arguments.at, (size_t)(arguments.end - arguments.at));
}

static void read_marked_call(struct reader *r) {
    const struct fm_json_text name = until(r, r->form->call_name_close),
                              arguments = until(r, r->form->call_close);
    add_call(r, name, arguments.at, (size_t)(arguments.end - arguments.at));
}

bool fm_chat_parse_calls(
    const struct fm_chat_form *form, const char *answer, size_t content_length, struct fm_tool_calls *calls) {
    struct reader r = {.form = form->tools, .at = answer + content_length, .calls = calls};
    *calls = (struct fm_tool_calls){0};
    if (!form->tools) return true;
    const bool json = form->tools->style == FM_CALL_JSON, dsml = form->tools->style == FM_CALL_DSML;
    const char *open = json ? form->tools->begin : form->tools->call_open;
    if (!json) expect(&r, form->tools->begin);
    while (!r.wrong && take(&r, open))
        json ? read_json_call(&r) : dsml ? read_dsml_call(&r) : read_marked_call(&r);
    if (!json) expect(&r, form->tools->calls_close + strspn(form->tools->calls_close, "\n"));
    r.wrong |= r.at[strspn(r.at, " \t\r\n")] != 0 || !calls->n;
    if (r.wrong) fm_tool_calls_free(calls);
    return !r.no_memory;
}
