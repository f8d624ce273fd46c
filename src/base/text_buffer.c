#include "base/text_buffer.h"
#include <stdlib.h>
#include <string.h>

bool fm_text_append(struct fm_text *t, const char *bytes, size_t length) {
    if (t->length + length + 1 > t->capacity) {
        const size_t capacity = 2 * (t->length + length + 1) + 64;
        char *grown = realloc(t->text, capacity);
        if (!grown) return false;
        t->text = grown;
        t->capacity = capacity;
    }
    if (length) memcpy(t->text + t->length, bytes, length);
    t->length += length;
    t->text[t->length] = 0;
    return true;
}

void fm_text_clear(struct fm_text *t) {
    t->length = 0;
    if (t->text) t->text[0] = 0;
}

void fm_text_free(struct fm_text *t) {
    free(t->text);
    *t = (struct fm_text){0};
}
