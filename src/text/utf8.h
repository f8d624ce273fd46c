// Cuts a stream of token bytes at UTF-8 character borders, so that what is printed is always whole characters.
#ifndef FM_TEXT_UTF8_H
#define FM_TEXT_UTF8_H
#include <stddef.h>

struct fm_utf8_stream { unsigned char held[4]; unsigned char n_held; };

// Writes the whole characters of held bytes plus `bytes` to out (at least length + 4 bytes + 3 * (length + 4) for replacements), keeps an
// unfinished tail, replaces invalid bytes by U+FFFD. Returns the bytes written.
size_t fm_utf8_push(struct fm_utf8_stream *stream, const char *bytes, size_t length, char *out);
// What is still held at the end, as U+FFFD if unfinished.
size_t fm_utf8_flush(struct fm_utf8_stream *stream, char *out);
#endif
