// The printable alphabet in which byte-level vocabularies are written down: one character for each byte. Printable Latin-1 stands
// for itself; the other 68 bytes are U+0100 to U+0143 in order ("Ġ" is a space, "Ċ" a newline).
#ifndef FM_TEXT_BYTE_ALPHABET_H
#define FM_TEXT_BYTE_ALPHABET_H
#include <stdbool.h>
#include <stddef.h>

// Writes the bytes that the text stands for to out, which has room for `length`. False when a character is not of the alphabet.
bool fm_byte_alphabet_decode(const char *text, size_t length, char *out, size_t *n_out);
#endif
