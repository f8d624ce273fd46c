#include "text/json_mend.h"
#include "base/json.h"
#include <stdio.h>
#include <string.h>

struct mender {
    const char *at, *end;
    struct fm_text *out;
    bool no_memory;
    unsigned depth;
};

static bool put(struct mender *m, const char *bytes, size_t n) {
    if (fm_text_append(m->out, bytes, n)) return true;
    m->no_memory = true;
    return false;
}

static bool put_text(struct mender *m, const char *text) {
    return put(m, text, strlen(text));
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool put_space(struct mender *m) {
    const char *from = m->at;
    while (m->at < m->end && is_space(*m->at)) m->at++;
    return put(m, from, (size_t)(m->at - from));
}

static bool is_next(const struct mender *m, const char *text) {
    const size_t n = strlen(text);
    return (size_t)(m->end - m->at) >= n && !memcmp(m->at, text, n);
}

// Appends the character after a backslash, with the backslash that it needs.
static bool put_escaped(struct mender *m) {
    if (m->at == m->end) return false;
    const char *from = m->at++;
    if (*from == '\'') return put_text(m, "'");
    if (*from == 'u' && m->end - m->at >= 4) {
        size_t n = 0;
        while (n < 4 && m->at[n] && strchr("0123456789abcdefABCDEF", m->at[n])) n++;
        if (n == 4) return m->at += 4, put(m, from - 1, 6);
    }
    if (*from && strchr("\"\\/bfnrt", *from)) return put(m, from - 1, 2);
    m->at = from;
    return put_text(m, "\\\\");
}

static bool put_string(struct mender *m) {
    const char quote = *m->at++;
    if (!put(m, "\"", 1)) return false;
    while (m->at < m->end && *m->at != quote) {
        const char *from = m->at++;
        bool done;
        char escaped[8];
        if (*from == '\\') {
            done = put_escaped(m);
        } else if (*from == '"') { // within single quotes
            done = put_text(m, "\\\"");
        } else if ((unsigned char)*from < 0x20) {
            snprintf(escaped, sizeof(escaped), "\\u%04x", (unsigned)*from);
            done = put_text(m,
                *from == '\n'       ? "\\n"
                    : *from == '\t' ? "\\t"
                    : *from == '\r' ? "\\r"
                                    : escaped);
        } else {
            done = put(m, from, 1);
        }
        if (!done) return false;
    }
    if (m->at == m->end) return false;
    m->at++;
    return put(m, "\"", 1);
}

static size_t digits(const struct mender *m, size_t n) {
    const size_t from = n;
    while (m->at + n < m->end && m->at[n] >= '0' && m->at[n] <= '9') n++;
    return n - from;
}

static bool put_number(struct mender *m) {
    size_t n = *m->at == '-', more;
    const size_t first = n;
    if (!(more = digits(m, n))) return false;
    if (m->at[first] == '0' && more > 1) return false;
    n += more;
    if (m->at + n < m->end && m->at[n] == '.') {
        if (!(more = digits(m, n + 1))) return false;
        n += 1 + more;
    }
    if (m->at + n < m->end && (m->at[n] == 'e' || m->at[n] == 'E')) {
        const size_t sign = m->at + n + 1 < m->end && (m->at[n + 1] == '+' || m->at[n + 1] == '-');
        if (!(more = digits(m, n + 1 + sign))) return false;
        n += 1 + sign + more;
    }
    m->at += n;
    return put(m, m->at - n, n);
}

static bool put_word(struct mender *m) {
    static const char *const words[][2] = {{"true", "true"}, {"false", "false"}, {"null", "null"},
        {"True", "true"}, {"False", "false"}, {"None", "null"}};
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        if (!is_next(m, words[i][0])) continue;
        m->at += strlen(words[i][0]);
        return put_text(m, words[i][1]);
    }
    return false;
}

static bool put_value(struct mender *m);

static bool put_container(struct mender *m) {
    const bool object = *m->at == '{';
    const char close = object ? '}' : ']';
    if (++m->depth > FM_JSON_DEPTH || !put(m, m->at++, 1) || !put_space(m)) return false;
    for (bool first = true; m->at < m->end && *m->at != close; first = false) {
        if (!first) {
            if (*m->at++ != ',') return false;
            const char *next = m->at;
            while (next < m->end && is_space(*next)) next++;
            if ((next == m->end || *next != close) && !put(m, ",", 1)) return false;
            if (!put_space(m)) return false;
            if (m->at < m->end && *m->at == close) break;
        }
        if (object) {
            if (m->at == m->end || (*m->at != '"' && *m->at != '\'') || !put_string(m) || !put_space(m) ||
                m->at == m->end || *m->at != ':' || !put(m, m->at++, 1) || !put_space(m))
                return false;
        }
        if (!put_value(m) || !put_space(m)) return false;
    }
    if (m->at == m->end) return false;
    m->depth--;
    return put(m, m->at++, 1);
}

static bool put_value(struct mender *m) {
    if (m->at == m->end) return false;
    switch (*m->at) {
    case '{':
    case '[': return put_container(m);
    case '"':
    case '\'': return put_string(m);
    case '-': return put_number(m);
    default: return *m->at >= '0' && *m->at <= '9' ? put_number(m) : put_word(m);
    }
}

bool fm_json_mend(const char **at, const char *end, struct fm_text *out, bool *no_memory) {
    const size_t before = out->length;
    struct mender m = {.at = *at, .end = end, .out = out};
    const bool read = put_value(&m);
    if (m.no_memory) *no_memory = true;
    if (!read && out->text) out->text[out->length = before] = 0;
    if (read) *at = m.at;
    return read;
}
