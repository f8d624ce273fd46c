// Limits of memory: what the driver is asked for, budgets of heaps, weights in host memory, and what goes
// back to the driver.
#include "gpu/lazy.h"
#include "gpu/memory.h"
#include "gpu/support.h"

#define MIB (1ull << 20)

// ---- Watching the driver ---------------------------------------------------------------------------------

// The test's own count of what is allocated, and fakes of a device's heaps and types.
enum { MOST_WATCHED = 4096 };
static struct {
    PFN_vkAllocateMemory allocate;
    PFN_vkFreeMemory free;
    PFN_vkGetBufferMemoryRequirements requirements;
    struct {
        VkDeviceMemory memory;
        uint64_t size;
    } held[MOST_WATCHED];
    uint32_t n;
    uint64_t total, most;
    uint32_t last_type;
    uint64_t extra; // bytes that the driver wants for each buffer beyond its size
    bool all_types;
} watch;

static VkResult watched_allocate(VkDevice device, const VkMemoryAllocateInfo *info,
    const VkAllocationCallbacks *callbacks, VkDeviceMemory *memory) {
    VkMemoryAllocateInfo real = *info;
    watch.last_type = info->memoryTypeIndex;
    if (watch.all_types) real.memoryTypeIndex = 0;
    const VkResult result = watch.allocate(device, &real, callbacks, memory);
    if (result != VK_SUCCESS) return result;
    assert_true(watch.n < MOST_WATCHED);
    watch.held[watch.n].memory = *memory;
    watch.held[watch.n++].size = info->allocationSize;
    watch.total += info->allocationSize;
    if (watch.total > watch.most) watch.most = watch.total;
    return result;
}

static void watched_free(VkDevice device, VkDeviceMemory memory, const VkAllocationCallbacks *callbacks) {
    for (uint32_t i = 0; i < watch.n; i++)
        if (memory && watch.held[i].memory == memory) {
            watch.total -= watch.held[i].size;
            watch.held[i] = watch.held[--watch.n];
            break;
        }
    watch.free(device, memory, callbacks);
}

static void watched_requirements(VkDevice device, VkBuffer buffer, VkMemoryRequirements *need) {
    watch.requirements(device, buffer, need);
    need->size += watch.extra;
    if (watch.all_types) need->memoryTypeBits = UINT32_MAX;
}

static struct fathom_gpu *watched_gpu(struct fathom_gpu_params params) {
    struct fathom_gpu *gpu = create_gpu(&params);
    memset(&watch, 0, sizeof(watch));
    watch.allocate = gpu->vk.vkAllocateMemory;
    watch.free = gpu->vk.vkFreeMemory;
    watch.requirements = gpu->vk.vkGetBufferMemoryRequirements;
    watch.total = watch.most = fathom_gpu_get_counters(gpu).memory_allocated; // the gpu's own
    gpu->vk.vkAllocateMemory = watched_allocate;
    gpu->vk.vkFreeMemory = watched_free;
    gpu->vk.vkGetBufferMemoryRequirements = watched_requirements;
    return gpu;
}

static void check_counters(const struct fathom_gpu *gpu) {
    const struct fathom_gpu_counters c = fathom_gpu_get_counters(gpu);
    assert_int_equal(c.memory_allocated, watch.total);
    assert_int_equal(c.device_allocated + c.host_allocated, c.memory_allocated);
    assert_true(c.device_peak >= c.device_allocated);
    assert_true(c.host_peak >= c.host_allocated);
    if (gpu->params.device_limit) assert_true(c.device_peak <= gpu->params.device_limit);
    if (gpu->params.host_limit) assert_true(c.host_peak <= gpu->params.host_limit);
}

static struct fathom_buffer *raw(struct fathom_gpu *gpu, uint64_t size, enum fathom_memory memory) {
    struct fathom_error err = {0};
    struct fathom_buffer *buffer = fm_buffer_create_raw(gpu, size, memory, &err);
    check(buffer != NULL, &err);
    return buffer;
}

// ---- Limits ----------------------------------------------------------------------------------------------

// A plan whose sum is nearly the limit can be placed: large buffers cost whole pages, small ones little more
// than their sum.
static void place(uint64_t limit, uint64_t large, uint32_t n_large, uint64_t small, uint32_t n_small) {
    struct fathom_gpu *gpu = watched_gpu((struct fathom_gpu_params){.device_limit = limit});
    struct fathom_buffer **held = calloc(n_large + n_small, sizeof(struct fathom_buffer *));
    for (uint32_t i = 0; i < n_large + n_small; i++) {
        const bool is_large =
            i % ((n_large + n_small) / n_large) == 0 && i / ((n_large + n_small) / n_large) < n_large;
        held[i] = raw(gpu, is_large ? large : small, FATHOM_MEMORY_DEVICE);
        check_counters(gpu);
    }
    assert_true(watch.most <= limit + fathom_gpu_get_counters(gpu).host_peak);
    for (uint32_t i = 0; i < n_large + n_small; i++) fathom_buffer_destroy(&held[i]);
    assert_int_equal(fathom_gpu_get_counters(gpu).device_allocated, 0);
    check_counters(gpu);
    free(held);
    fathom_gpu_destroy(&gpu);
}

static void test_plan_fits(void **state) {
    (void)state;
    place(3 * MIB, 300 * 1024, 7, 4000, 150);       // 2 MiB, 600 KB
    place(64 * MIB, 12 * MIB - 777, 5, 30000, 100); // 60 MiB, 3 MB
    place(64 * MIB, 64 * MIB, 1, 1, 0);             // all of it
    place(300 * MIB, 1 * MIB + 1, 296, 256, 200);
}

static void test_refused_above_limit(void **state) {
    (void)state;
    struct fathom_error err = {0};
    struct fathom_gpu *gpu =
        watched_gpu((struct fathom_gpu_params){.device_limit = 4 * MIB + 1000, .host_limit = 2 * MIB});
    struct fathom_buffer *a = raw(gpu, 3 * MIB, FATHOM_MEMORY_DEVICE);
    assert_null(fm_buffer_create_raw(gpu, 3 * MIB / 2, FATHOM_MEMORY_DEVICE, &err));
    assert_int_equal(err.status, FATHOM_NO_MEMORY);
    assert_non_null(strstr(err.message, "device_limit allows 4195304"));
    assert_non_null(strstr(err.message, "buffer of 1572864 bytes"));
    assert_non_null(strstr(err.message, "3145728 bytes are allocated"));
    struct fathom_buffer *b = raw(gpu, MIB, FATHOM_MEMORY_DEVICE); // the rest
    assert_null(fm_buffer_create_raw(gpu, 4, FATHOM_MEMORY_DEVICE, NULL));
    err = (struct fathom_error){0};
    assert_null(fm_buffer_create_raw(gpu, 2 * MIB + 4, FATHOM_MEMORY_HOST, &err));
    assert_non_null(strstr(err.message, "host_limit"));
    fathom_buffer_destroy(&b);
    watch.extra = 2000; // the driver's rounding counts
    assert_null(fm_buffer_create_raw(gpu, MIB, FATHOM_MEMORY_DEVICE, NULL));
    b = raw(gpu, MIB - 4096, FATHOM_MEMORY_DEVICE);
    check_counters(gpu);
    fathom_buffer_destroy(&b);
    fathom_buffer_destroy(&a);
    fathom_gpu_destroy(&gpu);
}

// Buffers of both kinds come and go at random, mostly more than fits.
static void test_lives_below_limit(void **state) {
    (void)state;
    enum { N_SLOTS = 60 };
    uint64_t seed = (uint64_t)getpid() * 0x9e3779b97f4a7c15u + 1;
    print_message("seed %llu\n", (unsigned long long)seed);
    struct fathom_gpu *gpu =
        watched_gpu((struct fathom_gpu_params){.device_limit = 20 * MIB, .host_limit = 9 * MIB});
    const struct fathom_gpu_counters before = fathom_gpu_get_counters(gpu);
    struct fathom_buffer *held[N_SLOTS] = {0};
    uint32_t n_refused = 0;
    for (int step = 0; step < 3000; step++) {
        struct fathom_buffer **b = &held[next_random(&seed) % N_SLOTS];
        const enum fathom_memory kind = next_random(&seed) % 3 ? FATHOM_MEMORY_DEVICE : FATHOM_MEMORY_HOST;
        struct fathom_error err = {0};
        if (*b)
            fathom_buffer_destroy(b);
        else if (!(*b = fm_buffer_create_raw(gpu,
                       1 + next_random(&seed) % (next_random(&seed) % 2 ? 5000 : 3 * MIB), kind, &err))) {
            assert_int_equal(err.status, FATHOM_NO_MEMORY);
            assert_non_null(strstr(err.message, "_limit"));
            n_refused++;
        }
        check_counters(gpu);
    }
    assert_true(n_refused > 10);
    for (int i = 0; i < N_SLOTS; i++) fathom_buffer_destroy(&held[i]);
    const struct fathom_gpu_counters c = fathom_gpu_get_counters(gpu);
    assert_int_equal(c.device_allocated, before.device_allocated);
    assert_int_equal(c.host_allocated, before.host_allocated);
    assert_true(c.device_peak > 15 * MIB);
    fathom_gpu_destroy(&gpu);
}

// Uploads of a card go through staging buffers, which count.
static void test_staging_below_limit(void **state) {
    (void)state;
    enum { N_WORDS = 3 << 20 };
    struct fathom_error err = {0};
    struct fathom_gpu *gpu = watched_gpu(
        (struct fathom_gpu_params){.device_limit = 13 * MIB, .host_limit = 3 * MIB, .discrete = true});
    struct fathom_buffer *b = raw(gpu, 4 * N_WORDS, FATHOM_MEMORY_DEVICE);
    uint32_t *words = malloc(4 * N_WORDS), *got = calloc(N_WORDS, 4);
    for (uint32_t i = 0; i < N_WORDS; i++) words[i] = i * 0x9e3779b9u;
    check(fathom_upload(gpu, fathom_buffer_view(b), words, &err), &err);
    check(fathom_download(gpu, fathom_buffer_view(b), got, &err), &err);
    assert_memory_equal(got, words, 4 * N_WORDS);
    check_counters(gpu);
    assert_in_range(fathom_gpu_get_counters(gpu).host_peak, 3 * 64 * 1024, 3 * MIB / 4);
    free(words);
    free(got);
    fathom_buffer_destroy(&b);
    fathom_gpu_destroy(&gpu);
}

// ---- What goes back --------------------------------------------------------------------------------------

static void test_large_blocks_go_back(void **state) {
    (void)state;
    struct fathom_gpu *gpu = watched_gpu((struct fathom_gpu_params){0});
    struct fathom_buffer *small = raw(gpu, 1000, FATHOM_MEMORY_DEVICE);
    const uint64_t before = watch.total;
    struct fathom_buffer *a = raw(gpu, 40 * MIB, FATHOM_MEMORY_DEVICE),
                         *b = raw(gpu, 50 * MIB, FATHOM_MEMORY_DEVICE);
    assert_int_equal(watch.total, before + 90 * MIB); // blocks of their own
    fathom_buffer_destroy(&a);
    assert_int_equal(watch.total, before + 50 * MIB);
    fathom_buffer_destroy(&b);
    assert_int_equal(watch.total, before);
    fathom_buffer_destroy(&small);
    assert_int_equal(watch.total, before); // a small block stays for the next buffer
    const struct fathom_gpu_counters c = fathom_gpu_get_counters(gpu);
    assert_int_equal(c.device_peak, c.device_allocated + 90 * MIB);
    fathom_gpu_destroy(&gpu);
}

// A block does not go back while the device may use it.
static void test_used_block_stays(void **state) {
    (void)state;
    struct fathom_error err = {0};
    struct fathom_gpu *gpu = fathom_gpu_create(&(struct fathom_gpu_params){.device_limit = 200 * MIB}, &err);
    check(gpu != NULL, &err);
    make_lazy(gpu);
    struct fathom_buffer *x = raw(gpu, 40 * MIB, FATHOM_MEMORY_DEVICE),
                         *y = raw(gpu, 4096, FATHOM_MEMORY_DEVICE);
    struct fathom_stream *stream = fathom_stream_create(gpu, &err);
    check(stream != NULL, &err);
    record_affine(
        stream, (struct fathom_view){x, 0, 4096}, fathom_buffer_view(y), (struct affine_args){64, 1, 0});
    check(fathom_stream_finish(stream, &err) && fathom_stream_submit(stream, NULL, &err), &err);
    assert_int_equal(lazy.n_kept, 1);
    fathom_buffer_destroy(&x);
    assert_int_equal(lazy.n_kept, 0); // it waited
    fathom_stream_destroy(&stream);
    fathom_buffer_destroy(&y);
    assert_int_equal(fathom_gpu_get_counters(gpu).device_allocated, 0);
    fathom_gpu_destroy(&gpu);
}

// ---- Weights in host memory ------------------------------------------------------------------------------

static void test_host_weight(void **state) {
    (void)state;
    enum { N_ROWS = 300, N_COLS = 64 };
    struct fathom_error err = {0};
    struct fathom_gpu *gpu = create_gpu(&(struct fathom_gpu_params){.max_storage_range = 16384});
    struct fathom_weight *w = fathom_weight_create_host(gpu, FATHOM_F32, 1, N_ROWS, N_COLS, &err);
    check(w != NULL, &err);
    assert_true(w->n_slices > 1);
    static float data[N_ROWS * N_COLS];
    static uint32_t got[4096];
    for (uint32_t i = 0; i < N_ROWS * N_COLS; i++) data[i] = (float)i;
    check(fathom_weight_upload(gpu, w, 0, 7, data, &err), &err);
    check(fathom_weight_upload(gpu, w, 7, N_ROWS - 7, data + 7 * N_COLS, &err), &err);
    for (uint32_t i = 0; i < w->n_slices; i++) {
        const struct fathom_slice *s = &w->slices[i];
        const uint64_t bytes = 4ull * s->n_rows * N_COLS;
        assert_memory_equal(fathom_buffer_map(s->view.buffer), data + s->first_row * N_COLS, bytes);
        struct fathom_buffer *y = raw(gpu, bytes, FATHOM_MEMORY_DEVICE);
        struct fathom_stream *stream = fathom_stream_create(gpu, &err);
        check(stream != NULL, &err);
        record_affine(stream, (struct fathom_view){s->view.buffer, 0, bytes}, fathom_buffer_view(y),
            (struct affine_args){(uint32_t)(bytes / 4), 1, 0});
        run_stream(gpu, stream);
        check(fathom_download(gpu, fathom_buffer_view(y), got, &err), &err);
        assert_memory_equal(got, data + s->first_row * N_COLS, bytes);
        fathom_stream_destroy(&stream);
        fathom_buffer_destroy(&y);
    }
    assert_true(fathom_gpu_get_counters(gpu).host_allocated >= sizeof(data));
    fathom_weight_destroy(&w);
    assert_null(fathom_weight_create_host(gpu, FATHOM_Q4_0, 1, 4, 48, &err));
    fathom_gpu_destroy(&gpu);
}

// An upload to a new weight does not wait for what the device does; a later one does.
static void test_host_upload_waits_only_for_its_readers(void **state) {
    (void)state;
    struct fathom_error err = {0};
    struct fathom_gpu *gpu = fathom_gpu_create(&(struct fathom_gpu_params){0}, &err);
    check(gpu != NULL, &err);
    make_lazy(gpu);
    struct fathom_weight *w = fathom_weight_create_host(gpu, FATHOM_F32, 1, 1, 64, &err);
    struct fathom_buffer *x = raw(gpu, 256, FATHOM_MEMORY_HOST), *y = raw(gpu, 256, FATHOM_MEMORY_HOST);
    struct fathom_stream *stream = fathom_stream_create(gpu, &err);
    check(w && stream, &err);
    record_affine(stream, fathom_buffer_view(x), fathom_buffer_view(y), (struct affine_args){64, 1, 0});
    check(fathom_stream_finish(stream, &err) && fathom_stream_submit(stream, NULL, &err), &err);
    float row[64] = {1, 2, 3};
    check(fathom_weight_upload(gpu, w, 0, 1, row, &err), &err);
    assert_int_equal(lazy.n_kept, 1); // the submit is still to run
    fathom_stream_begin(stream);
    record_affine(stream, (struct fathom_view){w->slices[0].view.buffer, 0, 256}, fathom_buffer_view(y),
        (struct affine_args){64, 1, 0});
    check(fathom_stream_finish(stream, &err) && fathom_stream_submit(stream, NULL, &err), &err);
    float other[64] = {4};
    check(fathom_weight_upload(gpu, w, 0, 1, other, &err), &err);
    assert_int_equal(lazy.n_kept, 0);
    assert_memory_equal(fathom_buffer_map(y), row, sizeof(row)); // the submit read the old row
    // so do copies
    fathom_stream_begin(stream);
    fathom_stream_copy(stream, fathom_buffer_view(x), fathom_buffer_view(y));
    check(fathom_stream_finish(stream, &err) && fathom_stream_submit(stream, NULL, &err), &err);
    check(fathom_upload(gpu, fathom_buffer_view(x), row, &err), &err);
    assert_int_equal(lazy.n_kept, 0);
    fathom_stream_destroy(&stream);
    fathom_buffer_destroy(&x);
    fathom_buffer_destroy(&y);
    fathom_weight_destroy(&w);
    fathom_gpu_destroy(&gpu);
}

// ---- Heaps and types of other devices --------------------------------------------------------------------

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
    struct fathom_gpu_info info = {.type = FATHOM_GPU_DISCRETE};
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
    params.discrete = type == FATHOM_GPU_DISCRETE;
    struct fathom_gpu *gpu = watched_gpu(params);
    gpu->memory = *memory;
    gpu->info.type = type;
    gpu->info.unified_memory = type == FATHOM_GPU_INTEGRATED;
    gpu->info.caps &= ~(uint32_t)FATHOM_CAP_MEMORY_BUDGET;
    if (budget) gpu->info.caps |= FATHOM_CAP_MEMORY_BUDGET;
    fm_marks_destroy(gpu); // no CPU
    watch.total = fathom_gpu_get_counters(gpu).memory_allocated;
    watch.all_types = true;
    memset(&told, 0, sizeof(told));
    told.memory = memory;
    vkGetPhysicalDeviceMemoryProperties2 = tell_heaps;
    return gpu;
}

static uint32_t type_for(struct fathom_gpu *gpu, enum fathom_memory memory) {
    struct fathom_buffer *b = raw(gpu, 2 * MIB, memory);
    fathom_buffer_destroy(&b);
    return watch.last_type;
}

static void test_types(void **state) {
    (void)state;
    const struct fathom_gpu_params limited = {.device_limit = GIB, .host_limit = GIB};
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
        pretend(&card_with_bar, FATHOM_GPU_DISCRETE, true, (struct fathom_gpu_params){0});
    told.budget[0] = 100 * MIB, told.budget[1] = 8 * GIB; // of host memory, of device memory
    told.usage[0] = 60 * MIB;
    expect_refusal(gpu, 41 * MIB, "heap 0, of 34359738368 bytes, has a budget of 41943040 more");
    struct fathom_weight *w = fathom_weight_create_host(gpu, FATHOM_F32, 1, 39 * 256, 1024, &err);
    check(w != NULL, &err);
    assert_int_equal(watch.last_type, 4);
    fathom_weight_destroy(&w);
    fathom_gpu_destroy(&gpu);
    // without a budget: the heap without what is held there
    static VkPhysicalDeviceMemoryProperties low;
    low = card_with_bar;
    low.memoryHeaps[0].size = 100 * MIB;
    gpu = pretend(&low, FATHOM_GPU_DISCRETE, false, (struct fathom_gpu_params){0});
    memset(gpu->heap_held, 0, sizeof(gpu->heap_held));
    struct fathom_buffer *b = raw(gpu, 60 * MIB, FATHOM_MEMORY_HOST);
    expect_refusal(gpu, 41 * MIB, "a budget of 41943040 more");
    fathom_buffer_destroy(&b);
    b = raw(gpu, 90 * MIB, FATHOM_MEMORY_HOST);
    fathom_buffer_destroy(&b);
    fathom_gpu_destroy(&gpu);
}

static void test_get_memory(void **state) {
    (void)state;
    const struct fathom_gpu_params limited = {.device_limit = 6 * GIB, .host_limit = 3 * MIB};
    struct fathom_gpu *gpu = pretend(&card_with_window, FATHOM_GPU_DISCRETE, true, limited);
    told.budget[0] = 8 * GIB, told.budget[1] = 4 * GIB, told.budget[2] = 200 * MIB;
    told.usage[0] = 1 * GIB, told.usage[1] = 5 * MIB, told.usage[2] = 10 * MIB;
    struct fathom_gpu_memory m = fathom_gpu_get_memory(gpu);
    assert_int_equal(m.device_total, 16 * GIB);
    assert_int_equal(m.device_budget, 8 * GIB + 200 * MIB);
    assert_int_equal(m.device_usage, 1 * GIB + 10 * MIB);
    assert_int_equal(m.device_free, 6 * GIB); // the limit
    assert_int_equal(m.host_total, 32 * GIB);
    assert_int_equal(m.host_budget, 4 * GIB);
    assert_int_equal(m.host_usage, 5 * MIB);
    assert_int_equal(m.host_free, 3 * MIB - fathom_gpu_get_counters(gpu).host_allocated);
    struct fathom_buffer *b = raw(gpu, 10 * MIB, FATHOM_MEMORY_DEVICE);
    assert_int_equal(fathom_gpu_get_memory(gpu).device_free, 6 * GIB - 10 * MIB);
    told.budget[0] = 3 * GIB; // another program took memory
    m = fathom_gpu_get_memory(gpu);
    assert_int_equal(m.device_free, 2 * GIB + 190 * MIB);
    told.budget[0] = told.usage[0] / 2; // and more than there was
    m = fathom_gpu_get_memory(gpu);
    assert_int_equal(m.device_budget, 512 * MIB + 200 * MIB);
    assert_int_equal(m.device_free, 190 * MIB);
    fathom_buffer_destroy(&b);
    fathom_gpu_destroy(&gpu);
    gpu = pretend(&split, FATHOM_GPU_INTEGRATED, false, (struct fathom_gpu_params){0});
    m = fathom_gpu_get_memory(gpu);
    assert_int_equal(m.device_total, 12 * GIB + 512 * MIB);
    assert_int_equal(m.device_budget, m.device_total);
    assert_int_equal(m.host_total, m.device_total);
    fathom_gpu_destroy(&gpu);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan_fits),
        cmocka_unit_test(test_refused_above_limit),
        cmocka_unit_test(test_lives_below_limit),
        cmocka_unit_test(test_staging_below_limit),
        cmocka_unit_test(test_large_blocks_go_back),
        cmocka_unit_test(test_used_block_stays),
        cmocka_unit_test(test_host_weight),
        cmocka_unit_test(test_host_upload_waits_only_for_its_readers),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_budget_is_asked),
        cmocka_unit_test(test_get_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
