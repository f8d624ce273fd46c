#include "base/json.h"
#include "base/mapped_file.h"
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

cJSON *fm_json_load(const char *path, struct fathom_error *err) {
    struct fm_mapped_file file;
    if (!fm_mapped_file_open(&file, path, err)) return NULL;
    cJSON *json = fm_json_parse(path, (const char *)file.data, file.size, err);
    fm_mapped_file_close(&file);
    return json;
}

bool fm_json_whole(const cJSON *item, uint64_t *value) {
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0 && item->valuedouble <= 0x1p53)) return false;
    *value = (uint64_t)item->valuedouble;
    return (double)*value == item->valuedouble;
}
