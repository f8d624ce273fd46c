// UTF-8: strict decoding, and text from a file made safe for a message.
#ifndef FM_BASE_UTF8_H
#define FM_BASE_UTF8_H
#include <stddef.h>
#include <stdint.h>

// Decodes the character at the start of n bytes (n > 0). Returns its length, 1 to 4, and writes *code. For an
// invalid sequence, returns the number of bytes to skip as a negative number. Returns 0 when the n bytes end
// within a character.
int fm_utf8_decode(const char *bytes, size_t n, uint32_t *code);

// Writes the character of a code up to U+10FFFF, and returns its length, 1 to 4.
size_t fm_utf8_encode(uint32_t code, char out[4]);

// Copies a text to `to`, which has room for `room` bytes with the terminating zero (room > 0), as valid UTF-8
// of one line without control characters. Bytes that would move a terminal's cursor, begin an escape
// sequence, reorder the line or be invalid are written as \xNN. A text that is too long is cut between
// characters. The function changes nothing in a text that it wrote.
void fm_printable(char *to, size_t room, const char *text);
#endif
