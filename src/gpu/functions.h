// The functions of Vulkan that Fathom calls, in tables that belong to a gpu. Fathom has no variable or
// function with a name of Vulkan's, so a program with its own Vulkan, or with its own volk, can link with
// Fathom.
#ifndef FM_GPU_FUNCTIONS_H
#define FM_GPU_FUNCTIONS_H
#include "gpu/vulkan_compat.h"

// Functions of the instance, all of Vulkan 1.1 at most.
#define FM_INSTANCE_FUNCTIONS(X) \
    X(vkDestroyInstance) \
    X(vkEnumeratePhysicalDevices) \
    X(vkEnumerateDeviceExtensionProperties) \
    X(vkGetPhysicalDeviceProperties) \
    X(vkGetPhysicalDeviceProperties2) \
    X(vkGetPhysicalDeviceFeatures2) \
    X(vkGetPhysicalDeviceMemoryProperties) \
    X(vkGetPhysicalDeviceMemoryProperties2) \
    X(vkGetPhysicalDeviceQueueFamilyProperties) \
    X(vkGetPhysicalDeviceExternalBufferProperties) \
    X(vkCreateDevice) \
    X(vkGetDeviceProcAddr)
// NULL without the extension.
#define FM_INSTANCE_EXTENSION_FUNCTIONS(X) X(vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR)

// Functions of the device, all of Vulkan 1.2 at most.
#define FM_DEVICE_FUNCTIONS(X) \
    X(vkAllocateCommandBuffers) \
    X(vkAllocateDescriptorSets) \
    X(vkAllocateMemory) \
    X(vkBeginCommandBuffer) \
    X(vkBindBufferMemory) \
    X(vkCmdBindDescriptorSets) \
    X(vkCmdBindPipeline) \
    X(vkCmdCopyBuffer) \
    X(vkCmdDispatch) \
    X(vkCmdDispatchBase) \
    X(vkCmdUpdateBuffer) \
    X(vkCmdDispatchIndirect) \
    X(vkCmdFillBuffer) \
    X(vkCmdPipelineBarrier) \
    X(vkCmdPushConstants) \
    X(vkCmdResetQueryPool) \
    X(vkCmdWriteTimestamp) \
    X(vkCreateBuffer) \
    X(vkCreateCommandPool) \
    X(vkCreateComputePipelines) \
    X(vkCreateDescriptorPool) \
    X(vkCreateDescriptorSetLayout) \
    X(vkCreatePipelineCache) \
    X(vkCreatePipelineLayout) \
    X(vkCreateQueryPool) \
    X(vkCreateSemaphore) \
    X(vkCreateShaderModule) \
    X(vkDestroyBuffer) \
    X(vkDestroyCommandPool) \
    X(vkDestroyDescriptorPool) \
    X(vkDestroyDescriptorSetLayout) \
    X(vkDestroyDevice) \
    X(vkDestroyPipeline) \
    X(vkDestroyPipelineCache) \
    X(vkDestroyPipelineLayout) \
    X(vkDestroyQueryPool) \
    X(vkDestroySemaphore) \
    X(vkDestroyShaderModule) \
    X(vkDeviceWaitIdle) \
    X(vkEndCommandBuffer) \
    X(vkFreeCommandBuffers) \
    X(vkFreeMemory) \
    X(vkGetBufferDeviceAddress) \
    X(vkGetBufferMemoryRequirements) \
    X(vkGetDeviceQueue) \
    X(vkGetPipelineCacheData) \
    X(vkGetQueryPoolResults) \
    X(vkGetSemaphoreCounterValue) \
    X(vkMapMemory) \
    X(vkQueueSubmit) \
    X(vkQueueWaitIdle) \
    X(vkResetCommandPool) \
    X(vkResetDescriptorPool) \
    X(vkUpdateDescriptorSets) \
    X(vkWaitSemaphores)
// NULL without the extension.
#define FM_DEVICE_EXTENSION_FUNCTIONS(X) \
    X(vkGetDeviceFaultInfoEXT) \
    X(vkGetMemoryHostPointerPropertiesEXT) \
    X(vkGetPipelineExecutablePropertiesKHR) \
    X(vkGetPipelineExecutableStatisticsKHR)

#define FM_FUNCTION_MEMBER(name) PFN_##name name;
struct fm_instance_functions {
    FM_INSTANCE_FUNCTIONS(FM_FUNCTION_MEMBER)
    FM_INSTANCE_EXTENSION_FUNCTIONS(FM_FUNCTION_MEMBER)
};
struct fm_device_functions {
    FM_DEVICE_FUNCTIONS(FM_FUNCTION_MEMBER)
    FM_DEVICE_EXTENSION_FUNCTIONS(FM_FUNCTION_MEMBER)
};

// Fill a table. Return NULL, or the name of the first function that is missing and of no extension.
const char *fm_instance_functions_load(
    struct fm_instance_functions *table, PFN_vkGetInstanceProcAddr get, VkInstance instance);
const char *fm_device_functions_load(
    struct fm_device_functions *table, PFN_vkGetDeviceProcAddr get, VkDevice device);
#endif
