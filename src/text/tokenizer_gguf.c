// Builds a tokenizer from the tokenizer.ggml.* keys of a GGUF file.
#include "text/known_patterns.h"
#include "text/tokenizer_parts.h"
#include "text/utf8.h"
#include <string.h>

// tokenizer.ggml.token_type
enum token_type { TYPE_NORMAL = 1, TYPE_UNKNOWN, TYPE_CONTROL, TYPE_USER_DEFINED, TYPE_UNUSED, TYPE_BYTE };

// Returns false when the key has the wrong type. *value is NULL when the key is missing.
static bool read_string(
    const struct fm_tensors *tensors, const char *key, const char **value, struct fathom_error *err) {
    struct fathom_error wrong = {0};
    size_t length;
    *value = NULL;
    if (fm_meta_string(tensors, key, value, &length, &wrong) || wrong.status == FATHOM_OK) return true;
    return fm_fail(err, wrong.status, "%s", wrong.message);
}

static bool read_id(const struct fm_tensors *tensors, const struct fm_tokenizer *tokenizer, const char *key,
    int32_t *id, struct fathom_error *err) {
    struct fathom_error wrong = {0};
    uint32_t value;
    if (fm_meta_u32(tensors, key, &value, &wrong)) {
        if (value >= fm_tokenizer_size(tokenizer))
            return fm_fail(err, FATHOM_INVALID, "%s is %u, the tokenizer has %zu tokens", key, value,
                fm_tokenizer_size(tokenizer));
        *id = (int32_t)value;
    } else if (wrong.status != FATHOM_OK) {
        return fm_fail(err, wrong.status, "%s", wrong.message);
    }
    return true;
}

static bool read_bool(
    const struct fm_tensors *tensors, const char *key, bool *value, struct fathom_error *err) {
    struct fathom_error wrong = {0};
    if (fm_meta_bool(tensors, key, value, &wrong) || wrong.status == FATHOM_OK) return true;
    return fm_fail(err, wrong.status, "%s", wrong.message);
}

static bool add_splits(struct fm_tokenizer *tokenizer, const char *pre, struct fathom_error *err) {
    const struct fm_known_patterns *known = fm_known_patterns_find(pre);
    if (!known)
        return fm_fail(err, FATHOM_UNSUPPORTED, "tokenizer.ggml.pre \"%s\" is not supported",
            fm_quote(pre, strlen(pre)).text);
    tokenizer->nfc = known->nfc;
    tokenizer->ignore_merges = known->ignore_merges;
    tokenizer->adds_bos = known->adds_bos;
    for (const char *const *pattern = known->patterns; *pattern; pattern++)
        if (!fm_pretokenizer_add(
                &tokenizer->pretokenizer, FM_SPLIT_ISOLATED, false, *pattern, strlen(*pattern), false, err))
            return false;
    return true;
}

static bool add_token(struct fm_tokenizer *tokenizer, size_t id, int32_t type, const char *text,
    size_t length, struct fathom_error *err) {
    switch (type) {
    case TYPE_CONTROL:
    case TYPE_USER_DEFINED: {
        struct fm_added_token token = {.content = (char *)text, .length = length, .id = (int32_t)id};
        return fm_tokenizer_add_added(tokenizer, token, type == TYPE_CONTROL, false, err);
    }
    case TYPE_UNUSED:
    case TYPE_BYTE: return fm_vocab_add_literal(&tokenizer->vocab, (int64_t)id, text, length, 0, err);
    default: return fm_vocab_add(&tokenizer->vocab, (int64_t)id, text, length, err);
    }
}

static bool add_tokens(
    const struct fm_tensors *tensors, struct fm_tokenizer *tokenizer, struct fathom_error *err) {
    size_t n = fm_meta_array_length(tensors, "tokenizer.ggml.tokens"),
           n_types = fm_meta_array_length(tensors, "tokenizer.ggml.token_type");
    if (!n) return fm_fail(err, FATHOM_INVALID, "tokenizer.ggml.tokens is missing or empty");
    if (n > FM_MAX_TOKENS)
        return fm_fail(
            err, FATHOM_INVALID, "tokenizer.ggml.tokens has %zu entries, more than %d", n, FM_MAX_TOKENS);
    if (n_types && n_types != n)
        return fm_fail(
            err, FATHOM_INVALID, "tokenizer.ggml.token_type has %zu entries for %zu tokens", n_types, n);
    for (size_t id = 0; id < n; id++) {
        const char *text;
        size_t length;
        int32_t type = TYPE_NORMAL;
        if (!fm_meta_array_string(tensors, "tokenizer.ggml.tokens", id, &text, &length))
            return fm_fail(err, FATHOM_INVALID, "tokenizer.ggml.tokens: entry %zu is not a string", id);
        if (n_types && !fm_meta_array_i32(tensors, "tokenizer.ggml.token_type", id, &type))
            return fm_fail(err, FATHOM_INVALID, "tokenizer.ggml.token_type: entry %zu is not a number", id);
        if (!add_token(tokenizer, id, type, text, length, err)) return false;
    }
    return true;
}

// Skips merges of tokens that are not in the vocabulary, as llama.cpp does: some files have a shortened
// vocabulary but all merges.
static bool add_merges(const struct fm_tensors *tensors, struct fm_vocab *vocab, struct fathom_error *err) {
    size_t n = fm_meta_array_length(tensors, "tokenizer.ggml.merges");
    if (n > UINT32_MAX) return fm_fail(err, FATHOM_INVALID, "tokenizer.ggml.merges has %zu entries", n);
    for (size_t i = 0; i < n; i++) {
        const char *text, *space = NULL;
        size_t length;
        if (fm_meta_array_string(tensors, "tokenizer.ggml.merges", i, &text, &length))
            space = memchr(text, ' ', length);
        if (!space)
            return fm_fail(err, FATHOM_INVALID, "tokenizer.ggml.merges: entry %zu is not two tokens", i);
        size_t n_left = (size_t)(space - text);
        struct fathom_error missing = {0};
        if (!fm_vocab_add_merge(vocab, (uint32_t)i, text, n_left, space + 1, length - n_left - 1, &missing) &&
            missing.status != FATHOM_INVALID)
            return fm_fail(err, missing.status, "%s", missing.message);
    }
    return true;
}

static bool read_all(
    const struct fm_tensors *tensors, struct fm_tokenizer *tokenizer, struct fathom_error *err) {
    const char *model, *pre, *chat;
    if (!read_string(tensors, "tokenizer.chat_template", &chat, err) ||
        !read_string(tensors, "tokenizer.ggml.model", &model, err) ||
        !read_string(tensors, "tokenizer.ggml.pre", &pre, err))
        return false;
    if (!model)
        return fm_fail(err, FATHOM_INVALID, "tokenizer.ggml.model is missing: the file has no tokenizer");
    if (!pre)
        return fm_fail(
            err, FATHOM_INVALID, "tokenizer.ggml.pre is missing: the model's pre-tokenizer is unknown");
    if (strcmp(model, "gpt2") != 0)
        return fm_fail(err, FATHOM_UNSUPPORTED,
            "tokenizer.ggml.model \"%s\" is not supported, only \"gpt2\" (byte-level BPE) is",
            fm_quote(model, strlen(model)).text);
    if (chat && !(tokenizer->chat_template = strdup(chat)))
        return fm_fail(err, FATHOM_NO_MEMORY, "tokenizer: no memory");
    return add_splits(tokenizer, pre, err) && add_tokens(tensors, tokenizer, err) &&
        add_merges(tensors, &tokenizer->vocab, err) &&
        read_bool(tensors, "tokenizer.ggml.add_bos_token", &tokenizer->adds_bos, err) &&
        read_id(tensors, tokenizer, "tokenizer.ggml.bos_token_id", &tokenizer->bos, err) &&
        read_id(tensors, tokenizer, "tokenizer.ggml.eos_token_id", &tokenizer->eos, err) &&
        fm_tokenizer_finish(tokenizer, err);
}

struct fm_tokenizer *fm_tokenizer_from_tensors(const struct fm_tensors *tensors, struct fathom_error *err) {
    struct fm_tokenizer *tokenizer = fm_tokenizer_new(err);
    if (tokenizer && !read_all(tensors, tokenizer, err)) fm_tokenizer_destroy(&tokenizer);
    return tokenizer;
}
