// Devices: the list, the choice of a device, capabilities that are taken away, machines without a driver.
#include "gpu/support.h"
#include "gpu/tuned.h"
#include <pthread.h>

static void test_list(void **state) {
    (void)state;
    struct fathom_error err = {0};
    struct fathom_gpu_list *list = fathom_gpu_list_create(&err);
    if (!list) fail_msg("%s", err.message);
    const size_t n = fathom_gpu_list_count(list);
    assert_true(n > 0);
    assert_null(fathom_gpu_list_get(list, n));
    for (size_t i = 0; i < n; i++) {
        const struct fathom_gpu_info *d = fathom_gpu_list_get(list, i);
        assert_int_equal(d->size, sizeof(*d));
        assert_int_equal(d->index, i);
        assert_true(d->name[0] != 0);
        if (d->unusable[0]) continue;
        assert_string_not_equal(d->driver, "");
        assert_true(d->api_version >= VK_API_VERSION_1_2);
        assert_true(d->memory_total > 0);
        assert_true(d->memory_free <= d->memory_total);
        assert_true(d->max_allocation > 0);
        assert_true(d->max_storage_range >= 1u << 27);
        assert_true(d->max_shared_memory >= 32768);
        assert_true(d->max_invocations >= 256);
        assert_true(d->storage_alignment >= 4);
        assert_int_equal(d->storage_alignment & (d->storage_alignment - 1), 0);
        assert_true(d->min_subgroup_size > 0);
        assert_in_range(d->subgroup_size, d->min_subgroup_size, d->max_subgroup_size);
    }
}

static void test_choice(void **state) {
    (void)state;
    struct fathom_gpu *gpu = create_gpu(NULL);
    struct fathom_gpu_info info = *fathom_gpu_get_info(gpu);
    fathom_gpu_destroy(&gpu);
    fathom_gpu_destroy(&gpu);
    fathom_gpu_destroy(NULL);
    char index[16], part[8];
    snprintf(index, sizeof(index), "%u", info.index);
    for (int i = 0; i < 7; i++)
        part[i] = (char)(info.name[i] >= 'a' && info.name[i] <= 'z' ? info.name[i] - 32 : info.name[i]);
    part[7] = 0;
    const char *names[] = {index, part, info.name};
    for (int i = 0; i < 3; i++) {
        gpu = create_gpu(&FATHOM_INIT(fathom_gpu_params, .device = names[i]));
        assert_string_equal(fathom_gpu_get_info(gpu)->name, info.name);
        fathom_gpu_destroy(&gpu);
    }
    const char *wrong[] = {"no such device", "999", "-1", "99999999999999999999999"};
    for (int i = 0; i < 4; i++) {
        struct fathom_error err = {0};
        assert_null(fathom_gpu_create(&FATHOM_INIT(fathom_gpu_params, .device = wrong[i]), &err));
        assert_int_equal(err.status, FATHOM_NO_DEVICE);
        assert_non_null(strstr(err.message, wrong[i]));
    }
    assert_null(fathom_gpu_create(&FATHOM_INIT(fathom_gpu_params, .device = "nothing"), NULL));
}

static void test_two_at_once(void **state) {
    (void)state;
    struct fathom_gpu *a = create_gpu(NULL), *b = create_gpu(NULL);
    struct fathom_error err = {0};
    struct fathom_buffer *x = fathom_buffer_create(a, 256, FATHOM_MEMORY_DEVICE, &err),
                         *y = fathom_buffer_create(b, 256, FATHOM_MEMORY_DEVICE, &err);
    struct fathom_stream *stream = fathom_stream_create(b, &err);
    assert_non_null(x);
    assert_non_null(y);
    assert_non_null(stream);
    fathom_stream_begin(stream);
    record_affine(stream, fathom_buffer_view(x), fathom_buffer_view(y),
        (struct affine_args){64, 1, 1}); // of another gpu
    assert_false(fathom_stream_finish(stream, &err));
    assert_int_equal(err.status, FATHOM_INVALID);
    fathom_buffer_destroy(&x);
    fathom_gpu_destroy(&a);
    fathom_stream_begin(stream);
    record_affine(stream, fathom_buffer_view(y), fathom_buffer_view(y), (struct affine_args){64, 1, 3});
    run_stream(b, stream);
    uint32_t word;
    check(fathom_download(b, (struct fathom_view){y, 0, 4}, &word, &err), &err);
    assert_int_equal(word, 3);
    fathom_stream_destroy(&stream);
    fathom_buffer_destroy(&y);
    fathom_gpu_destroy(&b);
}

// Creates and destroys gpus, each with a loader of its own; nothing of it is shared.
static void *create_in_thread(void *user) {
    struct fathom_error *err = user;
    for (int i = 0; i < 4; i++) {
        struct fathom_gpu *gpu = fathom_gpu_create(NULL, err);
        struct fathom_gpu_list *list = fathom_gpu_list_create(err);
        if (!gpu || !list) return NULL;
        fathom_gpu_list_destroy(&list);
        fathom_gpu_destroy(&gpu);
    }
    return err;
}

static void test_threads(void **state) {
    (void)state;
    enum { N = 3 };
    struct fathom_error errors[N] = {0};
    pthread_t threads[N];
    for (int i = 0; i < N; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, create_in_thread, &errors[i]), 0);
    for (int i = 0; i < N; i++) {
        void *ok;
        assert_int_equal(pthread_join(threads[i], &ok), 0);
        if (!ok) fail_msg("%s", errors[i].message);
    }
}

// Variants by capability, by name, and in exact mode.
static void test_variants(void **state) {
    (void)state;
    const struct fm_variant table[] = {{.name = "plain", .shader = &affine_shader},
        {.name = "few", .shader = &affine_shader, .max_tokens = 4},
        {.name = "sub", .shader = &affine_shader, .needs = FATHOM_CAP_SUBGROUP_ARITHMETIC, .min_tokens = 5}};
    struct fathom_gpu *gpu = create_gpu(NULL);
    const bool sub = fathom_gpu_get_info(gpu)->caps & FATHOM_CAP_SUBGROUP_ARITHMETIC;
    assert_string_equal(fm_variant_pick(gpu, "op", table, 3, 0, 1)->name, "few");
    assert_string_equal(fm_variant_pick(gpu, "op", table, 3, 0, 5)->name, sub ? "sub" : "plain");
    fathom_gpu_destroy(&gpu);
    gpu = create_gpu(&FATHOM_INIT(fathom_gpu_params,
        .debug = &FATHOM_INIT(
            fathom_gpu_debug, .disabled_caps = FATHOM_CAP_SUBGROUP_ARITHMETIC | FATHOM_CAP_FLOAT16),
        .variants = "other=few,op=few"));
    assert_int_equal(
        fathom_gpu_get_info(gpu)->caps & (FATHOM_CAP_SUBGROUP_ARITHMETIC | FATHOM_CAP_FLOAT16), 0);
    assert_string_equal(fm_variant_pick(gpu, "op", table, 3, 0, 9)->name, "few");
    assert_string_equal(fm_variant_pick(gpu, "third", table, 3, 0, 9)->name, "plain");
    fathom_gpu_destroy(&gpu);
    gpu = create_gpu(&FATHOM_INIT(fathom_gpu_params, .exact = true, .variants = "op=sub"));
    assert_true(fm_gpu_is_exact(gpu));
    assert_string_equal(fm_variant_pick(gpu, "op", table, 3, 0, 9)->name, "plain");
    fathom_gpu_destroy(&gpu);
}

// A row gets only the calls that it takes, at any place in the table: as the default, by name, and as the
// measured best.
static void test_calls_taken(void **state) {
    (void)state;
    enum { A = 1, B = 2 };
    const struct fm_variant table[] = {{.name = "plain", .shader = &affine_shader},
        {.name = "both", .shader = &affine_shader, .takes = A | B},
        {.name = "any", .shader = &affine_shader, .max_tokens = 1},
        {.name = "b", .shader = &affine_shader, .takes = B}};
    const struct {
        uint32_t is, n_tokens;
        const char *by_default, *forced;
    } want[] = {
        {0, 1, "any", "any"},
        {0, 2, "plain", "plain"},
        {A, 2, "plain", "plain"},
        {B, 1, "b", "b"},
        {A | B, 2, "b", "both"},
    };
    struct fathom_gpu *gpu = create_gpu(NULL),
                      *forced = create_gpu(&FATHOM_INIT(fathom_gpu_params, .variants = "op=both")),
                      *tuned = create_gpu(NULL);
    const struct fm_tuned row = {.op = "op", .variant = "both", .first_token = 1, .last_token = 9};
    assert_true(fm_tuned_set(tuned, &row));
    for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
        const struct fm_call call = {.op = "op", .n_tokens = want[i].n_tokens, .is = want[i].is};
        assert_string_equal(
            fm_variant_pick(gpu, "op", table, 4, want[i].is, want[i].n_tokens)->name, want[i].by_default);
        assert_string_equal(
            fm_variant_pick(forced, "op", table, 4, want[i].is, want[i].n_tokens)->name, want[i].forced);
        assert_string_equal(
            fm_variant_choose(gpu, &call, table, 4, want[i].n_tokens).variant->name, want[i].by_default);
        assert_string_equal(
            fm_variant_choose(forced, &call, table, 4, want[i].n_tokens).variant->name, want[i].forced);
        assert_string_equal(
            fm_variant_choose(tuned, &call, table, 4, want[i].n_tokens).variant->name, want[i].forced);
    }
    fathom_gpu_destroy(&gpu);
    fathom_gpu_destroy(&forced);
    fathom_gpu_destroy(&tuned);
}

// A device that pretends to be a card answers every question as a card.
static void test_discrete(void **state) {
    (void)state;
    struct fathom_error err = {0};
    struct fathom_gpu *gpu = create_gpu(NULL);
    struct fathom_gpu *card = create_gpu(
        &FATHOM_INIT(fathom_gpu_params, .debug = &FATHOM_INIT(fathom_gpu_debug, .discrete = true)));
    const struct fathom_gpu_info *info = fathom_gpu_get_info(card);
    const uint32_t of_cpus = FATHOM_CAP_READ_AHEAD | FATHOM_CAP_DEVICE_ADDRESS | FATHOM_CAP_UNIFORM_LOADS;
    assert_int_equal(info->type, FATHOM_GPU_DISCRETE);
    assert_false(info->unified_memory);
    assert_int_equal(info->caps, fathom_gpu_get_info(gpu)->caps & ~of_cpus);
    assert_int_equal(info->memory_total, fathom_gpu_get_info(gpu)->memory_total); // device-local, all of it
    struct fathom_buffer *buffer = fathom_buffer_create(card, 256, FATHOM_MEMORY_DEVICE, &err);
    check(buffer != NULL, &err);
    assert_null(buffer->mapped);
    assert_int_equal(counters_of(card).submits, 1); // its zeros
    assert_int_equal(card->import_alignment, 0);
    fathom_buffer_destroy(&buffer);
    fathom_gpu_destroy(&card);
    fathom_gpu_destroy(&gpu);
}

// A variant for CPUs, for cards, or for CPUs that want kernels to read ahead is a default only there.
static void test_variants_of_kinds(void **state) {
    (void)state;
    const struct fm_variant table[] = {{.name = "plain", .shader = &affine_shader},
        {.name = "card", .shader = &affine_shader, .card_only = true},
        {.name = "cpu", .shader = &affine_shader, .cpu_only = true},
        {.name = "ahead", .shader = &affine_shader, .cpu_only = true, .wants = FATHOM_CAP_READ_AHEAD}};
    struct fathom_gpu_info info = {
        .size = sizeof(info), .type = FATHOM_GPU_DISCRETE, .caps = FATHOM_CAP_READ_AHEAD};
    assert_string_equal(fm_variant_default(&info, table, 4, 0, 1)->name, "card");
    info.type = FATHOM_GPU_CPU;
    assert_string_equal(fm_variant_default(&info, table, 4, 0, 1)->name, "ahead");
    info.caps = 0;
    assert_string_equal(fm_variant_default(&info, table, 4, 0, 1)->name, "cpu");
}

// A quirk takes a capability from its driver, version and subgroup size, and from no other.
// Programs list the operators, and the variant that a device takes of each.
static void test_default_variants(void **state) {
    (void)state;
    struct fathom_gpu *gpu = create_gpu(NULL);
    const struct fathom_gpu_info *info = fathom_gpu_get_info(gpu), bare = {.size = sizeof(bare)},
                                 no_size = {0};
    size_t n = 0;
    bool found = false;
    for (const char *name; (name = fathom_op_name(n)); n++) {
        assert_non_null(fathom_op_default_variant(n, info, 1));
        assert_non_null(fathom_op_default_variant(n, info, 512));
        assert_non_null(fathom_op_default_variant(n, &bare, 1));
        if (!strcmp(name, "rms_norm"))
            assert_string_equal(fathom_op_default_variant(n, &bare, 1), "plain"), found = true;
    }
    assert_in_range(n, 20, 100);
    assert_true(found);
    assert_null(fathom_op_default_variant(n, info, 1));
    assert_null(fathom_op_default_variant(0, &no_size, 1));
    fathom_gpu_destroy(&gpu);
}

static void test_quirks(void **state) {
    (void)state;
    const uint32_t caps = FATHOM_CAP_COOPERATIVE_MATRIX | FATHOM_CAP_FLOAT16;
    struct fathom_gpu_info cpu = {.size = sizeof(cpu), .type = FATHOM_GPU_CPU, .min_subgroup_size = 16},
                           card = {.type = FATHOM_GPU_INTEGRATED, .min_subgroup_size = 8};
    assert_int_equal(fm_quirks(caps, 1, VK_DRIVER_ID_MESA_LLVMPIPE, &cpu), FATHOM_CAP_FLOAT16);
    assert_int_equal(fm_quirks(caps, 1, VK_DRIVER_ID_MESA_RADV, &cpu), caps);
    cpu.min_subgroup_size = 8;
    assert_int_equal(fm_quirks(caps, 1, VK_DRIVER_ID_MESA_LLVMPIPE, &cpu), caps);
    assert_int_equal(fm_quirks(caps, 1, VK_DRIVER_ID_INTEL_OPEN_SOURCE_MESA, &card), FATHOM_CAP_FLOAT16);
    assert_int_equal(fm_quirks(FATHOM_CAP_UNIFORM_LOADS, 1, VK_DRIVER_ID_MESA_LLVMPIPE, &cpu), 0);
    assert_int_equal(
        fm_quirks(FATHOM_CAP_UNIFORM_LOADS, VK_MAKE_VERSION(26, 2, 6), VK_DRIVER_ID_MESA_LLVMPIPE, &cpu),
        FATHOM_CAP_UNIFORM_LOADS);
    assert_int_equal(fm_quirks(FATHOM_CAP_UNIFORM_LOADS, 1, VK_DRIVER_ID_GOOGLE_SWIFTSHADER, &cpu), 0);
    card.type = FATHOM_GPU_DISCRETE;
    assert_int_equal(fm_quirks(caps, 1, VK_DRIVER_ID_INTEL_OPEN_SOURCE_MESA, &card), caps);
}

// After a loss of the device every call fails with that status, and everything can still be destroyed.
static void test_lost(void **state) {
    (void)state;
    struct fathom_error err = {0};
    struct fathom_gpu *gpu = create_gpu(NULL);
    struct fathom_buffer *buffer = fathom_buffer_create(gpu, 256, FATHOM_MEMORY_DEVICE, &err);
    struct fathom_stream *stream = fathom_stream_create(gpu, &err);
    assert_non_null(buffer);
    assert_non_null(stream);
    record_affine(
        stream, fathom_buffer_view(buffer), fathom_buffer_view(buffer), (struct affine_args){64, 1, 1});
    check(fathom_stream_finish(stream, &err) && fathom_stream_submit(stream, NULL, &err) &&
            fm_gpu_wait_all(gpu, &err),
        &err);
    assert_false(fm_vk_check(gpu, VK_ERROR_DEVICE_LOST, "a call", &err));
    assert_int_equal(err.status, FATHOM_DEVICE_LOST);
    uint32_t word = 0;
    const struct fathom_view view = {buffer, 0, 4};
    struct fathom_error errors[4] = {0};
    assert_false(fathom_stream_submit(stream, NULL, &errors[0]));
    assert_false(fathom_gpu_wait(gpu, 1, &errors[1]));
    assert_false(fathom_upload(gpu, view, &word, &errors[2]));
    assert_false(fathom_download(gpu, view, &word, &errors[3]));
    for (int i = 0; i < 4; i++) assert_int_equal(errors[i].status, FATHOM_DEVICE_LOST);
    fathom_stream_destroy(&stream);
    fathom_buffer_destroy(&buffer);
    fathom_gpu_destroy(&gpu);
}

static VkResult report_fault(VkDevice device, VkDeviceFaultCountsEXT *counts, VkDeviceFaultInfoEXT *info) {
    (void)device;
    if (info) {
        assert_in_range(counts->addressInfoCount, 1, 9);
        assert_int_equal(counts->vendorInfoCount, 1);
        snprintf(info->description, sizeof(info->description), "page fault in %0200d", 1);
        info->pAddressInfos[0].reportedAddress = 0xabcd000;
        info->pVendorInfos[0] = (VkDeviceFaultVendorInfoEXT){"ring 3", 7, 8};
        return VK_INCOMPLETE;
    }
    counts->addressInfoCount = 9;
    counts->vendorInfoCount = 1;
    return VK_SUCCESS;
}

static void test_lost_with_cause(void **state) {
    (void)state;
    struct fathom_error err = {0};
    struct fathom_gpu *gpu = create_gpu(NULL);
    gpu->device_fault = true;
    gpu->vk.vkGetDeviceFaultInfoEXT = report_fault;
    assert_false(fm_vk_check(gpu, VK_ERROR_DEVICE_LOST, "a call", &err));
    assert_int_equal(err.status, FATHOM_DEVICE_LOST);
    assert_non_null(strstr(err.message, "; the driver says: page fault in 000"));
    assert_non_null(strstr(err.message, ", at address 0xabcd000, ring 3 (0x7, 0x8)"));
    fathom_gpu_destroy(&gpu);
}

// Machines without a driver: children of this program, which print the message that they get.
static void expect_no_device(const char *const *environment, const char *part) {
    char output[8192];
    const int status = run_child("create", environment, output, sizeof(output));
    if (status != 3 || !strstr(output, part)) fail_msg("status %d: %s", status, output);
}

static void test_no_driver(void **state) {
    (void)state;
    expect_no_device(
        (const char *[]){"VK_DRIVER_FILES=/nonexistent.json", "VK_ICD_FILENAMES=/nonexistent.json", NULL},
        "no Vulkan driver");
}

static void test_driver_does_not_load(void **state) {
    (void)state;
    char path[] = "/tmp/fathom-driver-XXXXXX", files[64], names[64];
    const int f = mkstemp(path);
    assert_true(f >= 0);
    const char *manifest = "{\"file_format_version\": \"1.0.0\", \"ICD\": {\"library_path\": "
                           "\"/nonexistent/libvulkan_none.so\", \"api_version\": \"1.3.0\"}}";
    assert_int_equal(write(f, manifest, strlen(manifest)), strlen(manifest));
    close(f);
    snprintf(files, sizeof(files), "VK_DRIVER_FILES=%s", path);
    snprintf(names, sizeof(names), "VK_ICD_FILENAMES=%s", path);
    expect_no_device((const char *[]){files, names, NULL}, "no Vulkan driver");
    unlink(path);
}

static int create_and_print(void) {
    struct fathom_error err = {0}, list_err = {0};
    struct fathom_gpu *gpu = fathom_gpu_create(NULL, &err);
    if (gpu || fathom_gpu_list_create(&list_err)) return 1;
    printf("%s\n%s\n", err.message, list_err.message);
    return err.status == FATHOM_NO_DEVICE && list_err.status == FATHOM_NO_DEVICE ? 3 : 2;
}

int main(int argc, char **argv) {
    if (argc == 2 && !strcmp(argv[1], "create")) return create_and_print();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_two_at_once),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_variants),
        cmocka_unit_test(test_calls_taken),
        cmocka_unit_test(test_discrete),
        cmocka_unit_test(test_variants_of_kinds),
        cmocka_unit_test(test_default_variants),
        cmocka_unit_test(test_quirks),
        cmocka_unit_test(test_lost),
        cmocka_unit_test(test_lost_with_cause),
        cmocka_unit_test(test_no_driver),
        cmocka_unit_test(test_driver_does_not_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
