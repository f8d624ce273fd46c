// The tests that follow `is`.
#include "text/jinja_parts.h"

#define TEST(name, condition) \
    FM_JINJA_FUNCTION(name) { \
        FM_JINJA_UNUSED; \
        return fm_jinja_bool(condition); \
    }

static bool divides(struct jinja_run *run, struct jinja_value self, struct jinja_value by, int64_t rest) {
    return fm_jinja_equal(run, fm_jinja_binary(run, OP_MODULO, self, by), fm_jinja_int(rest));
}

static bool is_same(struct jinja_value a, struct jinja_value b) {
    if (a.kind != b.kind) return false;
    switch (a.kind) {
    case JINJA_NONE: return true;
    case JINJA_BOOL: return a.truth == b.truth;
    case JINJA_INT: return a.whole == b.whole && a.whole >= -5 && a.whole <= 256; // Python keeps these once
    case JINJA_FLOAT: return false;
    default: return a.list == b.list;
    }
}

static bool is_callable(struct jinja_value value) {
    return value.kind == JINJA_FUNCTION || value.kind == JINJA_METHOD || value.kind == JINJA_MACRO ||
        value.kind == JINJA_LOOP || value.kind == JINJA_JOINER || value.kind == JINJA_UNDEFINED;
}

static bool is_sequence(struct jinja_value value) {
    size_t length;
    return value.kind != JINJA_VIEW && fm_jinja_length(value, &length);
}

TEST(test_odd, divides(run, self, fm_jinja_int(2), 1))
TEST(test_even, divides(run, self, fm_jinja_int(2), 0))
TEST(test_divisibleby, divides(run, self, a[0], 0))
TEST(test_defined, self.kind != JINJA_UNDEFINED)
TEST(test_undefined, self.kind == JINJA_UNDEFINED)
TEST(test_filter, self.kind == JINJA_STRING && fm_jinja_filter(self.string))
TEST(test_test, self.kind == JINJA_STRING && fm_jinja_test(self.string))
TEST(test_none, self.kind == JINJA_NONE)
TEST(test_boolean, self.kind == JINJA_BOOL)
TEST(test_false, self.kind == JINJA_BOOL && !self.truth)
TEST(test_true, self.kind == JINJA_BOOL && self.truth)
TEST(test_integer, self.kind == JINJA_INT || self.kind == JINJA_BIG)
TEST(test_float, self.kind == JINJA_FLOAT)
TEST(test_lower, fm_jinja_cased(fm_jinja_str(run, self).string, false))
TEST(test_upper, fm_jinja_cased(fm_jinja_str(run, self).string, true))
TEST(test_string, self.kind == JINJA_STRING)
TEST(test_mapping, self.kind == JINJA_DICT)
TEST(test_number, self.kind >= JINJA_BOOL && self.kind <= JINJA_FLOAT)
TEST(test_sequence, is_sequence(self))
TEST(test_callable, is_callable(self))
TEST(test_sameas, is_same(self, a[0]))
TEST(test_iterable, fm_jinja_is_iterable(self) || self.kind == JINJA_LOOP)
TEST(test_escaped, self.kind == JINJA_STRING && self.string->markup)
TEST(test_in, fm_jinja_contains(run, a[0], self))
TEST(test_eq, fm_jinja_compare(run, OP_EQUAL, self, a[0]))
TEST(test_ne, fm_jinja_compare(run, OP_NOT_EQUAL, self, a[0]))
TEST(test_lt, fm_jinja_compare(run, OP_LESS, self, a[0]))
TEST(test_le, fm_jinja_compare(run, OP_LESS_EQUAL, self, a[0]))
TEST(test_gt, fm_jinja_compare(run, OP_GREATER, self, a[0]))
TEST(test_ge, fm_jinja_compare(run, OP_GREATER_EQUAL, self, a[0]))

static const struct jinja_function tests[] = {
    {"odd", "", 0, test_odd},
    {"even", "", 0, test_even},
    {"divisibleby", "num", 1, test_divisibleby},
    {"defined", "", 0, test_defined},
    {"undefined", "", 0, test_undefined},
    {"filter", "", 0, test_filter},
    {"test", "", 0, test_test},
    {"none", "", 0, test_none},
    {"boolean", "", 0, test_boolean},
    {"false", "", 0, test_false},
    {"true", "", 0, test_true},
    {"integer", "", 0, test_integer},
    {"float", "", 0, test_float},
    {"lower", "", 0, test_lower},
    {"upper", "", 0, test_upper},
    {"string", "", 0, test_string},
    {"mapping", "", 0, test_mapping},
    {"number", "", 0, test_number},
    {"sequence", "", 0, test_sequence},
    {"callable", "", 0, test_callable},
    {"sameas", "other", 1, test_sameas},
    {"iterable", "", 0, test_iterable},
    {"escaped", "", 0, test_escaped},
    {"in", "seq", 1, test_in},
    {"==", "_other", 1, test_eq},
    {"eq", "_other", 1, test_eq},
    {"equalto", "_other", 1, test_eq},
    {"!=", "_other", 1, test_ne},
    {"ne", "_other", 1, test_ne},
    {"<", "_other", 1, test_lt},
    {"lt", "_other", 1, test_lt},
    {"lessthan", "_other", 1, test_lt},
    {"<=", "_other", 1, test_le},
    {"le", "_other", 1, test_le},
    {">", "_other", 1, test_gt},
    {"gt", "_other", 1, test_gt},
    {"greaterthan", "_other", 1, test_gt},
    {">=", "_other", 1, test_ge},
    {"ge", "_other", 1, test_ge},
};

const struct jinja_function *fm_jinja_test(const struct jinja_string *name) {
    return fm_jinja_function_in(tests, sizeof(tests) / sizeof(*tests), name);
}
