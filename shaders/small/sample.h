#include "../include/args.h"
// *_base: index of a view's first word.
ARGS(sample) {
    uint n_vocab, n_ring, n_rows;
    uint logits_base, step_base, seen_base, ring_base, drafts_base;
} ARGS_END
