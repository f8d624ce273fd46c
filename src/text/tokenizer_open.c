// Opens a tokenizer by path: a GGUF file, or a folder with a tokenizer.json and its companion files.
#include "base/json.h"
#include "base/mapped_file.h"
#include "text/tokenizer_parts.h"
#include "text/utf8.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static bool join(char path[PATH_MAX], const char *folder, const char *name, struct fathom_error *err) {
    int n = snprintf(path, PATH_MAX, "%s/%s", folder, name);
    return (n > 0 && n < PATH_MAX) ||
        fm_fail(err, FATHOM_INVALID, "%s/%s: the path is too long", folder, name);
}

// "bos_token": "<s>", or an object with a content.
static bool named_token(const struct fm_tokenizer *tokenizer, const cJSON *json, const char *path,
    const char *key, int32_t *id, struct fathom_error *err) {
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(json, key);
    if (cJSON_IsObject(value)) value = cJSON_GetObjectItemCaseSensitive(value, "content");
    if (*id >= 0 || !value || cJSON_IsNull(value)) return true;
    if (!cJSON_IsString(value)) return fm_fail(err, FATHOM_INVALID, "%s: %s is not a string", path, key);
    *id = fm_tokenizer_find(tokenizer, value->valuestring);
    if (*id >= 0) return true;
    return fm_fail(err, FATHOM_INVALID, "%s: %s \"%s\" is not in the tokenizer", path, key,
        fm_quote(value->valuestring, strlen(value->valuestring)).text);
}

// "bos_token_id": 1, or a list; the first number counts.
static bool numbered_token(const struct fm_tokenizer *tokenizer, const cJSON *json, const char *path,
    const char *key, int32_t *id, struct fathom_error *err) {
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(json, key);
    if (cJSON_IsArray(value)) value = value->child;
    if (*id >= 0 || !value || cJSON_IsNull(value)) return true;
    uint64_t number;
    if (!fm_json_whole(value, &number))
        return fm_fail(err, FATHOM_INVALID, "%s: %s is not a token id", path, key);
    if (number >= fm_tokenizer_size(tokenizer))
        return fm_fail(err, FATHOM_INVALID, "%s: %s is %llu, but the tokenizer has %zu tokens", path, key,
            (unsigned long long)number, fm_tokenizer_size(tokenizer));
    *id = (int32_t)number;
    return true;
}

static bool read_ends(struct fm_tokenizer *tokenizer, const char *folder, int32_t *bos, int32_t *eos,
    struct fathom_error *err) {
    static const struct {
        const char *file, *bos, *eos;
        bool (*read)(const struct fm_tokenizer *, const cJSON *, const char *, const char *, int32_t *,
            struct fathom_error *);
    } sources[] = {
        {"tokenizer_config.json", "bos_token", "eos_token", named_token},
        {"generation_config.json", "bos_token_id", "eos_token_id", numbered_token},
        {"config.json", "bos_token_id", "eos_token_id", numbered_token},
    };
    for (size_t i = 0; i < sizeof(sources) / sizeof(*sources); i++) {
        char path[PATH_MAX];
        struct stat info;
        if (!join(path, folder, sources[i].file, err)) return false;
        if (stat(path, &info) != 0 && errno == ENOENT) continue;
        cJSON *json = fm_json_load(path, err);
        bool read = json && sources[i].read(tokenizer, json, path, sources[i].bos, bos, err) &&
            sources[i].read(tokenizer, json, path, sources[i].eos, eos, err);
        const cJSON *adds_bos = cJSON_GetObjectItemCaseSensitive(json, "add_bos_token");
        if (cJSON_IsBool(adds_bos)) tokenizer->adds_bos = cJSON_IsTrue(adds_bos);
        cJSON_Delete(json);
        if (!read) return false;
    }
    return true;
}

static struct fm_tokenizer *open_folder(const char *folder, struct fathom_error *err) {
    char path[PATH_MAX];
    struct fm_mapped_file file;
    if (!join(path, folder, "tokenizer.json", err) || !fm_mapped_file_open(&file, path, err)) return NULL;
    struct fm_tokenizer *tokenizer = fm_tokenizer_from_json((const char *)file.data, file.size, err);
    fm_mapped_file_close(&file);
    if (!tokenizer) {
        fm_error_prefix(err, "%s", path);
        return NULL;
    }
    int32_t bos = -1, eos = -1; // the values of these files override the known names
    if (!read_ends(tokenizer, folder, &bos, &eos, err)) {
        fm_tokenizer_destroy(&tokenizer);
        return NULL;
    }
    if (bos >= 0) tokenizer->bos = bos;
    if (eos >= 0) tokenizer->eos = eos;
    return tokenizer;
}

static bool is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

struct fm_tokenizer *fm_tokenizer_of_model(const struct fm_tensors *tensors, struct fathom_error *err) {
    const char *path = fm_tensors_path(tensors), *chat;
    size_t length;
    if (is_folder(path)) {
        struct fm_tokenizer *tokenizer = open_folder(path, err);
        if (!tokenizer || !fm_meta_string(tensors, "tokenizer.chat_template", &chat, &length, NULL))
            return tokenizer;
        if (!(tokenizer->chat_template = strndup(chat, length))) {
            fm_fail(err, FATHOM_NO_MEMORY, "tokenizer: no memory");
            fm_tokenizer_destroy(&tokenizer);
        }
        return tokenizer;
    }
    struct fm_tokenizer *tokenizer = fm_tokenizer_from_tensors(tensors, err);
    if (!tokenizer) fm_error_prefix(err, "%s", path);
    return tokenizer;
}

struct fm_tokenizer *fm_tokenizer_open(const char *path, struct fathom_error *err) {
    struct stat info;
    if (stat(path, &info) != 0) {
        fm_fail(err, FATHOM_IO, "%s: %s", path, strerror(errno));
        return NULL;
    }
    if (is_folder(path) && !fm_folder_holds_gguf(path)) return open_folder(path, err);
    struct fm_tensors *tensors = fm_tensors_open(path, err);
    struct fm_tokenizer *tokenizer = tensors ? fm_tokenizer_of_model(tensors, err) : NULL;
    fm_tensors_close(&tensors);
    return tokenizer;
}
