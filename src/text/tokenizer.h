// Byte-level BPE tokenizers, from tokenizer.json or from the tokenizer.ggml.* keys of a GGUF file.
#ifndef FM_TEXT_TOKENIZER_H
#define FM_TEXT_TOKENIZER_H
#include "base/error.h"
#include "file/tensors.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fm_tokenizer;

struct fm_tokenizer *fm_tokenizer_from_json(const char *text, size_t length, struct fathom_error *err);
// Reads GGUF keys. Supported: model "gpt2"; pre deepseek-llm, deepseek-coder, deepseek-v3 (also for Minnow),
// gpt-2/default, smollm, qwen2, llama-bpe.
struct fm_tokenizer *fm_tokenizer_from_tensors(const struct fm_tensors *tensors, struct fathom_error *err);
// Reads the tokenizer of an open model: the tokenizer.json of a hub folder, or the keys of a GGUF file.
struct fm_tokenizer *fm_tokenizer_of_model(const struct fm_tensors *tensors, struct fathom_error *err);
// Opens a GGUF file, a hub folder, or a folder that holds only a tokenizer.json.
struct fm_tokenizer *fm_tokenizer_open(const char *path, struct fathom_error *err);
void fm_tokenizer_destroy(struct fm_tokenizer **tokenizer);

struct fm_tokens {
    int32_t *ids;
    size_t count, capacity;
}; // a growing list; free `ids` with free()

// Appends the ids of the text. parse_added: recognises added tokens in the text. The function adds no tokens
// before or after the text.
bool fm_tokenizer_encode(const struct fm_tokenizer *tokenizer, const char *text, size_t length,
    bool parse_added, struct fm_tokens *tokens, struct fathom_error *err);

// Returns the bytes of one token, which are not zero-terminated and may be a part of a UTF-8 character.
// Returns NULL, with *length 0, for an unknown id.
const char *fm_tokenizer_bytes(const struct fm_tokenizer *tokenizer, int32_t id, size_t *length);
bool fm_tokenizer_is_special(const struct fm_tokenizer *tokenizer, int32_t id); // control token, not printed
int32_t fm_tokenizer_find(const struct fm_tokenizer *tokenizer, const char *content); // -1: no such token
int32_t fm_tokenizer_bos(const struct fm_tokenizer *tokenizer);                       // -1: none
int32_t fm_tokenizer_eos(const struct fm_tokenizer *tokenizer);                       // -1: none
// Returns the token that the model wants before plain text: bos, or -1 for none.
int32_t fm_tokenizer_first(const struct fm_tokenizer *tokenizer);
const char *fm_tokenizer_chat_template(const struct fm_tokenizer *tokenizer); // in Jinja; NULL: none
size_t fm_tokenizer_size(const struct fm_tokenizer *tokenizer);               // largest id + 1
#endif
