// Texts: UTF-8 of the program's own output, and files that people hand in, which are UTF-8 or get an error
// that names what they are.
#include "common.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Decodes the character at the start of n bytes (n > 0). Returns its length, or 0 where it is no UTF-8.
static size_t decode(const char *bytes, size_t n, uint32_t *code) {
    const unsigned char *s = (const unsigned char *)bytes;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const size_t length = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (length == 0 || length > n || s[0] > 0xf4) return 0;
    *code = length == 1 ? s[0] : s[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80) return 0;
        *code = *code << 6 | (s[i] & 0x3f);
    }
    return *code < least[length] || *code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000) ? 0 : length;
}

bool print_utf8(const char *text) {
    for (size_t left = strlen(text), n; left; text += n, left -= n) {
        uint32_t code;
        n = decode(text, left, &code);
        if (fwrite(n ? text : "\xef\xbf\xbd", 1, n ? n : 3, stdout) != (n ? n : 3)) return false;
        if (!n) n = 1;
    }
    return true;
}

// Would the character move the cursor, begin an escape sequence, or turn the direction of a line?
static bool is_control(uint32_t code) {
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x200e || code == 0x200f ||
        (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

// Copies a text as one line that a terminal can show: other bytes become \xNN. Cut where there is no room.
static void make_printable(char *to, size_t room, const char *text) {
    size_t at = 0;
    for (size_t left = strlen(text), n; left; text += n, left -= n) {
        uint32_t code;
        n = decode(text, left, &code);
        const bool plain = n && !is_control(code);
        if (!plain) n = 1;
        if (at + (plain ? n : 4) >= room) break;
        if (plain)
            memcpy(to + at, text, n), at += n;
        else
            at += (size_t)snprintf(to + at, room - at, "\\x%02x", (unsigned char)*text);
    }
    to[at] = 0;
}

bool fail(struct fathom_error *err, enum fathom_status status, const char *format, ...) {
    char text[2 * sizeof(err->message)];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    err->status = status;
    make_printable(err->message, sizeof(err->message), text);
    return false;
}

static bool is_space(uint32_t code) { // Unicode's White_Space
    return (code >= 9 && code <= 13) || code == ' ' || code == 0x85 || code == 0xa0 || code == 0x1680 ||
        (code >= 0x2000 && code <= 0x200a) || code == 0x2028 || code == 0x2029 || code == 0x202f ||
        code == 0x205f || code == 0x3000;
}

bool is_blank(const char *text) {
    for (size_t left = strlen(text), n; left; text += n, left -= n) {
        uint32_t code;
        n = decode(text, left, &code);
        if (!n || !is_space(code)) return false;
    }
    return true;
}

// ---- Files -----------------------------------------------------------------------------------------------

char *read_file(const char *path, size_t most, size_t *size, struct fathom_error *err) {
    FILE *f = strcmp(path, "-") ? fopen(path, "rb") : stdin;
    if (!f) return fail(err, FATHOM_IO, "%s: %s", path, strerror(errno)), NULL;
    char *text = NULL;
    size_t capacity = 0;
    *size = 0;
    for (size_t n = 1; n > 0;) {
        if (capacity - *size < 2) {
            char *grown = realloc(text, capacity = 2 * capacity + 4096);
            if (!grown) break;
            text = grown;
        }
        n = fread(text + *size, 1, capacity - *size - 1, f);
        *size += n;
        if (*size > most) break;
    }
    const bool ok = text && !ferror(f) && *size <= most;
    if (!ok)
        fail(err, FATHOM_IO, "%s: %s", path,
            *size > most    ? "the file is too large"
                : ferror(f) ? strerror(errno)
                            : "out of memory");
    if (f != stdin) fclose(f);
    if (!ok) return free(text), NULL;
    text[*size] = 0;
    return text;
}

const char *wide_encoding(const char *text, size_t size) {
    static const struct {
        const char *name, *bytes;
        size_t n;
    } marks[] = {{"UTF-32", "\xff\xfe\0\0", 4}, {"UTF-32", "\0\0\xfe\xff", 4}, {"UTF-16", "\xff\xfe", 2},
        {"UTF-16", "\xfe\xff", 2}};
    for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++)
        if (size >= marks[i].n && !memcmp(text, marks[i].bytes, marks[i].n)) return marks[i].name;
    return NULL;
}

// Without a byte order mark: letters of Latin script have one zero byte of two in UTF-16, three of four in
// UTF-32.
static const char *guess_encoding(const char *text, size_t size) {
    size_t n_zero[2] = {0}; // at even offsets, at odd ones
    for (size_t i = 0; i < size; i++) n_zero[i % 2] += !text[i];
    if (n_zero[0] + n_zero[1] > size / 2) return text[0] ? "UTF-32LE" : "UTF-32BE";
    const size_t fewer = n_zero[0] < n_zero[1] ? n_zero[0] : n_zero[1];
    if (n_zero[0] + n_zero[1] <= size / 4 || fewer > size / 16) return NULL;
    return n_zero[1] > n_zero[0] ? "UTF-16LE" : "UTF-16BE";
}

char *read_text(const char *path, size_t most, size_t *size, struct fathom_error *err) {
    char *text = read_file(path, most, size, err);
    if (!text) return NULL;
    const char *name = wide_encoding(text, *size), *zero = memchr(text, 0, *size);
    if (!name && zero) name = guess_encoding(text, *size);
    if (name)
        fail(err, FATHOM_INVALID, "%s: the text is %s, and must be UTF-8: iconv -f %s -t UTF-8 converts it",
            path, name, name);
    else if (zero)
        fail(err, FATHOM_INVALID, "%s: there is a zero byte at offset %zu, which no text has", path,
            (size_t)(zero - text));
    if (name || zero) return free(text), NULL;
    if (*size >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) // UTF-8's byte order mark is no part of the text
        memmove(text, text + 3, (*size -= 3) + 1);
    return text;
}

void drop_line_end(char *text) {
    size_t n = strlen(text);
    if (n && text[n - 1] == '\n') n -= n > 1 && text[n - 2] == '\r' ? 2 : 1;
    text[n] = 0;
}

bool read_template(const char *path, char **text) {
    struct fathom_error err = {0};
    size_t size;
    *text = NULL;
    if (!path || (*text = read_text(path, 16 << 20, &size, &err))) return true;
    refuse(&err);
    return false;
}
