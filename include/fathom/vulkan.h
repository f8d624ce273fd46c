// A gpu over a program's own Vulkan: its VkInstance, VkDevice and queue. fathom.h and gpu.h do not include
// this header, which needs Vulkan's headers (vulkan/vulkan_core.h, version 1.2.131 or later). A program that
// has function pointers of its own with Vulkan's names (volk) defines VK_NO_PROTOTYPES first, as for Vulkan's
// headers.
//
//     struct fathom_vulkan_wants *wants = fathom_vulkan_wants_create(get, instance, version, physical, &err);
//     // vkCreateDevice() with wants->features, wants->extensions and a queue of wants->queue_family; then
//     struct fathom_vulkan vulkan = FATHOM_INIT(fathom_vulkan,
//         .get_proc_addr = get, .instance = instance, .api_version = version, .physical = physical,
//         .device = device, .queue = queue, .queue_family = wants->queue_family,
//         .extensions = wants->extensions, .n_extensions = wants->n_extensions, .features = wants->features,
//         .lock_queue = lock, .unlock_queue = unlock, .user = &mutex);
//     struct fathom_gpu *gpu = fathom_gpu_create(&FATHOM_INIT(fathom_gpu_params, .vulkan = &vulkan), &err);
#ifndef FATHOM_VULKAN_H
#define FATHOM_VULKAN_H

#include <fathom/status.h>
#include <stddef.h>
#include <stdint.h>
#include <vulkan/vulkan_core.h>

#ifdef __cplusplus
extern "C" {
#endif

// A gpu is created over these objects by fathom_gpu_params.vulkan, and an engine by the same member of its
// fathom_engine_params.gpu. The struct and what it points to are read during that call alone; `user`
// is kept. Instance, device and queue must live until the gpu is destroyed. Destroying the gpu waits for its
// work and destroys none of the three. Several gpus may stand on one queue, with the same lock.
//
// What the gpu can do follows from what the program has enabled: a capability (enum fathom_gpu_caps) whose
// feature or extension is missing is missing, and the log names these at FATHOM_LOG_DEBUG. Fathom allocates
// memory, command buffers and a timeline semaphore of its own on the device, and shares no buffer with the
// program's commands: use fathom_upload() and fathom_download().
//
// Weights of a mapped file are used in place only on devices that are CPUs; fathom_gpu_info.max_import is 0
// on others. Whether another driver can use them shows in a trial that may lose the device, which Fathom
// makes on devices of its own alone.
//
// Errors of the call: FATHOM_INVALID names the member that is wrong, or the required feature that was not
// enabled; FATHOM_NO_DEVICE says why Fathom cannot use the device; FATHOM_UNSUPPORTED: the struct is larger
// than this version's, and the rest is not zero. After a loss of the device (FATHOM_DEVICE_LOST) destroy the
// gpu, then the device.
struct fathom_vulkan {
    size_t size; // sizeof(struct fathom_vulkan)
    // vkGetInstanceProcAddr of the loader, through which Fathom fetches all functions. Fathom opens no
    // loader.
    PFN_vkGetInstanceProcAddr get_proc_addr;
    VkInstance instance;
    uint32_t api_version; // VkApplicationInfo.apiVersion of the instance; at least VK_API_VERSION_1_2
    VkPhysicalDevice physical;
    VkDevice device;
    VkQueue queue; // of a family with VK_QUEUE_COMPUTE_BIT, made without flags
    uint32_t queue_family;
    // ppEnabledExtensionNames of the device; NULL with n_extensions 0: none
    const char *const *extensions;
    uint32_t n_extensions;
    // The features that the device was made with: pNext of VkDeviceCreateInfo. A program that has passed
    // pEnabledFeatures puts them into a VkPhysicalDeviceFeatures2. Required is timelineSemaphore, by
    // VkPhysicalDeviceVulkan12Features or VkPhysicalDeviceTimelineSemaphoreFeatures.
    const VkPhysicalDeviceFeatures2 *features;
    // Called, with `user`, before and after every call of Vulkan on the queue, from any thread that uses the
    // gpu or an object of it. While Fathom holds the lock, no other thread may use the queue. The functions
    // must not call Fathom, and a thread that holds the lock must not, either. A submit holds the lock for as
    // long as the driver takes to accept it; vkQueueWaitIdle is called only after a failure. Both NULL: the
    // program does not use the queue while the gpu exists.
    void (*lock_queue)(void *user);
    void (*unlock_queue)(void *user);
    void *user;
};

// What a device should be made with, so that Fathom can do on it all that it can do on a device of its own.
// Everything but timelineSemaphore is optional. Valid until fathom_vulkan_wants_destroy(). Only what the
// driver offers is listed.
struct fathom_vulkan_wants {
    size_t size;           // set by the library
    uint32_t queue_family; // that computes, preferably one without graphics; any that computes will do
    uint32_t n_extensions;
    const char *const *extensions;
    // The head of a chain for pNext of VkDeviceCreateInfo, with VkPhysicalDeviceVulkan11Features,
    // VkPhysicalDeviceVulkan12Features and the structures of the listed extensions. A program with features
    // of its own sets them here or copies the flags to its own chain, where each structure may occur once;
    // VkPhysicalDeviceVulkan13Features has the flags of VkPhysicalDeviceSubgroupSizeControlFeatures and
    // VkPhysicalDeviceShaderIntegerDotProductFeatures.
    VkPhysicalDeviceFeatures2 *features;
};

// Returns NULL with *err set on failure: FATHOM_INVALID where an argument is NULL or api_version, that of the
// instance, is below 1.2, FATHOM_NO_DEVICE where Fathom cannot use the device; the message says why.
FATHOM_API struct fathom_vulkan_wants *fathom_vulkan_wants_create(PFN_vkGetInstanceProcAddr get_proc_addr,
    VkInstance instance, uint32_t api_version, VkPhysicalDevice physical, struct fathom_error *err);
// Accepts NULL and a pointer to NULL; writes NULL.
FATHOM_API void fathom_vulkan_wants_destroy(struct fathom_vulkan_wants **wants);

#ifdef __cplusplus
}
#endif
#endif
