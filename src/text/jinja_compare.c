// What values are, whether they are equal, and their order: as in Python. Origins do not matter here.
#include "text/jinja_parts.h"
#include <math.h>
#include <string.h>

const char *fm_jinja_type(struct jinja_value value) {
    switch (value.kind) {
    case JINJA_MISSING: return "missing";
    case JINJA_UNDEFINED: return "Undefined";
    case JINJA_NONE: return "NoneType";
    case JINJA_BOOL: return "bool";
    case JINJA_INT:
    case JINJA_BIG: return "int";
    case JINJA_FLOAT: return "float";
    case JINJA_STRING: return "str";
    case JINJA_LIST: return "list";
    case JINJA_TUPLE: return "tuple";
    case JINJA_DICT: return "dict";
    case JINJA_RANGE: return "range";
    case JINJA_VIEW: return "dict view";
    case JINJA_ITERATOR: return "generator";
    case JINJA_NAMESPACE: return "Namespace";
    case JINJA_MACRO: return "Macro";
    case JINJA_FUNCTION: return "function";
    case JINJA_METHOD: return "method";
    case JINJA_LOOP: return "LoopContext";
    case JINJA_CYCLER: return "Cycler";
    case JINJA_JOINER: return "Joiner";
    }
    return "object";
}

bool fm_jinja_truth(struct jinja_value value) {
    size_t length;
    switch (value.kind) {
    case JINJA_MISSING:
    case JINJA_UNDEFINED:
    case JINJA_NONE: return false;
    case JINJA_BOOL: return value.truth;
    case JINJA_INT: return value.whole != 0;
    case JINJA_FLOAT: return value.real != 0;
    case JINJA_STRING: return value.string->length > 0;
    default: return !fm_jinja_length(value, &length) || length > 0;
    }
}

bool fm_jinja_whole(struct jinja_value value, int64_t *whole) {
    if (value.kind == JINJA_BOOL) return *whole = value.truth, true;
    if (value.kind == JINJA_INT) return *whole = value.whole, true;
    return false;
}

bool fm_jinja_number(struct jinja_value value, double *real) {
    int64_t whole;
    if (value.kind == JINJA_FLOAT) return *real = value.real, true;
    // every float is below 10^309, and reading up to 4300 digits would be slow
    if (value.kind == JINJA_BIG && value.string->length > 310)
        return *real = value.string->bytes[0] == '-' ? -INFINITY : INFINITY, true;
    if (value.kind == JINJA_BIG)
        return *real = fm_jinja_parse_real(value.string->bytes, value.string->length), true;
    return fm_jinja_whole(value, &whole) && (*real = (double)whole, true);
}

bool fm_jinja_length(struct jinja_value value, size_t *length) {
    switch (value.kind) {
    case JINJA_UNDEFINED: return *length = 0, true;
    case JINJA_STRING: return *length = fm_jinja_count(value.string), true;
    case JINJA_LIST:
    case JINJA_TUPLE: return *length = value.list->n, true;
    case JINJA_DICT: return *length = value.dict->n, true;
    case JINJA_RANGE: return *length = value.range->n, true;
    case JINJA_VIEW: return *length = value.view->dict->n, true;
    default: return false;
    }
}

bool fm_jinja_is_iterable(struct jinja_value value) {
    size_t length;
    return value.kind == JINJA_ITERATOR || fm_jinja_length(value, &length);
}

struct jinja_value fm_jinja_items(struct jinja_run *run, struct jinja_value value) {
    if (run->failed || value.kind == JINJA_LIST || value.kind == JINJA_TUPLE)
        return run->failed ? fm_jinja_list(run, JINJA_LIST) : value;
    struct jinja_value list = fm_jinja_list(run, JINJA_LIST);
    switch (value.kind) {
    case JINJA_UNDEFINED: break;
    case JINJA_STRING:
        for (size_t at = 0; at < value.string->length && !run->failed;) {
            const size_t next = at + fm_jinja_char(value.string->bytes + at);
            fm_jinja_push(run, list, fm_jinja_part(run, value.string, at, next));
            at = next;
        }
        break;
    case JINJA_DICT:
        for (size_t i = 0; i < value.dict->n && !run->failed; i++)
            fm_jinja_push(run, list, value.dict->entries[i].key);
        break;
    case JINJA_RANGE:
        for (size_t i = 0; i < value.range->n && !run->failed; i++)
            fm_jinja_push(run, list, fm_jinja_int(fm_jinja_range_at(value.range, (int64_t)i)));
        break;
    case JINJA_VIEW:
        for (size_t i = 0; i < value.view->dict->n && !run->failed; i++) {
            const struct jinja_entry *entry = &value.view->dict->entries[i];
            const char which = value.view->name[0];
            fm_jinja_push(run, list,
                which == 'k'       ? entry->key
                    : which == 'v' ? entry->value
                                   : fm_jinja_pair(run, entry->key, entry->value));
        }
        break;
    case JINJA_ITERATOR: {
        struct jinja_iterator *iterator = value.iterator;
        const struct jinja_list *items = iterator->items.list;
        while (iterator->at < items->n && !run->failed)
            fm_jinja_push(run, list, items->items[iterator->at++]);
        if (iterator->error && !run->failed) {
            run->error = *iterator->error;
            run->failed = true;
        }
        break;
    }
    default: fm_jinja_error(run, "'%s' object is not iterable", fm_jinja_type(value));
    }
    return list;
}

static int bytes_order(const struct jinja_string *a, const struct jinja_string *b) {
    const size_t n = a->length < b->length ? a->length : b->length;
    const int order = n ? memcmp(a->bytes, b->bytes, n) : 0;
    return order ? (order < 0 ? -1 : 1) : a->length < b->length ? -1 : a->length > b->length;
}

// Integers of more than 64 bits by their digits.
static int big_order(const struct jinja_string *a, const struct jinja_string *b) {
    const bool a_minus = a->bytes[0] == '-', b_minus = b->bytes[0] == '-';
    if (a_minus != b_minus) return a_minus ? -1 : 1;
    const int order = a->length != b->length ? (a->length < b->length ? -1 : 1) : bytes_order(a, b);
    return a_minus ? -order : order;
}

static int real_order(double a, double b) {
    return a < b ? -1 : a > b;
}

// Compares exactly: 2^53 + 1 is not 2^53 as a float.
static int whole_and_real(int64_t a, double b) {
    if (b >= 0x1p63) return -1;
    if (b < -0x1p63) return 1;
    const double floor_b = floor(b);
    const int64_t whole_b = (int64_t)floor_b;
    return a < whole_b ? -1 : a > whole_b ? 1 : floor_b < b ? -1 : 0;
}

static bool is_number(struct jinja_value value) {
    return value.kind == JINJA_BOOL || value.kind == JINJA_INT || value.kind == JINJA_BIG ||
        value.kind == JINJA_FLOAT;
}

static bool is_nan(struct jinja_value value) {
    return value.kind == JINJA_FLOAT && isnan(value.real);
}

static int number_order(struct jinja_value a, struct jinja_value b) {
    int64_t x = 0, y = 0;
    const bool a_whole = fm_jinja_whole(a, &x), b_whole = fm_jinja_whole(b, &y);
    if (a_whole && b_whole) return x < y ? -1 : x > y;
    if (a.kind == JINJA_BIG && b.kind == JINJA_BIG) return big_order(a.string, b.string);
    if (a_whole && b.kind == JINJA_FLOAT) return whole_and_real(x, b.real);
    if (b_whole && a.kind == JINJA_FLOAT) return -whole_and_real(y, a.real);
    double p = 0, q = 0;
    fm_jinja_number(a, &p);
    fm_jinja_number(b, &q);
    return real_order(p, q);
}

static bool dicts_equal(struct jinja_run *run, struct jinja_dict *a, struct jinja_dict *b) {
    if (a->n != b->n) return false;
    for (size_t i = 0; i < a->n; i++) {
        const struct jinja_value *other = fm_jinja_get(run, b, a->entries[i].key);
        if (!other || !fm_jinja_equal(run, a->entries[i].value, *other)) return false;
    }
    return true;
}

static bool deep_equal(struct jinja_run *run, struct jinja_value a, struct jinja_value b) {
    if (a.kind == JINJA_DICT) return dicts_equal(run, a.dict, b.dict);
    if (a.list->n != b.list->n) return false;
    for (size_t i = 0; i < a.list->n; i++)
        if (!fm_jinja_equal(run, a.list->items[i], b.list->items[i])) return false;
    return true;
}

bool fm_jinja_equal(struct jinja_run *run, struct jinja_value a, struct jinja_value b) {
    fm_jinja_work(run, 0);
    if (is_number(a) && is_number(b)) return !is_nan(a) && !is_nan(b) && number_order(a, b) == 0;
    if (a.kind != b.kind) return false;
    switch (a.kind) {
    case JINJA_MISSING:
    case JINJA_UNDEFINED:
    case JINJA_NONE: return true;
    case JINJA_STRING:
        fm_jinja_work(run, a.string->length);
        return a.string->length == b.string->length && bytes_order(a.string, b.string) == 0;
    case JINJA_LIST:
    case JINJA_TUPLE:
    case JINJA_DICT: {
        if (a.list == b.list) return true;
        if (!fm_jinja_deeper(run)) return false;
        const bool equal = deep_equal(run, a, b);
        fm_jinja_back(run);
        return equal;
    }
    case JINJA_RANGE:
        return a.range->n == b.range->n &&
            (!a.range->n ||
                (a.range->start == b.range->start && (a.range->n == 1 || a.range->step == b.range->step)));
    case JINJA_METHOD:
        return a.method->function == b.method->function && a.method->self.kind == b.method->self.kind &&
            a.method->self.string == b.method->self.string;
    default: return a.list == b.list; // the same object
    }
}

int fm_jinja_order(struct jinja_run *run, struct jinja_value a, struct jinja_value b, const char *op) {
    fm_jinja_work(run, 0);
    if (is_number(a) && is_number(b)) return number_order(a, b);
    if (a.kind == JINJA_STRING && b.kind == JINJA_STRING) {
        fm_jinja_work(run, a.string->length);
        return bytes_order(a.string, b.string);
    }
    if (a.kind == b.kind && (a.kind == JINJA_LIST || a.kind == JINJA_TUPLE)) {
        if (!fm_jinja_deeper(run)) return 0;
        int order = a.list->n < b.list->n ? -1 : a.list->n > b.list->n;
        for (size_t i = 0; i < a.list->n && i < b.list->n; i++)
            if (!fm_jinja_equal(run, a.list->items[i], b.list->items[i])) {
                order = fm_jinja_order(run, a.list->items[i], b.list->items[i], op);
                break;
            }
        fm_jinja_back(run);
        return order;
    }
    if (a.kind == JINJA_UNDEFINED)
        fm_jinja_undefined_error(run, a);
    else if (b.kind == JINJA_UNDEFINED)
        fm_jinja_undefined_error(run, b);
    else
        fm_jinja_error(run, "'%s' not supported between instances of '%s' and '%s'", op, fm_jinja_type(a),
            fm_jinja_type(b));
    return 0;
}

static uint64_t mix(uint64_t hash, uint64_t more) {
    hash = (hash ^ more) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

bool fm_jinja_hash(struct jinja_run *run, struct jinja_value value, uint64_t *hash) {
    double real;
    switch (value.kind) {
    case JINJA_BOOL:
    case JINJA_INT:
    case JINJA_BIG:
    case JINJA_FLOAT: // equal numbers of different types have equal hashes
        fm_jinja_number(value, &real);
        if (real == 0) real = 0; // -0.0
        memcpy(hash, &real, sizeof(*hash));
        *hash = mix(1, *hash);
        return true;
    case JINJA_STRING:
        *hash = 14695981039346656037u;
        for (size_t i = 0; i < value.string->length; i++)
            *hash = (*hash ^ (unsigned char)value.string->bytes[i]) * 1099511628211u;
        *hash ^= *hash >> 32;
        fm_jinja_work(run, value.string->length);
        return true;
    case JINJA_TUPLE:
        *hash = 2;
        if (!fm_jinja_deeper(run)) return false;
        for (size_t i = 0; i < value.list->n; i++) {
            uint64_t item;
            if (!fm_jinja_hash(run, value.list->items[i], &item)) {
                fm_jinja_back(run);
                return false;
            }
            *hash = mix(*hash, item);
        }
        fm_jinja_back(run);
        return true;
    case JINJA_LIST:
    case JINJA_DICT:
    case JINJA_VIEW: return false;
    default: *hash = mix(3, value.kind); return true;
    }
}

static bool list_contains(struct jinja_run *run, const struct jinja_list *list, struct jinja_value item) {
    for (size_t i = 0; i < list->n && !run->failed; i++)
        if (fm_jinja_equal(run, list->items[i], item)) return true;
    return false;
}

bool fm_jinja_contains(struct jinja_run *run, struct jinja_value all, struct jinja_value item) {
    if (all.kind == JINJA_STRING) {
        if (item.kind == JINJA_STRING) return fm_jinja_find(run, all.string, item.string, 0) != SIZE_MAX;
        fm_jinja_error(run, "'in <string>' requires string as left operand, not %s", fm_jinja_type(item));
        return false;
    }
    const bool keys = all.kind == JINJA_VIEW && all.view->name[0] == 'k';
    if (all.kind == JINJA_DICT || keys) {
        uint64_t hash;
        if (!fm_jinja_hash(run, item, &hash)) {
            fm_jinja_error(run, "unhashable type: '%s'", fm_jinja_type(item));
            return false;
        }
        return fm_jinja_get(run, keys ? all.view->dict : all.dict, item) != NULL;
    }
    if (all.kind == JINJA_ITERATOR) { // takes items up to the one that is found
        struct jinja_iterator *iterator = all.iterator;
        while (iterator->at < iterator->items.list->n && !run->failed)
            if (fm_jinja_equal(run, iterator->items.list->items[iterator->at++], item)) return true;
    }
    if (!fm_jinja_is_iterable(all)) {
        fm_jinja_error(run, "argument of type '%s' is not iterable", fm_jinja_type(all));
        return false;
    }
    return list_contains(run, fm_jinja_items(run, all).list, item);
}

void fm_jinja_sort(
    struct jinja_run *run, struct jinja_entry *items, struct jinja_entry *spare, size_t n, bool reverse) {
    if (n < 2 || run->failed) return;
    const size_t half = n / 2;
    fm_jinja_sort(run, items, spare, half, reverse);
    fm_jinja_sort(run, items + half, spare, n - half, reverse);
    memcpy(spare, items, n * sizeof(*items));
    for (size_t i = 0, a = 0, b = half; i < n; i++) {
        bool second = a == half;
        if (!second && b < n)
            second = fm_jinja_compare(run, reverse ? OP_GREATER : OP_LESS, spare[b].key, spare[a].key);
        items[i] = second ? spare[b++] : spare[a++];
    }
}
