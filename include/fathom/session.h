// Session: one text, its cache and its position on an engine.
#ifndef FATHOM_SESSION_H
#define FATHOM_SESSION_H

#include <fathom/engine.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fathom_session_params {
    size_t size;
    uint32_t n_context; // positions; 0: the engine's, which is also the most
    uint32_t n_chunk;   // tokens of one prefill step; 0: chosen for the device
    // Of every call of the session: reading a prompt, building pipelines, generating, saving.
    struct fathom_progress progress;
};
struct fathom_session;
// Takes device memory at once: for the cache of all positions, fathom_model_info.cache_bytes_per_token each,
// and for scratch. The engine's memory plan counts one session.
FATHOM_API struct fathom_session *fathom_session_create(
    struct fathom_engine *engine, const struct fathom_session_params *params, struct fathom_error *err);
FATHOM_API void fathom_session_destroy(struct fathom_session **session);

// ---- The text --------------------------------------------------------------------------------------------

// Positions filled so far; their ids, until the next call that changes the text; positions that there are.
FATHOM_API uint32_t fathom_session_length(const struct fathom_session *session);
FATHOM_API const int32_t *fathom_session_tokens(const struct fathom_session *session);
FATHOM_API uint32_t fathom_session_context(const struct fathom_session *session);

// Makes the text exactly `ids`: keeps the longest beginning that the session holds already, drops what comes
// after it, and reads the rest. *n_reused (may be NULL) is the length of the beginning that was kept. A call
// that fails or is cancelled keeps what was read, as fathom_session_append().
FATHOM_API bool fathom_session_sync(struct fathom_session *session, const int32_t *ids, uint32_t n_tokens,
    uint32_t *n_reused, struct fathom_error *err);
// Drops all positions from `length` on; at most the length that there is. Where a cache cannot be cut there
// (DeepSeek-V4), the next call reads the tokens that stay again.
FATHOM_API bool fathom_session_truncate(
    struct fathom_session *session, uint32_t length, struct fathom_error *err);
// Appends tokens by prefill, in chunks. logits, if not NULL, gets [n_tokens][n_vocab] floats: a row for each
// token. A call that fails or is cancelled keeps the tokens of the chunks that were read, and their logits:
// fathom_session_length() tells how many. Append the others, truncate, or generate from there. Ids that are
// not in the vocabulary, and more tokens than the context holds, are FATHOM_INVALID before anything is read.
FATHOM_API bool fathom_session_append(struct fathom_session *session, const int32_t *ids, uint32_t n_tokens,
    float *logits, struct fathom_error *err);
// The logits after the last token: [n_vocab] floats.
FATHOM_API bool fathom_session_get_logits(
    struct fathom_session *session, float *logits, struct fathom_error *err);

// Logits that are not finite are an error: append and get_logits with logits, and generate, then fail with
// FATHOM_INVALID and name the position. `logits` holds the rows up to that position, that row included.

// ---- Generation ------------------------------------------------------------------------------------------

struct fathom_sampling {
    size_t size;
    // 0, below 2^-126, or so little that the best logit divided by it is infinite: greedy, which takes the
    // lowest id among equals
    float temperature;
    uint32_t top_k;       // 0: off; 1: greedy
    float top_p;          // 0 or 1: off
    float min_p;          // 0: off; 1: greedy
    float repeat_penalty; // 0 or 1: off; over the whole text so far
    uint64_t seed;        // the same seed gives the same text on the same device; exact mode: on any device.
                          // 0 is a seed as any other: a program that wants another text each time gives one
};
// The defaults of the model: of generation_config.json in a hub folder (temperature, top_k, top_p, min_p,
// repetition_penalty, do_sample), of llama.cpp's keys general.sampling.{temp, top_k, top_p, min_p,
// penalty_repeat} in a GGUF file. A model that says nothing gets temperature 0.6 and top_p 0.95, R1's own
// advice. A model that says anything gets that, temperature 1 where it gives none, and nothing else; one that
// wants no sampling ("do_sample": false) is greedy. A number out of its range is left out, with a warning in
// the log; a generation_config.json with anything but a number there is refused. Owned by the engine.
FATHOM_API const struct fathom_sampling *fathom_engine_get_sampling(const struct fathom_engine *engine);

struct fathom_generate_params {
    size_t size;
    const struct fathom_sampling *sampling; // NULL: fathom_engine_get_sampling()
    uint32_t max_tokens;                    // 0: reads the text and generates nothing
    // Called for each new token, in order, while later steps already run; returns false to stop (a stop
    // token, a limit). Required where max_tokens is not 0.
    bool (*on_token)(void *user, int32_t id);
    // NULL, or called before each token is sampled with the logits after the text so far, which it may change
    // (grammars, biases; -INFINITY forbids a token). Returns false to stop before that token. One logit at
    // least must stay finite. Each step then waits for the host, and nothing is drafted.
    bool (*on_logits)(void *user, float *logits, uint32_t n_vocab);
    void *user;
};
// Generates after at least one token. The session keeps every token but the one for which on_token returned
// false. A full context ends with FATHOM_OK: *n_generated (may be NULL) is the number of tokens that the
// session has got, also by a call that was cancelled: the next call goes on after them.
FATHOM_API bool fathom_session_generate(struct fathom_session *session,
    const struct fathom_generate_params *params, uint32_t *n_generated, struct fathom_error *err);

// ---- Copies ----------------------------------------------------------------------------------------------

// A session with the same text and cache, of the same engine. Both go on as one would.
FATHOM_API struct fathom_session *fathom_session_fork(
    struct fathom_session *session, struct fathom_error *err);
// Writes the text and the cache to a file: under another name first, so that a failure leaves an older file
// as it was.
FATHOM_API bool fathom_session_save(
    struct fathom_session *session, const char *path, struct fathom_error *err);
// A session from such a file. Refused, with the reason: a file that is torn or changed (checksums), of
// another version, of another model, or whose cache has other types or sizes than this engine's.
// params->n_context must hold the text.
FATHOM_API struct fathom_session *fathom_session_restore(struct fathom_engine *engine, const char *path,
    const struct fathom_session_params *params, struct fathom_error *err);

// ---- Measurements ----------------------------------------------------------------------------------------

struct fathom_session_stats {
    size_t size;
    double prefill_seconds, decode_seconds; // host clock, of all calls so far
    uint32_t prefill_tokens, decode_tokens;
    // Seconds of creating the session; of building its pipelines. A step builds the pipelines that it needs
    // first, so these are part of the first prefill's and decode's time.
    double create_seconds, pipeline_seconds;
    // steps run; vkQueueSubmit calls and command buffers recorded for them
    uint64_t decode_steps, decode_submits, decode_recordings;
    // tokens guessed by the draft layer; and those that the model agreed with
    uint64_t drafts, drafts_accepted;
};
FATHOM_API void fathom_session_get_stats(
    const struct fathom_session *session, struct fathom_session_stats *stats);
// Of the session's decode steps; and of other sessions' steps, where these ran at the same time.
FATHOM_API void fathom_session_get_expert_stats(
    const struct fathom_session *session, struct fathom_expert_stats *stats);
// With gpu.timers: the time of each dispatch of the last prefill chunk, or of the last decode step; as
// fathom_stream_read_timings() and fathom_stream_get_timing().
FATHOM_API size_t fathom_session_read_timings(struct fathom_session *session, bool decode);
FATHOM_API const struct fathom_dispatch_time *fathom_session_get_timing(
    const struct fathom_session *session, bool decode, size_t i);

#ifdef __cplusplus
}
#endif
#endif
