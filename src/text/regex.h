// Regular expressions of tokenizer.json (Oniguruma's Ruby syntax), run by PCRE2. Immutable once compiled.
#ifndef FM_TEXT_REGEX_H
#define FM_TEXT_REGEX_H
#include "base/error.h"
#include <stddef.h>

struct fm_regex;
struct fm_regex_match; // what one caller needs to run expressions; not shared between threads

// literal: the pattern is a plain string to look for.
struct fm_regex *fm_regex_create(const char *pattern, size_t length, bool literal, struct fathom_error *err);
void fm_regex_destroy(struct fm_regex **regex);

struct fm_regex_match *fm_regex_match_create(struct fathom_error *err);
void fm_regex_match_destroy(struct fm_regex_match **match);

// Looks for the first match in the valid UTF-8 text at or after byte `from`: 1 found, [*start, *end); 0 none; -1 failed. An empty
// match counts, except at `from` itself when not_empty.
int fm_regex_find(const struct fm_regex *regex, struct fm_regex_match *match, const char *text, size_t length, size_t from, bool not_empty,
    size_t *start, size_t *end, struct fathom_error *err);
#endif
