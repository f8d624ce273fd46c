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
// From GGUF keys: model "gpt2"; pre deepseek-llm, deepseek-coder, deepseek-v3 (Minnow too), gpt-2/default, smollm, qwen2, llama-bpe.
struct fm_tokenizer *fm_tokenizer_from_tensors(const struct fm_tensors *tensors, struct fathom_error *err);
// Of a model that is open already: a hub folder's own tokenizer.json, a GGUF file's keys.
struct fm_tokenizer *fm_tokenizer_of_model(const struct fm_tensors *tensors, struct fathom_error *err);
// A GGUF file, a hub folder, or a folder that holds only a tokenizer.json.
struct fm_tokenizer *fm_tokenizer_open(const char *path, struct fathom_error *err);
void fm_tokenizer_destroy(struct fm_tokenizer **tokenizer);

struct fm_tokens { int32_t *ids; size_t count, capacity; }; // grows; free(ids)

// Appends the ids of the text. Added tokens in the text are recognised when parse_added; nothing is put before or after.
bool fm_tokenizer_encode(const struct fm_tokenizer *tokenizer, const char *text, size_t length, bool parse_added,
    struct fm_tokens *tokens, struct fathom_error *err);

// The bytes of one token (not zero-terminated; may be a part of a UTF-8 character); NULL with *length 0 for an unknown id.
const char *fm_tokenizer_bytes(const struct fm_tokenizer *tokenizer, int32_t id, size_t *length);
bool fm_tokenizer_is_special(const struct fm_tokenizer *tokenizer, int32_t id); // a control token, not printed
int32_t fm_tokenizer_find(const struct fm_tokenizer *tokenizer, const char *content); // id of an added or plain token; -1
int32_t fm_tokenizer_bos(const struct fm_tokenizer *tokenizer); // -1: none
int32_t fm_tokenizer_eos(const struct fm_tokenizer *tokenizer); // -1: none
int32_t fm_tokenizer_first(const struct fm_tokenizer *tokenizer); // what plain text is to begin with, by the model's own word: bos, or -1: nothing
const char *fm_tokenizer_chat_template(const struct fm_tokenizer *tokenizer); // the model's own, in Jinja; NULL: none
size_t fm_tokenizer_size(const struct fm_tokenizer *tokenizer); // largest id + 1
#endif
