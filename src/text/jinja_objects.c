// The methods of lists, dictionaries and jinja2's own objects; the global functions.
#include "text/jinja_parts.h"
#include "text/utf8.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

// ---- Methods ---------------------------------------------------------------------------------------------

FM_JINJA_FUNCTION(list_index) {
    FM_JINJA_UNUSED;
    const struct jinja_list *items = fm_jinja_items(run, self).list;
    int64_t n = (int64_t)items->n, start = 0, stop = n;
    if ((fm_jinja_given(a[1]) && !fm_jinja_whole(a[1], &start)) ||
        (fm_jinja_given(a[2]) && !fm_jinja_whole(a[2], &stop)))
        return fm_jinja_error(run, "index's bounds are integers");
    if (start < 0) start = start < -n ? 0 : start + n;
    if (stop < 0) stop = stop < -n ? 0 : stop + n;
    for (int64_t i = start; i < n && i < stop && !run->failed; i++)
        if (fm_jinja_equal(run, items->items[i], a[0])) return fm_jinja_int(i);
    return fm_jinja_error(run, "the value is not in the %s", fm_jinja_type(self));
}

FM_JINJA_FUNCTION(list_count) {
    FM_JINJA_UNUSED;
    const struct jinja_list *items = fm_jinja_items(run, self).list;
    int64_t n = 0;
    for (size_t i = 0; i < items->n && !run->failed; i++) n += fm_jinja_equal(run, items->items[i], a[0]);
    return fm_jinja_int(n);
}

FM_JINJA_FUNCTION(copy) { // values do not change, so that a copy needs no memory of its own
    FM_JINJA_UNUSED;
    return self;
}

FM_JINJA_FUNCTION(dict_get) {
    FM_JINJA_UNUSED;
    uint64_t hash;
    if (!fm_jinja_hash(run, a[0], &hash))
        return fm_jinja_error(run, "unhashable type: '%s'", fm_jinja_type(a[0]));
    const struct jinja_value *value = fm_jinja_get(run, self.dict, a[0]);
    return value ? *value : fm_jinja_given(a[1]) ? a[1] : fm_jinja_none();
}

static struct jinja_value view(struct jinja_run *run, struct jinja_value self, const char *name) {
    struct jinja_view *v = fm_jinja_alloc(run, 1, sizeof(*v));
    if (!v) return fm_jinja_none();
    *v = (struct jinja_view){name, self.dict};
    return (struct jinja_value){.kind = JINJA_VIEW, .view = v};
}
FM_JINJA_FUNCTION(dict_items) {
    FM_JINJA_UNUSED;
    return view(run, self, "items");
}
FM_JINJA_FUNCTION(dict_keys) {
    FM_JINJA_UNUSED;
    return view(run, self, "keys");
}
FM_JINJA_FUNCTION(dict_values) {
    FM_JINJA_UNUSED;
    return view(run, self, "values");
}

FM_JINJA_FUNCTION(loop_cycle) {
    FM_JINJA_UNUSED;
    if (!all->n) return fm_jinja_error(run, "no items for cycling given");
    return all->items[self.loop->at % all->n];
}

FM_JINJA_FUNCTION(loop_changed) {
    FM_JINJA_UNUSED;
    struct jinja_value now = fm_jinja_list(run, JINJA_TUPLE);
    for (size_t i = 0; i < all->n && !run->failed; i++) fm_jinja_push(run, now, all->items[i]);
    if (fm_jinja_given(self.loop->last_changed) && fm_jinja_equal(run, self.loop->last_changed, now))
        return fm_jinja_bool(false);
    self.loop->last_changed = now;
    return fm_jinja_bool(true);
}

FM_JINJA_FUNCTION(cycler_next) {
    FM_JINJA_UNUSED;
    const struct jinja_value value = self.cycler->items[self.cycler->at];
    self.cycler->at = (self.cycler->at + 1) % self.cycler->n;
    return value;
}

FM_JINJA_FUNCTION(cycler_reset) {
    FM_JINJA_UNUSED;
    self.cycler->at = 0;
    return fm_jinja_none();
}

FM_JINJA_FUNCTION(number_is_integer) {
    FM_JINJA_UNUSED;
    return fm_jinja_bool(self.kind != JINJA_FLOAT || (isfinite(self.real) && self.real == floor(self.real)));
}

FM_JINJA_FUNCTION(int_bit_length) {
    FM_JINJA_UNUSED;
    int64_t whole = 0, n = 0;
    fm_jinja_whole(self, &whole);
    for (uint64_t rest = whole < 0 ? 0 - (uint64_t)whole : (uint64_t)whole; rest; rest >>= 1) n++;
    return fm_jinja_int(n);
}

FM_JINJA_FUNCTION(dict_fromkeys) {
    FM_JINJA_UNUSED;
    const struct jinja_list *keys = fm_jinja_items(run, a[0]).list;
    const struct jinja_value dict = fm_jinja_dict(run, JINJA_DICT);
    for (size_t i = 0; i < keys->n && !run->failed; i++)
        fm_jinja_put(run, dict.dict, keys->items[i], fm_jinja_given(a[1]) ? a[1] : fm_jinja_none());
    return dict;
}

static const struct jinja_function of_number[] = {
    {"is_integer", "", 0, number_is_integer}, {"bit_length", "", 0, int_bit_length}};
static const struct jinja_function of_dict_type[] = {{"fromkeys", "_keys _value", 1, dict_fromkeys}};
static const struct jinja_function of_list[] = {{"index", "_value _start _stop", 1, list_index},
    {"count", "_value", 1, list_count}, {"copy", "", 0, copy}};
static const struct jinja_function of_dict[] = {{"get", "_key _default", 1, dict_get},
    {"items", "", 0, dict_items}, {"keys", "", 0, dict_keys}, {"values", "", 0, dict_values},
    {"copy", "", 0, copy}};
static const struct jinja_function of_loop[] = {
    {"cycle", NULL, 0, loop_cycle}, {"changed", NULL, 0, loop_changed}};
static const struct jinja_function of_cycler[] = {
    {"next", "", 0, cycler_next}, {"reset", "", 0, cycler_reset}};

const struct jinja_function *fm_jinja_method(struct jinja_value self, const struct jinja_string *name) {
    switch (self.kind) {
    case JINJA_STRING: return fm_jinja_string_method(name);
    case JINJA_LIST: return fm_jinja_function_in(of_list, 3, name);
    case JINJA_TUPLE:
    case JINJA_RANGE: return fm_jinja_function_in(of_list, 2, name);
    case JINJA_DICT: return fm_jinja_function_in(of_dict, 5, name);
    case JINJA_BOOL:
    case JINJA_INT: return fm_jinja_function_in(of_number, 2, name);
    case JINJA_FLOAT: return fm_jinja_function_in(of_number, 1, name);
    case JINJA_FUNCTION:
        return strcmp(self.function->name, "dict") ? NULL : fm_jinja_function_in(of_dict_type, 1, name);
    case JINJA_LOOP: return fm_jinja_function_in(of_loop, 2, name);
    case JINJA_CYCLER: return fm_jinja_function_in(of_cycler, 2, name);
    default: return NULL;
    }
}

// ---- Global functions ------------------------------------------------------------------------------------

FM_JINJA_FUNCTION(global_range) {
    FM_JINJA_UNUSED;
    int64_t bounds[3] = {0, 0, 1};
    const int64_t largest = (int64_t)1 << 60;
    if (!all->n || all->n > 3 || all->n_named) return fm_jinja_error(run, "range takes one to three numbers");
    for (size_t i = 0; i < all->n; i++)
        if (!fm_jinja_whole(all->items[i], &bounds[all->n == 1 ? 1 : i]))
            return all->items[i].kind == JINJA_UNDEFINED
                ? fm_jinja_undefined_error(run, all->items[i])
                : fm_jinja_error(run, "range takes integers, not %s", fm_jinja_type(all->items[i]));
    for (int i = 0; i < 3; i++)
        if (bounds[i] > largest || bounds[i] < -largest)
            return fm_jinja_error(run, "range takes integers within 60 bits");
    if (!bounds[2]) return fm_jinja_error(run, "range's third argument must not be zero");
    const int64_t distance = bounds[2] < 0 ? bounds[0] - bounds[1] : bounds[1] - bounds[0],
                  step = bounds[2] < 0 ? -bounds[2] : bounds[2];
    const int64_t n = distance > 0 ? (distance - 1) / step + 1 : 0;
    if (n > JINJA_MAX_RANGE)
        return fm_jinja_error(run, "a range has %lld items; %d are allowed", (long long)n, JINJA_MAX_RANGE);
    struct jinja_range *range = fm_jinja_alloc(run, 1, sizeof(*range));
    if (!range) return self;
    *range = (struct jinja_range){bounds[0], bounds[1], bounds[2], (size_t)n};
    return (struct jinja_value){.kind = JINJA_RANGE, .range = range};
}

static struct jinja_value make_dict(
    struct jinja_run *run, const struct jinja_arguments *all, enum jinja_kind kind) {
    struct jinja_value dict = fm_jinja_dict(run, kind);
    if (all->n > 1) return fm_jinja_error(run, "one dictionary at most is expected, not %zu", all->n);
    if (all->n && all->items[0].kind == JINJA_UNDEFINED) return fm_jinja_undefined_error(run, all->items[0]);
    if (all->n && (all->items[0].kind == JINJA_DICT || all->items[0].kind == JINJA_NAMESPACE)) {
        const struct jinja_dict *from = all->items[0].dict;
        for (size_t i = 0; i < from->n; i++)
            fm_jinja_put(run, dict.dict, from->entries[i].key, from->entries[i].value);
    } else if (all->n) {
        const struct jinja_list *pairs = fm_jinja_items(run, all->items[0]).list;
        for (size_t i = 0; i < pairs->n && !run->failed; i++) {
            const struct jinja_list *pair = fm_jinja_items(run, pairs->items[i]).list;
            if (pair->n != 2)
                fm_jinja_error(run, "a dictionary is made of pairs; item %zu has %zu values", i, pair->n);
            else
                fm_jinja_put(run, dict.dict, pair->items[0], pair->items[1]);
        }
    }
    for (size_t i = 0; i < all->n_named && !run->failed; i++)
        fm_jinja_put(run, dict.dict, (struct jinja_value){.kind = JINJA_STRING, .string = all->named[i].name},
            all->named[i].value);
    for (size_t i = 0; i < dict.dict->n && kind == JINJA_NAMESPACE; i++) {
        const struct jinja_value key = dict.dict->entries[i].key;
        if (key.kind == JINJA_STRING && key.string->length && key.string->bytes[0] == '_')
            fm_jinja_error(run, "a namespace's attribute must not begin with _");
    }
    return dict;
}

FM_JINJA_FUNCTION(global_dict) {
    FM_JINJA_UNUSED;
    return make_dict(run, all, JINJA_DICT);
}
FM_JINJA_FUNCTION(global_namespace) {
    FM_JINJA_UNUSED;
    return make_dict(run, all, JINJA_NAMESPACE);
}

FM_JINJA_FUNCTION(global_cycler) {
    FM_JINJA_UNUSED;
    if (!all->n) return fm_jinja_error(run, "cycler needs at least one item");
    struct jinja_cycler *cycler = fm_jinja_alloc(run, 1, sizeof(*cycler));
    struct jinja_value *items = fm_jinja_alloc(run, all->n, sizeof(*items));
    if (!cycler || !items) return self;
    memcpy(items, all->items, all->n * sizeof(*items));
    *cycler = (struct jinja_cycler){items, all->n, 0};
    return (struct jinja_value){.kind = JINJA_CYCLER, .cycler = cycler};
}

FM_JINJA_FUNCTION(global_joiner) {
    FM_JINJA_UNUSED;
    struct jinja_joiner *joiner = fm_jinja_alloc(run, 1, sizeof(*joiner));
    if (!joiner) return self;
    joiner->separator = fm_jinja_given(a[0]) ? a[0] : fm_jinja_text(run, ", ");
    return (struct jinja_value){.kind = JINJA_JOINER, .joiner = joiner};
}

FM_JINJA_FUNCTION(global_raise_exception) {
    FM_JINJA_UNUSED;
    const struct jinja_string *message = fm_jinja_str(run, a[0]).string;
    return fm_jinja_error(run, "%.*s", message->length < 380 ? (int)message->length : 380, message->bytes);
}

static bool is_leap(int year) {
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

// What a format letter of strftime stands for, in the C locale; false: unknown.
static bool time_part(const struct tm *t, char letter, char *out, size_t size) {
    static const char *const days[] = {
        "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
    static const char *const months[] = {"January", "February", "March", "April", "May", "June", "July",
        "August", "September", "October", "November", "December"};
    const char *day = days[(t->tm_wday % 7 + 7) % 7], *month = months[(t->tm_mon % 12 + 12) % 12];
    const int year = t->tm_year + 1900, hour12 = t->tm_hour % 12 ? t->tm_hour % 12 : 12;
    switch (letter) {
    case 'Y': return snprintf(out, size, "%d", year), true;
    case 'C': return snprintf(out, size, "%02d", year / 100), true;
    case 'y': return snprintf(out, size, "%02d", year % 100), true;
    case 'm': return snprintf(out, size, "%02d", t->tm_mon + 1), true;
    case 'd': return snprintf(out, size, "%02d", t->tm_mday), true;
    case 'e': return snprintf(out, size, "%2d", t->tm_mday), true;
    case 'H': return snprintf(out, size, "%02d", t->tm_hour), true;
    case 'I': return snprintf(out, size, "%02d", hour12), true;
    case 'k': return snprintf(out, size, "%2d", t->tm_hour), true;
    case 'l': return snprintf(out, size, "%2d", hour12), true;
    case 'M': return snprintf(out, size, "%02d", t->tm_min), true;
    case 'S': return snprintf(out, size, "%02d", t->tm_sec), true;
    case 'f': return snprintf(out, size, "000000"), true;
    case 'j': return snprintf(out, size, "%03d", t->tm_yday + 1), true;
    case 'p': return snprintf(out, size, "%s", t->tm_hour < 12 ? "AM" : "PM"), true;
    case 'P': return snprintf(out, size, "%s", t->tm_hour < 12 ? "am" : "pm"), true;
    case 'A': return snprintf(out, size, "%s", day), true;
    case 'a': return snprintf(out, size, "%.3s", day), true;
    case 'B': return snprintf(out, size, "%s", month), true;
    case 'b':
    case 'h': return snprintf(out, size, "%.3s", month), true;
    case 'u': return snprintf(out, size, "%d", t->tm_wday ? t->tm_wday : 7), true;
    case 'w': return snprintf(out, size, "%d", t->tm_wday), true;
    case 'U': return snprintf(out, size, "%02d", (t->tm_yday + 7 - t->tm_wday) / 7), true;
    case 'W': return snprintf(out, size, "%02d", (t->tm_yday + 7 - (t->tm_wday + 6) % 7) / 7), true;
    case 'G':
    case 'V': { // the year and the week that ISO 8601 gives the day
        const int thursday = t->tm_yday + 3 - (t->tm_wday + 6) % 7, before = year - 1;
        const int n = is_leap(year) ? 366 : 365, n_before = is_leap(before) ? 366 : 365;
        const int day_of_year = thursday < 0 ? thursday + n_before : thursday >= n ? thursday - n : thursday;
        const int iso_year = thursday < 0 ? before : thursday >= n ? year + 1 : year;
        return snprintf(
                   out, size, letter == 'G' ? "%d" : "%02d", letter == 'G' ? iso_year : day_of_year / 7 + 1),
               true;
    }
    case 'F': return snprintf(out, size, "%d-%02d-%02d", year, t->tm_mon + 1, t->tm_mday), true;
    case 'D':
    case 'x': return snprintf(out, size, "%02d/%02d/%02d", t->tm_mon + 1, t->tm_mday, year % 100), true;
    case 'T':
    case 'X': return snprintf(out, size, "%02d:%02d:%02d", t->tm_hour, t->tm_min, t->tm_sec), true;
    case 'R': return snprintf(out, size, "%02d:%02d", t->tm_hour, t->tm_min), true;
    case 'r':
        return snprintf(out, size, "%02d:%02d:%02d %s", hour12, t->tm_min, t->tm_sec,
                   t->tm_hour < 12 ? "AM" : "PM"),
               true;
    case 'c':
        return snprintf(out, size, "%.3s %.3s %2d %02d:%02d:%02d %d", day, month, t->tm_mday, t->tm_hour,
                   t->tm_min, t->tm_sec, year),
               true;
    case 'z':
    case 'Z': return *out = 0, true; // the time has no zone
    case 'n': return snprintf(out, size, "\n"), true;
    case 't': return snprintf(out, size, "\t"), true;
    case '%': return snprintf(out, size, "%%"), true;
    default: return false;
    }
}

FM_JINJA_FUNCTION(global_strftime_now) {
    FM_JINJA_UNUSED;
    const struct jinja_string *format = a[0].string;
    if (a[0].kind != JINJA_STRING)
        return fm_jinja_error(run, "strftime_now takes a format, not %s", fm_jinja_type(a[0]));
    struct jinja_builder b = {run};
    for (size_t i = 0; i < format->length && !run->failed; i++) {
        const bool dash = i + 2 < format->length && format->bytes[i + 1] == '-';
        const size_t at = i + 1 + dash;
        char text[64], *from = text;
        if (format->bytes[i] != '%' || at >= format->length ||
            !time_part(&run->input->now, format->bytes[at], text, sizeof(text))) {
            fm_jinja_add_part(&b, format, i, i + 1);
            continue;
        }
        while (dash && (*from == '0' || *from == ' ') && from[1]) from++; // %-d: without zeros
        fm_jinja_add(&b, from, strlen(from), fm_jinja_is_foreign(format, i));
        i = at;
    }
    return fm_jinja_built(&b);
}

FM_JINJA_FUNCTION(global_unsupported) {
    FM_JINJA_UNUSED;
    return fm_jinja_error(run, "the function lipsum is not supported");
}

static const struct jinja_function globals[] = {
    {"cycler", NULL, 0, global_cycler},
    {"dict", NULL, 0, global_dict},
    {"joiner", "sep", 0, global_joiner},
    {"lipsum", NULL, 0, global_unsupported},
    {"namespace", NULL, 0, global_namespace},
    {"raise_exception", "message", 1, global_raise_exception},
    {"range", NULL, 0, global_range},
    {"strftime_now", "format", 1, global_strftime_now},
};

const struct jinja_function *fm_jinja_global(const struct jinja_string *name) {
    return fm_jinja_function_in(globals, sizeof(globals) / sizeof(*globals), name);
}
