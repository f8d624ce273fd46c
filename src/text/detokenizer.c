// Tokens to text, piece by piece.
#include "text/tokenizer.h"
#include "text/utf8.h"
#include <stdlib.h>

struct fathom_detokenizer {
    const struct fathom_tokenizer *tokenizer;
    bool control; // control tokens are written
    struct fm_utf8_stream utf8;
    char *text; // of the last call
    size_t capacity;
};

enum { LEAST_CAPACITY = 64 }; // room for what fm_utf8_flush() writes, too

struct fathom_detokenizer *fathom_detokenizer_create(
    const struct fathom_tokenizer *tokenizer, bool control, struct fathom_error *err) {
    if (!tokenizer) {
        fm_fail(err, FATHOM_INVALID, "fathom_detokenizer_create: tokenizer is NULL");
        return NULL;
    }
    struct fathom_detokenizer *d = calloc(1, sizeof(*d));
    if (d) *d = (struct fathom_detokenizer){.tokenizer = tokenizer, .control = control};
    if (!d || !(d->text = malloc(LEAST_CAPACITY))) {
        fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
        free(d);
        return NULL;
    }
    d->capacity = LEAST_CAPACITY;
    return d;
}

void fathom_detokenizer_destroy(struct fathom_detokenizer **detokenizer) {
    struct fathom_detokenizer *d = detokenizer ? *detokenizer : NULL;
    if (!d) return;
    free(d->text);
    free(d);
    *detokenizer = NULL;
}

const char *fathom_detokenizer_push(struct fathom_detokenizer *d, int32_t id, struct fathom_error *err) {
    size_t length;
    if (!d) {
        fm_fail(err, FATHOM_INVALID, "fathom_detokenizer_push: detokenizer is NULL");
        return NULL;
    }
    const char *bytes = fathom_token_bytes(d->tokenizer, id, &length);
    if (!bytes) {
        fm_fail(err, FATHOM_INVALID, "fathom_detokenizer_push: the vocabulary of %u tokens has no token %d",
            fathom_tokenizer_count(d->tokenizer), id);
        return NULL;
    }
    if (!d->control && fathom_token_is_control(d->tokenizer, id)) length = 0;
    const size_t capacity = FM_UTF8_ROOM(length) + 1;
    if (capacity > d->capacity) {
        char *grown = realloc(d->text, capacity);
        if (!grown) {
            fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
            return NULL;
        }
        d->text = grown;
        d->capacity = capacity;
    }
    d->text[fm_utf8_push(&d->utf8, bytes, length, d->text)] = 0;
    return d->text;
}

const char *fathom_detokenizer_flush(struct fathom_detokenizer *d) {
    if (!d) return NULL;
    d->text[fm_utf8_flush(&d->utf8, d->text)] = 0;
    return d->text;
}
