#include "gpu/calls.h"
#include "gpu/stream.h"
#include <stdlib.h>
#include <string.h>

bool fm_same_call(const struct fm_call *a, const struct fm_call *b) {
    return a->n_tokens == b->n_tokens && !memcmp(a->shape, b->shape, sizeof(a->shape)) &&
        !strcmp(a->op, b->op);
}

void fm_stream_only(struct fathom_stream *s, const struct fm_call *call, uint32_t max_calls) {
    s->only = *call;
    s->max_kept = max_calls;
}

uint32_t fm_stream_kept(const struct fathom_stream *s, struct fm_choice *choice) {
    const struct fm_entry *last = s->n_entries ? &s->entries[s->n_entries - 1] : NULL;
    *choice = last ? last->called.choice : (struct fm_choice){0};
    for (uint32_t i = 0; i < s->n_entries; i++)
        if (s->entries[i].dispatch.variant == choice->variant) return s->n_kept;
    // the operator took another variant than the chosen one: the last dispatch of the operator's name has it
    for (uint32_t i = 0; i < s->n_entries; i++)
        if (!strcmp(s->entries[i].dispatch.op, s->only.op))
            *choice = (struct fm_choice){s->entries[i].dispatch.variant, 0};
    return s->n_kept;
}

bool fm_stream_calls(
    const struct fathom_stream *s, struct fm_stream_call **list, size_t *n, struct fathom_error *err) {
    *n = 0;
    *list = NULL;
    if (s->error.status != FATHOM_OK) return fm_fail(err, s->error.status, "%s", s->error.message);
    *list = malloc((s->n_entries + 1) * sizeof(**list));
    if (!*list) return fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
    uint32_t serial = 0;
    for (uint32_t i = 0; i < s->n_entries; i++) {
        const struct fm_entry *e = &s->entries[i];
        if (!e->called.serial) continue;
        size_t at = 0;
        while (at < *n && !fm_same_call(&(*list)[at].call, &e->called.call)) at++;
        if (at == *n) (*list)[(*n)++] = (struct fm_stream_call){.call = e->called.call};
        (*list)[at].n += e->called.serial != serial;
        (*list)[at].flops += e->dispatch.flops;
        (*list)[at].bytes += e->dispatch.bytes;
        serial = e->called.serial;
    }
    return true;
}

static bool same_view(struct fathom_view a, struct fathom_view b) {
    return a.buffer == b.buffer && a.offset == b.offset && a.size == b.size;
}

static bool overlap(struct fathom_view a, struct fathom_view b) {
    return a.buffer == b.buffer && a.offset < b.offset + b.size && b.offset < a.offset + a.size;
}

// Does a dispatch read some of this range through a binding that the dispatch does not write?
static bool is_read(
    const struct fathom_stream *s, struct fathom_view view, struct fathom_error *err, bool *ok) {
    for (uint32_t i = 0; i < s->n_entries; i++) {
        const struct fm_dispatch *d = &s->entries[i].dispatch;
        if (s->entries[i].is_copy) continue;
        const struct fm_layout *layout = fm_layout_get(s->gpu, d->variant->shader, err);
        *ok = *ok && layout;
        for (uint32_t j = 0; layout && j < d->n_views; j++)
            if (layout->spirv.reads[j] && !layout->spirv.writes[j] && d->views[j].buffer &&
                overlap(d->views[j], view))
                return true;
    }
    return false;
}

bool fm_stream_writes(
    const struct fathom_stream *s, struct fm_write **list, size_t *n, struct fathom_error *err) {
    bool ok = true;
    *n = 0;
    *list = malloc(((size_t)s->n_entries * FM_MAX_BINDINGS + 1) * sizeof(**list));
    if (!*list) return fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
    for (uint32_t i = 0; ok && i < s->n_entries; i++) {
        const struct fm_dispatch *d = &s->entries[i].dispatch;
        if (s->entries[i].is_copy) continue;
        const struct fm_layout *layout = fm_layout_get(s->gpu, d->variant->shader, err);
        ok = layout != NULL;
        for (uint32_t j = 0; ok && j < d->n_views; j++) {
            if (!layout->spirv.writes[j] || !d->views[j].buffer) continue;
            size_t at = 0;
            while (at < *n && !same_view((*list)[at].view, d->views[j])) at++;
            if (at < *n)
                (*list)[at].floats &= layout->spirv.floats[j];
            else
                (*list)[(*n)++] = (struct fm_write){d->views[j], layout->spirv.floats[j], false};
        }
    }
    for (size_t i = 0; ok && i < *n; i++) (*list)[i].in_place = is_read(s, (*list)[i].view, err, &ok);
    if (ok) return true;
    free(*list);
    *list = NULL;
    return false;
}
