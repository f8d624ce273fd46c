// Texts that people hand in as files: UTF-8, or an error that names what the file is.
#include "common.h"
#include "base/error.h"
#include "text/utf8.h"
#include <stdlib.h>
#include <string.h>

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
        fm_fail(err, FATHOM_INVALID,
            "%s: the text is %s, and must be UTF-8: iconv -f %s -t UTF-8 converts it", path, name, name);
    else if (zero)
        fm_fail(err, FATHOM_INVALID, "%s: there is a zero byte at offset %zu, which no text has", path,
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

bool is_blank(const char *text) {
    for (size_t left = strlen(text); left;) {
        uint32_t code;
        const int n = fm_utf8_decode(text, left, &code);
        if (n <= 0 || !fm_utf8_is_space(code)) return false;
        text += n, left -= (size_t)n;
    }
    return true;
}

bool read_template(const char *path, char **text) {
    struct fathom_error err = {0};
    size_t size;
    *text = NULL;
    if (!path || (*text = read_text(path, 16 << 20, &size, &err))) return true;
    refuse(&err);
    return false;
}
