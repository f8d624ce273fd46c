// Bugs of drivers. Each row removes capabilities, and the comments name the evidence.
#include "gpu/internal.h"

static const struct quirk {
    VkDriverId driver;
    uint32_t min_version, max_version; // VkPhysicalDeviceProperties::driverVersion, inclusive
    uint32_t subgroup_size;            // only when the smallest subgroup size is this; 0: always
    bool integrated;                   // only integrated devices
    uint32_t removes;                  // enum fathom_gpu_caps
} quirks[] = {
    // Cooperative matrices crash in the compiler when a subgroup is 16 wide (LP_NATIVE_VECTOR_WIDTH=512);
    // seen with Mesa 26.2.
    {VK_DRIVER_ID_MESA_LLVMPIPE, 0, UINT32_MAX, 16, false, FATHOM_CAP_COOPERATIVE_MATRIX},
    // The driver executes a read at an address that all lanes share lane by lane: 0.3 and 0.6 GB/s, where
    // later versions reach 13. Seen with Mesa 22.3 and 25.0, which report version 1; not with 26.2.
    // SwiftShader does not detect lanes that share an address.
    {VK_DRIVER_ID_MESA_LLVMPIPE, 0, VK_MAKE_VERSION(26, 0, 0) - 1, 0, false, FATHOM_CAP_UNIFORM_LOADS},
    {VK_DRIVER_ID_GOOGLE_SWIFTSHADER, 0, UINT32_MAX, 0, false, FATHOM_CAP_UNIFORM_LOADS},
    // Integrated devices before Xe2 have no matrix units: the compiler emulates the products. Seen with Mesa
    // 25.0 for Tiger Lake.
    {VK_DRIVER_ID_INTEL_OPEN_SOURCE_MESA, 0, UINT32_MAX, 8, true, FATHOM_CAP_COOPERATIVE_MATRIX},
};

uint32_t fm_quirks(
    uint32_t caps, uint32_t driver_version, VkDriverId driver, const struct fathom_gpu_info *info) {
    for (size_t i = 0; i < sizeof(quirks) / sizeof(*quirks); i++) {
        const struct quirk *q = &quirks[i];
        const bool this_version = driver_version >= q->min_version && driver_version <= q->max_version;
        const bool this_kind = (!q->subgroup_size || q->subgroup_size == info->min_subgroup_size) &&
            (!q->integrated || info->type == FATHOM_GPU_INTEGRATED);
        if (q->driver == driver && this_version && this_kind) caps &= ~q->removes;
    }
    return caps;
}
