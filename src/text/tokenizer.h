// Byte-level BPE tokenizers, from tokenizer.json or from the tokenizer.ggml.* keys of a GGUF file. What
// programs see of them is in fathom/tokens.h. A tokenizer is immutable.
#ifndef FM_TEXT_TOKENIZER_H
#define FM_TEXT_TOKENIZER_H
#include "base/error.h"
#include "file/tensors.h"
#include <fathom/tokens.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fathom_tokenizer *fm_tokenizer_from_json(const char *text, size_t length, struct fathom_error *err);
// Reads GGUF keys. Supported: model "gpt2", and the pre-tokenizers of file/known_patterns.c. A token that
// looks like a mark, but has another type than a mark's, is a mark when no merge makes it.
struct fathom_tokenizer *fm_tokenizer_from_tensors(
    const struct fm_tensors *tensors, struct fathom_error *err);
// Reads the tokenizer of an open model: the tokenizer.json of a hub folder, or the keys of a GGUF file.
struct fathom_tokenizer *fm_tokenizer_of_model(const struct fm_tensors *tensors, struct fathom_error *err);

struct fm_tokens {
    int32_t *ids;
    size_t count, capacity;
}; // a growing list; free `ids` with free()

// Added tokens are recognised in a text before it is cut into words. Two kinds of them exist:
//  - A mark is special, or looks like a mark: a name in <...>, [...] or ｜...｜. Examples: <think>,
//    <|User|>, [INST], ｜DSML｜. Marks belong to a template.
//  - A plain added token is any other: letters (DeepSeek LLM has "ü"), words, runs of white space. Plain
//    added tokens are vocabulary. They are recognised in every text, as the library `tokenizers` does.
// Appends the ids of the text. parse_marks: recognises marks in the text too. A text of a user is encoded
// without parse_marks, so that the text cannot forge a turn. The function adds no tokens before or after the
// text.
bool fm_tokenizer_encode(const struct fathom_tokenizer *tokenizer, const char *text, size_t length,
    bool parse_marks, struct fm_tokens *tokens, struct fathom_error *err);
// Appends the ids of a rendered template. foreign: for each byte of the text 1 or 0; a mark that covers a
// foreign byte is not recognised.
bool fm_tokenizer_encode_rendered(const struct fathom_tokenizer *tokenizer, const char *text,
    const uint8_t *foreign, size_t length, struct fm_tokens *tokens, struct fathom_error *err);

int32_t fm_tokenizer_bos(const struct fathom_tokenizer *tokenizer);               // -1: none
const char *fm_tokenizer_chat_template(const struct fathom_tokenizer *tokenizer); // in Jinja; NULL: none
// The template named "tool_use", for conversations with tools, where the model has several; NULL: none.
const char *fm_tokenizer_tool_template(const struct fathom_tokenizer *tokenizer);
// The texts that templates know as bos_token, eos_token, unk_token and pad_token. Returns NULL for none.
enum fm_named_token { FM_NAMED_BOS, FM_NAMED_EOS, FM_NAMED_UNK, FM_NAMED_PAD, FM_NAMED_TOKENS };
const char *fm_tokenizer_named(const struct fathom_tokenizer *tokenizer, enum fm_named_token which);
// The architecture of the model whose file the tokenizer is from; NULL: not known.
const char *fm_tokenizer_architecture(const struct fathom_tokenizer *tokenizer);
#endif
