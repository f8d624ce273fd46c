// The decode step of a generation whose caller sees the logits; see constrained.c.
#ifndef FM_ENGINE_CONSTRAINED_H
#define FM_ENGINE_CONSTRAINED_H
#include <fathom/session.h>

struct fm_constrained;

// Runs a step up to its logits, calls on_logits, and submits the rest of the step. *wanted false: on_logits
// wants no more; no token was sampled then.
bool fm_constrained_step(struct fathom_session *s,
    bool (*on_logits)(void *user, float *logits, uint32_t n_vocab), void *user, bool *wanted,
    uint64_t *ticket, struct fathom_error *err);
void fm_constrained_destroy(struct fathom_session *s);
#endif
