#include "text/added_tokens.h"
#include "text/utf8.h"
#include <stdlib.h>
#include <string.h>

bool fm_added_tokens_add(
    struct fm_added_tokens *tokens, struct fm_added_token token, struct fathom_error *err) {
    if (!token.length) return true;
    if (tokens->count == tokens->capacity) {
        size_t capacity = tokens->capacity ? 2 * tokens->capacity : 64;
        struct fm_added_token *items = realloc(tokens->items, capacity * sizeof(*items));
        if (!items)
            return fm_fail(err, FATHOM_NO_MEMORY, "tokenizer: no memory for %zu added tokens", capacity);
        tokens->items = items;
        tokens->capacity = capacity;
    }
    char *content = malloc(token.length);
    if (!content)
        return fm_fail(
            err, FATHOM_NO_MEMORY, "tokenizer: no memory for an added token of %zu bytes", token.length);
    memcpy(content, token.content, token.length);
    token.content = content;
    tokens->items[tokens->count++] = token;
    tokens->first[(unsigned char)*content] = true;
    return true;
}

static int compare(const void *x, const void *y) {
    const struct fm_added_token *a = x, *b = y;
    int order = memcmp(a->content, b->content, a->length < b->length ? a->length : b->length);
    if (order) return order;
    if (a->length != b->length) return a->length < b->length ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

void fm_added_tokens_sort(struct fm_added_tokens *tokens) {
    if (tokens->count) qsort(tokens->items, tokens->count, sizeof(*tokens->items), compare);
}

void fm_added_tokens_clear(struct fm_added_tokens *tokens) {
    for (size_t i = 0; i < tokens->count; i++) free(tokens->items[i].content);
    free(tokens->items);
    *tokens = (struct fm_added_tokens){0};
}

// Returns the first of items [low, high) whose byte k is at least `byte`. The items share their first k bytes
// and are longer than k.
static size_t lower_bound(
    const struct fm_added_tokens *tokens, size_t low, size_t high, size_t k, unsigned byte) {
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if ((unsigned char)tokens->items[middle].content[k] < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

// Returns true when a mark may cover the bytes [at, at + n) of a text.
static bool may_be_mark(struct fm_origin origin, size_t at, size_t n) {
    if (!origin.of_byte) return !origin.foreign;
    for (size_t i = at; i < at + n; i++)
        if (origin.of_byte[i]) return false;
    return true;
}

// The longest token that matches at byte `at` of a text.
static const struct fm_added_token *longest_at(const struct fm_added_tokens *tokens, const char *text,
    size_t length, struct fm_origin origin, size_t at) {
    const struct fm_added_token *best = NULL;
    size_t low = 0, high = tokens->count;
    for (size_t k = 0; low < high; k++) {
        // tokens of k bytes sort before the longer ones
        if (tokens->items[low].length == k && (!tokens->items[low].mark || may_be_mark(origin, at, k)))
            best = &tokens->items[low];
        while (low < high && tokens->items[low].length == k) low++;
        if (at + k == length) break;
        unsigned byte = (unsigned char)text[at + k];
        low = lower_bound(tokens, low, high, k, byte);
        high = lower_bound(tokens, low, high, k, byte + 1);
    }
    return best;
}

// Returns the start of the character before byte `at` (at > 0) and writes its code. Returns at - 1, with code
// 0, when the bytes are invalid.
static size_t character_before(const char *text, size_t at, uint32_t *code) {
    for (size_t back = 1; back <= 4 && back <= at; back++)
        if (fm_utf8_decode(text + at - back, back, code) == (int)back) return at - back;
    *code = 0;
    return at - 1;
}

static bool touches_word(const char *text, size_t length, size_t start, size_t end) {
    uint32_t code;
    if (start > 0) {
        character_before(text, start, &code);
        if (fm_utf8_is_word(code)) return true;
    }
    return end < length && fm_utf8_decode(text + end, length - end, &code) > 0 && fm_utf8_is_word(code);
}

int32_t fm_added_tokens_find(const struct fm_added_tokens *tokens, const char *text, size_t length,
    struct fm_origin origin, size_t from, size_t *at, size_t *start, size_t *end) {
    for (; tokens->count && *at < length; ++*at) {
        if (!tokens->first[(unsigned char)text[*at]]) continue;
        const struct fm_added_token *token = longest_at(tokens, text, length, origin, *at);
        if (!token) continue;
        *start = *at;
        *end = *at + token->length;
        *at = *end;
        if (token->single_word && touches_word(text, length, *start, *end)) {
            --*at;
            continue;
        }
        uint32_t code;
        if (token->lstrip)
            while (*start > from) {
                size_t before = character_before(text, *start, &code);
                if (before < from || !fm_utf8_is_space(code)) break;
                *start = before;
            }
        if (token->rstrip)
            while (*end < length) {
                int n = fm_utf8_decode(text + *end, length - *end, &code);
                if (n <= 0 || !fm_utf8_is_space(code)) break;
                *end += (size_t)n;
            }
        if (!token->lstrip || *end > from) return token->id;
        --*at; // all of its white space belongs to an earlier token
    }
    return -1;
}
