// The features and extensions of Vulkan that Fathom can use: what a driver offers, what a program has enabled
// on its own device, and what to enable on a new one.
#ifndef FM_GPU_FEATURES_H
#define FM_GPU_FEATURES_H
#include "gpu/functions.h"
#include <stdbool.h>
#include <stddef.h>

enum fm_feature {
    FM_FEATURE_TIMELINE = 1u << 0, // the only one that is required
    FM_FEATURE_INT16 = 1u << 1,
    FM_FEATURE_INT64 = 1u << 2,
    FM_FEATURE_STORAGE_16BIT = 1u << 3,
    FM_FEATURE_STORAGE_8BIT = 1u << 4,
    FM_FEATURE_FLOAT16 = 1u << 5,
    FM_FEATURE_INT8 = 1u << 6,
    FM_FEATURE_DEVICE_ADDRESS = 1u << 7,
    FM_FEATURE_MEMORY_MODEL = 1u << 8,
    FM_FEATURE_SUBGROUP_SIZE_CONTROL = 1u << 9,
    FM_FEATURE_FULL_SUBGROUPS = 1u << 10,
    FM_FEATURE_INTEGER_DOT = 1u << 11,
    FM_FEATURE_COOPERATIVE_MATRIX = 1u << 12,
    FM_FEATURE_EXECUTABLES = 1u << 13,
    FM_FEATURE_FAULT = 1u << 14,
};

enum fm_extension {
    FM_EXTENSION_SUBGROUP_SIZE_CONTROL = 1u << 0, // part of Vulkan 1.3
    FM_EXTENSION_INTEGER_DOT = 1u << 1,           // part of Vulkan 1.3
    FM_EXTENSION_COOPERATIVE_MATRIX = 1u << 2,
    FM_EXTENSION_EXECUTABLES = 1u << 3,
    FM_EXTENSION_MEMORY_BUDGET = 1u << 4,
    FM_EXTENSION_HOST_MEMORY = 1u << 5,
    FM_EXTENSION_FAULT = 1u << 6,
};
enum { FM_MOST_EXTENSIONS = 7 };

struct fm_offer {
    uint32_t api_version; // that may be used: the lower of the device's and the instance's
    uint32_t features;    // enum fm_feature
    uint32_t extensions;  // enum fm_extension; also those that are part of api_version
};

// Reads what the driver offers to a device of an instance of this version. Returns the VkResult of
// vkEnumerateDeviceExtensionProperties.
VkResult fm_offer_read(const struct fm_instance_functions *vki, VkPhysicalDevice physical,
    uint32_t instance_version, struct fm_offer *offer);
// The same of what was enabled. `chain` begins with VkPhysicalDeviceFeatures2 or any other structure of
// features; NULL: none.
struct fm_offer fm_offer_enabled(
    uint32_t api_version, const void *chain, const char *const *extensions, uint32_t n_extensions);
// Writes the names of what is in `a` and not in `b`, with commas, as far as there is room.
void fm_offer_difference(const struct fm_offer *a, const struct fm_offer *b, char *text, size_t capacity);

// The capabilities that an offer allows, of those that depend on features and extensions alone.
uint32_t fm_offer_caps(const struct fm_offer *offer);

// What to enable on a device, for vkCreateDevice. The structures point to each other: do not copy.
struct fm_wanted {
    VkPhysicalDeviceFeatures2 base; // the head of the chain
    VkPhysicalDeviceVulkan11Features v11;
    VkPhysicalDeviceVulkan12Features v12;
    VkPhysicalDeviceSubgroupSizeControlFeatures sizes;
    VkPhysicalDeviceShaderIntegerDotProductFeatures dots;
    VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrices;
    VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR executables;
    VkPhysicalDeviceFaultFeaturesEXT fault;
    const char *extensions[FM_MOST_EXTENSIONS];
    uint32_t n_extensions;
};
// For these capabilities, and for reports of faults where the driver offers them.
void fm_wanted_set(struct fm_wanted *wanted, const struct fm_offer *offer, uint32_t caps);
#endif
