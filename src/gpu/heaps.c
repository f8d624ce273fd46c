// The heaps of a device: their sizes, the driver's budget, and what this gpu holds there.
#include "base/size.h"
#include "base/sized.h"
#include "base/system_memory.h"
#include "gpu/internal.h"

// Heaps that can hold weights: the device-local ones, or all heaps when the device shares the host's memory,
// because drivers of integrated devices split that memory arbitrarily.
static bool holds_weights(const VkPhysicalDeviceMemoryProperties *m, uint32_t heap, bool unified) {
    return unified || (m->memoryHeaps[heap].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT);
}

// Has the heap a type of device memory that the host can write?
static bool host_writes(const VkPhysicalDeviceMemoryProperties *m, uint32_t heap) {
    const VkMemoryPropertyFlags wanted = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT |
        VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    for (uint32_t i = 0; i < m->memoryTypeCount; i++)
        if (m->memoryTypes[i].heapIndex == heap && (m->memoryTypes[i].propertyFlags & wanted) == wanted)
            return true;
    return false;
}

static uint64_t without(uint64_t a, uint64_t b) {
    return a > b ? a - b : 0;
}

void fm_memory_sizes(const VkPhysicalDeviceMemoryProperties *m,
    const VkPhysicalDeviceMemoryBudgetPropertiesEXT *budget, struct fathom_gpu_info *info) {
    info->unified_memory = info->type == FATHOM_GPU_INTEGRATED || info->type == FATHOM_GPU_CPU;
    info->memory_total = info->memory_free = info->host_visible_device_memory = 0;
    for (uint32_t i = 0; i < m->memoryHeapCount; i++) {
        const uint64_t size = m->memoryHeaps[i].size;
        if (!holds_weights(m, i, info->unified_memory)) continue;
        info->memory_total += size;
        info->memory_free += budget ? without(budget->heapBudget[i], budget->heapUsage[i]) : size;
        info->host_visible_device_memory += host_writes(m, i) ? size : 0;
    }
}

static void read_heaps(const struct fm_instance_functions *vki, VkPhysicalDevice physical, bool wants_budget,
    VkPhysicalDeviceMemoryProperties *memory, VkPhysicalDeviceMemoryBudgetPropertiesEXT *budget) {
    *budget = (VkPhysicalDeviceMemoryBudgetPropertiesEXT){
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT,
    };
    VkPhysicalDeviceMemoryProperties2 both = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2,
        .pNext = wants_budget ? budget : NULL,
    };
    vki->vkGetPhysicalDeviceMemoryProperties2(physical, &both);
    *memory = both.memoryProperties;
}

void fm_memory_measure(
    const struct fm_instance_functions *vki, VkPhysicalDevice physical, struct fathom_gpu_info *info) {
    VkPhysicalDeviceMemoryProperties memory;
    VkPhysicalDeviceMemoryBudgetPropertiesEXT budget;
    const bool has_budget = info->caps & FATHOM_CAP_MEMORY_BUDGET;
    read_heaps(vki, physical, has_budget, &memory, &budget);
    fm_memory_sizes(&memory, has_budget ? &budget : NULL, info);
}

// Is the heap part of the system's memory?
static bool is_host_memory(const struct fathom_gpu *gpu, uint32_t heap) {
    return gpu->info.unified_memory || gpu->marks ||
        !(gpu->memory.memoryHeaps[heap].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT);
}

struct heap_state {
    uint64_t budget, usage; // of this process
    uint64_t free;
};

// Reads one heap of what read_heaps() has read. `system` is fm_available_memory().
static struct heap_state heap_state(const struct fathom_gpu *gpu, uint32_t heap,
    const VkPhysicalDeviceMemoryProperties *memory, const VkPhysicalDeviceMemoryBudgetPropertiesEXT *budget,
    uint64_t system) {
    struct heap_state s = {memory->memoryHeaps[heap].size, gpu->heap_held[heap], 0};
    if (gpu->info.caps & FATHOM_CAP_MEMORY_BUDGET)
        s.budget = budget->heapBudget[heap], s.usage = budget->heapUsage[heap];
    else if (gpu->marks && system != UINT64_MAX)
        // drivers of CPUs name a heap's size without regard to the machine: Mesa 22.3 always 2 GiB
        s.budget = s.usage + system;
    s.free = without(s.budget, s.usage);
    if (is_host_memory(gpu, heap) && s.free > system) s.free = system;
    return s;
}

uint64_t fm_heap_free(const struct fathom_gpu *gpu, uint32_t heap) {
    VkPhysicalDeviceMemoryProperties memory;
    VkPhysicalDeviceMemoryBudgetPropertiesEXT budget;
    read_heaps(&gpu->instance.vk, gpu->physical, gpu->info.caps & FATHOM_CAP_MEMORY_BUDGET, &memory, &budget);
    return heap_state(gpu, heap, &memory, &budget, fm_available_memory()).free;
}

static uint64_t below_limit(uint64_t limit, uint64_t allocated) {
    return limit ? without(limit, allocated) : UINT64_MAX;
}

void fathom_gpu_get_memory(const struct fathom_gpu *gpu, struct fathom_gpu_memory *given) {
    if (!gpu || !given) return;
    VkPhysicalDeviceMemoryProperties memory;
    VkPhysicalDeviceMemoryBudgetPropertiesEXT budget;
    struct fathom_gpu_memory m = {.size = sizeof(m)};
    const uint64_t system = fm_available_memory();
    read_heaps(&gpu->instance.vk, gpu->physical, gpu->info.caps & FATHOM_CAP_MEMORY_BUDGET, &memory, &budget);
    fm_lock_take(&gpu->lock);
    for (uint32_t i = 0; i < memory.memoryHeapCount; i++) {
        const struct heap_state s = heap_state(gpu, i, &memory, &budget, system);
        if (holds_weights(&memory, i, gpu->info.unified_memory))
            m.device_total += memory.memoryHeaps[i].size, m.device_budget += s.budget,
                m.device_usage += s.usage, m.device_free += s.free;
        if (is_host_memory(gpu, i))
            m.host_total += memory.memoryHeaps[i].size, m.host_budget += s.budget, m.host_usage += s.usage,
                m.host_free += s.free;
    }
    if (gpu->info.unified_memory) m.device_free = fm_least(m.device_free, system);
    m.host_free = fm_least(m.host_free, system); // of all heaps together
    const struct fathom_gpu_counters *c = &gpu->counters;
    m.device_free = fm_least(m.device_free, below_limit(gpu->params.device_limit, c->device_allocated));
    m.host_free = fm_least(m.host_free, below_limit(gpu->params.host_limit, c->host_allocated));
    fm_lock_release(&gpu->lock);
    fm_sized_write(given, &m, sizeof(m));
}
