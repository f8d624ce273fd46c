// Byte-pair encoding of one word.
#ifndef FM_TEXT_BPE_H
#define FM_TEXT_BPE_H
#include "text/vocab.h"

// The working memory of one caller, which grows as needed. Initialise with zeros.
struct fm_bpe_scratch {
    int32_t *ids;
    struct fm_bpe_symbol *symbols;
    struct fm_bpe_candidate *heap;
    size_t n_ids, n_symbols, n_heap; // capacities
};
void fm_bpe_scratch_clear(struct fm_bpe_scratch *scratch);

// Merges the bytes of a word. The ids are scratch->ids[0 .. *count). A byte without a token becomes
// `unknown`, or an error when `unknown` is -1. length is below 2^31.
bool fm_bpe_merge(const struct fm_vocab *vocab, const char *word, size_t length, int32_t unknown,
    struct fm_bpe_scratch *scratch, size_t *count, struct fathom_error *err);
#endif
