#include "engine/session_file.h"
#include "base/checksum.h"
#include "base/mapped_file.h"
#include "base/part_file.h"
#include "base/sized.h"
#include "engine/session.h"
#include "engine/session_parse.h"
#include "quant/types.h"
#include <stdlib.h>
#include <string.h>

enum { AT_ONCE = 4 << 20 /* bytes between two reports */, BETWEEN_FLUSHES = 16 << 20 };

// ---- Writing ---------------------------------------------------------------------------------------------

struct writer {
    struct fm_part_file file;
    struct fm_checksum sum;
    struct fm_watch *watch;
    uint64_t flushed; // bytes
};

static bool put(struct writer *w, const void *data, size_t size, struct fathom_error *err) {
    fm_checksum_add(&w->sum, data, size);
    if (!fm_part_file_write(&w->file, data, size, err)) return false;
    if (w->file.written - w->flushed >= BETWEEN_FLUSHES) {
        if (!fm_part_file_flush(&w->file, err)) return false;
        w->flushed = w->file.written;
    }
    return fm_watch_tell(w->watch, FATHOM_PHASE_STATE, w->file.written, w->file.size, err);
}

// Adds a number to `bytes`, in little-endian order.
static uint8_t *number(uint8_t *bytes, uint64_t value, int size) {
    for (int i = 0; i < size; i++) bytes[i] = (uint8_t)(value >> 8 * i);
    return bytes + size;
}

static bool put_sum(struct writer *w, struct fathom_error *err) {
    uint8_t bytes[8];
    number(bytes, fm_checksum_end(&w->sum), 8);
    fm_checksum_begin(&w->sum);
    return fm_part_file_write(&w->file, bytes, 8, err);
}

static bool put_head(
    struct writer *w, const struct fathom_session *s, uint64_t n_extra, struct fathom_error *err) {
    const struct fm_hparams *hp = &s->engine->hp;
    const uint32_t order = FM_SESSION_ORDER;
    uint8_t head[FM_SESSION_HEAD], *at = head;
    memcpy(at, FM_SESSION_MAGIC, 8);
    at = number(at + 8, FM_SESSION_VERSION, 4);
    memcpy(at, &order, 4);
    at = number(at + 4, w->file.size, 8);
    at = number(at, s->engine->model_key, 8);
    at = number(at, s->engine->cache_type, 4);
    at = number(at, s->n_tokens, 4);
    at = number(at, s->n_evaluated, 4);
    at = number(at, s->drafting ? fm_drafting_length(s) : 0, 4);
    at = number(at, hp->n_layers, 4);
    at = number(at, hp->n_drafting, 4);
    at = number(at, n_extra, 8);
    fm_checksum_begin(&w->sum);
    return put(w, head, (size_t)(at - head), err) && put_sum(w, err);
}

static bool put_section(
    struct writer *w, enum fm_session_section kind, uint32_t index, uint64_t size, struct fathom_error *err) {
    uint8_t bytes[FM_SESSION_SECTION];
    number(number(number(bytes, kind, 4), index, 4), size, 8);
    return put(w, bytes, sizeof(bytes), err);
}

static bool put_tokens(
    struct writer *w, const struct fathom_session *s, uint8_t *buffer, struct fathom_error *err) {
    bool ok = put_section(w, FM_SECTION_TOKENS, 0, 4ull * s->n_tokens, err);
    for (uint32_t first = 0; ok && first < s->n_tokens; first += AT_ONCE / 4) {
        uint8_t *at = buffer;
        for (uint32_t i = first; i < s->n_tokens && i - first < AT_ONCE / 4; i++)
            at = number(at, (uint32_t)s->tokens[i], 4);
        ok = put(w, buffer, (size_t)(at - buffer), err);
    }
    return ok && put_sum(w, err);
}

static uint64_t size_of(const struct fathom_view *parts, uint32_t n) {
    uint64_t size = 0;
    for (uint32_t i = 0; i < n; i++) size += parts[i].size;
    return size;
}

static bool put_cache(struct writer *w, const struct fathom_session *s, uint32_t layer, uint8_t *buffer,
    struct fathom_error *err) {
    struct fathom_view parts[FM_MAX_CACHE_PARTS];
    const uint32_t n = fm_session_cache_parts(s, layer, parts);
    bool ok = put_section(w, FM_SECTION_CACHE, layer, size_of(parts, n), err);
    for (uint32_t i = 0; ok && i < n; i++) {
        struct fathom_view piece = parts[i];
        const uint64_t end = piece.offset + piece.size;
        for (; ok && piece.offset < end; piece.offset += piece.size) {
            piece.size = end - piece.offset < AT_ONCE ? end - piece.offset : AT_ONCE;
            ok = fathom_download(s->engine->gpu, piece, buffer, err) && put(w, buffer, piece.size, err);
        }
    }
    return ok && put_sum(w, err);
}

bool fm_session_save(
    struct fathom_session *s, const char *path, const void *extra, size_t n_extra, struct fathom_error *err) {
    struct writer w = {.watch = &s->watch};
    s->watch.phase = FATHOM_PHASE_STATE, s->watch.done = s->watch.total = 0; // in place of the last call's
    if (!fm_session_settle(s, err)) return false;
    uint8_t *buffer = malloc(AT_ONCE);
    bool ok = buffer || fm_fail(err, FATHOM_NO_MEMORY, "%s: out of host memory", path);
    ok = ok && fm_part_file_create(&w.file, path, err);
    w.file.size = FM_SESSION_HEAD + (2ull + s->caches.n_layers) * (FM_SESSION_SECTION + 8) +
        4ull * s->n_tokens + n_extra + fm_session_cache_size(s);
    ok = ok && put_head(&w, s, n_extra, err) && put_tokens(&w, s, buffer, err) &&
        put_section(&w, FM_SECTION_EXTRA, 0, n_extra, err) && put(&w, extra, n_extra, err) &&
        put_sum(&w, err);
    for (uint32_t i = 0; ok && i < s->caches.n_layers; i++) ok = put_cache(&w, s, i, buffer, err);
    ok = ok && fm_part_file_finish(&w.file, true, err);
    if (!ok) fm_part_file_discard(&w.file);
    free(buffer);
    return ok;
}

bool fathom_session_save(struct fathom_session *session, const char *path, struct fathom_error *err) {
    if (!FM_GIVEN(session, "session", err) || !FM_GIVEN(path, "path", err)) return false;
    return fm_session_save(session, path, NULL, 0, err);
}

// ---- Reading ---------------------------------------------------------------------------------------------

// Whether the engine continues the text as the one that wrote the file would.
static bool check_identity(
    const struct fathom_engine *e, const struct fm_session_contents *c, struct fathom_error *err) {
    if (c->model != e->model_key || c->n_layers != e->hp.n_layers)
        return fm_fail(err, FATHOM_INVALID,
            "the session is of another model (its key is %016llx, the engine's is %016llx)",
            (unsigned long long)c->model, (unsigned long long)e->model_key);
    if (c->cache_type != (uint32_t)e->cache_type)
        return fm_fail(err, FATHOM_UNSUPPORTED,
            "the session's cache is of type %s, this engine's is of type %s; exact mode has F32, cache_8bit "
            "has "
            "Q8_0, otherwise it is F16",
            fm_type_name((enum fathom_type)c->cache_type), fm_type_name(e->cache_type));
    if (e->hp.n_drafting > c->n_draft_layers)
        return fm_fail(err, FATHOM_UNSUPPORTED,
            "the session has no cache of the draft layer; an engine without drafts can restore the session");
    return true;
}

static bool take_tokens(
    struct fathom_session *s, const struct fm_session_contents *c, struct fathom_error *err) {
    for (uint32_t i = 0; i < c->n_tokens; i++) {
        const uint8_t *b = c->tokens.data + 4ull * i;
        s->tokens[i] = (int32_t)(b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24);
    }
    if (!fm_session_check_tokens(s, 0, s->tokens, c->n_tokens, err)) return false;
    s->n_tokens = c->n_tokens;
    s->n_evaluated = c->n_evaluated;
    fm_drafting_set_length(s, c->n_drafted);
    return true;
}

// done: bytes of the file's caches before this layer's. Reports the second half of what restoring takes.
static bool take_cache(struct fathom_session *s, uint32_t layer, const struct fm_session_bytes *bytes,
    uint64_t *done, uint64_t total, struct fathom_error *err) {
    struct fathom_view parts[FM_MAX_CACHE_PARTS];
    const uint32_t n = fm_session_cache_parts(s, layer, parts);
    const uint8_t *from = bytes->data;
    const uint64_t size = size_of(parts, n);
    if (size != bytes->size)
        return fm_fail(err, FATHOM_INVALID, "the cache of layer %u has %llu bytes, wanted %llu", layer,
            (unsigned long long)bytes->size, (unsigned long long)size);
    for (uint32_t i = 0; i < n; i++) {
        struct fathom_view piece = parts[i];
        const uint64_t end = piece.offset + piece.size;
        for (; piece.offset < end; piece.offset += piece.size, from += piece.size) {
            piece.size = end - piece.offset < AT_ONCE ? end - piece.offset : AT_ONCE;
            if (!fathom_upload(s->engine->gpu, piece, from, err)) return false;
            *done += piece.size;
            if (!fm_watch_tell(&s->watch, FATHOM_PHASE_STATE, *done, total, err)) return false;
        }
    }
    return true;
}

static struct fathom_session *restore(struct fathom_engine *e, const struct fm_session_contents *c,
    uint64_t file_size, const struct fathom_session_params *params, struct fathom_error *err) {
    const uint32_t n_context = params->n_context ? params->n_context : e->plan.n_context;
    if (c->n_tokens > n_context) {
        fm_fail(err, FATHOM_INVALID, "the session's text has %u tokens, the context holds %u", c->n_tokens,
            n_context);
        return NULL;
    }
    struct fathom_session *s = fathom_session_create(e, params, err);
    uint64_t done = file_size;
    bool ok = s && take_tokens(s, c, err);
    for (uint32_t i = 0; ok && i < s->caches.n_layers; i++)
        ok = take_cache(s, i, &c->caches[i], &done, 2 * file_size, err);
    if (!ok) fathom_session_destroy(&s);
    return s;
}

struct fathom_session *fm_session_restore(struct fathom_engine *e, const char *path,
    const struct fathom_session_params *params, void **extra, size_t *n_extra, struct fathom_error *err) {
    struct fathom_session_params p = {.size = sizeof(p)};
    struct fm_watch watch = {0};
    struct fm_mapped_file file;
    struct fm_session_contents contents;
    struct fathom_session *s = NULL;
    void *bytes = NULL;
    if (extra) *extra = NULL, *n_extra = 0;
    if (!fm_sized_read(&p, sizeof(p), params, "fathom_session_restore: params", err) ||
        !fm_mapped_file_open(&file, path, err))
        return NULL;
    fm_mapped_file_expect(&file);
    watch.progress = p.progress;
    if (fm_session_parse(file.data, file.size, &watch, &contents, err)) {
        const size_t n = (size_t)contents.extra.size;
        if (extra && n && !(bytes = malloc(n)))
            fm_fail(err, FATHOM_NO_MEMORY, "out of host memory for %zu bytes", n);
        else if (check_identity(e, &contents, err))
            s = restore(e, &contents, file.size, &p, err);
        if (s && bytes) {
            memcpy(bytes, contents.extra.data, n);
            *extra = bytes, *n_extra = n;
        } else
            free(bytes);
        fm_session_contents_free(&contents);
    }
    if (!s && err) fm_error_prefix(err, "%s", path);
    fm_mapped_file_close(&file);
    return s;
}

struct fathom_session *fathom_session_restore(struct fathom_engine *engine, const char *path,
    const struct fathom_session_params *params, struct fathom_error *err) {
    if (!FM_GIVEN(engine, "engine", err) || !FM_GIVEN(path, "path", err)) return NULL;
    return fm_session_restore(engine, path, params, NULL, NULL, err);
}
