// Finds added tokens ("<think>") in a text: the leftmost token, and the longest of several at the same place.
#ifndef FM_TEXT_ADDED_TOKENS_H
#define FM_TEXT_ADDED_TOKENS_H
#include "base/error.h"
#include <stddef.h>
#include <stdint.h>

struct fm_added_token {
    char *content; // [length], owned
    size_t length;
    int32_t id;
    bool lstrip, rstrip; // the token includes the white space before it, after it
    bool single_word;    // the token matches only where no letter or digit touches it
    bool mark;           // the token matches only in a text that may have marks (tokenizer.h)
};
// Where a text comes from: bytes that are foreign have no marks.
struct fm_origin {
    bool foreign;           // of all bytes, where `of_byte` is NULL
    const uint8_t *of_byte; // 1: the byte is foreign; 0: it is not
};
struct fm_added_tokens {
    struct fm_added_token *items;
    size_t count, capacity;
    bool first[256]; // first[b]: some token begins with byte b
};

// Adds a copy of the token. A token without content is ignored. Call fm_added_tokens_sort() after the last
// one.
bool fm_added_tokens_add(
    struct fm_added_tokens *tokens, struct fm_added_token token, struct fathom_error *err);
void fm_added_tokens_sort(struct fm_added_tokens *tokens);
void fm_added_tokens_clear(struct fm_added_tokens *tokens);

// Finds the next added token whose own text begins at or after byte *at. Returns its id, or -1. [*start,
// *end) is the text that the token covers with its white space; white space before byte `from` belongs to an
// earlier token. *at becomes the place where the search goes on: behind the token's own text. The white space
// that a token includes may begin the next token, as on the hub.
int32_t fm_added_tokens_find(const struct fm_added_tokens *tokens, const char *text, size_t length,
    struct fm_origin origin, size_t from, size_t *at, size_t *start, size_t *end);
#endif
