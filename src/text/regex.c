#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/regex.h"
#include "text/utf8.h"
#include <ctype.h>
#include <pcre2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fm_regex {
    pcre2_code *code;
    bool jit;
};
struct fm_regex_match {
    pcre2_match_data *data;
    pcre2_match_context *context;
};

// ---- Translation -----------------------------------------------------------------------------------------

// The contents of classes as Oniguruma defines them. PCRE2's \s also includes U+180E, and its \w excludes
// marks, connectors, and letters in circles.
#define SPACE \
    "\\t-\\r \\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"
#define NOT_SPACE \
    "\\x{0}-\\x{8}\\x{e}-\\x{1f}!-\\x{84}\\x{86}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{" \
    "2027}" \
    "\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{10ffff}"
#define WORD \
    "\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{24b6}-\\x{24e9}\\x{1f130}-\\x{1f149}\\x{1f150}-\\x{1f169}\\x{" \
    "1f170}-\\x{1f189}"
// Outside of a class, \w also includes the six superscripts and fractions of Latin-1.
#define WORD_OUTSIDE WORD "\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}"

struct translation {
    char *text;
    size_t length, capacity;
};

static bool put(struct translation *out, const char *text, size_t length, struct fathom_error *err) {
    if (out->length + length > out->capacity) {
        size_t capacity = 2 * (out->length + length) + 256;
        char *bigger = realloc(out->text, capacity);
        if (!bigger)
            return fm_fail(
                err, FATHOM_NO_MEMORY, "tokenizer: no memory for an expression of %zu bytes", capacity);
        out->text = bigger;
        out->capacity = capacity;
    }
    memcpy(out->text + out->length, text, length);
    out->length += length;
    return true;
}

static bool put_string(struct translation *out, const char *text, struct fathom_error *err) {
    return put(out, text, strlen(text), err);
}

// In Oniguruma \p{Han} means the script alone; in PCRE2, from 10.40 on, it also includes characters that are
// used with the script. Writes the form that means the script alone and returns the length of the source, if
// the name is a script; otherwise returns 0.
static size_t translate_script(char translated[48], const char *at, size_t left) {
    size_t n = 0;
    while (n + 3 < left && isalpha((unsigned char)at[n + 3])) n++;
    if (left < 4 || at[2] != '{' || n < 3 || n > 32 || n + 3 >= left || at[n + 3] != '}') return 0;
    int length = snprintf(translated, 48, "\\%c{sc:%.*s}", at[1], (int)n, at + 3), code;
    size_t offset;
    pcre2_code *test = pcre2_compile((PCRE2_SPTR)translated, (size_t)length, PCRE2_UTF, &code, &offset, NULL);
    pcre2_code_free(test);
    return test ? n + 4 : 0;
}

// Translates one escape sequence; at[0] is the backslash. Returns its length in the source, or 0 on failure.
static size_t translate_escape(
    struct translation *out, const char *at, size_t left, bool in_class, struct fathom_error *err) {
    if (left < 2) return fm_fail(err, FATHOM_INVALID, "tokenizer: expression ends in a backslash"), 0;
    switch (at[1]) {
    case 's': return put_string(out, in_class ? SPACE : "[" SPACE "]", err) ? 2 : 0;
    case 'S': return put_string(out, in_class ? NOT_SPACE : "[^" SPACE "]", err) ? 2 : 0;
    case 'w': return put_string(out, in_class ? WORD : "[" WORD_OUTSIDE "]", err) ? 2 : 0;
    case 'W':
        if (in_class) break;
        return put_string(out, "[^" WORD_OUTSIDE "]", err) ? 2 : 0;
    case 'h': return put_string(out, in_class ? "0-9a-fA-F" : "[0-9a-fA-F]", err) ? 2 : 0;
    case 'p':
    case 'P': {
        char script[48];
        size_t used = translate_script(script, at, left);
        return used ? (put_string(out, script, err) ? used : 0) : (put(out, at, 2, err) ? 2 : 0);
    }
    case 'u': { // four hexadecimal digits
        char code[] = "\\x{....}";
        for (size_t i = 0; i < 4; i++) {
            if (i + 2 >= left || !isxdigit((unsigned char)at[i + 2]))
                return fm_fail(err, FATHOM_INVALID, "tokenizer: expression has \\u without four digits"), 0;
            code[i + 3] = at[i + 2];
        }
        return put_string(out, code, err) ? 6 : 0;
    }
    // all other escapes mean the same in both, or are errors in PCRE2
    default:
        if (!strchr("HbBCgkKMyYOX", at[1]) || at[1] == 0) return put(out, at, 2, err) ? 2 : 0;
    }
    return fm_fail(err, FATHOM_UNSUPPORTED, "tokenizer: expression uses \\%c%s",
               isprint((unsigned char)at[1]) ? at[1] : '?', in_class ? " in a class" : ""),
           0;
}

static bool translate(struct translation *out, const char *pattern, size_t length, struct fathom_error *err) {
    bool in_class = false;
    size_t class_start = 0;
    for (size_t i = 0; i < length;) {
        const char *at = pattern + i;
        size_t left = length - i;
        if (*at == '\\') {
            size_t used = translate_escape(out, at, left, in_class, err);
            if (!used) return false;
            i += used;
            continue;
        }
        if (in_class && *at == '[')
            return fm_fail(err, FATHOM_UNSUPPORTED, "tokenizer: expression has a class within a class");
        if (in_class && left > 1 && *at == '&' && at[1] == '&')
            return fm_fail(err, FATHOM_UNSUPPORTED, "tokenizer: expression has && in a class");
        if (!in_class && left > 1 && *at == '(' && at[1] == '*')
            return fm_fail(err, FATHOM_UNSUPPORTED, "tokenizer: expression has (*");
        if (!in_class && *at == '[') {
            in_class = true;
            class_start = i + 1;
            if (left > 1 && at[1] == '^') class_start++;
        } else if (in_class && *at == ']' && i > class_start) {
            in_class = false;
        }
        if (!put(out, at, 1, err)) return false;
        i++;
    }
    return true;
}

// ---- Compiling -------------------------------------------------------------------------------------------

struct fm_regex *fm_regex_create(const char *pattern, size_t length, bool literal, struct fathom_error *err) {
    struct translation translated = {0};
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    struct fm_regex *regex = calloc(1, sizeof(*regex));
    if (!context || !regex) {
        fm_fail(err, FATHOM_NO_MEMORY, "tokenizer: no memory for an expression");
        goto fail;
    }
    if (!(literal ? put(&translated, pattern, length, err) : translate(&translated, pattern, length, err)))
        goto fail;
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    pcre2_set_parens_nest_limit(context, 100);
    // In Ruby's syntax ^ and $ match at lines.
    uint32_t options =
        PCRE2_UTF | (literal ? PCRE2_LITERAL : PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C);
    int code;
    size_t offset;
    regex->code = pcre2_compile((PCRE2_SPTR)(translated.text ? translated.text : ""), translated.length,
        options, &code, &offset, context);
    if (!regex->code) {
        char message[128];
        pcre2_get_error_message(code, (PCRE2_UCHAR *)message, sizeof(message));
        fm_fail(
            err, FATHOM_INVALID, "tokenizer: expression \"%s\": %s", fm_quote(pattern, length).text, message);
        goto fail;
    }
    regex->jit = pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE) == 0; // without JIT the interpreter runs
    free(translated.text);
    pcre2_compile_context_free(context);
    return regex;
fail:
    free(translated.text);
    pcre2_compile_context_free(context);
    fm_regex_destroy(&regex);
    return NULL;
}

void fm_regex_destroy(struct fm_regex **regex) {
    if (!*regex) return;
    pcre2_code_free((*regex)->code);
    free(*regex);
    *regex = NULL;
}

// ---- Matching --------------------------------------------------------------------------------------------

struct fm_regex_match *fm_regex_match_create(struct fathom_error *err) {
    struct fm_regex_match *match = calloc(1, sizeof(*match));
    if (match) {
        match->data = pcre2_match_data_create(1, NULL); // the match as a whole, no groups
        match->context = pcre2_match_context_create(NULL);
    }
    if (!match || !match->data || !match->context) {
        fm_fail(err, FATHOM_NO_MEMORY, "tokenizer: no memory to match expressions");
        fm_regex_match_destroy(&match);
        return NULL;
    }
    pcre2_set_heap_limit(match->context, 64 * 1024); // KiB
    return match;
}

void fm_regex_match_destroy(struct fm_regex_match **match) {
    if (!*match) return;
    pcre2_match_data_free((*match)->data);
    pcre2_match_context_free((*match)->context);
    free(*match);
    *match = NULL;
}

int fm_regex_find(const struct fm_regex *regex, struct fm_regex_match *match, const char *text, size_t length,
    size_t from, bool not_empty, size_t *start, size_t *end, struct fathom_error *err) {
    uint32_t options = not_empty ? PCRE2_NOTEMPTY_ATSTART : 0;
    int found = PCRE2_ERROR_JIT_STACKLIMIT;
    if (regex->jit)
        found = pcre2_jit_match(
            regex->code, (PCRE2_SPTR)text, length, from, options, match->data, match->context);
    if (found == PCRE2_ERROR_JIT_STACKLIMIT) // also without JIT
        found = pcre2_match(regex->code, (PCRE2_SPTR)text, length, from,
            options | PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, match->data, match->context);
    if (found == PCRE2_ERROR_NOMATCH) return 0;
    if (found < 0) {
        char message[128];
        pcre2_get_error_message(found, (PCRE2_UCHAR *)message, sizeof(message));
        fm_fail(err, FATHOM_INVALID, "tokenizer: split expression gave up: %s", message);
        return -1;
    }
    const size_t *at = pcre2_get_ovector_pointer(match->data);
    if (at[0] < from || at[1] < at[0]) {
        fm_fail(err, FATHOM_UNSUPPORTED, "tokenizer: split expression matches backwards");
        return -1;
    }
    *start = at[0];
    *end = at[1];
    return 1;
}
