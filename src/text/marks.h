// What the text of an added token says about the token.
#ifndef FM_TEXT_MARKS_H
#define FM_TEXT_MARKS_H
#include <stdbool.h>
#include <stddef.h>

// Returns true when the text looks like a mark, whatever the file says of the token: a name in <...>, [...]
// or ｜...｜, with white space around it or not. A name has a letter or a digit.
bool fm_looks_like_mark(const char *text, size_t length);
// Returns true for <|...|> and <｜...｜>, which are control tokens in every family.
bool fm_looks_like_control(const char *text, size_t length);
// Returns true for the marks with which the families end a turn or a text, as llama.cpp has them.
bool fm_is_end_mark(const char *text, size_t length);
#endif
