// Values as text: Python's str() and repr(), and numbers to and from text.
#include "text/jinja_tree.h"
#include "text/utf8.h"
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

void fm_jinja_print_real(double real, char out[40]) {
    if (!isfinite(real)) {
        strcpy(out, isnan(real) ? "nan" : real < 0 ? "-inf" : "inf");
        return;
    }
    char digits[40], shortest[24];
    int n = 0;
    for (int precision = 0; precision < 17; precision++) { // the shortest that reads back the same
        snprintf(digits, sizeof(digits), "%.*e", precision, fabs(real));
        if (strtod(digits, NULL) == fabs(real)) break;
    }
    const char *at = digits;
    for (; *at && *at != 'e'; at++) // the locale's decimal point is not a digit
        if (*at >= '0' && *at <= '9') shortest[n++] = *at;
    const int exponent = atoi(at + 1);
    while (n > 1 && shortest[n - 1] == '0') n--;
    char *to = out;
    if (signbit(real)) *to++ = '-';
    if (exponent < -4 || exponent >= 16) {
        *to++ = shortest[0];
        if (n > 1) *to++ = '.';
        memcpy(to, shortest + 1, (size_t)n - 1);
        sprintf(to + n - 1, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
        return;
    }
    if (exponent < 0) {
        *to++ = '0', *to++ = '.';
        for (int i = -1; i > exponent; i--) *to++ = '0';
    }
    for (int i = 0; i < n || i <= exponent; i++) {
        if (i && i == exponent + 1) *to++ = '.';
        *to++ = i < n ? shortest[i] : '0';
    }
    if (exponent >= 0 && n <= exponent + 1) *to++ = '.', *to++ = '0';
    *to = 0;
}

double fm_jinja_parse_real(const char *text, size_t length) {
    char small[400], *copy = length < sizeof(small) ? small : malloc(length + 1);
    if (!copy) return NAN;
    memcpy(copy, text, length);
    copy[length] = 0;
    char *point = strchr(copy, '.');
    if (point) *point = *localeconv()->decimal_point;
    const double real = strtod(copy, NULL);
    if (copy != small) free(copy);
    return real;
}

struct jinja_value fm_jinja_parse_int(struct jinja_run *run, const char *digits, size_t length) {
    const bool minus = length && *digits == '-';
    size_t i = minus || (length && *digits == '+');
    while (i + 1 < length && digits[i] == '0') i++;
    int64_t value = 0;
    bool fits = true;
    for (size_t k = i; k < length && fits; k++)
        fits = !__builtin_mul_overflow(value, 10, &value) &&
            !(minus ? __builtin_sub_overflow(value, digits[k] - '0', &value)
                    : __builtin_add_overflow(value, digits[k] - '0', &value));
    if (fits) return fm_jinja_int(value);
    if (length - i > 4300)
        return fm_jinja_error(run, "an integer has %zu digits; 4300 are allowed", length - i);
    struct jinja_builder b = {run};
    if (minus) fm_jinja_add_own(&b, "-");
    fm_jinja_add(&b, digits + i, length - i, false);
    struct jinja_value big = fm_jinja_built(&b);
    big.kind = JINJA_BIG;
    return run->failed ? fm_jinja_int(0) : big;
}

// ---- Numbers from strings --------------------------------------------------------------------------------

static bool digit_value(char c, int64_t base, int *value) {
    *value = c >= '0' && c <= '9'                ? c - '0'
        : (c | 0x20) >= 'a' && (c | 0x20) <= 'z' ? (c | 0x20) - 'a' + 10
                                                 : 99;
    return *value < base;
}

bool fm_jinja_string_to_int(
    struct jinja_run *run, const struct jinja_string *s, int64_t base, struct jinja_value *value) {
    size_t from, to, n = 0;
    fm_jinja_strip(run, s, NULL, true, true, &from, &to);
    const bool sign = from < to && (s->bytes[from] == '-' || s->bytes[from] == '+'),
               minus = sign && s->bytes[from] == '-';
    from += sign;
    if (to - from > 2 && s->bytes[from] == '0') {
        const char letter = (char)(s->bytes[from + 1] | 0x20);
        const int64_t prefix = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0;
        if (prefix && (base == prefix || base == 0)) {
            base = prefix;
            from += 2;
            if (s->bytes[from] == '_') from++;
        }
    }
    if (!base) base = 10;
    if (from == to || to - from > 4000) return false;
    char digits[4002];
    if (minus) digits[n++] = '-';
    int64_t whole = 0;
    bool fits = true;
    for (size_t i = from; i < to; i++) {
        int digit;
        if (s->bytes[i] == '_' && i > from && i + 1 < to && s->bytes[i - 1] != '_') continue;
        if (!digit_value(s->bytes[i], base, &digit)) return false;
        digits[n++] = s->bytes[i];
        fits = fits && !__builtin_mul_overflow(whole, base, &whole) &&
            !__builtin_sub_overflow(whole, digit, &whole);
    }
    if (base == 10) {
        *value = fm_jinja_parse_int(run, digits, n);
    } else {
        if (!fits || (!minus && whole == INT64_MIN)) return false;
        *value = fm_jinja_int(minus ? whole : -whole);
    }
    value->foreign = s->origins || s->foreign;
    return true;
}

bool fm_jinja_string_to_real(const struct jinja_string *s, double *real) {
    size_t from, to, n = 0;
    char text[400];
    fm_jinja_strip(NULL, s, NULL, true, true, &from, &to);
    if (to == from || to - from >= sizeof(text)) return false;
    for (size_t i = from; i < to; i++) {
        const char c = s->bytes[i];
        const bool digit_before = i > from && s->bytes[i - 1] >= '0' && s->bytes[i - 1] <= '9';
        if (c == '_' && digit_before && i + 1 < to && s->bytes[i + 1] >= '0' && s->bytes[i + 1] <= '9')
            continue;
        text[n++] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    text[n] = 0;
    const char *word = text + (*text == '-' || *text == '+');
    if (!strcmp(word, "inf") || !strcmp(word, "infinity"))
        return *real = *text == '-' ? -INFINITY : INFINITY, true;
    if (!strcmp(word, "nan")) return *real = NAN, true;
    const char *at = word;
    size_t digits = 0;
    for (; *at >= '0' && *at <= '9'; at++) digits++;
    if (*at == '.')
        for (at++; *at >= '0' && *at <= '9'; at++) digits++;
    if (!digits) return false;
    if (*at == 'e') {
        at++;
        if (*at == '-' || *at == '+') at++;
        if (*at < '0' || *at > '9') return false;
        while (*at >= '0' && *at <= '9') at++;
    }
    if (*at) return false;
    return *real = fm_jinja_parse_real(text, n), true;
}

// ---- str() and repr() -------------------------------------------------------------------------------------

static bool is_printable(uint32_t code) {
    switch (utf8proc_category((utf8proc_int32_t)code)) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP: return false;
    case UTF8PROC_CATEGORY_ZS: return code == ' ';
    default: return true;
    }
}

static void string_repr(struct jinja_builder *b, const struct jinja_string *s) {
    const bool foreign = s->origins ? false : s->foreign;
    const bool has_single = s->length && memchr(s->bytes, '\'', s->length),
               has_double = s->length && memchr(s->bytes, '"', s->length);
    const char quote = has_single && !has_double ? '"' : '\'';
    if (s->markup) fm_jinja_add_own(b, "Markup(");
    fm_jinja_add(b, &quote, 1, foreign);
    size_t plain = 0;
    for (size_t at = 0; at < s->length;) {
        const uint32_t code = fm_jinja_code(s->bytes + at);
        const size_t next = at + fm_jinja_char(s->bytes + at);
        char escaped[12] = "";
        if (code == (unsigned char)quote || code == '\\')
            snprintf(escaped, sizeof(escaped), "\\%c", (char)code);
        else if (code == '\n' || code == '\r' || code == '\t')
            snprintf(escaped, sizeof(escaped), "\\%c", code == '\n' ? 'n' : code == '\r' ? 'r' : 't');
        else if (!is_printable(code))
            snprintf(escaped, sizeof(escaped),
                code < 0x100         ? "\\x%02x"
                    : code < 0x10000 ? "\\u%04x"
                                     : "\\U%08x",
                (unsigned)code);
        if (escaped[0]) {
            fm_jinja_add_part(b, s, plain, at);
            fm_jinja_add(b, escaped, strlen(escaped), fm_jinja_is_foreign(s, at));
            plain = next;
        }
        at = next;
    }
    fm_jinja_add_part(b, s, plain, s->length);
    fm_jinja_add(b, &quote, 1, foreign);
    if (s->markup) fm_jinja_add_own(b, ")");
}

static void add(struct jinja_builder *b, const char *text, bool foreign) {
    fm_jinja_add(b, text, strlen(text), foreign);
}

static void items_repr(struct jinja_builder *b, const struct jinja_list *list, const char *open,
    const char *close, bool foreign) {
    add(b, open, foreign);
    for (size_t i = 0; i < list->n && !b->run->failed; i++) {
        if (i) add(b, ", ", foreign);
        fm_jinja_repr(b, list->items[i]);
    }
    if (list->n == 1 && *close == ')') add(b, ",", foreign);
    add(b, close, foreign);
}

static void dict_repr(struct jinja_builder *b, const struct jinja_dict *dict, bool foreign) {
    add(b, "{", foreign);
    for (size_t i = 0; i < dict->n && !b->run->failed; i++) {
        if (i) add(b, ", ", foreign);
        fm_jinja_repr(b, dict->entries[i].key);
        add(b, ": ", foreign);
        fm_jinja_repr(b, dict->entries[i].value);
    }
    add(b, "}", foreign);
}

static void object_repr(struct jinja_builder *b, struct jinja_value value) {
    char text[160];
    const struct jinja_string *name;
    switch (value.kind) {
    case JINJA_RANGE:
        snprintf(text, sizeof(text), value.range->step == 1 ? "range(%lld, %lld)" : "range(%lld, %lld, %lld)",
            (long long)value.range->start, (long long)value.range->stop, (long long)value.range->step);
        break;
    case JINJA_ITERATOR: snprintf(text, sizeof(text), "<%s object>", value.iterator->name); break;
    case JINJA_MACRO:
        name = value.macro->node->name;
        fm_jinja_add_own(b, "<Macro ");
        if (name)
            string_repr(b, name);
        else
            fm_jinja_add_own(b, "anonymous");
        fm_jinja_add_own(b, ">");
        return;
    case JINJA_LOOP:
        snprintf(text, sizeof(text), "<LoopContext %zu/%zu>", value.loop->at + 1,
            fm_jinja_fill(b->run, value.loop, SIZE_MAX));
        break;
    case JINJA_FUNCTION: snprintf(text, sizeof(text), "<function %s>", value.function->name); break;
    case JINJA_METHOD:
        snprintf(text, sizeof(text), "<built-in method %s of %s object>", value.method->function->name,
            fm_jinja_type(value.method->self));
        break;
    default: snprintf(text, sizeof(text), "<%s object>", fm_jinja_type(value));
    }
    fm_jinja_add_own(b, text);
}

static void deep_repr(struct jinja_builder *b, struct jinja_value value) {
    if (!fm_jinja_deeper(b->run)) return;
    if (value.kind == JINJA_LIST) {
        items_repr(b, value.list, "[", "]", value.foreign);
    } else if (value.kind == JINJA_TUPLE) {
        items_repr(b, value.list, "(", ")", value.foreign);
    } else if (value.kind == JINJA_DICT) {
        dict_repr(b, value.dict, value.foreign);
    } else if (value.kind == JINJA_NAMESPACE) {
        fm_jinja_add_own(b, "<Namespace ");
        dict_repr(b, value.dict, false);
        fm_jinja_add_own(b, ">");
    } else {
        fm_jinja_add_own(b, "dict_");
        fm_jinja_add_own(b, value.view->name);
        items_repr(b, fm_jinja_items(b->run, value).list, "([", "])", false);
    }
    fm_jinja_back(b->run);
}

void fm_jinja_repr(struct jinja_builder *b, struct jinja_value value) {
    char text[40];
    fm_jinja_work(b->run, 0);
    switch (value.kind) {
    case JINJA_MISSING:
    case JINJA_UNDEFINED: fm_jinja_add_own(b, "Undefined"); break;
    case JINJA_NONE: add(b, "None", value.foreign); break;
    case JINJA_BOOL: add(b, value.truth ? "True" : "False", value.foreign); break;
    case JINJA_INT:
        snprintf(text, sizeof(text), "%lld", (long long)value.whole);
        add(b, text, value.foreign);
        break;
    case JINJA_BIG: fm_jinja_add(b, value.string->bytes, value.string->length, value.foreign); break;
    case JINJA_FLOAT:
        fm_jinja_print_real(value.real, text);
        add(b, text, value.foreign);
        break;
    case JINJA_STRING: string_repr(b, value.string); break;
    case JINJA_LIST:
    case JINJA_TUPLE:
    case JINJA_DICT:
    case JINJA_NAMESPACE:
    case JINJA_VIEW: deep_repr(b, value); break;
    default: object_repr(b, value);
    }
}

void fm_jinja_print(struct jinja_builder *b, struct jinja_value value) {
    if (value.kind == JINJA_STRING)
        fm_jinja_add_part(b, value.string, 0, value.string->length);
    else if (value.kind != JINJA_UNDEFINED && value.kind != JINJA_MISSING)
        fm_jinja_repr(b, value);
}

struct jinja_value fm_jinja_str(struct jinja_run *run, struct jinja_value value) {
    if (value.kind == JINJA_STRING) return value;
    struct jinja_builder b = {run};
    fm_jinja_print(&b, value);
    return fm_jinja_built(&b);
}
