// Cuts a text into words, as the pre_tokenizer of a tokenizer.json specifies: a sequence of splits, each
// applied to the pieces of the previous split.
#ifndef FM_TEXT_PRETOKENIZE_H
#define FM_TEXT_PRETOKENIZE_H
#include "text/regex.h"
#include <stdint.h>

enum fm_split_kind {
    FM_SPLIT_ISOLATED,
    FM_SPLIT_REMOVED,
    FM_SPLIT_MERGED_WITH_PREVIOUS,
    FM_SPLIT_MERGED_WITH_NEXT,
    FM_SPLIT_CONTIGUOUS,
    FM_SPLIT_PREFIX_SPACE, // not a split: puts a space before each piece that does not begin with one
};
struct fm_split {
    enum fm_split_kind kind;
    bool invert;            // swaps matches and gaps
    struct fm_regex *regex; // owned; NULL for FM_SPLIT_PREFIX_SPACE
};

enum { FM_MAX_SPLITS = 32 };
struct fm_pretokenizer {
    struct fm_split splits[FM_MAX_SPLITS];
    size_t n_splits;
};

bool fm_pretokenizer_add(struct fm_pretokenizer *pretokenizer, enum fm_split_kind kind, bool invert,
    const char *pattern, size_t length, bool literal, struct fathom_error *err);
bool fm_pretokenizer_add_prefix_space(struct fm_pretokenizer *pretokenizer, struct fathom_error *err);
void fm_pretokenizer_clear(struct fm_pretokenizer *pretokenizer);

struct fm_span {
    uint32_t start, length;
};
struct fm_spans {
    struct fm_span *items;
    size_t count, capacity;
};

// The words of one text. Initialise with zeros. The struct belongs to one caller, who may reuse it for the
// next text.
struct fm_words {
    struct fm_spans spans; // the words in order, never empty
    const char *text;      // the text of the spans: the caller's, or `own`
    char *own;
    struct fm_spans pieces, cuts; // working memory
    struct fm_regex_match *match;
};
void fm_words_clear(struct fm_words *words);

// Cuts valid UTF-8 of less than 2^30 bytes.
bool fm_pretokenize(const struct fm_pretokenizer *pretokenizer, const char *text, size_t length,
    struct fm_words *words, struct fathom_error *err);
#endif
