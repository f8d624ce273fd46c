// The filters on sequences. Those on numbers and on text have files of their own.
#include "text/jinja_parts.h"
#include "text/utf8.h"
#include <string.h>

// The items of what must be iterable.
static const struct jinja_list *items_of(struct jinja_run *run, struct jinja_value value) {
    return fm_jinja_items(run, value).list;
}

static struct jinja_value ignore_case(struct jinja_run *run, struct jinja_value value, bool case_sensitive) {
    return value.kind == JINJA_STRING && !case_sensitive ? fm_jinja_case(run, value.string, CASE_LOWER)
                                                         : value;
}

// The item's attribute by a path such as "address.city" or "0.name"; the item itself where there is no path.
static struct jinja_value attribute_of(
    struct jinja_run *run, struct jinja_value item, struct jinja_value path, struct jinja_value otherwise) {
    if (!fm_jinja_given(path) || path.kind == JINJA_NONE) return item;
    if (path.kind != JINJA_STRING) {
        item = fm_jinja_item(run, item, path);
        return item.kind == JINJA_UNDEFINED && fm_jinja_given(otherwise) && otherwise.kind != JINJA_NONE
            ? otherwise
            : item;
    }
    const struct jinja_string *s = path.string;
    for (size_t from = 0; from <= s->length && !run->failed;) {
        const char *dot = from < s->length ? memchr(s->bytes + from, '.', s->length - from) : NULL;
        const size_t to = dot ? (size_t)(dot - s->bytes) : s->length;
        fm_jinja_work(run, to - from);
        bool digits = to > from;
        for (size_t i = from; i < to; i++) digits = digits && s->bytes[i] >= '0' && s->bytes[i] <= '9';
        const struct jinja_value key =
            digits ? fm_jinja_parse_int(run, s->bytes + from, to - from) : fm_jinja_part(run, s, from, to);
        item = fm_jinja_item(run, item, key);
        if (item.kind == JINJA_UNDEFINED && fm_jinja_given(otherwise) && otherwise.kind != JINJA_NONE)
            item = otherwise;
        from = to + 1;
    }
    return item;
}

static const struct jinja_value no_value = {.kind = JINJA_MISSING};

FM_JINJA_FUNCTION(filter_attr) {
    FM_JINJA_UNUSED;
    const struct jinja_value name = fm_jinja_str(run, a[0]);
    if (self.kind == JINJA_DICT) { // attributes alone, and not members
        const struct jinja_function *method = fm_jinja_method(self, name.string);
        return method ? fm_jinja_attribute(run, self, name.string) : fm_jinja_no_attribute(run, self, name);
    }
    return fm_jinja_attribute(run, self, name.string);
}

FM_JINJA_FUNCTION(filter_batch) {
    FM_JINJA_UNUSED;
    int64_t size;
    const struct jinja_list *items = items_of(run, self);
    struct jinja_value list = fm_jinja_list(run, JINJA_LIST), row = fm_jinja_list(run, JINJA_LIST);
    if (!fm_jinja_whole(a[0], &size)) return fm_jinja_error(run, "batch needs a number");
    for (size_t i = 0; i < items->n && !run->failed; i++) {
        if ((int64_t)row.list->n == size) {
            fm_jinja_push(run, list, row);
            row = fm_jinja_list(run, JINJA_LIST);
        }
        fm_jinja_push(run, row, items->items[i]);
    }
    if (row.list->n) {
        while (fm_jinja_given(a[1]) && a[1].kind != JINJA_NONE && (int64_t)row.list->n < size && !run->failed)
            fm_jinja_push(run, row, a[1]);
        fm_jinja_push(run, list, row);
    }
    return fm_jinja_iterator(run, list, "generator");
}

FM_JINJA_FUNCTION(filter_slice) {
    FM_JINJA_UNUSED;
    int64_t n;
    const struct jinja_list *items = items_of(run, self);
    struct jinja_value list = fm_jinja_list(run, JINJA_LIST);
    if (!fm_jinja_whole(a[0], &n) || n == 0) return fm_jinja_error(run, "slice needs a number");
    const size_t each = n > 0 ? items->n / (size_t)n : 0, extra = n > 0 ? items->n % (size_t)n : 0;
    size_t at = 0;
    for (size_t k = 0; (int64_t)k < n && !run->failed; k++) {
        struct jinja_value row = fm_jinja_list(run, JINJA_LIST);
        const size_t end = at + each + (k < extra);
        while (at < end && !run->failed) fm_jinja_push(run, row, items->items[at++]);
        if (fm_jinja_given(a[1]) && a[1].kind != JINJA_NONE && k >= extra) fm_jinja_push(run, row, a[1]);
        fm_jinja_push(run, list, row);
    }
    return fm_jinja_iterator(run, list, "generator");
}

FM_JINJA_FUNCTION(filter_default) {
    FM_JINJA_UNUSED;
    if (self.kind == JINJA_UNDEFINED ||
        (fm_jinja_given(a[1]) && fm_jinja_truth(a[1]) && !fm_jinja_truth(self)))
        return fm_jinja_given(a[0]) ? a[0] : fm_jinja_text(run, "");
    return self;
}

FM_JINJA_FUNCTION(filter_length) {
    FM_JINJA_UNUSED;
    size_t length;
    if (fm_jinja_length(self, &length)) return fm_jinja_int((int64_t)length);
    return fm_jinja_error(run, "object of type '%s' has no len()", fm_jinja_type(self));
}

// Sorts items by the key that `key_of` gives.
static struct jinja_value sorted(struct jinja_run *run, const struct jinja_list *items,
    struct jinja_value path, struct jinja_value otherwise, bool case_sensitive, bool reverse, int by) {
    struct jinja_value list = fm_jinja_list(run, JINJA_LIST);
    struct jinja_entry *entries = fm_jinja_alloc(run, 2 * items->n + 1, sizeof(*entries));
    if (!entries) return list;
    for (size_t i = 0; i < items->n && !run->failed; i++) {
        struct jinja_value key = by >= 0 ? items->items[i].list->items[by] : items->items[i];
        if (by >= 0 || fm_jinja_given(otherwise)) {
            key = ignore_case(run, attribute_of(run, key, path, otherwise), case_sensitive);
        } else { // a list of keys, so that equal ones need no order: they may be undefined
            struct jinja_value keys = fm_jinja_list(run, JINJA_LIST);
            const struct jinja_string *s = path.kind == JINJA_STRING ? path.string : NULL;
            for (size_t from = 0; from <= (s ? s->length : 0) && !run->failed;) {
                const char *comma =
                    s && from < s->length ? memchr(s->bytes + from, ',', s->length - from) : NULL;
                const size_t to = comma ? (size_t)(comma - s->bytes) : s ? s->length : 0;
                const struct jinja_value part = s ? fm_jinja_part(run, s, from, to) : path,
                                         one = attribute_of(run, key, part, no_value);
                fm_jinja_push(run, keys, ignore_case(run, one, case_sensitive));
                from = to + 1;
            }
            key = keys;
        }
        entries[i] = (struct jinja_entry){key, items->items[i], 0};
    }
    fm_jinja_sort(run, entries, entries + items->n, items->n, reverse);
    for (size_t i = 0; i < items->n && !run->failed; i++) fm_jinja_push(run, list, entries[i].value);
    return list;
}

FM_JINJA_FUNCTION(filter_sort) {
    FM_JINJA_UNUSED;
    return sorted(run, items_of(run, self), a[2], no_value, fm_jinja_truth(a[1]), fm_jinja_truth(a[0]), -1);
}

FM_JINJA_FUNCTION(filter_dictsort) {
    FM_JINJA_UNUSED;
    if (self.kind != JINJA_DICT)
        return fm_jinja_error(run, "dictsort needs a dictionary, not %s", fm_jinja_type(self));
    const struct jinja_view view = {"items", self.dict};
    const struct jinja_list *items = items_of(run, (struct jinja_value){.kind = JINJA_VIEW, .view = &view});
    const bool by_value = fm_jinja_given(a[1]) && fm_jinja_equal(run, a[1], fm_jinja_text(run, "value"));
    if (fm_jinja_given(a[1]) && !by_value && !fm_jinja_equal(run, a[1], fm_jinja_text(run, "key")))
        return fm_jinja_error(run, "dictsort sorts by \"key\" or by \"value\"");
    return run->failed
        ? self
        : sorted(run, items, no_value, no_value, fm_jinja_truth(a[0]), fm_jinja_truth(a[2]), by_value);
}

FM_JINJA_FUNCTION(filter_groupby) {
    FM_JINJA_UNUSED;
    const bool case_sensitive = fm_jinja_truth(a[2]);
    const struct jinja_value otherwise = fm_jinja_given(a[1]) ? a[1] : fm_jinja_none();
    const struct jinja_list *items =
        sorted(run, items_of(run, self), a[0], otherwise, case_sensitive, false, -1).list;
    struct jinja_value groups = fm_jinja_list(run, JINJA_LIST), members = no_value, last = no_value;
    for (size_t i = 0; i < items->n && !run->failed; i++) {
        const struct jinja_value real = attribute_of(run, items->items[i], a[0], otherwise),
                                 key = ignore_case(run, real, case_sensitive);
        if (!i || !fm_jinja_equal(run, key, last)) {
            members = fm_jinja_list(run, JINJA_LIST);
            const struct jinja_value group = fm_jinja_pair(run, real, members);
            if (run->failed) break;
            group.list->group = true;
            fm_jinja_push(run, groups, group);
        }
        fm_jinja_push(run, members, items->items[i]);
        last = key;
    }
    return groups;
}

FM_JINJA_FUNCTION(filter_unique) {
    FM_JINJA_UNUSED;
    const struct jinja_list *items = items_of(run, self);
    struct jinja_value list = fm_jinja_list(run, JINJA_LIST), seen = fm_jinja_dict(run, JINJA_DICT);
    for (size_t i = 0; i < items->n && !run->failed; i++) {
        const struct jinja_value key =
            ignore_case(run, attribute_of(run, items->items[i], a[1], no_value), fm_jinja_truth(a[0]));
        const size_t before = seen.dict->n;
        fm_jinja_put(run, seen.dict, key, key);
        if (seen.dict->n > before) fm_jinja_push(run, list, items->items[i]);
    }
    return fm_jinja_iterator(run, list, "generator");
}

static struct jinja_value extreme(
    struct jinja_run *run, struct jinja_value self, const struct jinja_value *a, enum jinja_operator op) {
    const struct jinja_list *items = items_of(run, self);
    struct jinja_value best = fm_jinja_undefined(run, "no aggregated item, the sequence was empty"),
                       best_key = no_value;
    for (size_t i = 0; i < items->n && !run->failed; i++) {
        const struct jinja_value key =
            ignore_case(run, attribute_of(run, items->items[i], a[1], no_value), fm_jinja_truth(a[0]));
        if (i && !fm_jinja_compare(run, op, key, best_key)) continue;
        best = items->items[i];
        best_key = key;
    }
    return best;
}

FM_JINJA_FUNCTION(filter_min) {
    FM_JINJA_UNUSED;
    return extreme(run, self, a, OP_LESS);
}

FM_JINJA_FUNCTION(filter_max) {
    FM_JINJA_UNUSED;
    return extreme(run, self, a, OP_GREATER);
}

FM_JINJA_FUNCTION(filter_first) {
    FM_JINJA_UNUSED;
    if (self.kind == JINJA_ITERATOR && self.iterator->at < self.iterator->items.list->n)
        return self.iterator->items.list->items[self.iterator->at++];
    const struct jinja_list *items = items_of(run, self);
    return items->n ? items->items[0] : fm_jinja_undefined(run, "no first item, the sequence was empty");
}

FM_JINJA_FUNCTION(filter_last) {
    FM_JINJA_UNUSED;
    if (self.kind == JINJA_ITERATOR)
        return fm_jinja_error(run, "'%s' object is not reversible", self.iterator->name);
    const struct jinja_list *items = items_of(run, self);
    return items->n ? items->items[items->n - 1]
                    : fm_jinja_undefined(run, "no last item, the sequence was empty");
}

FM_JINJA_FUNCTION(filter_list) {
    FM_JINJA_UNUSED;
    struct jinja_value list = fm_jinja_list(run, JINJA_LIST);
    const struct jinja_list *items = items_of(run, self);
    for (size_t i = 0; i < items->n && !run->failed; i++) fm_jinja_push(run, list, items->items[i]);
    return list;
}

FM_JINJA_FUNCTION(filter_reverse) {
    FM_JINJA_UNUSED;
    if (self.kind == JINJA_STRING) {
        const struct jinja_value none = fm_jinja_none();
        return fm_jinja_slice(run, self, none, none, fm_jinja_int(-1));
    }
    if (!fm_jinja_is_iterable(self))
        return fm_jinja_error(run, "reverse needs something iterable, not %s", fm_jinja_type(self));
    struct jinja_value list = fm_jinja_list(run, JINJA_LIST);
    const struct jinja_list *items = items_of(run, self);
    for (size_t i = items->n; i-- && !run->failed;) fm_jinja_push(run, list, items->items[i]);
    return self.kind == JINJA_ITERATOR ? list : fm_jinja_iterator(run, list, "list_reverseiterator");
}

FM_JINJA_FUNCTION(filter_items) {
    FM_JINJA_UNUSED;
    if (self.kind == JINJA_UNDEFINED)
        return fm_jinja_iterator(run, fm_jinja_list(run, JINJA_LIST), "generator");
    if (self.kind != JINJA_DICT)
        return fm_jinja_error(run, "items needs a mapping, not %s", fm_jinja_type(self));
    const struct jinja_view view = {"items", self.dict};
    return fm_jinja_iterator(
        run, fm_jinja_items(run, (struct jinja_value){.kind = JINJA_VIEW, .view = &view}), "generator");
}

FM_JINJA_FUNCTION(filter_join) {
    FM_JINJA_UNUSED;
    const struct jinja_value separator =
        fm_jinja_given(a[0]) ? fm_jinja_str(run, a[0]) : fm_jinja_text(run, "");
    const struct jinja_list *items = items_of(run, self);
    struct jinja_builder b = {run};
    for (size_t i = 0; i < items->n && !run->failed; i++) {
        if (i) fm_jinja_print(&b, separator);
        fm_jinja_print(&b, attribute_of(run, items->items[i], a[1], no_value));
    }
    return fm_jinja_built(&b);
}

FM_JINJA_FUNCTION(filter_sum) {
    FM_JINJA_UNUSED;
    struct jinja_value sum = fm_jinja_given(a[1]) ? a[1] : fm_jinja_int(0);
    const struct jinja_list *items = items_of(run, self);
    if (sum.kind == JINJA_STRING) return fm_jinja_error(run, "sum() can't sum strings");
    for (size_t i = 0; i < items->n && !run->failed; i++)
        sum = fm_jinja_binary(run, OP_ADD, sum, attribute_of(run, items->items[i], a[0], no_value));
    return sum;
}

// ---- map, select, reject ---------------------------------------------------------------------------------

static const struct jinja_value *named(const struct jinja_arguments *all, const char *name) {
    for (size_t i = 0; i < all->n_named; i++)
        if (all->named[i].name->length == strlen(name) &&
            !memcmp(all->named[i].name->bytes, name, strlen(name)))
            return &all->named[i].value;
    return NULL;
}

// An error in one item comes when that item is asked for, as with Python's generators.
static bool put_off(struct jinja_run *run, struct jinja_iterator *iterator) {
    if (!run->failed || run->steps > run->max_steps) return false;
    run->failed = false;
    struct fathom_error *error = fm_jinja_alloc(run, 1, sizeof(*error));
    if (!error) return false;
    *error = run->error;
    run->error = (struct fathom_error){0};
    iterator->error = error;
    return true;
}

// The function that an argument names.
static const struct jinja_function *function_of(struct jinja_run *run, struct jinja_value name, bool filter) {
    const struct jinja_function *function = NULL;
    if (name.kind == JINJA_STRING)
        function = filter ? fm_jinja_filter(name.string) : fm_jinja_test(name.string);
    if (!function)
        fm_jinja_error(run, "there is no %s '%s'", filter ? "filter" : "test",
            name.kind == JINJA_STRING ? fm_quote(name.string->bytes, name.string->length).text
                                      : fm_jinja_type(name));
    return function;
}

static struct jinja_arguments rest_of(const struct jinja_arguments *all, size_t n) {
    return (struct jinja_arguments){all->items + n, all->named, all->n - n, all->n_named};
}

FM_JINJA_FUNCTION(filter_map) {
    FM_JINJA_UNUSED;
    struct jinja_value list = fm_jinja_list(run, JINJA_LIST),
                       result = fm_jinja_iterator(run, list, "generator");
    if (run->failed || !fm_jinja_truth(self)) return result;
    const struct jinja_list *items = items_of(run, self);
    const struct jinja_value *path = all->n ? NULL : named(all, "attribute"),
                             *otherwise = named(all, "default");
    const struct jinja_function *function = NULL;
    struct jinja_arguments rest = *all;
    if (!path) {
        if (!all->n) return fm_jinja_error(run, "map needs the name of a filter, or attribute=");
        function = function_of(run, all->items[0], true);
        rest = rest_of(all, 1);
    } else if (all->n_named > 1 + (otherwise != NULL)) {
        return fm_jinja_error(run, "map with attribute= takes default= alone");
    }
    for (size_t i = 0; i < items->n && !run->failed; i++) {
        const struct jinja_value item = path
            ? attribute_of(run, items->items[i], *path, otherwise ? *otherwise : no_value)
            : fm_jinja_apply(run, function, items->items[i], &rest);
        if (put_off(run, result.iterator)) break;
        fm_jinja_push(run, list, item);
    }
    return result;
}

static struct jinja_value select_items(struct jinja_run *run, struct jinja_value self,
    const struct jinja_arguments *all, bool by_attribute, bool wanted) {
    struct jinja_value list = fm_jinja_list(run, JINJA_LIST),
                       result = fm_jinja_iterator(run, list, "generator");
    if (run->failed || !fm_jinja_truth(self)) return result;
    const struct jinja_list *items = items_of(run, self);
    const size_t n_used = by_attribute;
    if (by_attribute && !all->n) return fm_jinja_error(run, "the name of an attribute is missing");
    const struct jinja_function *test = all->n > n_used ? function_of(run, all->items[n_used], false) : NULL;
    if (run->failed) return result;
    const struct jinja_arguments rest = test ? rest_of(all, n_used + 1) : *all;
    for (size_t i = 0; i < items->n && !run->failed; i++) {
        struct jinja_value value =
            by_attribute ? attribute_of(run, items->items[i], all->items[0], no_value) : items->items[i];
        if (test && !run->failed) value = fm_jinja_apply(run, test, value, &rest);
        if (put_off(run, result.iterator)) break;
        if (fm_jinja_truth(value) == wanted) fm_jinja_push(run, list, items->items[i]);
    }
    return result;
}

FM_JINJA_FUNCTION(filter_select) {
    FM_JINJA_UNUSED;
    return select_items(run, self, all, false, true);
}
FM_JINJA_FUNCTION(filter_reject) {
    FM_JINJA_UNUSED;
    return select_items(run, self, all, false, false);
}
FM_JINJA_FUNCTION(filter_selectattr) {
    FM_JINJA_UNUSED;
    return select_items(run, self, all, true, true);
}
FM_JINJA_FUNCTION(filter_rejectattr) {
    FM_JINJA_UNUSED;
    return select_items(run, self, all, true, false);
}

FM_JINJA_FUNCTION(filter_unsupported) {
    FM_JINJA_UNUSED;
    return fm_jinja_error(run, "the filters pprint, random and urlize are not supported");
}

static const struct jinja_function filters[] = {
    {"attr", "name", 1, filter_attr},
    {"batch", "linecount fill_with", 1, filter_batch},
    {"count", "", 0, filter_length},
    {"d", "default_value boolean", 0, filter_default},
    {"default", "default_value boolean", 0, filter_default},
    {"dictsort", "case_sensitive by reverse", 0, filter_dictsort},
    {"first", "", 0, filter_first},
    {"groupby", "attribute default case_sensitive", 1, filter_groupby},
    {"items", "", 0, filter_items},
    {"join", "d attribute", 0, filter_join},
    {"last", "", 0, filter_last},
    {"length", "", 0, filter_length},
    {"list", "", 0, filter_list},
    {"map", NULL, 0, filter_map},
    {"max", "case_sensitive attribute", 0, filter_max},
    {"min", "case_sensitive attribute", 0, filter_min},
    {"pprint", NULL, 0, filter_unsupported},
    {"random", NULL, 0, filter_unsupported},
    {"reject", NULL, 0, filter_reject},
    {"rejectattr", NULL, 0, filter_rejectattr},
    {"reverse", "", 0, filter_reverse},
    {"select", NULL, 0, filter_select},
    {"selectattr", NULL, 0, filter_selectattr},
    {"slice", "slices fill_with", 1, filter_slice},
    {"sort", "reverse case_sensitive attribute", 0, filter_sort},
    {"sum", "attribute start", 0, filter_sum},
    {"unique", "case_sensitive attribute", 0, filter_unique},
    {"urlize", NULL, 0, filter_unsupported},
};

const struct jinja_function *fm_jinja_function_in(
    const struct jinja_function *table, size_t n, const struct jinja_string *name) {
    for (size_t i = 0; i < n; i++)
        if (strlen(table[i].name) == name->length && !memcmp(table[i].name, name->bytes, name->length))
            return &table[i];
    return NULL;
}

const struct jinja_function *fm_jinja_filter(const struct jinja_string *name) {
    const struct jinja_function *function =
        fm_jinja_function_in(filters, sizeof(filters) / sizeof(*filters), name);
    if (!function) function = fm_jinja_number_filter(name);
    return function ? function : fm_jinja_text_filter(name);
}
