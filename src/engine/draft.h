// A session's drafting; see draft.c. All but create and destroy want a session whose engine drafts.
#ifndef FM_ENGINE_DRAFT_H
#define FM_ENGINE_DRAFT_H
#include "model/pass.h"

struct fathom_session;
struct fm_drafting;

bool fm_drafting_create(struct fathom_session *s, struct fathom_error *err); // nothing where the engine does not draft
void fm_drafting_destroy(struct fathom_session *s);

// Appends to the pass's stream: the draft layer's cache for the first n_next tokens of the pass, whose successors are `next`. ws->x must hold
// the trunk's states, and is lost.
void fm_drafting_read(struct fathom_session *s, const struct fm_pass *pass, struct fathom_view next, uint32_t n_next);
// Positions in the draft layer's cache.
uint32_t fm_drafting_length(const struct fathom_session *s);
void fm_drafting_set_length(struct fathom_session *s, uint32_t length); // nothing where the engine does not draft

// The round: recorded once, and put at token `last`, the session's step being there.
bool fm_drafting_record(struct fathom_session *s, struct fathom_error *err);
bool fm_drafting_start(struct fathom_session *s, int32_t last, struct fathom_error *err);
struct fathom_stream *fm_drafting_round(const struct fathom_session *s);
#endif
