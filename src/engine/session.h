// Inside of a session: one text, its cache, and the streams that extend it.
#ifndef FM_ENGINE_SESSION_H
#define FM_ENGINE_SESSION_H
#include "engine/engine.h"
#include "engine/constrained.h"
#include "engine/draft.h"
#include "model/pass.h"

enum { FM_RING = 8, FM_IN_FLIGHT = 2 /* decode steps that may be submitted ahead of the host */ };

struct fathom_session {
    struct fathom_engine *engine;
    uint32_t n_context, n_chunk;
    int32_t *tokens;      // [n_context]
    uint32_t n_tokens;    // in `tokens`
    uint32_t n_evaluated; // the tokens whose latents are in the cache

    struct fm_workspace ws;
    struct fm_caches caches;
    struct fathom_buffer
        *input; // uint32[n_chunk + 2]: position, then ids, of a prefill step, and the id that follows
    struct fathom_buffer *step; // struct fathom_step
    // ring: FM_RING steps, of a token each, or of as many as a round of drafting may give
    struct fathom_buffer *seen, *ring;
    struct fathom_stream *prefill, *decode; // decode is recorded once
    bool decode_recorded;
    uint32_t decode_version;            // fm_slots.version when the step was recorded
    struct fm_drafting *drafting;       // NULL: the engine does not draft
    struct fm_constrained *constrained; // NULL: no generation had a callback for logits
    struct fm_watch watch;              // of the call at hand
    bool torn;     // a chunk was cancelled or failed: what the cache holds after n_evaluated is undefined
    double waited; // seconds in which the session's decode steps waited for the file
    struct fathom_session_stats stats;
    struct fathom_expert_stats experts; // of the decode steps
};

// The fields that all passes of the session share; the caller sets ids, position, tokens and positions.
struct fm_pass fm_session_pass(const struct fathom_session *s, struct fathom_stream *stream);
// A pass of n_tokens at s->n_evaluated; position and ids are those in s->input.
struct fm_pass fm_session_input_pass(
    const struct fathom_session *s, struct fathom_stream *stream, uint32_t n_tokens);
// Sets *err: the logits of the token at `position` are not finite. Returns false.
bool fm_session_fail_logits(uint32_t position, struct fathom_error *err);
// Whether a text may continue after n_before tokens with these ids.
bool fm_session_check_tokens(const struct fathom_session *s, uint32_t n_before, const int32_t *ids,
    uint32_t n_tokens, struct fathom_error *err);
// Appends ids to the text; refuses ids outside the vocabulary or past the context. Nothing is evaluated yet.
bool fm_session_push_tokens(
    struct fathom_session *s, const int32_t *ids, uint32_t n_tokens, struct fathom_error *err);
// Records the decode step and builds its pipelines, once; and again when fm_slots.version changes.
bool fm_session_record_decode(struct fathom_session *s, struct fathom_error *err);
// Call first in every call that uses the device, or copies the cache: a new call begins for the watch, and
// what a cancelled one left ends.
bool fm_session_settle(struct fathom_session *s, struct fathom_error *err);
// How many of the first ids fathom_session_sync() would not have to read.
uint32_t fm_session_held(const struct fathom_session *s, const int32_t *ids, size_t n);
// Appends the operators of the decode step: up to its logits to one stream, the others to the second, which
// may be the same one. Where they differ, logits of -infinity are allowed.
void fm_session_record_step(
    struct fathom_session *s, struct fathom_stream *logits, struct fathom_stream *sample);
// The used parts of a layer's caches (fm_caches_used) for the text, which is shorter in the draft layer; and
// the bytes of all layers'.
uint32_t fm_session_cache_parts(
    const struct fathom_session *s, uint32_t layer, struct fathom_view parts[FM_MAX_CACHE_PARTS]);
uint64_t fm_session_cache_size(const struct fathom_session *s);
// 0, or fm_slots.version.
uint32_t fm_session_version(const struct fathom_session *s);
// Reads every token before `end` that is not in the cache yet. logits, if not NULL, gets a row for each token
// read; without them the decode step, which is likely to come next, is recorded meanwhile.
bool fm_session_evaluate(struct fathom_session *s, uint32_t end, float *logits, struct fathom_error *err);
#endif
