// JSON: the variables are read as Python's json.loads reads them, and tojson prints as json.dumps does.
#include "text/jinja_parts.h"
#include "text/json_text.h"
#include "text/utf8.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- Reading ---------------------------------------------------------------------------------------------

struct reader {
    struct jinja_run *run;
    const char *start, *at, *end;
    bool foreign;       // what is read now came from outside
    const char **paths; // to what is the template's own, from the value that is read now
    size_t n_paths;
};

static struct jinja_value wrong(struct reader *r, const char *what) {
    if (!r->run->failed)
        fm_fail(&r->run->error, FATHOM_INVALID, "the chat template's variables are not JSON at byte %zu: %s",
            (size_t)(r->at - r->start), what);
    r->run->failed = true;
    return fm_jinja_none();
}

static void skip_space(struct reader *r) {
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r')) r->at++;
}

static bool skip(struct reader *r, const char *text) {
    const size_t n = strlen(text);
    if ((size_t)(r->end - r->at) < n || memcmp(r->at, text, n)) return false;
    r->at += n;
    return true;
}

static void read_escape(struct reader *r, struct jinja_builder *b) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char c = r->at < r->end ? *r->at++ : 0, *known = c ? strchr(from, c) : NULL;
    uint32_t code;
    if (known) {
        fm_jinja_add(b, &to[known - from], 1, r->foreign);
        return;
    }
    if (c != 'u' || !fm_json_text_code(&r->at, r->end, &code)) {
        wrong(r, "an escape is not known");
        return;
    }
    fm_jinja_add_code(b, code, r->foreign);
}

// Adds bytes, with U+FFFD for what is not UTF-8.
static void add_text(struct reader *r, struct jinja_builder *b, const char *bytes, size_t length) {
    while (length) {
        const size_t valid = fm_utf8_valid(bytes, length);
        fm_jinja_add(b, bytes, valid, r->foreign);
        bytes += valid, length -= valid;
        if (!length) break;
        uint32_t code;
        const int n = fm_utf8_decode(bytes, length, &code);
        const size_t skipped = n < 0 ? (size_t)-n : length;
        fm_jinja_add_code(b, 0xfffd, r->foreign);
        bytes += skipped, length -= skipped;
    }
}

static struct jinja_value read_string(struct reader *r) {
    struct jinja_builder b = {r->run};
    for (r->at++; !r->run->failed;) {
        const char *plain = r->at;
        while (r->at < r->end && *r->at != '"' && *r->at != '\\') r->at++;
        add_text(r, &b, plain, (size_t)(r->at - plain));
        if (r->at == r->end) {
            wrong(r, "a string has no end");
            break;
        }
        if (*r->at++ == '"') break;
        read_escape(r, &b);
    }
    struct jinja_value value = fm_jinja_built(&b);
    if (!value.string->length && r->foreign && !r->run->failed) {
        struct jinja_string *empty = fm_jinja_alloc(r->run, 1, sizeof(*empty));
        if (empty) *empty = (struct jinja_string){.bytes = "", .foreign = true}, value.string = empty;
    }
    return value;
}

static struct jinja_value read_number(struct reader *r) {
    const char *start = r->at;
    bool real = false;
    if (*r->at == '-') r->at++;
    const char *whole = r->at;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9') r->at++;
    if (r->at == whole || (*whole == '0' && r->at - whole > 1)) return wrong(r, "a value was expected");
    if (r->end - r->at > 1 && *r->at == '.' && r->at[1] >= '0' && r->at[1] <= '9') {
        real = true;
        for (r->at++; r->at < r->end && *r->at >= '0' && *r->at <= '9';) r->at++;
    }
    if (r->at < r->end && (*r->at | 0x20) == 'e') {
        const char *power = r->at + 1;
        if (power < r->end && (*power == '+' || *power == '-')) power++;
        if (power < r->end && *power >= '0' && *power <= '9') {
            real = true;
            for (r->at = power; r->at < r->end && *r->at >= '0' && *r->at <= '9';) r->at++;
        }
    }
    if (real) return fm_jinja_real(fm_jinja_parse_real(start, (size_t)(r->at - start)));
    return fm_jinja_parse_int(r->run, start, (size_t)(r->at - start));
}

static struct jinja_value read_value(struct reader *r);

// Reads a member (or an element, where `name` is NULL), to which the first names of some paths lead.
static struct jinja_value read_member(struct reader *r, const struct jinja_string *name) {
    const struct reader outer = *r;
    const char **inner = r->n_paths && r->foreign ? fm_jinja_alloc(r->run, r->n_paths, sizeof(*inner)) : NULL;
    r->paths = inner;
    r->n_paths = 0;
    for (size_t i = 0; inner && i < outer.n_paths; i++) {
        const char *path = outer.paths[i];
        const size_t length = strcspn(path, ".");
        const bool any = length == 1 && *path == '*';
        if (!any && !(name && name->length == length && !memcmp(name->bytes, path, length))) continue;
        if (path[length])
            inner[r->n_paths++] = path + length + 1;
        else
            r->foreign = false;
    }
    const struct jinja_value value = read_value(r);
    r->foreign = outer.foreign;
    r->paths = outer.paths;
    r->n_paths = outer.n_paths;
    return value;
}

static struct jinja_value read_list(struct reader *r) {
    struct jinja_value list = fm_jinja_list(r->run, JINJA_LIST);
    r->at++;
    skip_space(r);
    if (skip(r, "]")) return list;
    while (!r->run->failed) {
        fm_jinja_push(r->run, list, read_member(r, NULL));
        if (skip(r, "]")) break;
        if (!skip(r, ",")) wrong(r, "',' or ']' was expected");
    }
    return list;
}

static struct jinja_value read_object(struct reader *r) {
    struct jinja_value dict = fm_jinja_dict(r->run, JINJA_DICT);
    r->at++;
    skip_space(r);
    if (skip(r, "}")) return dict;
    while (!r->run->failed) {
        skip_space(r);
        if (r->at == r->end || *r->at != '"') wrong(r, "a name in quotes was expected");
        if (r->run->failed) break;
        const struct jinja_value key = read_string(r);
        skip_space(r);
        if (!skip(r, ":")) wrong(r, "':' was expected");
        fm_jinja_put(r->run, dict.dict, key, read_member(r, key.string));
        if (skip(r, "}")) break;
        if (!skip(r, ",")) wrong(r, "',' or '}' was expected");
    }
    return dict;
}

static struct jinja_value read_bare(struct reader *r) {
    if (r->at == r->end) return wrong(r, "a value was expected");
    if (*r->at == '"') return read_string(r);
    if (*r->at == '[') return read_list(r);
    if (*r->at == '{') return read_object(r);
    if (skip(r, "null")) return fm_jinja_none();
    if (skip(r, "true")) return fm_jinja_bool(true);
    if (skip(r, "false")) return fm_jinja_bool(false);
    if (skip(r, "NaN")) return fm_jinja_real(NAN);
    if (skip(r, "Infinity")) return fm_jinja_real(INFINITY);
    if (skip(r, "-Infinity")) return fm_jinja_real(-INFINITY);
    return read_number(r);
}

static struct jinja_value read_value(struct reader *r) {
    if (!fm_jinja_deeper(r->run)) return fm_jinja_none();
    skip_space(r);
    struct jinja_value value = read_bare(r);
    value.foreign = r->foreign;
    skip_space(r);
    fm_jinja_back(r->run);
    return value;
}

struct jinja_value fm_jinja_read(
    struct jinja_run *run, const char *text, size_t length, const char *const *own, size_t n_own) {
    struct reader r = {run, text, text, text + length, true, NULL, n_own};
    r.paths = fm_jinja_alloc(run, n_own + 1, sizeof(*r.paths));
    if (!r.paths) return fm_jinja_dict(run, JINJA_DICT);
    for (size_t i = 0; i < n_own; i++) r.paths[i] = own[i];
    skip_space(&r);
    if (r.at == r.end || *r.at != '{') wrong(&r, "an object was expected");
    struct jinja_value dict = run->failed ? fm_jinja_dict(run, JINJA_DICT) : read_object(&r);
    skip_space(&r);
    if (r.at < r.end) wrong(&r, "something follows the object");
    return dict;
}

// ---- Printing --------------------------------------------------------------------------------------------

static void add(struct jinja_builder *b, const char *text, bool foreign) {
    fm_jinja_add(b, text, strlen(text), foreign);
}

static void print_string(
    struct jinja_builder *b, const struct jinja_string *s, const struct jinja_json *how) {
    const bool foreign = s->origins ? false : s->foreign;
    size_t plain = 0;
    add(b, "\"", foreign);
    for (size_t at = 0; at < s->length;) {
        static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
        const size_t next = at + fm_jinja_char(s->bytes + at);
        const uint32_t code = fm_jinja_code(s->bytes + at);
        const char *known = code && code < 0x80 ? strchr(from, (int)code) : NULL;
        char escaped[16] = "";
        if (known)
            snprintf(escaped, sizeof(escaped), "\\%c", to[known - from]);
        else if (code < 0x20 || (how->ascii && code >= 0x7f && code < 0x10000))
            snprintf(escaped, sizeof(escaped), "\\u%04x", (unsigned)code);
        else if (how->ascii && code >= 0x10000)
            snprintf(escaped, sizeof(escaped), "\\u%04x\\u%04x",
                (unsigned)(0xd800 + ((code - 0x10000) >> 10)), (unsigned)(0xdc00 + (code & 0x3ff)));
        if (escaped[0]) {
            fm_jinja_add_part(b, s, plain, at);
            add(b, escaped, fm_jinja_is_foreign(s, at));
            plain = next;
        }
        at = next;
    }
    fm_jinja_add_part(b, s, plain, s->length);
    add(b, "\"", foreign);
}

static void print_scalar(struct jinja_builder *b, struct jinja_value value) {
    if (value.kind == JINJA_NONE)
        add(b, "null", value.foreign);
    else if (value.kind == JINJA_BOOL)
        add(b, value.truth ? "true" : "false", value.foreign);
    else if (value.kind == JINJA_FLOAT && !isfinite(value.real))
        add(b, isnan(value.real) ? "NaN" : value.real < 0 ? "-Infinity" : "Infinity", value.foreign);
    else
        fm_jinja_repr(b, value);
}

static void print_value(
    struct jinja_builder *b, struct jinja_value value, const struct jinja_json *how, size_t level);

static void separator(struct jinja_builder *b, const struct jinja_string *s, bool foreign) {
    if (foreign)
        fm_jinja_add(b, s->bytes, s->length, true);
    else
        fm_jinja_add_part(b, s, 0, s->length);
}

static void new_line(struct jinja_builder *b, const struct jinja_json *how, size_t level, bool foreign) {
    if (!how->indent) return;
    add(b, "\n", foreign);
    for (size_t i = 0; i < level && !b->run->failed; i++)
        fm_jinja_add_part(b, how->indent, 0, how->indent->length);
}

static void print_key(struct jinja_builder *b, struct jinja_value key, const struct jinja_json *how) {
    if (key.kind == JINJA_STRING) {
        print_string(b, key.string, how);
    } else if (key.kind >= JINJA_NONE && key.kind <= JINJA_FLOAT) {
        add(b, "\"", key.foreign);
        print_scalar(b, key);
        add(b, "\"", key.foreign);
    } else {
        fm_jinja_error(b->run, "keys must be str, int, float, bool or None, not %s", fm_jinja_type(key));
    }
}

static void print_dict(struct jinja_builder *b, const struct jinja_dict *dict, const struct jinja_json *how,
    size_t level, bool foreign) {
    const struct jinja_entry *entries = dict->entries;
    if (how->sorted && dict->n) {
        struct jinja_entry *sorted = fm_jinja_alloc(b->run, 2 * dict->n, sizeof(*sorted));
        if (!sorted) return;
        memcpy(sorted, entries, dict->n * sizeof(*sorted));
        fm_jinja_sort(b->run, sorted, sorted + dict->n, dict->n, false);
        entries = sorted;
    }
    add(b, "{", foreign);
    for (size_t i = 0; i < dict->n && !b->run->failed; i++) {
        if (i) separator(b, how->comma, foreign);
        new_line(b, how, level + 1, foreign);
        print_key(b, entries[i].key, how);
        separator(b, how->colon, foreign);
        print_value(b, entries[i].value, how, level + 1);
    }
    if (dict->n) new_line(b, how, level, foreign);
    add(b, "}", foreign);
}

static void print_list(struct jinja_builder *b, const struct jinja_list *list, const struct jinja_json *how,
    size_t level, bool foreign) {
    add(b, "[", foreign);
    for (size_t i = 0; i < list->n && !b->run->failed; i++) {
        if (i) separator(b, how->comma, foreign);
        new_line(b, how, level + 1, foreign);
        print_value(b, list->items[i], how, level + 1);
    }
    if (list->n) new_line(b, how, level, foreign);
    add(b, "]", foreign);
}

static void print_value(
    struct jinja_builder *b, struct jinja_value value, const struct jinja_json *how, size_t level) {
    if (!fm_jinja_deeper(b->run)) return;
    if (value.kind == JINJA_STRING)
        print_string(b, value.string, how);
    else if (value.kind >= JINJA_NONE && value.kind <= JINJA_FLOAT)
        print_scalar(b, value);
    else if (value.kind == JINJA_LIST || value.kind == JINJA_TUPLE)
        print_list(b, value.list, how, level, value.foreign);
    else if (value.kind == JINJA_DICT)
        print_dict(b, value.dict, how, level, value.foreign);
    else
        fm_jinja_error(b->run, "Object of type %s is not JSON serializable", fm_jinja_type(value));
    fm_jinja_back(b->run);
}

void fm_jinja_json(struct jinja_builder *b, struct jinja_value value, const struct jinja_json *how) {
    print_value(b, value, how, 0);
}
