// Which experts are where while an engine runs. The device keeps the slots (fathom_expert_place). Where the
// experts lie in the file, the host keeps their homes: between the parts of a step it reads the experts that
// the device asks for and that have no home.
#ifndef FM_ENGINE_RESIDENCY_H
#define FM_ENGINE_RESIDENCY_H
#include "engine/comparison.h"
#include "file/tensors.h"
#include "model/slots.h"
#include "op/op.h"
#include <fathom/fathom.h>

struct fm_residency;

// For slots that are filled from the file, which must stay open. mirror: see fathom_engine_params.
struct fm_residency *fm_residency_create(struct fathom_gpu *gpu, const struct fm_tensors *tensors,
    struct fm_slots *slots, const char *mirror, const struct fathom_log *log, struct fathom_error *err);
void fm_residency_destroy(struct fm_residency **residency);

// Submits a stream like fathom_stream_submit(), and reads what its parts need before each of them. ids are
// the tokens that the stream computes, as far as they are known; layers whose experts follow from the tokens
// are read ahead. A failure leaves all homes empty, and the slots in doubt; a call that is cancelled leaves
// the slots in doubt alone. residency NULL: the experts are all in memory.
bool fm_residency_submit(struct fm_residency *residency, struct fathom_stream *stream, const int32_t *ids,
    uint32_t n_ids, struct fm_watch *watch, uint64_t *ticket, struct fathom_error *err);

// Sets *stats to what was read from the file so far.
void fm_residency_count(const struct fm_residency *residency, struct fathom_expert_stats *stats);
// Seconds in which the device has waited for the file so far.
double fm_residency_waited(const struct fm_residency *residency);
// How many experts of a layer were read only when the device asked for them.
uint64_t fm_residency_late(const struct fm_residency *residency, uint32_t layer);

// What is measured while the engine runs. Tests set the rule or the window.
enum fm_residency_comparison {
    FM_GUESSES,   // whether experts are read that the next layer's gate guesses; first: they are not
    FM_NO_DRAFTS, // whether sessions that draft leave that for a while; first: they draft
    FM_N_COMPARISONS,
};
struct fm_comparison *fm_residency_comparison(
    struct fm_residency *residency, enum fm_residency_comparison which);
// Whether sessions that can draft should do so now. Where host memory holds all experts (residency NULL) they
// should: a round's further experts cost copies alone.
bool fm_residency_drafts(const struct fm_residency *residency);
// Takes note of n_tokens decoded in so many seconds; may_draft: by a session that can draft.
void fm_residency_took(struct fm_residency *residency, bool may_draft, uint32_t n_tokens, double seconds);
#endif
