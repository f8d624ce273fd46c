// Where experts lie: every rule at its edge, one byte more and one byte less, on a model of two layers with
// sizes that are easy to add up.
#include "engine/placement.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// after the standard headers
#include <cmocka.h>

// An expert has 32768 bytes in either layer, in matrices of different sizes. Of n slots a layer:
//   three pools          n * 32768 + 3 * 4096       (the word after the last matrix, in pages)
//   state, fetches, homes          3 * 256          (state above 11 slots: 512)
// and 256 for the places of the chunk. A home has a window of 4096 bytes more for each matrix,
// and as many for its beginning: 49152. Slots without a home are staged: each needs a home that layers share.
enum {
    N_EXPERTS = 16,
    TOP_K = 4,
    EXPERTS = 2 * N_EXPERTS * 32768,
    FIXED = 100000 + 20000 + 30000, // weights, cache, scratch
    PADDING = 5000,
    HOME = 49152,
    ON_HOST = 2 * (N_EXPERTS * 32768 + 3 * 4096), // the word after the last matrix, in pages
    PAGES = 3 * 4096,                             // of the homes of two layers, and of the staging
    FOUR_SLOTS = 4 * 65536 + 2 * (3 * 4096 + 3 * 256) + 256,
    SHARED_SLOTS = 4 * (16384 + 8192 + 16384) + 3 * 4096 + 2 * 3 * 256 + 256,
};
#define PLENTY (1ull << 40)

static struct fm_expert_layer layers[] = {{3, {8192, 8192, 16384}}, {4, {16384, 8192, 8192}}};
static const struct fm_inventory copied = {
    .fixed_copied = 100000,
    .experts_copied = EXPERTS,
    .padding = PADDING,
    .layers = layers,
    .n_layers = 2,
    .n_experts = N_EXPERTS,
    .top_k = TOP_K,
};

static struct fm_machine card(uint64_t device, uint64_t host) {
    return (struct fm_machine){.device = device, .host = host, .both = UINT64_MAX, .max_pool = PLENTY};
}

struct placed {
    struct fm_shortage s;
    struct fathom_memory_plan p;
};
static struct placed place(
    const struct fm_inventory *inv, struct fm_machine machine, enum fathom_experts wanted) {
    struct placed r = {
        .p = {.n_chunk = 1, .weights = 100000 + EXPERTS, .cache = 20000, .scratch = 30000},
    };
    r.s = fm_place(inv, &machine, wanted, &r.p);
    assert_int_equal(r.p.fits, r.s.what == FM_ENOUGH);
    assert_int_equal(r.p.expert_bytes, fm_inventory_experts(inv));
    if (r.p.fits) assert_true(r.p.total - r.p.in_place <= machine.device);
    if (r.p.fits) assert_true(r.p.host_bytes <= machine.host);
    return r;
}

// place, slots, homes; the shortage where nothing fits
static void check(struct placed r, enum fathom_experts experts, uint32_t n_slots, uint32_t n_homes) {
    assert_int_equal(r.s.what, FM_ENOUGH);
    assert_int_equal(r.p.experts, experts);
    assert_int_equal(r.p.n_slots, n_slots);
    assert_int_equal(r.p.n_homes, n_homes);
}
static void check_short(struct placed r, enum fm_short what, uint64_t needed, uint64_t available) {
    assert_int_equal(r.s.what, what);
    assert_int_equal(r.s.needed, needed);
    assert_int_equal(r.s.available, available);
    assert_int_equal(r.p.total, 100000 + EXPERTS + 50000);
}

static void all_fits_or_slots(void **state) {
    (void)state;
    struct placed r = place(&copied, card(FIXED + EXPERTS, 0), FATHOM_EXPERTS_AUTO);
    check(r, FATHOM_EXPERTS_DEVICE, N_EXPERTS, 0);
    assert_int_equal(r.p.total, FIXED + EXPERTS);
    assert_int_equal(r.p.slot_bytes, 0);
    r = place(&copied, card(FIXED + EXPERTS - 1, PLENTY), FATHOM_EXPERTS_AUTO);
    check(r, FATHOM_EXPERTS_HOST, N_EXPERTS - 1, N_EXPERTS);
    assert_int_equal(r.p.slot_bytes, 15 * 65536 + 2 * (3 * 4096 + 4 * 256) + 256);
    assert_int_equal(r.p.total, FIXED + PADDING + r.p.slot_bytes);
    assert_int_equal(r.p.host_bytes, ON_HOST);
    assert_int_equal(r.p.disk_bytes, 0);
    assert_int_equal(r.p.floor, TOP_K);
    assert_int_equal(r.p.n_expert_layers, 2);
}

// Slots leave one part in 32 of what is free.
static void the_floor(void **state) {
    (void)state;
    const uint64_t free = 297818; // free - free / 32 = FOUR_SLOTS
    assert_int_equal(free - free / FM_SLOT_RESERVE, FOUR_SLOTS);
    struct placed r = place(&copied, card(FIXED + PADDING + free, PLENTY), FATHOM_EXPERTS_AUTO);
    check(r, FATHOM_EXPERTS_HOST, TOP_K, N_EXPERTS);
    assert_int_equal(r.p.slot_bytes, FOUR_SLOTS);
    r = place(&copied, card(FIXED + PADDING + free - 1, PLENTY), FATHOM_EXPERTS_AUTO);
    check(r, FATHOM_EXPERTS_HOST, 0, N_EXPERTS);
    assert_int_equal(r.p.slot_bytes, 0);
    // from the disk, all layers then share slots
    r = place(&copied, card(FIXED + PADDING + SHARED_SLOTS, PLENTY), FATHOM_EXPERTS_DISK);
    check(r, FATHOM_EXPERTS_DISK, 0, N_EXPERTS);
    assert_int_equal(r.p.slot_bytes, SHARED_SLOTS);
    r = place(&copied, card(FIXED + PADDING + SHARED_SLOTS - 1, PLENTY), FATHOM_EXPERTS_DISK);
    check_short(r, FM_SHORT_SLOTS, SHARED_SLOTS, SHARED_SLOTS - 1);
}

static void homes(void **state) {
    (void)state;
    const uint64_t device = FIXED + EXPERTS - 1;
    check(place(&copied, card(device, ON_HOST), FATHOM_EXPERTS_AUTO), FATHOM_EXPERTS_HOST, 15, N_EXPERTS);
    struct placed r = place(&copied, card(device, ON_HOST - 1), FATHOM_EXPERTS_AUTO);
    check(r, FATHOM_EXPERTS_DISK, 15, 6);
    assert_int_equal(r.p.host_bytes, 6 * 2 * HOME + 9 * HOME);
    assert_int_equal(r.p.disk_bytes, 10 * 2 * 32768);
    const uint64_t few = TOP_K * 2 * HOME + 11 * HOME + PAGES;
    r = place(&copied, card(device, few), FATHOM_EXPERTS_AUTO);
    check(r, FATHOM_EXPERTS_DISK, 15, TOP_K);
    assert_int_equal(r.p.host_bytes, few - PAGES);
    r = place(&copied, card(device, few - 1), FATHOM_EXPERTS_AUTO);
    check(r, FATHOM_EXPERTS_DISK, 15, 0);
    assert_int_equal(r.p.host_bytes, 15 * HOME);
    assert_int_equal(r.p.disk_bytes, EXPERTS);
    check(
        place(&copied, card(device, 15 * HOME + PAGES - 1), FATHOM_EXPERTS_AUTO), FATHOM_EXPERTS_DISK, 14, 0);
    r = place(&copied, card(device, TOP_K * HOME + PAGES), FATHOM_EXPERTS_AUTO);
    check(r, FATHOM_EXPERTS_DISK, TOP_K, 0);
    assert_int_equal(r.p.host_bytes, TOP_K * HOME);
    r = place(&copied, card(device, TOP_K * HOME + PAGES - 1), FATHOM_EXPERTS_AUTO);
    check_short(r, FM_SHORT_STAGING, TOP_K * HOME, TOP_K * HOME - 1);
}

static void one_binding_bounds_a_pool(void **state) {
    (void)state;
    struct fm_machine machine = card(FIXED + EXPERTS - 1, PLENTY);
    machine.max_pool = 5 * 16384 + 4;
    check(place(&copied, machine, FATHOM_EXPERTS_AUTO), FATHOM_EXPERTS_HOST, 5, N_EXPERTS);
    machine.max_pool--;
    check(place(&copied, machine, FATHOM_EXPERTS_AUTO), FATHOM_EXPERTS_HOST, 4, N_EXPERTS);
    machine.max_pool = TOP_K * 16384 + 3; // the device can read experts in host memory, but share no slots
    check(place(&copied, machine, FATHOM_EXPERTS_AUTO), FATHOM_EXPERTS_HOST, 0, N_EXPERTS);
    check_short(
        place(&copied, machine, FATHOM_EXPERTS_DISK), FM_SHORT_RANGE, TOP_K * 16384 + 4, TOP_K * 16384 + 3);
    machine.max_pool = 3; // less than a word
    check(place(&copied, machine, FATHOM_EXPERTS_AUTO), FATHOM_EXPERTS_HOST, 0, N_EXPERTS);
}

static void wishes(void **state) {
    (void)state;
    struct placed r = place(&copied, card(PLENTY, PLENTY), FATHOM_EXPERTS_HOST);
    check(r, FATHOM_EXPERTS_HOST, N_EXPERTS - 1, N_EXPERTS);
    check(place(&copied, card(PLENTY, PLENTY), FATHOM_EXPERTS_DISK), FATHOM_EXPERTS_DISK, 15, N_EXPERTS);
    check(place(&copied, card(PLENTY, 0), FATHOM_EXPERTS_DEVICE), FATHOM_EXPERTS_DEVICE, N_EXPERTS, 0);
    r = place(&copied, card(FIXED + EXPERTS - 1, PLENTY), FATHOM_EXPERTS_DEVICE);
    check_short(r, FM_SHORT_DEVICE, EXPERTS, EXPERTS - 1);
    r = place(&copied, card(PLENTY, ON_HOST - 1), FATHOM_EXPERTS_HOST);
    check_short(r, FM_SHORT_HOST, ON_HOST, ON_HOST - 1);
    r = place(&copied, card(FIXED - 1, PLENTY), FATHOM_EXPERTS_AUTO);
    check_short(r, FM_SHORT_FIXED, FIXED, FIXED - 1);
}

// Within a limit the plan leaves the allocator what it may need beyond the bytes of the weights.
static void a_limit_is_kept_to_the_byte(void **state) {
    (void)state;
    struct fm_machine machine = card(FIXED + PADDING + EXPERTS + EXPERTS / FM_SLOT_RESERVE, PLENTY);
    machine.limited = true;
    check(place(&copied, machine, FATHOM_EXPERTS_AUTO), FATHOM_EXPERTS_DEVICE, N_EXPERTS, 0);
    machine.device--;
    check(place(&copied, machine, FATHOM_EXPERTS_AUTO), FATHOM_EXPERTS_HOST, 15, N_EXPERTS);
    machine.device++, machine.slack = 1; // what the allocator loses
    check(place(&copied, machine, FATHOM_EXPERTS_AUTO), FATHOM_EXPERTS_HOST, 15, N_EXPERTS);
    machine.device = FIXED + PADDING;
    check_short(
        place(&copied, machine, FATHOM_EXPERTS_AUTO), FM_SHORT_FIXED, FIXED + PADDING + 1, FIXED + PADDING);
}

static void a_converted_expert_cannot_be_read(void **state) {
    (void)state;
    struct fm_inventory inv = copied;
    inv.converted[0] = 'x';
    check(place(&inv, card(FIXED + EXPERTS - 1, ON_HOST), FATHOM_EXPERTS_AUTO), FATHOM_EXPERTS_HOST, 15, 16);
    check_short(
        place(&inv, card(FIXED + EXPERTS - 1, ON_HOST - 1), FATHOM_EXPERTS_AUTO), FM_SHORT_FORM, 0, 0);
}

// One memory for both. 90000 bytes of the other weights and the experts are used in the mapped file.
static void one_memory(void **state) {
    (void)state;
    struct fm_inventory inv = copied;
    inv.fixed_mapped = 90000, inv.fixed_copied = 10000;
    inv.experts_mapped = EXPERTS, inv.experts_copied = 0;
    const uint64_t heap = 10000 + 50000, file = 90000 + EXPERTS;
    struct fm_machine machine = {.unified = true,
        .in_place = true,
        .device = heap,
        .host = file,
        .both = heap + file,
        .max_pool = PLENTY};
    struct placed r = place(&inv, machine, FATHOM_EXPERTS_AUTO); // larger than the heap, and yet in place
    check(r, FATHOM_EXPERTS_DEVICE, N_EXPERTS, 0);
    assert_int_equal(r.p.in_place, file);
    assert_int_equal(r.p.total, heap + file);
    machine.device--;
    check_short(place(&inv, machine, FATHOM_EXPERTS_AUTO), FM_SHORT_FIXED, heap, heap - 1);
    machine.device = PLENTY, machine.both--;
    r = place(&inv, machine, FATHOM_EXPERTS_AUTO); // never host: slots, and staging beside them
    check(r, FATHOM_EXPERTS_DISK, 8, 0);
    assert_int_equal(r.p.in_place, 0); // nothing is read in the mapped file while experts come from the file
    assert_true(heap + PADDING + 90000 + r.p.slot_bytes + r.p.host_bytes <= machine.both);
    // a heap for few slots leaves the rest of the memory to homes
    machine.host = file;
    machine.device = heap + 90000 + PADDING + 297818;
    r = place(&inv, machine, FATHOM_EXPERTS_AUTO);
    check(r, FATHOM_EXPERTS_DISK, 4, 7);
    // without import all weights are copied into the heap; what it cannot take, other memory of the host does
    machine.in_place = false, machine.device = FIXED + EXPERTS, machine.both = PLENTY;
    check(place(&inv, machine, FATHOM_EXPERTS_AUTO), FATHOM_EXPERTS_DEVICE, N_EXPERTS, 0);
    machine.device--;
    check(place(&inv, machine, FATHOM_EXPERTS_AUTO), FATHOM_EXPERTS_HOST, N_EXPERTS - 1, N_EXPERTS);
}

static void a_dense_model(void **state) {
    (void)state;
    const struct fm_inventory dense = {.fixed_copied = 100000 + EXPERTS, .padding = PADDING};
    const struct placed r = place(&dense, card(FIXED + EXPERTS, 0), FATHOM_EXPERTS_AUTO);
    check(r, FATHOM_EXPERTS_DEVICE, 0, 0);
    assert_int_equal(r.p.total, FIXED + EXPERTS);
    check_short(place(&dense, card(FIXED + EXPERTS - 1, PLENTY), FATHOM_EXPERTS_AUTO), FM_SHORT_FIXED,
        FIXED + EXPERTS, FIXED + EXPERTS - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_fits_or_slots),
        cmocka_unit_test(the_floor),
        cmocka_unit_test(homes),
        cmocka_unit_test(one_binding_bounds_a_pool),
        cmocka_unit_test(wishes),
        cmocka_unit_test(a_limit_is_kept_to_the_byte),
        cmocka_unit_test(a_converted_expert_cannot_be_read),
        cmocka_unit_test(one_memory),
        cmocka_unit_test(a_dense_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
