// The parts of a tokenizer, for the files that build one: tokenizer_json.c and tokenizer_gguf.c.
#ifndef FM_TEXT_TOKENIZER_PARTS_H
#define FM_TEXT_TOKENIZER_PARTS_H
#include "text/added_tokens.h"
#include "text/pretokenize.h"
#include "text/tokenizer.h"
#include "text/vocab.h"

struct fm_tokenizer {
    struct fm_vocab vocab;
    struct fm_pretokenizer pretokenizer;
    struct fm_added_tokens added, added_normal; // recognised before and after normalization
    bool nfc;                                   // the text is normalized to NFC
    bool ignore_merges;        // a word that equals a token becomes that token without merging
    int32_t unknown, bos, eos; // -1: none
    bool adds_bos;             // a text begins with bos
    char *chat_template;       // owned; NULL: none
};

struct fm_tokenizer *fm_tokenizer_new(struct fathom_error *err);
// Adds an added token to the vocabulary and to the tokens that encoding recognises, after normalization when
// `normalized` is set, otherwise before.
bool fm_tokenizer_add_added(struct fm_tokenizer *tokenizer, struct fm_added_token token, bool special,
    bool normalized, struct fathom_error *err);
// Prepares the tables for encoding, and finds bos and eos by their known names when they are -1. Call it
// after adding vocabulary, merges, splits and added tokens.
bool fm_tokenizer_finish(struct fm_tokenizer *tokenizer, struct fathom_error *err);
#endif
