// JSON parsing by cJSON, with bounds.
#ifndef FM_BASE_JSON_H
#define FM_BASE_JSON_H
#include "base/error.h"
#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

// Parses a text, which need not be zero-terminated. `path` is for messages. Free the result with
// cJSON_Delete. Refused: more than FM_JSON_DEPTH levels, and anything but white space (or zero bytes) after
// the value.
enum { FM_JSON_DEPTH = 64 };
cJSON *fm_json_parse(const char *path, const char *text, size_t length, struct fathom_error *err);
// Parses a file. NaN, Infinity and -Infinity, which Python writes, are read too, as infinite numbers.
cJSON *fm_json_load(const char *path, struct fathom_error *err);

// Reads a whole number within 0..2^53. Returns false when the item is NULL or not such a number.
bool fm_json_whole(const cJSON *item, uint64_t *value);
#endif
