// Derives fathom_gpu_info from the properties and features of a Vulkan device.
#include "gpu/internal.h"
#include <stdio.h>

static enum fathom_gpu_type type_of(VkPhysicalDeviceType type) {
    switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU: return FATHOM_GPU_DISCRETE;
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU: return FATHOM_GPU_INTEGRATED;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU: return FATHOM_GPU_VIRTUAL;
    case VK_PHYSICAL_DEVICE_TYPE_CPU: return FATHOM_GPU_CPU;
    default: return FATHOM_GPU_OTHER;
    }
}

// Returns whether the host's CPU prefetches only few streams, when it reads 32 rows at once. Measured: an
// EPYC 9004 gains 60 % by reading ahead, a Xeon with AMX loses 30 %. All other CPUs count as the latter; see
// decisions/rows-on-cpus.md.
static bool follows_few_streams(void) {
#ifdef __x86_64__
    __builtin_cpu_init();
    return __builtin_cpu_is("amd");
#else
    return false;
#endif
}

static uint32_t caps_of(const VkPhysicalDeviceProperties *properties, const struct fm_offer *offer,
    const VkPhysicalDeviceVulkan11Properties *p11) {
    const bool cpu = properties->deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
    const VkSubgroupFeatureFlags arithmetic =
        VK_SUBGROUP_FEATURE_BASIC_BIT | VK_SUBGROUP_FEATURE_ARITHMETIC_BIT | VK_SUBGROUP_FEATURE_BALLOT_BIT;
    uint32_t caps = fm_offer_caps(offer);
    if ((p11->subgroupSupportedOperations & arithmetic) == arithmetic &&
        (p11->subgroupSupportedStages & VK_SHADER_STAGE_COMPUTE_BIT))
        caps |= FATHOM_CAP_SUBGROUP_ARITHMETIC;
    if (!cpu) return caps & ~(uint32_t)FATHOM_CAP_DEVICE_ADDRESS; // no variant for cards uses addresses
    if (follows_few_streams()) caps |= FATHOM_CAP_READ_AHEAD;
    if (caps & FATHOM_CAP_DEVICE_ADDRESS) caps |= FATHOM_CAP_UNIFORM_LOADS; // a quirk may remove this
    return caps;
}

// Finds the cooperative matrix shape with the most products, among the shapes that a subgroup multiplies in
// float16 and adds in float32. The shape must divide 32 rows, columns and tokens, and must leave few sums an
// invocation. Returns false when the device has no such shape.
static bool find_matrix(
    const struct fm_instance_functions *vki, VkPhysicalDevice physical, struct fathom_gpu_info *info) {
    const PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR get =
        vki->vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR;
    VkCooperativeMatrixPropertiesKHR list[256];
    for (size_t i = 0; i < 256; i++)
        list[i] =
            (VkCooperativeMatrixPropertiesKHR){.sType = VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR};
    uint32_t n = 256;
    if (!get || get(physical, &n, list) < 0) return false;
    for (uint32_t i = 0; i < n; i++) {
        const VkCooperativeMatrixPropertiesKHR *p = &list[i];
        if (p->scope != VK_SCOPE_SUBGROUP_KHR || p->AType != VK_COMPONENT_TYPE_FLOAT16_KHR ||
            p->BType != VK_COMPONENT_TYPE_FLOAT16_KHR || p->CType != VK_COMPONENT_TYPE_FLOAT32_KHR ||
            p->ResultType != VK_COMPONENT_TYPE_FLOAT32_KHR || p->MSize == 0 || 32 % p->MSize ||
            p->NSize == 0 || 32 % p->NSize || p->KSize % 8 || p->KSize == 0 || 32 % p->KSize ||
            p->MSize * p->NSize > 16 * info->min_subgroup_size)
            continue;
        if (p->MSize * p->NSize * p->KSize <= info->matrix_m * info->matrix_n * info->matrix_k) continue;
        info->matrix_m = p->MSize;
        info->matrix_n = p->NSize;
        info->matrix_k = p->KSize;
    }
    return info->matrix_m != 0;
}

static void limits(const VkPhysicalDeviceLimits *l, bool timers, struct fathom_gpu_info *info) {
    info->max_storage_range = l->maxStorageBufferRange;
    info->storage_alignment =
        l->minStorageBufferOffsetAlignment > 4 ? (uint32_t)l->minStorageBufferOffsetAlignment : 4;
    info->max_shared_memory = l->maxComputeSharedMemorySize;
    info->max_invocations = l->maxComputeWorkGroupInvocations;
    info->timestamp_period = timers && l->timestampComputeAndGraphics ? l->timestampPeriod : 0;
}

void fm_capabilities(const struct fm_instance_functions *vki, VkPhysicalDevice physical,
    const struct fm_offer *offer, struct fathom_gpu_info *info) {
    VkPhysicalDeviceProperties base;
    vki->vkGetPhysicalDeviceProperties(physical, &base);
    snprintf(info->name, sizeof(info->name), "%s", base.deviceName);
    info->vendor_id = base.vendorID;
    info->device_id = base.deviceID;
    info->api_version = base.apiVersion;
    info->type = type_of(base.deviceType);
    limits(&base.limits, true, info);
    if (base.apiVersion < VK_API_VERSION_1_2) {
        snprintf(info->unusable, sizeof(info->unusable), "its driver has Vulkan %u.%u; 1.2 is needed",
            VK_API_VERSION_MAJOR(base.apiVersion), VK_API_VERSION_MINOR(base.apiVersion));
        return;
    }
    const bool size_control = offer->extensions & FM_EXTENSION_SUBGROUP_SIZE_CONTROL;
    VkPhysicalDeviceSubgroupSizeControlProperties sizes = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES,
    };
    VkPhysicalDeviceVulkan12Properties p12 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_PROPERTIES,
        .pNext = size_control ? &sizes : NULL,
    };
    VkPhysicalDeviceVulkan11Properties p11 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_PROPERTIES,
        .pNext = &p12,
    };
    VkPhysicalDeviceProperties2 p = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &p11};
    vki->vkGetPhysicalDeviceProperties2(physical, &p);
    snprintf(info->driver, sizeof(info->driver), "%.120s %.120s", p12.driverName, p12.driverInfo);
    info->max_allocation = p11.maxMemoryAllocationSize;
    info->subgroup_size = p11.subgroupSize;
    info->min_subgroup_size = size_control ? sizes.minSubgroupSize : p11.subgroupSize;
    info->max_subgroup_size = size_control ? sizes.maxSubgroupSize : p11.subgroupSize;
    info->caps = fm_quirks(caps_of(&base, offer, &p11), base.driverVersion, p12.driverID, info);
    if (!(sizes.requiredSubgroupSizeStages & VK_SHADER_STAGE_COMPUTE_BIT))
        info->caps &= ~(uint32_t)FATHOM_CAP_SUBGROUP_SIZE_CONTROL;
    if (info->min_subgroup_size < 4) info->caps &= ~(uint32_t)FATHOM_CAP_SUBGROUP_ARITHMETIC;
    // the number of sums an invocation holds depends on the subgroup size
    const bool one_size =
        (info->caps & FATHOM_CAP_SUBGROUP_SIZE_CONTROL) || info->min_subgroup_size == info->max_subgroup_size;
    if ((info->caps & FATHOM_CAP_COOPERATIVE_MATRIX) && (!one_size || !find_matrix(vki, physical, info)))
        info->caps &= ~(uint32_t)FATHOM_CAP_COOPERATIVE_MATRIX;
    fm_memory_measure(vki, physical, info);
    fm_import_measure(vki, physical, info);
    if (!(offer->features & FM_FEATURE_TIMELINE))
        snprintf(info->unusable, sizeof(info->unusable), "it has no timeline semaphores");
    else if (info->max_invocations < 256 || info->max_shared_memory < 32768)
        snprintf(info->unusable, sizeof(info->unusable),
            "it has %u invocations and %u bytes of shared memory a workgroup; 256 and 32768 are needed",
            info->max_invocations, info->max_shared_memory);
}
