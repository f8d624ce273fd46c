// An instance of Vulkan, and the loader that it comes from.
#ifndef FM_GPU_INSTANCE_H
#define FM_GPU_INSTANCE_H
#include "gpu/features.h"
#include <fathom/gpu.h>

struct fm_instance {
    void *loader; // the library, which the instance keeps open; NULL: the instance is a program's own
    VkInstance handle;
    uint32_t api_version; // that the instance was made for
    struct fm_instance_functions vk;
};

// Opens the system's loader. Returns NULL with *err set when there is none; close with fm_library_close().
void *fm_loader_open(PFN_vkGetInstanceProcAddr *get, struct fathom_error *err);
// Opens the loader and creates an instance. After a failure the struct is zero.
bool fm_instance_create(struct fm_instance *instance, struct fathom_error *err);
void fm_instance_destroy(struct fm_instance *instance); // leaves a program's instance alone

enum { FM_MOST_DEVICES = 64 };
// Lists the devices. Returns false with *err set when they cannot be listed, or there is none.
bool fm_instance_devices(const struct fm_instance *instance, VkPhysicalDevice list[FM_MOST_DEVICES],
    uint32_t *n, struct fathom_error *err);
// Fills *info and *offer for the device at this place in the list.
void fm_instance_describe(const struct fm_instance *instance, VkPhysicalDevice physical, uint32_t index,
    struct fm_offer *offer, struct fathom_gpu_info *info);
#endif
