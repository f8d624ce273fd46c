// What a tokenizer is made of, for the files that build one: tokenizer_json.c and tokenizer_gguf.c.
#ifndef FM_TEXT_TOKENIZER_PARTS_H
#define FM_TEXT_TOKENIZER_PARTS_H
#include "text/added_tokens.h"
#include "text/pretokenize.h"
#include "text/tokenizer.h"
#include "text/vocab.h"

struct fm_tokenizer {
    struct fm_vocab vocab;
    struct fm_pretokenizer pretokenizer;
    struct fm_added_tokens added, added_normal; // looked for before and after normalization
    bool nfc;             // the text is brought to NFC
    bool ignore_merges;   // a word that is a token is that token, whatever the merges say
    int32_t unknown, bos, eos; // -1: none
    bool adds_bos;             // a text begins with bos
    char *chat_template;       // owned; NULL: none
};

struct fm_tokenizer *fm_tokenizer_new(struct fathom_error *err);
// One added token, to the vocabulary and to those looked for (found after normalization if `normalized`).
bool fm_tokenizer_add_added(struct fm_tokenizer *tokenizer, struct fm_added_token token, bool special, bool normalized,
    struct fathom_error *err);
// Once vocabulary, merges, splits and added tokens are in: prepares the tables for encoding, and looks for bos and eos by their
// known names where they are -1.
bool fm_tokenizer_finish(struct fm_tokenizer *tokenizer, struct fathom_error *err);
#endif
