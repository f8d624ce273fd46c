// Describes why a device was lost, for drivers with VK_EXT_device_fault.
#include "gpu/internal.h"
#include <stdio.h>

enum { MAX_REPORTS = 4 };

void fm_fault_describe(const struct fathom_gpu *gpu, char *text, size_t capacity) {
    VkDeviceFaultAddressInfoEXT addresses[MAX_REPORTS];
    VkDeviceFaultVendorInfoEXT reports[MAX_REPORTS];
    VkDeviceFaultCountsEXT counts = {.sType = VK_STRUCTURE_TYPE_DEVICE_FAULT_COUNTS_EXT};
    VkDeviceFaultInfoEXT info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_FAULT_INFO_EXT,
        .pAddressInfos = addresses,
        .pVendorInfos = reports,
    };
    text[0] = 0;
    if (!gpu->device_fault || gpu->vk.vkGetDeviceFaultInfoEXT(gpu->device, &counts, NULL) != VK_SUCCESS)
        return;
    if (counts.addressInfoCount > MAX_REPORTS) counts.addressInfoCount = MAX_REPORTS;
    if (counts.vendorInfoCount > MAX_REPORTS) counts.vendorInfoCount = MAX_REPORTS;
    counts.vendorBinarySize = 0;
    const VkResult result = gpu->vk.vkGetDeviceFaultInfoEXT(gpu->device, &counts, &info);
    if (result != VK_SUCCESS && result != VK_INCOMPLETE) return;
    size_t n = (size_t)snprintf(text, capacity, "; the driver says: %.120s", info.description);
    if (counts.addressInfoCount && n < capacity)
        n += (size_t)snprintf(
            text + n, capacity - n, ", at address 0x%llx", (unsigned long long)addresses[0].reportedAddress);
    for (uint32_t i = 0; i < counts.vendorInfoCount && n < capacity; i++)
        n += (size_t)snprintf(text + n, capacity - n, ", %.60s (0x%llx, 0x%llx)", reports[i].description,
            (unsigned long long)reports[i].vendorFaultCode, (unsigned long long)reports[i].vendorFaultData);
}
