#include "file/hub/hub_parts.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// The kinds of tokens in GGUF.
enum { TOKEN_NORMAL = 1, TOKEN_CONTROL = 3, TOKEN_USER_DEFINED = 4, TOKEN_UNUSED = 5 };

enum { MAX_ENDS = 64 };

struct vocabulary {
    struct fm_hub *hub;
    const char *path;           // of tokenizer.json
    const cJSON *json, *config; // tokenizer.json; tokenizer_config.json or NULL
    const cJSON *generation;    // generation_config.json or NULL
    struct fm_string *tokens;   // [n_vocab], in the arena
    int32_t *kinds;
};

static bool invalid(struct vocabulary *v, const char *what) {
    return fm_fail(v->hub->err, FATHOM_INVALID, "%s: %s", v->path, what);
}

// llama.cpp treats tokens of the form <｜...｜> as control tokens, whatever the file says.
static bool looks_special(const char *text) {
    static const char open[] = "<\xef\xbd\x9c", close[] = "\xef\xbd\x9c>";
    const size_t length = strlen(text);
    return length >= 8 && !strncmp(text, open, 4) && !strcmp(text + length - 4, close);
}

static const char *content_of(const cJSON *token) {
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(token, "content"));
}

static bool set_token(struct vocabulary *v, const char *content, bool known, uint64_t i, int32_t kind) {
    if (!content || !known) return invalid(v, "a token has no content or no id");
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

static const cJSON *find_content(const cJSON *list, const char *content) {
    const cJSON *entry;
    cJSON_ArrayForEach(entry, list) {
        const char *text = content_of(entry);
        if (text && content && !strcmp(text, content)) return entry;
    }
    return NULL;
}

static int32_t added_kind(const cJSON *token, const cJSON *override) {
    const cJSON *special = cJSON_GetObjectItemCaseSensitive(override, "special");
    if (!cJSON_IsBool(special)) special = cJSON_GetObjectItemCaseSensitive(token, "special");
    const char *content = content_of(token);
    return cJSON_IsTrue(special) || (content && looks_special(content)) ? TOKEN_CONTROL : TOKEN_USER_DEFINED;
}

// Reads the added tokens of tokenizer.json, and those that only added_tokens_decoder of tokenizer_config.json
// has. The flags of the latter file override the former's. A token that the vocabulary has already keeps the
// vocabulary's id. A token of the latter file whose id another token has, or that has no embedding, is left
// out: tokenizer.json says what the model was trained with.
static bool read_added_tokens(struct vocabulary *v, const cJSON *vocab) {
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(v->json, "added_tokens"),
                *decoder = cJSON_GetObjectItemCaseSensitive(v->config, "added_tokens_decoder"), *entry;
    cJSON_ArrayForEach(entry, list) {
        uint64_t id = 0;
        const char *content = content_of(entry);
        const bool known = fm_json_whole(cJSON_GetObjectItemCaseSensitive(entry, "id"), &id);
        if (!set_token(v, content, known, id, added_kind(entry, find_content(decoder, content))))
            return false;
    }
    cJSON_ArrayForEach(entry, decoder) {
        char *end;
        uint64_t id = strtoull(entry->string, &end, 10);
        const char *content = content_of(entry);
        if (content && find_content(list, content)) continue;
        const bool known =
            (content && fm_json_whole(cJSON_GetObjectItemCaseSensitive(vocab, content), &id)) ||
            (end != entry->string && !*end);
        const bool taken =
            known && (id >= v->hub->n_vocab || (v->tokens[id].text && strcmp(v->tokens[id].text, content)));
        if (content && taken) continue;
        if (!set_token(v, content, known, id, added_kind(entry, NULL))) return false;
    }
    return true;
}

static bool find_token(const struct vocabulary *v, const char *text, uint32_t *id) {
    for (*id = 0; text && *id < v->hub->n_vocab; ++*id)
        if (!strcmp(v->tokens[*id].text, text)) return true;
    return false;
}

// A word of the vocabulary that tokenizer_config.json names is a special token.
static void set_control(struct vocabulary *v, const cJSON *value) {
    uint32_t id;
    const char *text = cJSON_IsObject(value) ? content_of(value) : cJSON_GetStringValue(value);
    if (find_token(v, text, &id) && v->kinds[id] == TOKEN_NORMAL) v->kinds[id] = TOKEN_CONTROL;
}

static void set_named_kinds(struct vocabulary *v) {
    static const char *const names[] = {"bos_token", "eos_token", "unk_token", "pad_token"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        set_control(v, cJSON_GetObjectItemCaseSensitive(v->config, names[i]));
    const cJSON *entry;
    cJSON_ArrayForEach(entry, cJSON_GetObjectItemCaseSensitive(v->config, "additional_special_tokens"))
        set_control(v, entry);
}

static bool read_tokens(struct vocabulary *v) {
    struct fm_tensors *tensors = v->hub->tensors;
    const cJSON *model = cJSON_GetObjectItemCaseSensitive(v->json, "model"),
                *vocab = cJSON_GetObjectItemCaseSensitive(model, "vocab"), *entry;
    const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(model, "type"));
    if (!cJSON_IsObject(vocab)) return invalid(v, "model.vocab is missing or not an object");
    if (type && strcmp(type, "BPE") != 0) // older files have no type
        return fm_fail(v->hub->err, FATHOM_UNSUPPORTED,
            "%s: model.type \"%.32s\" is not supported; supported: BPE", v->path, type);
    v->tokens = fm_arena_alloc(&tensors->arena, v->hub->n_vocab, sizeof(*v->tokens));
    v->kinds = fm_arena_alloc(&tensors->arena, v->hub->n_vocab, sizeof(*v->kinds));
    if (!v->tokens || !v->kinds) return fm_no_memory(tensors, v->hub->err);
    cJSON_ArrayForEach(entry, vocab) {
        uint64_t id = 0;
        const bool known = fm_json_whole(entry, &id);
        if (!set_token(v, entry->string, known, id, TOKEN_NORMAL)) return false;
    }
    if (!read_added_tokens(v, vocab)) return false;
    for (uint32_t i = 0; i < v->hub->n_vocab; i++) {
        if (v->tokens[i].text) continue; // the others are embedding rows that no token uses
        v->tokens[i].text = fm_arena_format(&tensors->arena, "[PAD%u]", i);
        if (!v->tokens[i].text) return fm_no_memory(tensors, v->hub->err);
        v->tokens[i].length = strlen(v->tokens[i].text);
        v->kinds[i] = TOKEN_UNUSED;
    }
    set_named_kinds(v);
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

// ---- Special tokens --------------------------------------------------------------------------------------

static bool is_id(const struct vocabulary *v, const cJSON *item, uint32_t *id) {
    uint64_t value;
    if (!fm_json_whole(item, &value) || value >= v->hub->n_vocab) return false;
    *id = (uint32_t)value;
    return true;
}

// Finds a special token: by the token's content in tokenizer_config.json, otherwise by the number (or the
// first number of a list) in generation_config.json or config.json.
static bool find_special(
    const struct vocabulary *v, const char *content_key, const char *id_key, uint32_t *id) {
    const cJSON *content = cJSON_GetObjectItemCaseSensitive(v->config, content_key);
    if (cJSON_IsObject(content)) content = cJSON_GetObjectItemCaseSensitive(content, "content");
    if (find_token(v, cJSON_GetStringValue(content), id)) return true;
    const cJSON *const files[] = {v->generation, v->hub->config};
    for (size_t i = 0; i < 2; i++) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(files[i], id_key);
        if (is_id(v, cJSON_IsArray(value) ? cJSON_GetArrayItem(value, 0) : value, id)) return true;
    }
    return false;
}

static void set_special(struct vocabulary *v, const char *content_key, const char *id_key, const char *key) {
    uint32_t id;
    if (find_special(v, content_key, id_key, &id)) fm_hub_set_u32(v->hub, key, id);
}

static void add_end(int32_t *ends, uint32_t *n, uint32_t id) {
    for (uint32_t i = 0; i < *n; i++)
        if (ends[i] == (int32_t)id) return;
    if (*n < MAX_ENDS) ends[(*n)++] = (int32_t)id;
}

// null, and the number -1, with which some files say that there is none.
static bool says_none(const cJSON *id) {
    return cJSON_IsNull(id) || (cJSON_IsNumber(id) && id->valuedouble == -1);
}

// Sets the keys of the tokens that end an answer. eos_token_id is the one of find_special(). llama.cpp has
// two more keys, for the ends of a turn and of a message. Ollama has a key for a list, which holds all.
static bool set_ends(struct vocabulary *v) {
    uint32_t n = 0, id;
    int32_t *ends = fm_arena_alloc(&v->hub->tensors->arena, MAX_ENDS, sizeof(*ends));
    if (!ends) return fm_no_memory(v->hub->tensors, v->hub->err);
    if (find_special(v, "eos_token", "eos_token_id", &id)) add_end(ends, &n, id);
    const cJSON *const files[] = {v->generation, v->hub->config};
    static const char *const names[] = {"generation_config.json", "config.json"};
    for (size_t i = 0; i < 2; i++) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(files[i], "eos_token_id");
        const bool list = cJSON_IsArray(value);
        for (const cJSON *item = list ? value->child : value; item; item = list ? item->next : NULL) {
            if (is_id(v, item, &id))
                add_end(ends, &n, id);
            else if (!says_none(item))
                return fm_fail(v->hub->err, FATHOM_INVALID,
                    "%s: eos_token_id is not the id of one of the %u tokens", fm_hub_path(v->hub, names[i]),
                    v->hub->n_vocab);
        }
    }
    static const char *const keys[] = {
        "tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"};
    for (uint32_t i = 0; i < n && i < 3; i++) fm_hub_set_u32(v->hub, keys[i], (uint32_t)ends[i]);
    if (n > 1)
        fm_hub_set(v->hub, "tokenizer.ggml.eos_token_ids",
            (struct fm_meta_value){.type = FM_META_ARRAY, .element = FM_META_I32, .count = n, .items = ends});
    return !v->hub->failed;
}

// Returns the token with which the post-processor begins a text: a template, alone or in a sequence.
static const char *first_token(const cJSON *processor) {
    const cJSON *first = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(processor, "single"), 0), *entry;
    const char *found = cJSON_GetStringValue(
        cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(first, "SpecialToken"), "id"));
    cJSON_ArrayForEach(entry, cJSON_GetObjectItemCaseSensitive(processor, "processors")) if (!found) found =
        first_token(entry);
    return found;
}

// Sets bos and whether a text begins with it. Readers of GGUF guess the latter by the name of the
// pre-tokenizer where the key is missing. A token with which the post-processor begins a text is bos where
// nothing names one.
static void set_bos(struct vocabulary *v) {
    const cJSON *flag = cJSON_GetObjectItemCaseSensitive(v->config, "add_bos_token");
    uint32_t bos, first;
    const bool begins =
        find_token(v, first_token(cJSON_GetObjectItemCaseSensitive(v->json, "post_processor")), &first);
    const bool named = find_special(v, "bos_token", "bos_token_id", &bos);
    if (!named) bos = first;
    if (named || begins) fm_hub_set_u32(v->hub, "tokenizer.ggml.bos_token_id", bos);
    fm_hub_set_bool(v->hub, "tokenizer.ggml.add_bos_token",
        cJSON_IsBool(flag) ? cJSON_IsTrue(flag) : begins && bos == first);
}

static bool set_all(struct vocabulary *v) {
    const uint32_t n = v->hub->n_vocab;
    const char *pre = fm_hub_pre_tokenizer(v->json);
    const cJSON *adds_eos = cJSON_GetObjectItemCaseSensitive(v->config, "add_eos_token");
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
    set_special(v, "pad_token", "pad_token_id", "tokenizer.ggml.padding_token_id");
    set_special(v, "unk_token", "unk_token_id", "tokenizer.ggml.unknown_token_id");
    set_bos(v);
    if (cJSON_IsBool(adds_eos))
        fm_hub_set_bool(v->hub, "tokenizer.ggml.add_eos_token", cJSON_IsTrue(adds_eos));
    return set_ends(v) && fm_hub_chat_templates(v->hub, v->config);
}

bool fm_hub_tokenizer(struct fm_hub *hub) {
    struct vocabulary v = {.hub = hub, .path = fm_hub_path(hub, "tokenizer.json")};
    if (!v.path) return false;
    if (access(v.path, F_OK) != 0) return true;
    cJSON *json = fm_json_load(v.path, hub->err), *config = NULL, *generation = NULL;
    bool ok = json && fm_hub_json(hub, "tokenizer_config.json", &config) &&
        fm_hub_json(hub, "generation_config.json", &generation);
    v.json = json;
    v.config = config;
    v.generation = generation;
    ok = ok && set_all(&v);
    cJSON_Delete(json);
    cJSON_Delete(config);
    cJSON_Delete(generation);
    return ok;
}
