// Finding added tokens ("<think>") in a text: leftmost, of several there the longest.
#ifndef FM_TEXT_ADDED_TOKENS_H
#define FM_TEXT_ADDED_TOKENS_H
#include "base/error.h"
#include <stddef.h>
#include <stdint.h>

struct fm_added_token {
    char *content;             // owned, length bytes
    size_t length;
    int32_t id;
    bool lstrip, rstrip;       // takes the white space before, behind
    bool single_word;          // only where no letter or digit touches it
};
struct fm_added_tokens {
    struct fm_added_token *items;
    size_t count, capacity;
    bool first[256];           // bytes that some token begins with
};

// Copies content; empty ones are left out. fm_added_tokens_sort() once all are there.
bool fm_added_tokens_add(struct fm_added_tokens *tokens, struct fm_added_token token, struct fathom_error *err);
void fm_added_tokens_sort(struct fm_added_tokens *tokens);
void fm_added_tokens_clear(struct fm_added_tokens *tokens);

// The next added token in text at or after byte `from`: its id and what it covers (never before `from`), or -1.
int32_t fm_added_tokens_find(const struct fm_added_tokens *tokens, const char *text, size_t length, size_t from, size_t *start,
    size_t *end);
#endif
