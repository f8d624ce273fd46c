// Reading: tokens that are known, many at once.
#include "engine/session.h"
#include <math.h>
#include <string.h>

struct fm_pass fm_session_input_pass(
    const struct fathom_session *s, struct fathom_stream *stream, uint32_t n_tokens) {
    struct fm_pass pass = fm_session_pass(s, stream);
    pass.position = pass.ids = fathom_buffer_view(s->input);
    pass.position.size = 4;
    pass.ids.offset += 4, pass.ids.size -= 4;
    pass.n_tokens = n_tokens, pass.n_positions = s->n_evaluated + n_tokens;
    return pass;
}

// Runs the recorded stream. The caller has the engine's turn, which ends here. n_tokens: those at
// s->n_evaluated that the stream takes through the layers.
static bool run(struct fathom_session *s, uint32_t n_tokens, bool decode_next, struct fathom_error *err) {
    uint64_t ticket;
    bool ok = fm_stream_finish(s->prefill, &s->watch, err);
    s->torn |= ok;
    ok = ok &&
        fm_engine_submit(
            s->engine, s->prefill, s->tokens + s->n_evaluated, n_tokens, &s->watch, &ticket, err);
    struct fathom_error later = {0}; // a failure comes again, and is told, when the step is wanted
    if (ok && decode_next) s->drafting ? fm_drafting_record(s, &later) : fm_session_record_decode(s, &later);
    fm_engine_end_turn(s->engine);
    return ok && fm_gpu_wait(s->engine->gpu, ticket, &s->watch, err);
}

static bool is_finite(const float *values, uint64_t n) {
    bool finite = true;
    for (uint64_t i = 0; i < n; i++) finite &= isfinite(values[i]) != 0;
    return finite;
}

// The head over all tokens of the chunk, as many at a time as the workspace holds.
static bool read_logits(
    struct fathom_session *s, const struct fm_pass *pass, float *logits, struct fathom_error *err) {
    const uint64_t n_vocab = s->engine->hp.n_vocab;
    for (uint32_t first = 0; first < pass->n_tokens; first += s->ws.n_logits) {
        const uint32_t left = pass->n_tokens - first, n = left < s->ws.n_logits ? left : s->ws.n_logits;
        if (!fm_engine_take_turn(s->engine, &s->watch, err)) return false;
        fathom_stream_begin(s->prefill);
        fm_pass_head(pass, first, n);
        struct fathom_view rows = s->ws.logits;
        rows.size = 4 * n * n_vocab;
        if (!run(s, 0, false, err) || !fathom_download(s->engine->gpu, rows, logits + first * n_vocab, err))
            return false;
        for (uint32_t i = first; i < first + n; i++)
            if (!is_finite(logits + i * n_vocab, n_vocab))
                return fm_session_fail_logits(s->n_evaluated + i, err);
    }
    return true;
}

static bool evaluate_chunk(
    struct fathom_session *s, uint32_t n_tokens, float *logits, struct fathom_error *err) {
    const struct fm_pass pass = fm_session_input_pass(s, s->prefill, n_tokens);
    const uint32_t end = s->n_evaluated + n_tokens;
    const bool is_last = end == s->n_tokens;
    const uint32_t n_next = !s->drafting ? 0
        : is_last                        ? n_tokens - 1
                                         : n_tokens; // tokens whose successor is known
    struct fathom_view ids = pass.ids, next = ids;
    ids.size = 4ull * (is_last ? n_tokens : n_tokens + 1);
    next.offset += 4, next.size -= 4;
    if (!fathom_upload(s->engine->gpu, pass.position, &s->n_evaluated, err) ||
        !fathom_upload(s->engine->gpu, ids, s->tokens + s->n_evaluated, err))
        return false;
    if (!fm_engine_begin(s->engine, &s->watch, err)) return false;
    fathom_stream_begin(s->prefill);
    fm_pass_layers(&pass);
    if (logits) {
        if (!run(s, n_tokens, false, err) || !read_logits(s, &pass, logits, err)) return false;
        if (!fm_engine_take_turn(s->engine, &s->watch, err)) return false;
        fathom_stream_begin(s->prefill);
    }
    if (n_next) fm_drafting_read(s, &pass, next, n_next);
    if (logits && !n_next)
        fm_engine_end_turn(s->engine);
    else if (!run(s, logits ? 0 : n_tokens, !logits, err))
        return false;
    if (s->drafting) fm_drafting_set_length(s, s->n_evaluated + n_next);
    s->n_evaluated = end;
    s->torn = false;
    return true;
}

bool fm_session_evaluate(struct fathom_session *s, uint32_t end, float *logits, struct fathom_error *err) {
    // tokens that the draft layer has missed are read again
    if (s->drafting && s->n_evaluated > fm_drafting_length(s)) s->n_evaluated = fm_drafting_length(s);
    const double start = fm_clock();
    const uint32_t first = s->n_evaluated, total = end > first ? end - first : 0;
    bool ok = !total || fm_watch_tell(&s->watch, FATHOM_PHASE_PROMPT, 0, total, err);
    while (ok && s->n_evaluated < end) {
        const uint32_t left = end - s->n_evaluated, n = left < s->n_chunk ? left : s->n_chunk,
                       done = s->n_evaluated - first;
        ok = evaluate_chunk(s, n, logits ? logits + (uint64_t)done * s->engine->hp.n_vocab : NULL, err);
        ok = ok && fm_watch_tell(&s->watch, FATHOM_PHASE_PROMPT, done + n, total, err);
    }
    if (total) s->stats.prefill_seconds += fm_clock() - start;
    s->stats.prefill_tokens += s->n_evaluated - first;
    return ok;
}

bool fm_session_check_tokens(const struct fathom_session *s, uint32_t n_before, const int32_t *ids,
    uint32_t n_tokens, struct fathom_error *err) {
    if (n_tokens > s->n_context - n_before)
        return fm_fail(err, FATHOM_INVALID, "the text would have %llu tokens, the context holds %u",
            (unsigned long long)n_before + n_tokens, s->n_context);
    for (uint32_t i = 0; i < n_tokens; i++)
        if (ids[i] < 0 || (uint32_t)ids[i] >= s->engine->hp.n_vocab)
            return fm_fail(err, FATHOM_INVALID, "token id %d is not in the vocabulary of %u", ids[i],
                s->engine->hp.n_vocab);
    return true;
}

bool fm_session_push_tokens(
    struct fathom_session *s, const int32_t *ids, uint32_t n_tokens, struct fathom_error *err) {
    if (!fm_session_check_tokens(s, s->n_tokens, ids, n_tokens, err)) return false;
    if (n_tokens) memcpy(s->tokens + s->n_tokens, ids, n_tokens * sizeof(*ids));
    s->n_tokens += n_tokens;
    return true;
}

// The last token is left to the decode step, unless its logits are wanted now: that step needs a token to
// start from.
bool fathom_session_append(struct fathom_session *s, const int32_t *ids, uint32_t n_tokens, float *logits,
    struct fathom_error *err) {
    if (!FM_GIVEN(s, "session", err) || !FM_GIVEN(ids || !n_tokens, "ids", err)) return false;
    const uint32_t before = s->n_tokens;
    if (!fm_session_push_tokens(s, ids, n_tokens, err)) return false;
    if (n_tokens == 0) return true;
    const bool ok = !fm_session_settle(s, err) ? false
        : logits
        ? fm_session_evaluate(s, before, NULL, err) && fm_session_evaluate(s, s->n_tokens, logits, err)
        : fm_session_evaluate(s, s->n_tokens - 1, NULL, err);
    if (!ok) fathom_session_truncate(s, s->n_evaluated > before ? s->n_evaluated : before, NULL);
    return ok;
}
