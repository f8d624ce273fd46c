// Decoding with a caller that sees the logits before a token is sampled, and may change them. The step is
// recorded in two streams: up to the logits, which may read experts, and the sampling.
#include "engine/session.h"
#include "op/op.h"
#include <math.h>
#include <stdlib.h>

struct fm_constrained {
    struct fathom_stream *logits, *sample;
    float *values; // [n_vocab]
    bool recorded;
    uint32_t version; // fm_slots.version when the step was recorded
};

static bool create(struct fathom_session *s, struct fathom_error *err) {
    struct fathom_gpu *gpu = s->engine->gpu;
    struct fm_constrained *c = s->constrained = calloc(1, sizeof(*c));
    if (c && (c->values = malloc(4ull * s->engine->hp.n_vocab))) {
        if ((c->logits = fathom_stream_create(gpu, err)) && (c->sample = fathom_stream_create(gpu, err)))
            return true;
    } else
        fm_fail(err, FATHOM_NO_MEMORY, "out of host memory for %u logits", s->engine->hp.n_vocab);
    fm_constrained_destroy(s);
    return false;
}

void fm_constrained_destroy(struct fathom_session *s) {
    struct fm_constrained *c = s->constrained;
    if (!c) return;
    fathom_stream_destroy(&c->logits);
    fathom_stream_destroy(&c->sample);
    free(c->values);
    free(c);
    s->constrained = NULL;
}

static bool record(struct fathom_session *s, struct fathom_error *err) {
    if (!s->constrained && !create(s, err)) return false;
    struct fm_constrained *c = s->constrained;
    if (c->recorded && c->version == fm_session_version(s)) return true;
    c->recorded = false;
    c->version = fm_session_version(s);
    fathom_stream_begin(c->logits);
    fathom_stream_begin(c->sample);
    fm_session_record_step(s, c->logits, c->sample);
    if (!fm_stream_finish(c->logits, &s->watch, err) || !fm_stream_finish(c->sample, &s->watch, err))
        return false;
    c->recorded = true;
    s->stats.decode_recordings += fm_stream_buffers(c->logits) + fm_stream_buffers(c->sample);
    return true;
}

// What the caller has left: finite logits, or -infinity, but not for all tokens.
static bool check_changed(const float *values, uint32_t n_vocab, struct fathom_error *err) {
    uint32_t n_left = 0;
    for (uint32_t i = 0; i < n_vocab; i++) {
        if (isnan(values[i]) || values[i] == INFINITY)
            return fm_fail(err, FATHOM_INVALID,
                "on_logits set the logit of token %u to %g, wanted a finite number or -infinity", i,
                (double)values[i]);
        n_left += values[i] != -INFINITY;
    }
    return n_left ||
        fm_fail(err, FATHOM_INVALID, "on_logits set all %u logits to -infinity: no token is left", n_vocab);
}

bool fm_constrained_step(struct fathom_session *s,
    bool (*on_logits)(void *user, float *logits, uint32_t n_vocab), void *user, bool *wanted,
    uint64_t *ticket, struct fathom_error *err) {
    struct fathom_gpu *gpu = s->engine->gpu;
    const uint32_t n_vocab = s->engine->hp.n_vocab, last = s->n_tokens - 1;
    struct fathom_view row = s->ws.logits;
    row.size = 4ull * n_vocab;
    if (!fm_engine_begin(s->engine, &s->watch, err)) return false;
    const bool submitted = record(s, err) &&
        fm_engine_submit(s->engine, s->constrained->logits, s->tokens + last, 1, &s->watch, ticket, err);
    fm_engine_end_turn(s->engine);
    struct fm_constrained *c = s->constrained;
    if (!submitted || !fm_gpu_wait(gpu, *ticket, &s->watch, err) ||
        !fathom_download(gpu, row, c->values, err))
        return false;
    for (uint32_t i = 0; i < n_vocab; i++)
        if (!isfinite(c->values[i])) return fm_session_fail_logits(last, err);
    if (!(*wanted = on_logits(user, c->values, n_vocab))) return true;
    if (!check_changed(c->values, n_vocab, err) || !fathom_upload(gpu, row, c->values, err) ||
        !fathom_stream_submit(c->sample, ticket, err))
        return false;
    s->stats.decode_submits += fm_stream_buffers(c->logits) + fm_stream_buffers(c->sample);
    s->stats.decode_steps++;
    return true;
}
