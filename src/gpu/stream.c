// The recording of a stream: a list of dispatches and copies, each checked when it is added. commands.c
// translates the list into command buffers.
#include "gpu/stream.h"
#include "base/clock.h"
#include "gpu/calls.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double short_wait = 1e-3; // seconds: what was waited for had ended before

struct fathom_stream *fathom_stream_create(struct fathom_gpu *gpu, struct fathom_error *err) {
    if (!FM_GIVEN(gpu, "gpu", err)) return NULL;
    struct fathom_stream *s = calloc(1, sizeof(*s));
    if (!s) {
        fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
        return NULL;
    }
    s->gpu = gpu;
    s->wants_timers = gpu->params.timers;
    const VkCommandPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .queueFamilyIndex = gpu->queue_family,
    };
    if (!fm_vk_check(
            gpu, FM_VK_CREATE(gpu, vkCreateCommandPool, &pool, &s->pool), "vkCreateCommandPool", err))
        fathom_stream_destroy(&s);
    return s;
}

static void release(struct fathom_gpu *gpu, struct fm_retired *retired) {
    struct fathom_stream *s = (struct fathom_stream *)retired;
    fm_stream_release(s);
    for (uint32_t i = 0; i < s->n_descriptor_pools; i++)
        gpu->vk.vkDestroyDescriptorPool(gpu->device, s->descriptor_pools[i], NULL);
    gpu->vk.vkDestroyCommandPool(gpu->device, s->pool, NULL);
    free(s->descriptor_pools);
    free(s->buffers);
    free(s->seconds);
    free(s->entries);
    free(s->cuts);
    free(s);
}

void fathom_stream_destroy(struct fathom_stream **pointer) {
    struct fathom_stream *s = pointer ? *pointer : NULL;
    if (!s) return;
    fm_retire(s->gpu, &s->retired, s->last_ticket, release);
    *pointer = NULL;
}

void fathom_stream_begin(struct fathom_stream *s) {
    if (!s) return;
    s->error = (struct fathom_error){0};
    const bool waited = !s->last_ticket || fathom_gpu_wait(s->gpu, s->last_ticket, &s->error);
    if (waited || fm_gpu_idle(s->gpu)) { // else the next begin tries again; until then nothing is recorded
        s->last_ticket = 0;
        fm_stream_release(s);
    }
    s->n_entries = s->n_cuts = 0;
    s->finished = false;
    s->only.op = NULL;
    s->called = (struct fm_called){0};
    s->joined = false;
    s->n_kept = s->last_kept = 0;
}

bool fm_stream_fail(struct fathom_stream *s, enum fathom_status status, const char *format, ...) {
    char message[512];
    va_list args;
    if (s->error.status != FATHOM_OK) return false; // the first error is the one that is told
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    return fm_fail(&s->error, status, "%s", message);
}

struct fathom_gpu *fm_stream_gpu(const struct fathom_stream *s) {
    return s->gpu;
}

uint32_t fm_stream_align(const struct fathom_stream *s, struct fathom_view *view) {
    // buffers begin where every device can bind; only the view's offset within the buffer needs alignment
    const uint32_t rest = (uint32_t)(view->offset % s->gpu->info.storage_alignment);
    view->offset -= rest;
    view->size += rest;
    return rest / 4;
}

static bool may_record(struct fathom_stream *s) {
    if (s->error.status != FATHOM_OK) return false;
    return !s->finished ||
        fm_stream_fail(s, FATHOM_INVALID,
            "a finished stream was recorded to; fathom_stream_begin starts a new recording");
}

static struct fm_entry *append(struct fathom_stream *s) {
    if (!may_record(s)) return NULL;
    if (s->n_entries == s->capacity) {
        const uint32_t capacity = 2 * s->capacity + 64;
        struct fm_entry *grown = realloc(s->entries, capacity * sizeof(*grown));
        if (!grown) {
            fm_stream_fail(s, FATHOM_NO_MEMORY, "out of host memory");
            return NULL;
        }
        s->entries = grown;
        s->capacity = capacity;
    }
    return &s->entries[s->n_entries++];
}

static bool in_buffer(struct fathom_view v) {
    return v.offset <= v.buffer->size && v.size > 0 && v.size <= v.buffer->size - v.offset;
}

static bool check_views(struct fathom_stream *s, const struct fm_dispatch *d) {
    const struct fathom_gpu_info *info = &s->gpu->info;
    for (uint32_t i = 0; i < d->n_views; i++) {
        const struct fathom_view v = d->views[i];
        if (!v.buffer) continue;
        if (v.buffer->gpu != s->gpu)
            return fm_stream_fail(s, FATHOM_INVALID,
                "%s: the buffer of binding %u is of another gpu than the stream", d->op, i);
        if (!in_buffer(v))
            return fm_stream_fail(s, FATHOM_INVALID,
                "%s: binding %u is bytes %llu to %llu of a buffer of %llu", d->op, i,
                (unsigned long long)v.offset, (unsigned long long)(v.offset + v.size),
                (unsigned long long)v.buffer->size);
        if (v.offset % info->storage_alignment || v.size > info->max_storage_range)
            return fm_stream_fail(s, FATHOM_INVALID,
                "%s: binding %u has %llu bytes at offset %llu; %s binds %llu bytes at multiples of %u", d->op,
                i, (unsigned long long)v.size, (unsigned long long)v.offset, info->name,
                (unsigned long long)info->max_storage_range, info->storage_alignment);
        fm_buffer_use(v.buffer);
    }
    return true;
}

static bool check_size(struct fathom_stream *s, const struct fm_dispatch *d) {
    if (d->indirect.buffer) fm_buffer_use(d->indirect.buffer);
    if (d->indirect.buffer)
        return (in_buffer(d->indirect) && d->indirect.size >= 12 && d->indirect.offset % 4 == 0) ||
            fm_stream_fail(
                s, FATHOM_INVALID, "%s: the view of its indirect size does not hold three words", d->op);
    for (int i = 0; i < 3; i++)
        if (d->groups[i] == 0 || d->groups[i] > s->gpu->max_groups[i])
            return fm_stream_fail(s, FATHOM_INVALID, "%s: %u workgroups in dimension %d, %s takes 1 to %u",
                d->op, d->groups[i], i, s->gpu->info.name, s->gpu->max_groups[i]);
    return true;
}

void fm_dispatch_add(struct fm_dispatch *d, const struct fm_constant *constants) {
    size_t n = 0;
    while (n <= FM_MAX_SPEC && d->constants[n].name) n++;
    while (n <= FM_MAX_SPEC && constants->name) d->constants[n++] = *constants++;
}

// Sorts a dispatch's constants by their constant_id.
static bool find_constants(
    struct fathom_stream *s, const struct fm_dispatch *d, uint32_t spec[FM_MAX_SPEC], uint32_t *n_spec) {
    static const struct fm_shader_constant none = {0};
    const struct fm_shader *shader = d->variant->shader;
    const struct fm_shader_constant *known = shader->constants ? shader->constants : &none, *k;
    bool given[FM_MAX_SPEC] = {false};
    *n_spec = 0;
    memset(spec, 0, FM_MAX_SPEC * sizeof(*spec));
    for (const struct fm_constant *c = d->constants; c <= d->constants + FM_MAX_SPEC && c->name; c++) {
        for (k = known; k->name && strcmp(k->name, c->name);) k++;
        if (!k->name || k->id >= FM_MAX_SPEC)
            return fm_stream_fail(s, FATHOM_INVALID, "%s: shader %s has no constant %s below id %d", d->op,
                shader->name, c->name, FM_MAX_SPEC);
        if (given[k->id])
            return fm_stream_fail(s, FATHOM_INVALID, "%s: constant %s of shader %s is given twice", d->op,
                c->name, shader->name);
        given[k->id] = true;
        spec[k->id] = c->value;
        if (k->id + 1 > *n_spec) *n_spec = k->id + 1;
    }
    for (k = known; k->name; k++)
        if (k->id >= FM_MAX_SPEC || !given[k->id])
            return fm_stream_fail(
                s, FATHOM_INVALID, "%s: constant %s of shader %s is not given", d->op, k->name, shader->name);
    return true;
}

struct fm_choice fm_stream_choose(struct fathom_stream *s, const struct fm_call *call,
    const struct fm_variant *table, size_t n_rows, uint32_t n_tokens) {
    const struct fm_choice choice = fm_variant_choose(s->gpu, call, table, n_rows, n_tokens);
    s->called = (struct fm_called){*call, choice, s->called.serial + 1};
    return choice;
}

void fm_stream_join(struct fathom_stream *s, bool join) {
    s->joined = join;
}

// The call that a dispatch is part of. serial is 0 if there is none.
static struct fm_called called_by(const struct fathom_stream *s, const struct fm_dispatch *d) {
    const char *op = s->called.serial ? s->called.call.op : "";
    const size_t n = strlen(op);
    const bool own = n && !strncmp(d->op, op, n) && (d->op[n] == 0 || d->op[n] == '_');
    return own || s->joined ? s->called : (struct fm_called){0};
}

// Does the recording keep a dispatch of this call? Also counts the calls.
static bool keep(struct fathom_stream *s, const struct fm_called *called) {
    if (!s->only.op) return true;
    if (!called->serial || !fm_same_call(&s->only, &called->call)) return false;
    if (called->serial == s->last_kept) return true;
    if (s->n_kept == s->max_kept) return false;
    s->n_kept++;
    s->last_kept = called->serial;
    return true;
}

void fm_stream_dispatch(struct fathom_stream *s, const struct fm_dispatch *d) {
    if (s->error.status != FATHOM_OK || !check_views(s, d) || !check_size(s, d)) return;
    const struct fm_layout *layout = fm_layout_get(s->gpu, d->variant->shader, &s->error);
    if (!layout) return;
    const struct fm_spirv *spirv = &layout->spirv;
    if (spirv->n_bindings != d->n_views || spirv->args_size != d->args_size || d->args_size > FM_MAX_ARGS) {
        fm_stream_fail(s, FATHOM_INVALID,
            "%s: shader %s takes %u bindings and %u bytes of arguments, it was given %u and %u", d->op,
            d->variant->shader->name, spirv->n_bindings, spirv->args_size, d->n_views, d->args_size);
        return;
    }
    uint32_t spec[FM_MAX_SPEC], n_spec;
    if (!find_constants(s, d, spec, &n_spec)) return;
    for (uint32_t i = 0; i < d->n_views; i++)
        if (spirv->writes[i] && d->views[i].buffer && d->views[i].buffer->read_only) {
            fm_stream_fail(s, FATHOM_INVALID,
                "%s: binding %u is written, but is the host's own memory, which is only read", d->op, i);
            return;
        }
    const struct fm_called called = called_by(s, d);
    if (!keep(s, &called)) return;
    struct fm_entry *e = append(s);
    if (!e) return;
    *e = (struct fm_entry){.dispatch = *d, .called = called};
    if (d->args_size) memcpy(e->args, d->args, d->args_size);
    memcpy(e->spec, spec, sizeof(spec));
    e->n_spec = n_spec;
    e->dispatch.args = NULL; // the entry's own copy is used
}

void fathom_stream_copy(struct fathom_stream *s, struct fathom_view src, struct fathom_view dst) {
    if (!s) return; // there is nothing to fail
    if (!src.buffer || !dst.buffer || !in_buffer(src) || !in_buffer(dst) || src.size != dst.size ||
        src.size % 4 || src.offset % 4 || dst.offset % 4) {
        fm_stream_fail(s, FATHOM_INVALID,
            "copy: %llu bytes to %llu bytes; both must be ranges of buffers, equal, and multiples of 4",
            (unsigned long long)src.size, (unsigned long long)dst.size);
        return;
    }
    if (src.buffer->gpu != s->gpu || dst.buffer->gpu != s->gpu) {
        fm_stream_fail(s, FATHOM_INVALID, "copy: a buffer is of another gpu than the stream");
        return;
    }
    if (dst.buffer->read_only) {
        fm_stream_fail(s, FATHOM_INVALID, "copy: to the host's own memory, which is only read");
        return;
    }
    if (s->only.op) return; // a copy is part of no call
    fm_buffer_use(src.buffer);
    fm_buffer_use(dst.buffer);
    struct fm_entry *e = append(s);
    if (!e) return;
    *e = (struct fm_entry){
        .is_copy = true,
        .dispatch = {.op = "copy", .views = {src, dst}, .n_views = 2, .bytes = 2.0 * (double)src.size},
    };
}

static bool build_pipelines(struct fathom_stream *s, struct fm_watch *watch, struct fathom_error *err) {
    if (s->error.status != FATHOM_OK) return false;
    struct fm_pipeline **list = calloc(s->n_entries + 1, sizeof(*list));
    bool ok = list || fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
    for (uint32_t i = 0; ok && i < s->n_entries; i++)
        if (!s->entries[i].is_copy)
            ok = (list[i] = s->entries[i].pipeline = fm_pipeline_request(s->gpu, &s->entries[i], err));
    ok = ok && fm_pipelines_build(s->gpu, list, s->n_entries, watch, err);
    free(list);
    return ok;
}

bool fm_stream_finish(struct fathom_stream *s, struct fm_watch *watch, struct fathom_error *err) {
    if (s->finished && s->error.status == FATHOM_OK)
        return fm_fail(
            err, FATHOM_INVALID, "a stream was finished twice; fathom_stream_begin starts a new recording");
    const bool ok = build_pipelines(s, watch, &s->error) && fm_stream_encode(s, &s->error);
    s->finished = ok;
    return ok || fm_fail(err, s->error.status, "%s", s->error.message);
}

bool fathom_stream_finish(struct fathom_stream *s, struct fathom_error *err) {
    if (!FM_GIVEN(s, "stream", err)) return false;
    return fm_stream_finish(s, NULL, err);
}

bool fm_stream_submit(
    struct fathom_stream *s, struct fm_watch *watch, uint64_t *ticket, struct fathom_error *err) {
    for (uint32_t i = 0; i < fathom_stream_parts(s); i++)
        if (!fm_stream_submit_part(s, i, watch, ticket, err)) return false;
    return true;
}

bool fathom_stream_submit(struct fathom_stream *s, uint64_t *ticket, struct fathom_error *err) {
    if (!FM_GIVEN(s, "stream", err)) return false;
    return fm_stream_submit(s, NULL, ticket, err);
}

// ---- Parts -----------------------------------------------------------------------------------------------

void fathom_stream_cut(struct fathom_stream *s, uint64_t tag) {
    if (!s) return;
    if (s->only.op || !may_record(s)) return; // a cut is part of no call
    if (s->n_cuts == s->cut_capacity) {
        const uint32_t capacity = 2 * s->cut_capacity + 64;
        struct fm_cut *grown = realloc(s->cuts, capacity * sizeof(*grown));
        if (!grown) {
            fm_stream_fail(s, FATHOM_NO_MEMORY, "out of host memory");
            return;
        }
        s->cuts = grown;
        s->cut_capacity = capacity;
    }
    s->cuts[s->n_cuts++] = (struct fm_cut){.tag = tag, .n_entries = s->n_entries};
}

uint32_t fm_stream_buffers(const struct fathom_stream *s) {
    return s->n_buffers;
}
void fm_stream_set_timers(struct fathom_stream *s, bool timers) {
    s->wants_timers = timers;
}

uint32_t fathom_stream_parts(const struct fathom_stream *s) {
    if (!s) return 0;
    return s->n_cuts + 1;
}
uint64_t fathom_stream_tag(const struct fathom_stream *s, uint32_t i) {
    if (!s) return 0;
    return i > 0 && i <= s->n_cuts ? s->cuts[i - 1].tag : 0;
}

// Waits for a command buffer of a submit. Notes how long it took, if it began at *begun and the wait tells
// when it ended; *begun becomes the time of its end, or 0.
static bool wait_for_buffer(struct fathom_stream *s, uint32_t buffer, uint64_t ticket, double *begun,
    struct fm_watch *watch, struct fathom_error *err) {
    const double start = fm_clock();
    if (!fm_gpu_wait(s->gpu, ticket, watch, err)) return false;
    const double end = fm_clock();
    const bool waited = end - start > short_wait;
    if (waited && *begun > 0) fm_pace_note(s->gpu, s->seconds[buffer], end - *begun);
    *begun = waited ? end : 0;
    return true;
}

bool fm_stream_submit_part(
    struct fathom_stream *s, uint32_t i, struct fm_watch *watch, uint64_t *ticket, struct fathom_error *err) {
    if (!s->finished) return fm_fail(err, FATHOM_INVALID, "a stream was submitted before it was finished");
    if (i > s->n_cuts)
        return fm_fail(
            err, FATHOM_INVALID, "part %u of a stream of %u parts was submitted", i, s->n_cuts + 1);
    const uint32_t first = i ? s->cuts[i - 1].n_buffers : 0,
                   end = i < s->n_cuts ? s->cuts[i].n_buffers : s->n_buffers;
    uint64_t tickets[2] = {0}; // of the last two
    double begun = 0;
    for (uint32_t b = first; b < end; b++) {
        if (watch && b - first >= 2 && !wait_for_buffer(s, b - 2, tickets[b % 2], &begun, watch, err))
            return false;
        if (!fm_gpu_submit(s->gpu, s->buffers[b], &s->last_ticket, err)) return false;
        tickets[b % 2] = s->last_ticket;
    }
    if (ticket) *ticket = end ? s->last_ticket : s->gpu->last_ticket;
    return true;
}

bool fathom_stream_submit_part(
    struct fathom_stream *s, uint32_t i, uint64_t *ticket, struct fathom_error *err) {
    if (!FM_GIVEN(s, "stream", err)) return false;
    return fm_stream_submit_part(s, i, NULL, ticket, err);
}
