#include "engine/read_ahead.h"
#include "base/clock.h"
#include "base/log.h"
#include <stdlib.h>
#include <string.h>

// ---- Reading ---------------------------------------------------------------------------------------------

static struct fm_disk_range window(
    const struct fm_residency *r, uint32_t layer, uint32_t expert, int which, char *home) {
    const struct fm_layer_slots *l = &r->slots->layers[layer];
    const struct fm_expert_place *p = &r->layers[layer].place[expert * FM_N_MATRICES + which];
    return (struct fm_disk_range){
        .file = p->file,
        .offset = p->offset,
        .size = l->matrix_size[which],
        .window = home + l->home_at[which],
    };
}

// Begins to read an expert into a home, and writes the home into the device's table.
static bool start_read(struct fm_residency *r, uint32_t layer, uint32_t expert, struct fm_home *h,
    uint32_t index, struct fathom_error *err) {
    struct fm_disk_range ranges[FM_N_MATRICES];
    char *memory = fm_slots_home(r->slots, layer, index);
    for (int i = 0; i < FM_N_MATRICES; i++) {
        ranges[i] = window(r, layer, expert, i, memory);
        h->skip[i] = ranges[i].offset % FM_DISK_ALIGNMENT;
        r->stats.read_bytes += ranges[i].size;
    }
    r->stats.read++;
    fm_slots_set_home(r->slots, layer, expert, index, h->skip);
    return fm_disk_submit(r->reader, ranges, FM_N_MATRICES, &h->reading, err);
}

// ---- Homes -----------------------------------------------------------------------------------------------

// Waits for the read that fills a home.
static bool filled(struct fm_residency *r, struct fm_home *h, struct fathom_error *err) {
    while (
        h->reading && fm_watch_exists(r->watch) && !fm_disk_wait_for(r->reader, h->reading, FM_WATCH_SECONDS))
        if (!fm_watch_goes_on(r->watch, err)) return false;
    if (h->reading && !fm_disk_wait(r->reader, h->reading, err)) return false;
    h->reading = 0;
    return true;
}

// The least recently used of the layer's homes that were last used before `before`. Homes that are being
// filled come last.
struct fm_home *fm_residency_oldest(struct fm_residency *r, uint32_t layer, uint64_t before) {
    struct fm_home *best = NULL;
    bool best_waits = false;
    for (uint32_t i = 0; i < r->slots->n_homes; i++) {
        struct fm_home *h = &r->layers[layer].homes[i];
        const bool waits = h->reading && !fm_disk_done(r->reader, h->reading);
        if (h->used >= before || (best && (waits != best_waits ? waits : h->used >= best->used))) continue;
        best = h;
        best_waits = waits;
    }
    return best;
}

// Takes the home's expert away. Nobody reads the home or writes to it any longer.
static bool vacate(struct fm_residency *r, uint32_t layer, struct fm_home *h, struct fathom_error *err) {
    if (h->expert) r->layers[layer].home_of[h->expert - 1] = 0;
    h->expert = 0;
    if (h->reading) fm_disk_cancel(r->reader, h->reading);
    return filled(r, h, err) && fm_gpu_wait(r->gpu, h->busy, r->watch, err);
}

// Begins to read an expert into one of the layer's homes.
bool fm_residency_fill(
    struct fm_residency *r, uint32_t layer, uint32_t expert, struct fm_home *h, struct fathom_error *err) {
    struct fm_layer_homes *l = &r->layers[layer];
    const uint32_t index = (uint32_t)(h - l->homes);
    if (!vacate(r, layer, h, err) || !start_read(r, layer, expert, h, index, err)) return false;
    h->used = r->clock;
    h->expert = expert + 1;
    l->home_of[expert] = index + 1;
    return true;
}

// Begins to read an expert that the round at hand needs, into a home that the round does not use: one of its
// layer, else one of the staging.
static bool bring(struct fm_residency *r, uint32_t layer, uint32_t expert, struct fathom_error *err) {
    struct fm_home *h = fm_residency_oldest(r, layer, r->clock);
    r->layers[layer].n_late++;
    if (h) {
        r->used[r->n_used++] = h;
        return fm_residency_fill(r, layer, expert, h, err);
    }
    const uint32_t i = r->next_staging;
    r->next_staging = (i + 1) % r->n_staging;
    r->used[r->n_used++] = h = &r->staging[i];
    // a call that was cancelled may have left a read into it
    return vacate(r, layer, h, err) && start_read(r, layer, expert, h, r->slots->n_homes + i, err);
}

// ---- Serving ---------------------------------------------------------------------------------------------

// Keeps the copy of what is in the layer's slots.
static void note_slots(struct fm_residency *r, uint32_t layer, const volatile uint32_t *experts, uint32_t n) {
    struct fm_layer_homes *l = &r->layers[layer];
    if (r->slots->shared) return;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t e = experts[i], slot = experts[r->slots->n_slots + i];
        if (slot >= r->slots->n_slots) continue;
        if (l->slots[slot]) l->in_slot[l->slots[slot] - 1] = false;
        l->slots[slot] = e + 1;
        l->in_slot[e] = true;
    }
}

static bool copy_to_slot(const struct fm_residency *r, uint32_t layer, const struct fm_home *h, uint32_t slot,
    struct fathom_error *err) {
    const struct fm_layer_homes *l = &r->layers[layer];
    const struct fm_layer_slots *s = &r->slots->layers[layer];
    const bool own = h >= l->homes && h < l->homes + r->slots->n_homes;
    const uint32_t home = (uint32_t)(own ? h - l->homes : r->slots->n_homes + (h - r->staging));
    const char *memory = fm_slots_home(r->slots, layer, home);
    if (slot >= r->slots->n_slots)
        return fm_fail(
            err, FATHOM_INVALID, "layer %u: the device names slot %u of %u", layer, slot, r->slots->n_slots);
    for (int m = 0; m < FM_N_MATRICES; m++) {
        const uint32_t n_rows = s->matrices[m].n_rows;
        if (!fathom_weight_upload(
                r->gpu, s->pools[m], slot * n_rows, n_rows, memory + s->home_at[m] + h->skip[m], err))
            return false;
    }
    return true;
}

// Sees to it that the experts that the device fetches in a round have homes.
static bool serve(struct fm_residency *r, uint32_t layer, uint32_t round, struct fathom_error *err) {
    struct fm_layer_homes *l = &r->layers[layer];
    const volatile uint32_t *experts;
    const uint32_t n = fm_slots_fetches(r->slots, round, &experts);
    r->n_used = 0;
    r->clock++;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t e = experts[i];
        if (e >= r->slots->n_experts)
            return fm_fail(err, FATHOM_INVALID, "layer %u: the device asks for expert %u of %u", layer, e,
                r->slots->n_experts);
        if (!l->home_of[e]) continue;
        struct fm_home *h = &l->homes[l->home_of[e] - 1];
        h->used = r->clock;
        r->slot_of_used[r->n_used] = experts[r->slots->n_slots + i];
        r->used[r->n_used++] = h;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (l->home_of[experts[i]]) continue;
        r->slot_of_used[r->n_used] = experts[r->slots->n_slots + i];
        if (!bring(r, layer, experts[i], err)) return false;
    }
    note_slots(r, layer, experts, n);
    bool ok = true;
    for (uint32_t i = 0; ok && i < r->n_used; i++) {
        double start = fm_clock();
        ok = filled(r, r->used[i], err);
        r->stats.read_seconds += fm_lap(&start);
        if (r->slots->host_copies) // while others are still read
            ok = ok && copy_to_slot(r, layer, r->used[i], r->slot_of_used[i], err);
        r->stats.copy_seconds += fm_lap(&start);
    }
    return ok;
}

static void forget_home(struct fm_residency *r, struct fm_home *h) {
    struct fathom_error ignored;
    if (h->reading) fm_disk_cancel(r->reader, h->reading);
    if (h->reading) fm_disk_wait(r->reader, h->reading, &ignored); // nothing is written to it afterwards
    *h = (struct fm_home){.busy = h->busy};                        // the device may still read it
}

static void forget_slots(struct fm_residency *r) {
    for (uint32_t i = 0; i < r->slots->n_layers; i++) {
        struct fm_layer_homes *l = &r->layers[i];
        if (!l->homes) continue;
        memset(l->in_slot, 0, r->slots->n_experts * sizeof(*l->in_slot));
        memset(l->slots, 0, r->slots->n_experts * sizeof(*l->slots));
    }
    r->n_resizes = r->slots->n_resizes;
}

// Forgets all homes, and what is in the slots: a read has failed, and the device counts on it.
static void forget(struct fm_residency *r) {
    for (uint32_t i = 0; i < r->slots->n_layers; i++) {
        struct fm_layer_homes *l = &r->layers[i];
        if (!l->homes) continue;
        for (uint32_t e = 0; e < r->slots->n_experts; e++) l->home_of[e] = 0;
        for (uint32_t h = 0; h < r->slots->n_homes; h++) forget_home(r, &l->homes[h]);
    }
    for (uint32_t i = 0; i < r->n_staging; i++) forget_home(r, &r->staging[i]);
    r->n_guessed = 0;
    forget_slots(r);
}

// The rounds of the layer of part i, from this one on.
static uint32_t rounds_from(const struct fathom_stream *stream, uint32_t i) {
    uint32_t n = 1;
    while (i + n < fathom_stream_parts(stream) &&
        fathom_stream_tag(stream, i + n) ==
            fm_slots_tag(fm_slots_tag_layer(fathom_stream_tag(stream, i)), n, 0))
        n++;
    return n;
}

// What part i needs. `before` is the ticket of the part before, which decides what a layer's rounds fetch.
static bool prepare(struct fm_residency *r, const struct fathom_stream *stream, uint32_t i, uint64_t before,
    struct fathom_error *err) {
    const uint64_t tag = fathom_stream_tag(stream, i);
    const uint32_t layer = fm_slots_tag_layer(tag), round = fm_slots_tag_round(tag);
    if (round == 0) {
        if (!fm_gpu_wait(r->gpu, before, r->watch, err)) return false;
        if (fm_slots_tag_guessed(tag)) fm_take_guesses(r, fm_slots_tag_guessed(tag));
        fm_judge_guesses(r, layer, rounds_from(stream, i));
    }
    return serve(r, layer, round, err);
}

// Reads ahead while the device computes part i.
static bool look_ahead(
    struct fm_residency *r, const struct fathom_stream *stream, uint32_t i, struct fathom_error *err) {
    if (!r->n_guesses || i + 1 >= fathom_stream_parts(stream)) return true;
    const uint32_t layer = fm_slots_tag_layer(fathom_stream_tag(stream, i));
    if (fm_slots_tag_layer(fathom_stream_tag(stream, i + 1)) == layer) return true; // more of this layer
    const bool ok = fm_read_guesses(r, layer + 1, err);
    r->n_guesses = 0;
    return ok;
}

// What was read stays, but for the slots: the device may have got a part of the stream.
static void stop(struct fm_residency *r) {
    r->n_guessed = 0;
    forget_slots(r);
}

bool fm_residency_submit(struct fm_residency *r, struct fathom_stream *stream, const int32_t *ids, uint32_t n,
    struct fm_watch *watch, uint64_t *ticket, struct fathom_error *err) {
    if (!r) return fm_stream_submit(stream, watch, ticket, err);
    const uint32_t n_parts = fathom_stream_parts(stream);
    uint64_t last = 0;
    if (n_parts > 1) r->pass_before = r->pass, r->pass = r->clock;
    if (r->n_resizes != r->slots->n_resizes) forget_slots(r);
    r->n_guesses = 0;
    r->watch = watch;
    bool ok = fm_read_known(r, ids, n, err);
    for (uint32_t i = 0; ok && i < n_parts; i++) {
        ok = (i == 0 || prepare(r, stream, i, last, err)) &&
            fm_stream_submit_part(stream, i, watch, &last, err);
        for (uint32_t j = 0; ok && i > 0 && j < r->n_used; j++) r->used[j]->busy = last;
        ok = ok && (i == 0 || look_ahead(r, stream, i, err));
    }
    r->watch = NULL;
    if (!ok) watch && watch->cancelled ? stop(r) : forget(r);
    *ticket = last;
    return ok;
}

void fm_residency_count(const struct fm_residency *r, struct fathom_expert_stats *stats) {
    if (r) *stats = r->stats;
}
double fm_residency_waited(const struct fm_residency *r) {
    return r ? r->stats.read_seconds : 0;
}

uint64_t fm_residency_late(const struct fm_residency *r, uint32_t layer) {
    return r->layers[layer].n_late;
}

// ---- Choices ---------------------------------------------------------------------------------------------

struct fm_comparison *fm_residency_comparison(struct fm_residency *r, enum fm_residency_comparison which) {
    return &r->comparisons[which];
}

bool fm_residency_drafts(const struct fm_residency *r) {
    return !r || !fm_comparison_way(&r->comparisons[FM_NO_DRAFTS]);
}

void fm_residency_took(struct fm_residency *r, bool may_draft, uint32_t n_tokens, double seconds) {
    struct fm_comparison *drafts = &r->comparisons[FM_NO_DRAFTS], *guesses = &r->comparisons[FM_GUESSES];
    // one comparison at a time, since each changes what the other measures
    const bool compares_drafts = may_draft && drafts->rule == FM_COMPARE_MEASURED && !drafts->left;
    if (may_draft && fm_comparison_add(drafts, n_tokens, seconds))
        fm_log(&r->log, FATHOM_LOG_NOTICE,
            "drafts are %s for %u tokens: a token takes %.3g s with drafts and %.3g s without, as long as "
            "experts are read from the file",
            drafts->best ? "off" : "on", drafts->left, drafts->token_seconds[0], drafts->token_seconds[1]);
    if (!compares_drafts && fm_comparison_add(guesses, n_tokens, seconds))
        fm_log(&r->log, FATHOM_LOG_INFO,
            "experts of the next layer are %s for %u tokens: a token takes %.3g s when they are and %.3g s "
            "when they are not; of %llu guesses that had to be read %llu were right",
            guesses->best ? "guessed and read ahead" : "not read ahead", guesses->left,
            guesses->token_seconds[1], guesses->token_seconds[0], (unsigned long long)r->stats.guessed,
            (unsigned long long)r->stats.guessed_right);
    fm_slots_guess(r->slots, fm_comparison_way(guesses));
}

// ---- Creation --------------------------------------------------------------------------------------------

// Adds a file to the reader, once. *number is its number there.
static bool add_file(struct fm_residency *r, const struct fm_mapped_file *file, const char *mirror,
    uint32_t *number, struct fathom_error *err) {
    for (*number = 0; *number < r->n_files; ++*number)
        if (r->files[*number] == file) return true;
    const struct fm_mapped_file **grown = realloc(r->files, (r->n_files + 1) * sizeof(*grown));
    if (!grown) return fm_fail(err, FATHOM_NO_MEMORY, "out of host memory for %u files", r->n_files + 1);
    r->files = grown;
    r->files[r->n_files++] = file;
    return fm_disk_add(r->reader, file, mirror, number, err);
}

static bool find_places(
    struct fm_residency *r, uint32_t layer, const char *mirror, struct fathom_error *err) {
    const struct fm_layer_slots *l = &r->slots->layers[layer];
    struct fm_expert_place *place = r->layers[layer].place;
    for (uint32_t e = 0; e < r->slots->n_experts; e++)
        for (int m = 0; m < FM_N_MATRICES; m++, place++) {
            const struct fm_tensor *t = l->matrices[m].tensor;
            const struct fm_mapped_file *file;
            if (!fm_tensor_place(
                    r->tensors, t, e * l->matrix_size[m], l->matrix_size[m], &file, &place->offset))
                return fm_fail(err, FATHOM_UNSUPPORTED,
                    "%s: tensor %s is not stored as the device needs it, so its experts cannot be read while "
                    "the model runs; `fathom convert` writes a file that can",
                    fm_tensors_path(r->tensors), t->name);
            r->slots->words |= place->offset % 16 != 0;
            if (!add_file(r, file, mirror, &place->file, err)) return false;
        }
    return true;
}

struct fm_residency *fm_residency_create(struct fathom_gpu *gpu, const struct fm_tensors *tensors,
    struct fm_slots *slots, const char *mirror, const struct fathom_log *log, struct fathom_error *err) {
    struct fm_residency *r = calloc(1, sizeof(*r));
    bool ok = r;
    if (ok) {
        *r = (struct fm_residency){.gpu = gpu, .tensors = tensors, .slots = slots};
        if (log) r->log = *log;
        // without homes there is nowhere to read to ahead of time
        if (!slots->n_homes) r->comparisons[FM_GUESSES].rule = FM_COMPARE_FIRST;
        r->n_staging = slots->staging ? slots->staging->n_rows : 0;
        ok = (r->layers = calloc(slots->n_layers, sizeof(*r->layers))) &&
            (r->staging = calloc(r->n_staging + 1, sizeof(*r->staging))) &&
            (r->slot_of_used = calloc(slots->n_experts, sizeof(*r->slot_of_used))) &&
            (r->used = calloc(slots->n_experts, sizeof(struct fm_home *))) &&
            (r->needed = calloc(slots->n_experts, sizeof(*r->needed)));
    }
    for (uint32_t i = 0; ok && i < slots->n_layers; i++)
        if (slots->layers[i].pools[0])
            ok = (r->layers[i].homes = calloc(slots->n_homes + 1, sizeof(struct fm_home))) &&
                (r->layers[i].home_of = calloc(slots->n_experts, sizeof(uint32_t))) &&
                (r->layers[i].slots = calloc(slots->n_experts, sizeof(uint32_t))) &&
                (r->layers[i].in_slot = calloc(slots->n_experts, sizeof(bool))) &&
                (r->layers[i].place =
                        calloc(slots->n_experts, FM_N_MATRICES * sizeof(struct fm_expert_place)));
    if (!ok) {
        fm_fail(err, FATHOM_NO_MEMORY, "out of host memory for the places of %u experts", slots->n_experts);
        goto fail;
    }
    ok = (r->reader = fm_disk_open(&(struct fm_disk_params){.log = &r->log}, err));
    for (uint32_t i = 0; ok && i < slots->n_layers; i++)
        ok = !slots->layers[i].pools[0] || find_places(r, i, mirror, err);
    if (ok) return r;
fail:
    fm_residency_destroy(&r);
    return NULL;
}

void fm_residency_destroy(struct fm_residency **residency) {
    struct fm_residency *r = residency ? *residency : NULL;
    if (!r) return;
    fm_disk_close(&r->reader);
    for (uint32_t i = 0; r->layers && i < r->slots->n_layers; i++) {
        free(r->layers[i].homes);
        free(r->layers[i].home_of);
        free(r->layers[i].place);
        free(r->layers[i].slots);
        free(r->layers[i].in_slot);
    }
    free(r->layers);
    free(r->files);
    free(r->staging);
    free(r->used);
    free(r->slot_of_used);
    free(r->needed);
    free(r);
    *residency = NULL;
}
