// UTF-8: strict decoding, and a stream of token bytes cut at character borders, so that what is printed is always whole characters.
#ifndef FM_TEXT_UTF8_H
#define FM_TEXT_UTF8_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fm_utf8_stream { unsigned char held[4]; unsigned char n_held; };

// Writes the whole characters of held bytes plus `bytes` to out (at least length + 4 bytes + 3 * (length + 4) for replacements), keeps an
// unfinished tail, replaces invalid bytes by U+FFFD. Returns the bytes written.
size_t fm_utf8_push(struct fm_utf8_stream *stream, const char *bytes, size_t length, char *out);
// What is still held at the end, as U+FFFD if unfinished.
size_t fm_utf8_flush(struct fm_utf8_stream *stream, char *out);

// The character at the start of n bytes (n > 0): its length, 1 to 4, and *code. Otherwise the number of bytes to skip, negative: an
// invalid sequence; or 0: the start of a character that the n bytes don't finish.
int fm_utf8_decode(const char *bytes, size_t n, uint32_t *code);
// How many bytes from the start are valid UTF-8.
size_t fm_utf8_valid(const char *bytes, size_t length);

bool fm_utf8_is_space(uint32_t code); // Unicode's White_Space
bool fm_utf8_is_word(uint32_t code);  // a letter (circled ones and Roman numerals too), mark, decimal digit, joiner, or connector such as _

// A piece of a file's text for an error message: at most 40 bytes, whole characters, control characters as '?'.
struct fm_quote { char text[48]; };
struct fm_quote fm_quote(const char *bytes, size_t length);
#endif
