// Device memory. The driver allocates blocks, one VkBuffer each, and this file sub-allocates, so that
// hundreds of weights need only a few allocations.
#include "gpu/internal.h"
#include <stdlib.h>
#include <string.h>

#define MIB (1024ull * 1024)
enum { ALIGN = 256 /* bytes; no known device wants more of a storage buffer's offset */ };
static const uint64_t first_block = 16 * MIB, largest_block = 256 * MIB;

struct range {
    uint64_t offset, size;
};

struct fm_block {
    struct fm_block *next;
    VkDeviceMemory memory;
    VkBuffer buffer;
    enum fathom_memory kind;
    uint64_t size;
    VkDeviceAddress address; // with FATHOM_CAP_DEVICE_ADDRESS
    char *mapped;
    bool in_place;       // the host's memory: one buffer, and not in the gpu's list
    struct range *holes; // free ranges, ascending, never adjacent
    uint32_t n_holes, n_taken, capacity;
};

VkBuffer fm_block_buffer(const struct fm_block *block) {
    return block->buffer;
}
uint64_t fm_view_address(struct fathom_view view) {
    return view.buffer->block->address + view.buffer->offset + view.offset;
}

// The uses of a buffer: by shaders, and as the source of copies.
static VkBufferUsageFlags usage(const struct fathom_gpu *gpu) {
    return VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
        (gpu->info.caps & FATHOM_CAP_DEVICE_ADDRESS ? VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT : 0);
}

static VkMemoryAllocateFlagsInfo allocate_flags(const struct fathom_gpu *gpu) {
    return (VkMemoryAllocateFlagsInfo){
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO,
        .flags = gpu->info.caps & FATHOM_CAP_DEVICE_ADDRESS ? VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT : 0,
    };
}

static VkResult bind_buffer(struct fathom_gpu *gpu, struct fm_block *b) {
    const VkResult result = gpu->vk.vkBindBufferMemory(gpu->device, b->buffer, b->memory, 0);
    const VkBufferDeviceAddressInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO,
        .buffer = b->buffer,
    };
    if (result == VK_SUCCESS && (gpu->info.caps & FATHOM_CAP_DEVICE_ADDRESS))
        b->address = gpu->vk.vkGetBufferDeviceAddress(gpu->device, &info);
    return result;
}

// Holes lie between taken ranges, so the number of holes is at most that of the taken ranges plus one. With
// this room, release never fails.
static bool reserve_hole(struct fm_block *b) {
    if (b->n_taken + 2 <= b->capacity) return true;
    const uint32_t capacity = 2 * b->capacity + 8;
    struct range *grown = realloc(b->holes, capacity * sizeof(*grown));
    if (!grown) return false;
    b->holes = grown;
    b->capacity = capacity;
    return true;
}

// First fit. `size` is a multiple of ALIGN. Returns false if no hole is large enough.
static bool take(struct fm_block *b, uint64_t size, uint64_t *offset) {
    for (uint32_t i = 0; i < b->n_holes; i++) {
        struct range *hole = &b->holes[i];
        if (hole->size < size) continue;
        *offset = hole->offset;
        hole->offset += size;
        hole->size -= size;
        if (hole->size == 0) memmove(hole, hole + 1, (--b->n_holes - i) * sizeof(*hole));
        b->n_taken++;
        return true;
    }
    return false;
}

static void give_back(struct fm_block *b, uint64_t offset, uint64_t size) {
    uint32_t i = 0;
    b->n_taken--;
    while (i < b->n_holes && b->holes[i].offset < offset) i++;
    struct range *h = b->holes;
    const bool left = i > 0 && h[i - 1].offset + h[i - 1].size == offset,
               right = i < b->n_holes && offset + size == h[i].offset;
    if (left && right) {
        h[i - 1].size += size + h[i].size;
        memmove(&h[i], &h[i + 1], (--b->n_holes - i) * sizeof(*h));
    } else if (left) {
        h[i - 1].size += size;
    } else if (right) {
        h[i].offset = offset;
        h[i].size += size;
    } else {
        memmove(&h[i + 1], &h[i], (b->n_holes++ - i) * sizeof(*h));
        h[i] = (struct range){offset, size};
    }
}

// Memory types that need a feature which the library does not enable, or that are slow.
static const VkMemoryPropertyFlags special = VK_MEMORY_PROPERTY_PROTECTED_BIT |
    VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT | VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD |
    VK_MEMORY_PROPERTY_DEVICE_UNCACHED_BIT_AMD;

// The index of a memory type with all of `wanted`, preferably with all of `liked`. UINT32_MAX if there is
// none.
static uint32_t find_type(const struct fathom_gpu *gpu, uint32_t allowed, VkMemoryPropertyFlags wanted,
    VkMemoryPropertyFlags liked) {
    for (int strict = 1; strict >= 0; strict--)
        for (uint32_t i = 0; i < gpu->memory.memoryTypeCount; i++) {
            const VkMemoryPropertyFlags flags = gpu->memory.memoryTypes[i].propertyFlags,
                                        want = strict ? wanted | liked : wanted;
            if ((allowed >> i & 1) && (flags & want) == want && !(flags & special)) return i;
        }
    return UINT32_MAX;
}

static uint32_t memory_type(const struct fathom_gpu *gpu, uint32_t allowed, enum fathom_memory kind) {
    const VkMemoryPropertyFlags host =
        VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    if (kind == FATHOM_MEMORY_HOST) return find_type(gpu, allowed, host, VK_MEMORY_PROPERTY_HOST_CACHED_BIT);
    uint32_t type = UINT32_MAX;
    if (gpu->info.unified_memory)
        type = find_type(
            gpu, allowed, host | VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, VK_MEMORY_PROPERTY_HOST_CACHED_BIT);
    if (type == UINT32_MAX) type = find_type(gpu, allowed, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, 0);
    return type != UINT32_MAX ? type : find_type(gpu, allowed, 0, 0);
}

void fm_block_destroy(struct fathom_gpu *gpu, struct fm_block *b) {
    gpu->vk.vkDestroyBuffer(gpu->device, b->buffer, NULL);
    gpu->vk.vkFreeMemory(gpu->device, b->memory, NULL);
    if (b->memory && !b->in_place) gpu->counters.memory_allocated -= b->size;
    free(b->holes);
    free(b);
}

static VkResult bind_memory(struct fathom_gpu *gpu, struct fm_block *b) {
    VkMemoryRequirements need;
    gpu->vk.vkGetBufferMemoryRequirements(gpu->device, b->buffer, &need);
    const VkMemoryAllocateFlagsInfo flags = allocate_flags(gpu);
    VkResult result = VK_ERROR_FEATURE_NOT_PRESENT;
    uint32_t type;
    for (uint32_t allowed = need.memoryTypeBits; (type = memory_type(gpu, allowed, b->kind)) != UINT32_MAX;
         allowed &= ~(1u << type)) {
        const VkMemoryAllocateInfo allocate = {
            .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
            .pNext = &flags,
            .allocationSize = need.size,
            .memoryTypeIndex = type,
        };
        result = FM_VK_CREATE(gpu, vkAllocateMemory, &allocate, &b->memory);
        // drivers of integrated devices split one memory into heaps: if one heap is full, try the next
        if (result != VK_ERROR_OUT_OF_DEVICE_MEMORY || !gpu->info.unified_memory) break;
    }
    if (result != VK_SUCCESS) return result;
    gpu->counters.memory_allocated += b->size;
    result = bind_buffer(gpu, b);
    const VkMemoryPropertyFlags kind = gpu->memory.memoryTypes[type].propertyFlags,
                                host = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
        VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    const bool map = b->kind == FATHOM_MEMORY_HOST || (gpu->info.unified_memory && (kind & host) == host);
    if (result == VK_SUCCESS && map)
        result =
            fm_vk_made(gpu->vk.vkMapMemory(gpu->device, b->memory, 0, VK_WHOLE_SIZE, 0, (void **)&b->mapped),
                &b->mapped, sizeof(b->mapped));
    return result;
}

// Creates a block with room for `size`. Returns NULL with *result set on failure.
static struct fm_block *create_block(
    struct fathom_gpu *gpu, uint64_t size, enum fathom_memory kind, VkResult *result) {
    struct fm_block *b = calloc(1, sizeof(*b));
    *result = VK_ERROR_OUT_OF_HOST_MEMORY;
    if (!b) return NULL;
    b->kind = kind;
    b->size = size;
    if (!reserve_hole(b)) goto fail;
    b->holes[b->n_holes++] = (struct range){0, size};
    const VkBufferCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = size,
        .usage = usage(gpu) | VK_BUFFER_USAGE_TRANSFER_DST_BIT | VK_BUFFER_USAGE_INDIRECT_BUFFER_BIT,
    };
    *result = FM_VK_CREATE(gpu, vkCreateBuffer, &create, &b->buffer);
    if (*result == VK_SUCCESS) *result = bind_memory(gpu, b);
    if (*result != VK_SUCCESS) goto fail;
    return b;
fail:
    fm_block_destroy(gpu, b);
    return NULL;
}

struct fm_block *fm_block_create(
    struct fathom_gpu *gpu, uint64_t size, void **mapped, struct fathom_error *err) {
    VkResult result;
    struct fm_block *b = create_block(gpu, size, FATHOM_MEMORY_HOST, &result);
    if (b)
        *mapped = b->mapped;
    else
        fm_fail(err, FATHOM_NO_MEMORY, "%s: no memory for %llu bytes of its own (%s)", gpu->info.name,
            (unsigned long long)size, fm_vk_result_name(result));
    return b;
}

// A new block is as large as all earlier blocks of its kind together, so that small programs take little
// memory and large programs need few blocks.
static uint64_t next_block_size(const struct fathom_gpu *gpu, uint64_t room, enum fathom_memory kind) {
    uint64_t size = 0;
    for (const struct fm_block *b = gpu->blocks; b; b = b->next) size += b->kind == kind ? b->size : 0;
    if (size < first_block) size = first_block;
    if (size > largest_block) size = largest_block;
    if (size > gpu->info.max_allocation) size = gpu->info.max_allocation / ALIGN * ALIGN;
    return size < room ? room : size;
}

static struct fm_block *find_room(
    struct fathom_gpu *gpu, uint64_t room, enum fathom_memory kind, uint64_t *offset, VkResult *result) {
    for (struct fm_block *b = gpu->blocks; b; b = b->next)
        if (b->kind == kind && reserve_hole(b) && take(b, room, offset)) return b;
    struct fm_block *b = create_block(gpu, next_block_size(gpu, room, kind), kind, result);
    if (!b) b = create_block(gpu, room, kind, result); // a smaller block may be possible
    if (b) b->next = gpu->blocks, gpu->blocks = b;
    return b && reserve_hole(b) && take(b, room, offset) ? b : NULL;
}

// The driver's budget. Without a budget: the memory that this process has not taken, as if no other process
// existed.
static uint64_t free_bytes(const struct fathom_gpu *gpu) {
    struct fathom_gpu_info now = gpu->info;
    const bool budget = gpu->info.caps & FATHOM_CAP_MEMORY_BUDGET;
    fm_memory_sizes(gpu->physical, budget, &now);
    const uint64_t taken = budget ? 0 : gpu->counters.memory_allocated;
    return now.memory_free > taken ? now.memory_free - taken : 0;
}

struct fathom_buffer *fm_buffer_create_raw(
    struct fathom_gpu *gpu, uint64_t size, enum fathom_memory memory, struct fathom_error *err) {
    if (size == 0 || size > gpu->info.max_allocation) {
        fm_fail(err, size ? FATHOM_NO_MEMORY : FATHOM_INVALID,
            "a buffer of %llu bytes was asked for, %s allows 1 to %llu", (unsigned long long)size,
            gpu->info.name, (unsigned long long)gpu->info.max_allocation);
        return NULL;
    }
    struct fathom_buffer *buffer = calloc(1, sizeof(*buffer));
    VkResult result = VK_ERROR_OUT_OF_HOST_MEMORY;
    if (!buffer) goto fail;
    *buffer = (struct fathom_buffer){
        .gpu = gpu,
        .size = size,
        .room = (size + ALIGN - 1) / ALIGN * ALIGN,
        .memory = memory,
    };
    buffer->block = find_room(gpu, buffer->room, memory, &buffer->offset, &result);
    if (!buffer->block) goto fail;
    if (buffer->block->mapped) buffer->mapped = buffer->block->mapped + buffer->offset;
    gpu->counters.memory_used += buffer->room;
    return buffer;
fail:
    free(buffer);
    fm_fail(err, FATHOM_NO_MEMORY,
        "%s: no memory for a buffer of %llu bytes; %llu are in use, %llu are free (%s)", gpu->info.name,
        (unsigned long long)size, (unsigned long long)gpu->counters.memory_used,
        (unsigned long long)free_bytes(gpu), fm_vk_result_name(result));
    return NULL;
}

// ---- The host's memory, in place -------------------------------------------------------------------------

uint64_t fm_import_alignment(const struct fathom_gpu *gpu) {
    const VkPhysicalDeviceExternalBufferInfo wanted = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_BUFFER_INFO,
        .usage = usage(gpu),
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
    if (!(gpu->info.caps & FATHOM_CAP_HOST_IMPORT) || !gpu->info.unified_memory) return 0;
    vkGetPhysicalDeviceExternalBufferProperties(gpu->physical, &wanted, &buffers);
    if (!(buffers.externalMemoryProperties.externalMemoryFeatures &
            VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT))
        return 0;
    vkGetPhysicalDeviceProperties2(gpu->physical, &properties);
    return host.minImportedHostPointerAlignment;
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
        .usage = usage(gpu),
    };
    VkMemoryHostPointerPropertiesEXT properties = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_HOST_POINTER_PROPERTIES_EXT,
    };
    VkResult result = gpu->vk.vkGetMemoryHostPointerPropertiesEXT(gpu->device, host, begin, &properties);
    if (result == VK_SUCCESS) result = FM_VK_CREATE(gpu, vkCreateBuffer, &create, &b->buffer);
    if (result != VK_SUCCESS) return result;
    VkMemoryRequirements need;
    gpu->vk.vkGetBufferMemoryRequirements(gpu->device, b->buffer, &need);
    const uint32_t type = find_type(
        gpu, need.memoryTypeBits & properties.memoryTypeBits, 0, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT);
    if (type == UINT32_MAX || need.size > b->size) return VK_ERROR_INVALID_EXTERNAL_HANDLE;
    const VkMemoryAllocateFlagsInfo flags = allocate_flags(gpu);
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
    return result == VK_SUCCESS ? bind_buffer(gpu, b) : result;
}

struct fathom_buffer *fm_buffer_import(
    struct fathom_gpu *gpu, const void *data, uint64_t size, struct fathom_host_range readable) {
    const uint64_t unit = gpu->import_alignment, at = (uintptr_t)data, first = (uintptr_t)readable.data;
    if (unit == 0 || !gpu->info.unified_memory || gpu->n_imports == gpu->max_imports || at < first ||
        at - first > readable.size || size > readable.size - (at - first))
        return NULL;
    const uint64_t begin = at / unit * unit, end = (at + size + unit - 1) / unit * unit;
    if (begin < first || end > first + readable.size || (at - begin) % gpu->info.storage_alignment ||
        end - begin > gpu->info.max_allocation)
        return NULL;
    struct fathom_buffer *buffer = calloc(1, sizeof(*buffer));
    struct fm_block *b = calloc(1, sizeof(*b));
    if (!buffer || !b) goto fail;
    b->size = end - begin;
    b->in_place = true;
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
    gpu->n_imports++;
    gpu->counters.memory_in_place += size;
    return buffer;
fail:
    if (b) fm_block_destroy(gpu, b);
    free(buffer);
    return NULL;
}

void fathom_buffer_destroy(struct fathom_buffer **pointer) {
    struct fathom_buffer *buffer = pointer ? *pointer : NULL;
    if (!buffer) return;
    if (!fm_gpu_idle(buffer->gpu)) {
        // the device may still use the range, which stays taken
    } else if (buffer->read_only) {
        buffer->gpu->n_imports--;
        buffer->gpu->counters.memory_in_place -= buffer->size;
        fm_block_destroy(buffer->gpu, buffer->block);
    } else {
        give_back(buffer->block, buffer->offset, buffer->room);
        buffer->gpu->counters.memory_used -= buffer->room;
    }
    free(buffer);
    *pointer = NULL;
}

struct fathom_view fathom_buffer_view(struct fathom_buffer *buffer) {
    return (struct fathom_view){buffer, 0, buffer->size};
}
void *fathom_buffer_map(struct fathom_buffer *buffer) {
    return buffer->memory == FATHOM_MEMORY_HOST ? buffer->mapped : NULL;
}

void fm_memory_free_blocks(struct fathom_gpu *gpu) {
    while (gpu->blocks) {
        struct fm_block *b = gpu->blocks;
        gpu->blocks = b->next;
        fm_block_destroy(gpu, b);
    }
}
