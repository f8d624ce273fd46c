#include "gpu/functions.h"
#include <stddef.h>

#define FETCH(name) table->name = (PFN_##name)get(owner, #name);
#define FETCH_NEEDED(name) \
    FETCH(name) \
    if (!table->name && !missing) missing = #name;

const char *fm_instance_functions_load(
    struct fm_instance_functions *table, PFN_vkGetInstanceProcAddr get, VkInstance owner) {
    const char *missing = NULL;
    FM_INSTANCE_FUNCTIONS(FETCH_NEEDED)
    FM_INSTANCE_EXTENSION_FUNCTIONS(FETCH)
    return missing;
}

const char *fm_device_functions_load(
    struct fm_device_functions *table, PFN_vkGetDeviceProcAddr get, VkDevice owner) {
    const char *missing = NULL;
    FM_DEVICE_FUNCTIONS(FETCH_NEEDED)
    FM_DEVICE_EXTENSION_FUNCTIONS(FETCH)
    return missing;
}
