// Arithmetic, attributes, items and slices: as in Python, through jinja2's immutable sandbox.
#include "text/jinja_tree.h"
#include "text/utf8.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const signs[] = {"+", "-", "*", "/", "//", "%", "** or pow()"};

static struct jinja_value unsupported(
    struct jinja_run *run, enum jinja_operator op, struct jinja_value a, struct jinja_value b) {
    if (a.kind == JINJA_UNDEFINED) return fm_jinja_undefined_error(run, a);
    if (b.kind == JINJA_UNDEFINED) return fm_jinja_undefined_error(run, b);
    return fm_jinja_error(run, "unsupported operand types for %s: '%s' and '%s'", signs[op], fm_jinja_type(a),
        fm_jinja_type(b));
}

static struct jinja_value overflow(struct jinja_run *run) {
    return fm_jinja_error(run, "a result needs more than 64 bits");
}

static int64_t floor_divide(int64_t a, int64_t b) {
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

static struct jinja_value power(struct jinja_run *run, int64_t a, int64_t b) {
    if (b < 0) {
        if (!a) return fm_jinja_error(run, "0.0 cannot be raised to a negative power");
        return fm_jinja_real(pow((double)a, (double)b));
    }
    int64_t result = 1;
    for (; b; b >>= 1) {
        if (b & 1 && __builtin_mul_overflow(result, a, &result)) return overflow(run);
        if (b > 1 && __builtin_mul_overflow(a, a, &a)) return overflow(run);
    }
    return fm_jinja_int(result);
}

static struct jinja_value whole_arithmetic(
    struct jinja_run *run, enum jinja_operator op, int64_t a, int64_t b) {
    int64_t result = 0;
    bool over = false;
    switch (op) {
    case OP_ADD: over = __builtin_add_overflow(a, b, &result); break;
    case OP_SUBTRACT: over = __builtin_sub_overflow(a, b, &result); break;
    case OP_MULTIPLY: over = __builtin_mul_overflow(a, b, &result); break;
    case OP_POWER: return power(run, a, b);
    default:
        if (!b) return fm_jinja_error(run, "division by zero");
        if (op == OP_DIVIDE) return fm_jinja_real((double)a / (double)b);
        if (b == -1) {
            over = op == OP_FLOOR_DIVIDE && __builtin_sub_overflow((int64_t)0, a, &result);
        } else {
            result = floor_divide(a, b);
            if (op == OP_MODULO) result = a - result * b;
        }
    }
    return over ? overflow(run) : fm_jinja_int(result);
}

static struct jinja_value real_arithmetic(struct jinja_run *run, enum jinja_operator op, double a, double b) {
    switch (op) {
    case OP_ADD: return fm_jinja_real(a + b);
    case OP_SUBTRACT: return fm_jinja_real(a - b);
    case OP_MULTIPLY: return fm_jinja_real(a * b);
    case OP_POWER: {
        if (a == 0 && b < 0) return fm_jinja_error(run, "0.0 cannot be raised to a negative power");
        if (a < 0 && b != floor(b) && isfinite(a) && isfinite(b))
            return fm_jinja_error(run, "a result is a complex number");
        const double result = pow(a, b);
        if (isinf(result) && isfinite(a) && isfinite(b)) return fm_jinja_error(run, "a result is too large");
        return fm_jinja_real(result);
    }
    default: {
        if (b == 0) return fm_jinja_error(run, op == OP_MODULO ? "float modulo" : "float division by zero");
        if (op == OP_DIVIDE) return fm_jinja_real(a / b);
        double rest = fmod(a, b);
        double quotient = (a - rest) / b;
        if (rest != 0 && (b < 0) != (rest < 0)) rest += b, quotient -= 1;
        if (rest == 0) rest = copysign(0, b);
        if (op == OP_MODULO) return fm_jinja_real(rest);
        const double whole = quotient == 0 ? copysign(0, a / b) : floor(quotient);
        return fm_jinja_real(quotient - whole > 0.5 ? whole + 1 : whole);
    }
    }
}

static struct jinja_value join_strings(struct jinja_run *run, struct jinja_value a, struct jinja_value b) {
    const bool markup = a.string->markup || b.string->markup;
    if (markup && !a.string->markup) a = fm_jinja_escape(run, a.string);
    if (markup && !b.string->markup) b = fm_jinja_escape(run, b.string);
    if (!a.string->length) return b;
    if (!b.string->length) return a;
    struct jinja_builder joined = {run};
    fm_jinja_add_part(&joined, a.string, 0, a.string->length);
    fm_jinja_add_part(&joined, b.string, 0, b.string->length);
    const struct jinja_value value = fm_jinja_built(&joined);
    return markup ? fm_jinja_markup(run, value, true) : value;
}

static bool is_list(struct jinja_value value) {
    return value.kind == JINJA_LIST || value.kind == JINJA_TUPLE;
}

static struct jinja_value repeat(struct jinja_run *run, struct jinja_value value, int64_t n) {
    if (value.kind == JINJA_STRING) {
        struct jinja_builder b = {run};
        for (int64_t i = 0; i < n && !run->failed && value.string->length; i++)
            fm_jinja_add_part(&b, value.string, 0, value.string->length);
        return fm_jinja_markup(run, fm_jinja_built(&b), value.string->markup);
    }
    struct jinja_value list = fm_jinja_list(run, value.kind);
    for (int64_t i = 0; i < n && !run->failed && value.list->n; i++)
        for (size_t k = 0; k < value.list->n && !run->failed; k++)
            fm_jinja_push(run, list, value.list->items[k]);
    return list;
}

struct jinja_value fm_jinja_binary(
    struct jinja_run *run, enum jinja_operator op, struct jinja_value a, struct jinja_value b) {
    int64_t x, y;
    double p, q;
    if (op == OP_MODULO && a.kind == JINJA_STRING) return fm_jinja_percent(run, a.string, b);
    if (fm_jinja_whole(a, &x) && fm_jinja_whole(b, &y)) {
        struct jinja_value result = whole_arithmetic(run, op, x, y);
        result.foreign = a.foreign || b.foreign;
        return result;
    }
    if (fm_jinja_number(a, &p) && fm_jinja_number(b, &q)) {
        if (a.kind != JINJA_FLOAT && b.kind != JINJA_FLOAT && op != OP_DIVIDE) return overflow(run);
        struct jinja_value result = real_arithmetic(run, op, p, q);
        result.foreign = a.foreign || b.foreign;
        return result;
    }
    if (op == OP_ADD && a.kind == JINJA_STRING && b.kind == JINJA_STRING) return join_strings(run, a, b);
    if (op == OP_ADD && is_list(a) && a.kind == b.kind) {
        struct jinja_value list = fm_jinja_list(run, a.kind);
        for (size_t i = 0; i < a.list->n && !run->failed; i++) fm_jinja_push(run, list, a.list->items[i]);
        for (size_t i = 0; i < b.list->n && !run->failed; i++) fm_jinja_push(run, list, b.list->items[i]);
        return list;
    }
    if (op == OP_MULTIPLY && (is_list(a) || a.kind == JINJA_STRING) && fm_jinja_whole(b, &y))
        return repeat(run, a, y);
    if (op == OP_MULTIPLY && (is_list(b) || b.kind == JINJA_STRING) && fm_jinja_whole(a, &x))
        return repeat(run, b, x);
    return unsupported(run, op, a, b);
}

// ---- Attributes ------------------------------------------------------------------------------------------

static bool is(const struct jinja_string *name, const char *text) {
    return name->length == strlen(text) && !memcmp(name->bytes, text, name->length);
}

static struct jinja_value loop_attribute(
    struct jinja_run *run, struct jinja_loop *loop, const struct jinja_string *name) {
    const int64_t at = (int64_t)loop->at;
    if (is(name, "index")) return fm_jinja_int(at + 1);
    if (is(name, "index0")) return fm_jinja_int(at);
    if (is(name, "first")) return fm_jinja_bool(at == 0);
    if (is(name, "depth")) return fm_jinja_int((int64_t)loop->depth + 1);
    if (is(name, "depth0")) return fm_jinja_int((int64_t)loop->depth);
    if (is(name, "previtem"))
        return at ? loop->items->items[at - 1] : fm_jinja_undefined(run, "there is no previous item");
    const bool has_next = fm_jinja_fill(run, loop, loop->at + 2) > loop->at + 1;
    if (is(name, "last")) return fm_jinja_bool(!has_next);
    if (is(name, "nextitem"))
        return has_next ? loop->items->items[at + 1] : fm_jinja_undefined(run, "there is no next item");
    if (!is(name, "length") && !is(name, "revindex") && !is(name, "revindex0"))
        return (struct jinja_value){.kind = JINJA_MISSING};
    const int64_t n = (int64_t)fm_jinja_fill(run, loop, SIZE_MAX);
    return fm_jinja_int(is(name, "length") ? n : is(name, "revindex") ? n - at : n - at - 1);
}

// Changing a list or dictionary is what the sandbox forbids.
static bool changes(struct jinja_value owner, const struct jinja_string *name) {
    static const char *const of_list[] = {
        "append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"};
    static const char *const of_dict[] = {"clear", "pop", "popitem", "setdefault", "update"};
    for (size_t i = 0; owner.kind == JINJA_LIST && i < sizeof(of_list) / sizeof(*of_list); i++)
        if (is(name, of_list[i])) return true;
    for (size_t i = 0; owner.kind == JINJA_DICT && i < sizeof(of_dict) / sizeof(*of_dict); i++)
        if (is(name, of_dict[i])) return true;
    return false;
}

static struct jinja_value text_of(const struct jinja_string *name) {
    return (struct jinja_value){.kind = JINJA_STRING, .string = name};
}

// What Python's getattr gives; JINJA_MISSING where there is no such attribute.
static struct jinja_value python_attribute(
    struct jinja_run *run, struct jinja_value owner, const struct jinja_string *name) {
    const struct jinja_value missing = {.kind = JINJA_MISSING};
    if (changes(owner, name)) {
        char *hint = fm_jinja_alloc(run, 1, 160);
        if (hint)
            snprintf(hint, 160, "the sandbox forbids '%s' of a %s, because it changes the value",
                fm_quote(name->bytes, name->length).text, fm_jinja_type(owner));
        return fm_jinja_undefined(run, hint ? hint : "");
    }
    switch (owner.kind) {
    case JINJA_NAMESPACE: {
        const struct jinja_value *value = fm_jinja_get(run, owner.dict, text_of(name));
        if (value && name->bytes[0] == '_')
            return fm_jinja_undefined(run, "a name that begins with _ is not safe");
        return value ? *value : missing;
    }
    case JINJA_LOOP: {
        const struct jinja_value value = loop_attribute(run, owner.loop, name);
        if (value.kind != JINJA_MISSING) return value;
        break;
    }
    case JINJA_CYCLER:
        if (is(name, "current")) return owner.cycler->items[owner.cycler->at];
        break;
    case JINJA_TUPLE:
        if (owner.list->group && owner.list->n == 2) {
            if (is(name, "grouper")) return owner.list->items[0];
            if (is(name, "list")) return owner.list->items[1];
        }
        break;
    case JINJA_MACRO:
        if (is(name, "name"))
            return owner.macro->node->name ? text_of(owner.macro->node->name) : fm_jinja_none();
        if (is(name, "catch_kwargs")) return fm_jinja_bool(owner.macro->node->uses_kwargs);
        if (is(name, "catch_varargs")) return fm_jinja_bool(owner.macro->node->uses_varargs);
        if (is(name, "caller")) return fm_jinja_bool(owner.macro->node->flag);
        if (is(name, "arguments")) {
            const struct jinja_value names = fm_jinja_list(run, JINJA_TUPLE);
            for (const struct jinja_node *p = owner.macro->node->second; p; p = p->next)
                fm_jinja_push(run, names, text_of(p->name));
            return names;
        }
        break;
    case JINJA_RANGE:
        if (is(name, "start")) return fm_jinja_int(owner.range->start);
        if (is(name, "stop")) return fm_jinja_int(owner.range->stop);
        if (is(name, "step")) return fm_jinja_int(owner.range->step);
        break;
    case JINJA_BOOL:
    case JINJA_INT:
        if (is(name, "real") || is(name, "numerator"))
            return fm_jinja_binary(run, OP_ADD, owner, fm_jinja_int(0));
        if (is(name, "imag") || is(name, "denominator")) return fm_jinja_int(name->bytes[0] == 'd');
        break;
    case JINJA_FLOAT:
        if (is(name, "real")) return owner;
        if (is(name, "imag")) return fm_jinja_real(0);
        break;
    default: break;
    }
    const struct jinja_function *function = fm_jinja_method(owner, name);
    struct jinja_method *method = function ? fm_jinja_alloc(run, 1, sizeof(*method)) : NULL;
    if (!method) return missing;
    *method = (struct jinja_method){function, owner};
    return (struct jinja_value){.kind = JINJA_METHOD, .method = method};
}

struct jinja_value fm_jinja_attribute(
    struct jinja_run *run, struct jinja_value owner, const struct jinja_string *name) {
    if (owner.kind == JINJA_UNDEFINED) return fm_jinja_undefined_error(run, owner);
    const struct jinja_value value = python_attribute(run, owner, name);
    if (value.kind != JINJA_MISSING) return value;
    const struct jinja_value *entry =
        owner.kind == JINJA_DICT ? fm_jinja_get(run, owner.dict, text_of(name)) : NULL;
    return entry ? *entry : fm_jinja_no_attribute(run, owner, text_of(name));
}

// ---- Items -----------------------------------------------------------------------------------------------

static struct jinja_value item_at(struct jinja_run *run, struct jinja_value owner, int64_t at) {
    size_t length = 0;
    fm_jinja_length(owner, &length);
    if (at < 0) at += (int64_t)length;
    if (at < 0 || at >= (int64_t)length) return (struct jinja_value){.kind = JINJA_MISSING};
    if (owner.kind == JINJA_RANGE) return fm_jinja_int(fm_jinja_range_at(owner.range, at));
    if (owner.kind != JINJA_STRING) return owner.list->items[at];
    const size_t from = fm_jinja_offset(owner.string, (size_t)at);
    fm_jinja_work(run, owner.string->length);
    return fm_jinja_part(run, owner.string, from, from + fm_jinja_char(owner.string->bytes + from));
}

static bool has_positions(struct jinja_value value) {
    return value.kind == JINJA_STRING || is_list(value) || value.kind == JINJA_RANGE;
}

struct jinja_value fm_jinja_item(struct jinja_run *run, struct jinja_value owner, struct jinja_value key) {
    int64_t at;
    if (owner.kind == JINJA_UNDEFINED) return fm_jinja_undefined_error(run, owner);
    if (owner.kind == JINJA_DICT) {
        const struct jinja_value *value = fm_jinja_get(run, owner.dict, key);
        if (value) return *value;
    } else if (has_positions(owner) && fm_jinja_whole(key, &at)) {
        const struct jinja_value value = item_at(run, owner, at);
        if (value.kind != JINJA_MISSING) return value;
    }
    if (key.kind == JINJA_STRING) {
        const struct jinja_value value = python_attribute(run, owner, key.string);
        if (value.kind != JINJA_MISSING) return value;
    }
    return fm_jinja_no_attribute(run, owner, key);
}

static bool bound(struct jinja_run *run, struct jinja_value value, int64_t *at) {
    if (value.kind == JINJA_NONE || fm_jinja_whole(value, at)) return true;
    if (value.kind == JINJA_BIG) return *at = value.string->bytes[0] == '-' ? INT64_MIN : INT64_MAX, true;
    fm_jinja_error(run, "slice indices must be integers or None, not %s", fm_jinja_type(value));
    return false;
}

static int64_t within(int64_t at, int64_t n, bool backwards) {
    if (at < 0) at = at < -n ? -1 : at + n;
    if (at < 0) return backwards ? -1 : 0;
    return at < n ? at : backwards ? n - 1 : n;
}

static struct jinja_value string_slice(
    struct jinja_run *run, const struct jinja_string *s, int64_t from, int64_t step, int64_t n) {
    fm_jinja_work(run, s->length);
    if (step == 1 || n <= 0) {
        const size_t at = n > 0 ? fm_jinja_offset(s, (size_t)from) : 0;
        const struct jinja_string rest = {.bytes = s->bytes + at, .length = s->length - at};
        return fm_jinja_part(run, s, at, n > 0 ? at + fm_jinja_offset(&rest, (size_t)n) : 0);
    }
    const size_t count = fm_jinja_count(s);
    size_t *offsets = fm_jinja_alloc(run, count + 1, sizeof(*offsets)), k = 0;
    struct jinja_builder b = {run};
    for (size_t at = 0; offsets && at < s->length; at += fm_jinja_char(s->bytes + at)) offsets[k++] = at;
    if (offsets) offsets[k] = s->length;
    for (int64_t i = 0; offsets && i < n; i++)
        fm_jinja_add_part(&b, s, offsets[from + i * step], offsets[from + i * step + 1]);
    return fm_jinja_markup(run, fm_jinja_built(&b), s->markup);
}

struct jinja_value fm_jinja_slice(struct jinja_run *run, struct jinja_value owner, struct jinja_value start,
    struct jinja_value stop, struct jinja_value step_value) {
    if (owner.kind == JINJA_UNDEFINED) return fm_jinja_undefined_error(run, owner);
    if (!has_positions(owner))
        return fm_jinja_error(run, "a '%s' object cannot be sliced", fm_jinja_type(owner));
    size_t length = 0;
    fm_jinja_length(owner, &length);
    const int64_t count = (int64_t)length;
    int64_t step = 1, from = 0, to = 0;
    if (!bound(run, step_value, &step) || !bound(run, start, &from) || !bound(run, stop, &to)) return owner;
    if (!step) return fm_jinja_error(run, "slice step cannot be zero");
    if (step == INT64_MIN) step++;
    from = start.kind == JINJA_NONE ? (step < 0 ? count - 1 : 0) : within(from, count, step < 0);
    to = stop.kind == JINJA_NONE ? (step < 0 ? -1 : count) : within(to, count, step < 0);
    const int64_t distance = step < 0 ? from - to : to - from, size = step < 0 ? -step : step;
    const int64_t n = distance > 0 ? (distance - 1) / size + 1 : 0;
    if (owner.kind == JINJA_STRING) return string_slice(run, owner.string, from, step, n);
    if (owner.kind == JINJA_RANGE) {
        struct jinja_range *range = fm_jinja_alloc(run, 1, sizeof(*range));
        if (!range) return owner;
        *range = (struct jinja_range){fm_jinja_range_at(owner.range, from),
            fm_jinja_range_at(owner.range, to), owner.range->step, (size_t)n};
        if (__builtin_mul_overflow(owner.range->step, step, &range->step)) range->step = step < 0 ? -1 : 1;
        return (struct jinja_value){.kind = JINJA_RANGE, .range = range};
    }
    struct jinja_value list = fm_jinja_list(run, owner.kind);
    if (step == 1 && n > 0 && !run->failed) { // lists do not change, so that a part can share the items
        *list.list =
            (struct jinja_list){.items = owner.list->items + from, .n = (size_t)n, .capacity = (size_t)n};
        fm_jinja_work(run, (size_t)n);
    }
    for (int64_t i = 0; step != 1 && i < n && !run->failed; i++)
        fm_jinja_push(run, list, owner.list->items[from + i * step]);
    list.foreign = owner.foreign;
    return list;
}
