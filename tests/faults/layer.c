// A Vulkan layer that fails one call. It is for programs with one instance and one device at a time. The
// environment tells it what to do, or a test that calls fault_plan().
//
//   FAULT=KIND@K     the K-th call that may return KIND by the specification fails; K+: so do all later ones;
//                    K = 0: none does, and the layer only counts. KIND is a name of `kinds` below.
//   FAULT_CALLS=A,B  only these calls count
//   FAULT_LOG=FILE   gets "K NAME KIND" for the failed call, and "= N" at the end, for N counted calls
//   FAULT_RUNNING=1  a lost device goes on with what it was given, and no call waits for it any more
//   FAULT_CARD=1     a CPU says that it is a discrete card
//
// A failed call does not reach the driver, and leaves nonsense where the specification leaves the output
// undefined. From a lost device on, all calls that may say so do.
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vulkan/vk_layer.h>
#include <vulkan/vulkan.h>

enum {
    HOST = 1,
    DEVICE = 2,
    LOST = 4,
    TIMEOUT = 8,
    NOT_READY = 16,
    INIT = 32,
    FRAGMENTED = 64,
    POOL = 128,
    INCOMPLETE = 256,
    HANDLE = 512
};
static const struct {
    const char *name;
    int bit;
    VkResult result;
} kinds[] = {
    {"host", HOST, VK_ERROR_OUT_OF_HOST_MEMORY},
    {"device", DEVICE, VK_ERROR_OUT_OF_DEVICE_MEMORY},
    {"lost", LOST, VK_ERROR_DEVICE_LOST},
    {"timeout", TIMEOUT, VK_TIMEOUT},
    {"not-ready", NOT_READY, VK_NOT_READY},
    {"init", INIT, VK_ERROR_INITIALIZATION_FAILED},
    {"fragmented", FRAGMENTED, VK_ERROR_FRAGMENTED_POOL},
    {"pool", POOL, VK_ERROR_OUT_OF_POOL_MEMORY},
    {"incomplete", INCOMPLETE, VK_INCOMPLETE},
    {"handle", HANDLE, VK_ERROR_INVALID_EXTERNAL_HANDLE},
};

// The fallible calls of a device that src/gpu makes (sweep.py compares): name, parameters, arguments, what
// the specification lets the call return, the output and its size, and what a failure leaves there: nonsense,
// or 0 where the specification says so.
#define NONSENSE 0x5a
#define CREATE(Y, name, info, handle, kinds) \
    Y(name, (VkDevice d, const info *i, const VkAllocationCallbacks *a, handle *out), (d, i, a, out), kinds, \
        out, sizeof(*out), NONSENSE)
#define DEVICE_CALLS(Y) \
    CREATE(Y, vkAllocateMemory, VkMemoryAllocateInfo, VkDeviceMemory, HOST | DEVICE | HANDLE) \
    CREATE(Y, vkCreateBuffer, VkBufferCreateInfo, VkBuffer, HOST | DEVICE) \
    CREATE(Y, vkCreateShaderModule, VkShaderModuleCreateInfo, VkShaderModule, HOST | DEVICE) \
    CREATE(Y, vkCreatePipelineLayout, VkPipelineLayoutCreateInfo, VkPipelineLayout, HOST | DEVICE) \
    CREATE(Y, vkCreateDescriptorSetLayout, VkDescriptorSetLayoutCreateInfo, VkDescriptorSetLayout, \
        HOST | DEVICE) \
    CREATE(Y, vkCreateDescriptorPool, VkDescriptorPoolCreateInfo, VkDescriptorPool, HOST | DEVICE) \
    CREATE(Y, vkCreateCommandPool, VkCommandPoolCreateInfo, VkCommandPool, HOST | DEVICE) \
    CREATE(Y, vkCreateSemaphore, VkSemaphoreCreateInfo, VkSemaphore, HOST | DEVICE) \
    CREATE(Y, vkCreateQueryPool, VkQueryPoolCreateInfo, VkQueryPool, HOST | DEVICE) \
    CREATE(Y, vkCreatePipelineCache, VkPipelineCacheCreateInfo, VkPipelineCache, HOST | DEVICE) \
    Y(vkCreateComputePipelines, \
        (VkDevice d, VkPipelineCache c, uint32_t n, const VkComputePipelineCreateInfo *i, \
            const VkAllocationCallbacks *a, VkPipeline *out), \
        (d, c, n, i, a, out), HOST | DEVICE, out, n * sizeof(*out), 0) \
    Y(vkAllocateDescriptorSets, (VkDevice d, const VkDescriptorSetAllocateInfo *i, VkDescriptorSet *out), \
        (d, i, out), HOST | DEVICE | FRAGMENTED | POOL, out, i->descriptorSetCount * sizeof(*out), 0) \
    Y(vkAllocateCommandBuffers, (VkDevice d, const VkCommandBufferAllocateInfo *i, VkCommandBuffer *out), \
        (d, i, out), HOST | DEVICE, out, i->commandBufferCount * sizeof(*out), 0) \
    Y(vkMapMemory, \
        (VkDevice d, VkDeviceMemory m, VkDeviceSize at, VkDeviceSize n, VkMemoryMapFlags f, void **out), \
        (d, m, at, n, f, out), HOST | DEVICE, out, sizeof(*out), NONSENSE) \
    Y(vkBindBufferMemory, (VkDevice d, VkBuffer b, VkDeviceMemory m, VkDeviceSize at), (d, b, m, at), \
        HOST | DEVICE, NULL, 0, 0) \
    Y(vkGetMemoryHostPointerPropertiesEXT, \
        (VkDevice d, VkExternalMemoryHandleTypeFlagBits t, const void *p, \
            VkMemoryHostPointerPropertiesEXT *out), \
        (d, t, p, out), HOST | HANDLE, &out->memoryTypeBits, 4, NONSENSE) \
    Y(vkResetCommandPool, (VkDevice d, VkCommandPool p, VkCommandPoolResetFlags f), (d, p, f), DEVICE, NULL, \
        0, 0) \
    Y(vkBeginCommandBuffer, (VkCommandBuffer c, const VkCommandBufferBeginInfo *i), (c, i), HOST | DEVICE, \
        NULL, 0, 0) \
    Y(vkEndCommandBuffer, (VkCommandBuffer c), (c), HOST | DEVICE, NULL, 0, 0) \
    Y(vkQueueSubmit, (VkQueue q, uint32_t n, const VkSubmitInfo *i, VkFence f), (q, n, i, f), \
        HOST | DEVICE | LOST, NULL, 0, 0) \
    Y(vkQueueWaitIdle, (VkQueue q), (q), HOST | DEVICE | LOST, NULL, 0, 0) \
    Y(vkDeviceWaitIdle, (VkDevice d), (d), HOST | DEVICE | LOST, NULL, 0, 0) \
    Y(vkGetSemaphoreCounterValue, (VkDevice d, VkSemaphore s, uint64_t * out), (d, s, out), \
        HOST | DEVICE | LOST, out, sizeof(*out), NONSENSE) \
    Y(vkWaitSemaphores, (VkDevice d, const VkSemaphoreWaitInfo *i, uint64_t t), (d, i, t), \
        HOST | DEVICE | LOST | TIMEOUT, NULL, 0, 0) \
    Y(vkGetQueryPoolResults, \
        (VkDevice d, VkQueryPool p, uint32_t at, uint32_t n, size_t size, void *out, VkDeviceSize s, \
            VkQueryResultFlags f), \
        (d, p, at, n, size, out, s, f), HOST | DEVICE | LOST | NOT_READY, out, size, NONSENSE) \
    Y(vkGetPipelineCacheData, (VkDevice d, VkPipelineCache c, size_t * n, void *out), (d, c, n, out), \
        HOST | DEVICE | INCOMPLETE, out, 0, 0) \
    Y(vkGetPipelineExecutablePropertiesKHR, \
        (VkDevice d, const VkPipelineInfoKHR *i, uint32_t *n, VkPipelineExecutablePropertiesKHR *out), \
        (d, i, n, out), HOST | DEVICE | INCOMPLETE, NULL, 0, 0) \
    Y(vkGetPipelineExecutableStatisticsKHR, \
        (VkDevice d, const VkPipelineExecutableInfoKHR *i, uint32_t *n, \
            VkPipelineExecutableStatisticKHR *out), \
        (d, i, n, out), HOST | DEVICE | INCOMPLETE, NULL, 0, 0)
// What the layer writes out by hand below.
#define INSTANCE_CALLS(Y) \
    Y(vkCreateInstance, HOST | DEVICE | INIT) \
    Y(vkCreateDevice, HOST | DEVICE | INIT | LOST) \
    Y(vkEnumeratePhysicalDevices, HOST | DEVICE | INIT) \
    Y(vkEnumerateDeviceExtensionProperties, HOST | DEVICE)

static struct {
    const char *kind;
    int bit;
    VkResult result;
    unsigned long at; // 0: never
    bool later, running, card;
    const char *calls;
    FILE *log;
} plan;
static atomic_ulong n_counted;
static atomic_bool lost;

static VkInstance instance;
static VkDevice device;
static PFN_vkGetInstanceProcAddr next_instance_proc;
static PFN_vkGetDeviceProcAddr next_device_proc;
#define NEXT(name, ...) static PFN_##name next_##name;
DEVICE_CALLS(NEXT)
INSTANCE_CALLS(NEXT)
NEXT(vkDestroyInstance)
NEXT(vkDestroyDevice)
NEXT(vkGetPhysicalDeviceProperties)
NEXT(vkGetPhysicalDeviceProperties2)

// Counts from the beginning. NULL: nothing fails, and all calls.
__attribute__((visibility("default"))) void fault_plan(const char *fault, const char *calls) {
    const char *at = fault ? strchr(fault, '@') : NULL;
    plan.bit = 0;
    plan.calls = calls;
    atomic_store(&n_counted, 0);
    for (size_t i = 0; at && i < sizeof(kinds) / sizeof(*kinds); i++)
        if (!strncmp(fault, kinds[i].name, (size_t)(at - fault)) && !kinds[i].name[at - fault])
            plan.kind = kinds[i].name, plan.bit = kinds[i].bit, plan.result = kinds[i].result;
    if (at) plan.at = strtoul(at + 1, NULL, 10), plan.later = strchr(at, '+') != NULL;
}

__attribute__((constructor)) static void read_plan(void) {
    const char *log = getenv("FAULT_LOG");
    fault_plan(getenv("FAULT"), getenv("FAULT_CALLS"));
    plan.running = getenv("FAULT_RUNNING") != NULL;
    plan.card = getenv("FAULT_CARD") != NULL;
    plan.log = log ? fopen(log, "ae") : NULL;
}

__attribute__((destructor)) static void write_count(void) {
    if (plan.log && plan.kind) fprintf(plan.log, "= %lu\n", atomic_load(&n_counted)), fclose(plan.log);
}

static bool is_meant(const char *name) {
    const size_t n = strlen(name);
    for (const char *at = plan.calls; at && (at = strstr(at, name)); at += n)
        if ((at == plan.calls || at[-1] == ',') && (at[n] == 0 || at[n] == ',')) return true;
    return !plan.calls;
}

// Does this call fail?
static bool fails(const char *name, int may, VkResult *result) {
    *result = VK_ERROR_DEVICE_LOST;
    if ((may & LOST) && atomic_load(&lost)) return true;
    if (!(may & plan.bit) || !is_meant(name)) return false;
    const unsigned long k = atomic_fetch_add(&n_counted, 1) + 1;
    if (plan.at == 0 || (plan.later ? k < plan.at : k != plan.at)) return false;
    if (plan.log && k == plan.at) fprintf(plan.log, "%lu %s %s\n", k, name, plan.kind), fflush(plan.log);
    if (plan.bit == LOST && device) {
        if (!plan.running) next_vkDeviceWaitIdle(device);
        atomic_store(&lost, true);
    }
    *result = plan.result;
    return true;
}

#define WRITE(name, parameters, arguments, may, output, size, byte) \
    static VKAPI_ATTR VkResult VKAPI_CALL our_##name parameters { \
        VkResult result; \
        if (!fails(#name, may, &result)) return next_##name arguments; \
        void *undefined = output; \
        if (undefined) memset(undefined, byte, size); \
        return result; \
    }
DEVICE_CALLS(WRITE)

static VKAPI_ATTR void VKAPI_CALL our_vkDestroyDevice(VkDevice d, const VkAllocationCallbacks *a) {
    device = VK_NULL_HANDLE;
    atomic_store(&lost, false);
    next_vkDestroyDevice(d, a);
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL our_vkGetDeviceProcAddr(VkDevice d, const char *name) {
    if (!strcmp(name, "vkGetDeviceProcAddr")) return (PFN_vkVoidFunction)our_vkGetDeviceProcAddr;
    if (!strcmp(name, "vkDestroyDevice")) return (PFN_vkVoidFunction)our_vkDestroyDevice;
#define DEVICE_CALL(call, ...) \
    if (!strcmp(name, #call)) return next_##call ? (PFN_vkVoidFunction)our_##call : NULL;
    DEVICE_CALLS(DEVICE_CALL)
    return next_device_proc(d, name);
}

static VKAPI_ATTR VkResult VKAPI_CALL our_vkCreateDevice(
    VkPhysicalDevice p, const VkDeviceCreateInfo *info, const VkAllocationCallbacks *a, VkDevice *out) {
    VkResult result;
    if (fails("vkCreateDevice", HOST | DEVICE | INIT | LOST, &result)) {
        memset(out, NONSENSE, sizeof(*out));
        return result;
    }
    VkLayerDeviceCreateInfo *link = (VkLayerDeviceCreateInfo *)info->pNext;
    while (link->sType != VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO || link->function != VK_LAYER_LINK_INFO)
        link = (VkLayerDeviceCreateInfo *)link->pNext;
    next_device_proc = link->u.pLayerInfo->pfnNextGetDeviceProcAddr;
    next_vkCreateDevice =
        (PFN_vkCreateDevice)link->u.pLayerInfo->pfnNextGetInstanceProcAddr(instance, "vkCreateDevice");
    link->u.pLayerInfo = link->u.pLayerInfo->pNext;
    if ((result = next_vkCreateDevice(p, info, a, out)) != VK_SUCCESS) return result;
    device = *out;
    atomic_store(&lost, false);
#define FETCH(name, ...) next_##name = (PFN_##name)next_device_proc(device, #name);
    DEVICE_CALLS(FETCH)
    FETCH(vkDestroyDevice)
    return VK_SUCCESS;
}

static VKAPI_ATTR VkResult VKAPI_CALL our_vkEnumeratePhysicalDevices(
    VkInstance i, uint32_t *n, VkPhysicalDevice *list) {
    VkResult result;
    return fails("vkEnumeratePhysicalDevices", HOST | DEVICE | INIT, &result)
        ? result
        : next_vkEnumeratePhysicalDevices(i, n, list);
}

static VKAPI_ATTR VkResult VKAPI_CALL our_vkEnumerateDeviceExtensionProperties(
    VkPhysicalDevice p, const char *layer, uint32_t *n, VkExtensionProperties *list) {
    VkResult result;
    return fails("vkEnumerateDeviceExtensionProperties", HOST | DEVICE, &result)
        ? result
        : next_vkEnumerateDeviceExtensionProperties(p, layer, n, list);
}

static void disguise(VkPhysicalDeviceProperties *p) {
    if (plan.card && p->deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU)
        p->deviceType = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
}

static VKAPI_ATTR void VKAPI_CALL our_vkGetPhysicalDeviceProperties(
    VkPhysicalDevice p, VkPhysicalDeviceProperties *out) {
    next_vkGetPhysicalDeviceProperties(p, out);
    disguise(out);
}

static VKAPI_ATTR void VKAPI_CALL our_vkGetPhysicalDeviceProperties2(
    VkPhysicalDevice p, VkPhysicalDeviceProperties2 *out) {
    next_vkGetPhysicalDeviceProperties2(p, out);
    disguise(&out->properties);
}

static VKAPI_ATTR void VKAPI_CALL our_vkDestroyInstance(VkInstance i, const VkAllocationCallbacks *a) {
    instance = VK_NULL_HANDLE;
    next_vkDestroyInstance(i, a);
}

static VKAPI_ATTR VkResult VKAPI_CALL our_vkCreateInstance(
    const VkInstanceCreateInfo *info, const VkAllocationCallbacks *a, VkInstance *out) {
    VkResult result;
    if (fails("vkCreateInstance", HOST | DEVICE | INIT, &result)) return result; // the loader owns *out
    VkLayerInstanceCreateInfo *link = (VkLayerInstanceCreateInfo *)info->pNext;
    while (
        link->sType != VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO || link->function != VK_LAYER_LINK_INFO)
        link = (VkLayerInstanceCreateInfo *)link->pNext;
    next_instance_proc = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
    next_vkCreateInstance = (PFN_vkCreateInstance)next_instance_proc(NULL, "vkCreateInstance");
    link->u.pLayerInfo = link->u.pLayerInfo->pNext;
    if ((result = next_vkCreateInstance(info, a, out)) != VK_SUCCESS) return result;
    instance = *out;
#define FETCH_OF_INSTANCE(name, ...) next_##name = (PFN_##name)next_instance_proc(instance, #name);
    FETCH_OF_INSTANCE(vkDestroyInstance)
    FETCH_OF_INSTANCE(vkEnumeratePhysicalDevices)
    FETCH_OF_INSTANCE(vkEnumerateDeviceExtensionProperties)
    FETCH_OF_INSTANCE(vkGetPhysicalDeviceProperties)
    FETCH_OF_INSTANCE(vkGetPhysicalDeviceProperties2)
    return VK_SUCCESS;
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL our_vkGetInstanceProcAddr(VkInstance i, const char *name) {
    if (!strcmp(name, "vkGetInstanceProcAddr")) return (PFN_vkVoidFunction)our_vkGetInstanceProcAddr;
#define INSTANCE_CALL(call, ...) \
    if (!strcmp(name, #call)) return (PFN_vkVoidFunction)our_##call;
    INSTANCE_CALLS(INSTANCE_CALL)
    INSTANCE_CALL(vkDestroyInstance)
    INSTANCE_CALL(vkDestroyDevice)
    INSTANCE_CALL(vkGetDeviceProcAddr)
    INSTANCE_CALL(vkGetPhysicalDeviceProperties)
    INSTANCE_CALL(vkGetPhysicalDeviceProperties2)
    DEVICE_CALLS(INSTANCE_CALL)
    return i && next_instance_proc ? next_instance_proc(i, name) : NULL;
}

__attribute__((visibility("default"))) VKAPI_ATTR VkResult VKAPI_CALL vkNegotiateLoaderLayerInterfaceVersion(
    VkNegotiateLayerInterface *interface) {
    if (interface->loaderLayerInterfaceVersion < 2) return VK_ERROR_INITIALIZATION_FAILED;
    interface->loaderLayerInterfaceVersion = 2;
    interface->pfnGetInstanceProcAddr = our_vkGetInstanceProcAddr;
    interface->pfnGetDeviceProcAddr = our_vkGetDeviceProcAddr;
    interface->pfnGetPhysicalDeviceProcAddr = NULL;
    return VK_SUCCESS;
}
