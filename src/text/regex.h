// Runs the regular expressions of tokenizer.json (Oniguruma's Ruby syntax) with PCRE2. A compiled expression
// is immutable.
#ifndef FM_TEXT_REGEX_H
#define FM_TEXT_REGEX_H
#include "base/error.h"
#include <stddef.h>

struct fm_regex;
struct fm_regex_match; // the working memory of one caller; not shared between threads

// literal: the pattern is a plain string.
struct fm_regex *fm_regex_create(const char *pattern, size_t length, bool literal, struct fathom_error *err);
void fm_regex_destroy(struct fm_regex **regex);

struct fm_regex_match *fm_regex_match_create(struct fathom_error *err);
void fm_regex_match_destroy(struct fm_regex_match **match);

// Searches valid UTF-8 for the first match at or after byte `from`. Returns 1 with the match [*start, *end),
// 0 without a match, -1 on failure. An empty match counts, except at `from` when not_empty is set.
int fm_regex_find(const struct fm_regex *regex, struct fm_regex_match *match, const char *text, size_t length,
    size_t from, bool not_empty, size_t *start, size_t *end, struct fathom_error *err);
#endif
