#include "gpu/features.h"
#include <fathom/gpu.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Where a feature stands in the structures of Vulkan. A program may have enabled a feature by the structure
// of a version or by the feature's own.
#define FLAG(type, structure, member, feature) \
    { \
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_##type, offsetof(VkPhysicalDevice##structure, member), feature, \
            #member \
    }
static const struct {
    VkStructureType type;
    size_t offset;
    uint32_t feature;
    const char *name;
} flags[] = {
    FLAG(FEATURES_2, Features2, features.shaderInt16, FM_FEATURE_INT16),
    FLAG(FEATURES_2, Features2, features.shaderInt64, FM_FEATURE_INT64),
    FLAG(VULKAN_1_1_FEATURES, Vulkan11Features, storageBuffer16BitAccess, FM_FEATURE_STORAGE_16BIT),
    FLAG(16BIT_STORAGE_FEATURES, 16BitStorageFeatures, storageBuffer16BitAccess, FM_FEATURE_STORAGE_16BIT),
    FLAG(VULKAN_1_2_FEATURES, Vulkan12Features, timelineSemaphore, FM_FEATURE_TIMELINE),
    FLAG(TIMELINE_SEMAPHORE_FEATURES, TimelineSemaphoreFeatures, timelineSemaphore, FM_FEATURE_TIMELINE),
    FLAG(VULKAN_1_2_FEATURES, Vulkan12Features, storageBuffer8BitAccess, FM_FEATURE_STORAGE_8BIT),
    FLAG(8BIT_STORAGE_FEATURES, 8BitStorageFeatures, storageBuffer8BitAccess, FM_FEATURE_STORAGE_8BIT),
    FLAG(VULKAN_1_2_FEATURES, Vulkan12Features, shaderFloat16, FM_FEATURE_FLOAT16),
    FLAG(SHADER_FLOAT16_INT8_FEATURES, ShaderFloat16Int8Features, shaderFloat16, FM_FEATURE_FLOAT16),
    FLAG(VULKAN_1_2_FEATURES, Vulkan12Features, shaderInt8, FM_FEATURE_INT8),
    FLAG(SHADER_FLOAT16_INT8_FEATURES, ShaderFloat16Int8Features, shaderInt8, FM_FEATURE_INT8),
    FLAG(VULKAN_1_2_FEATURES, Vulkan12Features, bufferDeviceAddress, FM_FEATURE_DEVICE_ADDRESS),
    FLAG(BUFFER_DEVICE_ADDRESS_FEATURES, BufferDeviceAddressFeatures, bufferDeviceAddress,
        FM_FEATURE_DEVICE_ADDRESS),
    FLAG(VULKAN_1_2_FEATURES, Vulkan12Features, vulkanMemoryModel, FM_FEATURE_MEMORY_MODEL),
    FLAG(VULKAN_MEMORY_MODEL_FEATURES, VulkanMemoryModelFeatures, vulkanMemoryModel, FM_FEATURE_MEMORY_MODEL),
    FLAG(VULKAN_1_3_FEATURES, Vulkan13Features, subgroupSizeControl, FM_FEATURE_SUBGROUP_SIZE_CONTROL),
    FLAG(SUBGROUP_SIZE_CONTROL_FEATURES, SubgroupSizeControlFeatures, subgroupSizeControl,
        FM_FEATURE_SUBGROUP_SIZE_CONTROL),
    FLAG(VULKAN_1_3_FEATURES, Vulkan13Features, computeFullSubgroups, FM_FEATURE_FULL_SUBGROUPS),
    FLAG(SUBGROUP_SIZE_CONTROL_FEATURES, SubgroupSizeControlFeatures, computeFullSubgroups,
        FM_FEATURE_FULL_SUBGROUPS),
    FLAG(VULKAN_1_3_FEATURES, Vulkan13Features, shaderIntegerDotProduct, FM_FEATURE_INTEGER_DOT),
    FLAG(SHADER_INTEGER_DOT_PRODUCT_FEATURES, ShaderIntegerDotProductFeatures, shaderIntegerDotProduct,
        FM_FEATURE_INTEGER_DOT),
    FLAG(COOPERATIVE_MATRIX_FEATURES_KHR, CooperativeMatrixFeaturesKHR, cooperativeMatrix,
        FM_FEATURE_COOPERATIVE_MATRIX),
    FLAG(PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR, PipelineExecutablePropertiesFeaturesKHR,
        pipelineExecutableInfo, FM_FEATURE_EXECUTABLES),
    FLAG(FAULT_FEATURES_EXT, FaultFeaturesEXT, deviceFault, FM_FEATURE_FAULT),
};
enum { N_FLAGS = sizeof(flags) / sizeof(*flags) };

static const struct {
    uint32_t extension;
    const char *name;
    uint32_t part_of; // the version of Vulkan that has the extension without its name; 0: none
} extensions[FM_MOST_EXTENSIONS] = {
    {FM_EXTENSION_SUBGROUP_SIZE_CONTROL, VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME, VK_API_VERSION_1_3},
    {FM_EXTENSION_INTEGER_DOT, VK_KHR_SHADER_INTEGER_DOT_PRODUCT_EXTENSION_NAME, VK_API_VERSION_1_3},
    {FM_EXTENSION_COOPERATIVE_MATRIX, VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME, 0},
    {FM_EXTENSION_EXECUTABLES, VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME, 0},
    {FM_EXTENSION_MEMORY_BUDGET, VK_EXT_MEMORY_BUDGET_EXTENSION_NAME, 0},
    {FM_EXTENSION_HOST_MEMORY, VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME, 0},
    {FM_EXTENSION_FAULT, VK_EXT_DEVICE_FAULT_EXTENSION_NAME, 0},
};

// What each capability needs.
static const struct {
    uint32_t cap, features, extensions;
} needs[] = {
    {FATHOM_CAP_SUBGROUP_SIZE_CONTROL, FM_FEATURE_SUBGROUP_SIZE_CONTROL | FM_FEATURE_FULL_SUBGROUPS,
        FM_EXTENSION_SUBGROUP_SIZE_CONTROL},
    {FATHOM_CAP_STORAGE_16BIT, FM_FEATURE_STORAGE_16BIT, 0},
    {FATHOM_CAP_STORAGE_8BIT, FM_FEATURE_STORAGE_8BIT, 0},
    {FATHOM_CAP_FLOAT16, FM_FEATURE_FLOAT16, 0},
    {FATHOM_CAP_INT8, FM_FEATURE_INT8, 0},
    {FATHOM_CAP_INT16, FM_FEATURE_INT16, 0},
    {FATHOM_CAP_INT64, FM_FEATURE_INT64, 0},
    {FATHOM_CAP_INTEGER_DOT, FM_FEATURE_INTEGER_DOT, FM_EXTENSION_INTEGER_DOT},
    {FATHOM_CAP_COOPERATIVE_MATRIX, FM_FEATURE_COOPERATIVE_MATRIX | FM_FEATURE_MEMORY_MODEL,
        FM_EXTENSION_COOPERATIVE_MATRIX},
    {FATHOM_CAP_MEMORY_BUDGET, 0, FM_EXTENSION_MEMORY_BUDGET},
    {FATHOM_CAP_HOST_IMPORT, 0, FM_EXTENSION_HOST_MEMORY},
    {FATHOM_CAP_STATISTICS, FM_FEATURE_EXECUTABLES, FM_EXTENSION_EXECUTABLES},
    {FATHOM_CAP_DEVICE_ADDRESS, FM_FEATURE_DEVICE_ADDRESS, 0},
};
enum { N_NEEDS = sizeof(needs) / sizeof(*needs) };

uint32_t fm_offer_caps(const struct fm_offer *offer) {
    uint32_t caps = 0;
    for (size_t i = 0; i < N_NEEDS; i++)
        if (!(needs[i].features & ~offer->features) && !(needs[i].extensions & ~offer->extensions))
            caps |= needs[i].cap;
    return caps;
}

static uint32_t read_chain(const void *chain) {
    uint32_t features = 0;
    for (const VkBaseInStructure *s = chain; s; s = s->pNext)
        for (size_t i = 0; i < N_FLAGS; i++)
            if (flags[i].type == s->sType && *(const VkBool32 *)((const char *)s + flags[i].offset))
                features |= flags[i].feature;
    return features;
}

static void write_chain(void *chain, uint32_t features) {
    for (VkBaseOutStructure *s = chain; s; s = s->pNext)
        for (size_t i = 0; i < N_FLAGS; i++)
            if (flags[i].type == s->sType && (flags[i].feature & features))
                *(VkBool32 *)((char *)s + flags[i].offset) = VK_TRUE;
}

// Links the structures of Vulkan 1.2 and of these extensions, with all features false.
static void link_chain(struct fm_wanted *w, uint32_t of) {
    memset(w, 0, sizeof(*w));
    w->base.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2;
    w->v11.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES;
    w->v12.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES;
    w->sizes.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES;
    w->dots.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES;
    w->matrices.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR;
    w->executables.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR;
    w->fault.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FAULT_FEATURES_EXT;
    const struct {
        bool there;
        void *structure;
    } links[] = {
        {true, &w->v11},
        {true, &w->v12},
        {of & FM_EXTENSION_SUBGROUP_SIZE_CONTROL, &w->sizes},
        {of & FM_EXTENSION_INTEGER_DOT, &w->dots},
        {of & FM_EXTENSION_COOPERATIVE_MATRIX, &w->matrices},
        {of & FM_EXTENSION_EXECUTABLES, &w->executables},
        {of & FM_EXTENSION_FAULT, &w->fault},
    };
    VkBaseOutStructure *last = (VkBaseOutStructure *)&w->base;
    for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++)
        if (links[i].there) last = last->pNext = links[i].structure;
}

static uint32_t part_of(uint32_t api_version) {
    uint32_t there = 0;
    for (size_t i = 0; i < FM_MOST_EXTENSIONS; i++)
        if (extensions[i].part_of && api_version >= extensions[i].part_of) there |= extensions[i].extension;
    return there;
}

static uint32_t extension_of(const char *name) {
    for (size_t i = 0; i < FM_MOST_EXTENSIONS; i++)
        if (!strcmp(name, extensions[i].name)) return extensions[i].extension;
    return 0;
}

static VkResult read_extensions(
    const struct fm_instance_functions *vki, VkPhysicalDevice physical, uint32_t *there) {
    uint32_t n = 0;
    VkResult result = vki->vkEnumerateDeviceExtensionProperties(physical, NULL, &n, NULL);
    if (result != VK_SUCCESS) return result;
    VkExtensionProperties *list = calloc(n ? n : 1, sizeof(*list));
    if (!list) return VK_ERROR_OUT_OF_HOST_MEMORY;
    result = vki->vkEnumerateDeviceExtensionProperties(physical, NULL, &n, list);
    for (uint32_t i = 0; i < n && result >= 0; i++) *there |= extension_of(list[i].extensionName);
    free(list);
    return result >= 0 ? VK_SUCCESS : result; // VK_INCOMPLETE: the driver has got more meanwhile
}

VkResult fm_offer_read(const struct fm_instance_functions *vki, VkPhysicalDevice physical,
    uint32_t instance_version, struct fm_offer *offer) {
    VkPhysicalDeviceProperties p;
    struct fm_wanted chain;
    vki->vkGetPhysicalDeviceProperties(physical, &p);
    *offer =
        (struct fm_offer){.api_version = p.apiVersion < instance_version ? p.apiVersion : instance_version};
    if (offer->api_version < VK_API_VERSION_1_2) return VK_SUCCESS;
    offer->extensions = part_of(offer->api_version);
    const VkResult result = read_extensions(vki, physical, &offer->extensions);
    if (result != VK_SUCCESS) return result;
    link_chain(&chain, offer->extensions);
    vki->vkGetPhysicalDeviceFeatures2(physical, &chain.base);
    offer->features = read_chain(&chain.base);
    return VK_SUCCESS;
}

struct fm_offer fm_offer_enabled(
    uint32_t api_version, const void *chain, const char *const *names, uint32_t n_names) {
    struct fm_offer offer = {api_version, read_chain(chain), part_of(api_version)};
    for (uint32_t i = 0; i < n_names; i++) offer.extensions |= extension_of(names[i]);
    return offer;
}

void fm_offer_difference(const struct fm_offer *a, const struct fm_offer *b, char *text, size_t capacity) {
    size_t n = 0;
    uint32_t features = a->features & ~b->features;
    const uint32_t missing = a->extensions & ~b->extensions;
    text[0] = 0;
    for (size_t i = 0; i < N_FLAGS && n < capacity; i++) {
        if (!(flags[i].feature & features)) continue;
        features &= ~flags[i].feature;
        n += (size_t)snprintf(text + n, capacity - n, "%s%s", n ? ", " : "", flags[i].name);
    }
    for (size_t i = 0; i < FM_MOST_EXTENSIONS && n < capacity; i++)
        if (extensions[i].extension & missing)
            n += (size_t)snprintf(text + n, capacity - n, "%s%s", n ? ", " : "", extensions[i].name);
}

void fm_wanted_set(struct fm_wanted *w, const struct fm_offer *offer, uint32_t caps) {
    uint32_t features = FM_FEATURE_TIMELINE, wanted = 0;
    for (size_t i = 0; i < N_NEEDS; i++)
        if (needs[i].cap & caps) features |= needs[i].features, wanted |= needs[i].extensions;
    if ((offer->features & FM_FEATURE_FAULT) && (offer->extensions & FM_EXTENSION_FAULT))
        features |= FM_FEATURE_FAULT, wanted |= FM_EXTENSION_FAULT;
    link_chain(w, wanted);
    write_chain(&w->base, features);
    const uint32_t named = wanted & ~part_of(offer->api_version);
    for (size_t i = 0; i < FM_MOST_EXTENSIONS; i++)
        if (extensions[i].extension & named) w->extensions[w->n_extensions++] = extensions[i].name;
}
