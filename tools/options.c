#include "options.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_help(const struct usage *u) {
    printf("usage: fathom %s %s\n%s\n", u->name, u->arguments, u->summary);
    if (u->n_options) printf("\n");
    for (size_t i = 0; i < u->n_options; i++) {
        const struct option *o = &u->options[i];
        char left[64];
        if (!o->help) continue;
        snprintf(
            left, sizeof(left), "%s%s%s", o->name, o->argument ? " " : "", o->argument ? o->argument : "");
        printf("  %-22s %s\n", left, o->help);
    }
}

static int wrong_value(const struct usage *u, const struct option *o, const char *text) {
    fprintf(stderr, "fathom %s: %s does not take \"%s\"", u->name, o->name, text);
    if (o->kind == OPTION_LIMIT) fprintf(stderr, ", but whole numbers from 0, and -1 for no limit");
    if (o->kind == OPTION_NUMBER && o->most > 0)
        fprintf(stderr, ", but numbers from 0 to %g", (double)o->most);
    if (o->kind == OPTION_SIZE)
        fprintf(stderr, ", but sizes such as 4GiB, 512M, 1.5GB or 2000000000%s",
            strchr(o->argument, '%') ? ", and percentages such as 60%" : "");
    if (o->kind == OPTION_CHOICE) fprintf(stderr, ", but %s", o->argument);
    fprintf(stderr, "; `fathom %s --help` lists the options\n", u->name);
    return EXIT_WRONG_USE;
}

static int wrong(const struct usage *u, const char *format, const char *a, const char *b) {
    fprintf(stderr, "fathom %s: ", u->name);
    fprintf(stderr, format, a, b);
    fprintf(stderr, "; `fathom %s --help` lists the options\n", u->name);
    return EXIT_WRONG_USE;
}

// Whole and not negative, at most `most`.
static bool parse_whole(const char *text, unsigned long long most, unsigned long long *value) {
    char *end;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == 0 && errno == 0 && *value <= most;
}

bool option_parse_size(const char *text, struct option_size *size) {
    static const char letters[] = "kmgt";
    char *unit;
    *size = (struct option_size){0};
    if (text[0] < '0' || text[0] > '9' || text[1] == 'x' || text[1] == 'X') return false;
    const double number = strtod(text, &unit);
    if (!strcmp(unit, "%")) {
        size->percent = (float)number;
        return size->percent > 0 && number <= 100;
    }
    double factor = 1;
    const char *letter = *unit ? strchr(letters, *unit | 0x20) : NULL;
    if (letter) {
        const bool decimal = (unit[1] | 0x20) == 'b' && unit[2] == 0;
        const char *rest = unit + 1;
        for (const char *l = letters; l <= letter; l++) factor *= decimal ? 1000 : 1024;
        if (!decimal && rest[0] && !((rest[0] | 0x20) == 'i' && (rest[1] | 0x20) == 'b' && rest[2] == 0))
            return false;
    } else if (*unit) {
        return false;
    }
    if (!(number * factor >= 1 && number * factor <= 0x1p62)) return false;
    size->bytes = (uint64_t)(number * factor);
    return true;
}

// The number of the word `text` in a list with bars, or -1.
static int find_word(const char *words, const char *text) {
    const size_t length = strlen(text);
    for (int i = 0;; i++) {
        const size_t n = strcspn(words, "|");
        if (n == length && !memcmp(words, text, n)) return i;
        if (!words[n]) return -1;
        words += n + 1;
    }
}

static bool store(const struct option *o, const char *text) {
    struct option_list *list = o->value;
    unsigned long long whole;
    char *end;
    switch (o->kind) {
    case OPTION_FLAG: *(bool *)o->value = true; return true;
    case OPTION_TEXT: *(const char **)o->value = text; return true;
    case OPTION_COUNT:
        if (!parse_whole(text, UINT32_MAX, &whole)) return false;
        *(uint32_t *)o->value = (uint32_t)whole;
        return true;
    case OPTION_LIMIT:
        *(uint32_t *)o->value = OPTION_NO_LIMIT;
        if (!strcmp(text, "-1")) return true;
        if (!parse_whole(text, OPTION_NO_LIMIT - 1, &whole)) return false;
        *(uint32_t *)o->value = (uint32_t)whole;
        return true;
    case OPTION_SEED:
        if (!parse_whole(text, UINT64_MAX, &whole)) return false;
        *(uint64_t *)o->value = whole;
        return true;
    case OPTION_SIZE:
        return option_parse_size(text, o->value) &&
            (strchr(o->argument, '%') || ((struct option_size *)o->value)->percent == 0);
    case OPTION_CHOICE: return (*(int *)o->value = find_word(o->argument, text)) >= 0;
    case OPTION_LIST:
        if (list->count == OPTION_LIST_MOST) return false;
        list->items[list->count++] = text;
        return true;
    case OPTION_NUMBER:
        *(float *)o->value = strtof(text, &end);
        return end != text && *end == 0 && isfinite(*(float *)o->value) &&
            (o->most == 0 || (*(float *)o->value >= 0 && *(float *)o->value <= o->most));
    }
    return false;
}

static const struct option *find(const struct usage *u, const char *name) {
    for (size_t i = 0; i < u->n_options; i++)
        if (!strcmp(u->options[i].name, name)) return &u->options[i];
    return NULL;
}

int options_parse(
    const struct usage *u, int argc, char **argv, const char **positional, size_t *n_positional) {
    *n_positional = 0;
    for (int i = 0; i < argc; i++) {
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) return print_help(u), EXIT_DONE;
        if (argv[i][0] != '-' || argv[i][1] == 0) {
            if (*n_positional == u->max_positional)
                return wrong(u, "\"%s\" is one argument too many%s", argv[i], "");
            positional[(*n_positional)++] = argv[i];
            continue;
        }
        const struct option *o = find(u, argv[i]);
        if (!o) return wrong(u, "there is no option %s%s", argv[i], "");
        if (o->kind != OPTION_FLAG && ++i == argc) return wrong(u, "%s needs its %s", o->name, o->argument);
        if (!store(o, argv[i])) return wrong_value(u, o, argv[i]);
        if (o->given) *o->given = true;
    }
    if (*n_positional < u->min_positional)
        return wrong(u, "an argument is missing: fathom %s %s", u->name, u->arguments);
    return EXIT_NOT_YET;
}
