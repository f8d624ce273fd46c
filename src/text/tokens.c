// Text to tokens, for programs.
#include "text/tokenizer.h"
#include <stdlib.h>
#include <string.h>

static bool null_argument(struct fathom_error *err, const char *name) {
    return fm_fail(err, FATHOM_INVALID, "fathom_tokenize: %s is NULL", name);
}

bool fathom_tokenize(const struct fathom_tokenizer *tokenizer, const char *text, size_t length, bool marks,
    int32_t *ids, size_t capacity, size_t *n_tokens, struct fathom_error *err) {
    struct fm_tokens tokens = {0};
    if (!tokenizer) return null_argument(err, "tokenizer");
    if (!text && length) return null_argument(err, "text");
    if (!ids && capacity) return null_argument(err, "ids");
    if (!n_tokens) return null_argument(err, "n_tokens");
    const bool done = fm_tokenizer_encode(tokenizer, text ? text : "", length, marks, &tokens, err);
    if (done) {
        *n_tokens = tokens.count;
        if (capacity > tokens.count) capacity = tokens.count;
        if (capacity) memcpy(ids, tokens.ids, capacity * sizeof(*ids));
    }
    free(tokens.ids);
    return done;
}
