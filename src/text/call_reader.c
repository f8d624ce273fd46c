// Calls whose arguments are JSON.
#include "text/call_reader.h"
#include "base/json.h"
#include "text/call_marks.h"
#include "text/json_mend.h"
#include "text/json_text.h"
#include <stdlib.h>
#include <string.h>

const char *fm_call_skip_space(const struct fm_call_reader *r, const char *at) {
    while (at < r->end && fm_call_is_space(*at)) at++;
    return at;
}

void fm_call_add_text(struct fm_call_reader *r, const char *begin, const char *end) {
    const bool first = begin == r->start;
    while (!first && begin < end && fm_call_is_space(*begin)) begin++;
    while (end > begin && (first ? end[-1] == '\n' : fm_call_is_space(end[-1]))) end--;
    if (begin == end) return;
    struct fm_call_text *grown = realloc(r->out->texts, (r->out->n_texts + 1) * sizeof(*grown));
    if (!grown) {
        r->no_memory = true;
        return;
    }
    r->out->texts = grown;
    grown[r->out->n_texts++] = (struct fm_call_text){(size_t)(begin - r->start), (size_t)(end - r->start)};
}

const char *fm_call_behind_bad(const struct fm_call_reader *r, const char *at) {
    size_t length;
    bool partial;
    at = fm_mark_next(r->style, at, r->end);
    return fm_mark_at(r->style, at, r->end, &length, &partial) == FM_MARK_CLOSE ? at + length : at;
}

bool fm_call_is_name(const char *name, size_t length) {
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)name[i] <= ' ' || strchr("<>{}[]()\"'`,|", name[i])) return false;
    return length > 0;
}

bool fm_call_add(
    struct fm_call_reader *r, const char *name, size_t length, const char *arguments, const char *id) {
    cJSON *json = arguments ? fm_json_parse("", arguments, strlen(arguments), NULL) : NULL;
    const bool object = cJSON_IsObject(json);
    cJSON_Delete(json);
    if (!object || !length) return false;
    struct fm_tool_calls *calls = &r->out->calls;
    struct fathom_tool_call *grown = realloc(calls->items, (calls->n + 1) * sizeof(*grown));
    if (grown) calls->items = grown;
    char *own_name = grown ? strndup(name, length) : NULL, *own = own_name ? strdup(arguments) : NULL,
         *own_id = own && id && *id ? strdup(id) : NULL;
    if (!own || (id && *id && !own_id)) {
        free(own_name);
        free(own);
        r->no_memory = true;
        return false;
    }
    grown[calls->n++] = (struct fathom_tool_call){own_name, own, own_id};
    return true;
}

// ---- Objects ---------------------------------------------------------------------------------------------

// The text of a JSON string, without the white space around it, in out, which is empty.
static bool unquote(struct fm_call_reader *r, struct fm_json_text string, struct fm_text *out) {
    if (string.end - string.at < 2 || *string.at != '"') return false;
    if (!fm_json_text_unquote(string, out)) return r->no_memory = true, false;
    size_t n = out->length, first = 0;
    while (n && fm_call_is_space(out->text[n - 1])) n--;
    while (first < n && fm_call_is_space(out->text[first])) first++;
    memmove(out->text, out->text + first, out->length = n - first);
    out->text[out->length] = 0;
    return true;
}

bool fm_call_arguments(struct fm_call_reader *r, const char **at, const char *end, struct fm_text *out) {
    struct fm_text plain = {0};
    if (!fm_json_mend(at, end, out, &r->no_memory)) return false;
    bool ok = true;
    if (*out->text == '"') { // the object as a string
        ok = unquote(r, fm_json_text(out->text, out->length), &plain);
        fm_text_clear(out);
        const char *from = plain.text;
        if (ok && plain.length)
            ok = fm_json_mend(&from, plain.text + plain.length, out, &r->no_memory) && !*from;
    } else if (!strcmp(out->text, "null")) {
        fm_text_clear(out);
    }
    if (ok && !out->length && !fm_text_append(out, "{}", 2)) r->no_memory = true, ok = false;
    fm_text_free(&plain);
    return ok && *out->text == '{';
}

static const char *tool_name(const cJSON *tool) {
    return cJSON_GetStringValue(
        cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(tool, "function"), "name"));
}

const char *fm_call_tool_end(const struct fm_call_reader *r, const char *at, const char *end) {
    const cJSON *tool;
    size_t longest = 0;
    cJSON_ArrayForEach(tool, r->tools) {
        const char *known = tool_name(tool);
        const size_t n = known ? strlen(known) : 0;
        if (n > longest && n <= (size_t)(end - at) && !memcmp(known, at, n)) longest = n;
    }
    return longest ? at + longest : NULL;
}

bool fm_call_is_tool(const struct fm_call_reader *r, const char *name, size_t length) {
    const cJSON *tool;
    cJSON_ArrayForEach(tool, r->tools) {
        const char *known = tool_name(tool);
        if (known && strlen(known) == length && !memcmp(known, name, length)) return true;
    }
    return false;
}

// Adds the call that is a JSON object. known: only of a tool of the list.
static bool add_object(struct fm_call_reader *r, const struct fm_text *text, bool known) {
    struct fm_json_text object = fm_json_text(text->text, text->length);
    const struct fm_json_text function = fm_json_text_member(object, "function");
    struct fm_json_text id = fm_json_text_member(object, "id");
    if (function.at < function.end && *function.at == '{') object = function;
    struct fm_json_text name = fm_json_text_member(object, "name"),
                        arguments = fm_json_text_member(object, "arguments");
    if (name.at == name.end) name = function;
    if (arguments.at == arguments.end) arguments = fm_json_text_member(object, "parameters");
    struct fm_text own_name = {0}, own = {0}, own_id = {0};
    const bool ok = arguments.at < arguments.end && unquote(r, name, &own_name) &&
        fm_call_arguments(r, &arguments.at, arguments.end, &own) &&
        (!known || fm_call_is_tool(r, own_name.text, own_name.length)) &&
        (unquote(r, id, &own_id) || !r->no_memory) &&
        fm_call_add(r, own_name.text, own_name.length, own.text, own_id.text);
    fm_text_free(&own_name);
    fm_text_free(&own);
    fm_text_free(&own_id);
    return ok;
}

// Reads one object to `out`, also one whose last brace is missing before a mark or the end of the answer.
static bool take_object(struct fm_call_reader *r, const char **at, struct fm_text *out) {
    if (fm_json_mend(at, r->end, out, &r->no_memory)) return true;
    const char *stop = fm_mark_next(r->style, *at, r->end);
    struct fm_text closed = {0};
    bool ok = fm_text_append(&closed, *at, (size_t)(stop - *at)) && fm_text_append(&closed, "}", 1);
    r->no_memory |= !ok;
    const char *from = closed.text;
    ok = ok && fm_json_mend(&from, closed.text + closed.length, out, &r->no_memory) && !*from;
    if (ok) *at = stop;
    fm_text_free(&closed);
    return ok;
}

bool fm_call_takes(const struct fm_call_reader *r, const char **at, const char *mark) {
    bool partial;
    const size_t n = fm_mark_match(*at, r->end, mark, &partial);
    *at += n;
    return n > 0;
}

bool fm_call_is_mark(const struct fm_call_reader *r, const char *at) {
    size_t length;
    bool partial;
    const enum fm_mark_kind kind = fm_mark_at(r->style, at, r->end, &length, &partial);
    return kind != FM_MARK_NONE && kind != FM_MARK_OBJECT;
}

// Skips what models write between objects, and around them: a fence, brackets of a list, separators.
static const char *skip_between(const struct fm_call_reader *r, const char *at) {
    while ((at = fm_call_skip_space(r, at)) < r->end && !fm_call_is_mark(r, at) && strchr("[],;}`", *at))
        if (!fm_call_takes(r, &at, "```json")) at++;
    return at;
}

const char *fm_call_add_objects(struct fm_call_reader *r, const char *at) {
    struct fm_text object = {0};
    while ((at = skip_between(r, at)) < r->end && *at == '{' && !r->no_memory) {
        const char *from = at;
        fm_text_clear(&object);
        const bool read = take_object(r, &at, &object);
        r->n_failed += !read;
        if (!read) at = fm_mark_next(r->style, at + 1, r->end);
        if (!read || !add_object(r, &object, false)) fm_call_add_text(r, from, at);
    }
    fm_text_free(&object);
    return at;
}

const char *fm_call_close(struct fm_call_reader *r, const char *at) {
    at = skip_between(r, at);
    const char *mark = fm_mark_next(r->style, at, r->end);
    size_t length;
    bool partial;
    // a style without a closing mark: what follows is text behind the call
    if (r->style == FM_CALL_LLAMA || r->style == FM_CALL_MISTRAL) return at;
    const bool closes = fm_mark_at(r->style, mark, r->end, &length, &partial) == FM_MARK_CLOSE;
    if (!closes && at != mark) return at; // never closed
    fm_call_add_text(r, at, mark);
    return closes ? mark + length : mark;
}

// Without a mark before it, an object is a call if a mark closes it, or if it names a tool of the list.
// Llama's style has no marks.
const char *fm_read_object(struct fm_call_reader *r, const char *at) {
    struct fm_text object = {0};
    const bool read = fm_json_mend(&at, r->end, &object, &r->no_memory);
    const char *close = fm_call_skip_space(r, at);
    const bool closed = fm_call_takes(r, &close, "</tool_call>"),
               known = r->style == FM_CALL_LLAMA ? r->tools != NULL : !closed;
    const bool added = read && add_object(r, &object, known);
    r->n_failed += !read; // an object that is no call is read in time of its own length
    fm_text_free(&object);
    return added ? skip_between(r, close) : NULL;
}

// ---- A name, then arguments ------------------------------------------------------------------------------

// Cuts white space from both ends, and the begin of a fence from the end.
static struct fm_call_slice cut(const char *at, const char *end) {
    static const char *const fences[] = {"```json", "```"};
    for (int i = 0; i <= 2; i++) {
        while (at < end && fm_call_is_space(*at)) at++;
        while (end > at && fm_call_is_space(end[-1])) end--;
        const size_t n = i < 2 ? strlen(fences[i]) : 0;
        if (n && (size_t)(end - at) >= n && !memcmp(end - n, fences[i], n)) end -= n;
    }
    return (struct fm_call_slice){at, end};
}

// Finds a mark within [at, end). Returns where it is, and *behind it, or NULL.
static const char *find_mark(const char *at, const char *end, const char *mark, const char **behind) {
    bool partial;
    for (; at < end; at++) {
        const size_t n = fm_mark_match(at, end, mark, &partial);
        if (n) return *behind = at + n, at;
    }
    return NULL;
}

// Returns the name of the tool in an id of Kimi's. Ids are functions.NAME:NUMBER. In an id of another
// spelling the name must be one of the list of tools.
static struct fm_call_slice kimi_name(const struct fm_call_reader *r, struct fm_call_slice id) {
    static const char prefix[] = "functions";
    struct fm_call_slice name = id;
    while (name.end > name.at && name.end[-1] >= '0' && name.end[-1] <= '9') name.end--;
    const bool numbered = name.end < id.end && name.end > name.at && name.end[-1] == ':';
    if (numbered)
        name.end--;
    else
        name.end = id.end;
    const size_t n = sizeof(prefix) - 1;
    const bool prefixed = (size_t)(name.end - name.at) > n + 1 && !memcmp(name.at, prefix, n);
    if (prefixed && name.at[n] == '.') name.at += n + 1;
    if (numbered || name.at != id.at) return name;
    for (const char *from = prefixed ? id.at + n : id.at; from < id.end; from++) {
        const char *to = fm_call_tool_end(r, from, id.end);
        if (to) return (struct fm_call_slice){from, to};
        if (!strchr("._", *from)) break; // no more than a separator is before the name
    }
    const bool other_id = id.at == name.end || (*id.at >= '0' && *id.at <= '9') ||
        ((size_t)(id.end - id.at) > 5 && !memcmp(id.at, "call_", 5));
    return other_id ? (struct fm_call_slice){id.at, id.at} : id;
}

// Adds the call whose arguments begin at `at`, or are left out before the mark that closes it. id may be
// empty.
static const char *add_named(
    struct fm_call_reader *r, struct fm_call_slice name, struct fm_call_slice id, const char *at) {
    struct fm_text arguments = {0}, own_id = {0};
    bool added = fm_call_is_name(name.at, (size_t)(name.end - name.at));
    if (added && fm_call_is_mark(r, at)) {
        if (!fm_text_append(&arguments, "{}", 2)) r->no_memory = true, added = false;
    } else {
        added = added && fm_call_arguments(r, &at, r->end, &arguments);
    }
    if (added && !fm_text_append(&own_id, id.at, (size_t)(id.end - id.at)))
        r->no_memory = true, added = false;
    added = added && fm_call_add(r, name.at, (size_t)(name.end - name.at), arguments.text, own_id.text);
    fm_text_free(&arguments);
    fm_text_free(&own_id);
    return added ? fm_call_close(r, at) : NULL;
}

// DeepSeek's and Kimi's: a type or none, the name, the arguments in a fence or bare.
const char *fm_read_named(struct fm_call_reader *r, const char *at) {
    size_t length;
    bool partial;
    while (fm_mark_at(r->style, at = fm_call_skip_space(r, at), r->end, &length, &partial) == FM_MARK_NAMED)
        at += length;
    const char *stop = fm_mark_next(r->style, at, r->end), *head = at, *behind;
    while (at < stop && !strchr("{[\"", *at)) at++;
    const bool kimi = r->style == FM_CALL_KIMI;
    const char *separator =
        find_mark(head, at, kimi ? "<|tool_call_argument_begin|>" : "<｜tool▁sep｜>", &behind);
    const struct fm_call_slice before = cut(head, separator ? separator : at);
    if (at == r->end || (at == stop && !separator)) return NULL;
    const struct fm_call_slice after = separator ? cut(behind, at) : (struct fm_call_slice){at, at};
    struct fm_call_slice name = after.at < after.end ? after : before, id = {name.at, name.at};
    if (kimi) id = name, name = kimi_name(r, name);
    if (id.end - id.at == name.end - name.at) id.end = id.at; // a bare name is no id
    return add_named(r, name, id, at);
}

// Mistral's and Llama's: JSON, or Mistral's name[CALL_ID]id[ARGS]{…}.
const char *fm_read_list(struct fm_call_reader *r, const char *at) {
    at = fm_call_skip_space(r, at);
    if (at < r->end && strchr("[{`", *at)) return fm_call_close(r, fm_call_add_objects(r, at));
    if (r->style != FM_CALL_MISTRAL) return NULL;
    const char *stop = fm_mark_next(r->style, at, r->end), *head = at, *behind, *after_name;
    while (at < stop && *at != '{') at++;
    if (at == stop) return NULL;
    const char *name_end = find_mark(head, at, "[ARGS]", &behind);
    if (name_end && fm_call_skip_space(r, behind) != at) return NULL;
    if (!name_end) name_end = at;
    const char *id = find_mark(head, name_end, "[CALL_ID]", &after_name);
    return add_named(r, cut(head, id ? id : name_end),
        id ? cut(after_name, name_end) : (struct fm_call_slice){at, at}, at);
}
