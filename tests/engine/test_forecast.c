// The forecast of a token's time: hit rates and sums, with numbers computed by hand.
#include "engine/forecast.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// after the standard headers
#include <cmocka.h>

static void near_to(double got, double want) {
    if (got < want - 1e-9 * (1 + want) || got > want + 1e-9 * (1 + want))
        fail_msg("%.12g, not %.12g", got, want);
}

static double rate_of(const struct fm_hits *hits, uint32_t n_experts, uint32_t top_k, uint32_t n) {
    return fm_hit_rate(hits, &(struct fm_traffic){.n_experts = n_experts, .top_k = top_k}, n);
}
static double recurrent_rate(uint32_t n_experts, uint32_t top_k, uint32_t n) {
    const struct fm_traffic t = {.n_experts = n_experts, .top_k = top_k, .recurrent = true};
    return fm_hit_rate(NULL, &t, n);
}

// 10 of 100 uses were of the expert used last, 20 of the one before, 30, 0, and 40 first uses.
static void hit_rates_of_a_histogram(void **state) {
    (void)state;
    const uint64_t depths[] = {10, 20, 30, 0, 40};
    const struct fm_hits hits = {depths, 4};
    near_to(rate_of(&hits, 4, 1, 0), 0);
    near_to(rate_of(&hits, 4, 1, 1), 0.1);
    near_to(rate_of(&hits, 4, 1, 2), 0.3);
    near_to(rate_of(&hits, 4, 1, 3), 0.6);
    near_to(rate_of(&hits, 4, 1, 4), 1); // all are resident, first uses too
    near_to(rate_of(&hits, 4, 3, 2), 0); // below the floor
    near_to(rate_of(&hits, 0, 0, 0), 1); // a dense model
    const struct fm_traffic recurrent = {.n_experts = 4, .top_k = 1, .recurrent = true};
    near_to(fm_hit_rate(&hits, &recurrent, 2), 0.3); // what was measured stands before either curve
}

// Experts in ten thousands, so that n is a share with four digits.
static void hit_rates_of_the_usual_curve(void **state) {
    (void)state;
    const uint64_t empty[257] = {0};
    const struct fm_hits unknown = {empty, 256};
    near_to(rate_of(NULL, 10000, 8, 1000), 0.30);
    near_to(rate_of(NULL, 10000, 8, 1250), 0.34); // half of the way from 0.10, 0.30 to 0.15, 0.38
    near_to(rate_of(NULL, 10000, 8, 4500), 0.68);
    near_to(rate_of(NULL, 10000, 8, 9500), 0.97); // half of the way from 0.90, 0.94 to 1, 1
    near_to(rate_of(&unknown, 256, 8, 32), rate_of(NULL, 256, 8, 32));
    near_to(rate_of(NULL, 256, 8, 7), 0);
}

static void hit_rates_of_the_recurrent_curve(void **state) {
    (void)state;
    near_to(recurrent_rate(10000, 6, 938), 0.69);
    near_to(recurrent_rate(10000, 6, 1094), 0.71);  // half of the way to 0.1250, 0.73
    near_to(recurrent_rate(10000, 6, 3750), 0.855); // half of the way from 0.30, 0.83 to 0.45, 0.88
    near_to(recurrent_rate(256, 6, 5), 0);
}

static void more_slots_hit_more(void **state) {
    (void)state;
    double last = 0, last_recurrent = 0;
    for (uint32_t n = 8; n <= 256; n++) {
        const double usual = rate_of(NULL, 256, 8, n), recurrent = recurrent_rate(256, 8, n);
        if (usual <= last) fail_msg("%u slots: %g, not above %g", n, usual, last);
        if (recurrent <= last_recurrent)
            fail_msg("%u slots, recurrent: %g, not above %g", n, recurrent, last_recurrent);
        if (n < 256 && recurrent <= usual) fail_msg("%u slots: recurrent %g, usual %g", n, recurrent, usual);
        last = usual, last_recurrent = recurrent;
    }
    near_to(last, 1);
    near_to(last_recurrent, 1);
}

// 2 GB that are always read, 4 GB of experts, 10 layers.
static const struct fm_traffic traffic = {2000000000, 4000000000, 10, 4, 1, false};
static const struct fathom_rates rates = {
    .device = 100e9, .link = 20e9, .host = 10e9, .disk = 5e9, .token_seconds = 0.001, .cut_seconds = 0.0002};
static const uint64_t depths[] = {25, 25, 25, 0, 25};
static const struct fm_hits hits = {depths, 4};

static struct fathom_forecast foretold(enum fathom_experts experts, uint32_t n_slots, uint32_t n_homes) {
    const struct fathom_memory_plan plan = {
        .size = sizeof(plan), .experts = experts, .n_slots = n_slots, .n_homes = n_homes};
    struct fathom_forecast f;
    fm_forecast(&traffic, &plan, &rates, &hits, &f);
    near_to(f.seconds, f.device_seconds + f.copy_seconds + f.disk_seconds + f.wait_seconds);
    return f;
}

static void all_in_the_device(void **state) {
    (void)state;
    const struct fathom_forecast f = foretold(FATHOM_EXPERTS_DEVICE, 4, 0);
    near_to(f.device_seconds, 0.06 + 0.001);
    near_to(f.seconds, f.device_seconds);
    near_to(f.hit_rate, 1);
    near_to(f.link_bytes, 0);
}

static void slots_over_host_memory(void **state) {
    (void)state;
    const struct fathom_forecast f = foretold(FATHOM_EXPERTS_HOST, 2, 4);
    near_to(f.hit_rate, 0.5);
    near_to(f.link_bytes, 2e9);
    near_to(f.device_seconds, 0.061);
    near_to(f.copy_seconds, 0.1);
    near_to(f.disk_seconds, 0);
    near_to(f.wait_seconds, 0);
}

static void read_in_host_memory(void **state) {
    (void)state;
    const struct fathom_forecast f = foretold(FATHOM_EXPERTS_HOST, 0, 4);
    near_to(f.device_seconds, 0.02 + 0.001); // the experts are not in the device's memory
    near_to(f.copy_seconds, 0.4);
    near_to(f.link_bytes, 4e9);
    near_to(f.hit_rate, 0);
}

static void slots_over_homes_over_the_disk(void **state) {
    (void)state;
    struct fathom_forecast f = foretold(FATHOM_EXPERTS_DISK, 1, 3);
    near_to(f.hit_rate, 0.25);
    near_to(f.home_rate, 0.75);
    near_to(f.copy_seconds, 0.15);
    near_to(f.disk_bytes, 1e9);
    near_to(f.disk_seconds, 0.2);
    near_to(f.wait_seconds, 0.002);
    f = foretold(FATHOM_EXPERTS_DISK, 2, 1); // fewer homes than slots add nothing
    near_to(f.home_rate, 0.5);
    near_to(f.disk_seconds, 0.4);
    f = foretold(FATHOM_EXPERTS_DISK, 0, 0); // nothing is kept
    near_to(f.link_bytes, 4e9);
    near_to(f.disk_bytes, 4e9);
}

static void typical_rates_fill_what_is_not_known(void **state) {
    (void)state;
    const struct fathom_gpu_info card = {.size = sizeof(card),
                                     .type = FATHOM_GPU_DISCRETE,
                                     .memory_total = 24ull << 30},
                                 chip = {.type = FATHOM_GPU_INTEGRATED, .unified_memory = true};
    struct fathom_rates r = {.link = 24e9};
    fm_rates_default(&card, &r);
    near_to(r.device, 630e9);
    near_to(r.link, 24e9);
    near_to(r.host, 24e9); // over the bus
    near_to(r.disk, 3e9);
    r = (struct fathom_rates){.host = 70e9};
    fm_rates_default(&chip, &r);
    near_to(r.host, 70e9);
    near_to(r.device, 60e9);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hit_rates_of_a_histogram),
        cmocka_unit_test(hit_rates_of_the_usual_curve),
        cmocka_unit_test(hit_rates_of_the_recurrent_curve),
        cmocka_unit_test(more_slots_hit_more),
        cmocka_unit_test(all_in_the_device),
        cmocka_unit_test(slots_over_host_memory),
        cmocka_unit_test(read_in_host_memory),
        cmocka_unit_test(slots_over_homes_over_the_disk),
        cmocka_unit_test(typical_rates_fill_what_is_not_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
