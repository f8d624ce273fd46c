// The test's own count of what the driver allocates, and a driver with other memory types.
#ifndef TEST_GPU_WATCH_H
#define TEST_GPU_WATCH_H
#include "gpu/support.h"

#define MIB (1ull << 20)

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

static inline VkResult watched_allocate(VkDevice device, const VkMemoryAllocateInfo *info,
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

static inline void watched_free(
    VkDevice device, VkDeviceMemory memory, const VkAllocationCallbacks *callbacks) {
    for (uint32_t i = 0; i < watch.n; i++)
        if (memory && watch.held[i].memory == memory) {
            watch.total -= watch.held[i].size;
            watch.held[i] = watch.held[--watch.n];
            break;
        }
    watch.free(device, memory, callbacks);
}

static inline void watched_requirements(VkDevice device, VkBuffer buffer, VkMemoryRequirements *need) {
    watch.requirements(device, buffer, need);
    need->size += watch.extra;
    if (watch.all_types) need->memoryTypeBits = UINT32_MAX;
}

static inline struct fathom_gpu *watched_gpu(struct fathom_gpu_params params) {
    struct fathom_gpu *gpu = create_gpu(&params);
    memset(&watch, 0, sizeof(watch));
    watch.allocate = gpu->vk.vkAllocateMemory;
    watch.free = gpu->vk.vkFreeMemory;
    watch.requirements = gpu->vk.vkGetBufferMemoryRequirements;
    watch.total = watch.most = counters_of(gpu).memory_allocated; // the gpu's own
    gpu->vk.vkAllocateMemory = watched_allocate;
    gpu->vk.vkFreeMemory = watched_free;
    gpu->vk.vkGetBufferMemoryRequirements = watched_requirements;
    return gpu;
}

static inline void check_counters(const struct fathom_gpu *gpu) {
    const struct fathom_gpu_counters c = counters_of(gpu);
    assert_int_equal(c.memory_allocated, watch.total);
    assert_int_equal(c.device_allocated + c.host_allocated, c.memory_allocated);
    assert_true(c.device_peak >= c.device_allocated);
    assert_true(c.host_peak >= c.host_allocated);
    if (gpu->params.device_limit) assert_true(c.device_peak <= gpu->params.device_limit);
    if (gpu->params.host_limit) assert_true(c.host_peak <= gpu->params.host_limit);
}

static inline struct fathom_buffer *raw(struct fathom_gpu *gpu, uint64_t size, enum fathom_memory memory) {
    struct fathom_error err = {0};
    struct fathom_buffer *buffer = fm_buffer_create_raw(gpu, size, memory, &err);
    check(buffer != NULL, &err);
    return buffer;
}
#endif
