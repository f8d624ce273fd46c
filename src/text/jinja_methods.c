// The methods of strings, lists, dictionaries and jinja2's own objects that the sandbox allows.
#include "text/jinja_parts.h"
#include "text/utf8.h"
#include <stdlib.h>
#include <string.h>

static bool want_string(struct jinja_run *run, struct jinja_value value) {
    if (value.kind == JINJA_STRING) return true;
    fm_jinja_error(run, "an argument is of type %s; a string was expected", fm_jinja_type(value));
    return false;
}

static bool want_whole(struct jinja_run *run, struct jinja_value value, int64_t *whole) {
    if (!fm_jinja_given(value) || value.kind == JINJA_NONE || fm_jinja_whole(value, whole)) return true;
    fm_jinja_error(run, "an argument is of type %s; an integer was expected", fm_jinja_type(value));
    return false;
}

// What a method returns is markup when the string is.
static struct jinja_value same(struct jinja_run *run, struct jinja_value self, struct jinja_value value) {
    return self.string->markup ? fm_jinja_markup(run, value, true) : value;
}

// ---- Parts -----------------------------------------------------------------------------------------------

static struct jinja_value strip(
    struct jinja_run *run, struct jinja_value self, struct jinja_value chars, bool left, bool right) {
    size_t from, to;
    const bool some = fm_jinja_given(chars) && chars.kind != JINJA_NONE;
    if (some && !want_string(run, chars)) return self;
    fm_jinja_strip(run, self.string, some ? chars.string : NULL, left, right, &from, &to);
    return fm_jinja_part(run, self.string, from, to);
}
FM_JINJA_FUNCTION(str_strip) {
    FM_JINJA_UNUSED;
    return strip(run, self, a[0], true, true);
}
FM_JINJA_FUNCTION(str_lstrip) {
    FM_JINJA_UNUSED;
    return strip(run, self, a[0], true, false);
}
FM_JINJA_FUNCTION(str_rstrip) {
    FM_JINJA_UNUSED;
    return strip(run, self, a[0], false, true);
}

static size_t find_last(
    struct jinja_run *run, const struct jinja_string *s, const struct jinja_string *what, size_t end) {
    if (what->length > end) return SIZE_MAX;
    for (size_t at = end - what->length;; at--) {
        fm_jinja_work(run, what->length && s->bytes[at] == what->bytes[0] ? what->length : 0);
        if (run->failed) return SIZE_MAX;
        if (!memcmp(s->bytes + at, what->bytes, what->length)) return at;
        if (!at) return SIZE_MAX;
    }
}

static size_t back(const struct jinja_string *s, size_t at) { // to the character before
    do at--;
    while (((unsigned char)s->bytes[at] & 0xc0) == 0x80);
    return at;
}

static struct jinja_value split_spaces(
    struct jinja_run *run, const struct jinja_string *s, int64_t limit, bool from_right) {
    struct jinja_value list = fm_jinja_list(run, JINJA_LIST);
    size_t from = 0, to = s->length;
    for (;;) {
        const struct jinja_string rest = {.bytes = s->bytes + from, .length = to - from};
        size_t begin, end;
        fm_jinja_strip(run, &rest, NULL, !from_right, from_right, &begin, &end);
        to = from + end, from += begin;
        if (from == to || run->failed) break;
        if (limit >= 0 && (int64_t)list.list->n == limit) { // the rest is one part
            fm_jinja_push(run, list, fm_jinja_part(run, s, from, to));
            break;
        }
        size_t at = from_right ? to : from;
        if (from_right) {
            while (at > from && !fm_jinja_is_space(fm_jinja_code(s->bytes + back(s, at)))) at = back(s, at);
            fm_jinja_push(run, list, fm_jinja_part(run, s, at, to));
            to = at;
        } else {
            while (at < to && !fm_jinja_is_space(fm_jinja_code(s->bytes + at)))
                at += fm_jinja_char(s->bytes + at);
            fm_jinja_push(run, list, fm_jinja_part(run, s, from, at));
            from = at;
        }
    }
    fm_jinja_work(run, s->length);
    return list;
}

static struct jinja_value split_at(struct jinja_run *run, const struct jinja_string *s,
    const struct jinja_string *separator, int64_t limit, bool from_right) {
    struct jinja_value list = fm_jinja_list(run, JINJA_LIST);
    size_t from = 0, to = s->length;
    while (!run->failed && (limit < 0 || (int64_t)list.list->n < limit)) {
        const size_t at =
            from_right ? find_last(run, s, separator, to) : fm_jinja_find(run, s, separator, from);
        if (at == SIZE_MAX) break;
        fm_jinja_push(run, list,
            from_right ? fm_jinja_part(run, s, at + separator->length, to) : fm_jinja_part(run, s, from, at));
        if (from_right)
            to = at;
        else
            from = at + separator->length;
    }
    fm_jinja_push(run, list, fm_jinja_part(run, s, from, to));
    return list;
}

static struct jinja_value split(
    struct jinja_run *run, struct jinja_value self, const struct jinja_value *a, bool from_right) {
    int64_t limit = -1;
    if (!want_whole(run, a[1], &limit)) return self;
    struct jinja_value list;
    if (!fm_jinja_given(a[0]) || a[0].kind == JINJA_NONE) {
        list = split_spaces(run, self.string, limit, from_right);
    } else {
        if (!want_string(run, a[0])) return self;
        if (!a[0].string->length) return fm_jinja_error(run, "empty separator");
        list = split_at(run, self.string, a[0].string, limit, from_right);
    }
    for (size_t i = 0, n = list.list->n; from_right && i < n / 2; i++) {
        const struct jinja_value item = list.list->items[i];
        list.list->items[i] = list.list->items[n - 1 - i];
        list.list->items[n - 1 - i] = item;
    }
    return list;
}
FM_JINJA_FUNCTION(str_split) {
    FM_JINJA_UNUSED;
    return split(run, self, a, false);
}
FM_JINJA_FUNCTION(str_rsplit) {
    FM_JINJA_UNUSED;
    return split(run, self, a, true);
}

FM_JINJA_FUNCTION(str_splitlines) {
    FM_JINJA_UNUSED;
    return fm_jinja_splitlines(run, self.string, fm_jinja_truth(a[0]));
}

static struct jinja_value partition(
    struct jinja_run *run, struct jinja_value self, struct jinja_value separator, bool last) {
    if (!want_string(run, separator)) return self;
    if (!separator.string->length) return fm_jinja_error(run, "empty separator");
    const struct jinja_string *s = self.string;
    const size_t at =
        last ? find_last(run, s, separator.string, s->length) : fm_jinja_find(run, s, separator.string, 0);
    struct jinja_value tuple = fm_jinja_list(run, JINJA_TUPLE);
    const bool found = at != SIZE_MAX;
    const size_t end = found ? at + separator.string->length : 0;
    fm_jinja_push(run, tuple, found ? fm_jinja_part(run, s, 0, at) : last ? fm_jinja_text(run, "") : self);
    fm_jinja_push(run, tuple, found ? fm_jinja_part(run, s, at, end) : fm_jinja_text(run, ""));
    fm_jinja_push(run, tuple,
        found      ? fm_jinja_part(run, s, end, s->length)
            : last ? self
                   : fm_jinja_text(run, ""));
    return tuple;
}
FM_JINJA_FUNCTION(str_partition) {
    FM_JINJA_UNUSED;
    return partition(run, self, a[0], false);
}
FM_JINJA_FUNCTION(str_rpartition) {
    FM_JINJA_UNUSED;
    return partition(run, self, a[0], true);
}

// ---- Searches --------------------------------------------------------------------------------------------

// The part of the string between two optional positions, in bytes.
static bool window(struct jinja_run *run, const struct jinja_string *s, const struct jinja_value *a,
    size_t *from, size_t *to) {
    const int64_t n = (int64_t)fm_jinja_count(s);
    int64_t start = 0, stop = n;
    if (!want_whole(run, a[0], &start) || !want_whole(run, a[1], &stop)) return false;
    if (start < 0) start = start < -n ? 0 : start + n;
    if (stop < 0) stop = stop < -n ? 0 : stop + n;
    if (stop > n) stop = n;
    *from = start > n ? SIZE_MAX : fm_jinja_offset(s, (size_t)start);
    *to = fm_jinja_offset(s, (size_t)stop);
    return *from <= *to; // otherwise nothing is found, not even an empty string
}

static struct jinja_value find(
    struct jinja_run *run, struct jinja_value self, const struct jinja_value *a, bool last, bool must) {
    size_t from, to, at = SIZE_MAX;
    if (!want_string(run, a[0])) return self;
    if (window(run, self.string, a + 1, &from, &to)) {
        const struct jinja_string part = {.bytes = self.string->bytes + from, .length = to - from};
        at = last ? find_last(run, &part, a[0].string, part.length)
                  : fm_jinja_find(run, &part, a[0].string, 0);
        if (at != SIZE_MAX) at += from;
    }
    if (at == SIZE_MAX) return must ? fm_jinja_error(run, "substring not found") : fm_jinja_int(-1);
    const struct jinja_string before = {.bytes = self.string->bytes, .length = at};
    return fm_jinja_int((int64_t)fm_jinja_count(&before));
}
FM_JINJA_FUNCTION(str_find) {
    FM_JINJA_UNUSED;
    return find(run, self, a, false, false);
}
FM_JINJA_FUNCTION(str_rfind) {
    FM_JINJA_UNUSED;
    return find(run, self, a, true, false);
}
FM_JINJA_FUNCTION(str_index) {
    FM_JINJA_UNUSED;
    return find(run, self, a, false, true);
}
FM_JINJA_FUNCTION(str_rindex) {
    FM_JINJA_UNUSED;
    return find(run, self, a, true, true);
}

FM_JINJA_FUNCTION(str_count) {
    FM_JINJA_UNUSED;
    size_t from, to;
    int64_t n = 0;
    if (!want_string(run, a[0]) || !window(run, self.string, a + 1, &from, &to)) return fm_jinja_int(0);
    const struct jinja_string part = {.bytes = self.string->bytes + from, .length = to - from};
    if (!a[0].string->length) return fm_jinja_int((int64_t)fm_jinja_count(&part) + 1);
    for (size_t at = 0; (at = fm_jinja_find(run, &part, a[0].string, at)) != SIZE_MAX;
         at += a[0].string->length)
        n++;
    return fm_jinja_int(n);
}

static bool has_edge(
    const struct jinja_string *s, const struct jinja_string *edge, size_t from, size_t to, bool end) {
    if (edge->length > to - from) return false;
    return !memcmp(s->bytes + (end ? to - edge->length : from), edge->bytes, edge->length);
}

static struct jinja_value edges(
    struct jinja_run *run, struct jinja_value self, const struct jinja_value *a, bool end) {
    size_t from, to;
    if (a[0].kind != JINJA_TUPLE && !want_string(run, a[0])) return self;
    if (!window(run, self.string, a + 1, &from, &to)) return fm_jinja_bool(false);
    if (a[0].kind == JINJA_STRING) return fm_jinja_bool(has_edge(self.string, a[0].string, from, to, end));
    for (size_t i = 0; i < a[0].list->n; i++) {
        if (!want_string(run, a[0].list->items[i])) return self;
        fm_jinja_work(run, a[0].list->items[i].string->length);
        if (run->failed) return self;
        if (has_edge(self.string, a[0].list->items[i].string, from, to, end)) return fm_jinja_bool(true);
    }
    return fm_jinja_bool(false);
}
FM_JINJA_FUNCTION(str_startswith) {
    FM_JINJA_UNUSED;
    return edges(run, self, a, false);
}
FM_JINJA_FUNCTION(str_endswith) {
    FM_JINJA_UNUSED;
    return edges(run, self, a, true);
}

FM_JINJA_FUNCTION(str_removeprefix) {
    FM_JINJA_UNUSED;
    if (!want_string(run, a[0]) || !has_edge(self.string, a[0].string, 0, self.string->length, false))
        return self;
    return fm_jinja_part(run, self.string, a[0].string->length, self.string->length);
}
FM_JINJA_FUNCTION(str_removesuffix) {
    FM_JINJA_UNUSED;
    if (!want_string(run, a[0]) || !has_edge(self.string, a[0].string, 0, self.string->length, true))
        return self;
    return fm_jinja_part(run, self.string, 0, self.string->length - a[0].string->length);
}

// ---- New strings -----------------------------------------------------------------------------------------

#define CASE_METHOD(name, how) \
    FM_JINJA_FUNCTION(name) { \
        FM_JINJA_UNUSED; \
        return same(run, self, fm_jinja_case(run, self.string, how)); \
    }
CASE_METHOD(str_upper, CASE_UPPER)
CASE_METHOD(str_lower, CASE_LOWER)
CASE_METHOD(str_title, CASE_TITLE)
CASE_METHOD(str_capitalize, CASE_CAPITALIZE)
CASE_METHOD(str_swapcase, CASE_SWAP)
CASE_METHOD(str_casefold, CASE_FOLD)

FM_JINJA_FUNCTION(str_replace) {
    FM_JINJA_UNUSED;
    int64_t count = -1;
    if (!want_string(run, a[0]) || !want_string(run, a[1]) || !want_whole(run, a[2], &count)) return self;
    struct jinja_value to = a[1];
    if (self.string->markup && !to.string->markup) to = fm_jinja_escape(run, to.string);
    return same(run, self, fm_jinja_replace(run, self.string, a[0].string, to.string, count));
}

FM_JINJA_FUNCTION(str_join) {
    FM_JINJA_UNUSED;
    struct jinja_builder b = {run};
    const struct jinja_list *items = fm_jinja_items(run, a[0]).list;
    for (size_t i = 0; i < items->n && !run->failed; i++) {
        if (i) fm_jinja_add_part(&b, self.string, 0, self.string->length);
        if (items->items[i].kind != JINJA_STRING) {
            fm_jinja_error(
                run, "sequence item %zu: expected str instance, %s found", i, fm_jinja_type(items->items[i]));
            break;
        }
        struct jinja_value item = items->items[i];
        if (self.string->markup && !item.string->markup) item = fm_jinja_escape(run, item.string);
        fm_jinja_add_part(&b, item.string, 0, item.string->length);
    }
    return same(run, self, fm_jinja_built(&b));
}

static struct jinja_value pad(struct jinja_run *run, struct jinja_value self, size_t left, size_t right,
    const struct jinja_string *fill) {
    struct jinja_builder b = {run};
    while (left-- && !run->failed) fm_jinja_add_part(&b, fill, 0, fill->length);
    fm_jinja_add_part(&b, self.string, 0, self.string->length);
    while (right-- && !run->failed) fm_jinja_add_part(&b, fill, 0, fill->length);
    return same(run, self, fm_jinja_built(&b));
}

// The characters that are missing to a width, or -1 after an error.
static int64_t lack(struct jinja_run *run, struct jinja_value self, const struct jinja_value *a,
    const struct jinja_string **fill) {
    static const struct jinja_string space = {.bytes = " ", .length = 1};
    int64_t width = 0;
    *fill = &space;
    if (!want_whole(run, a[0], &width) || (fm_jinja_given(a[1]) && !want_string(run, a[1]))) return -1;
    if (fm_jinja_given(a[1])) *fill = a[1].string;
    if (fm_jinja_count(*fill) != 1)
        return fm_jinja_error(run, "the fill character must be exactly one character long"), -1;
    const int64_t n = (int64_t)fm_jinja_count(self.string);
    return width > n ? width - n : 0;
}

struct jinja_value fm_jinja_center(struct jinja_run *run, struct jinja_value self,
    const struct jinja_value *a, const struct jinja_arguments *all) {
    (void)all;
    const struct jinja_string *fill;
    const int64_t n = lack(run, self, a, &fill);
    if (n <= 0) return self;
    const int64_t width = n + (int64_t)fm_jinja_count(self.string), left = n / 2 + (n & width & 1);
    return pad(run, self, (size_t)left, (size_t)(n - left), fill);
}
FM_JINJA_FUNCTION(str_ljust) {
    FM_JINJA_UNUSED;
    const struct jinja_string *fill;
    const int64_t n = lack(run, self, a, &fill);
    return n <= 0 ? self : pad(run, self, 0, (size_t)n, fill);
}
FM_JINJA_FUNCTION(str_rjust) {
    FM_JINJA_UNUSED;
    const struct jinja_string *fill;
    const int64_t n = lack(run, self, a, &fill);
    return n <= 0 ? self : pad(run, self, (size_t)n, 0, fill);
}
FM_JINJA_FUNCTION(str_zfill) {
    FM_JINJA_UNUSED;
    static const struct jinja_string zero = {.bytes = "0", .length = 1};
    const struct jinja_string *fill, *s = self.string;
    const struct jinja_value width[2] = {a[0]};
    const int64_t n = lack(run, self, width, &fill);
    if (n <= 0) return self;
    if (!s->length || (s->bytes[0] != '-' && s->bytes[0] != '+')) return pad(run, self, (size_t)n, 0, &zero);
    const struct jinja_value sign = fm_jinja_part(run, s, 0, 1),
                             rest = pad(run, fm_jinja_part(run, s, 1, s->length), (size_t)n, 0, &zero);
    return fm_jinja_binary(run, OP_ADD, sign, rest);
}

FM_JINJA_FUNCTION(str_expandtabs) {
    FM_JINJA_UNUSED;
    int64_t size = 8, column = 0;
    if (!want_whole(run, a[0], &size)) return self;
    struct jinja_builder b = {run};
    for (size_t at = 0; at < self.string->length && !run->failed;
         at += fm_jinja_char(self.string->bytes + at)) {
        const char c = self.string->bytes[at];
        if (c == '\t') {
            for (int64_t n = size > 0 ? size - column % size : 0; n > 0 && !run->failed; n--, column++)
                fm_jinja_add(&b, " ", 1, fm_jinja_is_foreign(self.string, at));
            continue;
        }
        fm_jinja_add_part(&b, self.string, at, at + fm_jinja_char(self.string->bytes + at));
        column = c == '\n' || c == '\r' ? 0 : column + 1;
    }
    return fm_jinja_built(&b);
}

static const struct jinja_function of_string[] = {
    {"capitalize", "", 0, str_capitalize},
    {"casefold", "", 0, str_casefold},
    {"center", "_width _fill", 1, fm_jinja_center},
    {"count", "_sub _start _end", 1, str_count},
    {"endswith", "_suffix _start _end", 1, str_endswith},
    {"expandtabs", "tabsize", 0, str_expandtabs},
    {"find", "_sub _start _end", 1, str_find},
    {"format", NULL, 0, fm_jinja_str_format},
    {"index", "_sub _start _end", 1, str_index},
    {"join", "_items", 1, str_join},
    {"ljust", "_width _fill", 1, str_ljust},
    {"lower", "", 0, str_lower},
    {"lstrip", "_chars", 0, str_lstrip},
    {"partition", "_separator", 1, str_partition},
    {"removeprefix", "_prefix", 1, str_removeprefix},
    {"removesuffix", "_suffix", 1, str_removesuffix},
    {"replace", "_old _new _count", 2, str_replace},
    {"rfind", "_sub _start _end", 1, str_rfind},
    {"rindex", "_sub _start _end", 1, str_rindex},
    {"rjust", "_width _fill", 1, str_rjust},
    {"rpartition", "_separator", 1, str_rpartition},
    {"rsplit", "sep maxsplit", 0, str_rsplit},
    {"rstrip", "_chars", 0, str_rstrip},
    {"split", "sep maxsplit", 0, str_split},
    {"splitlines", "keepends", 0, str_splitlines},
    {"startswith", "_prefix _start _end", 1, str_startswith},
    {"strip", "_chars", 0, str_strip},
    {"swapcase", "", 0, str_swapcase},
    {"title", "", 0, str_title},
    {"upper", "", 0, str_upper},
    {"zfill", "_width", 1, str_zfill},
};

const struct jinja_function *fm_jinja_string_method(const struct jinja_string *name) {
    const struct jinja_function *method =
        fm_jinja_function_in(of_string, sizeof(of_string) / sizeof(*of_string), name);
    return method ? method : fm_jinja_is_method(name);
}
