#include "model/slots.h"
#include "base/size.h"
#include <stdlib.h>
#include <string.h>

// FILE_ALIGN: bytes; reads of the file begin and end at multiples. HOME_ALIGN: bytes; see
// fathom_expert_fetch.
enum { FILE_ALIGN = 4096, HOME_ALIGN = 16, STATE_ALIGN = 256 };

struct fm_slots *fm_slots_create(
    const struct fm_hparams *hp, const struct fathom_memory_plan *plan, struct fathom_error *err) {
    struct fm_slots *s = calloc(1, sizeof(*s));
    if (!s) goto no_memory;
    *s = (struct fm_slots){
        .n_layers = hp->n_layers + hp->n_drafting,
        .n_experts = hp->n_experts,
        .top_k = hp->n_experts_used,
        .n_vocab = hp->n_vocab,
        .n_slots = plan->n_slots ? plan->n_slots : plan->floor,
        .n_homes = plan->n_homes,
        .on_disk = plan->experts == FATHOM_EXPERTS_DISK,
        .shared = plan->n_slots == 0,
    };
    if ((s->layers = calloc(s->n_layers, sizeof(*s->layers)))) return s;
no_memory:
    free(s);
    fm_fail(err, FATHOM_NO_MEMORY, "out of host memory for %u layers", hp->n_layers);
    return NULL;
}

void fm_slots_add(struct fm_slots *s, uint32_t layer, int which, const struct fm_tensor *tensor,
    uint32_t n_rows, uint32_t n_cols) {
    struct fm_layer_slots *l = &s->layers[layer];
    l->matrices[which] = (struct fm_expert_tensors){tensor, tensor->type, n_rows, n_cols};
    l->matrix_size[which] = n_rows * fathom_row_size(tensor->type, n_cols);
}

bool fm_slots_add_choices(
    struct fm_slots *s, uint32_t layer, const uint32_t *choices, struct fathom_error *err) {
    const size_t size = sizeof(*choices) * s->n_vocab * s->top_k;
    if (!s->on_disk) return true;
    free(s->layers[layer].choices);
    if (!(s->layers[layer].choices = malloc(size)))
        return fm_fail(err, FATHOM_NO_MEMORY, "out of host memory for the experts of %u tokens", s->n_vocab);
    memcpy(s->layers[layer].choices, choices, size);
    return true;
}

static bool has_experts(const struct fm_layer_slots *l) {
    return l->matrices[FM_GATE].n_rows != 0;
}

// ---- Sizes -----------------------------------------------------------------------------------------------

// From the file a matrix is read in whole units around it.
static void measure_home(const struct fm_slots *s, struct fm_layer_slots *l) {
    const uint64_t unit = s->on_disk ? FILE_ALIGN : HOME_ALIGN;
    if (s->on_disk) l->home_size = FILE_ALIGN; // see find_home()
    for (int i = 0; i < FM_N_MATRICES; i++) {
        l->home_at[i] = l->home_size - (s->on_disk ? FILE_ALIGN : 0);
        l->home_size += fm_round_up(l->matrix_size[i], unit) + (s->on_disk ? FILE_ALIGN : 0);
    }
}

// A round fetches n_slots experts at most. Those that find no home of their layer go to the staging.
static uint32_t staging_homes(const struct fm_slots *s) {
    if (!s->on_disk) return 0;
    return s->n_homes < s->n_slots ? s->n_slots - s->n_homes : 0;
}

// ---- Allocation ------------------------------------------------------------------------------------------

static struct fathom_weight *create_homes(
    struct fathom_gpu *gpu, uint32_t n, uint64_t size, struct fathom_error *err) {
    return fathom_weight_create_host(gpu, FATHOM_F32, 1, n, (uint32_t)(size / 4), err);
}

static bool create_pools(struct fathom_gpu *gpu, const struct fm_slots *s, struct fm_layer_slots *l,
    const struct fm_layer_slots *owner, struct fathom_error *err) {
    for (int i = 0; i < FM_N_MATRICES; i++) {
        const struct fm_expert_tensors *m = &l->matrices[i];
        l->pools[i] = owner ? owner->pools[i]
                            : fathom_weight_create(gpu, m->type, s->n_slots, m->n_rows, m->n_cols, err);
        if (!l->pools[i]) return fm_error_prefix(err, "%u slots of experts", s->n_slots), false;
        if (l->pools[i]->n_slices != 1)
            return fm_fail(err, FATHOM_UNSUPPORTED,
                "%u slots of experts of [%u][%u] are more than the device addresses at once", s->n_slots,
                m->n_rows, m->n_cols);
        if (!(l->rounds[i] = calloc(s->n_rounds, sizeof(*l->rounds[i]))))
            return fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
        for (uint32_t r = 0; r < s->n_rounds; r++)
            l->rounds[i][r] = (struct fathom_slice){
                l->pools[i]->slices[0].view, r * s->n_slots * m->n_rows, s->n_slots * m->n_rows};
    }
    return true;
}

// The layer before `layer` whose pools it can share: the matrices have the same types and shapes.
static const struct fm_layer_slots *find_owner(const struct fm_slots *s, uint32_t layer) {
    const struct fm_layer_slots *l = &s->layers[layer];
    for (uint32_t i = 0; s->shared && has_experts(l) && i < layer; i++) {
        const struct fm_layer_slots *o = &s->layers[i];
        bool same = o->pools[0];
        for (int m = 0; same && m < FM_N_MATRICES; m++)
            same = o->matrices[m].type == l->matrices[m].type &&
                o->matrices[m].n_rows == l->matrices[m].n_rows &&
                o->matrices[m].n_cols == l->matrices[m].n_cols;
        if (same) return o;
    }
    return NULL;
}

// What depends on the number of slots: states, lists and pools.
static bool allocate_slots(struct fathom_gpu *gpu, struct fm_slots *s, struct fathom_error *err) {
    s->n_rounds = (s->n_experts + s->n_slots - 1) / s->n_slots;
    s->state_size = fm_round_up(fathom_expert_state_size(s->n_experts, s->n_slots), STATE_ALIGN);
    if (!(s->states = fathom_buffer_create(gpu, s->n_layers * s->state_size, FATHOM_MEMORY_DEVICE, err)) ||
        !(s->fetches = fathom_buffer_create(gpu,
              fathom_expert_fetches_size(UINT16_MAX, s->n_experts, s->n_experts, s->n_slots),
              s->on_disk ? FATHOM_MEMORY_HOST : FATHOM_MEMORY_DEVICE, err)))
        return false;
    for (uint32_t i = 0; i < s->n_layers; i++) {
        struct fm_layer_slots *l = &s->layers[i];
        if (!has_experts(l)) continue;
        l->state = (struct fathom_view){
            s->states, i * s->state_size, fathom_expert_state_size(s->n_experts, s->n_slots)};
        if (!create_pools(gpu, s, l, find_owner(s, i), err)) return false;
    }
    return true;
}

static void free_slots(struct fm_slots *s) {
    for (uint32_t i = s->n_layers; i-- > 0;) {
        struct fm_layer_slots *l = &s->layers[i];
        const bool owns = !find_owner(s, i);
        for (int m = 0; m < FM_N_MATRICES; m++) {
            if (owns) fathom_weight_destroy(&l->pools[m]);
            l->pools[m] = NULL;
            free(l->rounds[m]);
            l->rounds[m] = NULL;
        }
        l->state = (struct fathom_view){0};
    }
    fathom_buffer_destroy(&s->states);
    fathom_buffer_destroy(&s->fetches);
}

bool fm_slots_allocate(
    struct fathom_gpu *gpu, struct fm_slots *s, struct fm_watch *watch, struct fathom_error *err) {
    uint64_t largest = 0;
    s->host_copies = s->on_disk && fathom_gpu_get_info(gpu)->unified_memory;
    const uint32_t n_staging = staging_homes(s);
    const uint64_t table_size = fm_round_up(16ull * s->n_experts, STATE_ALIGN);
    if (!(s->tables = fathom_buffer_create(gpu, s->n_layers * table_size, FATHOM_MEMORY_HOST, err)) ||
        (s->on_disk &&
            !(s->guessed = fathom_buffer_create(
                  gpu, 2 * 4ull * FM_GUESSED_TOKENS * s->top_k, FATHOM_MEMORY_HOST, err))) ||
        (s->shared &&
            !(s->empty = fathom_buffer_create(gpu, 4ull * s->n_experts, FATHOM_MEMORY_DEVICE, err))) ||
        !allocate_slots(gpu, s, err))
        return false;
    for (uint32_t i = 0; i < s->n_layers; i++) {
        struct fm_layer_slots *l = &s->layers[i];
        if (!has_experts(l)) continue;
        if (!fm_watch_goes_on(watch, err)) return false;
        measure_home(s, l);
        if (l->home_size > largest) largest = l->home_size;
        l->table = (struct fathom_view){s->tables, i * table_size, 16ull * s->n_experts};
        if (s->n_homes && !(l->homes = create_homes(gpu, s->n_homes, l->home_size, err)))
            return fm_error_prefix(err, "%u experts of layer %u in host memory", s->n_homes, i), false;
    }
    if (n_staging && !(s->staging = create_homes(gpu, n_staging, largest, err)))
        return fm_error_prefix(err, "%u experts on their way from the file", n_staging), false;
    return true;
}

// A layer's state without what is in its slots, whose number is another one.
static void keep_history(
    uint32_t n_experts, uint32_t n_before, uint32_t n_now, const uint32_t *before, uint32_t *now) {
    const uint32_t table = FATHOM_EXPERT_STATE, last_use = table + n_experts, slots = last_use + n_experts;
    memcpy(now, before, 4 * (size_t)table);
    memcpy(now + last_use, before + last_use, 4 * (size_t)n_experts);
    memcpy(now + slots + n_now, before + slots + n_before, 4 * ((size_t)n_experts + 1));
}

bool fm_slots_exist(const struct fm_slots *s) {
    return s->states;
}

bool fm_slots_resize(struct fathom_gpu *gpu, struct fm_slots *s, uint32_t n_slots, struct fathom_error *err) {
    const uint32_t n_before = s->n_slots;
    const size_t before = s->state_size / 4;
    uint32_t *states = calloc(s->n_layers, 4 * before), *now = NULL;
    bool ok = (states || fm_fail(err, FATHOM_NO_MEMORY, "out of host memory")) &&
        (!fm_slots_exist(s) || fathom_download(gpu, fathom_buffer_view(s->states), states, err));
    if (!ok) goto done;
    free_slots(s);
    s->n_slots = n_slots;
    s->version++, s->n_resizes++;
    struct fathom_error failure = {0};
    while (!(ok = allocate_slots(gpu, s, &failure)) && s->n_slots > s->top_k) { // blocks do not come out even
        free_slots(s);
        s->n_slots--;
    }
    if (!ok) {
        free_slots(s);
        fm_fail(err, failure.status, "%s", failure.message);
    }
    ok = ok &&
        ((now = calloc(s->n_layers, s->state_size)) || fm_fail(err, FATHOM_NO_MEMORY, "out of host memory"));
    for (uint32_t i = 0; ok && i < s->n_layers; i++)
        keep_history(s->n_experts, n_before, s->n_slots, states + i * before, now + i * (s->state_size / 4));
    ok = ok && fathom_upload(gpu, fathom_buffer_view(s->states), now, err);
done:
    s->in_doubt = !ok;
    free(now);
    free(states);
    return ok;
}

void fm_slots_destroy(struct fm_slots **slots) {
    struct fm_slots *s = slots ? *slots : NULL;
    if (!s) return;
    free_slots(s);
    for (uint32_t i = 0; i < s->n_layers; i++) {
        fathom_weight_destroy(&s->layers[i].homes);
        free(s->layers[i].choices);
    }
    fathom_weight_destroy(&s->staging);
    fathom_buffer_destroy(&s->tables);
    fathom_buffer_destroy(&s->empty);
    fathom_buffer_destroy(&s->guessed);
    free(s->layers);
    free(s);
    *slots = NULL;
}

// ---- Homes -----------------------------------------------------------------------------------------------

// A home in its source.
struct found {
    char *memory;
    uint64_t at; // bytes before it in the source
    uint32_t
        source; // the number of the slice among those of the layer's homes and, after them, of the staging
};

static bool find_home(const struct fm_slots *s, uint32_t layer, uint32_t home, struct found *found) {
    const struct fathom_weight *own = s->layers[layer].homes, *w = home < s->n_homes ? own : s->staging;
    const uint32_t row = home < s->n_homes ? home : home - s->n_homes;
    for (uint32_t i = 0; w && i < w->n_slices; i++) {
        const struct fathom_slice *slice = &w->slices[i];
        if (row < slice->first_row || row >= slice->first_row + slice->n_rows) continue;
        char *memory = (char *)fathom_buffer_map(slice->view.buffer) + slice->view.offset;
        uint64_t at = (uint64_t)(row - slice->first_row) * 4 * w->n_cols;
        // drivers give memory that begins anywhere; reads of the file want multiples
        if (s->on_disk) at += (FILE_ALIGN - ((uintptr_t)memory + at) % FILE_ALIGN) % FILE_ALIGN;
        *found = (struct found){memory + at, at, i + (w == own || !own ? 0 : own->n_slices)};
        return true;
    }
    return false;
}

char *fm_slots_home(const struct fm_slots *s, uint32_t layer, uint32_t home) {
    struct found found;
    return find_home(s, layer, home, &found) ? found.memory : NULL;
}

void fm_slots_set_home(const struct fm_slots *s, uint32_t layer, uint32_t expert, uint32_t home,
    const uint64_t skip[FM_N_MATRICES]) {
    const struct fm_layer_slots *l = &s->layers[layer];
    struct found found;
    if (!find_home(s, layer, home, &found)) return;
    uint32_t *row = (uint32_t *)((char *)fathom_buffer_map(s->tables) + l->table.offset) + 4 * expert;
    row[0] = found.source;
    for (int i = 0; i < FM_N_MATRICES; i++) row[1 + i] = (uint32_t)((found.at + l->home_at[i] + skip[i]) / 4);
}

void fm_slots_contents(
    const struct fm_slots *s, uint32_t layer, struct fathom_view *table, struct fathom_view *slots) {
    *table = *slots = s->layers[layer].state;
    table->offset += 4 * FATHOM_EXPERT_STATE, table->size = 4ull * s->n_experts;
    slots->offset += 4 * (FATHOM_EXPERT_STATE + 2ull * s->n_experts), slots->size = 4ull * s->n_slots;
}

uint32_t fm_slots_fetches(const struct fm_slots *s, uint32_t round, const volatile uint32_t **experts) {
    const volatile uint32_t *list = fathom_buffer_map(s->fetches);
    list += round * (1 + 2 * s->n_slots);
    *experts = list + 1;
    return *list < s->n_slots ? *list : s->n_slots;
}

void fm_slots_guess(struct fm_slots *s, bool guesses) {
    if (s->guesses != guesses) s->version++;
    s->guesses = guesses;
}

void fm_slots_guessed(const struct fm_slots *s, struct fathom_view *ids, struct fathom_view *weights) {
    *ids = *weights = fathom_buffer_view(s->guessed);
    ids->size = weights->size = weights->offset = ids->size / 2;
}

struct fathom_weight fm_slots_weight(const struct fm_slots *s, uint32_t layer, int which, uint32_t n_rounds) {
    struct fathom_weight w = *s->layers[layer].pools[which];
    w.n_mats = n_rounds * s->n_slots;
    w.n_slices = n_rounds;
    w.slices = s->layers[layer].rounds[which];
    return w;
}

bool fm_slots_forget(struct fathom_gpu *gpu, struct fm_slots *s, struct fathom_error *err) {
    uint32_t *none = calloc(s->n_experts, sizeof(*none));
    bool ok = none || fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
    for (uint32_t i = 0; ok && i < s->n_layers; i++) {
        struct fathom_view table, slots;
        if (!has_experts(&s->layers[i])) continue;
        fm_slots_contents(s, i, &table, &slots);
        ok = fathom_upload(gpu, table, none, err) && fathom_upload(gpu, slots, none, err);
    }
    free(none);
    s->in_doubt = !ok;
    return ok;
}

uint64_t fm_slots_expert_size(const struct fm_layer_slots *l) {
    return l->matrix_size[FM_GATE] + l->matrix_size[FM_UP] + l->matrix_size[FM_DOWN];
}

bool fm_slots_depths(
    struct fathom_gpu *gpu, const struct fm_slots *s, uint64_t *depths, struct fathom_error *err) {
    const uint64_t n = s->n_experts + 1ull;
    uint32_t *counts = malloc(n * sizeof(*counts));
    bool ok = counts || fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
    for (uint32_t i = 0; ok && i < s->n_layers; i++) {
        struct fathom_view view = s->layers[i].state;
        if (!has_experts(&s->layers[i])) continue;
        view.offset += view.size - 4 * n, view.size = 4 * n;
        ok = fathom_download(gpu, view, counts, err);
        for (uint64_t d = 0; ok && d < n; d++) depths[d] += counts[d];
    }
    free(counts);
    return ok;
}

bool fm_slots_count(struct fathom_gpu *gpu, const struct fm_slots *s, struct fathom_expert_stats *stats,
    struct fathom_error *err) {
    for (uint32_t i = 0; fm_slots_exist(s) && i < s->n_layers; i++) {
        uint32_t counts[FATHOM_EXPERT_STATE];
        struct fathom_view view = s->layers[i].state;
        view.size = sizeof(counts);
        if (!has_experts(&s->layers[i])) continue;
        if (!fathom_download(gpu, view, counts, err)) return false;
        stats->needed += counts[FATHOM_EXPERT_NEEDED];
        stats->fetched += counts[FATHOM_EXPERT_FETCHED];
        stats->fetched_bytes += counts[FATHOM_EXPERT_FETCHED] * fm_slots_expert_size(&s->layers[i]);
    }
    return true;
}
