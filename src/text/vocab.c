#include "text/vocab.h"
#include "text/byte_alphabet.h"
#include "text/utf8.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void fm_vocab_init(struct fm_vocab *vocab) {
    *vocab = (struct fm_vocab){0};
    for (int i = 0; i < 256; i++) vocab->byte_ids[i] = -1;
}

void fm_vocab_clear(struct fm_vocab *vocab) {
    free(vocab->tokens);
    free(vocab->bytes);
    free(vocab->words.slots);
    free(vocab->names.slots);
    free(vocab->merges);
    fm_vocab_init(vocab);
}

// ---- Ids by bytes ----------------------------------------------------------------------------------------

static uint32_t hash_bytes(const char *bytes, size_t length) {
    uint64_t hash = 0x9e3779b97f4a7c15u ^ length, eight;
    for (; length >= 8; bytes += 8, length -= 8) {
        memcpy(&eight, bytes, 8);
        hash = (hash ^ eight) * 0xff51afd7ed558ccdu;
        hash ^= hash >> 32;
    }
    eight = 0;
    for (size_t i = 0; i < length; i++) eight |= (uint64_t)(unsigned char)bytes[i] << (8 * i);
    hash = (hash ^ eight) * 0xff51afd7ed558ccdu;
    return (uint32_t)(hash >> 32);
}

static int32_t map_find(
    const struct fm_vocab *vocab, const struct fm_token_map *map, const char *bytes, size_t length) {
    if (!map->count) return -1;
    uint32_t hash = hash_bytes(bytes, length);
    for (size_t i = hash & (map->capacity - 1);; i = (i + 1) & (map->capacity - 1)) {
        const struct fm_token_slot *slot = &map->slots[i];
        if (slot->id < 0) return -1;
        if (slot->hash != hash) continue;
        const struct fm_token *token = &vocab->tokens[slot->id];
        if (token->length == length && memcmp(vocab->bytes + token->offset, bytes, length) == 0)
            return slot->id;
    }
}

static void map_place(struct fm_token_map *map, struct fm_token_slot slot) {
    size_t i = slot.hash & (map->capacity - 1);
    while (map->slots[i].id >= 0) i = (i + 1) & (map->capacity - 1);
    map->slots[i] = slot;
}

static bool map_add(
    const struct fm_vocab *vocab, struct fm_token_map *map, int32_t id, struct fathom_error *err) {
    if (2 * (map->count + 1) > map->capacity) {
        struct fm_token_map bigger = {
            .count = map->count,
            .capacity = map->capacity ? 2 * map->capacity : 1024,
        };
        bigger.slots = malloc(bigger.capacity * sizeof(*bigger.slots));
        if (!bigger.slots)
            return fm_fail(
                err, FATHOM_NO_MEMORY, "tokenizer: no memory for %zu table entries", bigger.capacity);
        for (size_t i = 0; i < bigger.capacity; i++) bigger.slots[i].id = -1;
        for (size_t i = 0; i < map->capacity; i++)
            if (map->slots[i].id >= 0) map_place(&bigger, map->slots[i]);
        free(map->slots);
        *map = bigger;
    }
    const struct fm_token *token = &vocab->tokens[id];
    map_place(map, (struct fm_token_slot){hash_bytes(vocab->bytes + token->offset, token->length), id});
    map->count++;
    return true;
}

int32_t fm_vocab_find_word(const struct fm_vocab *vocab, const char *bytes, size_t length) {
    return length > vocab->longest_word ? -1 : map_find(vocab, &vocab->words, bytes, length);
}

int32_t fm_vocab_find_name(const struct fm_vocab *vocab, const char *text, size_t length) {
    return map_find(vocab, &vocab->names, text, length);
}

// ---- Tokens ----------------------------------------------------------------------------------------------

static bool token_exists(const struct fm_vocab *vocab, int64_t id) {
    return (uint64_t)id < vocab->n_tokens && (vocab->tokens[id].flags & FM_TOKEN_PRESENT);
}

// Makes room for the id and for `length` more bytes. Afterwards `bytes` is not NULL, even for an empty text.
static bool reserve(
    struct fm_vocab *vocab, int64_t id, const char *text, size_t length, struct fathom_error *err) {
    if (id < 0 || id >= FM_MAX_TOKENS)
        return fm_fail(err, FATHOM_INVALID, "tokenizer: token \"%s\" has id %" PRId64 ", outside 0 to %d",
            fm_quote(text, length).text, id, FM_MAX_TOKENS - 1);
    if (length > UINT32_MAX / 2 - vocab->n_bytes)
        return fm_fail(
            err, FATHOM_INVALID, "tokenizer: the vocabulary's text is over %u bytes", UINT32_MAX / 2);
    if ((size_t)id >= vocab->tokens_capacity) {
        size_t capacity = vocab->tokens_capacity ? vocab->tokens_capacity : 1024;
        while (capacity <= (size_t)id) capacity *= 2;
        struct fm_token *tokens = realloc(vocab->tokens, capacity * sizeof(*tokens));
        if (!tokens) return fm_fail(err, FATHOM_NO_MEMORY, "tokenizer: no memory for %zu tokens", capacity);
        vocab->tokens = tokens;
        vocab->tokens_capacity = capacity;
    }
    if (!vocab->bytes || vocab->n_bytes + length > vocab->bytes_capacity) {
        size_t capacity = vocab->bytes_capacity ? vocab->bytes_capacity : 4096;
        while (capacity < vocab->n_bytes + length) capacity *= 2;
        char *bytes = realloc(vocab->bytes, capacity);
        if (!bytes)
            return fm_fail(err, FATHOM_NO_MEMORY, "tokenizer: no memory for %zu bytes of tokens", capacity);
        vocab->bytes = bytes;
        vocab->bytes_capacity = capacity;
    }
    if ((size_t)id >= vocab->n_tokens) {
        memset(
            vocab->tokens + vocab->n_tokens, 0, ((size_t)id + 1 - vocab->n_tokens) * sizeof(*vocab->tokens));
        vocab->n_tokens = (size_t)id + 1;
    }
    return true;
}

static bool fail_taken(
    const struct fm_vocab *vocab, int64_t id, const char *text, size_t length, struct fathom_error *err) {
    const struct fm_token *token = &vocab->tokens[id];
    return fm_fail(err, FATHOM_INVALID, "tokenizer: id %" PRId64 " is given to \"%s\" and to \"%s\"", id,
        fm_quote(vocab->bytes + token->offset, token->length).text, fm_quote(text, length).text);
}

// Finds the token with this spelling in the byte alphabet. Writes its bytes to `bytes`, which has room for
// `length`.
static int32_t find_spelled(
    const struct fm_vocab *vocab, const char *text, size_t length, char *bytes, size_t *n) {
    return fm_byte_alphabet_decode(text, length, bytes, n) ? fm_vocab_find_word(vocab, bytes, *n) : -1;
}

int32_t fm_vocab_find_spelled(const struct fm_vocab *vocab, const char *text, size_t length) {
    char bytes[256]; // no added token is as long
    size_t n;
    const int32_t id = fm_vocab_find_name(vocab, text, length);
    return id >= 0 || length > sizeof(bytes) ? id : find_spelled(vocab, text, length, bytes, &n);
}

bool fm_vocab_add(
    struct fm_vocab *vocab, int64_t id, const char *text, size_t length, struct fathom_error *err) {
    if (!reserve(vocab, id, text, length, err)) return false;
    if (token_exists(vocab, id)) return fail_taken(vocab, id, text, length, err);
    size_t n = length;
    char *bytes = vocab->bytes + vocab->n_bytes;
    bool word = fm_byte_alphabet_decode(text, length, bytes, &n);
    if (!word && length) memcpy(bytes, text, length);
    int32_t other = word ? fm_vocab_find_word(vocab, bytes, n) : fm_vocab_find_name(vocab, bytes, n);
    if (other >= 0)
        return fm_fail(err, FATHOM_INVALID, "tokenizer: token \"%s\" has the ids %d and %" PRId64,
            fm_quote(text, length).text, (int)other, id);
    vocab->tokens[id] = (struct fm_token){
        (uint32_t)vocab->n_bytes, (uint32_t)n, FM_TOKEN_PRESENT | (word ? FM_TOKEN_WORD : 0)};
    vocab->n_bytes += n;
    if (word && n == 1) vocab->byte_ids[(unsigned char)*bytes] = (int32_t)id;
    if (word && n > vocab->longest_word) vocab->longest_word = (uint32_t)n;
    return map_add(vocab, word ? &vocab->words : &vocab->names, (int32_t)id, err);
}

bool fm_vocab_add_literal(struct fm_vocab *vocab, int64_t id, const char *text, size_t length, uint8_t flags,
    struct fathom_error *err) {
    if (!reserve(vocab, id, text, length, err)) return false;
    int32_t other = fm_vocab_find_name(vocab, text, length);
    size_t n;
    if (other < 0) other = find_spelled(vocab, text, length, vocab->bytes + vocab->n_bytes, &n);
    if (other >= 0 && other != id)
        return fm_fail(err, FATHOM_INVALID, "tokenizer: token \"%s\" has the ids %d and %" PRId64,
            fm_quote(text, length).text, (int)other, id);
    struct fm_token *token = &vocab->tokens[id];
    if (other < 0) {
        if (token_exists(vocab, id)) return fail_taken(vocab, id, text, length, err);
        if (length) memcpy(vocab->bytes + vocab->n_bytes, text, length);
        *token = (struct fm_token){(uint32_t)vocab->n_bytes, (uint32_t)length, FM_TOKEN_PRESENT};
        vocab->n_bytes += length;
    }
    bool named = other >= 0 && !((token->flags & FM_TOKEN_WORD) && !(token->flags & FM_TOKEN_ADDED));
    token->flags |= flags;
    return named || map_add(vocab, &vocab->names, (int32_t)id, err);
}

// ---- Merges ----------------------------------------------------------------------------------------------

static size_t merge_home(const struct fm_vocab *vocab, uint64_t pair) {
    return (size_t)((pair * 0x9e3779b97f4a7c15u) >> 32) & (vocab->merges_capacity - 1);
}

static struct fm_merge_slot *merge_slot(const struct fm_vocab *vocab, uint64_t pair) {
    size_t i = merge_home(vocab, pair);
    while (vocab->merges[i].value != FM_NO_MERGE && vocab->merges[i].pair != pair)
        i = (i + 1) & (vocab->merges_capacity - 1);
    return &vocab->merges[i];
}

uint64_t fm_vocab_merge(const struct fm_vocab *vocab, int32_t left, int32_t right) {
    if (!vocab->n_merges) return FM_NO_MERGE;
    return merge_slot(vocab, (uint64_t)(uint32_t)left << 32 | (uint32_t)right)->value;
}

static bool makes_mark(const struct fm_vocab *vocab, const struct fm_merge_slot *slot) {
    return slot->value != FM_NO_MERGE && (vocab->tokens[(uint32_t)slot->value].flags & FM_TOKEN_MARK);
}

// Moves the merges to a new table, except those that make a mark.
static bool move_merges(struct fm_vocab *vocab, size_t capacity, struct fathom_error *err) {
    struct fm_merge_slot *old = vocab->merges;
    const size_t old_capacity = vocab->merges_capacity;
    struct fm_merge_slot *slots = malloc(capacity * sizeof(*slots));
    if (!slots) return fm_fail(err, FATHOM_NO_MEMORY, "tokenizer: no memory for %zu merges", capacity);
    for (size_t i = 0; i < capacity; i++) slots[i].value = FM_NO_MERGE;
    vocab->merges = slots;
    vocab->merges_capacity = capacity;
    vocab->n_merges = 0;
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i].value == FM_NO_MERGE || makes_mark(vocab, &old[i])) continue;
        *merge_slot(vocab, old[i].pair) = old[i];
        vocab->n_merges++;
    }
    free(old);
    return true;
}

bool fm_vocab_drop_merged_marks(struct fm_vocab *vocab, struct fathom_error *err) {
    for (size_t i = 0; i < vocab->merges_capacity; i++)
        if (makes_mark(vocab, &vocab->merges[i])) return move_merges(vocab, vocab->merges_capacity, err);
    return true;
}

bool fm_vocab_add_merge(struct fm_vocab *vocab, uint32_t rank, const char *left, size_t n_left,
    const char *right, size_t n_right, struct fathom_error *err) {
    if (!reserve(vocab, 0, left, n_left, err) || !reserve(vocab, 0, right, n_left + n_right, err))
        return false;
    char *bytes = vocab->bytes + vocab->n_bytes;
    size_t n1 = 0, n2 = 0;
    int32_t a = find_spelled(vocab, left, n_left, bytes, &n1);
    if (a < 0)
        return fm_fail(err, FATHOM_INVALID,
            "tokenizer: merge %u names \"%s\", which is not in the vocabulary", rank,
            fm_quote(left, n_left).text);
    int32_t b = find_spelled(vocab, right, n_right, bytes + n1, &n2);
    if (b < 0)
        return fm_fail(err, FATHOM_INVALID,
            "tokenizer: merge %u names \"%s\", which is not in the vocabulary", rank,
            fm_quote(right, n_right).text);
    int32_t merged = fm_vocab_find_word(vocab, bytes, n1 + n2);
    if (merged < 0)
        return fm_fail(err, FATHOM_INVALID,
            "tokenizer: merge %u makes \"%s\", which is not in the vocabulary", rank,
            fm_quote(bytes, n1 + n2).text);
    if (2 * (vocab->n_merges + 1) > vocab->merges_capacity &&
        !move_merges(vocab, vocab->merges_capacity ? 2 * vocab->merges_capacity : 1024, err))
        return false;
    uint64_t pair = (uint64_t)(uint32_t)a << 32 | (uint32_t)b;
    struct fm_merge_slot *slot = merge_slot(vocab, pair);
    if (slot->value == FM_NO_MERGE) vocab->n_merges++;
    // the later of two merges of the same pair counts, as on the hub
    *slot = (struct fm_merge_slot){pair, (uint64_t)rank << 32 | (uint32_t)merged};
    return true;
}
