// A gpu over a program's own instance, device and queue, and what to enable on such a device.
#include "base/sized.h"
#include "gpu/internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Opens the functions of a program's instance, and reads what the driver offers to it.
static bool look(struct fm_instance *instance, VkPhysicalDevice physical, PFN_vkGetInstanceProcAddr get,
    const char *who, struct fm_offer *offer, struct fathom_gpu_info *info, struct fathom_error *err) {
    if (instance->api_version < VK_API_VERSION_1_2)
        return fm_fail(err, FATHOM_INVALID,
            "%s: api_version is %u.%u; an instance for Vulkan 1.2 or later is needed "
            "(VkApplicationInfo.apiVersion)",
            who, VK_API_VERSION_MAJOR(instance->api_version), VK_API_VERSION_MINOR(instance->api_version));
    const char *missing = fm_instance_functions_load(&instance->vk, get, instance->handle);
    if (missing) return fm_fail(err, FATHOM_INVALID, "%s: get_proc_addr returns NULL for %s", who, missing);
    VkPhysicalDevice list[FM_MOST_DEVICES];
    uint32_t n, index = 0;
    if (!fm_instance_devices(instance, list, &n, err)) return false;
    while (index < n && list[index] != physical) index++;
    if (index == n)
        return fm_fail(err, FATHOM_INVALID, "%s: physical is none of the %u devices of instance", who, n);
    fm_instance_describe(instance, physical, index, offer, info);
    return !info->unusable[0] ||
        fm_fail(err, FATHOM_NO_DEVICE, "device %u, %s, is unusable: %s", index, info->name, info->unusable);
}

static bool read_params(
    struct fathom_vulkan *to, const struct fathom_vulkan *from, struct fathom_error *err) {
    to->size = sizeof(*to);
    if (!fm_sized_read(to, sizeof(*to), from, "fathom_gpu_create: params.vulkan", err)) return false;
    const struct {
        bool there;
        const char *name;
    } needed[] = {
        {to->get_proc_addr, "get_proc_addr"},
        {to->instance, "instance"},
        {to->physical, "physical"},
        {to->device, "device"},
        {to->queue, "queue"},
        {to->extensions || !to->n_extensions, "extensions"},
        {to->lock_queue || !to->unlock_queue, "lock_queue"},
        {to->unlock_queue || !to->lock_queue, "unlock_queue"},
    };
    for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++)
        if (!needed[i].there)
            return fm_fail(err, FATHOM_INVALID, "fathom_gpu_create: vulkan.%s is NULL", needed[i].name);
    return true;
}

static bool check_family(struct fathom_gpu *gpu, const char *device, struct fathom_error *err) {
    VkQueueFamilyProperties families[FM_MOST_FAMILIES];
    const uint32_t n = fm_queue_families(&gpu->instance.vk, gpu->physical, families);
    if (gpu->queue_family >= n)
        return fm_fail(err, FATHOM_INVALID, "fathom_gpu_create: vulkan.queue_family is %u; %s has %u",
            gpu->queue_family, device, n);
    if (!(families[gpu->queue_family].queueFlags & VK_QUEUE_COMPUTE_BIT))
        return fm_fail(err, FATHOM_INVALID,
            "fathom_gpu_create: vulkan.queue_family is %u, whose queues do not compute "
            "(VK_QUEUE_COMPUTE_BIT)",
            gpu->queue_family);
    return true;
}

bool fm_program_device_take(
    struct fathom_gpu *gpu, const struct fathom_vulkan *vulkan, struct fathom_error *err) {
    struct fathom_vulkan v;
    struct fm_offer offered;
    struct fathom_gpu_info info;
    char names[1024];
    if (gpu->params.device)
        return fm_fail(err, FATHOM_INVALID,
            "fathom_gpu_create: device is \"%s\", and vulkan names a device too: one of them must be NULL",
            gpu->params.device);
    if (!read_params(&v, vulkan, err)) return false;
    gpu->instance = (struct fm_instance){.handle = v.instance, .api_version = v.api_version};
    if (!look(&gpu->instance, v.physical, v.get_proc_addr, "fathom_gpu_create: vulkan", &offered, &info, err))
        return false;
    gpu->physical = v.physical;
    gpu->queue_family = v.queue_family;
    gpu->offer = fm_offer_enabled(offered.api_version, v.features, v.extensions, v.n_extensions);
    if (!(gpu->offer.features & FM_FEATURE_TIMELINE))
        return fm_fail(err, FATHOM_INVALID,
            "fathom_gpu_create: vulkan.features lacks timelineSemaphore, which Fathom needs: make the device "
            "with it (VkPhysicalDeviceVulkan12Features), and pass the chain here");
    if (!check_family(gpu, info.name, err)) return false;
    // alone it is of no use, and fathom_vulkan_wants leaves it out
    if (!(info.caps & FATHOM_CAP_COOPERATIVE_MATRIX)) offered.features &= ~(uint32_t)FM_FEATURE_MEMORY_MODEL;
    fm_offer_difference(&offered, &gpu->offer, names, sizeof(names));
    if (names[0])
        fm_log(&gpu->params.log, FATHOM_LOG_DEBUG, "%s: the program's device was made without: %s", info.name,
            names);
    gpu->info = FATHOM_INIT(fathom_gpu_info, .index = info.index);
    fm_capabilities(&gpu->instance.vk, gpu->physical, &gpu->offer, &gpu->info);
    const char *missing = fm_device_functions_load(&gpu->vk, gpu->instance.vk.vkGetDeviceProcAddr, v.device);
    if (missing)
        return fm_fail(err, FATHOM_INVALID, "fathom_gpu_create: vulkan.device has no function %s", missing);
    gpu->program = v;
    gpu->program.extensions = NULL;
    gpu->program.features = NULL;
    gpu->device = v.device;
    gpu->queue = v.queue;
    return true;
}

// With what its public part points to.
struct wants {
    struct fathom_vulkan_wants public;
    struct fm_wanted wanted;
};

struct fathom_vulkan_wants *fathom_vulkan_wants_create(PFN_vkGetInstanceProcAddr get_proc_addr,
    VkInstance instance, uint32_t api_version, VkPhysicalDevice physical, struct fathom_error *err) {
    const char *who = "fathom_vulkan_wants_create";
    struct fm_instance opened = {.handle = instance, .api_version = api_version};
    struct fathom_gpu_info info;
    struct fm_offer offer;
    uint32_t family;
    const char *null = !get_proc_addr ? "get_proc_addr"
        : !instance                   ? "instance"
        : !physical                   ? "physical"
                                      : NULL;
    if (null) {
        fm_fail(err, FATHOM_INVALID, "%s: %s is NULL", who, null);
        return NULL;
    }
    if (!look(&opened, physical, get_proc_addr, who, &offer, &info, err)) return NULL;
    if (!fm_find_queue(&opened.vk, physical, &family)) {
        fm_fail(err, FATHOM_NO_DEVICE, "%s has no queue that computes", info.name);
        return NULL;
    }
    struct wants *w = calloc(1, sizeof(*w));
    if (!w) {
        fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
        return NULL;
    }
    // a program's device imports memory only where no trial is needed
    const uint32_t left_out =
        FATHOM_CAP_STATISTICS | (info.type == FATHOM_GPU_CPU ? 0 : FATHOM_CAP_HOST_IMPORT);
    fm_wanted_set(&w->wanted, &offer, info.caps & ~left_out);
    w->public =
        FATHOM_INIT(fathom_vulkan_wants, .queue_family = family, .n_extensions = w->wanted.n_extensions,
            .extensions = w->wanted.extensions, .features = &w->wanted.base);
    return &w->public;
}

void fathom_vulkan_wants_destroy(struct fathom_vulkan_wants **wants) {
    if (!wants) return;
    free(*wants); // the first member of struct wants
    *wants = NULL;
}
