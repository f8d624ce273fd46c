// The caches of DeepSeek-V4's layers: latents of the last positions in a ring of pages, summaries of all positions behind them, and what is not
// yet summed up. One page table holds, for all layers: the ring's pages for every position; the summaries' pages; and once more for the indexer,
// whose pages begin at 0.
#ifndef FM_ENGINE_WINDOW_CACHE_H
#define FM_ENGINE_WINDOW_CACHE_H
#include "engine/session.h"

// Bytes of all layers' caches for a context of n_context tokens that are read n_chunk at a time.
uint64_t fm_window_cache_size(const struct fm_hparams *hp, uint32_t n_context, uint32_t n_chunk, enum fathom_type cache_type);
// Bytes that a token of the context takes, on the average.
uint64_t fm_window_cache_token_size(const struct fm_hparams *hp, enum fathom_type cache_type);
// Fills the session's caches, summaries and page table.
bool fm_window_cache_create(struct fathom_session *s, struct fathom_error *err);
#endif
