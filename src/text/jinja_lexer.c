// Templates into tokens. Outside of tags a template is data, whose white space depends on the tags beside it.
#include "text/jinja_tree.h"
#include "text/utf8.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool fm_jinja_fail_at(struct fathom_error *err, uint32_t line, const char *format, ...) {
    char message[400];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    message[fm_utf8_valid(message, strlen(message))] = 0; // a character may be cut
    for (char *at = message; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f) *at = ' ';
    return fm_fail(err, FATHOM_INVALID, "chat template, line %u: %s", (unsigned)line, message);
}

struct lexer {
    struct fm_arena *arena;
    struct fathom_error *err;
    const char *at, *end;
    uint32_t line;
    bool line_starting; // what was read last ends with a line end
    struct jinja_token *tokens;
    size_t n, capacity;
};

static bool push(struct lexer *lexer, enum jinja_token_kind kind, const char *text, size_t length) {
    if (lexer->n == lexer->capacity) {
        const size_t capacity = 2 * lexer->capacity + 64;
        struct jinja_token *grown = fm_arena_alloc(lexer->arena, capacity, sizeof(*grown));
        if (!grown) return fm_fail(lexer->err, FATHOM_NO_MEMORY, "no memory for the chat template's tokens");
        if (lexer->n) memcpy(grown, lexer->tokens, lexer->n * sizeof(*grown));
        lexer->tokens = grown;
        lexer->capacity = capacity;
    }
    lexer->tokens[lexer->n++] = (struct jinja_token){kind, lexer->line, text, length};
    return true;
}

// Takes everything up to `to`, and counts its lines.
static void take(struct lexer *lexer, const char *to) {
    if (to == lexer->at) return;
    for (const char *at = lexer->at; at < to; at++) lexer->line += *at == '\n';
    lexer->line_starting = to[-1] == '\n';
    lexer->at = to;
}

static const char *skip_space(const char *at, const char *end) {
    while (at < end && fm_jinja_is_space(fm_jinja_code(at))) at += fm_jinja_char(at);
    return at;
}

static bool begins(const char *at, const char *end, const char *text) {
    return (size_t)(end - at) >= strlen(text) && !memcmp(at, text, strlen(text));
}

// The end of a tag's closing mark at `at`, or NULL: `close`, with a sign before it where `plus` allows. Minus
// takes the white space behind it; without a sign, `trim` takes a line end.
static const char *closing(const char *at, const char *end, const char *close, bool plus, bool trim) {
    if (at < end && *at == '-' && begins(at + 1, end, close)) return skip_space(at + 1 + strlen(close), end);
    if (plus && at < end && *at == '+' && begins(at + 1, end, close)) return at + 1 + strlen(close);
    if (!begins(at, end, close)) return NULL;
    at += strlen(close);
    return trim && at < end && *at == '\n' ? at + 1 : at;
}

// Pushes the data up to `to`, which a tag with this sign follows.
static bool push_data(struct lexer *lexer, const char *to, char sign, bool is_print) {
    const char *text = lexer->at, *last = to;
    if (sign == '-') {
        const char *kept = text;
        for (const char *at = text; at < to;) {
            const bool space = fm_jinja_is_space(fm_jinja_code(at));
            at += fm_jinja_char(at);
            if (!space) kept = at;
        }
        last = kept;
    } else if (sign != '+' && !is_print) {
        const char *line = to;
        while (line > text && line[-1] != '\n') line--;
        if ((line > text || lexer->line_starting) && skip_space(line, to) == to) last = line;
    }
    if (last > text && !push(lexer, JINJA_DATA, text, (size_t)(last - text))) return false;
    take(lexer, to);
    return true;
}

static char sign_at(const char *at, const char *end) {
    return at < end && (*at == '-' || *at == '+') ? *at : 0;
}

// ---- Inside of tags --------------------------------------------------------------------------------------

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static const char *digits(const char *at, const char *end, const char *set) {
    while (at < end &&
        ((*at && strchr(set, *at)) || (*at == '_' && at + 1 < end && at[1] && strchr(set, at[1]))))
        at++;
    return at;
}

// The end of the number at `at`, which begins with a digit.
static const char *number(const char *start, const char *at, const char *end, bool *real) {
    static const char decimal[] = "0123456789";
    const char *whole = digits(at, end, decimal), *last = whole;
    if (at == start || at[-1] != '.') {
        if (last + 1 < end && *last == '.' && is_digit(last[1])) last = digits(last + 1, end, decimal);
        if (last < end && (*last == 'e' || *last == 'E')) {
            const char *power = last + 1;
            if (power < end && (*power == '+' || *power == '-')) power++;
            if (power < end && is_digit(*power)) last = digits(power, end, decimal);
        }
        *real = last > whole;
        if (*real) return last;
    }
    static const struct {
        const char *prefix, *set;
    } bases[] = {{"0b", "01"}, {"0B", "01"}, {"0o", "01234567"}, {"0O", "01234567"},
        {"0x", "0123456789abcdefABCDEF"}, {"0X", "0123456789abcdefABCDEF"}};
    for (size_t i = 0; i < sizeof(bases) / sizeof(*bases); i++)
        if (begins(at, end, bases[i].prefix)) {
            const char *last_digit = digits(at + 2, end, bases[i].set);
            if (last_digit > at + 2) return last_digit;
        }
    return *at == '0' ? digits(at, end, "0") : whole;
}

static const char *name_end(const char *at, const char *end) {
    while (at < end) {
        const uint32_t code = fm_jinja_code(at);
        if (code < 0x80
                ? !(is_digit(*at) || *at == '_' || (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z'))
                : !fm_utf8_is_word(code))
            break;
        at += fm_jinja_char(at);
    }
    return at;
}

static const char *string_end(const char *at, const char *end) {
    const char quote = *at;
    for (at++; at < end && *at != quote; at++)
        if (*at == '\\' && at + 1 < end) at++;
    return at < end ? at + 1 : NULL;
}

// Reads one token of a tag.
static bool tag_token(struct lexer *lexer, const char *start, char *open, size_t *n_open) {
    const char *at = lexer->at, *end = lexer->end, *last;
    enum jinja_token_kind kind;
    size_t cut = 0;
    if (is_digit(*at)) {
        bool real = false;
        last = number(start, at, end, &real);
        kind = real ? JINJA_REAL : JINJA_INTEGER;
    } else if ((*at == '"' || *at == '\'') && string_end(at, end)) {
        last = string_end(at, end);
        kind = JINJA_TEXT;
        cut = 1;
    } else if ((last = name_end(at, end)) > at) {
        kind = JINJA_NAME;
    } else {
        static const char *const operators[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%",
            "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".", ":", "|", ",", ";"};
        size_t i = 0;
        while (i < sizeof(operators) / sizeof(*operators) && !begins(at, end, operators[i])) i++;
        if (i == sizeof(operators) / sizeof(*operators)) {
            const struct fm_quote quote = fm_quote(at, fm_jinja_char(at));
            return fm_jinja_fail_at(lexer->err, lexer->line, "unexpected character '%s'", quote.text);
        }
        last = at + strlen(operators[i]);
        kind = JINJA_OPERATOR;
        static const char opening[] = "([{", closed_by[] = ")]}";
        const char *opens = strchr(opening, *at);
        if (opens) {
            if (*n_open == JINJA_MAX_NESTING)
                return fm_jinja_fail_at(lexer->err, lexer->line,
                    "an expression is nested deeper than %d levels", JINJA_MAX_NESTING);
            open[(*n_open)++] = closed_by[opens - opening];
        } else if (strchr(closed_by, *at)) {
            if (!*n_open || open[*n_open - 1] != *at)
                return fm_jinja_fail_at(lexer->err, lexer->line, "unexpected '%c'", *at);
            --*n_open;
        }
    }
    if (!push(lexer, kind, at + cut, (size_t)(last - at) - 2 * cut)) return false;
    take(lexer, last);
    return true;
}

static bool tag(struct lexer *lexer, const char *start, bool is_print) {
    char open[JINJA_MAX_NESTING];
    size_t n_open = 0;
    while (lexer->at < lexer->end) {
        if (!n_open) {
            const char *close = is_print ? closing(lexer->at, lexer->end, "}}", false, false)
                                         : closing(lexer->at, lexer->end, "%}", true, true);
            if (close) {
                if (!push(lexer, is_print ? JINJA_PRINT_END : JINJA_BLOCK_END, lexer->at, 2)) return false;
                take(lexer, close);
                return true;
            }
        }
        const char *after = skip_space(lexer->at, lexer->end);
        if (after > lexer->at)
            take(lexer, after);
        else if (!tag_token(lexer, start, open, &n_open))
            return false;
    }
    return true; // the parser finds the end
}

// ---- Outside of tags -------------------------------------------------------------------------------------

static bool comment(struct lexer *lexer) {
    for (const char *at = lexer->at; at < lexer->end; at++) {
        const char *close = closing(at, lexer->end, "#}", true, true);
        if (!close) continue;
        take(lexer, close);
        return true;
    }
    if (lexer->at == lexer->end) return true; // jinja2 takes an opening at the end for nothing
    return fm_jinja_fail_at(lexer->err, lexer->line, "a comment {# has no end #}");
}

// The end of {% raw %} that begins at `at`, or NULL.
static const char *raw_begin(const char *at, const char *end) {
    at += 2;
    if (sign_at(at, end)) at++;
    at = skip_space(at, end);
    if (!begins(at, end, "raw")) return NULL;
    at = skip_space(at + 3, end);
    return closing(at, end, "%}", false, false);
}

static bool raw(struct lexer *lexer) {
    for (const char *at = lexer->at; at < lexer->end; at++) {
        if (!begins(at, lexer->end, "{%")) continue;
        const char *name = at + 2;
        const char sign = sign_at(name, lexer->end);
        name = skip_space(name + (sign != 0), lexer->end);
        if (!begins(name, lexer->end, "endraw")) continue;
        name = skip_space(name + 6, lexer->end);
        const char *close = closing(name, lexer->end, "%}", true, true);
        if (!close) continue;
        if (!push_data(lexer, at, sign, false)) return false;
        take(lexer, close);
        return true;
    }
    if (lexer->at == lexer->end) return true;
    return fm_jinja_fail_at(lexer->err, lexer->line, "{%% raw %%} has no {%% endraw %%}");
}

static bool all(struct lexer *lexer, const char *start) {
    while (lexer->at < lexer->end) {
        const char *at = lexer->at;
        while (at < lexer->end && !(*at == '{' && at + 1 < lexer->end && strchr("{%#", at[1]) && at[1])) at++;
        if (at == lexer->end) {
            if (!push(lexer, JINJA_DATA, lexer->at, (size_t)(at - lexer->at))) return false;
            take(lexer, at);
            break;
        }
        const char *after_raw = at[1] == '%' ? raw_begin(at, lexer->end) : NULL;
        const char sign = sign_at(at + 2, lexer->end), what = at[1];
        if (!push_data(lexer, at, sign, what == '{')) return false;
        if (after_raw) {
            take(lexer, after_raw);
            if (!raw(lexer)) return false;
            continue;
        }
        if (what != '#' && !push(lexer, what == '{' ? JINJA_PRINT_BEGIN : JINJA_BLOCK_BEGIN, at, 2))
            return false;
        take(lexer, at + 2 + (sign != 0));
        if (!(what == '#' ? comment(lexer) : tag(lexer, start, what == '{'))) return false;
    }
    return push(lexer, JINJA_END, lexer->end, 0);
}

struct jinja_token *fm_jinja_tokens(
    struct fm_arena *arena, const char *source, size_t length, struct fathom_error *err) {
    const size_t valid = fm_utf8_valid(source, length);
    if (valid < length) {
        fm_fail(err, FATHOM_INVALID, "the chat template is not UTF-8 at byte %zu", valid);
        return NULL;
    }
    char *text = fm_arena_alloc(arena, length + 1, 1), *to = text;
    if (!text) {
        fm_fail(err, FATHOM_NO_MEMORY, "no memory for a chat template of %zu bytes", length);
        return NULL;
    }
    for (size_t i = 0; i < length; i++) { // line ends become \n, and the last one is dropped
        if (source[i] == '\r' && i + 1 < length && source[i + 1] == '\n') continue;
        *to++ = source[i] == '\r' ? '\n' : source[i];
    }
    if (to > text && to[-1] == '\n') to--;
    struct lexer lexer = {arena, err, text, to, 1, true};
    return all(&lexer, text) ? lexer.tokens : NULL;
}

// ---- String literals -------------------------------------------------------------------------------------

static int hex(char c) {
    return c >= '0' && c <= '9' ? c - '0'
        : c >= 'a' && c <= 'f'  ? c - 'a' + 10
        : c >= 'A' && c <= 'F'  ? c - 'A' + 10
                                : -1;
}

bool fm_jinja_unescape(struct fm_arena *arena, const struct jinja_token *token, struct jinja_string *out,
    struct fathom_error *err) {
    // an escape of two bytes becomes at most 11: a backslash before U+10000 and above is its own escape
    char *text = fm_arena_alloc(arena, 6 * token->length + 1, 1), *to = text;
    if (!text) return fm_fail(err, FATHOM_NO_MEMORY, "no memory for the chat template's strings");
    const char *at = token->text, *end = at + token->length;
    while (at < end) {
        if (*at != '\\' || at + 1 == end) {
            *to++ = *at++;
            continue;
        }
        static const char from[] = "\\'\"abfnrtv", becomes[] = "\\'\"\a\b\f\n\r\t\v";
        const char c = at[1], *known = strchr(from, c);
        const size_t n_hex = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
        at += 2;
        if (c && known) {
            *to++ = becomes[known - from];
        } else if (c == '\n') {
        } else if (c >= '0' && c <= '7') {
            uint32_t code = (uint32_t)(c - '0');
            for (int i = 0; i < 2 && at < end && *at >= '0' && *at <= '7'; i++)
                code = code * 8 + (uint32_t)(*at++ - '0');
            to += fm_jinja_put_code(to, code);
        } else if (n_hex) {
            uint32_t code = 0;
            for (size_t i = 0; i < n_hex; i++, at++) {
                if (at == end || hex(*at) < 0)
                    return fm_jinja_fail_at(err, token->line, "\\%c needs %zu hexadecimal digits", c, n_hex);
                code = code << 4 | (uint32_t)hex(*at);
            }
            if (code > 0x10ffff)
                return fm_jinja_fail_at(err, token->line, "\\U%08x is not a character", (unsigned)code);
            to += fm_jinja_put_code(to, code);
        } else if (c == 'N') {
            return fm_jinja_fail_at(err, token->line, "characters by name (\\N) are not supported; \\u is");
        } else if ((unsigned char)c >= 0x80) { // jinja2 escapes the character, and reads \\ before its escape
            const uint32_t code = fm_jinja_code(at - 1);
            to += snprintf(to, 12,
                code < 0x100         ? "\\x%02x"
                    : code < 0x10000 ? "\\u%04x"
                                     : "\\U%08x",
                (unsigned)code);
            at += fm_jinja_char(at - 1) - 1;
        } else {
            *to++ = '\\';
            *to++ = c;
        }
    }
    *out = (struct jinja_string){.bytes = text, .length = (size_t)(to - text)};
    return true;
}
