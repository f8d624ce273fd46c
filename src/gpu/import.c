// The host's memory in place: the device reads a mapped file where it lies.
#include "base/mapped_file.h"
#include "gpu/memory.h"
#include <stdlib.h>

uint64_t fm_import_alignment(
    const struct fm_instance_functions *vki, VkPhysicalDevice physical, const struct fathom_gpu_info *info) {
    const VkPhysicalDeviceExternalBufferInfo wanted = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_BUFFER_INFO,
        .usage = fm_buffer_usage(info->caps),
        .handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT,
    };
    VkExternalBufferProperties buffers = {.sType = VK_STRUCTURE_TYPE_EXTERNAL_BUFFER_PROPERTIES};
    VkPhysicalDeviceExternalMemoryHostPropertiesEXT host = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_MEMORY_HOST_PROPERTIES_EXT,
    };
    VkPhysicalDeviceProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
        .pNext = &host,
    };
    if (!(info->caps & FATHOM_CAP_HOST_IMPORT) || !info->unified_memory) return 0;
    vki->vkGetPhysicalDeviceExternalBufferProperties(physical, &wanted, &buffers);
    if (!(buffers.externalMemoryProperties.externalMemoryFeatures &
            VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT))
        return 0;
    vki->vkGetPhysicalDeviceProperties2(physical, &properties);
    return host.minImportedHostPointerAlignment;
}

void fm_import_measure(
    const struct fm_instance_functions *vki, VkPhysicalDevice physical, struct fathom_gpu_info *info) {
    const uint64_t unit = fm_import_alignment(vki, physical, info);
    info->max_import = unit ? info->max_allocation / unit * unit : 0;
}

static VkResult import_memory(struct fathom_gpu *gpu, struct fm_block *b, void *begin) {
    const VkExternalMemoryHandleTypeFlagBits host = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT;
    const VkExternalMemoryBufferCreateInfo external = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO,
        .handleTypes = host,
    };
    const VkBufferCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .pNext = &external,
        .size = b->size,
        .usage = fm_buffer_usage(gpu->info.caps),
    };
    VkMemoryHostPointerPropertiesEXT properties = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_HOST_POINTER_PROPERTIES_EXT,
    };
    VkResult result = gpu->vk.vkGetMemoryHostPointerPropertiesEXT(gpu->device, host, begin, &properties);
    if (result == VK_SUCCESS) result = FM_VK_CREATE(gpu, vkCreateBuffer, &create, &b->buffer);
    if (result != VK_SUCCESS) return result;
    VkMemoryRequirements need;
    gpu->vk.vkGetBufferMemoryRequirements(gpu->device, b->buffer, &need);
    const uint32_t type = fm_find_type(
        gpu, need.memoryTypeBits & properties.memoryTypeBits, 0, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, 0);
    if (type == UINT32_MAX || need.size > b->size) return VK_ERROR_INVALID_EXTERNAL_HANDLE;
    const VkMemoryAllocateFlagsInfo flags = fm_allocate_flags(gpu->info.caps);
    const VkImportMemoryHostPointerInfoEXT pointer = {
        .sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT,
        .pNext = &flags,
        .handleType = host,
        .pHostPointer = begin,
    };
    const VkMemoryAllocateInfo allocate = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .pNext = &pointer,
        .allocationSize = b->size,
        .memoryTypeIndex = type,
    };
    result = FM_VK_CREATE(gpu, vkAllocateMemory, &allocate, &b->memory);
    return result == VK_SUCCESS ? fm_block_bind(gpu, b) : result;
}

// Counts one more import, if there may be one.
static bool count_import(struct fathom_gpu *gpu, uint64_t size) {
    fm_lock_take(&gpu->lock);
    const bool may = gpu->n_imports < gpu->max_imports;
    if (may) gpu->n_imports++, gpu->counters.memory_in_place += size;
    fm_lock_release(&gpu->lock);
    return may;
}

struct fathom_buffer *fm_buffer_import(
    struct fathom_gpu *gpu, const void *data, uint64_t size, struct fathom_host_range readable) {
    const uint64_t unit = gpu->import_alignment, at = (uintptr_t)data, first = (uintptr_t)readable.data;
    if (unit == 0 || !gpu->info.unified_memory || at < first || at - first > readable.size ||
        size > readable.size - (at - first))
        return NULL;
    const uint64_t begin = at / unit * unit, end = (at + size + unit - 1) / unit * unit;
    if (begin < first || end > first + readable.size || (at - begin) % gpu->info.storage_alignment ||
        end - begin > gpu->info.max_allocation)
        return NULL;
    struct fathom_buffer *buffer = calloc(1, sizeof(*buffer));
    struct fm_block *b = calloc(1, sizeof(*b));
    const bool counted = buffer && b && count_import(gpu, size);
    if (!counted) goto fail;
    b->size = end - begin;
    const VkResult result = import_memory(gpu, b, (void *)(uintptr_t)begin);
    if (result != VK_SUCCESS) {
        fm_log(&gpu->params.log, FATHOM_LOG_DEBUG,
            "%s does not use memory of the host in place (%s, VkResult %d)", gpu->info.name,
            fm_vk_result_name(result), result);
        gpu->import_alignment = 0; // the driver would refuse the next import, too
        goto fail;
    }
    *buffer = (struct fathom_buffer){
        .gpu = gpu,
        .block = b,
        .offset = at - begin,
        .size = size,
        .room = size,
        .memory = FATHOM_MEMORY_DEVICE,
        .read_only = true,
    };
    return buffer;
fail:
    fm_lock_take(&gpu->lock);
    if (b) fm_block_destroy(gpu, b);
    if (counted) gpu->n_imports--, gpu->counters.memory_in_place -= size;
    fm_lock_release(&gpu->lock);
    free(buffer);
    return NULL;
}

// The running program is a file that is there. It is mapped as models are: shared and read-only. RADV refuses
// the pages of files at the import (the kernel's flag AMDGPU_GEM_USERPTR_ANONONLY). Intel's driver takes
// them, asks the kernel for write access at the submit and loses the device
// (github.com/LunarG/gfxreconstruct/issues/1133). The limit of locked memory (RLIMIT_MEMLOCK) plays no part:
// neither driver counts the pages of an import against it.
bool fm_import_works(struct fathom_gpu *gpu) {
    struct fm_mapped_file file;
    uint32_t words[64] = {0};
    if (!fm_mapped_file_open(&file, "/proc/self/exe", NULL)) return false;
    struct fathom_buffer *page = fm_buffer_import(
        gpu, file.data, sizeof(words), (struct fathom_host_range){file.data, fm_mapped_file_readable(&file)});
    const bool works = page && fm_read_back(gpu, page, words) && !memcmp(words, file.data, sizeof(words));
    const bool idle = fm_gpu_idle(gpu);
    fathom_buffer_destroy(&page);
    if (idle) fm_mapped_file_close(&file);
    return works;
}
