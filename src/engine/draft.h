// A session's drafting; see draft.c. All functions but create, destroy and set_length need a session whose
// engine drafts.
#ifndef FM_ENGINE_DRAFT_H
#define FM_ENGINE_DRAFT_H
#include "model/pass.h"

struct fathom_session;
struct fm_drafting;

// Does nothing if the engine does not draft
bool fm_drafting_create(struct fathom_session *s, struct fathom_error *err);
void fm_drafting_destroy(struct fathom_session *s);

// Appends to the pass's stream the operators that fill the draft layer's cache for the first n_next tokens of
// the pass; `next` holds each token's successor. ws->x must hold the trunk's states, and is overwritten.
void fm_drafting_read(
    struct fathom_session *s, const struct fm_pass *pass, struct fathom_view next, uint32_t n_next);
// The same for a recorded step of one token, which samples the successor: begin keeps the step's position,
// end needs the trunk's states and the sampled token.
void fm_drafting_step_begin(struct fathom_session *s, const struct fm_pass *pass);
void fm_drafting_step_end(struct fathom_session *s, const struct fm_pass *pass);
// The number of positions in the draft layer's cache.
uint32_t fm_drafting_length(const struct fathom_session *s);
// Does nothing if the engine does not draft
void fm_drafting_set_length(struct fathom_session *s, uint32_t length);

// record: records the round once, and again when fm_slots.version changes. start: sets the round to token
// `last`; the session's step must be at that token already.
bool fm_drafting_record(struct fathom_session *s, struct fathom_error *err);
bool fm_drafting_start(struct fathom_session *s, int32_t last, struct fathom_error *err);
struct fathom_stream *fm_drafting_round(const struct fathom_session *s);
#endif
