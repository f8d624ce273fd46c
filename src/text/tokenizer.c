#include "text/tokenizer.h"
#include "text/bpe.h"
#include "text/marks.h"
#include "text/normalize.h"
#include "text/tokenizer_parts.h"
#include "text/utf8.h"
#include <stdlib.h>
#include <string.h>

// ---- Building --------------------------------------------------------------------------------------------

struct fathom_tokenizer *fm_tokenizer_new(struct fathom_error *err) {
    struct fathom_tokenizer *tokenizer = calloc(1, sizeof(*tokenizer));
    if (!tokenizer) {
        fm_fail(err, FATHOM_NO_MEMORY, "tokenizer: no memory");
        return NULL;
    }
    fm_vocab_init(&tokenizer->vocab);
    tokenizer->unknown = tokenizer->bos = tokenizer->eos = tokenizer->first = -1;
    return tokenizer;
}

void fathom_tokenizer_destroy(struct fathom_tokenizer **tokenizer) {
    if (!tokenizer || !*tokenizer) return;
    fm_vocab_clear(&(*tokenizer)->vocab);
    fm_pretokenizer_clear(&(*tokenizer)->pretokenizer);
    fm_added_tokens_clear(&(*tokenizer)->added);
    fm_added_tokens_clear(&(*tokenizer)->added_normal);
    free((*tokenizer)->chat_template);
    free((*tokenizer)->tool_template);
    free((*tokenizer)->architecture);
    for (size_t i = 0; i < FM_NAMED_TOKENS; i++) free((*tokenizer)->named[i]);
    free(*tokenizer);
    *tokenizer = NULL;
}

bool fm_tokenizer_add_added(struct fathom_tokenizer *tokenizer, struct fm_added_token token, bool special,
    bool normalized, struct fathom_error *err) {
    token.mark = special || fm_looks_like_mark(token.content, token.length);
    const uint8_t flags =
        FM_TOKEN_ADDED | (special ? FM_TOKEN_SPECIAL : 0) | (token.mark ? FM_TOKEN_MARK : 0);
    if (!fm_vocab_add_literal(&tokenizer->vocab, token.id, token.content, token.length, flags, err))
        return false;
    if (!normalized) return fm_added_tokens_add(&tokenizer->added, token, err);
    char *owned = NULL;
    const char *normal = token.content;
    if (tokenizer->nfc && fm_utf8_valid(token.content, token.length) == token.length) {
        if (!fm_nfc(token.content, token.length, &normal, &token.length, &owned, err)) return false;
        token.content = (char *)normal;
    }
    bool added = fm_added_tokens_add(&tokenizer->added_normal, token, err);
    free(owned);
    return added;
}

// Flags the tokens that a word equal to them becomes: those that result from merging their own bytes, or all
// where the model ignores merges. Such a word needs only one table lookup. A mark is none of them.
static bool find_whole(struct fm_vocab *vocab, bool ignore_merges, struct fathom_error *err) {
    struct fm_bpe_scratch scratch = {0};
    bool done = true;
    for (size_t id = 0; done && id < vocab->n_tokens; id++) {
        struct fm_token *token = &vocab->tokens[id];
        if (!(token->flags & FM_TOKEN_WORD) || (token->flags & FM_TOKEN_MARK) || !token->length) continue;
        if (ignore_merges) {
            token->flags |= FM_TOKEN_WHOLE;
            continue;
        }
        const char *word = vocab->bytes + token->offset;
        bool complete = true;
        for (size_t i = 0; i < token->length; i++)
            complete = complete && vocab->byte_ids[(unsigned char)word[i]] >= 0;
        size_t count;
        if (complete && (done = fm_bpe_merge(vocab, word, token->length, -1, &scratch, &count, err)) &&
            count == 1 && scratch.ids[0] == (int32_t)id)
            token->flags |= FM_TOKEN_WHOLE;
    }
    fm_bpe_scratch_clear(&scratch);
    return done;
}

void fm_tokenizer_add_end(struct fathom_tokenizer *tokenizer, int32_t id) {
    tokenizer->vocab.tokens[id].flags |= FM_TOKEN_END;
}

static bool has_added(const struct fm_vocab *vocab, const char *name) {
    const int32_t id = fm_vocab_find_name(vocab, name, strlen(name));
    return id >= 0 && (vocab->tokens[id].flags & FM_TOKEN_ADDED);
}

// The first of the names that is an added token; -1: none.
static int32_t find_first(const struct fathom_tokenizer *tokenizer, const char *const *names) {
    while (*names && !has_added(&tokenizer->vocab, *names)) names++;
    return *names ? fathom_tokenizer_find(tokenizer, *names) : -1;
}

// <|end|> ends one message of several in the tokenizers that have <|return|> and <|call|>.
static void find_ends(struct fathom_tokenizer *tokenizer) {
    struct fm_vocab *vocab = &tokenizer->vocab;
    const bool several = has_added(vocab, "<|return|>") && has_added(vocab, "<|call|>");
    for (size_t id = 0; id < vocab->n_tokens; id++) {
        const struct fm_token *token = &vocab->tokens[id];
        const char *text = vocab->bytes + token->offset;
        if ((token->flags & FM_TOKEN_ADDED) && fm_is_end_mark(text, token->length) &&
            !(several && token->length == 7 && memcmp(text, "<|end|>", 7) == 0))
            fm_tokenizer_add_end(tokenizer, (int32_t)id);
    }
}

bool fm_tokenizer_set_text(char **text, const char *value, size_t length, struct fathom_error *err) {
    char *copy = strndup(value, length);
    if (!copy) return fm_fail(err, FATHOM_NO_MEMORY, "tokenizer: no memory");
    free(*text);
    *text = copy;
    return true;
}

bool fm_tokenizer_name_known(struct fathom_tokenizer *tokenizer, struct fathom_error *err) {
    const int32_t ids[] = {[FM_NAMED_BOS] = tokenizer->bos, [FM_NAMED_EOS] = tokenizer->eos};
    for (size_t i = 0; i < 2; i++) {
        size_t length;
        const char *text = fathom_token_bytes(tokenizer, ids[i], &length);
        if (text && !tokenizer->named[i] && !fm_tokenizer_set_text(&tokenizer->named[i], text, length, err))
            return false;
    }
    return true;
}

bool fm_tokenizer_finish(struct fathom_tokenizer *tokenizer, struct fathom_error *err) {
    static const char *const bos_names[] = {"<｜begin▁of▁sentence｜>", "<|begin_of_text|>", "<s>", NULL};
    static const char *const eos_names[] = {"<｜end▁of▁sentence｜>", "<|eot_id|>", "<|im_end|>",
        "<|end_of_text|>", "</s>", "<|endoftext|>", NULL};
    if (!tokenizer->vocab.words.count)
        return fm_fail(err, FATHOM_INVALID, "tokenizer: the vocabulary is empty");
    fm_added_tokens_sort(&tokenizer->added);
    fm_added_tokens_sort(&tokenizer->added_normal);
    if (tokenizer->bos < 0) tokenizer->bos = find_first(tokenizer, bos_names);
    if (tokenizer->eos < 0) tokenizer->eos = find_first(tokenizer, eos_names);
    find_ends(tokenizer);
    return fm_vocab_drop_merged_marks(&tokenizer->vocab, err) &&
        find_whole(&tokenizer->vocab, tokenizer->ignore_merges, err);
}

// ---- Tokens ----------------------------------------------------------------------------------------------

const char *fathom_token_bytes(const struct fathom_tokenizer *tokenizer, int32_t id, size_t *length) {
    if (length) *length = 0;
    if (!tokenizer || id < 0 || (size_t)id >= tokenizer->vocab.n_tokens) return NULL;
    const struct fm_token *token = &tokenizer->vocab.tokens[id];
    if (!(token->flags & FM_TOKEN_PRESENT)) return NULL;
    if (length) *length = token->length;
    return tokenizer->vocab.bytes + token->offset;
}

bool fathom_token_is_control(const struct fathom_tokenizer *tokenizer, int32_t id) {
    return tokenizer && id >= 0 && (size_t)id < tokenizer->vocab.n_tokens &&
        (tokenizer->vocab.tokens[id].flags & FM_TOKEN_SPECIAL);
}

int32_t fathom_tokenizer_find(const struct fathom_tokenizer *tokenizer, const char *content) {
    if (!tokenizer || !content) return -1;
    const int32_t id = fm_vocab_find_name(&tokenizer->vocab, content, strlen(content));
    return id >= 0 ? id : fm_vocab_find_word(&tokenizer->vocab, content, strlen(content));
}

int32_t fm_tokenizer_bos(const struct fathom_tokenizer *tokenizer) {
    return tokenizer->bos;
}
int32_t fathom_tokenizer_last(const struct fathom_tokenizer *tokenizer) {
    return tokenizer ? tokenizer->eos : -1;
}
bool fathom_token_is_end(const struct fathom_tokenizer *tokenizer, int32_t id) {
    return tokenizer && id >= 0 && (size_t)id < tokenizer->vocab.n_tokens &&
        (id == tokenizer->eos || (tokenizer->vocab.tokens[id].flags & FM_TOKEN_END));
}
int32_t fathom_tokenizer_first(const struct fathom_tokenizer *tokenizer) {
    return tokenizer ? tokenizer->first : -1;
}
const char *fm_tokenizer_chat_template(const struct fathom_tokenizer *tokenizer) {
    return tokenizer->chat_template;
}
const char *fm_tokenizer_tool_template(const struct fathom_tokenizer *tokenizer) {
    return tokenizer->tool_template;
}
const char *fm_tokenizer_named(const struct fathom_tokenizer *tokenizer, enum fm_named_token which) {
    return tokenizer->named[which];
}
const char *fm_tokenizer_architecture(const struct fathom_tokenizer *tokenizer) {
    return tokenizer->architecture;
}
uint32_t fathom_tokenizer_count(const struct fathom_tokenizer *tokenizer) {
    return tokenizer ? (uint32_t)tokenizer->vocab.n_tokens : 0; // FM_MAX_TOKENS at most
}

// ---- Encoding --------------------------------------------------------------------------------------------

// The state of one call.
struct encoding {
    const struct fathom_tokenizer *tokenizer;
    struct fm_tokens *tokens;
    struct fathom_error *err;
    struct fm_bpe_scratch bpe;
    struct fm_words words;
};

static bool append(struct encoding *e, const int32_t *ids, size_t n) {
    struct fm_tokens *tokens = e->tokens;
    if (n > tokens->capacity - tokens->count) {
        size_t capacity = 2 * tokens->capacity + n + 64;
        int32_t *grown = realloc(tokens->ids, capacity * sizeof(*grown));
        if (!grown) return fm_fail(e->err, FATHOM_NO_MEMORY, "tokenizer: no memory for %zu tokens", capacity);
        tokens->ids = grown;
        tokens->capacity = capacity;
    }
    memcpy(tokens->ids + tokens->count, ids, n * sizeof(*ids));
    tokens->count += n;
    return true;
}

static bool encode_word(struct encoding *e, const char *word, size_t length) {
    const struct fm_vocab *vocab = &e->tokenizer->vocab;
    int32_t id = fm_vocab_find_word(vocab, word, length);
    if (id >= 0 && (vocab->tokens[id].flags & FM_TOKEN_WHOLE)) return append(e, &id, 1);
    size_t count;
    return fm_bpe_merge(vocab, word, length, e->tokenizer->unknown, &e->bpe, &count, e->err) &&
        append(e, e->bpe.ids, count);
}

static bool encode_words(struct encoding *e, const char *text, size_t length, struct fm_origin origin) {
    (void)origin; // no word becomes a mark
    if (!fm_pretokenize(&e->tokenizer->pretokenizer, text, length, &e->words, e->err)) return false;
    for (size_t i = 0; i < e->words.spans.count; i++)
        if (!encode_word(e, e->words.text + e->words.spans.items[i].start, e->words.spans.items[i].length))
            return false;
    return true;
}

// The origin of the text from byte `at` on.
static struct fm_origin origin_from(struct fm_origin origin, size_t at) {
    if (origin.of_byte) origin.of_byte += at;
    return origin;
}

// Encodes added tokens as themselves, and the text between them with `between`.
static bool encode_added(struct encoding *e, const struct fm_added_tokens *added, const char *text,
    size_t length, struct fm_origin origin,
    bool (*between)(struct encoding *e, const char *text, size_t length, struct fm_origin origin)) {
    size_t from = 0, at = 0, start, end;
    for (int32_t id; (id = fm_added_tokens_find(added, text, length, origin, from, &at, &start, &end)) >= 0;
         from = end)
        if ((start > from && !between(e, text + from, start - from, origin_from(origin, from))) ||
            !append(e, &id, 1))
            return false;
    return from == length || between(e, text + from, length - from, origin_from(origin, from));
}

static bool encode_normal(struct encoding *e, const char *text, size_t length, struct fm_origin origin) {
    const char *normal = text;
    char *owned = NULL;
    if (e->tokenizer->nfc) {
        // normalization moves bytes: a text that has foreign ones counts as foreign
        if (origin.of_byte) origin = (struct fm_origin){memchr(origin.of_byte, 1, length) != NULL, NULL};
        if (!fm_nfc(text, length, &normal, &length, &owned, e->err)) return false;
    }
    bool done = encode_added(e, &e->tokenizer->added_normal, normal, length, origin, encode_words);
    free(owned);
    return done;
}

// Normalizes runs of valid UTF-8 and cuts them into words. Encodes other bytes one by one.
static bool encode_runs(struct encoding *e, const char *text, size_t length, struct fm_origin origin) {
    for (size_t at = 0; at < length;) {
        size_t n = fm_utf8_valid(text + at, length - at);
        if (n && !encode_normal(e, text + at, n, origin_from(origin, at))) return false;
        at += n;
        n = 0;
        while (
            at + n < length && fm_utf8_valid(text + at + n, length - at - n < 4 ? length - at - n : 4) == 0)
            n++;
        if (n && !encode_word(e, text + at, n)) return false;
        at += n;
    }
    return true;
}

static bool encode(const struct fathom_tokenizer *tokenizer, const char *text, size_t length,
    struct fm_origin origin, struct fm_tokens *tokens, struct fathom_error *err) {
    if (length >= 1u << 29)
        return fm_fail(err, FATHOM_INVALID, "tokenizer: a text of %zu bytes; up to %u can be encoded at once",
            length, (1u << 29) - 1);
    struct encoding e = {.tokenizer = tokenizer, .tokens = tokens, .err = err};
    size_t count = tokens->count;
    bool done = encode_added(&e, &tokenizer->added, text, length, origin, encode_runs);
    if (!done) tokens->count = count;
    fm_bpe_scratch_clear(&e.bpe);
    fm_words_clear(&e.words);
    return done;
}

bool fm_tokenizer_encode(const struct fathom_tokenizer *tokenizer, const char *text, size_t length,
    bool parse_marks, struct fm_tokens *tokens, struct fathom_error *err) {
    return encode(tokenizer, text, length, (struct fm_origin){!parse_marks, NULL}, tokens, err);
}

bool fm_tokenizer_encode_rendered(const struct fathom_tokenizer *tokenizer, const char *text,
    const uint8_t *foreign, size_t length, struct fm_tokens *tokens, struct fathom_error *err) {
    return encode(tokenizer, text, length, (struct fm_origin){.of_byte = foreign}, tokens, err);
}
