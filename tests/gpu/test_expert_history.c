// What earlier runs tell of a model's experts: the fit of a token's time, how runs are added, and the file.
#include "gpu/support.h"
#include "op/experts/expert_history.h"
#include <math.h>

static void near_to(double got, double want) {
    if (got < want - 1e-9 * want || got > want + 1e-9 * want) fail_msg("%.12g, not %.12g", got, want);
}

static struct fm_expert_history history_of(const struct fm_decode_sample *samples, uint32_t n) {
    struct fm_expert_history h = {.n_experts = 4};
    for (uint32_t i = 0; i < n; i++) fm_expert_history_add(&h, NULL, &samples[i]);
    return h;
}

static void no_sample_tells_nothing(void **state) {
    (void)state;
    const struct fm_expert_history h = {.n_experts = 4};
    double device = 7, link = 5;
    assert_false(fm_expert_history_fit(&h, &device, &link));
    assert_true(device == 7);
    assert_true(link == 5);
}

// Copies at the given rate of the link take 0.1 s of the 0.5 s.
static void one_sample_keeps_the_link(void **state) {
    (void)state;
    const struct fm_expert_history h = history_of(&(struct fm_decode_sample){2e9, 0.5}, 1);
    double device, link = 20e9;
    assert_true(fm_expert_history_fit(&h, &device, &link));
    near_to(link, 20e9);
    near_to(device, 0.4);
}

// Less than a fifth of the bytes is no slope, whatever the seconds are.
static void equal_copies_keep_the_link(void **state) {
    (void)state;
    const struct fm_decode_sample equal[] = {{2e9, 0.4}, {2e9, 0.6}}, close[] = {{1.61e9, 0.49}, {2e9, 0.51}};
    struct fm_expert_history h = history_of(equal, 2);
    double device, link = 20e9;
    assert_true(fm_expert_history_fit(&h, &device, &link));
    near_to(link, 20e9);
    near_to(device, 0.4);
    h = history_of(close, 2);
    assert_true(fm_expert_history_fit(&h, &device, &link));
    near_to(link, 20e9);
    near_to(device, 0.5 - 1.805e9 / 20e9);
}

static void a_slope_gives_the_link(void **state) {
    (void)state;
    const struct fm_decode_sample samples[] = {{0, 0.3}, {1e9, 0.4}, {4e9, 0.7}}; // 0.3 + bytes / 10e9
    const struct fm_expert_history h = history_of(samples, 3);
    double device, link = 20e9;
    assert_true(fm_expert_history_fit(&h, &device, &link));
    near_to(link, 10e9);
    near_to(device, 0.3);
}

// Copies are never free, and never the whole step.
static void a_slope_of_noise_keeps_the_link(void **state) {
    (void)state;
    const struct fm_decode_sample falling[] = {{0, 0.6}, {4e9, 0.4}}, steep[] = {{1e9, 0.1}, {2e9, 0.4}};
    struct fm_expert_history h = history_of(falling, 2);
    double device, link = 20e9;
    assert_true(fm_expert_history_fit(&h, &device, &link));
    near_to(link, 20e9);
    near_to(device, 0.5 - 2e9 / 20e9);
    h = history_of(steep, 2);
    assert_true(fm_expert_history_fit(&h, &device, &link));
    near_to(link, 20e9);
    near_to(device, 0.25 - 1.5e9 / 20e9);
}

// A link that is said to be too slow leaves the device a tenth of the step.
static void the_device_has_a_part(void **state) {
    (void)state;
    const struct fm_expert_history h = history_of(&(struct fm_decode_sample){2e9, 0.5}, 1);
    double device, link = 1e9;
    assert_true(fm_expert_history_fit(&h, &device, &link));
    near_to(link, 1e9);
    near_to(device, 0.05);
}

static void the_last_eight_samples_are_kept(void **state) {
    (void)state;
    struct fm_expert_history h = {.n_experts = 4};
    for (int i = 1; i <= 10; i++)
        fm_expert_history_add(&h, NULL, &(struct fm_decode_sample){.link_bytes = i, .seconds = 10 * i});
    assert_int_equal(h.n_samples, 10);
    static const double want[FM_HISTORY_SAMPLES] = {9, 10, 3, 4, 5, 6, 7, 8};
    for (int i = 0; i < FM_HISTORY_SAMPLES; i++) {
        near_to(h.samples[i].link_bytes, want[i]);
        near_to(h.samples[i].seconds, 10 * want[i]);
    }
    for (int i = 0; i <= 4; i++) assert_int_equal(h.depths[i], 0);
}

// The number of samples turns back before it overflows, and the ring stays full and in its order.
static void the_number_of_samples_does_not_overflow(void **state) {
    (void)state;
    struct fm_expert_history h = {.n_experts = 4, .n_samples = UINT32_MAX - FM_HISTORY_SAMPLES - 1};
    const uint32_t at = h.n_samples % FM_HISTORY_SAMPLES;
    fm_expert_history_add(&h, NULL, &(struct fm_decode_sample){1, 1});
    assert_int_equal(h.n_samples, FM_HISTORY_SAMPLES);
    near_to(h.samples[at].seconds, 1);
    fm_expert_history_add(&h, NULL, &(struct fm_decode_sample){2, 2});
    assert_int_equal(h.n_samples, FM_HISTORY_SAMPLES + 1);
}

// Up to a thousand tokens of R1 (58 layers, 8 experts) count in full; then the older ones count half.
static void older_depths_count_less(void **state) {
    (void)state;
    const uint64_t most = 1000 * 58 * 8, run[5] = {5, 4, 3, 2, 1};
    struct fm_expert_history h = {.n_experts = 4, .depths = {most - 10, 4, 0, 0, 6}};
    fm_expert_history_add(&h, run, NULL);
    assert_int_equal(h.n_samples, 0);
    assert_int_equal(h.depths[0], most - 10 + 5);
    assert_int_equal(h.depths[1], 8);
    assert_int_equal(h.depths[4], 7);
    fm_expert_history_add(&h, run, NULL); // now there are more
    assert_int_equal(h.depths[0], (most - 5) / 2 + 5);
    assert_int_equal(h.depths[1], 4 + 4);
    assert_int_equal(h.depths[2], 1 + 3);
    assert_int_equal(h.depths[4], 3 + 1);
}

// A file for 2 experts: version, experts, samples, reserved; three depths; two samples.
struct file {
    uint32_t version, n_experts, n_samples, reserved;
    uint64_t depths[3];
    struct fm_decode_sample samples[2];
};
static const struct file good = {1, 2, 2, 0, {10, 20, 30}, {{1e9, 0.5}, {2e9, 0.75}}};

static void expect_refused(const void *data, size_t size, uint32_t n_experts) {
    struct fm_expert_history h = {.n_samples = 99, .depths = {99}};
    assert_false(fm_expert_history_parse(data, size, n_experts, &h));
    assert_int_equal(h.n_experts, n_experts);
    assert_int_equal(h.n_samples, 0);
    assert_int_equal(h.depths[0], 0);
}

static void contents_are_read(void **state) {
    (void)state;
    struct fm_expert_history h;
    assert_true(fm_expert_history_parse(&good, sizeof(good), 2, &h));
    assert_int_equal(h.n_experts, 2);
    assert_int_equal(h.n_samples, 2);
    assert_int_equal(h.depths[2], 30);
    assert_int_equal(h.depths[3], 0);
    near_to(h.samples[1].link_bytes, 2e9);
    near_to(h.samples[1].seconds, 0.75);
}

static void contents_are_checked(void **state) {
    (void)state;
    for (size_t size = 0; size < sizeof(good); size++) expect_refused(&good, size, 2);
    char longer[sizeof(good) + 1] = {0};
    memcpy(longer, &good, sizeof(good));
    expect_refused(longer, sizeof(longer), 2);
    expect_refused(&good, sizeof(good), 3);
    expect_refused(&good, sizeof(good), FM_HISTORY_EXPERTS + 1);
    struct file bad = good;
    bad.version++;
    expect_refused(&bad, sizeof(bad), 2);
    bad = good, bad.n_experts = 3; // of another model, at the same size
    expect_refused(&bad, sizeof(bad), 2);
    bad = good, bad.n_samples = 3; // there are two
    expect_refused(&bad, sizeof(bad), 2);
    bad = good, bad.n_samples = UINT32_MAX;
    expect_refused(&bad, sizeof(bad), 2);
    bad = good, bad.depths[1] = UINT64_MAX / 2; // sums would overflow
    expect_refused(&bad, sizeof(bad), 2);
    static const double seconds[] = {0, -1, 1e7, INFINITY, NAN}, bytes[] = {-1, 1e16, INFINITY, NAN};
    for (size_t i = 0; i < sizeof(seconds) / sizeof(*seconds); i++) {
        bad = good, bad.samples[1].seconds = seconds[i];
        expect_refused(&bad, sizeof(bad), 2);
    }
    for (size_t i = 0; i < sizeof(bytes) / sizeof(*bytes); i++) {
        bad = good, bad.samples[1].link_bytes = bytes[i];
        expect_refused(&bad, sizeof(bad), 2);
    }
}

// More experts than a history holds: nothing is kept, and nothing written behind its end.
static void too_many_experts_are_refused(void **state) {
    (void)state;
    enum { N = FM_HISTORY_EXPERTS + 1 };
    static struct {
        uint32_t version, n_experts, n_samples, reserved;
        uint64_t depths[N + 1];
    } large = {.version = 1, .n_experts = N};
    expect_refused(&large, sizeof(large), N);
}

static void kept_in_a_file(void **state) {
    (void)state;
    char folder[] = "/tmp/fathom_history_XXXXXX";
    assert_non_null(mkdtemp(folder));
    struct fathom_gpu *gpu = create_gpu(&FATHOM_INIT(fathom_gpu_params, .cache_dir = folder));
    struct fm_expert_history saved = {.n_experts = 4}, loaded;
    const uint64_t depths[5] = {9, 8, 7, 6, 5};
    fm_expert_history_load(gpu, 1, 4, &loaded);
    assert_int_equal(loaded.n_samples, 0); // there is no file
    for (int i = 1; i <= 11; i++)
        fm_expert_history_add(&saved, depths, &(struct fm_decode_sample){1e6 * i, 0.001 * i});
    fm_expert_history_save(gpu, 1, &saved);
    fm_expert_history_load(gpu, 1, 4, &loaded);
    assert_int_equal(loaded.n_samples, 11);
    assert_memory_equal(&loaded, &saved, sizeof(saved));
    fm_expert_history_load(gpu, 2, 4, &loaded); // another model
    assert_int_equal(loaded.n_samples, 0);
    fm_expert_history_load(gpu, 1, 5, &loaded); // the file is of 4 experts
    assert_int_equal(loaded.n_samples, 0);
    assert_int_equal(loaded.n_experts, 5);
    fathom_gpu_destroy(&gpu);
    gpu = create_gpu(NULL); // without a folder
    fm_expert_history_save(gpu, 1, &saved);
    fm_expert_history_load(gpu, 1, 4, &loaded);
    assert_int_equal(loaded.n_samples, 0);
    fathom_gpu_destroy(&gpu);
    char command[600];
    snprintf(command, sizeof(command), "rm -r '%s'", folder);
    assert_int_equal(system(command), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_sample_tells_nothing),
        cmocka_unit_test(one_sample_keeps_the_link),
        cmocka_unit_test(equal_copies_keep_the_link),
        cmocka_unit_test(a_slope_gives_the_link),
        cmocka_unit_test(a_slope_of_noise_keeps_the_link),
        cmocka_unit_test(the_device_has_a_part),
        cmocka_unit_test(the_last_eight_samples_are_kept),
        cmocka_unit_test(the_number_of_samples_does_not_overflow),
        cmocka_unit_test(older_depths_count_less),
        cmocka_unit_test(contents_are_read),
        cmocka_unit_test(contents_are_checked),
        cmocka_unit_test(too_many_experts_are_refused),
        cmocka_unit_test(kept_in_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
