#include "engine/residency.h"
#include "base/clock.h"
#include "base/disk_reader.h"
#include <stdlib.h>

// One expert's room in host memory. The homes of a layer keep experts, the least recently used goes first.
// Those of the staging serve one round.
struct home {
    uint32_t expert; // + 1; 0: none
    uint64_t used;   // the clock of the last round that fetched from it
    uint64_t busy;   // ticket of that round's part: until it is done, the device reads the home
};

// Where a matrix lies in the files.
struct place {
    uint32_t file; // of the reader
    uint64_t offset;
};

struct layer {
    struct home *homes;  // [n_homes]
    uint32_t *home_of;   // [n_experts]: home + 1; 0: none
    struct place *place; // [n_experts][FM_N_MATRICES]
};

struct fm_residency {
    struct fathom_gpu *gpu;
    const struct fm_tensors *tensors;
    struct fm_slots *slots;
    struct fm_disk_reader *reader;
    const struct fm_mapped_file **files; // of the reader, by number
    uint32_t n_files;
    struct layer *layers;
    struct home *staging;
    uint32_t n_staging, next_staging;
    struct home **used; // [n_slots]: the homes of the round at hand
    uint32_t n_used;
    uint64_t clock;
    uint64_t n_fetched, n_read, bytes_read;
    double seconds; // of waiting for reads
};

// ---- Reading ---------------------------------------------------------------------------------------------

static struct fm_disk_range window(
    const struct fm_residency *r, uint32_t layer, uint32_t expert, int which, char *home) {
    const struct fm_layer_slots *l = &r->slots->layers[layer];
    const struct place *p = &r->layers[layer].place[expert * FM_N_MATRICES + which];
    return (struct fm_disk_range){
        .file = p->file,
        .offset = p->offset,
        .size = l->matrix_size[which],
        .window = home + l->home_at[which],
    };
}

// Begins to read an expert into a home, and writes the home into the device's table.
static bool start_read(struct fm_residency *r, uint32_t layer, uint32_t expert, uint32_t home,
    uint64_t *ticket, struct fathom_error *err) {
    struct fm_disk_range ranges[FM_N_MATRICES];
    uint64_t skip[FM_N_MATRICES];
    char *memory = fm_slots_home(r->slots, layer, home);
    for (int i = 0; i < FM_N_MATRICES; i++) {
        ranges[i] = window(r, layer, expert, i, memory);
        skip[i] = ranges[i].offset % FM_DISK_ALIGNMENT;
        r->bytes_read += ranges[i].size;
    }
    r->n_read++;
    fm_slots_set_home(r->slots, layer, expert, home, skip);
    return fm_disk_submit(r->reader, ranges, FM_N_MATRICES, ticket, err);
}

// ---- Homes -----------------------------------------------------------------------------------------------

// A home that the round at hand does not use: the layer's least recently used one, else one of the staging.
// *index is the home's number. The device is done with it.
static struct home *free_home(
    struct fm_residency *r, uint32_t layer, uint32_t *index, struct fathom_error *err) {
    struct layer *l = &r->layers[layer];
    struct home *best = NULL;
    for (uint32_t i = 0; i < r->slots->n_homes; i++) {
        struct home *h = &l->homes[i];
        if (h->used != r->clock && (!best || h->used < best->used)) best = h, *index = i;
    }
    if (!best) {
        const uint32_t i = r->next_staging;
        r->next_staging = (i + 1) % r->n_staging;
        best = &r->staging[i], *index = r->slots->n_homes + i;
    } else if (best->expert) {
        l->home_of[best->expert - 1] = 0;
        best->expert = 0;
    }
    return fathom_gpu_wait(r->gpu, best->busy, err) ? best : NULL;
}

static bool bring(
    struct fm_residency *r, uint32_t layer, uint32_t expert, uint64_t *ticket, struct fathom_error *err) {
    struct layer *l = &r->layers[layer];
    uint32_t index;
    struct home *h = free_home(r, layer, &index, err);
    if (!h || !start_read(r, layer, expert, index, ticket, err)) return false;
    h->used = r->clock;
    r->used[r->n_used++] = h;
    if (index < r->slots->n_homes) h->expert = expert + 1, l->home_of[expert] = index + 1;
    return true;
}

// Sees to it that the experts that the device fetches in a round have homes. `before` is the ticket of the
// part before, which decides what a layer's rounds fetch.
static bool serve(
    struct fm_residency *r, uint32_t layer, uint32_t round, uint64_t before, struct fathom_error *err) {
    struct layer *l = &r->layers[layer];
    const volatile uint32_t *experts;
    uint64_t first = 0, last = 0; // tickets of the round's reads
    if (round == 0 && !fathom_gpu_wait(r->gpu, before, err)) return false;
    const uint32_t n = fm_slots_fetches(r->slots, round, &experts);
    r->n_used = 0;
    r->clock++;
    r->n_fetched += n;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t e = experts[i];
        if (e >= r->slots->n_experts)
            return fm_fail(err, FATHOM_INVALID, "layer %u: the device asks for expert %u of %u", layer, e,
                r->slots->n_experts);
        if (!l->home_of[e]) continue;
        struct home *h = &l->homes[l->home_of[e] - 1];
        h->used = r->clock;
        r->used[r->n_used++] = h;
    }
    bool ok = true;
    for (uint32_t i = 0; ok && i < n; i++) {
        if (l->home_of[experts[i]]) continue;
        ok = bring(r, layer, experts[i], &last, err);
        if (!first) first = last;
    }
    const double start = fm_clock();
    // also after a failure: what is still read goes into homes that other experts get next
    for (uint64_t t = first; t && t <= last; t++) ok = fm_disk_wait(r->reader, t, ok ? err : NULL) && ok;
    r->seconds += fm_clock() - start;
    return ok;
}

// Forgets all homes: a read has failed.
static void forget(struct fm_residency *r) {
    for (uint32_t i = 0; i < r->slots->n_layers; i++) {
        struct layer *l = &r->layers[i];
        if (!l->home_of) continue;
        for (uint32_t e = 0; e < r->slots->n_experts; e++) l->home_of[e] = 0;
        for (uint32_t h = 0; h < r->slots->n_homes; h++) l->homes[h] = (struct home){0};
    }
}

bool fm_residency_submit(
    struct fm_residency *r, struct fathom_stream *stream, uint64_t *ticket, struct fathom_error *err) {
    if (!r) return fathom_stream_submit(stream, ticket, err);
    uint64_t last = 0;
    bool ok = true;
    for (uint32_t i = 0; ok && i < fathom_stream_parts(stream); i++) {
        const uint64_t tag = fathom_stream_tag(stream, i);
        ok = i == 0 || serve(r, fm_slots_tag_layer(tag), fm_slots_tag_round(tag), last, err);
        ok = ok && fathom_stream_submit_part(stream, i, &last, err);
        for (uint32_t j = 0; ok && i > 0 && j < r->n_used; j++) r->used[j]->busy = last;
    }
    if (!ok) forget(r);
    *ticket = last;
    return ok;
}

void fm_residency_count(const struct fm_residency *r, struct fathom_expert_stats *stats) {
    if (!r) return;
    stats->read += r->n_read;
    stats->read_bytes += r->bytes_read;
    stats->read_seconds += r->seconds;
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
    struct place *place = r->layers[layer].place;
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
        r->n_staging = slots->staging ? slots->staging->n_rows : 0;
        ok = (r->layers = calloc(slots->n_layers, sizeof(*r->layers))) &&
            (r->staging = calloc(r->n_staging + 1, sizeof(*r->staging))) &&
            (r->used = calloc(slots->n_slots, sizeof(struct home *)));
    }
    for (uint32_t i = 0; ok && i < slots->n_layers; i++)
        if (slots->layers[i].pools[0])
            ok = (r->layers[i].homes = calloc(slots->n_homes + 1, sizeof(struct home))) &&
                (r->layers[i].home_of = calloc(slots->n_experts, sizeof(uint32_t))) &&
                (r->layers[i].place = calloc(slots->n_experts, FM_N_MATRICES * sizeof(struct place)));
    if (!ok) {
        fm_fail(err, FATHOM_NO_MEMORY, "out of host memory for the places of %u experts", slots->n_experts);
        goto fail;
    }
    ok = (r->reader = fm_disk_open(&(struct fm_disk_params){.log = log}, err));
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
    }
    free(r->layers);
    free(r->files);
    free(r->staging);
    free(r->used);
    free(r);
    *residency = NULL;
}
