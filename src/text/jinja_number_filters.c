// The filters on numbers, and tojson.
#include "text/jinja_parts.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

FM_JINJA_FUNCTION(filter_abs) {
    FM_JINJA_UNUSED;
    int64_t whole;
    if (self.kind == JINJA_UNDEFINED) return fm_jinja_undefined_error(run, self);
    if (self.kind == JINJA_FLOAT) return self.real = fabs(self.real), self;
    if (!fm_jinja_whole(self, &whole) || whole == INT64_MIN)
        return fm_jinja_error(run, "bad operand type for abs(): '%s'", fm_jinja_type(self));
    struct jinja_value value = fm_jinja_int(whole < 0 ? -whole : whole);
    value.foreign = self.foreign;
    return value;
}

static struct jinja_value whole_of(struct jinja_run *run, double real, struct jinja_value otherwise) {
    if (isnan(real)) return otherwise;
    if (fabs(real) < 0x1p63) return fm_jinja_int((int64_t)real);
    char digits[400];
    if (isinf(real)) return fm_jinja_error(run, "cannot convert float infinity to integer");
    const int n = snprintf(digits, sizeof(digits), "%.0f", real);
    return fm_jinja_parse_int(run, digits, (size_t)n);
}

FM_JINJA_FUNCTION(filter_int) {
    FM_JINJA_UNUSED;
    const struct jinja_value otherwise = fm_jinja_given(a[0]) ? a[0] : fm_jinja_int(0);
    int64_t whole, base = 10;
    double real;
    if (self.kind == JINJA_UNDEFINED) return fm_jinja_undefined_error(run, self);
    if (fm_jinja_given(a[1]) && (!fm_jinja_whole(a[1], &base) || base < 0 || base == 1 || base > 36))
        return otherwise;
    if (self.kind == JINJA_STRING) {
        struct jinja_value value;
        if (fm_jinja_string_to_int(run, self.string, base, &value)) return value;
        if (!fm_jinja_string_to_real(self.string, &real) || isinf(real)) return otherwise;
        value = whole_of(run, real, otherwise);
        value.foreign = true;
        return value;
    }
    if (self.kind == JINJA_BIG) return self;
    if (fm_jinja_whole(self, &whole)) {
        struct jinja_value value = fm_jinja_int(whole);
        value.foreign = self.foreign;
        return value;
    }
    struct jinja_value value = self.kind == JINJA_FLOAT ? whole_of(run, self.real, otherwise) : otherwise;
    value.foreign = value.foreign || self.foreign;
    return value;
}

FM_JINJA_FUNCTION(filter_float) {
    FM_JINJA_UNUSED;
    double real;
    if (self.kind == JINJA_UNDEFINED) return fm_jinja_undefined_error(run, self);
    const bool known = self.kind == JINJA_STRING ? fm_jinja_string_to_real(self.string, &real)
                                                 : fm_jinja_number(self, &real);
    struct jinja_value value = known ? fm_jinja_real(real) : fm_jinja_given(a[0]) ? a[0] : fm_jinja_real(0);
    value.foreign = value.foreign || self.foreign ||
        (self.kind == JINJA_STRING && (self.string->origins || self.string->foreign));
    return value;
}

// Python's round(): to even, on the exact value.
static double round_real(double real, int64_t precision) {
    char text[700];
    if (!isfinite(real) || precision > 300) return real;
    if (precision < -310) return copysign(0, real);
    if (precision < 0) {
        const double unit = pow(10, (double)-precision);
        return nearbyint(real / unit) * unit;
    }
    snprintf(text, sizeof(text), "%.*f", (int)precision, real);
    return strtod(text, NULL);
}

FM_JINJA_FUNCTION(filter_round) {
    FM_JINJA_UNUSED;
    int64_t precision = 0, whole;
    double real;
    const bool ceiling = fm_jinja_given(a[1]) && fm_jinja_equal(run, a[1], fm_jinja_text(run, "ceil")),
               floors = fm_jinja_given(a[1]) && fm_jinja_equal(run, a[1], fm_jinja_text(run, "floor"));
    if (fm_jinja_given(a[0]) && !fm_jinja_whole(a[0], &precision))
        return fm_jinja_error(run, "round needs a whole precision");
    if (fm_jinja_given(a[1]) && !ceiling && !floors &&
        !fm_jinja_equal(run, a[1], fm_jinja_text(run, "common")))
        return fm_jinja_error(run, "round's method is \"common\", \"ceil\" or \"floor\"");
    if (!fm_jinja_number(self, &real))
        return self.kind == JINJA_UNDEFINED
            ? fm_jinja_undefined_error(run, self)
            : fm_jinja_error(run, "round needs a number, not %s", fm_jinja_type(self));
    struct jinja_value value;
    if (ceiling || floors) {
        const double unit = pow(10, (double)precision), scaled = real * unit;
        value = fm_jinja_real((ceiling ? ceil(scaled) : floor(scaled)) / unit);
    } else if (self.kind == JINJA_FLOAT) {
        value = fm_jinja_real(round_real(real, precision));
    } else if (precision >= 0 || !fm_jinja_whole(self, &whole)) {
        value = self;
        if (self.kind == JINJA_BOOL) value = fm_jinja_int(self.truth);
    } else {
        value = fm_jinja_int((int64_t)round_real(real, precision));
    }
    value.foreign = self.foreign;
    return value;
}

FM_JINJA_FUNCTION(filter_filesizeformat) {
    FM_JINJA_UNUSED;
    static const char prefixes[] = "kMGTPEZY";
    const bool binary = fm_jinja_truth(a[0]);
    const double base = binary ? 1024 : 1000;
    double bytes;
    char text[80];
    if (!(self.kind == JINJA_STRING ? fm_jinja_string_to_real(self.string, &bytes)
                                    : fm_jinja_number(self, &bytes)))
        return fm_jinja_error(run, "filesizeformat needs a number");
    if (bytes == 1) {
        snprintf(text, sizeof(text), "1 Byte");
    } else if (bytes < base) {
        snprintf(text, sizeof(text), "%.0f Bytes", trunc(bytes));
    } else {
        double unit = base * base;
        int i = 0;
        while (i < 7 && bytes >= unit) unit *= base, i++;
        snprintf(text, sizeof(text), "%.1f %c%sB", base * bytes / unit, binary && !i ? 'K' : prefixes[i],
            binary ? "i" : "");
    }
    return fm_jinja_string(run, text, strlen(text), self.foreign);
}

FM_JINJA_FUNCTION(filter_tojson) {
    FM_JINJA_UNUSED;
    struct jinja_json how = {.ascii = fm_jinja_truth(a[0]), .sorted = fm_jinja_truth(a[3])};
    int64_t width;
    if (fm_jinja_given(a[1]) && a[1].kind == JINJA_STRING) {
        how.indent = a[1].string;
    } else if (fm_jinja_given(a[1]) && a[1].kind != JINJA_NONE) {
        if (!fm_jinja_whole(a[1], &width))
            return fm_jinja_error(run, "tojson's indent is a number or a text, not %s", fm_jinja_type(a[1]));
        how.indent = fm_jinja_binary(run, OP_MULTIPLY, fm_jinja_text(run, " "), fm_jinja_int(width)).string;
        if (run->failed) return self;
    }
    how.comma = fm_jinja_text(run, how.indent ? "," : ", ").string;
    how.colon = fm_jinja_text(run, ": ").string;
    if (fm_jinja_given(a[2]) && a[2].kind != JINJA_NONE) {
        const struct jinja_list *pair = fm_jinja_items(run, a[2]).list;
        if (pair->n != 2 || pair->items[0].kind != JINJA_STRING || pair->items[1].kind != JINJA_STRING)
            return fm_jinja_error(run, "tojson's separators are two strings");
        how.comma = pair->items[0].string;
        how.colon = pair->items[1].string;
    }
    struct jinja_builder b = {run};
    fm_jinja_json(&b, self, &how);
    return fm_jinja_built(&b);
}

static const struct jinja_function filters[] = {
    {"abs", "", 0, filter_abs},
    {"filesizeformat", "binary", 0, filter_filesizeformat},
    {"float", "default", 0, filter_float},
    {"int", "default base", 0, filter_int},
    {"round", "precision method", 0, filter_round},
    {"tojson", "ensure_ascii indent separators sort_keys", 0, filter_tojson},
};

const struct jinja_function *fm_jinja_number_filter(const struct jinja_string *name) {
    return fm_jinja_function_in(filters, sizeof(filters) / sizeof(*filters), name);
}
