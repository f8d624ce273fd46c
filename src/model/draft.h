// The draft layer predicts the token after the next one (multi-token prediction, arXiv 2412.19437, section
// 2.2). Its input is the trunk's state of a token and the embedding of the token after that. It is layer
// hp->n_layers and has its own cache: position i is about tokens i and i + 1.
#ifndef FM_MODEL_DRAFT_H
#define FM_MODEL_DRAFT_H
#include "model/pass.h"

// ws->x = the layer's input, from state [n_tokens][n_hidden] (may be ws->x itself) and from the tokens that
// follow, next uint32[n_tokens]. pair: scratch, [n_tokens][2 * n_hidden].
void fm_draft_mix(
    const struct fm_pass *pass, struct fathom_view state, struct fathom_view next, struct fathom_view pair);
// Only fills the cache from ws->x. Tokens whose successors are known need no more.
void fm_draft_store(const struct fm_pass *pass);
// Runs the layer on ws->x, in place.
void fm_draft_layer(const struct fm_pass *pass);
// ws->logits[n][n_vocab] = the head of state [n][n_hidden], the layer's output.
void fm_draft_head(const struct fm_pass *pass, struct fathom_view state, uint32_t n);
#endif
