// Tokens and text: a model's tokenizer and its chat template, alone. Both are immutable: several threads may
// use one at the same time.
#ifndef FATHOM_TOKENS_H
#define FATHOM_TOKENS_H

#include <fathom/message.h>
#include <fathom/status.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fathom_engine;

// ---- Tokenizer -------------------------------------------------------------------------------------------

struct fathom_tokenizer;
// Opens the tokenizer of a GGUF file, of a hub folder, or of a folder that holds only a tokenizer.json,
// without a device.
FATHOM_API struct fathom_tokenizer *fathom_tokenizer_open(const char *path, struct fathom_error *err);
FATHOM_API void fathom_tokenizer_destroy(struct fathom_tokenizer **tokenizer);
// The tokenizer of an engine, which owns it; NULL: the model's file has none.
FATHOM_API const struct fathom_tokenizer *fathom_engine_get_tokenizer(const struct fathom_engine *engine);

// A tokenizer NULL has no tokens in the functions without an error: 0, -1, false or NULL.

// The vocabulary. Ids are 0 to n - 1; some of them may have no bytes. A model may have more logits than its
// tokenizer has tokens.
FATHOM_API uint32_t fathom_tokenizer_count(const struct fathom_tokenizer *tokenizer);
// The id of the token whose text is exactly this (marks such as "<think>" too); -1: there is none.
FATHOM_API int32_t fathom_tokenizer_find(const struct fathom_tokenizer *tokenizer, const char *text);
// The token that the model wants before a text; the one that ends a text; -1: none.
FATHOM_API int32_t fathom_tokenizer_first(const struct fathom_tokenizer *tokenizer);
FATHOM_API int32_t fathom_tokenizer_last(const struct fathom_tokenizer *tokenizer);
// Does the token end an answer? A model may have several such tokens.
FATHOM_API bool fathom_token_is_end(const struct fathom_tokenizer *tokenizer, int32_t id);
// Is the token a control token, which is not part of an answer's text?
FATHOM_API bool fathom_token_is_control(const struct fathom_tokenizer *tokenizer, int32_t id);
// The bytes of a token: not zero-terminated, and perhaps a part of a UTF-8 character. NULL, with *length 0,
// for an id that is not in the vocabulary. length may be NULL.
FATHOM_API const char *fathom_token_bytes(
    const struct fathom_tokenizer *tokenizer, int32_t id, size_t *length);

// Text to tokens. marks: marks in the text (<think>, <|User|>) become their tokens; a person's text is read
// without, so that it cannot forge a turn. No token is added before or after. Writes at most `capacity` ids;
// *n_tokens is the number that there are, so capacity 0 counts. A call that fails writes nothing.
// Any bytes are a text, less than 512 MiB of them at once: a zero byte is a character like another one, and
// bytes that are no UTF-8 become the tokens of these bytes. A model that normalizes texts (Qwen) gets the
// normal form of the characters; with all others the bytes of the tokens are those of the text.
FATHOM_API bool fathom_tokenize(const struct fathom_tokenizer *tokenizer, const char *text, size_t length,
    bool marks, int32_t *ids, size_t capacity, size_t *n_tokens, struct fathom_error *err);

// Tokens to text, as they come: gives only whole UTF-8 characters, and holds back the bytes of an incomplete
// one. Bytes that are no UTF-8 become U+FFFD, and so do zero bytes, because the text is zero-terminated;
// fathom_token_bytes() has all bytes. One thread at a time.
struct fathom_detokenizer;
// The tokenizer must live as long as the detokenizer.
// control: control tokens are written as their text; else they are left out.
FATHOM_API struct fathom_detokenizer *fathom_detokenizer_create(
    const struct fathom_tokenizer *tokenizer, bool control, struct fathom_error *err);
FATHOM_API void fathom_detokenizer_destroy(struct fathom_detokenizer **detokenizer);
// Takes one token, and gives the text that is complete now: zero-terminated, perhaps empty, until the next
// call. NULL with *err set, and nothing changed, for an id that is not in the vocabulary, or without memory.
FATHOM_API const char *fathom_detokenizer_push(
    struct fathom_detokenizer *detokenizer, int32_t id, struct fathom_error *err);
// Ends a text: gives U+FFFD where an incomplete character is held back, else an empty text. The next push
// begins another text.
FATHOM_API const char *fathom_detokenizer_flush(struct fathom_detokenizer *detokenizer);

// ---- Chat template ---------------------------------------------------------------------------------------

// A template turns a conversation into the text, and the tokens, that a family of models expects.
struct fathom_template_params {
    size_t size;
    // The model's own when both are NULL; one that is built in; or a text in Jinja. Built in are the encoders
    // deepseek-v3.2 and deepseek-v4, and deepseek-r1, deepseek-v3, chatml and llama3 for models that bring no
    // template.
    const char *name, *text;
    // The model's ("deepseek32"), which decides between the two encoders where a model brings no template;
    // NULL: that of the model's file, else the tokens decide.
    const char *architecture;
};
struct fathom_template;
// The tokenizer must live as long as the template. params NULL: the model's own. A template that writes the
// date writes that of this call.
FATHOM_API struct fathom_template *fathom_template_create(const struct fathom_tokenizer *tokenizer,
    const struct fathom_template_params *params, struct fathom_error *err);
FATHOM_API void fathom_template_destroy(struct fathom_template **chat_template);

struct fathom_conversation {
    size_t size;
    const struct fathom_message *const *messages; // pointers, because messages may grow
    size_t n_messages;
    const char *tools; // as in fathom_chat_params
    bool disable_thinking;
    // No answer follows: the conversation may end with any message, and nothing opens an answer. Otherwise it
    // ends with a question, or with results of tools. FATHOM_UNSUPPORTED for a template in Jinja without
    // add_generation_prompt, which always opens an answer.
    bool complete;
};
// Applies the template. Writes at most `capacity` bytes of the text, the final zero included, and at most
// n_capacity ids; *length and *n_tokens (may be NULL) are the bytes, without the zero, and the tokens that
// there are, so capacities of 0 count. The ids are not always those of the text: marks in messages are text.
// They are those that a chat reads. A call that fails writes nothing.
FATHOM_API bool fathom_template_apply(const struct fathom_template *chat_template,
    const struct fathom_conversation *conversation, char *text, size_t capacity, size_t *length, int32_t *ids,
    size_t n_capacity, size_t *n_tokens, struct fathom_error *err);

#ifdef __cplusplus
}
#endif
#endif
