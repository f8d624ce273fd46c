// The layer that guesses the token after the next from the trunk's state of a token and the embedding of the one that follows (multi-token
// prediction, arXiv 2412.19437, section 2.2). It is layer hp->n_layers, with a cache of its own: position i is about tokens i and i + 1.
#ifndef FM_MODEL_DRAFT_H
#define FM_MODEL_DRAFT_H
#include "model/pass.h"

// ws->x = the layer's input, of state [n_tokens][n_hidden] (may be ws->x itself) and of the tokens that follow, next uint32[n_tokens].
// pair: scratch, [n_tokens][2 * n_hidden].
void fm_draft_mix(const struct fm_pass *pass, struct fathom_view state, struct fathom_view next, struct fathom_view pair);
// Only fills the cache from ws->x: all that is wanted of tokens whose successors are known.
void fm_draft_store(const struct fm_pass *pass);
// The layer over ws->x.
void fm_draft_layer(const struct fm_pass *pass);
// ws->logits[n][n_vocab] of state [n][n_hidden], the layer's output.
void fm_draft_head(const struct fm_pass *pass, struct fathom_view state, uint32_t n);
#endif
