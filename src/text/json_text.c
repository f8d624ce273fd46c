#include "text/json_text.h"
#include "base/utf8.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r') || c == 0;
}

static const char *skip_space(const char *at, const char *end) {
    while (at < end && is_space(*at)) at++;
    return at;
}

static const char *skip_string(const char *at, const char *end) {
    for (at++; at < end && *at != '"'; at++)
        if (*at == '\\' && at + 1 < end) at++;
    return at < end ? at + 1 : end;
}

// Returns the end of the value that begins at `at`.
static const char *skip_value(const char *at, const char *end) {
    size_t depth = 0;
    do {
        if (at < end && *at == '"') {
            at = skip_string(at, end);
        } else if (at < end && (*at == '[' || *at == '{')) {
            depth++, at++;
        } else if (at < end && (*at == ']' || *at == '}')) {
            if (!depth) return at; // a value is missing: this bracket closes the container
            depth--, at++;
        } else if (depth) {
            at++;
        } else {
            while (at < end && !is_space(*at) && !strchr(",:]}", *at)) at++;
        }
    } while (depth && at < end);
    return at;
}

struct fm_json_text fm_json_text(const char *text, size_t length) {
    const char *end = text + length, *at = skip_space(text, end);
    while (end > at && is_space(end[-1])) end--;
    return (struct fm_json_text){at, end};
}

bool fm_json_text_next(struct fm_json_text *rest, struct fm_json_text *key, struct fm_json_text *value) {
    const char *at = rest->at;
    if (at >= rest->end) return false;
    if (*at == '[' || *at == '{')
        rest->end--; // the first call drops the brackets
    else if (*at != ',')
        return false;
    at = skip_space(at + 1, rest->end);
    if (at >= rest->end) return false;
    const char *after = skip_value(at, rest->end), *colon = skip_space(after, rest->end);
    *key = (struct fm_json_text){at, at};
    if (*at == '"' && colon < rest->end && *colon == ':') {
        key->end = after;
        at = skip_space(colon + 1, rest->end);
        after = skip_value(at, rest->end);
    }
    *value = (struct fm_json_text){at, after};
    rest->at = skip_space(after, rest->end);
    return true;
}

struct fm_json_text fm_json_text_member(struct fm_json_text object, const char *name) {
    struct fm_json_text key, value;
    const size_t length = strlen(name);
    if (object.at < object.end && *object.at == '{')
        while (fm_json_text_next(&object, &key, &value))
            if ((size_t)(key.end - key.at) == length + 2 && !memcmp(key.at + 1, name, length)) return value;
    return (struct fm_json_text){NULL, NULL};
}

// ---- Strings ---------------------------------------------------------------------------------------------

static bool hex4(const char *at, const char *end, uint32_t *code) {
    char digits[5] = "";
    if (end - at < 4) return false;
    memcpy(digits, at, 4);
    if (strspn(digits, "0123456789abcdefABCDEF") != 4) return false;
    *code = (uint32_t)strtoul(digits, NULL, 16);
    return true;
}

bool fm_json_text_code(const char **at, const char *end, uint32_t *code) {
    uint32_t low;
    if (!hex4(*at, end, code)) return false;
    *at += 4;
    if (*code < 0xd800 || *code >= 0xe000) return true;
    const bool pair = *code < 0xdc00 && end - *at >= 6 && (*at)[0] == '\\' && (*at)[1] == 'u' &&
        hex4(*at + 2, end, &low) && low >= 0xdc00 && low < 0xe000;
    *code = pair ? 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00) : 0xfffd;
    if (pair) *at += 6;
    return true;
}

// Reads one escape sequence; *at is after the backslash.
static bool unescape(const char **at, const char *end, struct fm_text *out) {
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    const char c = *(*at)++, *known = strchr(from, c);
    if (c && known) return fm_text_append(out, &to[known - from], 1);
    uint32_t code;
    if (c != 'u' || !fm_json_text_code(at, end, &code)) return fm_text_append(out, &c, 1);
    char bytes[4];
    return fm_text_append(out, bytes, fm_utf8_encode(code, bytes));
}

bool fm_json_text_unquote(struct fm_json_text string, struct fm_text *out) {
    const char *end = string.end - (string.end - string.at >= 2);
    for (const char *at = string.at + 1; at < end;) {
        const char *plain = at;
        while (at < end && *at != '\\') at++;
        if (!fm_text_append(out, plain, (size_t)(at - plain))) return false;
        if (at < end && ++at < end && !unescape(&at, end, out)) return false;
    }
    return fm_text_append(out, "", 0);
}

bool fm_json_text_quote(const char *bytes, size_t length, struct fm_text *out) {
    if (!fm_text_append(out, "\"", 1)) return false;
    for (size_t i = 0; i < length; i++) {
        static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
        char escaped[8] = {bytes[i]};
        size_t n = 1;
        const char *known = bytes[i] ? strchr(from, bytes[i]) : NULL;
        if (known)
            n = 2, escaped[0] = '\\', escaped[1] = to[known - from];
        else if ((unsigned char)bytes[i] < 0x20)
            n = (size_t)snprintf(escaped, sizeof(escaped), "\\u%04x", (unsigned)bytes[i]);
        if (!fm_text_append(out, escaped, n)) return false;
    }
    return fm_text_append(out, "\"", 1);
}

bool fm_json_text_print(struct fm_json_text value, struct fm_text *out) {
    struct fm_text plain = {0};
    bool done = true;
    for (const char *at = value.at; done && at < value.end;) {
        const char *from = at;
        if (*at == '"') {
            at = skip_string(at, value.end);
            fm_text_clear(&plain);
            done = fm_json_text_unquote((struct fm_json_text){from, at}, &plain) &&
                fm_json_text_quote(plain.text, plain.length, out);
        } else if (is_space(*at)) {
            at++;
        } else {
            done =
                fm_text_append(out, at, 1) && (*at != ',' && *at != ':' ? true : fm_text_append(out, " ", 1));
            at++;
        }
    }
    fm_text_free(&plain);
    return done;
}
