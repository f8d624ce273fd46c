// A copy of a session on the device: the text and the used part of its caches.
#include "engine/session.h"
#include <string.h>

static const uint64_t AT_ONCE = 256ull << 20; // bytes of one submit, so that a copy of a long text reports

static bool run(struct fathom_session *s, struct fathom_stream *stream, uint64_t done, uint64_t total,
    struct fathom_error *err) {
    uint64_t ticket;
    if (!fm_stream_finish(stream, &s->watch, err) || !fm_stream_submit(stream, &s->watch, &ticket, err) ||
        !fm_gpu_wait(s->engine->gpu, ticket, &s->watch, err))
        return false;
    fathom_stream_begin(stream);
    return fm_watch_tell(&s->watch, FATHOM_PHASE_STATE, done, total, err);
}

// The caches of the same layer of both sessions are cut into the same parts.
static bool copy_caches(struct fathom_session *from, struct fathom_session *to, struct fathom_error *err) {
    const uint64_t total = fm_session_cache_size(from);
    struct fathom_stream *stream = fathom_stream_create(from->engine->gpu, err);
    bool ok = stream != NULL;
    uint64_t done = 0, waiting = 0;
    if (ok) fathom_stream_begin(stream);
    for (uint32_t i = 0; ok && i < from->caches.n_layers; i++) {
        struct fathom_view src[FM_MAX_CACHE_PARTS], dst[FM_MAX_CACHE_PARTS];
        const uint32_t n = fm_session_cache_parts(from, i, src);
        fm_session_cache_parts(to, i, dst);
        for (uint32_t j = 0; ok && j < n; j++) {
            fathom_stream_copy(stream, src[j], dst[j]);
            waiting += src[j].size;
            if (waiting < AT_ONCE) continue;
            done += waiting, waiting = 0;
            ok = run(from, stream, done, total, err);
        }
    }
    ok = ok && (!waiting || run(from, stream, total, total, err));
    fathom_stream_destroy(&stream);
    return ok;
}

struct fathom_session *fathom_session_fork(struct fathom_session *s, struct fathom_error *err) {
    if (!FM_GIVEN(s, "session", err)) return NULL;
    s->watch.phase = FATHOM_PHASE_STATE, s->watch.done = s->watch.total = 0; // in place of the last call's
    if (!fm_session_settle(s, err)) return NULL;
    struct fathom_session *fork = fathom_session_create(s->engine,
        &FATHOM_INIT(fathom_session_params, .n_context = s->n_context, .n_chunk = s->n_chunk,
            .progress = s->watch.progress),
        err);
    if (!fork) return NULL;
    memcpy(fork->tokens, s->tokens, s->n_tokens * sizeof(*s->tokens));
    fork->n_tokens = s->n_tokens;
    fork->n_evaluated = s->n_evaluated;
    if (s->drafting) fm_drafting_set_length(fork, fm_drafting_length(s));
    if (!copy_caches(s, fork, err)) fathom_session_destroy(&fork);
    return fork;
}
