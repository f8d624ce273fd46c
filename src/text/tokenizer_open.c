// Opens a tokenizer by path: a GGUF file, or a folder with a tokenizer.json and its companion files.
#include "base/json.h"
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

// The ids that the files of a folder give; -1: none.
struct ends {
    struct fathom_tokenizer *tokenizer;
    const char *path; // of the file that is read
    int32_t bos, eos;
    struct fathom_error *err;
};

// ---- tokenizer_config.json, special_tokens_map.json ------------------------------------------------------

// "bos_token": "<s>", or an object with a content. The text is kept for templates. A text that the tokenizer
// does not have gives no id.
static bool named_token(
    struct ends *e, const cJSON *json, const char *key, enum fm_named_token which, int32_t *id) {
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(json, key);
    if (cJSON_IsObject(value)) value = cJSON_GetObjectItemCaseSensitive(value, "content");
    if (!value || cJSON_IsNull(value)) return true;
    if (!cJSON_IsString(value))
        return fm_fail(e->err, FATHOM_INVALID, "%s: %s is not a string", e->path, key);
    const char *text = value->valuestring;
    char **named = &e->tokenizer->named[which];
    if (!*named && !fm_tokenizer_set_text(named, text, strlen(text), e->err)) return false;
    if (id && *id < 0) *id = fathom_tokenizer_find(e->tokenizer, text);
    return true;
}

static bool read_names(struct ends *e, const cJSON *json) {
    return named_token(e, json, "bos_token", FM_NAMED_BOS, &e->bos) &&
        named_token(e, json, "eos_token", FM_NAMED_EOS, &e->eos) &&
        named_token(e, json, "unk_token", FM_NAMED_UNK, NULL) &&
        named_token(e, json, "pad_token", FM_NAMED_PAD, NULL);
}

// ---- generation_config.json, config.json -----------------------------------------------------------------

// *id is -1 for null and for the number -1, with which some files say that there is none.
static bool one_id(const struct ends *e, const cJSON *value, const char *key, int32_t *id) {
    uint64_t number;
    *id = -1;
    if (cJSON_IsNull(value) || (cJSON_IsNumber(value) && value->valuedouble == -1)) return true;
    if (!fm_json_whole(value, &number))
        return fm_fail(e->err, FATHOM_INVALID, "%s: %s is not a token id", e->path, key);
    if (number >= fathom_tokenizer_count(e->tokenizer))
        return fm_fail(e->err, FATHOM_INVALID, "%s: %s is %llu, but the tokenizer has %u tokens", e->path,
            key, (unsigned long long)number, fathom_tokenizer_count(e->tokenizer));
    *id = (int32_t)number;
    return true;
}

// "eos_token_id": 1, or a list, all of whose tokens are ends. The first counts as the id.
static bool numbered_token(struct ends *e, const cJSON *json, const char *key, bool ends, int32_t *first) {
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(json, key);
    const bool list = cJSON_IsArray(value);
    for (const cJSON *item = list ? value->child : value; item; item = list ? item->next : NULL) {
        int32_t id;
        if (!one_id(e, item, key, &id)) return false;
        if (id < 0) continue;
        if (*first < 0) *first = id;
        if (ends) fm_tokenizer_add_end(e->tokenizer, id);
    }
    return true;
}

static bool read_numbers(struct ends *e, const cJSON *json) {
    return numbered_token(e, json, "bos_token_id", false, &e->bos) &&
        numbered_token(e, json, "eos_token_id", true, &e->eos);
}

// ---- The folder ------------------------------------------------------------------------------------------

// *json is NULL when there is no such file.
static bool load(
    const char *folder, const char *name, char path[PATH_MAX], cJSON **json, struct fathom_error *err) {
    struct stat info;
    *json = NULL;
    if (!join(path, folder, name, err)) return false;
    return (stat(path, &info) != 0 && errno == ENOENT) || (*json = fm_json_load(path, err));
}

// The earlier file counts for bos and eos. All files count for the ends.
static bool read_ends(struct ends *e, const char *folder, const cJSON *config) {
    static const struct {
        const char *file;
        bool (*read)(struct ends *, const cJSON *);
    } others[] = {
        {"special_tokens_map.json", read_names},
        {"generation_config.json", read_numbers},
        {"config.json", read_numbers},
    };
    char path[PATH_MAX];
    if (!join(path, folder, "tokenizer_config.json", e->err)) return false;
    e->path = path;
    if (!read_names(e, config)) return false;
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        cJSON *json;
        if (!load(folder, others[i].file, path, &json, e->err)) return false;
        const bool read = !json || others[i].read(e, json);
        cJSON_Delete(json);
        if (!read) return false;
    }
    struct fathom_tokenizer *tokenizer = e->tokenizer;
    if (e->bos >= 0) tokenizer->bos = e->bos; // the files override the known names
    if (e->eos >= 0) tokenizer->eos = e->eos;
    const cJSON *adds_bos = cJSON_GetObjectItemCaseSensitive(config, "add_bos_token");
    if (cJSON_IsBool(adds_bos)) tokenizer->first = cJSON_IsTrue(adds_bos) ? tokenizer->bos : -1;
    return true;
}

static struct fathom_tokenizer *read_folder(
    const char *folder, const cJSON *json, const cJSON *config, struct fathom_error *err) {
    struct ends e = {.tokenizer = fm_tokenizer_read(json, config, err), .bos = -1, .eos = -1, .err = err};
    if (!e.tokenizer) {
        fm_error_prefix(err, "%s/tokenizer.json", folder);
        return NULL;
    }
    if (!read_ends(&e, folder, config) || (!config && !fm_tokenizer_name_known(e.tokenizer, err)))
        fathom_tokenizer_destroy(&e.tokenizer);
    return e.tokenizer;
}

// templates: a directory with the keys of the chat templates.
static struct fathom_tokenizer *open_folder(
    const char *folder, const struct fm_tensors *templates, struct fathom_error *err) {
    char path[PATH_MAX];
    cJSON *json = NULL, *config = NULL;
    struct fathom_tokenizer *tokenizer = NULL;
    if (join(path, folder, "tokenizer.json", err) && (json = fm_json_load(path, err)) &&
        load(folder, "tokenizer_config.json", path, &config, err))
        tokenizer = read_folder(folder, json, config, err);
    if (tokenizer && !fm_tokenizer_read_templates(templates, tokenizer, err))
        fathom_tokenizer_destroy(&tokenizer);
    cJSON_Delete(json);
    cJSON_Delete(config);
    return tokenizer;
}

struct fathom_tokenizer *fm_tokenizer_of_model(const struct fm_tensors *tensors, struct fathom_error *err) {
    const char *path = fm_tensors_path(tensors), *architecture;
    size_t length;
    const bool folder = fm_tensors_is_hub(tensors);
    struct fathom_tokenizer *tokenizer =
        folder ? open_folder(path, tensors, err) : fm_tokenizer_from_tensors(tensors, err);
    if (!tokenizer && !folder) fm_error_prefix(err, "%s", path);
    if (tokenizer && fm_meta_string(tensors, "general.architecture", &architecture, &length, NULL) &&
        !fm_tokenizer_set_text(&tokenizer->architecture, architecture, length, err))
        fathom_tokenizer_destroy(&tokenizer);
    return tokenizer;
}

struct fathom_tokenizer *fathom_tokenizer_open(const char *path, struct fathom_error *err) {
    struct fathom_tokenizer *tokenizer = NULL;
    struct fm_tensors *tensors = NULL;
    struct stat info;
    if (!path) {
        fm_fail(err, FATHOM_INVALID, "fathom_tokenizer_open: path is NULL");
    } else if (stat(path, &info) != 0) {
        fm_fail(err, FATHOM_IO, "%s: %s", path, strerror(errno));
    } else if (S_ISDIR(info.st_mode) && !fm_folder_holds_gguf(path)) {
        if ((tensors = fm_folder_templates(path, err))) tokenizer = open_folder(path, tensors, err);
    } else if ((tensors = fm_tensors_open(path, err))) {
        tokenizer = fm_tokenizer_of_model(tensors, err);
    }
    fm_tensors_close(&tensors);
    return tokenizer;
}
