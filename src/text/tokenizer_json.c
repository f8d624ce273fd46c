// Builds a tokenizer from tokenizer.json, which holds a whole tokenizer in a hub folder.
#include "base/json.h"
#include "text/tokenizer_parts.h"
#include "text/utf8.h"
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

static bool read_normalizer(struct fm_tokenizer *tokenizer, const cJSON *json, struct fathom_error *err) {
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

static bool read_model(struct fm_tokenizer *tokenizer, const cJSON *model, struct fathom_error *err) {
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

static bool read_added_token(struct fm_tokenizer *tokenizer, const cJSON *json, struct fathom_error *err) {
    const char *content = string_member(json, "content");
    if (!content) return fm_fail(err, FATHOM_INVALID, "tokenizer: an added token has no content");
    uint64_t id;
    if (!fm_json_whole(member(json, "id"), &id) || id >= FM_MAX_TOKENS)
        return fm_fail(err, FATHOM_INVALID,
            "tokenizer: the id of added token \"%s\" is missing or outside 0 to %d",
            fm_quote(content, strlen(content)).text, FM_MAX_TOKENS - 1);
    struct fm_added_token token = {
        .content = (char *)content,
        .length = strlen(content),
        .id = (int32_t)id,
        .lstrip = is_true(json, "lstrip"),
        .rstrip = is_true(json, "rstrip"),
        .single_word = is_true(json, "single_word"),
    };
    return fm_tokenizer_add_added(
        tokenizer, token, is_true(json, "special"), is_true(json, "normalized"), err);
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

static bool read_all(struct fm_tokenizer *tokenizer, const cJSON *json, struct fathom_error *err) {
    if (!cJSON_IsObject(json)) return fm_fail(err, FATHOM_INVALID, "tokenizer: not a JSON object");
    const char *decoder = string_member(member(json, "decoder"), "type");
    if (decoder && strcmp(decoder, "ByteLevel") != 0) return unsupported(err, "decoder", decoder);
    bool byte_level = false;
    const cJSON *pretokenizer = member(json, "pre_tokenizer"), *item;
    if (!read_normalizer(tokenizer, member(json, "normalizer"), err)) return false;
    if (cJSON_IsObject(pretokenizer) &&
        !read_pretokenizer(&tokenizer->pretokenizer, pretokenizer, &byte_level, err))
        return false;
    if (!byte_level)
        return fm_fail(
            err, FATHOM_UNSUPPORTED, "tokenizer: a pre_tokenizer without ByteLevel is not supported");
    const cJSON *model = member(json, "model");
    if (!read_model(tokenizer, model, err)) return false;
    cJSON_ArrayForEach(
        item, member(json, "added_tokens")) if (!read_added_token(tokenizer, item, err)) return false;
    const char *unknown = string_member(model, "unk_token");
    if (unknown && (tokenizer->unknown = fm_tokenizer_find(tokenizer, unknown)) < 0)
        return fm_fail(err, FATHOM_INVALID, "tokenizer: unk_token \"%s\" is not in the vocabulary",
            fm_quote(unknown, strlen(unknown)).text);
    const char *first = first_special(member(json, "post_processor"));
    if (!fm_tokenizer_finish(tokenizer, err)) return false;
    tokenizer->adds_bos =
        first && tokenizer->bos >= 0 && fm_tokenizer_find(tokenizer, first) == tokenizer->bos;
    return true;
}

struct fm_tokenizer *fm_tokenizer_from_json(const char *text, size_t length, struct fathom_error *err) {
    cJSON *json = fm_json_parse("tokenizer", text, length, err);
    if (!json) return NULL;
    struct fm_tokenizer *tokenizer = fm_tokenizer_new(err);
    if (tokenizer && !read_all(tokenizer, json, err)) fm_tokenizer_destroy(&tokenizer);
    cJSON_Delete(json);
    return tokenizer;
}
