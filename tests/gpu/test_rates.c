// The measured rates of a device, and the file that keeps them.
#include "gpu/support.h"
#include "op/rates.h"
#include <dirent.h>

static void measured(void **state) {
    (void)state;
    struct fathom_gpu *gpu = create_gpu(NULL);
    struct fathom_error err = {0};
    struct fathom_rates rates = {.disk = 7, .token_seconds = 8};
    if (!fm_rates_measure(gpu, FATHOM_Q4_K, 512, &rates, NULL, &err)) fail_msg("%s", err.message);
    print_message("GB/s: device %.2f, host %.2f, link %.2f; %.0f us a submit\n", rates.device / 1e9,
        rates.host / 1e9, rates.link / 1e9, 1e6 * rates.cut_seconds);
    assert_true(rates.device > 1e6);
    assert_true(rates.host > 1e6);
    assert_true(rates.link > 1e6);
    assert_true(rates.cut_seconds > 0);
    assert_true(rates.disk == 7); // not of the device
    assert_true(rates.token_seconds == 8);
    const uint64_t used = counters_of(gpu).memory_used; // of the gpu itself
    assert_in_range(used, 0, 25 << 20);
    assert_true(fm_rates_measure(gpu, FATHOM_Q4_K, 512, &rates, NULL, &err));
    assert_int_equal(counters_of(gpu).memory_used, used);
    assert_false(fm_rates_measure(gpu, FATHOM_Q4_K, 100, &rates, NULL, &err));
    assert_int_equal(err.status, FATHOM_INVALID);
    fathom_gpu_destroy(&gpu);
}

static size_t count_files(const char *folder, char *last, size_t size) {
    DIR *dir = opendir(folder);
    size_t n = 0;
    for (struct dirent *e; dir && (e = readdir(dir));)
        if (!strncmp(e->d_name, "rates-", 6)) n++, snprintf(last, size, "%s/%s", folder, e->d_name);
    if (dir) closedir(dir);
    return n;
}

static void kept_in_a_file(void **state) {
    (void)state;
    char folder[] = "/tmp/fathom_rates_XXXXXX", file[512] = "";
    assert_non_null(mkdtemp(folder));
    struct fathom_gpu *gpu = create_gpu(&FATHOM_INIT(fathom_gpu_params, .cache_dir = folder));
    struct fathom_error err = {0};
    struct fathom_rates first = {0}, second = {0}, third = {0};
    assert_true(fm_rates_get(gpu, FATHOM_Q8_0, 256, &first, NULL, &err));
    assert_int_equal(count_files(folder, file, sizeof(file)), 1);
    assert_true(fm_rates_get(gpu, FATHOM_Q8_0, 256, &second, NULL, &err));
    assert_memory_equal(&first, &second, sizeof(first)); // read, since no two measurements are equal
    // a changed byte: the file is not used, and is written anew
    FILE *f = fopen(file, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, -1, SEEK_END), 0);
    assert_int_not_equal(fputc(0x55, f), EOF);
    fclose(f);
    assert_true(fm_rates_get(gpu, FATHOM_Q8_0, 256, &third, NULL, &err));
    assert_true(third.device > 0);
    assert_memory_not_equal(&first, &third, sizeof(first));
    assert_true(fm_rates_get(gpu, FATHOM_Q8_0, 512, &second, NULL, &err)); // another shape
    assert_int_equal(count_files(folder, file, sizeof(file)), 2);
    fathom_gpu_destroy(&gpu);
    char command[600];
    snprintf(command, sizeof(command), "rm -r '%s'", folder);
    assert_int_equal(system(command), 0);
}

static void contents_are_checked(void **state) {
    (void)state;
    const struct fm_rates_file good = {FM_RATES_VERSION, 0, 1e9, 2e9, 3e9, 1e-4};
    struct fathom_rates rates = {0};
    assert_true(fm_rates_parse(&good, sizeof(good), &rates));
    assert_true(rates.link == 2e9);
    assert_false(fm_rates_parse(&good, sizeof(good) - 1, &rates));
    struct fm_rates_file bad = good;
    bad.version++;
    assert_false(fm_rates_parse(&bad, sizeof(bad), &rates));
    bad = good, bad.host = 0;
    assert_false(fm_rates_parse(&bad, sizeof(bad), &rates));
    bad = good, bad.link = -1;
    assert_false(fm_rates_parse(&bad, sizeof(bad), &rates));
    memset(&bad.device, 0xff, sizeof(bad.device)); // a NaN
    bad.link = 2e9;
    assert_false(fm_rates_parse(&bad, sizeof(bad), &rates));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(measured),
        cmocka_unit_test(kept_in_a_file),
        cmocka_unit_test(contents_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
