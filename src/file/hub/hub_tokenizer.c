#include "base/mapped_file.h"
#include "file/hub/hub_parts.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// The kinds of tokens in GGUF.
enum { TOKEN_NORMAL = 1, TOKEN_CONTROL = 3, TOKEN_USER_DEFINED = 4, TOKEN_UNUSED = 5 };

struct vocabulary {
    struct fm_hub *hub;
    const char *path;           // of tokenizer.json
    const cJSON *json, *config; // tokenizer.json; tokenizer_config.json or NULL
    struct fm_string *tokens;   // [n_vocab], in the arena
    int32_t *kinds;
};

static bool invalid(struct vocabulary *v, const char *what) {
    return fm_fail(v->hub->err, FATHOM_INVALID, "%s: %s", v->path, what);
}

// Returns GGUF's name of the pre-tokenizer, recognised by its first expressions. Returns NULL for an unknown
// one.
static const char *pre_tokenizer(const cJSON *json) {
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(
        cJSON_GetObjectItemCaseSensitive(json, "pre_tokenizer"), "pretokenizers");
    const char *regex[2] = {"", ""};
    for (int i = 0; i < 2; i++) {
        const cJSON *pattern = cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(list, i), "pattern");
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(pattern, "Regex"));
        if (text) regex[i] = text;
    }
    if (!strcmp(regex[0], "\\p{N}{1,3}")) return "deepseek-v3";
    if (strcmp(regex[0], "[\r\n]") != 0) return NULL;
    return !strcmp(regex[1], "\\s?\\p{L}+")     ? "deepseek-coder"
        : !strncmp(regex[1], "\\s?[A-Za-z", 10) ? "deepseek-llm"
                                                : NULL;
}

// llama.cpp treats tokens of the form <｜...｜> as control tokens, whatever the file says.
static bool looks_special(const char *text) {
    static const char open[] = "<\xef\xbd\x9c", close[] = "\xef\xbd\x9c>";
    const size_t length = strlen(text);
    return length >= 8 && !strncmp(text, open, 4) && !strcmp(text + length - 4, close);
}

static bool set_token(struct vocabulary *v, const char *content, const cJSON *id, int32_t kind) {
    uint64_t i;
    if (!content || !fm_json_whole(id, &i)) return invalid(v, "a token has no content or no id");
    if (i >= v->hub->n_vocab)
        return fm_fail(v->hub->err, FATHOM_INVALID,
            "%s: token %.64s has id %llu, but vocab_size of config.json is %u", v->path, content,
            (unsigned long long)i, v->hub->n_vocab);
    if (v->tokens[i].text && strcmp(v->tokens[i].text, content) != 0)
        return fm_fail(v->hub->err, FATHOM_INVALID, "%s: tokens %.64s and %.64s have the same id %llu",
            v->path, v->tokens[i].text, content, (unsigned long long)i);
    v->tokens[i].length = strlen(content);
    v->tokens[i].text = fm_arena_string(&v->hub->tensors->arena, content, v->tokens[i].length);
    v->kinds[i] = kind;
    return v->tokens[i].text || fm_no_memory(v->hub->tensors, v->hub->err);
}

static bool read_tokens(struct vocabulary *v) {
    struct fm_tensors *tensors = v->hub->tensors;
    const cJSON *model = cJSON_GetObjectItemCaseSensitive(v->json, "model"),
                *vocab = cJSON_GetObjectItemCaseSensitive(model, "vocab"), *entry;
    const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(model, "type"));
    if (!cJSON_IsObject(vocab)) return invalid(v, "model.vocab is missing or not an object");
    if (!type || strcmp(type, "BPE") != 0)
        return fm_fail(v->hub->err, FATHOM_UNSUPPORTED,
            "%s: model.type \"%.32s\" is not supported; supported: BPE", v->path, type ? type : "");
    v->tokens = fm_arena_alloc(&tensors->arena, v->hub->n_vocab, sizeof(*v->tokens));
    v->kinds = fm_arena_alloc(&tensors->arena, v->hub->n_vocab, sizeof(*v->kinds));
    if (!v->tokens || !v->kinds) return fm_no_memory(tensors, v->hub->err);
    cJSON_ArrayForEach(entry, vocab) {
        if (!set_token(v, entry->string, entry, TOKEN_NORMAL)) return false;
    }
    cJSON_ArrayForEach(entry, cJSON_GetObjectItemCaseSensitive(v->json, "added_tokens")) {
        const char *content = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(entry, "content"));
        const bool special = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(entry, "special")) ||
            (content && looks_special(content));
        if (!set_token(v, content, cJSON_GetObjectItemCaseSensitive(entry, "id"),
                special ? TOKEN_CONTROL : TOKEN_USER_DEFINED))
            return false;
    }
    for (uint32_t i = 0; i < v->hub->n_vocab; i++) {
        if (v->tokens[i].text) continue; // the others are embedding rows that no token uses
        v->tokens[i].text = fm_arena_format(&tensors->arena, "[PAD%u]", i);
        if (!v->tokens[i].text) return fm_no_memory(tensors, v->hub->err);
        v->tokens[i].length = strlen(v->tokens[i].text);
        v->kinds[i] = TOKEN_UNUSED;
    }
    return true;
}

// Writes each merge as "a b". The file has pairs; older files have strings of this form.
static bool read_merges(struct vocabulary *v) {
    struct fm_tensors *tensors = v->hub->tensors;
    const cJSON *merges = cJSON_GetObjectItemCaseSensitive(
                    cJSON_GetObjectItemCaseSensitive(v->json, "model"), "merges"),
                *entry;
    if (!cJSON_IsArray(merges)) return invalid(v, "model.merges is missing or not an array");
    const size_t n = (size_t)cJSON_GetArraySize(merges);
    struct fm_string *list = fm_arena_alloc(&tensors->arena, n, sizeof(*list));
    if (!list) return fm_no_memory(tensors, v->hub->err);
    struct fm_string *next = list;
    cJSON_ArrayForEach(entry, merges) {
        const char *left = cJSON_GetStringValue(entry), *right = NULL;
        if (cJSON_IsArray(entry) && cJSON_GetArraySize(entry) == 2) {
            left = cJSON_GetStringValue(cJSON_GetArrayItem(entry, 0));
            right = cJSON_GetStringValue(cJSON_GetArrayItem(entry, 1));
            if (!right) left = NULL;
        }
        if (!left) return invalid(v, "model.merges holds an entry that is not a pair of strings");
        next->text = fm_arena_format(&tensors->arena, "%s%s%s", left, right ? " " : "", right ? right : "");
        if (!next->text) return fm_no_memory(tensors, v->hub->err);
        next->length = strlen(next->text);
        next++;
    }
    fm_hub_set(v->hub, "tokenizer.ggml.merges",
        (struct fm_meta_value){
            .type = FM_META_ARRAY,
            .element = FM_META_STRING,
            .count = n,
            .strings = list,
        });
    return true;
}

// Sets the id of a special token: by the token's content in tokenizer_config.json, otherwise by the number
// (or the first number of a list) in config.json.
static void set_special(struct vocabulary *v, const char *content_key, const char *id_key, const char *key) {
    const cJSON *content = cJSON_GetObjectItemCaseSensitive(v->config, content_key);
    if (cJSON_IsObject(content)) content = cJSON_GetObjectItemCaseSensitive(content, "content");
    const char *text = cJSON_GetStringValue(content);
    for (uint32_t i = 0; text && i < v->hub->n_vocab; i++) {
        if (strcmp(v->tokens[i].text, text) != 0) continue;
        fm_hub_set_u32(v->hub, key, i);
        return;
    }
    const cJSON *id = cJSON_GetObjectItemCaseSensitive(v->hub->config, id_key);
    if (cJSON_IsArray(id)) id = cJSON_GetArrayItem(id, 0);
    uint64_t value;
    if (fm_json_whole(id, &value) && value < v->hub->n_vocab) fm_hub_set_u32(v->hub, key, (uint32_t)value);
}

static bool set_flag(struct vocabulary *v, const char *name, const char *key) {
    const cJSON *flag = cJSON_GetObjectItemCaseSensitive(v->config, name);
    if (cJSON_IsBool(flag)) fm_hub_set_bool(v->hub, key, cJSON_IsTrue(flag));
    return !v->hub->failed;
}

// The chat template is in tokenizer_config.json, alone or in a list of named templates, or in a separate
// file.
static bool set_chat_template(struct vocabulary *v) {
    const cJSON *found = cJSON_GetObjectItemCaseSensitive(v->config, "chat_template"), *entry;
    const char *text = cJSON_GetStringValue(found);
    cJSON_ArrayForEach(entry, found) { // a string has no entries
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(entry, "name"));
        if (name && !strcmp(name, "default"))
            text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(entry, "template"));
    }
    if (text) fm_hub_set_string(v->hub, "tokenizer.chat_template", text);
    const char *path = text ? NULL : fm_hub_path(v->hub, "chat_template.jinja");
    if (!path || access(path, F_OK) != 0) return !v->hub->failed;
    struct fm_mapped_file file;
    if (!fm_mapped_file_open(&file, path, v->hub->err)) return false;
    text = fm_arena_string(&v->hub->tensors->arena, (const char *)file.data, file.size);
    fm_mapped_file_close(&file);
    if (!text) return fm_no_memory(v->hub->tensors, v->hub->err);
    fm_hub_set_string(v->hub, "tokenizer.chat_template", text);
    return !v->hub->failed;
}

static bool set_all(struct vocabulary *v) {
    const uint32_t n = v->hub->n_vocab;
    const char *pre = pre_tokenizer(v->json);
    if (!read_tokens(v)) return false;
    fm_hub_set_string(v->hub, "tokenizer.ggml.model", "gpt2");
    if (pre) fm_hub_set_string(v->hub, "tokenizer.ggml.pre", pre);
    fm_hub_set(v->hub, "tokenizer.ggml.tokens",
        (struct fm_meta_value){
            .type = FM_META_ARRAY,
            .element = FM_META_STRING,
            .count = n,
            .strings = v->tokens,
        });
    fm_hub_set(v->hub, "tokenizer.ggml.token_type",
        (struct fm_meta_value){.type = FM_META_ARRAY, .element = FM_META_I32, .count = n, .items = v->kinds});
    if (!read_merges(v)) return false;
    set_special(v, "bos_token", "bos_token_id", "tokenizer.ggml.bos_token_id");
    set_special(v, "eos_token", "eos_token_id", "tokenizer.ggml.eos_token_id");
    set_special(v, "pad_token", "pad_token_id", "tokenizer.ggml.padding_token_id");
    return set_flag(v, "add_bos_token", "tokenizer.ggml.add_bos_token") &&
        set_flag(v, "add_eos_token", "tokenizer.ggml.add_eos_token") && set_chat_template(v);
}

bool fm_hub_tokenizer(struct fm_hub *hub) {
    struct vocabulary v = {.hub = hub, .path = fm_hub_path(hub, "tokenizer.json")};
    const char *config_path = fm_hub_path(hub, "tokenizer_config.json");
    if (!v.path || !config_path) return false;
    if (access(v.path, F_OK) != 0) return true;
    cJSON *json = fm_json_load(v.path, hub->err), *config = NULL;
    bool ok = json != NULL;
    if (ok && access(config_path, F_OK) == 0) {
        config = fm_json_load(config_path, hub->err);
        ok = config != NULL;
    }
    v.json = json;
    v.config = config;
    ok = ok && set_all(&v);
    cJSON_Delete(json);
    cJSON_Delete(config);
    return ok;
}
