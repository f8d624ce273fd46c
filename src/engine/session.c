#include "engine/session.h"
#include "base/sized.h"
#include "model/arch/arch.h"
#include <stdlib.h>
#include <string.h>

static bool create_steps(struct fathom_session *s, struct fathom_error *err) {
    struct fathom_gpu *gpu = s->engine->gpu;
    return (s->input = fathom_buffer_create(gpu, 4ull * (s->n_chunk + 2), FATHOM_MEMORY_DEVICE, err)) &&
        (s->step = fathom_buffer_create(gpu, sizeof(struct fathom_step), FATHOM_MEMORY_DEVICE, err)) &&
        (s->seen = fathom_buffer_create(gpu, 4ull * s->engine->hp.n_vocab, FATHOM_MEMORY_DEVICE, err)) &&
        (s->ring = fathom_buffer_create(
             gpu, 4ull * FM_RING * (1 + s->engine->n_drafts), FATHOM_MEMORY_HOST, err)) &&
        (s->prefill = fathom_stream_create(gpu, err)) && (s->decode = fathom_stream_create(gpu, err));
}

struct fathom_session *fathom_session_create(
    struct fathom_engine *engine, const struct fathom_session_params *params, struct fathom_error *err) {
    if (!FM_GIVEN(engine, "engine", err)) return NULL;
    const struct fathom_gpu_info *info = fathom_gpu_get_info(engine->gpu);
    struct fathom_session_params p = {.size = sizeof(p)};
    if (!fm_engine_add_session(engine, err)) return NULL;
    struct fathom_session *s = calloc(1, sizeof(*s));
    if (!s) {
        fm_engine_remove_session(engine);
        goto no_memory;
    }
    s->engine = engine;
    if (!fm_sized_read(&p, sizeof(p), params, "fathom_session_create: params", err)) goto fail;
    s->watch.progress = p.progress;
    s->n_context = p.n_context ? p.n_context : engine->plan.n_context;
    if (s->n_context > engine->plan.n_context) {
        fm_fail(err, FATHOM_INVALID, "a session of %u tokens was asked for, the engine was planned for %u",
            s->n_context, engine->plan.n_context);
        goto fail;
    }
    s->n_chunk = p.n_chunk ? p.n_chunk : engine->plan.n_chunk;
    if (s->n_chunk > s->n_context) s->n_chunk = s->n_context;
    s->n_chunk = fm_workspace_max_tokens(&engine->hp, info->max_storage_range, s->n_chunk);
    if (s->n_chunk == 0) {
        fm_fail(err, FATHOM_UNSUPPORTED,
            "one token's activations do not fit the %llu bytes that %s can address at once",
            (unsigned long long)info->max_storage_range, info->name);
        goto fail;
    }
    const double begin = fm_clock();
    s->tokens = malloc(s->n_context * sizeof(*s->tokens));
    if (!s->tokens) goto no_memory;
    const struct fm_cache_params caches = {
        .n_context = s->n_context,
        .n_positions = fm_positions(&engine->hp, s->n_context),
        .n_chunk = s->n_chunk,
        .n_ahead = FM_RING,
        .type = engine->cache_type,
    };
    const uint32_t n_tokens = s->n_chunk > engine->n_drafts ? s->n_chunk : engine->n_drafts + 1;
    if (!fm_workspace_create(
            engine->gpu, &engine->hp, n_tokens, caches.n_positions, engine->exact, &s->ws, err) ||
        !fm_caches_create(engine->gpu, &engine->hp, &caches, &s->caches, err) || !create_steps(s, err) ||
        !fm_drafting_create(s, err) || !fm_engine_settle(engine, &s->watch, err))
        goto fail;
    s->stats.create_seconds = fm_clock() - begin;
    return s;
no_memory:
    fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
fail:
    fathom_session_destroy(&s);
    return NULL;
}

void fathom_session_destroy(struct fathom_session **session) {
    struct fathom_session *s = session ? *session : NULL;
    if (!s) return;
    fathom_stream_destroy(&s->prefill);
    fathom_stream_destroy(&s->decode);
    fm_drafting_destroy(s);
    fm_constrained_destroy(s);
    struct fathom_buffer **buffers[] = {&s->input, &s->step, &s->seen, &s->ring};
    for (size_t i = 0; i < sizeof(buffers) / sizeof(*buffers); i++) fathom_buffer_destroy(buffers[i]);
    fm_workspace_free(&s->ws);
    fm_caches_free(&s->caches);
    fm_engine_remove_session(s->engine);
    free(s->tokens);
    free(s);
    *session = NULL;
}

struct fm_pass fm_session_pass(const struct fathom_session *s, struct fathom_stream *stream) {
    struct fm_pass pass = {
        .hp = &s->engine->hp,
        .weights = &s->engine->weights,
        .ws = &s->ws,
        .caches = &s->caches,
        .rope_table = fathom_buffer_view(s->caches.rope_tables[0]),
        .stream = stream,
        .exact = s->engine->exact,
    };
    if (s->caches.rope_tables[1]) pass.compressed_rope_table = fathom_buffer_view(s->caches.rope_tables[1]);
    return pass;
}

uint32_t fm_session_cache_parts(
    const struct fathom_session *s, uint32_t layer, struct fathom_view parts[FM_MAX_CACHE_PARTS]) {
    const struct fm_hparams *hp = &s->engine->hp;
    return fm_caches_used(
        hp, &s->caches, layer, layer < hp->n_layers ? s->n_evaluated : fm_drafting_length(s), parts);
}

uint64_t fm_session_cache_size(const struct fathom_session *s) {
    uint64_t total = 0;
    for (uint32_t i = 0; i < s->caches.n_layers; i++) {
        struct fathom_view parts[FM_MAX_CACHE_PARTS];
        const uint32_t n = fm_session_cache_parts(s, i, parts);
        for (uint32_t j = 0; j < n; j++) total += parts[j].size;
    }
    return total;
}

bool fm_session_fail_logits(uint32_t position, struct fathom_error *err) {
    return fm_fail(err, FATHOM_INVALID,
        "the logits at position %u are not finite: the model's weights hold NaN or infinity, or its values "
        "overflow; exact mode, which has the widest range, tells which",
        position);
}

uint32_t fathom_session_length(const struct fathom_session *session) {
    if (!session) return 0;
    return session->n_tokens;
}
const int32_t *fathom_session_tokens(const struct fathom_session *session) {
    if (!session) return NULL;
    return session->tokens;
}
uint32_t fathom_session_context(const struct fathom_session *session) {
    if (!session) return 0;
    return session->n_context;
}
void fathom_session_get_stats(const struct fathom_session *session, struct fathom_session_stats *given) {
    if (!session || !given) return;
    struct fathom_session_stats stats = session->stats;
    stats.pipeline_seconds = fm_engine_counters(session->engine).pipeline_seconds;
    fm_sized_write(given, &stats, sizeof(stats));
}
void fathom_session_get_expert_stats(
    const struct fathom_session *session, struct fathom_expert_stats *stats) {
    if (!session || !stats) return;
    fm_sized_write(stats, &session->experts, sizeof(session->experts));
}

static struct fathom_stream *timed(const struct fathom_session *session, bool decode) {
    return !decode ? session->prefill : session->drafting ? fm_drafting_round(session) : session->decode;
}
size_t fathom_session_read_timings(struct fathom_session *session, bool decode) {
    if (!session) return 0;
    return fathom_stream_read_timings(timed(session, decode));
}
const struct fathom_dispatch_time *fathom_session_get_timing(
    const struct fathom_session *session, bool decode, size_t i) {
    if (!session) return NULL;
    return fathom_stream_get_timing(timed(session, decode), i);
}

// The tokens that the cache holds for sure.
static uint32_t sound_length(const struct fathom_session *s) {
    return s->torn ? s->engine->hp.arch->cache_truncate(s->n_evaluated) : s->n_evaluated;
}

bool fm_session_settle(struct fathom_session *s, struct fathom_error *err) {
    s->watch.cancelled = false;
    s->n_evaluated = sound_length(s);
    s->torn = false;
    return fm_gpu_settle(s->engine->gpu, &s->watch, err);
}

static uint32_t same_beginning(const struct fathom_session *s, const int32_t *ids, size_t n) {
    uint32_t n_same = 0;
    while (n_same < n && n_same < s->n_tokens && ids[n_same] == s->tokens[n_same]) n_same++;
    return n_same;
}

// A cut may cost more of the cache than of the text, and so may a cancelled chunk.
uint32_t fm_session_held(const struct fathom_session *s, const int32_t *ids, size_t n) {
    const uint32_t n_same = same_beginning(s, ids, n), n_sound = sound_length(s);
    if (n_same < n_sound) return s->engine->hp.arch->cache_truncate(n_same);
    return s->torn ? n_sound : n_same;
}

bool fathom_session_sync(struct fathom_session *s, const int32_t *ids, uint32_t n_tokens, uint32_t *n_reused,
    struct fathom_error *err) {
    if (!FM_GIVEN(s, "session", err) || !FM_GIVEN(ids || !n_tokens, "ids", err)) return false;
    if (n_reused) *n_reused = 0;
    if (!fm_session_check_tokens(s, 0, ids, n_tokens, err)) return false;
    const uint32_t n_same = same_beginning(s, ids, n_tokens), n_held = fm_session_held(s, ids, n_tokens);
    if (!fm_session_settle(s, err) || !fathom_session_truncate(s, n_same, err)) return false;
    if (n_reused) *n_reused = n_held;
    return fathom_session_append(s, ids + n_same, n_tokens - n_same, NULL, err);
}

bool fathom_session_truncate(struct fathom_session *s, uint32_t length, struct fathom_error *err) {
    if (!FM_GIVEN(s, "session", err)) return false;
    if (length > s->n_tokens)
        return fm_fail(err, FATHOM_INVALID, "cannot truncate a text of %u tokens to %u", s->n_tokens, length);
    s->n_tokens = length;
    if (s->n_evaluated > length) s->n_evaluated = s->engine->hp.arch->cache_truncate(length);
    if (s->drafting && fm_drafting_length(s) >= length)
        fm_drafting_set_length(s, length ? length - 1 : 0); // the last token gets a new successor
    return true;
}
