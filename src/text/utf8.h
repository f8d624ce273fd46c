// UTF-8: beside the strict decoding of base/utf8.h, a stream that cuts token bytes at character borders, so
// that the output is always whole characters.
#ifndef FM_TEXT_UTF8_H
#define FM_TEXT_UTF8_H
#include "base/utf8.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fm_utf8_stream {
    unsigned char held[4];
    unsigned char n_held;
};

// Writes the whole characters of the held bytes and `bytes` to out, holds back an unfinished tail, and
// replaces invalid bytes, and zero bytes, which a C string cannot hold, by U+FFFD. Out has room for
// FM_UTF8_ROOM(length) bytes. Returns the number of bytes written.
#define FM_UTF8_ROOM(length) (3 * ((length) + 4))
size_t fm_utf8_push(struct fm_utf8_stream *stream, const char *bytes, size_t length, char *out);
// Writes U+FFFD when an unfinished character is still held at the end.
size_t fm_utf8_flush(struct fm_utf8_stream *stream, char *out);

// Returns how many bytes from the start are valid UTF-8.
size_t fm_utf8_valid(const char *bytes, size_t length);

bool fm_utf8_is_space(uint32_t code); // Unicode's White_Space
// Returns true for a letter (circled letters and Roman numerals too), mark, decimal digit, joiner, or a
// connector such as _.
bool fm_utf8_is_word(uint32_t code);

// A quotation from a file for an error message: at most 40 bytes, whole characters, '?' for control
// characters.
struct fm_quote {
    char text[48];
};
struct fm_quote fm_quote(const char *bytes, size_t length);
#endif
