// The byte alphabet, in which byte-level vocabularies are written: one printable character for each byte.
// Printable Latin-1 characters stand for themselves. U+0100 to U+0143 stand for the other 68 bytes, in order
// ("Ġ" is a space, "Ċ" a newline).
#ifndef FM_TEXT_BYTE_ALPHABET_H
#define FM_TEXT_BYTE_ALPHABET_H
#include <stdbool.h>
#include <stddef.h>

// Writes the bytes of a text in this alphabet to out, which has room for `length` bytes. Returns false when a
// character is not in the alphabet.
bool fm_byte_alphabet_decode(const char *text, size_t length, char *out, size_t *n_out);
#endif
