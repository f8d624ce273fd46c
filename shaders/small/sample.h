#include "../include/args.h"
// *_base: index of a view's first word.
ARGS(sample) {
    uint n_vocab, n_ring, n_rows;
    uint not_finite; // what the ring gets for logits that are not finite
    uint forbidden;  // the bits of a logit that excludes its token: those of -infinity, or 0: none
    uint logits_base, step_base, seen_base, ring_base, drafts_base;
}
ARGS_END
