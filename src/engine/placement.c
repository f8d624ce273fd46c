#include "engine/placement.h"
#include "base/size.h"

// ALIGN: the allocator's, of buffers that share a block; PAGE: of others; WINDOW: of reads that pass the
// system's cache by.
enum { ALIGN = 256, PAGE = 4096, WINDOW = 4096 };

// Memory that is still free. Device memory is also the host's where the two are one.
struct room {
    uint64_t device, host, both;
};
static uint64_t device_room(const struct room *r) {
    return fm_least(r->device, r->both);
}
static uint64_t host_room(const struct room *r) {
    return fm_least(r->host, r->both);
}
static bool take(struct room *r, uint64_t *part, uint64_t bytes) {
    if (bytes > fm_least(*part, r->both)) return false;
    *part -= bytes;
    if (r->both != UINT64_MAX) r->both -= bytes;
    return true;
}
static bool take_device(struct room *r, uint64_t bytes) {
    return take(r, &r->device, bytes);
}
static bool take_host(struct room *r, uint64_t bytes) {
    return take(r, &r->host, bytes);
}

// ---- Sizes -----------------------------------------------------------------------------------------------

// A pool of n matrices; decoders read the word after the last one.
static uint64_t pool_size(uint64_t matrix, uint32_t n) {
    return fm_round_up(n * matrix + 4, PAGE);
}

// The state, the fetches of a chunk and the homes of one layer (ops.h).
static uint64_t tables_size(const struct fm_inventory *inv, uint32_t n_chunk, uint32_t n) {
    return fm_round_up(fathom_expert_state_size(inv->n_experts, n), ALIGN) +
        fm_round_up(fathom_expert_fetches_size(n_chunk, inv->top_k, inv->n_experts, n), ALIGN) +
        fm_round_up(16ull * inv->n_experts, ALIGN);
}

static uint64_t pools_size(const struct fm_expert_layer *layer, uint32_t n) {
    uint64_t size = 0;
    for (int m = 0; m < FM_EXPERT_MATRICES; m++) size += pool_size(layer->matrix[m], n);
    return size;
}

uint64_t fm_slots_size(const struct fm_inventory *inv, uint32_t n_chunk, uint32_t n) {
    uint64_t size = fm_round_up(4ull * n_chunk * inv->top_k, ALIGN); // places of a chunk
    for (uint32_t i = 0; i < inv->n_layers; i++)
        size += pools_size(&inv->layers[i], n) + tables_size(inv, n_chunk, n);
    return size;
}

// Bytes of the largest matrix of an expert.
static uint64_t largest_matrix(const struct fm_inventory *inv) {
    uint64_t most = 0;
    for (uint32_t i = 0; i < inv->n_layers; i++)
        for (int m = 0; m < FM_EXPERT_MATRICES; m++)
            if (inv->layers[i].matrix[m] > most) most = inv->layers[i].matrix[m];
    return most;
}

// Pools that all layers share: as large as the largest layer's.
static uint64_t shared_slots_size(const struct fm_inventory *inv, uint32_t n_chunk, uint32_t n) {
    uint64_t most[FM_EXPERT_MATRICES] = {0}, size = fm_round_up(4ull * n_chunk * inv->top_k, ALIGN);
    for (uint32_t i = 0; i < inv->n_layers; i++)
        for (int m = 0; m < FM_EXPERT_MATRICES; m++)
            if (inv->layers[i].matrix[m] > most[m]) most[m] = inv->layers[i].matrix[m];
    for (int m = 0; m < FM_EXPERT_MATRICES; m++) size += pool_size(most[m], n);
    return size + inv->n_layers * tables_size(inv, n_chunk, n);
}

// A home holds each matrix in the aligned window around its bytes in the file.
static uint64_t home_size(const struct fm_expert_layer *layer) {
    uint64_t size = WINDOW; // where the memory does not begin at a multiple
    for (int m = 0; m < FM_EXPERT_MATRICES; m++) size += fm_round_up(layer->matrix[m], WINDOW) + WINDOW;
    return size;
}

uint64_t fm_homes_size(const struct fm_inventory *inv, uint32_t n) {
    uint64_t size = 0;
    for (uint32_t i = 0; i < inv->n_layers; i++) size += home_size(&inv->layers[i]);
    return n * size;
}

static uint64_t largest_home(const struct fm_inventory *inv) {
    uint64_t most = 0;
    for (uint32_t i = 0; i < inv->n_layers; i++)
        if (home_size(&inv->layers[i]) > most) most = home_size(&inv->layers[i]);
    return most;
}

uint64_t fm_host_size(const struct fm_inventory *inv) {
    uint64_t size = 0;
    for (uint32_t i = 0; i < inv->n_layers; i++)
        for (int m = 0; m < FM_EXPERT_MATRICES; m++)
            size += pool_size(inv->layers[i].matrix[m], inv->n_experts);
    return size;
}

// ---- Places ----------------------------------------------------------------------------------------------

// The most slots whose pools one binding addresses each; fewer than all experts.
static uint32_t most_slots(const struct fm_inventory *inv, const struct fm_machine *machine) {
    const uint64_t n = machine->max_pool < 4 ? 0 : (machine->max_pool - 4) / largest_matrix(inv);
    return (uint32_t)fm_least(n, inv->n_experts - 1);
}

// Slots for every layer, as many as fit, where each slot needs `home` bytes of host memory for what is
// fetched. 0: fewer than a token chooses would fit.
static uint32_t slots_that_fit(const struct fm_inventory *inv, const struct fm_machine *machine,
    const struct room *room, uint64_t home, uint32_t n_chunk) {
    for (uint32_t n = most_slots(inv, machine); n >= inv->top_k; n--) {
        const uint64_t staged = n * home,
                       both = room->both == UINT64_MAX ? UINT64_MAX
            : room->both > staged                      ? room->both - staged
                                                       : 0;
        const uint64_t free = fm_least(room->device, both);
        if (staged <= room->host && fm_slots_size(inv, n_chunk, n) <= free - free / FM_SLOT_RESERVE) return n;
    }
    return 0;
}

static struct fm_shortage shortage(enum fm_short what, uint64_t needed, uint64_t available) {
    return (struct fm_shortage){what, needed, available};
}

static struct fm_shortage place_on_disk(const struct fm_inventory *inv, const struct fm_machine *machine,
    struct room room, struct fathom_memory_plan *plan) {
    const uint64_t home = largest_home(inv), staging = inv->top_k * home, all = fm_homes_size(inv, 1);
    if (inv->converted[0]) return shortage(FM_SHORT_FORM, 0, 0);
    const uint64_t pages = (inv->n_layers + 1) * PAGE; // one buffer a layer, and the staging
    if (!take_host(&room, pages)) return shortage(FM_SHORT_STAGING, staging + pages, host_room(&room));
    if (inv->top_k * largest_matrix(inv) + 4 > machine->max_pool)
        return shortage(FM_SHORT_RANGE, inv->top_k * largest_matrix(inv) + 4, machine->max_pool);
    plan->n_slots = slots_that_fit(inv, machine, &room, home, plan->n_chunk);
    plan->slot_bytes = plan->n_slots ? fm_slots_size(inv, plan->n_chunk, plan->n_slots)
                                     : shared_slots_size(inv, plan->n_chunk, inv->top_k);
    if (!take_device(&room, plan->slot_bytes))
        return shortage(FM_SHORT_SLOTS, plan->slot_bytes, device_room(&room));
    if (host_room(&room) < staging) return shortage(FM_SHORT_STAGING, staging, host_room(&room));
    // A round of a batch may fetch as many experts as there are slots: those without a home of their layer
    // are staged. Few homes keep nothing: then all host memory is for the staging.
    const uint32_t n_slots = plan->n_slots ? plan->n_slots : inv->top_k;
    const uint64_t host = host_room(&room);
    uint64_t n = fm_least(host / all, inv->n_experts);
    while (n >= inv->top_k && n * all + (n < n_slots ? (n_slots - n) * home : 0) > host) n--;
    plan->n_homes = n >= inv->top_k ? (uint32_t)n : 0;
    plan->host_bytes = plan->n_homes * all + (plan->n_homes < n_slots ? (n_slots - plan->n_homes) * home : 0);
    const uint64_t homes = fm_inventory_experts(inv) / inv->n_experts * plan->n_homes;
    plan->disk_bytes = fm_inventory_experts(inv) - homes;
    return shortage(FM_ENOUGH, 0, 0);
}

static struct fm_shortage place_experts(const struct fm_inventory *inv, const struct fm_machine *machine,
    enum fathom_experts wanted, struct room room, struct fathom_memory_plan *plan) {
    const uint64_t mapped = machine->in_place ? inv->experts_mapped : 0,
                   copied = fm_inventory_experts(inv) - mapped, homes = fm_host_size(inv);
    struct room whole = room;
    const uint64_t needed = copied + (machine->limited ? copied / FM_SLOT_RESERVE : 0);
    const bool fits = take_device(&whole, needed) && take_host(&whole, mapped);
    if (wanted == FATHOM_EXPERTS_DEVICE || (wanted == FATHOM_EXPERTS_AUTO && fits)) {
        plan->n_slots = inv->n_experts;
        plan->in_place += mapped;
        if (fits) return shortage(FM_ENOUGH, 0, 0);
        return needed > device_room(&room) ? shortage(FM_SHORT_DEVICE, needed, device_room(&room))
                                           : shortage(FM_SHORT_DEVICE, mapped, host_room(&whole));
    }
    if (!machine->limited && !take_device(&room, inv->padding))
        return shortage(FM_SHORT_FIXED, inv->padding, device_room(&room));
    // what one memory cannot hold in the mapped file, it cannot hold in buffers of the host either; but a
    // file may lie so that nothing can be used in place
    const bool on_host =
        wanted == FATHOM_EXPERTS_HOST || (wanted == FATHOM_EXPERTS_AUTO && (!machine->unified || copied > 0));
    plan->experts = on_host ? FATHOM_EXPERTS_HOST : FATHOM_EXPERTS_DISK;
    if (on_host && take_host(&room, homes)) {
        plan->n_homes = inv->n_experts;
        plan->host_bytes = homes;
        plan->n_slots = slots_that_fit(inv, machine, &room, 0, plan->n_chunk);
        if (plan->n_slots) plan->slot_bytes = fm_slots_size(inv, plan->n_chunk, plan->n_slots);
        return shortage(FM_ENOUGH, 0, 0);
    }
    if (wanted == FATHOM_EXPERTS_HOST) return shortage(FM_SHORT_HOST, homes, host_room(&room));
    plan->experts = FATHOM_EXPERTS_DISK;
    return place_on_disk(inv, machine, room, plan);
}

static struct fm_shortage place(const struct fm_inventory *inv, const struct fm_machine *machine,
    enum fathom_experts wanted, struct fathom_memory_plan *plan) {
    const uint64_t mapped = machine->in_place ? inv->fixed_mapped : 0,
                   fixed = inv->fixed_mapped + inv->fixed_copied - mapped + plan->cache + plan->scratch;
    struct room room = {machine->device, machine->host, machine->both};
    struct fathom_memory_plan p = *plan;
    p.experts = FATHOM_EXPERTS_DEVICE;
    p.n_slots = p.n_homes = 0;
    p.slot_bytes = p.host_bytes = p.disk_bytes = 0;
    p.n_expert_layers = inv->n_layers;
    p.floor = inv->n_layers ? inv->top_k : 0;
    p.expert_type = inv->type;
    p.expert_bytes = fm_inventory_experts(inv);
    p.in_place = mapped;
    p.fixed = fixed;
    struct fathom_memory_plan whole = p; // where nothing else is possible
    whole.n_slots = inv->n_layers ? inv->n_experts : 0;
    whole.total = p.weights + p.cache + p.scratch;
    whole.fits = false;
    struct fm_shortage s = {FM_ENOUGH, 0, 0};
    const uint64_t padding = inv->padding + machine->slack, padded = fixed + (machine->limited ? padding : 0);
    if (!take_device(&room, padded))
        s = shortage(FM_SHORT_FIXED, padded, device_room(&room));
    else if (!take_host(&room, mapped))
        s = shortage(FM_SHORT_MAPPED, mapped, host_room(&room));
    else if (inv->n_layers)
        s = place_experts(inv, machine, wanted, room, &p);
    p.n_slots_fit = p.n_slots;
    whole.n_slots_fit = whole.n_slots;
    p.fits = s.what == FM_ENOUGH;
    p.total = p.experts == FATHOM_EXPERTS_DEVICE ? whole.total : fixed + padding + p.slot_bytes;
    *plan = p.fits ? p : whole;
    return s;
}

struct fm_shortage fm_place(const struct fm_inventory *inv, const struct fm_machine *machine,
    enum fathom_experts wanted, struct fathom_memory_plan *plan) {
    struct fathom_memory_plan p = *plan;
    struct fm_machine copied = *machine;
    struct fm_shortage s = place(inv, machine, wanted, &p);
    // A step that waits for experts from the file must not wait for pages of the mapped file as well.
    copied.in_place = false;
    if (p.experts == FATHOM_EXPERTS_DISK && machine->in_place) {
        p = *plan;
        s = place(inv, &copied, FATHOM_EXPERTS_DISK, &p);
    }
    *plan = p;
    return s;
}
