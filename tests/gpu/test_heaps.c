// Heaps and memory types of devices that are not there: sizes, the choice of a type, budgets, the present
// state.
#include "gpu/support.h"
#include "gpu/watch.h"

enum {
    LOCAL = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT,
    HOST = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
    CACHED = VK_MEMORY_PROPERTY_HOST_CACHED_BIT
};
#define GIB (1ull << 30)

// As RADV lists an AMD card. The window that the host sees has 256 MiB, or is all (resizable BAR).
static const VkPhysicalDeviceMemoryProperties card_with_window = {
    .memoryHeapCount = 3,
    .memoryHeaps = {{16 * GIB - 256 * MIB, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT}, {32 * GIB, 0},
        {256 * MIB, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT}},
    .memoryTypeCount = 4,
    .memoryTypes = {{LOCAL, 0}, {HOST, 1}, {LOCAL | HOST, 2}, {HOST | CACHED, 1}},
};
static const VkPhysicalDeviceMemoryProperties card_with_bar = {
    .memoryHeapCount = 2,
    .memoryHeaps = {{32 * GIB, 0}, {16 * GIB, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT}},
    .memoryTypeCount = 5,
    // the types with the window before those without, to see that the order does not decide
    .memoryTypes = {{LOCAL, 1}, {LOCAL | HOST | CACHED, 1}, {LOCAL | HOST, 1}, {HOST, 0}, {HOST | CACHED, 0}},
};
// An integrated device: a carve-out of 512 MiB, and the system's memory.
static const VkPhysicalDeviceMemoryProperties split = {
    .memoryHeapCount = 2,
    .memoryHeaps = {{512 * MIB, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT}, {12 * GIB, 0}},
    .memoryTypeCount = 4,
    .memoryTypes = {{LOCAL, 0}, {LOCAL | HOST, 0}, {HOST, 1}, {HOST | CACHED, 1}},
};

static void test_sizes(void **state) {
    (void)state;
    struct fathom_gpu_info info = {.size = sizeof(info), .type = FATHOM_GPU_DISCRETE};
    fm_memory_sizes(&card_with_window, NULL, &info);
    assert_false(info.unified_memory);
    assert_int_equal(info.memory_total, 16 * GIB);
    assert_int_equal(info.memory_free, 16 * GIB);
    assert_int_equal(info.host_visible_device_memory, 256 * MIB);
    fm_memory_sizes(&card_with_bar, NULL, &info);
    assert_int_equal(info.memory_total, 16 * GIB);
    assert_int_equal(info.host_visible_device_memory, 16 * GIB);
    info.type = FATHOM_GPU_INTEGRATED;
    const VkPhysicalDeviceMemoryBudgetPropertiesEXT budget = {
        .heapBudget = {400 * MIB, 9 * GIB},
        .heapUsage = {500 * MIB, 2 * GIB}, // more than the budget: other programs took memory
    };
    fm_memory_sizes(&split, NULL, &info);
    assert_true(info.unified_memory);
    assert_int_equal(info.memory_total, 12 * GIB + 512 * MIB);
    assert_int_equal(info.memory_free, 12 * GIB + 512 * MIB);
    assert_int_equal(info.host_visible_device_memory, 512 * MIB);
    fm_memory_sizes(&split, &budget, &info);
    assert_int_equal(info.memory_total, 12 * GIB + 512 * MIB);
    assert_int_equal(info.memory_free, 7 * GIB);
}

// The device's answer, replaced after the gpu was created.
static struct {
    const VkPhysicalDeviceMemoryProperties *memory;
    uint64_t budget[3], usage[3];
} told;

static void tell_heaps(VkPhysicalDevice physical, VkPhysicalDeviceMemoryProperties2 *properties) {
    (void)physical;
    properties->memoryProperties = *told.memory;
    VkPhysicalDeviceMemoryBudgetPropertiesEXT *budget = properties->pNext;
    for (uint32_t i = 0; budget && i < 3; i++)
        budget->heapBudget[i] = told.budget[i], budget->heapUsage[i] = told.usage[i];
}

static struct fathom_gpu *pretend(const VkPhysicalDeviceMemoryProperties *memory, enum fathom_gpu_type type,
    bool budget, struct fathom_gpu_params params) {
    const struct fathom_gpu_debug debug = {.size = sizeof(debug), .discrete = type == FATHOM_GPU_DISCRETE};
    params.debug = &debug;
    struct fathom_gpu *gpu = watched_gpu(params);
    gpu->memory = *memory;
    gpu->info.type = type;
    gpu->info.unified_memory = type == FATHOM_GPU_INTEGRATED;
    gpu->info.caps &= ~(uint32_t)FATHOM_CAP_MEMORY_BUDGET;
    if (budget) gpu->info.caps |= FATHOM_CAP_MEMORY_BUDGET;
    fm_marks_destroy(gpu); // no CPU
    watch.total = counters_of(gpu).memory_allocated;
    watch.all_types = true;
    memset(&told, 0, sizeof(told));
    told.memory = memory;
    gpu->instance.vk.vkGetPhysicalDeviceMemoryProperties2 = tell_heaps;
    return gpu;
}

static uint32_t type_for(struct fathom_gpu *gpu, enum fathom_memory memory) {
    struct fathom_buffer *b = raw(gpu, 2 * MIB, memory);
    fathom_buffer_destroy(&b);
    return watch.last_type;
}

static void test_types(void **state) {
    (void)state;
    const struct fathom_gpu_params limited = {
        .size = sizeof(limited), .device_limit = GIB, .host_limit = GIB};
    struct fathom_gpu *gpu = pretend(&card_with_window, FATHOM_GPU_DISCRETE, false, limited);
    assert_int_equal(type_for(gpu, FATHOM_MEMORY_DEVICE), 0);
    assert_int_equal(type_for(gpu, FATHOM_MEMORY_HOST), 3);
    fathom_gpu_destroy(&gpu);
    gpu = pretend(&card_with_bar, FATHOM_GPU_DISCRETE, false, limited);
    assert_int_equal(type_for(gpu, FATHOM_MEMORY_DEVICE), 0);
    assert_int_equal(type_for(gpu, FATHOM_MEMORY_HOST), 4); // no device memory, though the host sees it
    fathom_gpu_destroy(&gpu);
    gpu = pretend(&split, FATHOM_GPU_INTEGRATED, true, limited);
    told.budget[0] = told.budget[1] = GIB;
    assert_int_equal(type_for(gpu, FATHOM_MEMORY_DEVICE), 1);
    told.usage[0] = GIB - MIB; // the carve-out is full
    assert_int_equal(type_for(gpu, FATHOM_MEMORY_DEVICE), 2);
    assert_int_equal(type_for(gpu, FATHOM_MEMORY_HOST), 3);
    fathom_gpu_destroy(&gpu);
}

static void expect_refusal(struct fathom_gpu *gpu, uint64_t size, const char *budget) {
    struct fathom_error err = {0};
    const uint64_t before = watch.total;
    assert_null(fathom_weight_create_host(gpu, FATHOM_F32, 1, (uint32_t)(size / 4096), 1024, &err));
    assert_int_equal(err.status, FATHOM_NO_MEMORY);
    assert_int_equal(watch.total, before);
    if (!strstr(err.message, budget)) fail_msg("\"%s\" does not name %s", err.message, budget);
}

// The driver would grant what the heap's budget does not cover.
static void test_budget_is_asked(void **state) {
    (void)state;
    struct fathom_error err = {0};
    struct fathom_gpu *gpu =
        pretend(&card_with_bar, FATHOM_GPU_DISCRETE, true, FATHOM_INIT(fathom_gpu_params));
    told.budget[0] = 100 * MIB, told.budget[1] = 8 * GIB; // of host memory, of device memory
    told.usage[0] = 60 * MIB;
    expect_refusal(gpu, 41 * MIB, "heap 0, of 34359738368 bytes, has 41943040 left");
    struct fathom_weight *w = fathom_weight_create_host(gpu, FATHOM_F32, 1, 39 * 256, 1024, &err);
    check(w != NULL, &err);
    assert_int_equal(watch.last_type, 4);
    fathom_weight_destroy(&w);
    fathom_gpu_destroy(&gpu);
    // without a budget: the heap without what is held there
    static VkPhysicalDeviceMemoryProperties low;
    low = card_with_bar;
    low.memoryHeaps[0].size = 100 * MIB;
    gpu = pretend(&low, FATHOM_GPU_DISCRETE, false, FATHOM_INIT(fathom_gpu_params));
    memset(gpu->heap_held, 0, sizeof(gpu->heap_held));
    struct fathom_buffer *b = raw(gpu, 60 * MIB, FATHOM_MEMORY_HOST);
    expect_refusal(gpu, 41 * MIB, "has 41943040 left");
    fathom_buffer_destroy(&b);
    b = raw(gpu, 90 * MIB, FATHOM_MEMORY_HOST);
    fathom_buffer_destroy(&b);
    fathom_gpu_destroy(&gpu);
}

static void test_get_memory(void **state) {
    (void)state;
    const struct fathom_gpu_params limited = {
        .size = sizeof(limited), .device_limit = 6 * GIB, .host_limit = 3 * MIB};
    struct fathom_gpu *gpu = pretend(&card_with_window, FATHOM_GPU_DISCRETE, true, limited);
    told.budget[0] = 8 * GIB, told.budget[1] = 4 * GIB, told.budget[2] = 200 * MIB;
    told.usage[0] = 1 * GIB, told.usage[1] = 5 * MIB, told.usage[2] = 10 * MIB;
    struct fathom_gpu_memory m = memory_of(gpu);
    assert_int_equal(m.device_total, 16 * GIB);
    assert_int_equal(m.device_budget, 8 * GIB + 200 * MIB);
    assert_int_equal(m.device_usage, 1 * GIB + 10 * MIB);
    assert_int_equal(m.device_free, 6 * GIB); // the limit
    assert_int_equal(m.host_total, 32 * GIB);
    assert_int_equal(m.host_budget, 4 * GIB);
    assert_int_equal(m.host_usage, 5 * MIB);
    assert_int_equal(m.host_free, 3 * MIB - counters_of(gpu).host_allocated);
    struct fathom_buffer *b = raw(gpu, 10 * MIB, FATHOM_MEMORY_DEVICE);
    assert_int_equal(memory_of(gpu).device_free, 6 * GIB - 10 * MIB);
    told.budget[0] = 3 * GIB; // another program took memory
    m = memory_of(gpu);
    assert_int_equal(m.device_free, 2 * GIB + 190 * MIB);
    told.budget[0] = told.usage[0] / 2; // and more than there was
    m = memory_of(gpu);
    assert_int_equal(m.device_budget, 512 * MIB + 200 * MIB);
    assert_int_equal(m.device_free, 190 * MIB);
    fathom_buffer_destroy(&b);
    fathom_gpu_destroy(&gpu);
    gpu = pretend(&split, FATHOM_GPU_INTEGRATED, false, FATHOM_INIT(fathom_gpu_params));
    m = memory_of(gpu);
    assert_int_equal(m.device_total, 12 * GIB + 512 * MIB);
    assert_int_equal(m.device_budget, m.device_total);
    assert_int_equal(m.host_total, m.device_total);
    fathom_gpu_destroy(&gpu);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_budget_is_asked),
        cmocka_unit_test(test_get_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
