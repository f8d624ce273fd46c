// The filters on text.
#include "text/jinja_parts.h"
#include "text/utf8.h"
#include <string.h>
#include <utf8proc.h>

static const struct jinja_string *text_of(struct jinja_run *run, struct jinja_value value) {
    return fm_jinja_str(run, value).string;
}

static struct jinja_value cased(struct jinja_run *run, struct jinja_value self, enum jinja_case how) {
    const struct jinja_string *s = text_of(run, self);
    const struct jinja_value value = fm_jinja_case(run, s, how);
    return s->markup ? fm_jinja_markup(run, value, true) : value;
}

FM_JINJA_FUNCTION(filter_upper) {
    FM_JINJA_UNUSED;
    return cased(run, self, CASE_UPPER);
}
FM_JINJA_FUNCTION(filter_lower) {
    FM_JINJA_UNUSED;
    return cased(run, self, CASE_LOWER);
}
FM_JINJA_FUNCTION(filter_capitalize) {
    FM_JINJA_UNUSED;
    return cased(run, self, CASE_CAPITALIZE);
}

static void add_value(struct jinja_builder *b, struct jinja_value value) {
    fm_jinja_add_part(b, value.string, 0, value.string->length);
}

// The first character of each word becomes upper case, the others lower case.
FM_JINJA_FUNCTION(filter_title) {
    FM_JINJA_UNUSED;
    const struct jinja_string *s = text_of(run, self);
    struct jinja_builder b = {run};
    for (size_t at = 0; at < s->length && !run->failed;) {
        size_t end = at;
        while (end < s->length && !(s->bytes[end] && strchr("-({[<", s->bytes[end])) &&
            !fm_jinja_is_space(fm_jinja_code(s->bytes + end)))
            end += fm_jinja_char(s->bytes + end);
        if (end == at) {
            end += fm_jinja_char(s->bytes + end);
            fm_jinja_add_part(&b, s, at, end);
        } else {
            const size_t first = at + fm_jinja_char(s->bytes + at);
            add_value(&b, fm_jinja_case(run, fm_jinja_part(run, s, at, first).string, CASE_UPPER));
            add_value(&b, fm_jinja_case(run, fm_jinja_part(run, s, first, end).string, CASE_LOWER));
        }
        at = end;
    }
    return fm_jinja_built(&b);
}

FM_JINJA_FUNCTION(filter_string) {
    FM_JINJA_UNUSED;
    return fm_jinja_str(run, self);
}

FM_JINJA_FUNCTION(filter_trim) {
    FM_JINJA_UNUSED;
    const struct jinja_string *s = text_of(run, self), *chars = NULL;
    size_t from, to;
    if (fm_jinja_given(a[0]) && a[0].kind != JINJA_NONE) {
        if (a[0].kind != JINJA_STRING)
            return fm_jinja_error(run, "trim's characters are a string, not %s", fm_jinja_type(a[0]));
        chars = a[0].string;
    }
    fm_jinja_strip(run, s, chars, true, true, &from, &to);
    return fm_jinja_part(run, s, from, to);
}

FM_JINJA_FUNCTION(filter_replace) {
    FM_JINJA_UNUSED;
    int64_t count = -1;
    if (fm_jinja_given(a[2]) && a[2].kind != JINJA_NONE && !fm_jinja_whole(a[2], &count))
        return fm_jinja_error(run, "replace's count is an integer, not %s", fm_jinja_type(a[2]));
    return fm_jinja_replace(run, text_of(run, self), text_of(run, a[0]), text_of(run, a[1]), count);
}

FM_JINJA_FUNCTION(filter_escape) {
    FM_JINJA_UNUSED;
    const struct jinja_value text = fm_jinja_str(run, self);
    return text.string->markup ? text : fm_jinja_escape(run, text.string);
}
FM_JINJA_FUNCTION(filter_forceescape) {
    FM_JINJA_UNUSED;
    return fm_jinja_escape(run, text_of(run, self));
}
FM_JINJA_FUNCTION(filter_safe) {
    FM_JINJA_UNUSED;
    return fm_jinja_markup(run, fm_jinja_str(run, self), true);
}

FM_JINJA_FUNCTION(filter_indent) {
    FM_JINJA_UNUSED;
    int64_t width = 4;
    if (self.kind == JINJA_UNDEFINED) return fm_jinja_undefined_error(run, self);
    if (self.kind != JINJA_STRING)
        return fm_jinja_error(run, "indent needs a string, not %s", fm_jinja_type(self));
    if (fm_jinja_given(a[0]) && a[0].kind != JINJA_STRING && !fm_jinja_whole(a[0], &width))
        return fm_jinja_error(run, "indent's width is a number or a string, not %s", fm_jinja_type(a[0]));
    const struct jinja_value indentation = fm_jinja_given(a[0]) && a[0].kind == JINJA_STRING
        ? a[0]
        : fm_jinja_binary(run, OP_MULTIPLY, fm_jinja_text(run, " "), fm_jinja_int(width));
    const bool first = fm_jinja_truth(a[1]), blank = fm_jinja_truth(a[2]);
    const struct jinja_value ended = fm_jinja_binary(run, OP_ADD, self, fm_jinja_text(run, "\n"));
    struct jinja_builder b = {run};
    if (run->failed) return self;
    const struct jinja_list *lines = fm_jinja_splitlines(run, ended.string, false).list;
    for (size_t i = 0; i < lines->n && !run->failed; i++) {
        if (i) fm_jinja_add_own(&b, "\n");
        if (i ? blank || lines->items[i].string->length : first) add_value(&b, indentation);
        add_value(&b, lines->items[i]);
    }
    return fm_jinja_built(&b);
}

FM_JINJA_FUNCTION(filter_truncate) {
    FM_JINJA_UNUSED;
    int64_t length = 255, leeway = 5;
    if (self.kind == JINJA_UNDEFINED) self = fm_jinja_text(run, "");
    if (self.kind != JINJA_STRING)
        return fm_jinja_error(run, "truncate needs a string, not %s", fm_jinja_type(self));
    if ((fm_jinja_given(a[0]) && !fm_jinja_whole(a[0], &length)) ||
        (fm_jinja_given(a[3]) && a[3].kind != JINJA_NONE && !fm_jinja_whole(a[3], &leeway)))
        return fm_jinja_error(run, "truncate's length and leeway are integers");
    const struct jinja_value end = fm_jinja_given(a[2]) ? a[2] : fm_jinja_text(run, "...");
    if (end.kind != JINJA_STRING)
        return fm_jinja_error(run, "truncate's end is a string, not %s", fm_jinja_type(end));
    const int64_t n_end = (int64_t)fm_jinja_count(end.string), n = (int64_t)fm_jinja_count(self.string);
    if (length < n_end || leeway < 0)
        return fm_jinja_error(run, "truncate's length is shorter than its end, or its leeway is negative");
    if (n <= length || n - length <= leeway) return self;
    size_t kept = fm_jinja_offset(self.string, (size_t)(length - n_end));
    if (!fm_jinja_truth(a[1]))
        for (size_t i = kept; i--;)
            if (self.string->bytes[i] == ' ') {
                kept = i;
                break;
            }
    return fm_jinja_binary(run, OP_ADD, fm_jinja_part(run, self.string, 0, kept), end);
}

static bool is_word(uint32_t code) {
    const utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)code);
    return code == '_' || (c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO) ||
        (c >= UTF8PROC_CATEGORY_ND && c <= UTF8PROC_CATEGORY_NO);
}

FM_JINJA_FUNCTION(filter_wordcount) {
    FM_JINJA_UNUSED;
    const struct jinja_string *s = text_of(run, self);
    int64_t n = 0;
    bool inside = false;
    for (size_t at = 0; at < s->length; at += fm_jinja_char(s->bytes + at)) {
        const bool word = is_word(fm_jinja_code(s->bytes + at));
        n += word && !inside;
        inside = word;
    }
    return fm_jinja_int(n);
}

// Appends one paragraph's lines: words and the white space between them, as many as fit.
static void wrap_line(struct jinja_run *run, struct jinja_builder *b, const struct jinja_string *s,
    size_t width, bool break_long, bool hyphens, const struct jinja_string *newline) {
    size_t line = 0, end = 0, at = 0, n = 0; // the line's start, its end without white space, its characters
    bool any = false;
    while (at < s->length && !run->failed) {
        size_t next = at, count = 0;
        const bool space = fm_jinja_is_space(fm_jinja_code(s->bytes + at));
        while (next < s->length && fm_jinja_is_space(fm_jinja_code(s->bytes + next)) == space) {
            const size_t after = next + fm_jinja_char(s->bytes + next);
            const bool hyphen = hyphens && s->bytes[next] == '-' && next > at && after < s->length &&
                is_word(fm_jinja_code(s->bytes + after));
            next = after;
            count++;
            if (hyphen || (break_long && !space && count == width)) break;
        }
        if (n + count > width && n) { // a new line begins
            if (any) fm_jinja_add_part(b, newline, 0, newline->length);
            fm_jinja_add_part(b, s, line, end);
            any = true;
            n = 0;
            line = end = space ? next : at;
            if (space) {
                at = next;
                continue;
            }
        }
        n += count;
        at = next;
        if (!space) end = next;
    }
    if (end > line && any) fm_jinja_add_part(b, newline, 0, newline->length);
    fm_jinja_add_part(b, s, line, end);
}

FM_JINJA_FUNCTION(filter_wordwrap) {
    FM_JINJA_UNUSED;
    int64_t width = 79;
    const struct jinja_string *s = text_of(run, self);
    if (fm_jinja_given(a[0]) && (!fm_jinja_whole(a[0], &width) || width <= 0))
        return fm_jinja_error(run, "wordwrap's width is a positive integer");
    const struct jinja_string *newline =
        text_of(run, fm_jinja_given(a[2]) && a[2].kind != JINJA_NONE ? a[2] : fm_jinja_text(run, "\n"));
    const struct jinja_list *lines = fm_jinja_splitlines(run, s, false).list;
    struct jinja_builder b = {run};
    for (size_t i = 0; i < lines->n && !run->failed; i++) {
        if (i) fm_jinja_add_part(&b, newline, 0, newline->length);
        wrap_line(run, &b, lines->items[i].string, (size_t)width,
            !fm_jinja_given(a[1]) || fm_jinja_truth(a[1]), !fm_jinja_given(a[3]) || fm_jinja_truth(a[3]),
            newline);
    }
    return fm_jinja_built(&b);
}

// ---- HTML and URLs ---------------------------------------------------------------------------------------

FM_JINJA_FUNCTION(filter_striptags) {
    FM_JINJA_UNUSED;
    static const char *const entities[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;", "&#34;"};
    static const char plain[] = "&<>\"'\"";
    const struct jinja_string *s = text_of(run, self);
    struct jinja_builder bare = {run}, b = {run};
    size_t at = 0;
    while (at < s->length) {
        const char *open = memchr(s->bytes + at, '<', s->length - at);
        const bool comment = open && s->length - (size_t)(open - s->bytes) >= 4 && !memcmp(open, "<!--", 4);
        const struct jinja_string close = {.bytes = comment ? "-->" : ">", .length = comment ? 3 : 1};
        const size_t end =
            open ? fm_jinja_find(run, s, &close, (size_t)(open - s->bytes) + (comment ? 4 : 0)) : SIZE_MAX;
        if (end == SIZE_MAX) break;
        fm_jinja_add_part(&bare, s, at, (size_t)(open - s->bytes));
        at = end + close.length;
    }
    fm_jinja_add_part(&bare, s, at, s->length);
    s = fm_jinja_built(&bare).string;
    bool space = false;
    for (at = 0; at < s->length && !run->failed;) {
        size_t next = at + fm_jinja_char(s->bytes + at), i = 0;
        if (fm_jinja_is_space(fm_jinja_code(s->bytes + at))) {
            space = b.length > 0;
            at = next;
            continue;
        }
        if (space) fm_jinja_add(&b, " ", 1, fm_jinja_is_foreign(s, at));
        space = false;
        while (i < 6 &&
            !(s->length - at >= strlen(entities[i]) &&
                !memcmp(s->bytes + at, entities[i], strlen(entities[i]))))
            i++;
        if (i < 6) {
            fm_jinja_add(&b, &plain[i], 1, fm_jinja_is_foreign(s, at));
            next = at + strlen(entities[i]);
        } else {
            fm_jinja_add_part(&b, s, at, next);
        }
        at = next;
    }
    return fm_jinja_built(&b);
}

FM_JINJA_FUNCTION(filter_xmlattr) {
    FM_JINJA_UNUSED;
    struct jinja_builder b = {run};
    if (self.kind != JINJA_DICT)
        return fm_jinja_error(run, "xmlattr needs a dictionary, not %s", fm_jinja_type(self));
    for (size_t i = 0; i < self.dict->n && !run->failed; i++) {
        const struct jinja_entry *entry = &self.dict->entries[i];
        if (entry->value.kind == JINJA_NONE || entry->value.kind == JINJA_UNDEFINED) continue;
        if (entry->key.kind != JINJA_STRING) {
            fm_jinja_error(run, "a name of xmlattr is a string, not %s", fm_jinja_type(entry->key));
            break;
        }
        for (size_t k = 0; k < entry->key.string->length; k++)
            if (entry->key.string->bytes[k] && strchr(" \t\n\r\f\v/>=", entry->key.string->bytes[k]))
                fm_jinja_error(run, "invalid character in an attribute's name");
        if (b.length || !fm_jinja_given(a[0]) || fm_jinja_truth(a[0])) fm_jinja_add_own(&b, " ");
        add_value(&b, fm_jinja_escape(run, entry->key.string));
        fm_jinja_add_own(&b, "=\"");
        const struct jinja_value text = fm_jinja_str(run, entry->value);
        add_value(&b, text.string->markup ? text : fm_jinja_escape(run, text.string));
        fm_jinja_add_own(&b, "\"");
    }
    return fm_jinja_built(&b);
}

static void add_quoted(struct jinja_builder *b, const struct jinja_string *s, bool query) {
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s->length; i++) {
        const char c = s->bytes[i];
        const bool foreign = fm_jinja_is_foreign(s, i);
        const bool letter = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (letter || (c && strchr(query ? "_.-~" : "_.-~/", c))) {
            fm_jinja_add(b, &c, 1, foreign);
        } else if (query && c == ' ') {
            fm_jinja_add(b, "+", 1, foreign);
        } else {
            const char escaped[3] = {'%', hex[(unsigned char)c >> 4], hex[c & 15]};
            fm_jinja_add(b, escaped, 3, foreign);
        }
    }
}

FM_JINJA_FUNCTION(filter_urlencode) {
    FM_JINJA_UNUSED;
    struct jinja_builder b = {run};
    if (self.kind == JINJA_STRING || !fm_jinja_is_iterable(self)) {
        add_quoted(&b, text_of(run, self), false);
        return fm_jinja_built(&b);
    }
    const struct jinja_view view = {"items", self.dict};
    const struct jinja_list *pairs = fm_jinja_items(
        run, self.kind == JINJA_DICT ? (struct jinja_value){.kind = JINJA_VIEW, .view = &view} : self)
                                         .list;
    for (size_t i = 0; i < pairs->n && !run->failed; i++) {
        const struct jinja_value pair = pairs->items[i];
        if ((pair.kind != JINJA_TUPLE && pair.kind != JINJA_LIST) || pair.list->n != 2) {
            fm_jinja_error(run, "urlencode needs pairs of a name and a value");
            break;
        }
        if (i) fm_jinja_add_own(&b, "&");
        add_quoted(&b, text_of(run, pair.list->items[0]), true);
        fm_jinja_add_own(&b, "=");
        add_quoted(&b, text_of(run, pair.list->items[1]), true);
    }
    return fm_jinja_built(&b);
}

FM_JINJA_FUNCTION(filter_center) {
    FM_JINJA_UNUSED;
    const struct jinja_value bound[JINJA_MAX_PARAMETERS] = {fm_jinja_given(a[0]) ? a[0] : fm_jinja_int(80)};
    return fm_jinja_center(run, fm_jinja_str(run, self), bound, all);
}

static const struct jinja_function filters[] = {
    {"capitalize", "", 0, filter_capitalize},
    {"center", "width", 0, filter_center},
    {"e", "", 0, filter_escape},
    {"escape", "", 0, filter_escape},
    {"forceescape", "", 0, filter_forceescape},
    {"format", NULL, 0, fm_jinja_format},
    {"indent", "width first blank", 0, filter_indent},
    {"lower", "", 0, filter_lower},
    {"replace", "old new count", 2, filter_replace},
    {"safe", "", 0, filter_safe},
    {"string", "", 0, filter_string},
    {"striptags", "", 0, filter_striptags},
    {"title", "", 0, filter_title},
    {"trim", "chars", 0, filter_trim},
    {"truncate", "length killwords end leeway", 0, filter_truncate},
    {"upper", "", 0, filter_upper},
    {"urlencode", "", 0, filter_urlencode},
    {"wordcount", "", 0, filter_wordcount},
    {"wordwrap", "width break_long_words wrapstring break_on_hyphens", 0, filter_wordwrap},
    {"xmlattr", "autospace", 0, filter_xmlattr},
};

const struct jinja_function *fm_jinja_text_filter(const struct jinja_string *name) {
    return fm_jinja_function_in(filters, sizeof(filters) / sizeof(*filters), name);
}
