// A byte-level vocabulary: bytes by id, ids by bytes, and merges by pairs of ids. The vocabulary is built
// once and then only read.
#ifndef FM_TEXT_VOCAB_H
#define FM_TEXT_VOCAB_H
#include "base/error.h"
#include <stddef.h>
#include <stdint.h>

enum {
    FM_MAX_TOKENS = 1 << 20, // higher ids are refused, so that one number in a file cannot demand gigabytes
    FM_TOKEN_PRESENT = 1,
    FM_TOKEN_WORD = 2,     // spelled in the byte alphabet: merges can produce the token
    FM_TOKEN_WHOLE = 4,    // a word equal to the token becomes the token
    FM_TOKEN_ADDED = 8,    // recognised in the text before words are cut
    FM_TOKEN_SPECIAL = 16, // a control token
    FM_TOKEN_END = 32,     // ends an answer
    FM_TOKEN_MARK = 64,    // belongs to a template (tokenizer.h): no word of a text becomes the token
};

struct fm_token {
    uint32_t offset, length;
    uint8_t flags;
};
struct fm_token_slot {
    uint32_t hash;
    int32_t id;
}; // id -1: free
struct fm_token_map {
    struct fm_token_slot *slots;
    size_t count, capacity;
};
struct fm_merge_slot {
    uint64_t pair, value;
}; // left << 32 | right; rank << 32 | merged id
#define FM_NO_MERGE UINT64_MAX

struct fm_vocab {
    struct fm_token *tokens;
    size_t n_tokens, tokens_capacity; // largest id + 1
    char *bytes;
    size_t n_bytes, bytes_capacity;
    struct fm_token_map words, names; // tokens of the byte alphabet; all others and the added ones
    struct fm_merge_slot *merges;
    size_t n_merges, merges_capacity;
    int32_t byte_ids[256]; // -1: no token of that one byte
    uint32_t longest_word; // bytes
};

void fm_vocab_init(struct fm_vocab *vocab);
void fm_vocab_clear(struct fm_vocab *vocab);

// Adds the token with the spelling `text`: read in the byte alphabet when possible, otherwise taken
// literally.
bool fm_vocab_add(
    struct fm_vocab *vocab, int64_t id, const char *text, size_t length, struct fathom_error *err);
// Adds an added token, or marks the existing token with the same spelling and id.
bool fm_vocab_add_literal(struct fm_vocab *vocab, int64_t id, const char *text, size_t length, uint8_t flags,
    struct fathom_error *err);
// Adds the merge of two tokens, given by their spellings.
bool fm_vocab_add_merge(struct fm_vocab *vocab, uint32_t rank, const char *left, size_t n_left,
    const char *right, size_t n_right, struct fathom_error *err);

// Drops the merges that make a mark, because merges apply to every text, a user's too.
bool fm_vocab_drop_merged_marks(struct fm_vocab *vocab, struct fathom_error *err);

int32_t fm_vocab_find_word(const struct fm_vocab *vocab, const char *bytes, size_t length); // -1: none
int32_t fm_vocab_find_name(const struct fm_vocab *vocab, const char *text, size_t length);  // -1: none
// Finds the token with this spelling, of at most 256 bytes; -1: none.
int32_t fm_vocab_find_spelled(const struct fm_vocab *vocab, const char *text, size_t length);
// Returns rank << 32 | merged id, or FM_NO_MERGE.
uint64_t fm_vocab_merge(const struct fm_vocab *vocab, int32_t left, int32_t right);
#endif
