// Builds a tokenizer from tokenizer.json, which holds a whole tokenizer in a hub folder.
#include "base/json.h"
#include "file/known_patterns.h"
#include "text/tokenizer_parts.h"
#include "text/utf8.h"
#include <stdlib.h>
#include <string.h>

static const cJSON *member(const cJSON *object, const char *name) {
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

// Missing and null members count as false.
static bool is_true(const cJSON *object, const char *name) {
    return cJSON_IsTrue(member(object, name));
}

static const char *string_member(const cJSON *object, const char *name) {
    const cJSON *value = member(object, name);
    return cJSON_IsString(value) ? value->valuestring : NULL;
}

static bool unsupported(struct fathom_error *err, const char *part, const char *type) {
    return fm_fail(err, FATHOM_UNSUPPORTED, "tokenizer: %s \"%s\" is not supported", part,
        fm_quote(type, strlen(type)).text);
}

// ---- Normalizer ------------------------------------------------------------------------------------------

static bool read_normalizer(struct fathom_tokenizer *tokenizer, const cJSON *json, struct fathom_error *err) {
    if (!json || cJSON_IsNull(json)) return true;
    const char *type = string_member(json, "type");
    if (!type) return fm_fail(err, FATHOM_INVALID, "tokenizer: a normalizer has no type");
    if (strcmp(type, "NFC") == 0) return tokenizer->nfc = true;
    if (strcmp(type, "Sequence") != 0) return unsupported(err, "normalizer", type);
    const cJSON *item;
    cJSON_ArrayForEach(
        item, member(json, "normalizers")) if (!read_normalizer(tokenizer, item, err)) return false;
    return true;
}

// ---- Pre-tokenizer ---------------------------------------------------------------------------------------

static bool read_split(struct fm_pretokenizer *pretokenizer, const cJSON *json, struct fathom_error *err) {
    static const struct {
        const char *name;
        enum fm_split_kind kind;
    } behaviors[] = {
        {"Isolated", FM_SPLIT_ISOLATED},
        {"Removed", FM_SPLIT_REMOVED},
        {"Contiguous", FM_SPLIT_CONTIGUOUS},
        {"MergedWithPrevious", FM_SPLIT_MERGED_WITH_PREVIOUS},
        {"MergedWithNext", FM_SPLIT_MERGED_WITH_NEXT},
    };
    const cJSON *pattern = member(json, "pattern");
    const char *regex = string_member(pattern, "Regex"), *literal = string_member(pattern, "String");
    const char *behavior = string_member(json, "behavior");
    if (!regex && !literal)
        return fm_fail(err, FATHOM_INVALID, "tokenizer: a Split has no pattern Regex or String");
    if (!behavior) return fm_fail(err, FATHOM_INVALID, "tokenizer: a Split has no behavior");
    if (literal && !*literal)
        return fm_fail(err, FATHOM_INVALID, "tokenizer: a Split has an empty pattern String");
    for (size_t i = 0; i < sizeof(behaviors) / sizeof(*behaviors); i++)
        if (strcmp(behavior, behaviors[i].name) == 0)
            return fm_pretokenizer_add(pretokenizer, behaviors[i].kind, is_true(json, "invert"),
                regex ? regex : literal, strlen(regex ? regex : literal), !regex, err);
    return unsupported(err, "Split behavior", behavior);
}

// *byte_level: the ByteLevel step, which converts words to bytes, has been seen. No step can follow it.
static bool read_pretokenizer(
    struct fm_pretokenizer *pretokenizer, const cJSON *json, bool *byte_level, struct fathom_error *err) {
    const char *type = string_member(json, "type");
    if (!type) return fm_fail(err, FATHOM_INVALID, "tokenizer: a pre_tokenizer has no type");
    if (strcmp(type, "Sequence") == 0) {
        const cJSON *item;
        cJSON_ArrayForEach(item, member(json, "pretokenizers")) if (!read_pretokenizer(pretokenizer, item,
                                                                        byte_level, err)) return false;
        return true;
    }
    if (*byte_level)
        return fm_fail(err, FATHOM_UNSUPPORTED,
            "tokenizer: pre_tokenizer \"%s\" after ByteLevel is not supported",
            fm_quote(type, strlen(type)).text);
    if (strcmp(type, "Split") == 0) return read_split(pretokenizer, json, err);
    if (strcmp(type, "Digits") == 0)
        return fm_pretokenizer_add(pretokenizer,
            is_true(json, "individual_digits") ? FM_SPLIT_ISOLATED : FM_SPLIT_CONTIGUOUS, false, "\\p{N}", 5,
            false, err);
    if (strcmp(type, "ByteLevel") != 0) return unsupported(err, "pre_tokenizer", type);
    *byte_level = true;
    if (is_true(json, "add_prefix_space") && !fm_pretokenizer_add_prefix_space(pretokenizer, err))
        return false;
    if (cJSON_IsFalse(member(json, "use_regex"))) return true; // missing: true
    return fm_pretokenizer_add(
        pretokenizer, FM_SPLIT_ISOLATED, false, fm_pattern_gpt2, strlen(fm_pattern_gpt2), false, err);
}

// ---- Model -----------------------------------------------------------------------------------------------

// "a b" or ["a", "b"].
static bool read_merge(struct fm_vocab *vocab, uint32_t rank, const cJSON *json, struct fathom_error *err) {
    if (cJSON_IsString(json)) {
        const char *space = strchr(json->valuestring, ' ');
        if (!space || strchr(space + 1, ' '))
            return fm_fail(err, FATHOM_INVALID, "tokenizer: merge %u is not two tokens", rank);
        return fm_vocab_add_merge(vocab, rank, json->valuestring, (size_t)(space - json->valuestring),
            space + 1, strlen(space + 1), err);
    }
    const cJSON *left = cJSON_IsArray(json) ? json->child : NULL, *right = left ? left->next : NULL;
    if (!cJSON_IsString(left) || !cJSON_IsString(right) || right->next)
        return fm_fail(err, FATHOM_INVALID, "tokenizer: merge %u is not two tokens", rank);
    return fm_vocab_add_merge(vocab, rank, left->valuestring, strlen(left->valuestring), right->valuestring,
        strlen(right->valuestring), err);
}

// Checks that the switches of other kinds of BPE are off.
static bool check_model(const cJSON *model, struct fathom_error *err) {
    const char *type = string_member(model, "type");
    if (!cJSON_IsObject(model)) return fm_fail(err, FATHOM_INVALID, "tokenizer: no model");
    if (type && strcmp(type, "BPE") != 0) return unsupported(err, "model", type);
    if (!cJSON_IsObject(member(model, "vocab")))
        return fm_fail(err, FATHOM_INVALID, "tokenizer: model.vocab is missing or not an object");
    if (!cJSON_IsArray(member(model, "merges")))
        return fm_fail(err, FATHOM_INVALID, "tokenizer: model.merges is missing or not an array");
    const cJSON *dropout = member(model, "dropout");
    if (dropout && !cJSON_IsNull(dropout) && !(cJSON_IsNumber(dropout) && dropout->valuedouble == 0))
        return unsupported(err, "model", "dropout");
    static const char *const prefixes[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    for (size_t i = 0; i < 2; i++) {
        const cJSON *value = member(model, prefixes[i]);
        if (value && !cJSON_IsNull(value) && !(cJSON_IsString(value) && !*value->valuestring))
            return unsupported(err, "model", prefixes[i]);
    }
    if (is_true(model, "byte_fallback")) return unsupported(err, "model", "byte_fallback");
    if (is_true(model, "fuse_unk") && string_member(model, "unk_token"))
        return unsupported(err, "model", "fuse_unk");
    return true;
}

static bool read_model(struct fathom_tokenizer *tokenizer, const cJSON *model, struct fathom_error *err) {
    if (!check_model(model, err)) return false;
    const cJSON *item;
    cJSON_ArrayForEach(item, member(model, "vocab")) {
        uint64_t id;
        if (!fm_json_whole(item, &id))
            return fm_fail(err, FATHOM_INVALID,
                "tokenizer: the id of token \"%s\" is not a whole number of at least 0",
                fm_quote(item->string, strlen(item->string)).text);
        if (!fm_vocab_add(&tokenizer->vocab, (int64_t)id, item->string, strlen(item->string), err))
            return false;
    }
    uint32_t rank = 0;
    cJSON_ArrayForEach(
        item, member(model, "merges")) if (!read_merge(&tokenizer->vocab, rank++, item, err)) return false;
    tokenizer->ignore_merges = is_true(model, "ignore_merges");
    return true;
}

// Returns a flag of an added token. tokenizer_config.json overrides tokenizer.json, as on the hub.
static bool added_flag(const cJSON *json, const cJSON *override, const char *name) {
    const cJSON *value = member(override, name);
    return cJSON_IsBool(value) ? cJSON_IsTrue(value) : is_true(json, name);
}

static bool read_added_token(struct fathom_tokenizer *tokenizer, const cJSON *json, const cJSON *override,
    uint64_t id, struct fathom_error *err) {
    const char *content = string_member(json, "content");
    struct fm_added_token token = {
        .content = (char *)content,
        .length = strlen(content),
        .id = (int32_t)id,
        .lstrip = added_flag(json, override, "lstrip"),
        .rstrip = added_flag(json, override, "rstrip"),
        .single_word = added_flag(json, override, "single_word"),
    };
    return fm_tokenizer_add_added(tokenizer, token, added_flag(json, override, "special"),
        added_flag(json, override, "normalized"), err);
}

static bool check_id(const cJSON *token, bool known, uint64_t id, struct fathom_error *err) {
    const char *content = string_member(token, "content");
    if (!content) return fm_fail(err, FATHOM_INVALID, "tokenizer: an added token has no content");
    return (known && id < FM_MAX_TOKENS) ||
        fm_fail(err, FATHOM_INVALID, "tokenizer: the id of added token \"%s\" is missing or outside 0 to %d",
            fm_quote(content, strlen(content)).text, FM_MAX_TOKENS - 1);
}

static const cJSON *find_content(const cJSON *list, const char *content) {
    const cJSON *item;
    cJSON_ArrayForEach(item, list) {
        const char *text = string_member(item, "content");
        if (text && strcmp(text, content) == 0) return item;
    }
    return NULL;
}

// Makes a token that tokenizer_config.json names a special one, when it is only a word of the vocabulary.
static bool add_named(struct fathom_tokenizer *tokenizer, const cJSON *value, struct fathom_error *err) {
    const char *text = cJSON_GetStringValue(cJSON_IsObject(value) ? member(value, "content") : value);
    const int32_t id = text ? fm_vocab_find_spelled(&tokenizer->vocab, text, strlen(text)) : -1;
    if (id < 0 || (tokenizer->vocab.tokens[id].flags & FM_TOKEN_ADDED)) return true;
    const struct fm_added_token token = {.content = (char *)text, .length = strlen(text), .id = id};
    return fm_tokenizer_add_added(tokenizer, token, true, false, err);
}

static bool add_named_tokens(
    struct fathom_tokenizer *tokenizer, const cJSON *config, struct fathom_error *err) {
    static const char *const names[] = {"bos_token", "eos_token", "unk_token", "pad_token"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (!add_named(tokenizer, member(config, names[i]), err)) return false;
    const cJSON *item;
    cJSON_ArrayForEach(item, member(config, "additional_special_tokens")) {
        if (!add_named(tokenizer, item, err)) return false;
    }
    return true;
}

// Reads the added tokens of tokenizer.json, and those that only tokenizer_config.json has. The latter are
// keyed by their ids; a token that the vocabulary has already keeps the vocabulary's id. A token whose id
// another one has is left out: tokenizer.json says what the model was trained with.
static bool read_added_tokens(
    struct fathom_tokenizer *tokenizer, const cJSON *list, const cJSON *decoder, struct fathom_error *err) {
    const cJSON *item;
    cJSON_ArrayForEach(item, list) {
        uint64_t id = 0;
        const bool known = fm_json_whole(member(item, "id"), &id);
        if (!check_id(item, known, id, err) ||
            !read_added_token(
                tokenizer, item, find_content(decoder, string_member(item, "content")), id, err))
            return false;
    }
    cJSON_ArrayForEach(item, decoder) {
        char *end;
        uint64_t id = strtoull(item->string, &end, 10);
        if (!check_id(item, end != item->string && !*end, id, err)) return false;
        const char *content = string_member(item, "content");
        if (find_content(list, content)) continue;
        const struct fm_vocab *vocab = &tokenizer->vocab;
        const int32_t held = fm_vocab_find_spelled(vocab, content, strlen(content));
        if (held < 0 && id < vocab->n_tokens && (vocab->tokens[id].flags & FM_TOKEN_PRESENT)) continue;
        if (!read_added_token(tokenizer, item, NULL, held >= 0 ? (uint64_t)held : id, err)) return false;
    }
    return true;
}

// Reads the post-processor: a template, alone or in a sequence of processors, that may begin with a special
// token.
static const char *first_special(const cJSON *processor) {
    const char *found =
        string_member(member(cJSON_GetArrayItem(member(processor, "single"), 0), "SpecialToken"), "id");
    const cJSON *item;
    cJSON_ArrayForEach(item, member(processor, "processors")) if (!found) found = first_special(item);
    return found;
}

// ---- The whole file --------------------------------------------------------------------------------------

// The bytes of a text are those of its tokens: decoders that do more change the text.
static bool check_decoder(const cJSON *decoder, struct fathom_error *err) {
    const char *type = string_member(decoder, "type");
    const cJSON *item;
    if (!type || strcmp(type, "ByteLevel") == 0 || strcmp(type, "Fuse") == 0) return true;
    if (strcmp(type, "Sequence") != 0) return unsupported(err, "decoder", type);
    cJSON_ArrayForEach(item, member(decoder, "decoders")) if (!check_decoder(item, err)) return false;
    return true;
}

static bool read_all(
    struct fathom_tokenizer *tokenizer, const cJSON *json, const cJSON *config, struct fathom_error *err) {
    if (!cJSON_IsObject(json)) return fm_fail(err, FATHOM_INVALID, "tokenizer: not a JSON object");
    if (!check_decoder(member(json, "decoder"), err)) return false;
    bool byte_level = false;
    const cJSON *pretokenizer = member(json, "pre_tokenizer");
    if (!read_normalizer(tokenizer, member(json, "normalizer"), err)) return false;
    if (cJSON_IsObject(pretokenizer) &&
        !read_pretokenizer(&tokenizer->pretokenizer, pretokenizer, &byte_level, err))
        return false;
    if (!byte_level)
        return fm_fail(
            err, FATHOM_UNSUPPORTED, "tokenizer: a pre_tokenizer without ByteLevel is not supported");
    const cJSON *model = member(json, "model");
    if (!read_model(tokenizer, model, err) ||
        !read_added_tokens(
            tokenizer, member(json, "added_tokens"), member(config, "added_tokens_decoder"), err) ||
        !add_named_tokens(tokenizer, config, err))
        return false;
    // as on the hub, an unk_token that does not exist matters only to a byte without a token
    const char *unknown = string_member(model, "unk_token");
    if (unknown) tokenizer->unknown = fathom_tokenizer_find(tokenizer, unknown);
    const char *first = first_special(member(json, "post_processor"));
    if (first) tokenizer->first = fathom_tokenizer_find(tokenizer, first);
    return fm_tokenizer_finish(tokenizer, err);
}

struct fathom_tokenizer *fm_tokenizer_read(const cJSON *json, const cJSON *config, struct fathom_error *err) {
    struct fathom_tokenizer *tokenizer = fm_tokenizer_new(err);
    if (tokenizer && !read_all(tokenizer, json, config, err)) fathom_tokenizer_destroy(&tokenizer);
    return tokenizer;
}

struct fathom_tokenizer *fm_tokenizer_from_json(const char *text, size_t length, struct fathom_error *err) {
    cJSON *json = fm_json_parse("tokenizer", text, length, err);
    struct fathom_tokenizer *tokenizer = json ? fm_tokenizer_read(json, NULL, err) : NULL;
    cJSON_Delete(json);
    if (tokenizer && !fm_tokenizer_name_known(tokenizer, err)) fathom_tokenizer_destroy(&tokenizer);
    return tokenizer;
}
