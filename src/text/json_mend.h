// Reads JSON as language models write it, and gives JSON.
#ifndef FM_TEXT_JSON_MEND_H
#define FM_TEXT_JSON_MEND_H
#include "base/text_buffer.h"

// Reads the value that begins at *at, appends it to out as JSON, and moves *at behind it. JSON is appended as
// it stands. Mended are: True, False and None; strings in single quotes; a comma before a closing bracket;
// line ends and other control characters in a string; a backslash before a letter that JSON does not escape,
// which stays a backslash. Returns false, with *at and out as they were, when there is no such value or the
// text ends within it; *no_memory becomes true when memory is what lacked.
bool fm_json_mend(const char **at, const char *end, struct fm_text *out, bool *no_memory);
#endif
