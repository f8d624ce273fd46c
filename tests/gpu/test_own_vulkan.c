// A gpu over a program's own instance, device and queue (<fathom/vulkan.h>). This program has global
// variables with the names of Vulkan's functions, as volk makes them, and is linked with the static library.
#include "gpu/layer.h"
#include "gpu/own_vulkan.h"
#include "gpu/support.h"
#include <fathom/fathom.h>

enum { N_ROWS = 37, N_COLS = 64, N_TOKENS = 5, N_RUNS = 40 };

// Multiplies in eighths, which are exact in any order, and compares with C. Submits N_RUNS times.
static void multiply(struct fathom_gpu *gpu, enum fathom_type type) {
    static const uint16_t halves[] = {
        0xc500, 0xc400, 0xc200, 0xc000, 0xbc00, 0, 0x3c00, 0x4000, 0x4200, 0x4400, 0x4500}; // -5 … 5
    static float w[N_ROWS][N_COLS], x[N_TOKENS][N_COLS], y[N_TOKENS][N_ROWS];
    static uint16_t w16[N_ROWS][N_COLS];
    for (int r = 0; r < N_ROWS; r++)
        for (int k = 0; k < N_COLS; k++) {
            w[r][k] = (float)((r * 7 + k * 3) % 11 - 5);
            w16[r][k] = halves[(r * 7 + k * 3) % 11];
        }
    for (int t = 0; t < N_TOKENS; t++)
        for (int k = 0; k < N_COLS; k++) x[t][k] = (float)((t * 5 + k) % 9 - 4) / 8;
    struct fathom_error err = {0};
    struct fathom_weight *weight = fathom_weight_create(gpu, type, 1, N_ROWS, N_COLS, &err);
    struct fathom_buffer *in = fathom_buffer_create(gpu, sizeof(x), FATHOM_MEMORY_DEVICE, &err);
    struct fathom_buffer *out = fathom_buffer_create(gpu, sizeof(y), FATHOM_MEMORY_DEVICE, &err);
    struct fathom_stream *stream = fathom_stream_create(gpu, &err);
    check(weight && in && out && stream, &err);
    check(fathom_weight_upload(
              gpu, weight, 0, N_ROWS, type == FATHOM_F16 ? (const void *)w16 : (const void *)w, &err),
        &err);
    check(fathom_upload(gpu, fathom_buffer_view(in), x, &err), &err);
    fathom_stream_begin(stream);
    fathom_matmul(stream,
        &FATHOM_INIT(fathom_matmul_params, .w = weight, .x = fathom_buffer_view(in),
            .y = fathom_buffer_view(out), .n_tokens = N_TOKENS));
    check(fathom_stream_finish(stream, &err), &err);
    for (int i = 0; i < N_RUNS; i++) {
        uint64_t ticket;
        check(fathom_stream_submit(stream, &ticket, &err) && fathom_gpu_wait(gpu, ticket, &err), &err);
    }
    check(fathom_download(gpu, fathom_buffer_view(out), y, &err), &err);
    for (int t = 0; t < N_TOKENS; t++)
        for (int r = 0; r < N_ROWS; r++) {
            float sum = 0;
            for (int k = 0; k < N_COLS; k++) sum += w[r][k] * x[t][k];
            assert_true(y[t][r] == sum);
        }
    fathom_stream_destroy(&stream);
    fathom_buffer_destroy(&out);
    fathom_buffer_destroy(&in);
    fathom_weight_destroy(&weight);
}

static void keep_message(void *user, enum fathom_log_level level, const char *message) {
    if (level == FATHOM_LOG_DEBUG && strstr(message, "made without")) snprintf(user, 1024, "%s", message);
}

// The features of a device with the required one alone.
static const VkPhysicalDeviceFeatures2 *minimum(struct own *own) {
    own->minimum = (VkPhysicalDeviceVulkan12Features){
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
        .timelineSemaphore = VK_TRUE,
    };
    own->features = (VkPhysicalDeviceFeatures2){
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
        .pNext = &own->minimum,
    };
    return &own->features;
}

// Runs matmul while the program submits on the same queue. Returns the gpu's capabilities; the message of the
// log on what the device was made without goes to `message`.
static uint32_t run_own(bool all, char message[1024]) {
    struct own own;
    struct fathom_error err = {0};
    own_instance(&own, all ? VK_API_VERSION_1_3 : VK_API_VERSION_1_2);
    const VkPhysicalDeviceFeatures2 *features = all ? NULL : minimum(&own);
    own_device(&own, features);
    own_work(&own);
    seen.n_locked = seen.n_submits = seen.n_unlocked_submits = seen.n_forbidden = 0;
    message[0] = 0;
    const struct fathom_vulkan vulkan = own_params(&own, features);
    struct fathom_gpu_debug debug;
    const struct fathom_gpu_params params = device_params(
        FATHOM_INIT(fathom_gpu_params, .vulkan = &vulkan, .log = {keep_message, message}), &debug);
    struct fathom_gpu *gpu = fathom_gpu_create(&params, &err);
    check(gpu != NULL, &err);
    const uint32_t caps = fathom_gpu_get_info(gpu)->caps;
    own_start(&own);
    multiply(gpu, FATHOM_F32);
    multiply(gpu, FATHOM_F16);
    own_stop(&own);
    fathom_gpu_destroy(&gpu);
    assert_null(gpu);
    assert_true(seen.n_submits >= 2 * N_RUNS);
    assert_int_equal(seen.n_unlocked_submits, 0);
    assert_int_equal(seen.n_locked, seen.n_submits);
    assert_int_equal(seen.n_forbidden, 0);
    assert_true(own.n_submits > 0);
    assert_true(own_submit(&own)); // all is alive
    // a second gpu on the same device
    gpu = fathom_gpu_create(&params, &err);
    check(gpu != NULL, &err);
    multiply(gpu, FATHOM_F32);
    fathom_gpu_destroy(&gpu);
    assert_true(own_submit(&own));
    own_destroy(&own);
    return caps;
}

// With all that Fathom wants, the gpu can do what one on a device of Fathom's own can.
static void test_all(void **state) {
    (void)state;
    char message[1024];
    struct fathom_gpu *gpu = create_gpu(NULL);
    const struct fathom_gpu_info info = *fathom_gpu_get_info(gpu);
    fathom_gpu_destroy(&gpu);
    const uint32_t caps = run_own(true, message);
    assert_int_equal(caps, info.caps & ~(uint32_t)FATHOM_CAP_STATISTICS);
    if (info.caps & FATHOM_CAP_STATISTICS)
        assert_non_null(strstr(message, "made without: pipelineExecutableInfo, "));
    if (!(info.caps & FATHOM_CAP_COOPERATIVE_MATRIX)) assert_null(strstr(message, "vulkanMemoryModel"));
}

// With the minimum it can do what needs neither a feature nor an extension, and says what is missing.
static void test_minimum(void **state) {
    (void)state;
    char message[1024];
    const uint32_t always = FATHOM_CAP_SUBGROUP_ARITHMETIC | FATHOM_CAP_READ_AHEAD;
    struct fathom_gpu *gpu = create_gpu(NULL);
    const struct fathom_gpu_info info = *fathom_gpu_get_info(gpu);
    fathom_gpu_destroy(&gpu);
    const uint32_t caps = run_own(false, message);
    assert_int_equal(caps, info.caps & always);
    if (info.caps & FATHOM_CAP_INT64) assert_non_null(strstr(message, "shaderInt64"));
    if (info.caps & FATHOM_CAP_HOST_IMPORT)
        assert_non_null(strstr(message, VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME));
    assert_null(strstr(message, "timelineSemaphore"));
}

// The logits of the last of a few tokens, in exact mode. The caller frees them.
static float *read_logits(const struct fathom_vulkan *vulkan, uint32_t *n_vocab) {
    static const int32_t ids[] = {1, 20, 300, 7, 45, 9};
    enum { N = sizeof(ids) / sizeof(*ids) };
    struct fathom_error err = {0};
    const struct opening opening = {
        .engine = {.model = FATHOM_SOURCE_DIR "/tools/demo/minnow-q8_0.gguf", .n_context = 64},
        .gpu = {.vulkan = vulkan, .exact = true},
    };
    struct fathom_engine *engine = open_on_device(opening, &err);
    struct fathom_session *session = engine ? fathom_session_create(engine, NULL, &err) : NULL;
    check(session != NULL, &err);
    *n_vocab = fathom_engine_get_info(engine)->n_vocab;
    float *logits = calloc((size_t)N * *n_vocab, sizeof(*logits));
    assert_non_null(logits);
    check(fathom_session_append(session, ids, N, logits, &err), &err);
    fathom_session_destroy(&session);
    fathom_engine_destroy(&engine);
    memmove(logits, logits + (size_t)(N - 1) * *n_vocab, *n_vocab * sizeof(*logits));
    return logits;
}

// An engine stands on the program's device, even with the minimum, and computes the same bits there.
static void test_engine(void **state) {
    (void)state;
    struct own own;
    uint32_t n, n_own;
    float *want = read_logits(NULL, &n);
    own_instance(&own, VK_API_VERSION_1_2);
    own_device(&own, minimum(&own));
    own_work(&own);
    seen.n_unlocked_submits = seen.n_forbidden = 0;
    const struct fathom_vulkan vulkan = own_params(&own, &own.features);
    own_start(&own);
    float *got = read_logits(&vulkan, &n_own);
    own_stop(&own);
    assert_int_equal(n_own, n);
    assert_memory_equal(got, want, n * sizeof(*want));
    assert_int_equal(seen.n_unlocked_submits, 0);
    assert_int_equal(seen.n_forbidden, 0);
    free(got);
    free(want);
    own_destroy(&own);
}

static bool wants_import(const struct own *own) {
    for (uint32_t i = 0; i < own->wants->n_extensions; i++)
        if (!strcmp(own->wants->extensions[i], VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME)) return true;
    return false;
}

// On a device that is no CPU the import of a mapped file is a trial, which a program's device is spared.
// After a loss only the queue is waited for, under the lock: other queues of the device are the program's.
static void test_no_cpu(void **state) {
    (void)state;
    struct own own;
    struct fathom_error err = {0};
    seen.integrated = true;
    own_instance(&own, VK_API_VERSION_1_3);
    assert_false(wants_import(&own));
    own_device(&own, NULL);
    own_work(&own);
    seen.n_locked = seen.n_submits = seen.n_unlocked_submits = seen.n_forbidden = 0;
    const char *const names[] = {VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME};
    struct fathom_vulkan vulkan = own_params(&own, NULL);
    vulkan.extensions = names, vulkan.n_extensions = 1; // as if the program had enabled it
    struct fathom_gpu *gpu = fathom_gpu_create(&FATHOM_INIT(fathom_gpu_params, .vulkan = &vulkan), &err);
    check(gpu != NULL, &err);
    assert_true(gpu->info.unified_memory);
    assert_null(gpu->marks);
    assert_int_equal(gpu->import_alignment, 0);
    assert_int_equal(gpu->info.max_import, 0);
    assert_int_equal(seen.n_submits, 0);
    multiply(gpu, FATHOM_F32);
    const uint32_t before = seen.n_submits;
    assert_false(fm_vk_check(gpu, VK_ERROR_DEVICE_LOST, "a call", &err));
    fathom_gpu_destroy(&gpu);
    assert_int_equal(seen.n_submits, before + 1);
    assert_int_equal(seen.n_unlocked_submits, 0);
    assert_int_equal(seen.n_forbidden, 0);
    assert_true(own_submit(&own));
    own_destroy(&own);
    seen.integrated = false;
}

static void expect_refused(
    const struct fathom_vulkan *vulkan, const char *device, enum fathom_status status, const char *part) {
    struct fathom_error err = {0};
    struct fathom_gpu *gpu =
        fathom_gpu_create(&FATHOM_INIT(fathom_gpu_params, .vulkan = vulkan, .device = device), &err);
    if (gpu) fail_msg("accepted: %s", part);
    if (!strstr(err.message, part)) fail_msg("\"%s\" does not name %s", err.message, part);
    assert_int_equal(err.status, status);
}

static void test_refusals(void **state) {
    (void)state;
    struct own own;
    own_instance(&own, VK_API_VERSION_1_3);
    own_device(&own, NULL);
    own_work(&own);
    seen.n_forbidden = 0;
    const struct fathom_vulkan right = own_params(&own, NULL);
    struct fathom_vulkan v = right;
    VkPhysicalDeviceFeatures2 nothing = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2};
    v.features = &nothing;
    expect_refused(&v, NULL, FATHOM_INVALID, "timelineSemaphore");
    v.features = NULL;
    expect_refused(&v, NULL, FATHOM_INVALID, "timelineSemaphore");
    v = right, v.size = 0;
    expect_refused(&v, NULL, FATHOM_INVALID, "vulkan.size is 0");
    v = right, v.get_proc_addr = NULL;
    expect_refused(&v, NULL, FATHOM_INVALID, "vulkan.get_proc_addr is NULL");
    v = right, v.instance = VK_NULL_HANDLE;
    expect_refused(&v, NULL, FATHOM_INVALID, "vulkan.instance is NULL");
    v = right, v.physical = VK_NULL_HANDLE;
    expect_refused(&v, NULL, FATHOM_INVALID, "vulkan.physical is NULL");
    v.physical = (VkPhysicalDevice)&own;
    expect_refused(&v, NULL, FATHOM_INVALID, "physical is none of the");
    v = right, v.device = VK_NULL_HANDLE;
    expect_refused(&v, NULL, FATHOM_INVALID, "vulkan.device is NULL");
    v = right, v.queue = VK_NULL_HANDLE;
    expect_refused(&v, NULL, FATHOM_INVALID, "vulkan.queue is NULL");
    v = right, v.queue_family = 31;
    expect_refused(&v, NULL, FATHOM_INVALID, "vulkan.queue_family is 31");
    v = right, v.unlock_queue = NULL;
    expect_refused(&v, NULL, FATHOM_INVALID, "vulkan.unlock_queue is NULL");
    v = right, v.lock_queue = NULL;
    expect_refused(&v, NULL, FATHOM_INVALID, "vulkan.lock_queue is NULL");
    v = right, v.extensions = NULL, v.n_extensions = 1;
    expect_refused(&v, NULL, FATHOM_INVALID, "vulkan.extensions is NULL");
    v = right, v.api_version = VK_API_VERSION_1_1;
    expect_refused(&v, NULL, FATHOM_INVALID, "api_version is 1.1");
    expect_refused(&right, "0", FATHOM_INVALID, "device is \"0\"");
    struct {
        struct fathom_vulkan vulkan;
        uint64_t later;
    } longer = {right, 0};
    longer.vulkan.size = sizeof(longer);
    longer.later = 1;
    expect_refused(&longer.vulkan, NULL, FATHOM_UNSUPPORTED, "is set");
    longer.later = 0;
    struct fathom_error err = {0};
    struct fathom_gpu *gpu =
        fathom_gpu_create(&FATHOM_INIT(fathom_gpu_params, .vulkan = &longer.vulkan), &err);
    check(gpu != NULL, &err);
    fathom_gpu_destroy(&gpu);
    assert_int_equal(seen.n_forbidden, 0);
    assert_true(own_submit(&own));
    own_destroy(&own);
}

static void test_wants_refusals(void **state) {
    (void)state;
    struct own own;
    struct fathom_error err = {0};
    own_instance(&own, VK_API_VERSION_1_3);
    assert_null(fathom_vulkan_wants_create(NULL, own.instance, VK_API_VERSION_1_3, own.physical, &err));
    assert_int_equal(err.status, FATHOM_INVALID);
    assert_non_null(strstr(err.message, "get_proc_addr is NULL"));
    err = (struct fathom_error){0};
    assert_null(fathom_vulkan_wants_create(
        vkGetInstanceProcAddr, own.instance, VK_API_VERSION_1_1, own.physical, &err));
    assert_non_null(strstr(err.message, "api_version is 1.1"));
    fathom_vulkan_wants_destroy(NULL);
    fathom_vulkan_wants_destroy(&(struct fathom_vulkan_wants *){NULL});
    own_destroy(&own);
}

// Features that a program has enabled by their own structures, and by those of a version.
static void test_chains(void **state) {
    (void)state;
    VkPhysicalDeviceSubgroupSizeControlFeatures sizes = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES,
        .subgroupSizeControl = VK_TRUE,
    };
    VkPhysicalDeviceShaderFloat16Int8Features halves = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES,
        .pNext = &sizes,
        .shaderInt8 = VK_TRUE,
    };
    VkPhysicalDeviceTimelineSemaphoreFeatures timeline = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES,
        .pNext = &halves,
        .timelineSemaphore = VK_TRUE,
    };
    const char *const names[] = {"VK_KHR_swapchain", VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME};
    struct fm_offer offer = fm_offer_enabled(VK_API_VERSION_1_2, &timeline, names, 2);
    assert_int_equal(
        offer.features, FM_FEATURE_TIMELINE | FM_FEATURE_INT8 | FM_FEATURE_SUBGROUP_SIZE_CONTROL);
    assert_int_equal(offer.extensions, FM_EXTENSION_SUBGROUP_SIZE_CONTROL);
    assert_int_equal(fm_offer_caps(&offer), FATHOM_CAP_INT8); // no full subgroups
    VkPhysicalDeviceVulkan13Features v13 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES,
        .pNext = &timeline,
        .computeFullSubgroups = VK_TRUE,
        .shaderIntegerDotProduct = VK_TRUE,
    };
    offer = fm_offer_enabled(VK_API_VERSION_1_3, &v13, NULL, 0);
    assert_int_equal(
        fm_offer_caps(&offer), FATHOM_CAP_INT8 | FATHOM_CAP_SUBGROUP_SIZE_CONTROL | FATHOM_CAP_INTEGER_DOT);
}

static void expect_silent_run(const char *which) {
    static char output[65536];
    run_under_layer(which, "own done", output, sizeof(output));
    expect_silence(output);
}

// The layer sees a feature that is used and not enabled, and a queue that two threads use at once.
static void test_validation_all(void **state) {
    (void)state;
    expect_silent_run("all");
}

static void test_validation_minimum(void **state) {
    (void)state;
    expect_silent_run("minimum");
}

int main(int argc, char **argv) {
    if (argc == 2) {
        char message[1024];
        run_own(!strcmp(argv[1], "all"), message);
        puts("own done");
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_minimum),
        cmocka_unit_test(test_engine),
        cmocka_unit_test(test_no_cpu),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_wants_refusals),
        cmocka_unit_test(test_chains),
        cmocka_unit_test(test_validation_all),
        cmocka_unit_test(test_validation_minimum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
