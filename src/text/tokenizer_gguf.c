// Builds a tokenizer from the tokenizer.ggml.* keys of a GGUF file.
#include "file/known_patterns.h"
#include "text/marks.h"
#include "text/tokenizer_parts.h"
#include "text/utf8.h"
#include <stdlib.h>
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

static bool read_id(const struct fm_tensors *tensors, const struct fathom_tokenizer *tokenizer,
    const char *key, int32_t *id, struct fathom_error *err) {
    struct fathom_error wrong = {0};
    uint32_t value;
    if (fm_meta_u32(tensors, key, &value, &wrong)) {
        if (value >= fathom_tokenizer_count(tokenizer))
            return fm_fail(err, FATHOM_INVALID, "%s is %u, the tokenizer has %u tokens", key, value,
                fathom_tokenizer_count(tokenizer));
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

static bool add_splits(
    struct fathom_tokenizer *tokenizer, const char *pre, bool *adds_bos, struct fathom_error *err) {
    const struct fm_known_patterns *known = fm_known_patterns_find(pre);
    if (!known)
        return fm_fail(err, FATHOM_UNSUPPORTED,
            "tokenizer.ggml.pre \"%s\" is not supported; a folder with the model's tokenizer.json may work",
            fm_quote(pre, strlen(pre)).text);
    tokenizer->nfc = known->nfc;
    tokenizer->ignore_merges = known->ignore_merges;
    *adds_bos = known->adds_bos;
    for (const char *const *pattern = known->patterns; *pattern; pattern++)
        if (!fm_pretokenizer_add(
                &tokenizer->pretokenizer, FM_SPLIT_ISOLATED, false, *pattern, strlen(*pattern), false, err))
            return false;
    return true;
}

static bool add_token(struct fathom_tokenizer *tokenizer, size_t id, int32_t type, const char *text,
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

// Writes the length of an array, or 0 when the key is missing. A key of another type is refused.
static bool array_length(
    const struct fm_tensors *tensors, const char *key, size_t *length, struct fathom_error *err) {
    *length = fm_meta_array_length(tensors, key);
    return *length || !fm_meta_has(tensors, key) ||
        fm_fail(err, FATHOM_INVALID, "%s is not an array, or is empty", key);
}

static bool add_tokens(
    const struct fm_tensors *tensors, struct fathom_tokenizer *tokenizer, struct fathom_error *err) {
    size_t n, n_types;
    if (!array_length(tensors, "tokenizer.ggml.tokens", &n, err) ||
        !array_length(tensors, "tokenizer.ggml.token_type", &n_types, err))
        return false;
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

static bool has_words(const struct fm_vocab *vocab) {
    for (size_t id = 0; id < vocab->n_tokens; id++)
        if ((vocab->tokens[id].flags & FM_TOKEN_WORD) && vocab->tokens[id].length > 1) return true;
    return false;
}

// Skips merges of tokens that are not in the vocabulary, as llama.cpp does: some files have a shortened
// vocabulary but all merges. Refuses a vocabulary of words without any merge that counts, because every text
// would then be cut into bytes, of which the model can make nothing.
static bool add_merges(const struct fm_tensors *tensors, struct fm_vocab *vocab, struct fathom_error *err) {
    size_t n;
    if (!array_length(tensors, "tokenizer.ggml.merges", &n, err)) return false;
    if (!n)
        return fm_fail(err, FATHOM_INVALID,
            "tokenizer.ggml.merges is missing: without merges no text becomes words; convert the model again "
            "from its folder");
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
    return vocab->n_merges || !has_words(vocab) ||
        fm_fail(err, FATHOM_INVALID, "tokenizer.ggml.merges: none of %zu entries makes a token of two", n);
}

// ---- Marks with a wrong type -----------------------------------------------------------------------------

static void find_merged(const struct fm_vocab *vocab, bool *merged) {
    for (size_t i = 0; i < vocab->merges_capacity; i++)
        if (vocab->merges[i].value != FM_NO_MERGE) merged[(uint32_t)vocab->merges[i].value] = true;
}

// Files of some converters have marks of the type NORMAL, or no types at all. llama.cpp corrects the type of
// the marks that it knows by their text. Here a token is a mark when it looks like one and no merge makes it:
// words of the vocabulary that look like marks, such as "<s>" of Qwen, come from merges. "[PAD1]" fills a gap
// in the vocabulary, and <0x00> is a byte.
static bool correct_types(
    const struct fm_tensors *tensors, struct fathom_tokenizer *tokenizer, struct fathom_error *err) {
    struct fm_vocab *vocab = &tokenizer->vocab;
    bool *merged = calloc(vocab->n_tokens, sizeof(*merged)), done = true;
    if (!merged)
        return fm_fail(err, FATHOM_NO_MEMORY, "tokenizer: no memory for %zu tokens", vocab->n_tokens);
    find_merged(vocab, merged);
    for (size_t id = 0; done && id < vocab->n_tokens; id++) {
        const char *text;
        size_t length;
        if ((vocab->tokens[id].flags & FM_TOKEN_ADDED) || merged[id] ||
            !fm_meta_array_string(tensors, "tokenizer.ggml.tokens", id, &text, &length) ||
            !fm_looks_like_mark(text, length) || (length > 4 && memcmp(text, "[PAD", 4) == 0) ||
            (length == 6 && memcmp(text, "<0x", 3) == 0))
            continue;
        struct fm_added_token token = {.content = (char *)text, .length = length, .id = (int32_t)id};
        const bool control = fm_looks_like_control(text, length) || fm_is_end_mark(text, length);
        done = fm_tokenizer_add_added(tokenizer, token, control, false, err);
    }
    free(merged);
    return done;
}

// ---- Special tokens --------------------------------------------------------------------------------------

// The keys of llama.cpp for single tokens, and the key of Ollama for a list.
static bool read_ends(
    const struct fm_tensors *tensors, struct fathom_tokenizer *tokenizer, struct fathom_error *err) {
    static const char *const keys[] = {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"},
                             list[] = "tokenizer.ggml.eos_token_ids";
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        int32_t id = -1;
        if (!read_id(tensors, tokenizer, keys[i], &id, err)) return false;
        if (id >= 0) fm_tokenizer_add_end(tokenizer, id);
    }
    size_t n;
    if (!array_length(tensors, list, &n, err)) return false;
    for (size_t i = 0; i < n; i++) {
        int32_t id;
        if (!fm_meta_array_i32(tensors, list, i, &id) || id < 0 ||
            (size_t)id >= fathom_tokenizer_count(tokenizer))
            return fm_fail(err, FATHOM_INVALID, "%s: entry %zu is not an id of the %u tokens", list, i,
                fathom_tokenizer_count(tokenizer));
        fm_tokenizer_add_end(tokenizer, id);
        if (tokenizer->eos < 0) tokenizer->eos = id;
    }
    return true;
}

// Templates alone use unk and pad: a wrong id of these does no harm.
static bool read_named(
    const struct fm_tensors *tensors, struct fathom_tokenizer *tokenizer, struct fathom_error *err) {
    static const char *const keys[FM_NAMED_TOKENS] = {[FM_NAMED_UNK] = "tokenizer.ggml.unknown_token_id",
        [FM_NAMED_PAD] = "tokenizer.ggml.padding_token_id"};
    for (size_t i = FM_NAMED_UNK; i < FM_NAMED_TOKENS; i++) {
        int32_t id = -1;
        size_t length;
        read_id(tensors, tokenizer, keys[i], &id, NULL);
        const char *text = fathom_token_bytes(tokenizer, id, &length);
        if (text && !fm_tokenizer_set_text(&tokenizer->named[i], text, length, err)) return false;
    }
    return read_id(tensors, tokenizer, "tokenizer.ggml.bos_token_id", &tokenizer->bos, err) &&
        read_id(tensors, tokenizer, "tokenizer.ggml.eos_token_id", &tokenizer->eos, err);
}

static bool read_all(
    const struct fm_tensors *tensors, struct fathom_tokenizer *tokenizer, struct fathom_error *err) {
    const char *model, *pre;
    bool adds_bos;
    if (!read_string(tensors, "tokenizer.ggml.model", &model, err) ||
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
    if (!add_splits(tokenizer, pre, &adds_bos, err) || !add_tokens(tensors, tokenizer, err) ||
        !add_merges(tensors, &tokenizer->vocab, err) || !correct_types(tensors, tokenizer, err) ||
        !read_bool(tensors, "tokenizer.ggml.add_bos_token", &adds_bos, err) ||
        !read_named(tensors, tokenizer, err) || !read_ends(tensors, tokenizer, err) ||
        !fm_tokenizer_finish(tokenizer, err) || !fm_tokenizer_name_known(tokenizer, err))
        return false;
    if (adds_bos) tokenizer->first = tokenizer->bos;
    return true;
}

static bool set_template(
    const struct fm_tensors *tensors, const char *key, char **text, struct fathom_error *err) {
    const char *value;
    return read_string(tensors, key, &value, err) &&
        (!value || fm_tokenizer_set_text(text, value, strlen(value), err));
}

bool fm_tokenizer_read_templates(
    const struct fm_tensors *tensors, struct fathom_tokenizer *tokenizer, struct fathom_error *err) {
    return set_template(tensors, "tokenizer.chat_template", &tokenizer->chat_template, err) &&
        set_template(tensors, "tokenizer.chat_template.tool_use", &tokenizer->tool_template, err);
}

struct fathom_tokenizer *fm_tokenizer_from_tensors(
    const struct fm_tensors *tensors, struct fathom_error *err) {
    struct fathom_tokenizer *tokenizer = fm_tokenizer_new(err);
    if (tokenizer &&
        (!read_all(tensors, tokenizer, err) || !fm_tokenizer_read_templates(tensors, tokenizer, err)))
        fathom_tokenizer_destroy(&tokenizer);
    return tokenizer;
}
