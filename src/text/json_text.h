// Walks JSON text, and prints JSON as Python's json.dumps does: a space after commas and colons, only
// necessary escapes. Models are trained on this form. Members keep their order and numbers their spelling.
// fm_json_parse() must have accepted the text.
#ifndef FM_TEXT_JSON_TEXT_H
#define FM_TEXT_JSON_TEXT_H
#include "base/text_buffer.h"
#include <stdint.h>

struct fm_json_text {
    const char *at, *end;
};

struct fm_json_text fm_json_text(const char *text, size_t length); // drops the white space around the text
// Takes the next element from *rest, which is a whole array or object at the first call. `key` includes its
// quotes; in an array `key` is empty. Returns false when there are no more elements.
bool fm_json_text_next(struct fm_json_text *rest, struct fm_json_text *key, struct fm_json_text *value);
// Returns the member of an object. Returns an empty text (at == end) when the value is not an object or has
// no such member.
struct fm_json_text fm_json_text_member(struct fm_json_text object, const char *name);

// Reads the four digits behind "\u", and the second half of a surrogate pair with its "\u". A half without
// the other one gives U+FFFD. Returns false, and moves nothing, when there are no four digits.
bool fm_json_text_code(const char **at, const char *end, uint32_t *code);

// These functions return false when out of memory.
bool fm_json_text_print(struct fm_json_text value, struct fm_text *out);
bool fm_json_text_unquote(struct fm_json_text string, struct fm_text *out); // the text of a string literal
bool fm_json_text_quote(const char *bytes, size_t length, struct fm_text *out); // the reverse
#endif
