// Calls whose arguments are parameters between marks: Qwen3-Coder's, GLM's, DeepSeek's DSML. A list of
// parameters that ends with the answer may have been cut, so that something must close the call.
#include "text/call_marks.h"
#include "text/call_reader.h"
#include "text/json_mend.h"
#include "text/json_text.h"
#include <string.h>

// Takes the text before the first of up to three marks, and moves *at behind the text. ends[0] is skipped
// too.
static bool take_until(
    const struct fm_call_reader *r, const char **at, const char *const ends[3], struct fm_call_slice *text) {
    bool partial;
    for (const char *p = *at; p < r->end; p++)
        for (int i = 0; i < 3 && ends[i]; i++) {
            const size_t n = fm_mark_match(p, r->end, ends[i], &partial);
            if (!n) continue;
            *text = (struct fm_call_slice){*at, p};
            *at = i ? p : p + n;
            return true;
        }
    return false;
}

// ---- Arguments in the making -----------------------------------------------------------------------------

struct arguments {
    struct fm_call_reader *r;
    struct fm_call_slice name; // of the tool
    struct fm_text json;
};
enum parameter_type { STRING, JSON, UNTYPED };

static bool append(struct arguments *a, const char *bytes, size_t n) {
    if (fm_text_append(&a->json, bytes, n)) return true;
    a->r->no_memory = true;
    return false;
}

static bool is_text(const cJSON *string, struct fm_call_slice text) {
    const char *value = cJSON_GetStringValue(string);
    const size_t n = (size_t)(text.end - text.at);
    return value && strlen(value) == n && !memcmp(value, text.at, n);
}

// Returns true when the list of tools says that the parameter is a string.
static bool is_string(const struct arguments *a, struct fm_call_slice key) {
    const cJSON *tool, *property;
    cJSON_ArrayForEach(tool, a->r->tools) {
        const cJSON *function = cJSON_GetObjectItemCaseSensitive(tool, "function");
        if (!is_text(cJSON_GetObjectItemCaseSensitive(function, "name"), a->name)) continue;
        const cJSON *properties = cJSON_GetObjectItemCaseSensitive(
            cJSON_GetObjectItemCaseSensitive(function, "parameters"), "properties");
        cJSON_ArrayForEach(property, properties) {
            const size_t n = (size_t)(key.end - key.at);
            if (property->string && strlen(property->string) == n && !memcmp(property->string, key.at, n))
                return is_text(cJSON_GetObjectItemCaseSensitive(property, "type"),
                    (struct fm_call_slice){"string", "string" + 6});
        }
    }
    return false;
}

static bool add_json(struct arguments *a, struct fm_call_slice value) {
    const char *at = value.at;
    while (at < value.end && fm_call_is_space(*at)) at++;
    const size_t before = a->json.length;
    if (!fm_json_mend(&at, value.end, &a->json, &a->r->no_memory)) return false;
    while (at < value.end && fm_call_is_space(*at)) at++;
    if (at == value.end) return true;
    a->json.text[a->json.length = before] = 0;
    return false;
}

static bool add_parameter(
    struct arguments *a, struct fm_call_slice key, enum parameter_type type, struct fm_call_slice value) {
    if (key.at == key.end || (a->json.length && !append(a, ", ", 2)) ||
        (!a->json.length && !append(a, "{", 1)))
        return false;
    if (!fm_json_text_quote(key.at, (size_t)(key.end - key.at), &a->json))
        return a->r->no_memory = true, false;
    if (!append(a, ": ", 2)) return false;
    if (type == UNTYPED && is_string(a, key)) type = STRING;
    if (type != STRING && add_json(a, value)) return true;
    if (type == JSON) return false;
    if (fm_json_text_quote(value.at, (size_t)(value.end - value.at), &a->json)) return true;
    return a->r->no_memory = true, false;
}

// Adds the call and frees its arguments. Returns `at`, or NULL.
static const char *finish(struct arguments *a, bool complete, const char *at) {
    const bool added = complete && (a->json.length || append(a, "{", 1)) && append(a, "}", 1) &&
        fm_call_add(a->r, a->name.at, (size_t)(a->name.end - a->name.at), a->json.text, NULL);
    fm_text_free(&a->json);
    return added ? at : NULL;
}

// Reads arguments that are one JSON object in place of parameters.
static bool take_arguments(struct arguments *a, const char **at) {
    const bool read = fm_call_arguments(a->r, at, a->r->end, &a->json);
    if (read) a->json.text[--a->json.length] = 0; // finish() closes it
    return read;
}

// ---- <function=f><parameter=a> ---------------------------------------------------------------------------

static struct fm_call_slice unquoted(struct fm_call_slice s) {
    while (s.at < s.end && strchr(" \"'", *s.at)) s.at++;
    while (s.end > s.at && strchr(" \"'", s.end[-1])) s.end--;
    return s;
}

// A value ends before another parameter or the function's end, with the mark for it or without. The same mark
// before other text is a part of the value.
static bool take_value(const struct fm_call_reader *r, const char **at, struct fm_call_slice *value) {
    static const char *const ends[3] = {"</parameter>", "\n<parameter=", "\n</function>"};
    static const char *const after[] = {"<parameter=", "</function>", "</tool_call>"};
    const char *from = *at;
    while (take_until(r, at, ends, value)) {
        const char *next = fm_call_skip_space(r, *at);
        bool ends_here = next == r->end;
        for (size_t i = 0; i < sizeof(after) / sizeof(*after); i++)
            ends_here |= fm_call_takes(r, &next, after[i]);
        value->at = from;
        if (ends_here) return true;
    }
    return false;
}

// bare: no <tool_call> stands before the function. A text about calls has such functions too, so that a bare
// one must name a tool of the list, where there is a list.
static const char *read_one_function(struct fm_call_reader *r, const char *at, bool bare) {
    static const char *const tag_end[3] = {">"};
    struct arguments a = {.r = r};
    struct fm_call_slice key, value;
    if (!take_until(r, &at, tag_end, &a.name)) return NULL;
    a.name = unquoted(a.name);
    const size_t n_name = (size_t)(a.name.end - a.name.at);
    bool ok =
        fm_call_is_name(a.name.at, n_name) && (!bare || !r->tools || fm_call_is_tool(r, a.name.at, n_name));
    at = fm_call_skip_space(r, at);
    if (ok && at < r->end && *at == '{') {
        ok = take_arguments(&a, &at);
        at = fm_call_skip_space(r, at);
        if (ok && at == r->end) return finish(&a, true, at);
    }
    while (ok && fm_call_takes(r, &at, "<parameter=")) {
        ok = take_until(r, &at, tag_end, &key) && take_value(r, &at, &value);
        if (!ok) break;
        if (value.at < value.end && *value.at == '\n') value.at++;
        if (value.at < value.end && value.end[-1] == '\n') value.end--;
        ok = add_parameter(&a, unquoted(key), UNTYPED, value);
        at = fm_call_skip_space(r, at);
    }
    ok = ok && (fm_call_takes(r, &at, "</function>") || fm_call_is_mark(r, at));
    return finish(&a, ok, at);
}

const char *fm_read_function(struct fm_call_reader *r, const char *at) {
    at = read_one_function(r, at, true);
    const char *close = at ? fm_call_skip_space(r, at) : NULL;
    return close && fm_call_takes(r, &close, "</tool_call>") ? close : at;
}

// ---- <tool_call> -----------------------------------------------------------------------------------------

static const char *read_glm(struct fm_call_reader *r, const char *at) {
    static const char *const key_end[3] = {"</arg_key>"};
    static const char *const value_end[3] = {"</arg_value>", "<arg_key>", "</tool_call>"};
    struct arguments a = {.r = r, .name = {at, at}};
    while (a.name.end < r->end && !strchr("<{\n", *a.name.end)) a.name.end++;
    at = fm_call_skip_space(r, a.name.end);
    a.name = unquoted(a.name);
    bool ok = fm_call_is_name(a.name.at, (size_t)(a.name.end - a.name.at));
    if (ok && at < r->end && *at == '{')
        return take_arguments(&a, &at) && (at = finish(&a, true, at)) ? fm_call_close(r, at)
                                                                      : finish(&a, false, at);
    for (struct fm_call_slice key, value; ok && fm_call_takes(r, &at, "<arg_key>");
         at = fm_call_skip_space(r, at)) {
        ok = take_until(r, &at, key_end, &key);
        at = fm_call_skip_space(r, at);
        ok = ok && fm_call_takes(r, &at, "<arg_value>") && take_until(r, &at, value_end, &value) &&
            add_parameter(&a, unquoted(key), UNTYPED, value);
    }
    // a name alone calls a tool without parameters; in the other styles it is no call
    ok = ok && fm_call_is_mark(r, at) && (a.json.length || r->style == FM_CALL_GLM);
    return finish(&a, ok, at) ? fm_call_close(r, at) : NULL;
}

const char *fm_read_tool_call(struct fm_call_reader *r, const char *at) {
    at = fm_call_skip_space(r, at);
    while (fm_call_takes(r, &at, "<tool_call>")) at = fm_call_skip_space(r, at);
    if (at == r->end) return NULL;
    if (strchr("{[`", *at)) return fm_call_close(r, fm_call_add_objects(r, at));
    const char *from = at;
    if (!fm_call_takes(r, &at, "<function=")) return read_glm(r, at);
    do {
        const char *behind = read_one_function(r, at, false);
        at = behind ? behind : fm_call_behind_bad(r, at);
        if (!behind) fm_call_add_text(r, from, at), r->n_failed++;
        from = at = fm_call_skip_space(r, at);
    } while (r->n_failed < FM_CALL_MAX_FAILED && fm_call_takes(r, &at, "<function="));
    return fm_call_close(r, at);
}

// ---- DSML ------------------------------------------------------------------------------------------------

// The value of an attribute of a tag, in quotes of any kind.
static bool attribute(struct fm_call_slice tag, const char *name, struct fm_call_slice *value) {
    const size_t n = strlen(name);
    for (const char *at = tag.at; (size_t)(tag.end - at) > n + 1; at++) {
        if (memcmp(at, name, n) != 0 || (at[n] != '"' && at[n] != '\'')) continue;
        const char *from = at + n + 1, *to = memchr(from, at[n], (size_t)(tag.end - from));
        *value = (struct fm_call_slice){from, to};
        return to != NULL;
    }
    return false;
}

static bool take_dsml_parameter(struct arguments *a, const char **at) {
    static const char *const tag_end[3] = {">"};
    static const char *const value_end[3] = {
        "</｜DSML｜parameter>", "<｜DSML｜parameter", "</｜DSML｜invoke>"};
    struct fm_call_slice tag, key, value, string;
    if (!take_until(a->r, at, tag_end, &tag) || !attribute(tag, "name=", &key)) return false;
    enum parameter_type type = UNTYPED;
    if (attribute(tag, "string=", &string)) {
        const size_t n = (size_t)(string.end - string.at);
        if (n == 4 && !memcmp(string.at, "true", 4))
            type = STRING;
        else if (n == 5 && !memcmp(string.at, "false", 5))
            type = JSON;
        else
            return false;
    }
    if (!take_until(a->r, at, value_end, &value)) return false;
    return add_parameter(a, key, type, value);
}

const char *fm_read_invoke(struct fm_call_reader *r, const char *at) {
    static const char *const tag_end[3] = {">"};
    struct arguments a = {.r = r};
    struct fm_call_slice tag;
    bool ok = take_until(r, &at, tag_end, &tag) && attribute(tag, "name=", &a.name) && a.name.at < a.name.end;
    at = fm_call_skip_space(r, at);
    if (ok && at < r->end && *at == '{') ok = take_arguments(&a, &at);
    while (ok && fm_call_takes(r, &at, "<｜DSML｜parameter")) {
        ok = take_dsml_parameter(&a, &at);
        at = fm_call_skip_space(r, at);
    }
    at = fm_call_skip_space(r, at);
    ok = ok && (fm_call_takes(r, &at, "</｜DSML｜invoke>") || fm_call_is_mark(r, at));
    return finish(&a, ok, at);
}
