// A program with its own Vulkan: function pointers as globals with Vulkan's names, as volk makes them, an
// instance, a device, and a thread that submits on the queue that Fathom is given.
#ifndef TEST_GPU_OWN_VULKAN_H
#define TEST_GPU_OWN_VULKAN_H
#include "gpu/support.h"
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>

#define OWN_FUNCTIONS(X) \
    X(vkEnumeratePhysicalDevices) \
    X(vkGetPhysicalDeviceMemoryProperties) \
    X(vkGetPhysicalDeviceProperties) \
    X(vkCreateDevice) \
    X(vkGetDeviceQueue) \
    X(vkCreateBuffer) \
    X(vkGetBufferMemoryRequirements) \
    X(vkAllocateMemory) \
    X(vkBindBufferMemory) \
    X(vkMapMemory) \
    X(vkCreateCommandPool) \
    X(vkAllocateCommandBuffers) \
    X(vkBeginCommandBuffer) \
    X(vkCmdFillBuffer) \
    X(vkCmdPipelineBarrier) \
    X(vkEndCommandBuffer) \
    X(vkCreateFence) \
    X(vkResetFences) \
    X(vkWaitForFences) \
    X(vkQueueSubmit) \
    X(vkQueueWaitIdle) \
    X(vkDeviceWaitIdle) \
    X(vkDestroyFence) \
    X(vkDestroyCommandPool) \
    X(vkDestroyBuffer) \
    X(vkFreeMemory) \
    X(vkDestroyDevice) \
    X(vkDestroyInstance)
#define OWN_GLOBAL(name) PFN_##name name;
PFN_vkGetInstanceProcAddr vkGetInstanceProcAddr;
PFN_vkCreateInstance vkCreateInstance;
OWN_FUNCTIONS(OWN_GLOBAL)

enum { OWN_BYTES = 4096 };
struct own {
    void *loader;
    VkInstance instance;
    uint32_t api_version;
    VkPhysicalDevice physical;
    VkDevice device;
    VkQueue queue;
    struct fathom_vulkan_wants *wants; // of a device with all that Fathom wants
    VkPhysicalDeviceVulkan12Features minimum;
    VkPhysicalDeviceFeatures2 features;
    // the program's own work
    VkBuffer buffer;
    VkDeviceMemory memory;
    uint32_t *words;
    VkCommandPool pool;
    VkCommandBuffer commands;
    VkFence fence;
    pthread_t thread;
    atomic_bool stop;
    uint32_t n_submits;
};

// What the functions that Fathom gets have seen. One own device at a time.
static struct {
    pthread_mutex_t lock;
    // n_submits: all calls on the queue
    atomic_uint n_locked, n_submits, n_unlocked_submits, n_forbidden;
    PFN_vkGetDeviceProcAddr get_device;
    bool integrated; // a device that is no CPU, for which an import is a trial
} seen = {.lock = PTHREAD_MUTEX_INITIALIZER};
static _Thread_local bool locked;

static void lock_queue(void *user) {
    pthread_mutex_lock(user);
    locked = true;
    seen.n_locked++;
}

static void unlock_queue(void *user) {
    locked = false;
    pthread_mutex_unlock(user);
}

static VKAPI_ATTR VkResult VKAPI_CALL seen_submit(
    VkQueue queue, uint32_t n, const VkSubmitInfo *submits, VkFence fence) {
    seen.n_submits++;
    if (!locked) seen.n_unlocked_submits++;
    return vkQueueSubmit(queue, n, submits, fence);
}
static VKAPI_ATTR VkResult VKAPI_CALL seen_queue_wait(VkQueue queue) {
    seen.n_submits++;
    if (!locked) seen.n_unlocked_submits++;
    return vkQueueWaitIdle(queue);
}

static VKAPI_ATTR void VKAPI_CALL seen_properties(
    VkPhysicalDevice physical, VkPhysicalDeviceProperties *properties) {
    vkGetPhysicalDeviceProperties(physical, properties);
    if (seen.integrated) properties->deviceType = VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU;
}

// These would touch what is the program's.
static VKAPI_ATTR VkResult VKAPI_CALL seen_wait_idle(VkDevice device) {
    seen.n_forbidden++;
    return vkDeviceWaitIdle(device);
}
static VKAPI_ATTR void VKAPI_CALL seen_destroy_device(
    VkDevice device, const VkAllocationCallbacks *callbacks) {
    (void)device, (void)callbacks;
    seen.n_forbidden++;
}
static VKAPI_ATTR void VKAPI_CALL seen_destroy_instance(
    VkInstance instance, const VkAllocationCallbacks *callbacks) {
    (void)instance, (void)callbacks;
    seen.n_forbidden++;
}
static VKAPI_ATTR VkResult VKAPI_CALL seen_create_device(VkPhysicalDevice physical,
    const VkDeviceCreateInfo *info, const VkAllocationCallbacks *callbacks, VkDevice *device) {
    seen.n_forbidden++;
    return vkCreateDevice(physical, info, callbacks, device);
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL seen_get_device(VkDevice device, const char *name) {
    if (!strcmp(name, "vkQueueSubmit")) return (PFN_vkVoidFunction)seen_submit;
    if (!strcmp(name, "vkQueueWaitIdle")) return (PFN_vkVoidFunction)seen_queue_wait;
    if (!strcmp(name, "vkDeviceWaitIdle")) return (PFN_vkVoidFunction)seen_wait_idle;
    if (!strcmp(name, "vkDestroyDevice")) return (PFN_vkVoidFunction)seen_destroy_device;
    return seen.get_device(device, name);
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL seen_get(VkInstance instance, const char *name) {
    if (!strcmp(name, "vkGetDeviceProcAddr")) return (PFN_vkVoidFunction)seen_get_device;
    if (!strcmp(name, "vkGetPhysicalDeviceProperties")) return (PFN_vkVoidFunction)seen_properties;
    if (!strcmp(name, "vkDestroyInstance")) return (PFN_vkVoidFunction)seen_destroy_instance;
    if (!strcmp(name, "vkCreateDevice")) return (PFN_vkVoidFunction)seen_create_device;
    return vkGetInstanceProcAddr(instance, name);
}

static inline void expect_success(VkResult result) {
    assert_int_equal(result, VK_SUCCESS);
}

static inline void own_instance(struct own *own, uint32_t api_version) {
    memset(own, 0, sizeof(*own));
    own->loader = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
    assert_non_null(own->loader);
    own->api_version = api_version;
    *(void **)&vkGetInstanceProcAddr = dlsym(own->loader, "vkGetInstanceProcAddr");
    vkCreateInstance = (PFN_vkCreateInstance)vkGetInstanceProcAddr(NULL, "vkCreateInstance");
    const VkApplicationInfo application = {
        .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
        .apiVersion = api_version,
    };
    const VkInstanceCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
        .pApplicationInfo = &application,
    };
    expect_success(vkCreateInstance(&create, NULL, &own->instance));
#define OWN_FETCH(name) name = (PFN_##name)vkGetInstanceProcAddr(own->instance, #name);
    OWN_FUNCTIONS(OWN_FETCH)
    seen.get_device = (PFN_vkGetDeviceProcAddr)vkGetInstanceProcAddr(own->instance, "vkGetDeviceProcAddr");
    uint32_t n = 1;
    assert_true(vkEnumeratePhysicalDevices(own->instance, &n, &own->physical) >= 0);
    assert_int_equal(n, 1);
    struct fathom_error err = {0};
    own->wants = fathom_vulkan_wants_create(seen_get, own->instance, api_version, own->physical, &err);
    check(own->wants != NULL, &err);
}

// features NULL: all that Fathom wants.
static inline void own_device(struct own *own, const VkPhysicalDeviceFeatures2 *features) {
    const float priority = 1;
    const VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueFamilyIndex = own->wants->queue_family,
        .queueCount = 1,
        .pQueuePriorities = &priority,
    };
    const VkDeviceCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .pNext = features ? features : own->wants->features,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queue,
        .enabledExtensionCount = features ? 0 : own->wants->n_extensions,
        .ppEnabledExtensionNames = own->wants->extensions,
    };
    expect_success(vkCreateDevice(own->physical, &create, NULL, &own->device));
    vkGetDeviceQueue(own->device, own->wants->queue_family, 0, &own->queue);
}

// What Fathom is given. features as for own_device().
static inline struct fathom_vulkan own_params(struct own *own, const VkPhysicalDeviceFeatures2 *features) {
    return FATHOM_INIT(fathom_vulkan, .get_proc_addr = seen_get, .instance = own->instance,
        .api_version = own->api_version, .physical = own->physical, .device = own->device,
        .queue = own->queue, .queue_family = own->wants->queue_family,
        .extensions = features ? NULL : own->wants->extensions,
        .n_extensions = features ? 0 : own->wants->n_extensions,
        .features = features ? features : own->wants->features, .lock_queue = lock_queue,
        .unlock_queue = unlock_queue, .user = &seen.lock);
}

// Commands that fill the program's buffer with 7.
static inline void own_work(struct own *own) {
    const VkBufferCreateInfo buffer = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = OWN_BYTES,
        .usage = VK_BUFFER_USAGE_TRANSFER_DST_BIT,
    };
    expect_success(vkCreateBuffer(own->device, &buffer, NULL, &own->buffer));
    VkMemoryRequirements need;
    VkPhysicalDeviceMemoryProperties types;
    const VkMemoryPropertyFlags wanted =
        VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    vkGetBufferMemoryRequirements(own->device, own->buffer, &need);
    vkGetPhysicalDeviceMemoryProperties(own->physical, &types);
    uint32_t type = 0;
    while (!(need.memoryTypeBits >> type & 1) || (types.memoryTypes[type].propertyFlags & wanted) != wanted)
        assert_true(++type < types.memoryTypeCount);
    const VkMemoryAllocateInfo allocate = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .allocationSize = need.size,
        .memoryTypeIndex = type,
    };
    expect_success(vkAllocateMemory(own->device, &allocate, NULL, &own->memory));
    expect_success(vkBindBufferMemory(own->device, own->buffer, own->memory, 0));
    expect_success(vkMapMemory(own->device, own->memory, 0, VK_WHOLE_SIZE, 0, (void **)&own->words));
    const VkCommandPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .queueFamilyIndex = own->wants->queue_family,
    };
    expect_success(vkCreateCommandPool(own->device, &pool, NULL, &own->pool));
    const VkCommandBufferAllocateInfo commands = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = own->pool,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1,
    };
    expect_success(vkAllocateCommandBuffers(own->device, &commands, &own->commands));
    const VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    const VkMemoryBarrier barrier = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_HOST_READ_BIT,
    };
    expect_success(vkBeginCommandBuffer(own->commands, &begin));
    vkCmdFillBuffer(own->commands, own->buffer, 0, OWN_BYTES, 7);
    vkCmdPipelineBarrier(own->commands, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_PIPELINE_STAGE_HOST_BIT, 0, 1,
        &barrier, 0, NULL, 0, NULL);
    expect_success(vkEndCommandBuffer(own->commands));
    const VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    expect_success(vkCreateFence(own->device, &fence, NULL, &own->fence));
}

// One submit of the program's, under the lock. Returns whether the buffer holds what it should.
static inline bool own_submit(struct own *own) {
    const VkSubmitInfo submit = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .commandBufferCount = 1,
        .pCommandBuffers = &own->commands,
    };
    memset(own->words, 0, OWN_BYTES);
    pthread_mutex_lock(&seen.lock);
    VkResult result = vkQueueSubmit(own->queue, 1, &submit, own->fence);
    pthread_mutex_unlock(&seen.lock);
    if (result == VK_SUCCESS) result = vkWaitForFences(own->device, 1, &own->fence, VK_TRUE, UINT64_MAX);
    if (result == VK_SUCCESS) result = vkResetFences(own->device, 1, &own->fence);
    own->n_submits++;
    return result == VK_SUCCESS && own->words[0] == 7 && own->words[OWN_BYTES / 4 - 1] == 7;
}

static void *own_submits(void *user) {
    struct own *own = user;
    bool ok = true;
    do ok = own_submit(own);
    while (ok && !own->stop);
    return ok ? own : NULL;
}

static inline void own_start(struct own *own) {
    own->stop = false;
    assert_int_equal(pthread_create(&own->thread, NULL, own_submits, own), 0);
}

static inline void own_stop(struct own *own) {
    void *ok;
    own->stop = true;
    assert_int_equal(pthread_join(own->thread, &ok), 0);
    assert_ptr_equal(ok, own);
}

static inline void own_destroy(struct own *own) {
    if (own->device) {
        expect_success(vkDeviceWaitIdle(own->device));
        vkDestroyFence(own->device, own->fence, NULL);
        vkDestroyCommandPool(own->device, own->pool, NULL);
        vkDestroyBuffer(own->device, own->buffer, NULL);
        vkFreeMemory(own->device, own->memory, NULL);
        vkDestroyDevice(own->device, NULL);
    }
    fathom_vulkan_wants_destroy(&own->wants);
    vkDestroyInstance(own->instance, NULL);
    dlclose(own->loader);
}
#endif
