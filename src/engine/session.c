#include "engine/window_cache.h"
#include <stdlib.h>
#include <string.h>

static bool create_cache(struct fathom_session *s, struct fathom_error *err) {
    const struct fm_hparams *hp = &s->engine->hp;
    const struct fathom_gpu_info *info = fathom_gpu_get_info(s->engine->gpu);
    const uint64_t size = fm_cache_layer_size(hp, s->n_context, s->engine->cache_type);
    const uint64_t index_size = fm_index_cache_layer_size(hp, s->n_context, s->engine->cache_type);
    const uint32_t n_pages = (fm_positions(hp, s->n_context) + FATHOM_PAGE - 1) / FATHOM_PAGE, n_layers = hp->n_layers + hp->n_drafting;
    if (!hp->window && size > info->max_storage_range)
        return fm_fail(err, FATHOM_UNSUPPORTED, "a context of %u tokens needs %llu bytes of cache a layer, %s can address %llu; up to %u tokens would fit",
            s->n_context, (unsigned long long)size, info->name, (unsigned long long)info->max_storage_range,
            (uint32_t)(info->max_storage_range / (size / n_pages)) * FATHOM_PAGE);
    s->cache_buffers = calloc(n_layers, sizeof(*s->cache_buffers));
    s->caches = calloc(n_layers, sizeof(*s->caches));
    uint32_t *pages = malloc(n_pages * sizeof(*pages));
    s->kv_caches = calloc(n_layers, sizeof(*s->kv_caches));
    s->index_buffers = calloc(n_layers, sizeof(*s->index_buffers));
    s->index_caches = calloc(n_layers, sizeof(*s->index_caches));
    s->summaries = calloc(n_layers, sizeof(*s->summaries));
    if (!s->cache_buffers || !s->caches || !s->kv_caches || !s->index_buffers || !s->index_caches || !s->summaries || !pages) {
        free(pages);
        return fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
    }
    if (hp->window) {
        free(pages);
        return fm_window_cache_create(s, err);
    }
    for (uint32_t i = 0; i < n_pages; i++) pages[i] = i;
    s->page_table = fathom_buffer_create(s->engine->gpu, 4ull * n_pages, FATHOM_MEMORY_DEVICE, err);
    bool ok = s->page_table && fathom_upload(s->engine->gpu, fathom_buffer_view(s->page_table), pages, err);
    free(pages);
    for (uint32_t i = 0; ok && i < n_layers; i++) {
        ok = (s->cache_buffers[i] = fathom_buffer_create(s->engine->gpu, size, FATHOM_MEMORY_DEVICE, err)) != NULL;
        if (!ok) break;
        const struct fathom_view cache = fathom_buffer_view(s->cache_buffers[i]), table = fathom_buffer_view(s->page_table);
        const enum fathom_type type = s->engine->cache_type;
        s->caches[i] = (struct fathom_latent_cache){.pages = cache, .page_table = table, .type = type, .kv_rank = hp->kv_rank, .n_rope = hp->n_rope};
        s->kv_caches[i] = (struct fathom_kv_cache){.pages = cache, .page_table = table, .type = type, .n_kv = hp->n_kv, .n_head = hp->n_value};
        if (!index_size) continue;
        ok = (s->index_buffers[i] = fathom_buffer_create(s->engine->gpu, index_size, FATHOM_MEMORY_DEVICE, err)) != NULL;
        if (ok) s->index_caches[i] = (struct fathom_index_cache){.pages = fathom_buffer_view(s->index_buffers[i]), .page_table = table,
            .type = fm_index_cache_type(type), .n_key = hp->n_index};
    }
    return ok;
}

static bool create_rope_table(struct fathom_session *s, bool summaries, struct fathom_buffer **buffer, struct fathom_error *err) {
    const struct fm_hparams *hp = &s->engine->hp;
    const uint32_t n_positions = fm_positions(hp, s->n_context);
    const uint64_t size = 4ull * n_positions * hp->n_rope;
    float *table = malloc(size);
    if (!table) return fm_fail(err, FATHOM_NO_MEMORY, "out of host memory for %u rotary positions", n_positions);
    fm_rope_table(hp, summaries, n_positions, table);
    *buffer = fathom_buffer_create(s->engine->gpu, size, FATHOM_MEMORY_DEVICE, err);
    const bool ok = *buffer && fathom_upload(s->engine->gpu, fathom_buffer_view(*buffer), table, err);
    free(table);
    return ok;
}

static bool create_steps(struct fathom_session *s, struct fathom_error *err) {
    struct fathom_gpu *gpu = s->engine->gpu;
    return (s->input = fathom_buffer_create(gpu, 4ull * (s->n_chunk + 2), FATHOM_MEMORY_DEVICE, err)) &&
           (s->step = fathom_buffer_create(gpu, sizeof(struct fathom_step), FATHOM_MEMORY_DEVICE, err)) &&
           (s->seen = fathom_buffer_create(gpu, 4ull * s->engine->hp.n_vocab, FATHOM_MEMORY_DEVICE, err)) &&
           (s->ring = fathom_buffer_create(gpu, 4ull * FM_RING * (1 + s->engine->n_drafts), FATHOM_MEMORY_HOST, err)) &&
           (s->prefill = fathom_stream_create(gpu, err)) &&
           (s->decode = fathom_stream_create(gpu, err));
}

struct fathom_session *fathom_session_create(struct fathom_engine *engine, const struct fathom_session_params *params, struct fathom_error *err) {
    const struct fathom_gpu_info *info = fathom_gpu_get_info(engine->gpu);
    struct fathom_session *s = calloc(1, sizeof(*s));
    if (!s) goto no_memory;
    s->engine = engine;
    s->n_context = params && params->n_context ? params->n_context : engine->plan.n_context;
    if (s->n_context > engine->plan.n_context) {
        fm_fail(err, FATHOM_INVALID, "a session of %u tokens was asked for, the engine was planned for %u", s->n_context, engine->plan.n_context);
        goto fail;
    }
    s->n_chunk = params && params->n_chunk ? params->n_chunk : fm_default_chunk(info, &engine->hp, s->n_context);
    if (s->n_chunk > s->n_context) s->n_chunk = s->n_context;
    s->n_chunk = fm_workspace_max_tokens(&engine->hp, info->max_storage_range, s->n_chunk);
    if (s->n_chunk == 0) {
        fm_fail(err, FATHOM_UNSUPPORTED, "one token's activations do not fit the %llu bytes that %s can address at once",
            (unsigned long long)info->max_storage_range, info->name);
        goto fail;
    }
    const double begin = fm_clock();
    s->tokens = malloc(s->n_context * sizeof(*s->tokens));
    if (!s->tokens) goto no_memory;
    const uint32_t n_tokens = s->n_chunk > engine->n_drafts ? s->n_chunk : engine->n_drafts + 1;
    if (!fm_workspace_create(engine->gpu, &engine->hp, n_tokens, fm_positions(&engine->hp, s->n_context), engine->exact, &s->ws, err) ||
        !create_cache(s, err) ||
        !create_rope_table(s, false, &s->rope_table, err) || (engine->hp.window && !create_rope_table(s, true, &s->summary_rope_table, err)) ||
        !create_steps(s, err) || !fm_drafting_create(s, err))
        goto fail;
    s->start = engine->start;
    s->start.session = fm_clock() - begin;
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
    for (uint32_t i = 0; s->index_buffers && i < s->engine->hp.n_layers + s->engine->hp.n_drafting; i++) fathom_buffer_destroy(&s->index_buffers[i]);
    for (uint32_t i = 0; s->cache_buffers && i < s->engine->hp.n_layers + s->engine->hp.n_drafting; i++) fathom_buffer_destroy(&s->cache_buffers[i]);
    struct fathom_buffer **buffers[] = {&s->page_table, &s->rope_table, &s->summary_rope_table, &s->input, &s->step, &s->seen, &s->ring};
    for (size_t i = 0; i < sizeof(buffers) / sizeof(*buffers); i++) fathom_buffer_destroy(buffers[i]);
    fm_workspace_free(&s->ws);
    free(s->cache_buffers);
    free(s->caches);
    free(s->kv_caches);
    free(s->index_buffers);
    free(s->index_caches);
    free(s->summaries);
    free(s->tokens);
    free(s);
    *session = NULL;
}

struct fm_pass fm_session_pass(const struct fathom_session *s, struct fathom_stream *stream) {
    struct fm_pass pass = {.hp = &s->engine->hp, .weights = &s->engine->weights, .ws = &s->ws, .caches = s->caches, .index_caches = s->index_caches,
        .kv_caches = s->kv_caches, .summaries = s->summaries, .first_summary = s->first_summary, .rope_table = fathom_buffer_view(s->rope_table),
        .stream = stream, .exact = s->engine->exact};
    if (s->summary_rope_table) pass.summary_rope_table = fathom_buffer_view(s->summary_rope_table);
    return pass;
}

uint32_t fathom_session_length(const struct fathom_session *session) { return session->n_tokens; }
const int32_t *fathom_session_tokens(const struct fathom_session *session) { return session->tokens; }
struct fathom_session_stats fathom_session_get_stats(const struct fathom_session *session) {
    struct fathom_session_stats stats = session->stats;
    const struct fathom_start_times *t = &session->start;
    stats.start = *t;
    stats.start.pipelines = fathom_gpu_get_counters(session->engine->gpu).pipeline_seconds;
    stats.timings.load_seconds = t->file + t->tokenizer + t->device + t->weights + t->tuning;
    return stats;
}
size_t fathom_session_get_timings(const struct fathom_session *session, bool decode, struct fathom_timing *list, size_t capacity) {
    return fathom_stream_timings(!decode ? session->prefill : session->drafting ? fm_drafting_round(session) : session->decode, list, capacity);
}

bool fathom_session_truncate(struct fathom_session *s, uint32_t length, struct fathom_error *err) {
    if (length > s->n_tokens) return fm_fail(err, FATHOM_INVALID, "cannot truncate a text of %u tokens to %u", s->n_tokens, length);
    s->n_tokens = length;
    // DeepSeek-V4's ring may no longer hold what the tokens before the cut saw: all are read again
    if (s->n_evaluated > length) s->n_evaluated = s->engine->hp.window ? 0 : length;
    if (s->drafting && fm_drafting_length(s) >= length) fm_drafting_set_length(s, length ? length - 1 : 0); // the last token gets a new successor
    return true;
}
