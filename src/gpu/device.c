// Chooses a device, creates and destroys it.
#include "base/sized.h"
#include "gpu/internal.h"
#include "gpu/tuned.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *fm_vk_result_name(VkResult result) {
    switch (result) {
    case VK_SUCCESS: return "success";
    case VK_ERROR_OUT_OF_HOST_MEMORY: return "out of host memory";
    case VK_ERROR_OUT_OF_DEVICE_MEMORY: return "out of device memory";
    case VK_ERROR_INITIALIZATION_FAILED: return "initialisation failed";
    case VK_ERROR_DEVICE_LOST: return "device lost";
    case VK_ERROR_LAYER_NOT_PRESENT: return "layer not present";
    case VK_ERROR_EXTENSION_NOT_PRESENT: return "extension not present";
    case VK_ERROR_FEATURE_NOT_PRESENT: return "feature not present";
    case VK_ERROR_INCOMPATIBLE_DRIVER: return "incompatible driver";
    case VK_ERROR_TOO_MANY_OBJECTS: return "too many objects";
    case VK_TIMEOUT: return "timeout";
    case VK_NOT_READY: return "not ready";
    case VK_INCOMPLETE: return "incomplete";
    case VK_ERROR_FRAGMENTED_POOL: return "fragmented pool";
    case VK_ERROR_OUT_OF_POOL_MEMORY: return "out of pool memory";
    case VK_ERROR_INVALID_EXTERNAL_HANDLE: return "invalid external handle";
    default: return "error";
    }
}

bool fm_vk_check(struct fathom_gpu *gpu, VkResult result, const char *call, struct fathom_error *err) {
    if (result == VK_SUCCESS) return true;
    if (result == VK_ERROR_DEVICE_LOST) {
        char cause[320] = "; the device was not opened";
        if (gpu->device) fm_fault_describe(gpu, cause, sizeof(cause));
        fm_lock_take(&gpu->lock);
        if (!gpu->lost)
            snprintf(gpu->loss, sizeof(gpu->loss), "the driver gave up on the device (%s: device lost)%s%s",
                call, gpu->device ? "; a submit ran too long, or the driver failed" : "", cause);
        gpu->lost = true;
        fm_lock_release(&gpu->lock);
        return fm_fail(err, FATHOM_DEVICE_LOST, "%s: %s", gpu->info.name, gpu->loss);
    }
    const bool memory = result == VK_ERROR_OUT_OF_HOST_MEMORY || result == VK_ERROR_OUT_OF_DEVICE_MEMORY ||
        result == VK_ERROR_OUT_OF_POOL_MEMORY || result == VK_ERROR_FRAGMENTED_POOL;
    return fm_fail(err, memory ? FATHOM_NO_MEMORY : FATHOM_UNSUPPORTED, "%s: %s: %s (VkResult %d)",
        gpu->info.name, call, fm_vk_result_name(result), result);
}

// Does `wanted` (an index, or part of a name) mean this device?
static bool is_named(const struct fathom_gpu_info *info, const char *wanted) {
    char *end;
    const unsigned long index = strtoul(wanted, &end, 10);
    if (end != wanted && *end == 0) return index == info->index;
    const size_t n = strlen(wanted);
    for (const char *at = info->name; *at; at++)
        if (!strncasecmp(at, wanted, n)) return true;
    return false;
}

static int preference(const struct fathom_gpu_info *info) {
    static const int order[] = {[FATHOM_GPU_DISCRETE] = 4,
        [FATHOM_GPU_INTEGRATED] = 3,
        [FATHOM_GPU_VIRTUAL] = 2,
        [FATHOM_GPU_OTHER] = 1,
        [FATHOM_GPU_CPU] = 0};
    return order[info->type];
}

static bool choose(struct fathom_gpu *gpu, const char *wanted, struct fathom_error *err) {
    VkPhysicalDevice physical[FM_MOST_DEVICES];
    struct fathom_gpu_info last = {.size = sizeof(last)};
    bool found = false;
    uint32_t n;
    if (!fm_instance_devices(&gpu->instance, physical, &n, err)) return false;
    for (uint32_t i = 0; i < n; i++) {
        struct fathom_gpu_info info;
        struct fm_offer offer;
        fm_instance_describe(&gpu->instance, physical[i], i, &offer, &info);
        if (wanted && !is_named(&info, wanted)) continue;
        last = info;
        if (info.unusable[0] || (found && preference(&info) <= preference(&gpu->info))) continue;
        gpu->info = info;
        gpu->physical = physical[i];
        gpu->offer = offer;
        found = true;
        if (wanted) break;
    }
    if (found) return true;
    if (last.unusable[0])
        return fm_fail(
            err, FATHOM_NO_DEVICE, "device %u, %s, is unusable: %s", last.index, last.name, last.unusable);
    return fm_fail(err, FATHOM_NO_DEVICE,
        "no device is called \"%s\", of %u in all; `fathom devices` lists them", wanted, n);
}

uint32_t fm_queue_families(const struct fm_instance_functions *vki, VkPhysicalDevice physical,
    VkQueueFamilyProperties list[FM_MOST_FAMILIES]) {
    uint32_t n; // asked for alone first: SwiftShader fills all of a longer list
    vki->vkGetPhysicalDeviceQueueFamilyProperties(physical, &n, NULL);
    if (n > FM_MOST_FAMILIES) n = FM_MOST_FAMILIES;
    vki->vkGetPhysicalDeviceQueueFamilyProperties(physical, &n, list);
    return n;
}

bool fm_find_queue(const struct fm_instance_functions *vki, VkPhysicalDevice physical, uint32_t *family) {
    VkQueueFamilyProperties families[FM_MOST_FAMILIES];
    const uint32_t n = fm_queue_families(vki, physical, families);
    bool found = false;
    for (uint32_t i = 0; i < n; i++) {
        if (!(families[i].queueFlags & VK_QUEUE_COMPUTE_BIT)) continue;
        const bool alone = !(families[i].queueFlags & VK_QUEUE_GRAPHICS_BIT);
        if (found && !alone) continue;
        *family = i;
        found = true;
        if (alone) break;
    }
    return found;
}

static void measure_timestamps(struct fathom_gpu *gpu) {
    VkQueueFamilyProperties families[FM_MOST_FAMILIES];
    fm_queue_families(&gpu->instance.vk, gpu->physical, families);
    const uint32_t bits = families[gpu->queue_family].timestampValidBits;
    gpu->timestamp_mask = bits < 64 ? (1ull << bits) - 1 : UINT64_MAX;
    if (bits == 0) gpu->info.timestamp_period = 0;
}

static bool create_device(struct fathom_gpu *gpu, struct fathom_error *err) {
    uint32_t caps = gpu->info.caps;
    if (!gpu->import_alignment) caps &= ~(uint32_t)FATHOM_CAP_HOST_IMPORT;
    if (!gpu->debug.statistics) caps &= ~(uint32_t)FATHOM_CAP_STATISTICS;
    struct fm_wanted wanted;
    fm_wanted_set(&wanted, &gpu->offer, caps);
    const float priority = 1;
    const VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueFamilyIndex = gpu->queue_family,
        .queueCount = 1,
        .pQueuePriorities = &priority,
    };
    const VkDeviceCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .pNext = &wanted.base,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queue,
        .enabledExtensionCount = wanted.n_extensions,
        .ppEnabledExtensionNames = wanted.extensions,
    };
    const VkResult result =
        fm_vk_made(gpu->instance.vk.vkCreateDevice(gpu->physical, &create, NULL, &gpu->device), &gpu->device,
            sizeof(gpu->device));
    if (!fm_vk_check(gpu, result, "vkCreateDevice", err)) return false;
    const char *missing =
        fm_device_functions_load(&gpu->vk, gpu->instance.vk.vkGetDeviceProcAddr, gpu->device);
    if (missing) {
        if (gpu->vk.vkDestroyDevice) gpu->vk.vkDestroyDevice(gpu->device, NULL);
        gpu->device = VK_NULL_HANDLE;
        return fm_fail(err, FATHOM_NO_DEVICE, "%s: its driver has no %s", gpu->info.name, missing);
    }
    gpu->vk.vkGetDeviceQueue(gpu->device, gpu->queue_family, 0, &gpu->queue);
    return true;
}

static bool copy_string(const char **string) {
    if (!*string) return true;
    *string = strdup(*string);
    return *string != NULL;
}

static void apply_params(struct fathom_gpu *gpu) {
    const struct fathom_gpu_debug *p = &gpu->debug;
    if (p->discrete) {
        const uint32_t of_cpus = FATHOM_CAP_READ_AHEAD | FATHOM_CAP_DEVICE_ADDRESS | FATHOM_CAP_UNIFORM_LOADS;
        gpu->info.type = FATHOM_GPU_DISCRETE;
        gpu->info.caps &= ~of_cpus;
        fm_memory_measure(&gpu->instance.vk, gpu->physical, &gpu->info);
    }
    gpu->info.unified_memory &= !p->separate_memory;
    gpu->info.caps &= ~p->disabled_caps;
    fm_import_measure(&gpu->instance.vk, gpu->physical, &gpu->info);
    gpu->debug.statistics = p->statistics && (gpu->info.caps & FATHOM_CAP_STATISTICS);
    if (p->max_storage_range && p->max_storage_range < gpu->info.max_storage_range)
        gpu->info.max_storage_range = p->max_storage_range;
}

static bool open_device(struct fathom_gpu *gpu, bool is_cpu, struct fathom_error *err) {
    if (!gpu->program.size && !create_device(gpu, err)) return false;
    const VkSemaphoreTypeCreateInfo type = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
        .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE,
    };
    const VkSemaphoreCreateInfo semaphore = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO,
        .pNext = &type,
    };
    return fm_vk_check(gpu, FM_VK_CREATE(gpu, vkCreateSemaphore, &semaphore, &gpu->timeline),
               "vkCreateSemaphore", err) &&
        (!is_cpu || fm_marks_create(gpu, err));
}

static void close_device(struct fathom_gpu *gpu) {
    if (!gpu->device) return;
    fm_marks_destroy(gpu);
    gpu->vk.vkDestroySemaphore(gpu->device, gpu->timeline, NULL);
    if (!gpu->program.size) gpu->vk.vkDestroyDevice(gpu->device, NULL);
    gpu->device = VK_NULL_HANDLE;
    gpu->timeline = VK_NULL_HANDLE;
    gpu->last_ticket = gpu->done_ticket = gpu->uncounted = 0;
    gpu->lost = gpu->ended = false;
}

// Finds out whether mapped files can be used in place. Some drivers import a file's pages and lose the device
// at the submit that reads them; then the device is opened anew.
static bool try_import(struct fathom_gpu *gpu, bool is_cpu, struct fathom_error *err) {
    const bool works = gpu->import_alignment && fm_import_works(gpu);
    gpu->uncounted = gpu->last_ticket;
    if (works) return true;
    gpu->import_alignment = gpu->info.max_import = 0;
    if (!gpu->lost) return true;
    if (gpu->program.size || !fm_gpu_idle(gpu))
        return fm_fail(err, FATHOM_DEVICE_LOST, "%s: %s", gpu->info.name, gpu->loss);
    close_device(gpu);
    gpu->info.caps &= ~(uint32_t)FATHOM_CAP_HOST_IMPORT;
    return open_device(gpu, is_cpu, err);
}

static bool choose_own(struct fathom_gpu *gpu, struct fathom_error *err) {
    if (!fm_instance_create(&gpu->instance, err) || !choose(gpu, gpu->params.device, err)) return false;
    return fm_find_queue(&gpu->instance.vk, gpu->physical, &gpu->queue_family) ||
        fm_fail(err, FATHOM_NO_DEVICE, "%s has no queue that computes", gpu->info.name);
}

static bool create_locks(struct fathom_gpu *gpu, const struct fathom_log *log) {
    if (!fm_lock_create(&gpu->lock)) return false;
    if (!fm_lock_create(&gpu->queue_lock)) goto no_queue_lock;
    if (fm_shared_log_create(&gpu->shared_log, log)) return true;
    fm_lock_destroy(&gpu->queue_lock);
no_queue_lock:
    fm_lock_destroy(&gpu->lock);
    return false;
}

struct fathom_gpu *fathom_gpu_create(const struct fathom_gpu_params *params, struct fathom_error *err) {
    struct fathom_gpu_params p = {.size = sizeof(p)};
    struct fathom_gpu_debug debug = {.size = sizeof(debug)};
    if (!fm_sized_read(&p, sizeof(p), params, "fathom_gpu_create: params", err) ||
        !fm_sized_read(&debug, sizeof(debug), p.debug, "fathom_gpu_create: params.debug", err))
        return NULL;
    struct fathom_gpu *gpu = calloc(1, sizeof(*gpu));
    if (gpu && !create_locks(gpu, &p.log)) free(gpu), gpu = NULL;
    if (!gpu) goto no_memory;
    const struct fathom_vulkan *vulkan = p.vulkan;
    gpu->params = p;
    gpu->pace = 1;
    gpu->debug = debug;
    gpu->params.debug = &gpu->debug;
    gpu->params.log = fm_shared_log(&gpu->shared_log);
    const char **strings[] = {&gpu->params.device, &gpu->params.cache_dir, &gpu->params.variants};
    bool copied = true;
    for (size_t i = 0; i < 3; i++) copied = copied ? copy_string(strings[i]) : (*strings[i] = NULL, false);
    if (!copied) goto no_memory;
    gpu->params.vulkan = NULL;
    if (!(vulkan ? fm_program_device_take(gpu, vulkan, err) : choose_own(gpu, err))) goto fail;
    measure_timestamps(gpu);
    apply_params(gpu);
    VkPhysicalDeviceProperties properties;
    gpu->instance.vk.vkGetPhysicalDeviceProperties(gpu->physical, &properties);
    memcpy(gpu->max_groups, properties.limits.maxComputeWorkGroupCount, sizeof(gpu->max_groups));
    gpu->max_imports = properties.limits.maxMemoryAllocationCount / 2;
    gpu->instance.vk.vkGetPhysicalDeviceMemoryProperties(gpu->physical, &gpu->memory);
    gpu->creation_feedback = gpu->offer.api_version >= VK_API_VERSION_1_3;
    gpu->device_fault = gpu->offer.features & FM_FEATURE_FAULT;
    const bool is_cpu = properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
    // the trial of an import may lose the device; the driver of a CPU reads the process's memory by its
    // pointers
    if (is_cpu || !gpu->program.size)
        gpu->import_alignment = fm_import_alignment(&gpu->instance.vk, gpu->physical, &gpu->info);
    if (!open_device(gpu, is_cpu, err) || !try_import(gpu, is_cpu, err)) goto fail;
    if (!fm_pipeline_cache_open(gpu, err)) goto fail;
    fm_log(&gpu->params.log, FATHOM_LOG_DEBUG, "device %u: %s, %s", gpu->info.index, gpu->info.name,
        gpu->info.driver);
    return gpu;
no_memory:
    fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
fail:
    fathom_gpu_destroy(&gpu);
    return NULL;
}

void fathom_gpu_destroy(struct fathom_gpu **pointer) {
    struct fathom_gpu *gpu = pointer ? *pointer : NULL;
    if (!gpu) return;
    if (gpu->device && !fm_gpu_idle(gpu)) { // the device may still use all of it
        *pointer = NULL;
        return;
    }
    if (gpu->device) {
        fm_retired_release_all(gpu);
        fm_pipelines_destroy(gpu);
        for (uint32_t i = 0; i < FM_END_BINDINGS - FM_MAX_BINDINGS; i++) fathom_buffer_destroy(&gpu->own[i]);
        fm_staging_destroy(gpu);
        fm_memory_free_blocks(gpu);
        close_device(gpu);
    }
    fm_instance_destroy(&gpu->instance);
    free((char *)gpu->params.device);
    free((char *)gpu->params.cache_dir);
    free((char *)gpu->params.variants);
    fm_tuned_clear(gpu);
    fm_shared_log_destroy(&gpu->shared_log);
    fm_lock_destroy(&gpu->queue_lock);
    fm_lock_destroy(&gpu->lock);
    free(gpu);
    *pointer = NULL;
}

const struct fathom_gpu_info *fathom_gpu_get_info(const struct fathom_gpu *gpu) {
    if (!gpu) return NULL;
    return &gpu->info;
}
void fathom_gpu_get_counters(const struct fathom_gpu *gpu, struct fathom_gpu_counters *given) {
    if (!gpu || !given) return;
    fm_lock_take(&gpu->lock);
    struct fathom_gpu_counters counters = gpu->counters;
    fm_lock_release(&gpu->lock);
    counters.submits = gpu->last_ticket - gpu->uncounted;
    fm_sized_write(given, &counters, sizeof(counters));
}
struct fathom_gpu_limits fathom_gpu_get_limits(const struct fathom_gpu *gpu) {
    if (!gpu) return (struct fathom_gpu_limits){0};
    fm_lock_take(&gpu->lock);
    const struct fathom_gpu_limits limits = {gpu->params.device_limit, gpu->params.host_limit};
    fm_lock_release(&gpu->lock);
    return limits;
}
void fathom_gpu_set_limits(struct fathom_gpu *gpu, struct fathom_gpu_limits limits) {
    if (!gpu) return;
    fm_lock_take(&gpu->lock);
    gpu->params.device_limit = limits.device;
    gpu->params.host_limit = limits.host;
    fm_lock_release(&gpu->lock);
}
bool fm_gpu_is_exact(const struct fathom_gpu *gpu) {
    return gpu->params.exact;
}
const struct fathom_gpu_params *fm_gpu_params(const struct fathom_gpu *gpu) {
    return &gpu->params;
}
