// A growing, zero-terminated text buffer.
#ifndef FM_BASE_TEXT_BUFFER_H
#define FM_BASE_TEXT_BUFFER_H
#include <stdbool.h>
#include <stddef.h>

struct fm_text {
    char *text;
    size_t length, capacity;
};

bool fm_text_append(struct fm_text *text, const char *bytes, size_t length); // false: out of memory
void fm_text_clear(struct fm_text *text);                                    // empty, keeps its memory
void fm_text_free(struct fm_text *text);
#endif
