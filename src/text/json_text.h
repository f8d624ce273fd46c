// JSON as text: to walk it and to print it as Python's json.dumps does (a space after commas and colons, no escapes but the needed ones), which
// models are trained on. Members keep their order and numbers their spelling. The text has been through fm_json_parse().
#ifndef FM_TEXT_JSON_TEXT_H
#define FM_TEXT_JSON_TEXT_H
#include "base/text_buffer.h"

struct fm_json_text { const char *at, *end; };

struct fm_json_text fm_json_text(const char *text, size_t length);  // without white space around it
// Takes the next element from *rest, which begins as a whole array or object; `key` (with its quotes) is empty in an array. False: no more.
bool fm_json_text_next(struct fm_json_text *rest, struct fm_json_text *key, struct fm_json_text *value);
// The member of an object; an empty text (at == end) where it is no object or has no such member.
struct fm_json_text fm_json_text_member(struct fm_json_text object, const char *name);

// All return false when out of memory.
bool fm_json_text_print(struct fm_json_text value, struct fm_text *out);
bool fm_json_text_unquote(struct fm_json_text string, struct fm_text *out);  // what a string's literal says
bool fm_json_text_quote(const char *bytes, size_t length, struct fm_text *out); // the reverse
#endif
