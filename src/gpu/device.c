// Creates instances, chooses a device, creates and destroys it.
#include "base/sized.h"
#include "gpu/internal.h"
#include "gpu/tuned.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_DEVICES = 64 };

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
        snprintf(gpu->loss, sizeof(gpu->loss), "the driver gave up on the device (%s: device lost)%s%s", call,
            gpu->device ? "; a submit ran too long, or the driver failed" : "", cause);
        gpu->lost = true;
        return fm_fail(err, FATHOM_DEVICE_LOST, "%s: %s", gpu->info.name, gpu->loss);
    }
    const bool memory = result == VK_ERROR_OUT_OF_HOST_MEMORY || result == VK_ERROR_OUT_OF_DEVICE_MEMORY ||
        result == VK_ERROR_OUT_OF_POOL_MEMORY || result == VK_ERROR_FRAGMENTED_POOL;
    return fm_fail(err, memory ? FATHOM_NO_MEMORY : FATHOM_UNSUPPORTED, "%s: %s: %s (VkResult %d)",
        gpu->info.name, call, fm_vk_result_name(result), result);
}

static VkInstance create_instance(struct fathom_error *err) {
    if (volkInitialize() != VK_SUCCESS) {
        fm_fail(err, FATHOM_NO_DEVICE,
            "no Vulkan loader (libvulkan.so.1) was found; install the system's Vulkan loader and a driver");
        return VK_NULL_HANDLE;
    }
    uint32_t version = VK_API_VERSION_1_0;
    if (vkEnumerateInstanceVersion) vkEnumerateInstanceVersion(&version);
    if (version > VK_API_VERSION_1_3) version = VK_API_VERSION_1_3;
    const VkApplicationInfo application = {
        .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
        .pApplicationName = "fathom",
        .pEngineName = "fathom",
        .apiVersion = version,
    };
    VkInstance instance = VK_NULL_HANDLE;
    const VkResult result = vkCreateInstance(
        &(VkInstanceCreateInfo){
            .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
            .pApplicationInfo = &application,
        },
        NULL, &instance);
    const bool memory = result == VK_ERROR_OUT_OF_HOST_MEMORY || result == VK_ERROR_OUT_OF_DEVICE_MEMORY;
    if (result == VK_ERROR_INCOMPATIBLE_DRIVER)
        fm_fail(err, FATHOM_NO_DEVICE,
            "no Vulkan driver was found, or none that loads; install one (Mesa's mesa-vulkan-drivers runs "
            "without a GPU too)");
    else if (result != VK_SUCCESS)
        fm_fail(err, memory ? FATHOM_NO_MEMORY : FATHOM_NO_DEVICE,
            "Vulkan does not start: vkCreateInstance: %s (VkResult %d)", fm_vk_result_name(result), result);
    if (result != VK_SUCCESS) return VK_NULL_HANDLE;
    volkLoadInstanceOnly(instance);
    return instance;
}

// Returns false with *err set when the devices cannot be listed, or there is none.
static bool enumerate(
    VkInstance instance, VkPhysicalDevice physical[MAX_DEVICES], uint32_t *n, struct fathom_error *err) {
    *n = MAX_DEVICES;
    const VkResult result = vkEnumeratePhysicalDevices(instance, n, physical);
    const bool memory = result == VK_ERROR_OUT_OF_HOST_MEMORY || result == VK_ERROR_OUT_OF_DEVICE_MEMORY;
    if (result < 0)
        return fm_fail(err, memory ? FATHOM_NO_MEMORY : FATHOM_NO_DEVICE,
            "the devices could not be listed: vkEnumeratePhysicalDevices: %s (VkResult %d)",
            fm_vk_result_name(result), result);
    return *n > 0 || fm_fail(err, FATHOM_NO_DEVICE, "Vulkan works, but its drivers found no device");
}

struct fathom_gpu_list {
    uint32_t n;
    struct fathom_gpu_info info[MAX_DEVICES];
};

struct fathom_gpu_list *fathom_gpu_list_create(struct fathom_error *err) {
    VkPhysicalDevice physical[MAX_DEVICES];
    struct fathom_gpu_list *list = calloc(1, sizeof(*list));
    if (!list) {
        fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
        return NULL;
    }
    const VkInstance instance = create_instance(err);
    if (!instance || !enumerate(instance, physical, &list->n, err)) fathom_gpu_list_destroy(&list);
    for (uint32_t i = 0; list && i < list->n; i++) {
        list->info[i] = FATHOM_INIT(fathom_gpu_info, .index = i);
        fm_capabilities(instance, physical[i], &list->info[i]);
    }
    if (instance) vkDestroyInstance(instance, NULL);
    return list;
}

void fathom_gpu_list_destroy(struct fathom_gpu_list **list) {
    if (!list) return;
    free(*list);
    *list = NULL;
}

size_t fathom_gpu_list_count(const struct fathom_gpu_list *list) {
    return list->n;
}

const struct fathom_gpu_info *fathom_gpu_list_get(const struct fathom_gpu_list *list, size_t i) {
    return i < list->n ? &list->info[i] : NULL;
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
    VkPhysicalDevice physical[MAX_DEVICES];
    struct fathom_gpu_info last = {.size = sizeof(last)};
    bool found = false;
    uint32_t n;
    if (!enumerate(gpu->instance, physical, &n, err)) return false;
    for (uint32_t i = 0; i < n; i++) {
        struct fathom_gpu_info info = {.size = sizeof(info), .index = i};
        fm_capabilities(gpu->instance, physical[i], &info);
        if (wanted && !is_named(&info, wanted)) continue;
        last = info;
        if (info.unusable[0] || (found && preference(&info) <= preference(&gpu->info))) continue;
        gpu->info = info;
        gpu->physical = physical[i];
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

// Finds a queue that computes, preferably one without graphics, which does not wait for the desktop.
static bool find_queue(struct fathom_gpu *gpu, struct fathom_error *err) {
    VkQueueFamilyProperties families[32];
    uint32_t n = 32;
    bool found = false;
    vkGetPhysicalDeviceQueueFamilyProperties(gpu->physical, &n, families);
    for (uint32_t i = 0; i < n; i++) {
        if (!(families[i].queueFlags & VK_QUEUE_COMPUTE_BIT)) continue;
        const bool alone = !(families[i].queueFlags & VK_QUEUE_GRAPHICS_BIT);
        if (found && !alone) continue;
        gpu->queue_family = i;
        gpu->timestamp_mask =
            families[i].timestampValidBits < 64 ? (1ull << families[i].timestampValidBits) - 1 : UINT64_MAX;
        found = true;
        if (alone) break;
    }
    if (gpu->timestamp_mask == 0) gpu->info.timestamp_period = 0;
    return found || fm_fail(err, FATHOM_NO_DEVICE, "%s has no queue that computes", gpu->info.name);
}

static bool create_device(struct fathom_gpu *gpu, struct fathom_error *err) {
    const uint32_t caps = gpu->info.caps;
    gpu->import_alignment = fm_import_alignment(gpu->physical, &gpu->info);
    const bool v13 = gpu->info.api_version >= VK_API_VERSION_1_3;
    const char *extensions[8];
    uint32_t n = 0;
    VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrices = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR,
        .cooperativeMatrix = VK_TRUE,
    };
    VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR executables = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR,
        .pipelineExecutableInfo = VK_TRUE,
    };
    VkPhysicalDeviceShaderIntegerDotProductFeatures dots = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES,
        .shaderIntegerDotProduct = VK_TRUE,
    };
    VkPhysicalDeviceSubgroupSizeControlFeatures sizes = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES,
        .subgroupSizeControl = VK_TRUE,
        .computeFullSubgroups = VK_TRUE,
    };
    VkPhysicalDeviceVulkan12Features f12 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
        .timelineSemaphore = VK_TRUE,
        .storageBuffer8BitAccess = !!(caps & FATHOM_CAP_STORAGE_8BIT),
        .shaderFloat16 = !!(caps & FATHOM_CAP_FLOAT16),
        .shaderInt8 = !!(caps & FATHOM_CAP_INT8),
        .bufferDeviceAddress = !!(caps & FATHOM_CAP_DEVICE_ADDRESS),
        .vulkanMemoryModel = !!(caps & FATHOM_CAP_COOPERATIVE_MATRIX),
    };
    VkPhysicalDeviceVulkan11Features f11 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES,
        .pNext = &f12,
        .storageBuffer16BitAccess = !!(caps & FATHOM_CAP_STORAGE_16BIT),
    };
    VkPhysicalDeviceFeatures2 f = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
        .pNext = &f11,
        .features = {.shaderInt16 = !!(caps & FATHOM_CAP_INT16), .shaderInt64 = !!(caps & FATHOM_CAP_INT64)},
    };
    if (caps & FATHOM_CAP_SUBGROUP_SIZE_CONTROL) {
        sizes.pNext = f.pNext, f.pNext = &sizes;
        if (!v13) extensions[n++] = VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME;
    }
    if (caps & FATHOM_CAP_INTEGER_DOT) {
        dots.pNext = f.pNext, f.pNext = &dots;
        if (!v13) extensions[n++] = VK_KHR_SHADER_INTEGER_DOT_PRODUCT_EXTENSION_NAME;
    }
    if (caps & FATHOM_CAP_COOPERATIVE_MATRIX) {
        matrices.pNext = f.pNext, f.pNext = &matrices;
        extensions[n++] = VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME;
    }
    if (gpu->debug.statistics) {
        executables.pNext = f.pNext, f.pNext = &executables;
        extensions[n++] = VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME;
    }
    if (caps & FATHOM_CAP_MEMORY_BUDGET) extensions[n++] = VK_EXT_MEMORY_BUDGET_EXTENSION_NAME;
    if (gpu->import_alignment) extensions[n++] = VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME;
    VkPhysicalDeviceFaultFeaturesEXT fault = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FAULT_FEATURES_EXT,
        .pNext = f.pNext,
        .deviceFault = VK_TRUE,
    };
    if ((gpu->device_fault = fm_fault_offered(gpu->physical))) {
        f.pNext = &fault;
        extensions[n++] = VK_EXT_DEVICE_FAULT_EXTENSION_NAME;
    }
    const float priority = 1;
    const VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueFamilyIndex = gpu->queue_family,
        .queueCount = 1,
        .pQueuePriorities = &priority,
    };
    const VkDeviceCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .pNext = &f,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queue,
        .enabledExtensionCount = n,
        .ppEnabledExtensionNames = extensions,
    };
    const VkResult result = fm_vk_made(
        vkCreateDevice(gpu->physical, &create, NULL, &gpu->device), &gpu->device, sizeof(gpu->device));
    if (!fm_vk_check(gpu, result, "vkCreateDevice", err)) return false;
    volkLoadDeviceTable(&gpu->vk, gpu->device);
    gpu->vk.vkGetDeviceQueue(gpu->device, gpu->queue_family, 0, &gpu->queue);
    gpu->creation_feedback = v13;
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
        fm_memory_measure(gpu->physical, &gpu->info);
    }
    gpu->info.unified_memory &= !p->separate_memory;
    gpu->info.caps &= ~p->disabled_caps;
    fm_import_measure(gpu->physical, &gpu->info);
    gpu->debug.statistics = p->statistics && (gpu->info.caps & FATHOM_CAP_STATISTICS);
    if (p->max_storage_range && p->max_storage_range < gpu->info.max_storage_range)
        gpu->info.max_storage_range = p->max_storage_range;
}

static bool open_device(struct fathom_gpu *gpu, bool is_cpu, struct fathom_error *err) {
    if (!create_device(gpu, err)) return false;
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
    gpu->vk.vkDestroyDevice(gpu->device, NULL);
    gpu->device = VK_NULL_HANDLE;
    gpu->timeline = VK_NULL_HANDLE;
    gpu->last_ticket = gpu->done_ticket = 0;
    gpu->lost = gpu->ended = false;
}

// Finds out whether mapped files can be used in place. Some drivers import a file's pages and lose the device
// at the submit that reads them; then the device is opened anew.
static bool try_import(struct fathom_gpu *gpu, bool is_cpu, struct fathom_error *err) {
    const bool works = gpu->import_alignment && fm_import_works(gpu);
    gpu->counters.submits = 0;
    if (works) return true;
    gpu->import_alignment = gpu->info.max_import = 0;
    if (!gpu->lost) return true;
    if (!fm_gpu_idle(gpu)) return fm_fail(err, FATHOM_DEVICE_LOST, "%s: %s", gpu->info.name, gpu->loss);
    close_device(gpu);
    gpu->info.caps &= ~(uint32_t)FATHOM_CAP_HOST_IMPORT;
    return open_device(gpu, is_cpu, err);
}

struct fathom_gpu *fathom_gpu_create(const struct fathom_gpu_params *params, struct fathom_error *err) {
    struct fathom_gpu *gpu = calloc(1, sizeof(*gpu));
    if (!gpu) goto no_memory;
    gpu->pace = 1;
    if (!fm_sized_read(&gpu->params, sizeof(gpu->params), params, "fathom_gpu_create: params", err) ||
        !fm_sized_read(
            &gpu->debug, sizeof(gpu->debug), gpu->params.debug, "fathom_gpu_create: params.debug", err)) {
        free(gpu); // which owns no strings yet
        return NULL;
    }
    gpu->params.debug = &gpu->debug;
    const char **strings[] = {&gpu->params.device, &gpu->params.cache_dir, &gpu->params.variants};
    bool copied = true;
    for (size_t i = 0; i < 3; i++) copied = copied ? copy_string(strings[i]) : (*strings[i] = NULL, false);
    if (!copied) goto no_memory;
    if (!(gpu->instance = create_instance(err)) || !choose(gpu, gpu->params.device, err) ||
        !find_queue(gpu, err))
        goto fail;
    apply_params(gpu);
    VkPhysicalDeviceProperties properties;
    vkGetPhysicalDeviceProperties(gpu->physical, &properties);
    memcpy(gpu->max_groups, properties.limits.maxComputeWorkGroupCount, sizeof(gpu->max_groups));
    gpu->max_imports = properties.limits.maxMemoryAllocationCount / 2;
    vkGetPhysicalDeviceMemoryProperties(gpu->physical, &gpu->memory);
    const bool is_cpu = properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
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
        fm_pipelines_destroy(gpu);
        for (uint32_t i = 0; i < FM_END_BINDINGS - FM_MAX_BINDINGS; i++) fathom_buffer_destroy(&gpu->own[i]);
        fm_staging_destroy(gpu);
        fm_memory_free_blocks(gpu);
        close_device(gpu);
    }
    if (gpu->instance) vkDestroyInstance(gpu->instance, NULL);
    free((char *)gpu->params.device);
    free((char *)gpu->params.cache_dir);
    free((char *)gpu->params.variants);
    fm_tuned_clear(gpu);
    free(gpu);
    *pointer = NULL;
}

const struct fathom_gpu_info *fathom_gpu_get_info(const struct fathom_gpu *gpu) {
    return &gpu->info;
}
void fathom_gpu_get_counters(const struct fathom_gpu *gpu, struct fathom_gpu_counters *counters) {
    fm_sized_write(counters, &gpu->counters, sizeof(gpu->counters));
}
struct fathom_gpu_limits fathom_gpu_get_limits(const struct fathom_gpu *gpu) {
    return (struct fathom_gpu_limits){gpu->params.device_limit, gpu->params.host_limit};
}
void fathom_gpu_set_limits(struct fathom_gpu *gpu, struct fathom_gpu_limits limits) {
    gpu->params.device_limit = limits.device;
    gpu->params.host_limit = limits.host;
}
bool fm_gpu_is_exact(const struct fathom_gpu *gpu) {
    return gpu->params.exact;
}
const struct fathom_gpu_params *fm_gpu_params(const struct fathom_gpu *gpu) {
    return &gpu->params;
}
void fm_gpu_set_timers(struct fathom_gpu *gpu, bool timers) {
    gpu->params.timers = timers;
}
