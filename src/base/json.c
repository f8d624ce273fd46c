#include "base/json.h"
#include "base/mapped_file.h"
#include <stdlib.h>
#include <string.h>

static bool depth_is_fine(const char *text, size_t length) {
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < length; i++) {
        if (in_string) {
            if (text[i] == '\\')
                i++;
            else if (text[i] == '"')
                in_string = false;
        } else if (text[i] == '"') {
            in_string = true;
        } else if (text[i] == '[' || text[i] == '{') {
            if (++depth > FM_JSON_DEPTH) return false;
        } else if ((text[i] == ']' || text[i] == '}') && depth) {
            depth--;
        }
    }
    return true;
}

cJSON *fm_json_parse(const char *path, const char *text, size_t length, struct fathom_error *err) {
    if (!depth_is_fine(text, length)) {
        fm_fail(err, FATHOM_INVALID, "%s: the JSON is nested deeper than %d levels", path, FM_JSON_DEPTH);
        return NULL;
    }
    const char *end = NULL;
    cJSON *json = cJSON_ParseWithLengthOpts(text, length, &end, false);
    if (!json) {
        fm_fail(err, FATHOM_INVALID, "%s: is not JSON: wrong near byte %zu", path,
            end ? (size_t)(end - text) : 0);
        return NULL;
    }
    for (; end < text + length; end++) {
        if (memchr(" \t\r\n", *end, 5)) continue; // 5 includes the terminating zero
        fm_fail(err, FATHOM_INVALID, "%s: is not JSON: something follows the value at byte %zu", path,
            (size_t)(end - text));
        cJSON_Delete(json);
        return NULL;
    }
    return json;
}

// Returns the length of a word of Python's json that JSON does not have, or 0. A word may only follow a sign
// or what ends another value.
static size_t python_word(const char *text, size_t at, size_t length) {
    static const char *const words[] = {"NaN", "Infinity"};
    if (at && !strchr(" \t\r\n:,[-", text[at - 1])) return 0;
    const size_t left = length - at;
    text += at;
    for (int i = 0; i < 2; i++) {
        const size_t n = strlen(words[i]);
        if (n <= left && !memcmp(text, words[i], n)) return n;
    }
    return 0;
}

// Copies a text and writes 1e999, which is read as infinity, for NaN and Infinity outside of strings. Returns
// NULL when there is no such word, or no memory: the parser then names the place.
static char *without_python(const char *text, size_t length, size_t *new_length) {
    char *copy = NULL;
    size_t at = 0;
    bool in_string = false;
    for (int pass = 0; pass < 2; pass++) { // the first pass computes the length
        bool found = false;
        at = 0;
        for (size_t i = 0; i < length;) {
            const size_t word = in_string ? 0 : python_word(text, i, length);
            const size_t n = word ? word : in_string && text[i] == '\\' && i + 1 < length ? 2 : 1;
            if (text[i] == '"') in_string = !in_string;
            if (copy) memcpy(copy + at, word ? "1e999" : text + i, word ? 5 : n);
            at += word ? 5 : n;
            i += n;
            found |= word != 0;
        }
        in_string = false;
        if (!pass && (!found || !(copy = malloc(at)))) return NULL;
    }
    *new_length = at;
    return copy;
}

cJSON *fm_json_load(const char *path, struct fathom_error *err) {
    struct fm_mapped_file file;
    if (!fm_mapped_file_open(&file, path, err)) return NULL;
    size_t length = file.size;
    char *copy = without_python((const char *)file.data, length, &length);
    cJSON *json = fm_json_parse(path, copy ? copy : (const char *)file.data, length, err);
    free(copy);
    fm_mapped_file_close(&file);
    return json;
}

bool fm_json_whole(const cJSON *item, uint64_t *value) {
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0 && item->valuedouble <= 0x1p53)) return false;
    *value = (uint64_t)item->valuedouble;
    return (double)*value == item->valuedouble;
}
