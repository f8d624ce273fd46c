// Strings by characters, as Python's str: white space, searches, cases.
#include "text/jinja_parts.h"
#include "text/utf8.h"
#include <string.h>
#include <utf8proc.h>

uint32_t fm_jinja_code(const char *at) {
    const unsigned char *s = (const unsigned char *)at;
    switch (fm_jinja_char(at)) {
    case 1: return s[0];
    case 2: return (s[0] & 0x1fu) << 6 | (s[1] & 0x3fu);
    case 3: return (s[0] & 0x0fu) << 12 | (s[1] & 0x3fu) << 6 | (s[2] & 0x3fu);
    default: return (s[0] & 7u) << 18 | (s[1] & 0x3fu) << 12 | (s[2] & 0x3fu) << 6 | (s[3] & 0x3fu);
    }
}

size_t fm_jinja_put_code(char *to, uint32_t code) {
    if (code >= 0xd800 && code < 0xe000) code = 0xfffd; // half of a surrogate pair
    if (code < 0x80) return *to = (char)code, 1;
    const size_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i; i--, code >>= 6) to[i] = (char)(0x80 | (code & 0x3f));
    to[0] = (char)((0xf00u >> n & 0xf0u) | code);
    return n;
}

bool fm_jinja_is_space(uint32_t code) {
    return fm_utf8_is_space(code) || (code >= 0x1c && code <= 0x1f);
}

size_t fm_jinja_count(const struct jinja_string *s) {
    size_t n = 0;
    for (size_t i = 0; i < s->length; i++) n += ((unsigned char)s->bytes[i] & 0xc0) != 0x80;
    return n;
}

size_t fm_jinja_offset(const struct jinja_string *s, size_t n) {
    size_t at = 0;
    while (n-- && at < s->length) at += fm_jinja_char(s->bytes + at);
    return at;
}

size_t fm_jinja_find(
    struct jinja_run *run, const struct jinja_string *s, const struct jinja_string *what, size_t from) {
    if (!what->length) return from <= s->length ? from : SIZE_MAX;
    while (from < s->length && s->length - from >= what->length) {
        const char *first = memchr(s->bytes + from, what->bytes[0], s->length - from - what->length + 1);
        const size_t at = first ? (size_t)(first - s->bytes) : s->length;
        fm_jinja_work(run, at - from + (first ? what->length : 0));
        if (!first || run->failed) break;
        if (!memcmp(first, what->bytes, what->length)) return at;
        from = at + 1;
    }
    return SIZE_MAX;
}

static bool is_one_of(struct jinja_run *run, const struct jinja_string *chars, const char *at) {
    const size_t n = fm_jinja_char(at);
    if (!chars) return fm_jinja_is_space(fm_jinja_code(at));
    fm_jinja_work(run, chars->length);
    for (size_t i = 0; i < chars->length && !run->failed; i += fm_jinja_char(chars->bytes + i))
        if (fm_jinja_char(chars->bytes + i) == n && !memcmp(chars->bytes + i, at, n)) return true;
    return false;
}

void fm_jinja_strip(struct jinja_run *run, const struct jinja_string *s, const struct jinja_string *chars,
    bool left, bool right, size_t *from, size_t *to) {
    *from = 0;
    *to = s->length;
    while (left && *from < *to && is_one_of(run, chars, s->bytes + *from))
        *from += fm_jinja_char(s->bytes + *from);
    while (right && *to > *from) {
        size_t at = *to - 1;
        while (((unsigned char)s->bytes[at] & 0xc0) == 0x80) at--;
        if (!is_one_of(run, chars, s->bytes + at)) break;
        *to = at;
    }
}

struct jinja_value fm_jinja_replace(struct jinja_run *run, const struct jinja_string *s,
    const struct jinja_string *from, const struct jinja_string *to, int64_t count) {
    struct jinja_builder b = {run};
    size_t at = 0;
    for (size_t n = 0; !run->failed && (count < 0 || n < (uint64_t)count); n++) {
        if (!from->length) { // before every character and at the end
            fm_jinja_add_part(&b, to, 0, to->length);
            fm_jinja_work(run, 0);
            if (at == s->length) break;
            const size_t next = at + fm_jinja_char(s->bytes + at);
            fm_jinja_add_part(&b, s, at, next);
            at = next;
            continue;
        }
        const size_t found = fm_jinja_find(run, s, from, at);
        if (found == SIZE_MAX) break;
        fm_jinja_add_part(&b, s, at, found);
        fm_jinja_add_part(&b, to, 0, to->length);
        at = found + from->length;
    }
    fm_jinja_add_part(&b, s, at, s->length);
    return fm_jinja_built(&b);
}

struct jinja_value fm_jinja_escape(struct jinja_run *run, const struct jinja_string *s) {
    static const char from[] = "&<>'\"";
    static const char *const to[] = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
    struct jinja_builder b = {run};
    size_t plain = 0;
    for (size_t i = 0; i < s->length; i++) {
        const char *special = s->bytes[i] ? strchr(from, s->bytes[i]) : NULL;
        if (!special) continue;
        fm_jinja_add_part(&b, s, plain, i);
        fm_jinja_add(&b, to[special - from], strlen(to[special - from]), fm_jinja_is_foreign(s, i));
        plain = i + 1;
    }
    fm_jinja_add_part(&b, s, plain, s->length);
    return fm_jinja_markup(run, fm_jinja_built(&b), true);
}

static bool is_line_end(uint32_t code) {
    return (code >= 0x0a && code <= 0x0d) || (code >= 0x1c && code <= 0x1e) || code == 0x85 ||
        code == 0x2028 || code == 0x2029;
}

struct jinja_value fm_jinja_splitlines(struct jinja_run *run, const struct jinja_string *s, bool keep) {
    struct jinja_value list = fm_jinja_list(run, JINJA_LIST);
    size_t start = 0;
    for (size_t at = 0; at < s->length && !run->failed;) {
        const uint32_t code = fm_jinja_code(s->bytes + at);
        size_t next = at + fm_jinja_char(s->bytes + at);
        if (is_line_end(code)) {
            if (code == '\r' && next < s->length && s->bytes[next] == '\n') next++;
            fm_jinja_push(run, list, fm_jinja_part(run, s, start, keep ? next : at));
            start = next;
        }
        at = next;
    }
    if (start < s->length) fm_jinja_push(run, list, fm_jinja_part(run, s, start, s->length));
    fm_jinja_work(run, s->length);
    return list;
}

// ---- Cases -----------------------------------------------------------------------------------------------

// Characters whose upper case (or lower case, for U+0130) is several characters: the common ones of Unicode's
// SpecialCasing. The Greek and Armenian ones are left as they are.
static const struct {
    uint32_t code;
    const char *upper, *title;
} special_upper[] = {{0xdf, "SS", "Ss"}, {0x149, "\xca\xbcN", "\xca\xbcN"}, {0x1f0, "J\xcc\x8c", "J\xcc\x8c"},
    {0xfb00, "FF", "Ff"}, {0xfb01, "FI", "Fi"}, {0xfb02, "FL", "Fl"}, {0xfb03, "FFI", "Ffi"},
    {0xfb04, "FFL", "Ffl"}, {0xfb05, "ST", "St"}, {0xfb06, "ST", "St"}};

static bool is_cased(uint32_t code) {
    const utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code);
    return category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LL ||
        category == UTF8PROC_CATEGORY_LT;
}

static bool is_ignorable(uint32_t code) { // between letters of a word, for the final sigma
    const utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code);
    return code == '\'' || code == '.' || code == ':' || code == 0xb7 || code == 0x2019 ||
        category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_ME ||
        category == UTF8PROC_CATEGORY_CF || category == UTF8PROC_CATEGORY_LM ||
        category == UTF8PROC_CATEGORY_SK;
}

static bool is_final_sigma(const struct jinja_string *s, size_t at) {
    bool before = false;
    for (size_t i = at; i > 0;) {
        do i--;
        while (((unsigned char)s->bytes[i] & 0xc0) == 0x80);
        const uint32_t code = fm_jinja_code(s->bytes + i);
        if (is_ignorable(code)) continue;
        before = is_cased(code);
        break;
    }
    for (size_t i = at + fm_jinja_char(s->bytes + at); before && i < s->length;
         i += fm_jinja_char(s->bytes + i)) {
        const uint32_t code = fm_jinja_code(s->bytes + i);
        if (!is_ignorable(code)) return !is_cased(code);
    }
    return before;
}

static void add_upper(struct jinja_builder *b, uint32_t code, bool title, bool foreign) {
    for (size_t i = 0; i < sizeof(special_upper) / sizeof(*special_upper); i++)
        if (special_upper[i].code == code) {
            const char *text = title ? special_upper[i].title : special_upper[i].upper;
            fm_jinja_add(b, text, strlen(text), foreign);
            return;
        }
    const utf8proc_int32_t c = (utf8proc_int32_t)code;
    fm_jinja_add_code(b, (uint32_t)(title ? utf8proc_totitle(c) : utf8proc_toupper(c)), foreign);
}

static void add_lower(struct jinja_builder *b, const struct jinja_string *s, size_t at, bool foreign) {
    const uint32_t code = fm_jinja_code(s->bytes + at);
    if (code == 0x130) {
        fm_jinja_add(b, "i\xcc\x87", 3, foreign);
    } else {
        const uint32_t lower = code == 0x3a3 && is_final_sigma(s, at)
            ? 0x3c2
            : (uint32_t)utf8proc_tolower((utf8proc_int32_t)code);
        fm_jinja_add_code(b, lower, foreign);
    }
}

struct jinja_value fm_jinja_case(struct jinja_run *run, const struct jinja_string *s, enum jinja_case how) {
    struct jinja_builder b = {run};
    bool in_word = false;
    for (size_t at = 0; at < s->length && !run->failed; at += fm_jinja_char(s->bytes + at)) {
        const uint32_t code = fm_jinja_code(s->bytes + at);
        const bool foreign = fm_jinja_is_foreign(s, at);
        const utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code);
        const bool is_upper = category == UTF8PROC_CATEGORY_LU;
        const bool first = how == CASE_CAPITALIZE ? at == 0 : !in_word;
        if (how == CASE_FOLD && (code == 0xdf || code == 0x1e9e))
            fm_jinja_add(&b, "ss", 2, foreign);
        else if (how == CASE_FOLD && (code == 0x3c2 || code == 0x3a3))
            fm_jinja_add_code(&b, 0x3c3, foreign);
        else if (how == CASE_UPPER || (how == CASE_SWAP && !is_upper && category == UTF8PROC_CATEGORY_LL))
            add_upper(&b, code, false, foreign);
        else if ((how == CASE_TITLE || how == CASE_CAPITALIZE) && first)
            add_upper(&b, code, true, foreign);
        else if (how == CASE_SWAP && !is_upper)
            fm_jinja_add_part(&b, s, at, at + fm_jinja_char(s->bytes + at));
        else
            add_lower(&b, s, at, foreign);
        in_word = is_cased(code);
    }
    return fm_jinja_built(&b);
}
