// JSON by cJSON, with bounds, and getters that report what is wrong by file and key.
#ifndef FM_BASE_JSON_H
#define FM_BASE_JSON_H
#include "base/error.h"
#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

// `path` is for messages. The text need not be zero-terminated. Free with cJSON_Delete. Refused: more than FM_JSON_DEPTH levels,
// anything but white space (or zero bytes) after the value.
enum { FM_JSON_DEPTH = 64 };
cJSON *fm_json_parse(const char *path, const char *text, size_t length, struct fathom_error *err);
cJSON *fm_json_load(const char *path, struct fathom_error *err);

// A whole number within 0..2^53. False when the item is NULL, not a number, or not whole.
bool fm_json_whole(const cJSON *item, uint64_t *value);
#endif
