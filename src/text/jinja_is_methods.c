// The methods of strings that say what their characters are: isdigit, isupper, ...
#include "text/jinja_parts.h"
#include <utf8proc.h>

static utf8proc_category_t category(uint32_t code) {
    return utf8proc_category((utf8proc_int32_t)code);
}
static bool is_alpha(uint32_t code) {
    return category(code) >= UTF8PROC_CATEGORY_LU && category(code) <= UTF8PROC_CATEGORY_LO;
}
static bool is_decimal(uint32_t code) {
    return category(code) == UTF8PROC_CATEGORY_ND;
}
static bool is_digit(uint32_t code) { // superscripts and circled digits too
    return is_decimal(code) || code == 0xb2 || code == 0xb3 || code == 0xb9 || code == 0x2070 ||
        (code >= 0x2074 && code <= 0x2079) || (code >= 0x2080 && code <= 0x2089) ||
        (code >= 0x2460 && code <= 0x2468);
}
static bool is_numeric(uint32_t code) {
    return category(code) >= UTF8PROC_CATEGORY_ND && category(code) <= UTF8PROC_CATEGORY_NO;
}
static bool is_alnum(uint32_t code) {
    return is_alpha(code) || is_numeric(code);
}
static bool is_ascii(uint32_t code) {
    return code < 0x80;
}
static bool is_identifier(uint32_t code) {
    return code == '_' || is_alpha(code) || is_decimal(code) || category(code) == UTF8PROC_CATEGORY_NL ||
        category(code) == UTF8PROC_CATEGORY_MN || category(code) == UTF8PROC_CATEGORY_MC ||
        category(code) == UTF8PROC_CATEGORY_PC;
}

static struct jinja_value each(const struct jinja_string *s, bool (*is)(uint32_t), bool empty) {
    for (size_t at = 0; at < s->length; at += fm_jinja_char(s->bytes + at))
        if (!is(fm_jinja_code(s->bytes + at))) return fm_jinja_bool(false);
    return fm_jinja_bool(s->length > 0 || empty);
}
#define EACH_METHOD(name, is, empty) \
    FM_JINJA_FUNCTION(name) { \
        FM_JINJA_UNUSED; \
        return each(self.string, is, empty); \
    }
EACH_METHOD(str_isalpha, is_alpha, false)
EACH_METHOD(str_isdecimal, is_decimal, false)
EACH_METHOD(str_isdigit, is_digit, false)
EACH_METHOD(str_isnumeric, is_numeric, false)
EACH_METHOD(str_isalnum, is_alnum, false)
EACH_METHOD(str_isspace, fm_jinja_is_space, false)
EACH_METHOD(str_isascii, is_ascii, true)
FM_JINJA_FUNCTION(str_isidentifier) {
    FM_JINJA_UNUSED;
    const bool digit = self.string->length && is_decimal(fm_jinja_code(self.string->bytes));
    return digit ? fm_jinja_bool(false) : each(self.string, is_identifier, false);
}

bool fm_jinja_cased(const struct jinja_string *s, bool upper) {
    bool any = false;
    for (size_t at = 0; at < s->length; at += fm_jinja_char(s->bytes + at)) {
        const utf8proc_category_t c = category(fm_jinja_code(s->bytes + at));
        if (c == (upper ? UTF8PROC_CATEGORY_LL : UTF8PROC_CATEGORY_LU) || c == UTF8PROC_CATEGORY_LT)
            return false;
        any = any || c == UTF8PROC_CATEGORY_LU || c == UTF8PROC_CATEGORY_LL;
    }
    return any;
}
FM_JINJA_FUNCTION(str_isupper) {
    FM_JINJA_UNUSED;
    return fm_jinja_bool(fm_jinja_cased(self.string, true));
}
FM_JINJA_FUNCTION(str_islower) {
    FM_JINJA_UNUSED;
    return fm_jinja_bool(fm_jinja_cased(self.string, false));
}
FM_JINJA_FUNCTION(str_istitle) {
    FM_JINJA_UNUSED;
    bool inside = false, any = false;
    for (size_t at = 0; at < self.string->length; at += fm_jinja_char(self.string->bytes + at)) {
        const utf8proc_category_t c = category(fm_jinja_code(self.string->bytes + at));
        const bool upper = c == UTF8PROC_CATEGORY_LU || c == UTF8PROC_CATEGORY_LT,
                   lower = c == UTF8PROC_CATEGORY_LL;
        if ((upper && inside) || (lower && !inside)) return fm_jinja_bool(false);
        inside = upper || lower;
        any = any || inside;
    }
    return fm_jinja_bool(any);
}

static const struct jinja_function methods[] = {
    {"isalnum", "", 0, str_isalnum},
    {"isalpha", "", 0, str_isalpha},
    {"isascii", "", 0, str_isascii},
    {"isdecimal", "", 0, str_isdecimal},
    {"isdigit", "", 0, str_isdigit},
    {"isidentifier", "", 0, str_isidentifier},
    {"islower", "", 0, str_islower},
    {"isnumeric", "", 0, str_isnumeric},
    {"isspace", "", 0, str_isspace},
    {"istitle", "", 0, str_istitle},
    {"isupper", "", 0, str_isupper},
};

const struct jinja_function *fm_jinja_is_method(const struct jinja_string *name) {
    return fm_jinja_function_in(methods, sizeof(methods) / sizeof(*methods), name);
}
