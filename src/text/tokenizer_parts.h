// The parts of a tokenizer, for the files that build one: tokenizer_json.c, tokenizer_gguf.c and
// tokenizer_open.c.
#ifndef FM_TEXT_TOKENIZER_PARTS_H
#define FM_TEXT_TOKENIZER_PARTS_H
#include "base/json.h"
#include "text/added_tokens.h"
#include "text/pretokenize.h"
#include "text/tokenizer.h"
#include "text/vocab.h"

struct fathom_tokenizer {
    struct fm_vocab vocab;
    struct fm_pretokenizer pretokenizer;
    struct fm_added_tokens added, added_normal; // recognised before and after normalization
    bool nfc;                                   // the text is normalized to NFC
    bool ignore_merges;                  // a word that equals a token becomes that token without merging
    int32_t unknown, bos, eos;           // -1: none
    int32_t first;                       // begins a text; -1: none
    char *chat_template, *tool_template; // owned; NULL: none
    char *named[FM_NAMED_TOKENS];        // owned; NULL: none
    char *architecture;                  // owned; NULL: not known
};

struct fathom_tokenizer *fm_tokenizer_new(struct fathom_error *err);
// Adds an added token to the vocabulary and to the tokens that encoding recognises, after normalization when
// `normalized` is set, otherwise before.
bool fm_tokenizer_add_added(struct fathom_tokenizer *tokenizer, struct fm_added_token token, bool special,
    bool normalized, struct fathom_error *err);
// Prepares the tables for encoding, finds bos and eos by their known names when they are -1, and marks the
// added tokens that end an answer by their known names. Call it after adding vocabulary, merges, splits and
// added tokens.
bool fm_tokenizer_finish(struct fathom_tokenizer *tokenizer, struct fathom_error *err);
// Marks a token, whose id is below the tokenizer's size, as one that ends an answer.
void fm_tokenizer_add_end(struct fathom_tokenizer *tokenizer, int32_t id);
// Gives bos and eos, where the files did not name them, the texts of their tokens.
bool fm_tokenizer_name_known(struct fathom_tokenizer *tokenizer, struct fathom_error *err);
// Replaces an owned text by a copy.
bool fm_tokenizer_set_text(char **text, const char *value, size_t length, struct fathom_error *err);
// Reads a tokenizer.json. config: tokenizer_config.json, whose added_tokens_decoder has added tokens and
// their flags too; NULL: none.
struct fathom_tokenizer *fm_tokenizer_read(const cJSON *json, const cJSON *config, struct fathom_error *err);
// Reads the chat templates, whose keys a hub folder has too.
bool fm_tokenizer_read_templates(
    const struct fm_tensors *tensors, struct fathom_tokenizer *tokenizer, struct fathom_error *err);
#endif
