#include "gpu/instance.h"
#include "base/error.h"
#include "base/library.h"
#include "gpu/internal.h"
#include <stdio.h>
#include <stdlib.h>

void *fm_loader_open(PFN_vkGetInstanceProcAddr *get, struct fathom_error *err) {
    static const char *const names[] = {"libvulkan.so.1", "libvulkan.so", NULL};
    void *loader = fm_library_open(names);
    *get = NULL;
    if (loader) fm_library_function(loader, "vkGetInstanceProcAddr", get);
    if (*get) return loader;
    fm_library_close(loader);
    fm_fail(err, FATHOM_NO_DEVICE,
        "no Vulkan loader (libvulkan.so.1) was found; install the system's Vulkan loader and a driver");
    return NULL;
}

static bool create(struct fm_instance *instance, PFN_vkGetInstanceProcAddr get, struct fathom_error *err) {
    const PFN_vkEnumerateInstanceVersion get_version =
        (PFN_vkEnumerateInstanceVersion)get(NULL, "vkEnumerateInstanceVersion"); // NULL in Vulkan 1.0
    const PFN_vkCreateInstance create_instance = (PFN_vkCreateInstance)get(NULL, "vkCreateInstance");
    instance->api_version = VK_API_VERSION_1_0;
    if (get_version) get_version(&instance->api_version);
    if (instance->api_version < VK_API_VERSION_1_2 || !create_instance)
        return fm_fail(err, FATHOM_NO_DEVICE,
            "the system's Vulkan loader (libvulkan.so.1) has Vulkan %u.%u; 1.2 is needed: install a newer "
            "one",
            VK_API_VERSION_MAJOR(instance->api_version), VK_API_VERSION_MINOR(instance->api_version));
    if (instance->api_version > VK_API_VERSION_1_3) instance->api_version = VK_API_VERSION_1_3;
    const VkApplicationInfo application = {
        .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
        .pApplicationName = "fathom",
        .pEngineName = "fathom",
        .apiVersion = instance->api_version,
    };
    const VkInstanceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
        .pApplicationInfo = &application,
    };
    const VkResult result =
        fm_vk_made(create_instance(&info, NULL, &instance->handle), &instance->handle, sizeof(VkInstance));
    const bool memory = result == VK_ERROR_OUT_OF_HOST_MEMORY || result == VK_ERROR_OUT_OF_DEVICE_MEMORY;
    if (result == VK_ERROR_INCOMPATIBLE_DRIVER)
        return fm_fail(err, FATHOM_NO_DEVICE,
            "no Vulkan driver was found, or none that loads; install one (Mesa's mesa-vulkan-drivers runs "
            "without a GPU too)");
    if (result != VK_SUCCESS)
        return fm_fail(err, memory ? FATHOM_NO_MEMORY : FATHOM_NO_DEVICE,
            "Vulkan does not start: vkCreateInstance: %s (VkResult %d)", fm_vk_result_name(result), result);
    const char *missing = fm_instance_functions_load(&instance->vk, get, instance->handle);
    return !missing || fm_fail(err, FATHOM_NO_DEVICE, "the system's Vulkan loader has no %s", missing);
}

bool fm_instance_create(struct fm_instance *instance, struct fathom_error *err) {
    PFN_vkGetInstanceProcAddr get;
    *instance = (struct fm_instance){.loader = fm_loader_open(&get, err)};
    if (!instance->loader) return false;
    if (create(instance, get, err)) return true;
    fm_instance_destroy(instance);
    return false;
}

void fm_instance_destroy(struct fm_instance *instance) {
    if (instance->loader && instance->handle && instance->vk.vkDestroyInstance)
        instance->vk.vkDestroyInstance(instance->handle, NULL);
    fm_library_close(instance->loader);
    *instance = (struct fm_instance){0};
}

bool fm_instance_devices(const struct fm_instance *instance, VkPhysicalDevice list[FM_MOST_DEVICES],
    uint32_t *n, struct fathom_error *err) {
    *n = FM_MOST_DEVICES;
    const VkResult result = instance->vk.vkEnumeratePhysicalDevices(instance->handle, n, list);
    const bool memory = result == VK_ERROR_OUT_OF_HOST_MEMORY || result == VK_ERROR_OUT_OF_DEVICE_MEMORY;
    if (result < 0)
        return fm_fail(err, memory ? FATHOM_NO_MEMORY : FATHOM_NO_DEVICE,
            "the devices could not be listed: vkEnumeratePhysicalDevices: %s (VkResult %d)",
            fm_vk_result_name(result), result);
    return *n > 0 || fm_fail(err, FATHOM_NO_DEVICE, "Vulkan works, but its drivers found no device");
}

void fm_instance_describe(const struct fm_instance *instance, VkPhysicalDevice physical, uint32_t index,
    struct fm_offer *offer, struct fathom_gpu_info *info) {
    *info = FATHOM_INIT(fathom_gpu_info, .index = index);
    const VkResult result = fm_offer_read(&instance->vk, physical, instance->api_version, offer);
    fm_capabilities(&instance->vk, physical, offer, info);
    if (result != VK_SUCCESS)
        snprintf(info->unusable, sizeof(info->unusable),
            "vkEnumerateDeviceExtensionProperties: %s (VkResult %d)", fm_vk_result_name(result), result);
}

struct fathom_gpu_list {
    uint32_t n;
    struct fathom_gpu_info info[FM_MOST_DEVICES];
};

struct fathom_gpu_list *fathom_gpu_list_create(struct fathom_error *err) {
    VkPhysicalDevice physical[FM_MOST_DEVICES];
    struct fm_instance instance;
    struct fm_offer offer;
    struct fathom_gpu_list *list = calloc(1, sizeof(*list));
    if (!list) {
        fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
        return NULL;
    }
    if (!fm_instance_create(&instance, err)) {
        fathom_gpu_list_destroy(&list);
        return NULL;
    }
    if (!fm_instance_devices(&instance, physical, &list->n, err)) fathom_gpu_list_destroy(&list);
    for (uint32_t i = 0; list && i < list->n; i++)
        fm_instance_describe(&instance, physical[i], i, &offer, &list->info[i]);
    fm_instance_destroy(&instance);
    return list;
}

void fathom_gpu_list_destroy(struct fathom_gpu_list **list) {
    if (!list) return;
    free(*list);
    *list = NULL;
}

size_t fathom_gpu_list_count(const struct fathom_gpu_list *list) {
    if (!list) return 0;
    return list->n;
}

const struct fathom_gpu_info *fathom_gpu_list_get(const struct fathom_gpu_list *list, size_t i) {
    if (!list) return NULL;
    return i < list->n ? &list->info[i] : NULL;
}
