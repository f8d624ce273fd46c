#include "engine/session_parse.h"
#include "base/checksum.h"
#include "base/cursor.h"
#include <stdio.h>
#include <stdlib.h>

enum { AT_ONCE = 4 << 20 }; // bytes between two reports

struct reader {
    struct fm_cursor at;
    struct fm_watch *watch;
};

// Compares the checksum that comes next with that of the `size` bytes before.
static bool check_sum(struct reader *r, uint64_t size, const char *what, struct fathom_error *err) {
    const uint64_t end = r->at.at;
    struct fm_checksum sum;
    fm_checksum_begin(&sum);
    for (uint64_t at = end - size; at < end;) {
        const size_t n = end - at < AT_ONCE ? (size_t)(end - at) : AT_ONCE;
        fm_checksum_add(&sum, r->at.data + at, n);
        at += n;
        if (!fm_watch_tell(r->watch, FATHOM_PHASE_STATE, at, 2 * r->at.size, err)) return false;
    }
    const uint64_t wanted = fm_cursor_u64(&r->at);
    return (!r->at.failed && wanted == fm_checksum_end(&sum)) ||
        fm_fail(err, FATHOM_INVALID, "the checksum of the %s is wrong: the file is damaged", what);
}

static bool read_head(struct reader *r, struct fm_session_contents *c, struct fathom_error *err) {
    const uint8_t *magic = fm_cursor_bytes(&r->at, 8);
    if (!magic || memcmp(magic, FM_SESSION_MAGIC, 8) != 0)
        return fm_fail(
            err, FATHOM_INVALID, "not a file of a session: it does not begin with \"%s\"", FM_SESSION_MAGIC);
    const uint32_t version = fm_cursor_u32(&r->at);
    const uint8_t *mark = fm_cursor_bytes(&r->at, 4);
    uint32_t order = 0;
    if (!mark)
        return fm_fail(err, FATHOM_INVALID, "the file has %llu bytes, its head alone would have %d",
            (unsigned long long)r->at.size, FM_SESSION_HEAD);
    if (version != FM_SESSION_VERSION)
        return fm_fail(err, FATHOM_UNSUPPORTED, "the file has version %u, this library reads version %d",
            version, FM_SESSION_VERSION);
    memcpy(&order, mark, 4);
    if (order != FM_SESSION_ORDER)
        return fm_fail(err, FATHOM_UNSUPPORTED,
            "the file has the byte order of another kind of machine (mark %08x, wanted %08x)", order,
            FM_SESSION_ORDER);
    const uint64_t size = fm_cursor_u64(&r->at);
    c->model = fm_cursor_u64(&r->at);
    c->cache_type = fm_cursor_u32(&r->at);
    c->n_tokens = fm_cursor_u32(&r->at);
    c->n_evaluated = fm_cursor_u32(&r->at);
    c->n_drafted = fm_cursor_u32(&r->at);
    c->n_layers = fm_cursor_u32(&r->at);
    c->n_draft_layers = fm_cursor_u32(&r->at);
    c->extra.size = fm_cursor_u64(&r->at);
    if (r->at.failed)
        return fm_fail(err, FATHOM_INVALID, "the file has %llu bytes, its head alone would have %d",
            (unsigned long long)r->at.size, FM_SESSION_HEAD);
    if (!check_sum(r, FM_SESSION_HEAD - 8, "head", err)) return false;
    if (size != r->at.size)
        return fm_fail(err, FATHOM_INVALID, "the file has %llu bytes, its head says %llu: it was %s",
            (unsigned long long)r->at.size, (unsigned long long)size,
            size > r->at.size ? "cut short" : "appended to");
    if (c->n_evaluated > c->n_tokens || c->n_drafted > c->n_tokens || c->n_draft_layers > 1)
        return fm_fail(err, FATHOM_INVALID,
            "a text of %u tokens cannot have %u in the caches, %u in the draft layer's, of %u draft layers",
            c->n_tokens, c->n_evaluated, c->n_drafted, c->n_draft_layers);
    return true;
}

// wanted: the data's size, or UINT64_MAX: any.
static bool read_section(struct reader *r, enum fm_session_section kind, uint32_t index, uint64_t wanted,
    struct fm_session_bytes *bytes, struct fathom_error *err) {
    char what[32] = "tokens";
    if (kind == FM_SECTION_EXTRA) snprintf(what, sizeof(what), "caller's bytes");
    if (kind == FM_SECTION_CACHE) snprintf(what, sizeof(what), "cache of layer %u", index);
    const uint32_t found_kind = fm_cursor_u32(&r->at), found_index = fm_cursor_u32(&r->at);
    const uint64_t size = fm_cursor_u64(&r->at);
    const uint8_t *data = fm_cursor_bytes(&r->at, size);
    if (!data)
        return fm_fail(err, FATHOM_INVALID, "the section of the %s reaches past the end of the file", what);
    if (found_kind != (uint32_t)kind || found_index != index || (wanted != UINT64_MAX && size != wanted))
        return fm_fail(err, FATHOM_INVALID,
            "a section of kind %u, number %u, %llu bytes, stands where that of the %s should", found_kind,
            found_index, (unsigned long long)size, what);
    *bytes = (struct fm_session_bytes){data, size};
    return check_sum(r, FM_SESSION_SECTION + size, what, err);
}

bool fm_session_parse(const uint8_t *data, uint64_t size, struct fm_watch *watch,
    struct fm_session_contents *c, struct fathom_error *err) {
    struct reader r = {{data, size, 0, false}, watch};
    *c = (struct fm_session_contents){0};
    if (!read_head(&r, c, err) ||
        !read_section(&r, FM_SECTION_TOKENS, 0, 4ull * c->n_tokens, &c->tokens, err) ||
        !read_section(&r, FM_SECTION_EXTRA, 0, c->extra.size, &c->extra, err))
        return false;
    const uint64_t n = (uint64_t)c->n_layers + c->n_draft_layers;
    if (n > fm_cursor_left(&r.at) / (FM_SESSION_SECTION + 8))
        return fm_fail(err, FATHOM_INVALID, "%llu layers do not fit the file's %llu bytes",
            (unsigned long long)n, (unsigned long long)size);
    if (!(c->caches = calloc(n + 1, sizeof(*c->caches))))
        return fm_fail(err, FATHOM_NO_MEMORY, "out of host memory for %llu layers", (unsigned long long)n);
    bool ok = true;
    for (uint32_t i = 0; ok && i < n; i++)
        ok = read_section(&r, FM_SECTION_CACHE, i, UINT64_MAX, &c->caches[i], err);
    if (ok && fm_cursor_left(&r.at))
        ok = fm_fail(err, FATHOM_INVALID, "%llu bytes follow the last section",
            (unsigned long long)fm_cursor_left(&r.at));
    if (!ok) fm_session_contents_free(c);
    return ok;
}

void fm_session_contents_free(struct fm_session_contents *c) {
    free(c->caches);
    *c = (struct fm_session_contents){0};
}
