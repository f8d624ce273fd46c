// Python's two ways to format: the operator % and str.format.
#include "text/jinja_parts.h"
#include "text/utf8.h"
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- A field ---------------------------------------------------------------------------------------------

struct spec {
    const struct jinja_string *fill; // one character
    char align, sign, type;          // 0: not given
    bool alternate, zero, comma, underscore;
    int64_t width, precision; // -1: not given
};

// Cuts the text to the precision, pads it to the width, and appends it.
static void add_field(
    struct jinja_builder *b, const struct jinja_string *s, const struct spec *spec, char align) {
    const size_t end = spec->precision >= 0 && !strchr("eEfFgG%di", spec->type ? spec->type : 's')
        ? fm_jinja_offset(s, (size_t)spec->precision)
        : s->length;
    const struct jinja_string cut = {.bytes = s->bytes, .length = end};
    const int64_t n = (int64_t)fm_jinja_count(&cut), lack = spec->width > n ? spec->width - n : 0;
    if (spec->align) align = spec->align;
    const int64_t left = align == '>' || align == '=' ? lack : align == '^' ? lack / 2 : 0;
    const size_t sign =
        align == '=' && end && (s->bytes[0] == '-' || s->bytes[0] == '+' || s->bytes[0] == ' ');
    fm_jinja_add_part(b, s, 0, sign);
    for (int64_t i = 0; i < left && !b->run->failed; i++)
        fm_jinja_add_part(b, spec->fill, 0, spec->fill->length);
    fm_jinja_add_part(b, s, sign, end);
    for (int64_t i = left; i < lack && !b->run->failed; i++)
        fm_jinja_add_part(b, spec->fill, 0, spec->fill->length);
}

// Puts separators between the thousands of the digits at `digits`.
static void group(char *digits, size_t size, char separator) {
    const size_t n = strspn(digits, "0123456789"), n_separators = n ? (n - 1) / 3 : 0,
                 rest = strlen(digits + n);
    if (n + n_separators + rest + 1 > size) return;
    memmove(digits + n + n_separators, digits + n, rest + 1);
    for (size_t i = n, to = n + n_separators, k = 0; i-- > 0; k++) {
        if (k && k % 3 == 0) digits[--to] = separator;
        digits[--to] = digits[i];
    }
}

static void print_real(char *out, size_t size, double real, const struct spec *spec) {
    const char type = spec->type ? spec->type : 'r';
    char *to = out;
    if (signbit(real) && !isnan(real))
        *to++ = '-';
    else if (spec->sign == '+' || spec->sign == ' ')
        *to++ = spec->sign;
    const size_t left = size - (size_t)(to - out);
    if (!isfinite(real)) {
        snprintf(to, left, "%s",
            isnan(real)                     ? (type < 'a' ? "NAN" : "nan")
                : type < 'a' && type != '%' ? "INF"
                                            : "inf");
    } else if (type == 'r' && spec->precision < 0) {
        char text[40];
        fm_jinja_print_real(fabs(real), text);
        snprintf(to, left, "%s", text);
    } else {
        const int precision = spec->precision < 0 ? 6 : spec->precision > 200 ? 200 : (int)spec->precision;
        const char format[] = {'%', spec->alternate ? '#' : '.', spec->alternate ? '.' : '*',
            spec->alternate ? '*'
                            : (type == '%'          ? 'f'
                                      : type == 'r' ? 'g'
                                                    : type),
            spec->alternate ? (type == '%'          ? 'f'
                                      : type == 'r' ? 'g'
                                                    : type)
                            : 0,
            0};
        snprintf(to, left, format, precision, type == '%' ? fabs(real) * 100 : fabs(real));
        const char point = *localeconv()->decimal_point;
        for (char *at = to; *at && point != '.'; at++)
            if (*at == point) *at = '.';
        if (type == 'r' && !strpbrk(to, ".e") && strlen(to) + 3 < left) strcat(to, ".0");
        if (type == '%' && strlen(to) + 2 < left) strcat(to, "%");
    }
    if (spec->comma || spec->underscore) group(to, left, spec->comma ? ',' : '_');
}

static void print_whole(char *out, size_t size, int64_t whole, const struct spec *spec) {
    const uint64_t magnitude = whole < 0 ? 0 - (uint64_t)whole : (uint64_t)whole;
    char *to = out;
    if (whole < 0)
        *to++ = '-';
    else if (spec->sign == '+' || spec->sign == ' ')
        *to++ = spec->sign;
    const size_t left = size - (size_t)(to - out);
    if (spec->type == 'x' || spec->type == 'X')
        snprintf(to, left,
            spec->type == 'x' ? (spec->alternate ? "0x%llx" : "%llx") : (spec->alternate ? "0X%llX" : "%llX"),
            (unsigned long long)magnitude);
    else if (spec->type == 'o')
        snprintf(to, left, spec->alternate ? "0o%llo" : "%llo", (unsigned long long)magnitude);
    else if (spec->type == 'b') {
        if (spec->alternate) *to++ = '0', *to++ = 'b';
        int bit = 63;
        while (bit && !(magnitude >> bit & 1)) bit--;
        for (; bit >= 0; bit--) *to++ = (char)('0' + (magnitude >> bit & 1));
        *to = 0;
    } else
        snprintf(to, left, "%llu", (unsigned long long)magnitude);
    if (spec->comma || spec->underscore) group(to, left, spec->comma ? ',' : '_');
}

static bool is_in(char c, const char *set) {
    return c && strchr(set, c);
}

// ---- The operator % --------------------------------------------------------------------------------------

struct percent {
    struct jinja_run *run;
    const struct jinja_string *format;
    size_t at;
    const struct jinja_value *items; // the values, when they are not named
    size_t n, used;
    struct jinja_value mapping; // a dictionary, or missing
};

static struct jinja_value next_value(struct percent *p) {
    if (p->used < p->n) return p->items[p->used++];
    return fm_jinja_error(p->run, "not enough arguments for format string");
}

static int64_t number_or_star(struct percent *p) {
    int64_t n = 0;
    if (p->at < p->format->length && p->format->bytes[p->at] == '*') {
        p->at++;
        if (!fm_jinja_whole(next_value(p), &n)) fm_jinja_error(p->run, "* wants int");
        return n > 100000000 ? 100000000 : n;
    }
    for (; p->at < p->format->length && p->format->bytes[p->at] >= '0' && p->format->bytes[p->at] <= '9';
         p->at++)
        if (n < 100000000) n = 10 * n + p->format->bytes[p->at] - '0';
    return n;
}

static void percent_number(
    struct percent *p, struct jinja_builder *b, struct jinja_value value, struct spec *spec) {
    char text[1000];
    double real;
    int64_t whole;
    if (value.kind == JINJA_UNDEFINED) {
        fm_jinja_undefined_error(p->run, value);
        return;
    }
    if (is_in(spec->type, "eEfFgG")) {
        if (value.kind == JINJA_STRING || !fm_jinja_number(value, &real)) {
            fm_jinja_error(p->run, "must be real number, not %s", fm_jinja_type(value));
            return;
        }
        print_real(text, sizeof(text), real, spec);
    } else {
        if (value.kind == JINJA_FLOAT && fabs(value.real) < 0x1p63 && is_in(spec->type, "diu"))
            value = fm_jinja_int((int64_t)value.real);
        if (!fm_jinja_whole(value, &whole)) {
            fm_jinja_error(p->run, "%%%c format: a number of 64 bits is required, not %s", spec->type,
                fm_jinja_type(value));
            return;
        }
        print_whole(text, sizeof(text), whole, spec);
    }
    const struct jinja_string s = {.bytes = text, .length = strlen(text), .foreign = value.foreign};
    static const struct jinja_string zero = {.bytes = "0", .length = 1};
    if (spec->zero && spec->align != '<') spec->fill = &zero, spec->align = '=';
    struct spec padded = *spec;
    padded.precision = -1;
    add_field(b, &s, &padded, '>');
}

static void percent_field(struct percent *p, struct jinja_builder *b) {
    static const struct jinja_string space = {.bytes = " ", .length = 1};
    const struct jinja_string *f = p->format;
    struct spec spec = {.fill = &space, .width = 0, .precision = -1};
    struct jinja_value value = {.kind = JINJA_MISSING};
    if (p->at < f->length && f->bytes[p->at] == '(') {
        const struct jinja_string close = {.bytes = ")", .length = 1};
        const size_t end = fm_jinja_find(p->run, f, &close, p->at);
        if (end == SIZE_MAX || p->mapping.kind != JINJA_DICT) {
            fm_jinja_error(p->run, "format requires a mapping");
            return;
        }
        const struct jinja_value key = fm_jinja_part(p->run, f, p->at + 1, end),
                                 *found = fm_jinja_get(p->run, p->mapping.dict, key);
        if (!found)
            fm_jinja_error(p->run, "format has no value named '%s'",
                fm_quote(key.string->bytes, key.string->length).text);
        if (found) value = *found;
        p->at = end + 1;
    }
    for (; p->at < f->length && is_in(f->bytes[p->at], "-+ #0"); p->at++) {
        const char c = f->bytes[p->at];
        if (c == '-') spec.align = '<';
        if (c == '+' || (c == ' ' && !spec.sign)) spec.sign = c;
        if (c == '#') spec.alternate = true;
        if (c == '0') spec.zero = true;
    }
    spec.width = number_or_star(p);
    if (spec.width < 0) spec.align = '<', spec.width = -spec.width;
    if (p->at < f->length && f->bytes[p->at] == '.') {
        p->at++;
        spec.precision = number_or_star(p);
    }
    while (p->at < f->length && is_in(f->bytes[p->at], "hlL")) p->at++;
    if (p->at >= f->length || p->run->failed) {
        fm_jinja_error(p->run, "incomplete format");
        return;
    }
    spec.type = f->bytes[p->at++];
    if (spec.type == '%') {
        fm_jinja_add_part(b, f, p->at - 1, p->at);
        return;
    }
    if (value.kind == JINJA_MISSING) value = next_value(p);
    if (is_in(spec.type, "diuxXoeEfFgG")) {
        percent_number(p, b, value, &spec);
    } else if (is_in(spec.type, "sra")) {
        struct jinja_builder text = {p->run};
        if (spec.type == 's')
            fm_jinja_print(&text, value);
        else
            fm_jinja_repr(&text, value);
        spec.type = 0;
        add_field(b, fm_jinja_built(&text).string, &spec, '>');
    } else if (spec.type == 'c' && value.kind == JINJA_STRING && fm_jinja_count(value.string) == 1) {
        spec.type = 0;
        add_field(b, value.string, &spec, '>');
    } else {
        fm_jinja_error(p->run, "unsupported format character '%s'", fm_quote(f->bytes + p->at - 1, 1).text);
    }
}

struct jinja_value fm_jinja_percent(
    struct jinja_run *run, const struct jinja_string *format, struct jinja_value arguments) {
    struct percent p = {run, format, 0, &arguments, 1, 0, {JINJA_MISSING}};
    if (arguments.kind == JINJA_TUPLE) {
        p.items = arguments.list->items;
        p.n = arguments.list->n;
    } else if (arguments.kind == JINJA_DICT) {
        p.mapping = arguments;
    }
    struct jinja_builder b = {run};
    while (p.at < format->length && !run->failed) {
        const char *next = memchr(format->bytes + p.at, '%', format->length - p.at);
        const size_t to = next ? (size_t)(next - format->bytes) : format->length;
        fm_jinja_add_part(&b, format, p.at, to);
        p.at = to + 1;
        if (next) percent_field(&p, &b);
    }
    const bool may_rest = arguments.kind == JINJA_DICT || arguments.kind == JINJA_LIST ||
        arguments.kind == JINJA_RANGE || arguments.kind == JINJA_UNDEFINED;
    if (p.used < p.n && !may_rest)
        fm_jinja_error(run, "not all arguments converted during string formatting");
    const struct jinja_value value = fm_jinja_built(&b);
    return format->markup ? fm_jinja_markup(run, value, true) : value;
}

struct jinja_value fm_jinja_format(struct jinja_run *run, struct jinja_value self,
    const struct jinja_value *a, const struct jinja_arguments *all) {
    (void)a;
    const struct jinja_string *format = fm_jinja_str(run, self).string;
    if (all->n && all->n_named)
        return fm_jinja_error(run, "format takes positional or named arguments, not both");
    struct jinja_value values = fm_jinja_list(run, JINJA_TUPLE);
    for (size_t i = 0; i < all->n && !run->failed; i++) fm_jinja_push(run, values, all->items[i]);
    if (all->n_named) values = fm_jinja_dict(run, JINJA_DICT);
    for (size_t i = 0; i < all->n_named && !run->failed; i++)
        fm_jinja_put(run, values.dict,
            (struct jinja_value){.kind = JINJA_STRING, .string = all->named[i].name}, all->named[i].value);
    return run->failed ? self : fm_jinja_percent(run, format, values);
}

// ---- str.format ------------------------------------------------------------------------------------------

struct formatter {
    struct jinja_run *run;
    const struct jinja_arguments *all;
    size_t next; // the next automatic position
};

static struct jinja_value first_value(struct formatter *f, const struct jinja_string *name) {
    struct jinja_value position;
    if (!name->length) {
        position = fm_jinja_int((int64_t)f->next++);
    } else if (!fm_jinja_string_to_int(f->run, name, 10, &position)) {
        for (size_t i = 0; i < f->all->n_named; i++)
            if (f->all->named[i].name->length == name->length &&
                !memcmp(f->all->named[i].name->bytes, name->bytes, name->length))
                return f->all->named[i].value;
        return fm_jinja_error(
            f->run, "format has no value named '%s'", fm_quote(name->bytes, name->length).text);
    }
    if (position.kind == JINJA_INT && position.whole >= 0 && (size_t)position.whole < f->all->n)
        return f->all->items[position.whole];
    return fm_jinja_error(f->run, "format has no argument of this position");
}

// The value of a field's name: "0", "name", "name.attribute", "name[key]".
static struct jinja_value field_value(struct formatter *f, const struct jinja_string *name) {
    size_t at = 0;
    while (at < name->length && !is_in(name->bytes[at], ".[")) at++;
    struct jinja_value value = first_value(f, fm_jinja_part(f->run, name, 0, at).string);
    while (at < name->length && !f->run->failed) {
        const bool bracket = name->bytes[at] == '[';
        size_t end = ++at;
        while (end < name->length && (bracket ? name->bytes[end] != ']' : !is_in(name->bytes[end], ".[")))
            end++;
        const struct jinja_value key = fm_jinja_part(f->run, name, at, end);
        struct jinja_value index;
        if (!bracket)
            value = fm_jinja_attribute(f->run, value, key.string);
        else
            value = fm_jinja_item(
                f->run, value, fm_jinja_string_to_int(f->run, key.string, 10, &index) ? index : key);
        at = end + bracket;
    }
    return value;
}

static bool read_spec(struct jinja_run *run, const struct jinja_string *s, struct spec *spec) {
    static const struct jinja_string space = {.bytes = " ", .length = 1}, zero = {.bytes = "0", .length = 1};
    size_t at = 0;
    *spec = (struct spec){.fill = &space, .width = 0, .precision = -1};
    const size_t first = s->length ? fm_jinja_char(s->bytes) : 0;
    if (first < s->length && is_in(s->bytes[first], "<>^=")) {
        spec->fill = fm_jinja_part(run, s, 0, first).string;
        spec->align = s->bytes[first];
        at = first + 1;
    } else if (s->length && is_in(s->bytes[0], "<>^=")) {
        spec->align = s->bytes[at++];
    }
    if (at < s->length && is_in(s->bytes[at], "+- ")) spec->sign = s->bytes[at++];
    if (at < s->length && s->bytes[at] == '#') spec->alternate = true, at++;
    if (at < s->length && s->bytes[at] == '0') {
        if (!spec->align) spec->fill = &zero, spec->zero = true;
        at++;
    }
    for (; at < s->length && s->bytes[at] >= '0' && s->bytes[at] <= '9'; at++)
        if (spec->width < 100000000) spec->width = 10 * spec->width + s->bytes[at] - '0';
    if (at < s->length && s->bytes[at] == ',') spec->comma = true, at++;
    if (at < s->length && s->bytes[at] == '_') spec->underscore = true, at++;
    if (at < s->length && s->bytes[at] == '.') {
        spec->precision = 0;
        for (at++; at < s->length && s->bytes[at] >= '0' && s->bytes[at] <= '9'; at++)
            if (spec->precision < 100000000) spec->precision = 10 * spec->precision + s->bytes[at] - '0';
    }
    if (at < s->length) spec->type = s->bytes[at++];
    return at == s->length;
}

static void add_formatted(
    struct formatter *f, struct jinja_builder *b, struct jinja_value value, const struct jinja_string *how) {
    struct spec spec;
    char text[1000];
    double real;
    int64_t whole;
    if (!how->length) {
        fm_jinja_print(b, value);
        return;
    }
    if (!read_spec(f->run, how, &spec)) {
        fm_jinja_error(f->run, "invalid format specifier '%s'", fm_quote(how->bytes, how->length).text);
        return;
    }
    if (value.kind == JINJA_STRING && (!spec.type || spec.type == 's')) {
        spec.type = 0;
        if (spec.zero && !spec.align) spec.align = '<';
        add_field(b, value.string, &spec, '<');
        return;
    }
    const bool is_whole = fm_jinja_whole(value, &whole);
    if (is_whole && (!spec.type || is_in(spec.type, "dnxXob"))) {
        print_whole(text, sizeof(text), whole, &spec);
    } else if (value.kind != JINJA_STRING && fm_jinja_number(value, &real) && value.kind != JINJA_BOOL &&
        (is_in(spec.type, "eEfFgG%") || (!spec.type && value.kind == JINJA_FLOAT))) {
        print_real(text, sizeof(text), real, &spec);
    } else {
        fm_jinja_error(f->run, "unsupported format '%s' for a value of type %s",
            fm_quote(how->bytes, how->length).text, fm_jinja_type(value));
        return;
    }
    const struct jinja_string s = {.bytes = text, .length = strlen(text), .foreign = value.foreign};
    spec.precision = -1;
    add_field(b, &s, &spec, spec.zero ? '=' : '>');
}

static void format_text(
    struct formatter *f, struct jinja_builder *b, const struct jinja_string *s, int depth);

// One field without its braces: name!conversion:specifier.
static void format_field(
    struct formatter *f, struct jinja_builder *b, const struct jinja_string *field, int depth) {
    size_t end = 0;
    while (end < field->length && field->bytes[end] != '!' && field->bytes[end] != ':') {
        if (field->bytes[end] == '[')
            while (end + 1 < field->length && field->bytes[end] != ']') end++;
        end++;
    }
    const struct jinja_value name = fm_jinja_part(f->run, field, 0, end);
    struct jinja_value value = field_value(f, name.string);
    if (end + 1 < field->length && field->bytes[end] == '!') {
        struct jinja_builder text = {f->run};
        if (field->bytes[end + 1] == 's')
            fm_jinja_print(&text, value);
        else
            fm_jinja_repr(&text, value);
        value = fm_jinja_built(&text);
        end += 2;
    }
    struct jinja_builder how = {f->run};
    if (end < field->length) {
        const struct jinja_value rest = fm_jinja_part(f->run, field, end + 1, field->length);
        if (field->bytes[end] != ':')
            fm_jinja_error(f->run, "a field of format is wrong near '%s'",
                fm_quote(field->bytes + end, field->length - end).text);
        format_text(f, &how, rest.string, depth + 1);
    }
    const struct jinja_value specifier = fm_jinja_built(&how);
    if (!f->run->failed) add_formatted(f, b, value, specifier.string);
}

static void format_text(
    struct formatter *f, struct jinja_builder *b, const struct jinja_string *s, int depth) {
    if (depth > 2) {
        fm_jinja_error(f->run, "fields of format are nested too deep");
        return;
    }
    for (size_t at = 0; at < s->length && !f->run->failed;) {
        size_t to = at;
        while (to < s->length && s->bytes[to] != '{' && s->bytes[to] != '}') to++;
        fm_jinja_add_part(b, s, at, to);
        at = to + 1;
        if (to == s->length) break;
        if (at < s->length && s->bytes[at] == s->bytes[to] && !depth) { // {{ or }}
            fm_jinja_add_part(b, s, to, at);
            at++;
            continue;
        }
        size_t open = 1, end = at;
        for (; end < s->length; end++) {
            open += s->bytes[end] == '{';
            if (s->bytes[end] == '}' && !--open) break;
        }
        if (s->bytes[to] == '}' || end == s->length) {
            fm_jinja_error(f->run, "a brace of format has no partner");
            break;
        }
        format_field(f, b, fm_jinja_part(f->run, s, at, end).string, depth);
        at = end + 1;
    }
}

struct jinja_value fm_jinja_str_format(struct jinja_run *run, struct jinja_value self,
    const struct jinja_value *a, const struct jinja_arguments *all) {
    (void)a;
    struct formatter f = {run, all, 0};
    struct jinja_builder b = {run};
    format_text(&f, &b, self.string, 0);
    const struct jinja_value value = fm_jinja_built(&b);
    return self.string->markup ? fm_jinja_markup(run, value, true) : value;
}
