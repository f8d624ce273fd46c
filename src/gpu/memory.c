// Device memory. The driver allocates blocks, one VkBuffer each, and this file sub-allocates, so that
// hundreds of weights need only a few allocations. The static functions run under gpu->lock, unless they say
// otherwise.
#include "gpu/memory.h"
#include "base/size.h"
#include <stdlib.h>
#include <string.h>

#define KIB 1024ull
#define MIB (1024ull * 1024)
enum { ALIGN = 256 /* bytes; no known device wants more of a storage buffer's offset */ };
enum { PAGE = 4096 /* bytes; kernels give memory in pages */ };
static const uint64_t first_block = 16 * MIB, largest_block = 256 * MIB;
// With a limit: the size of a block that many buffers share is a 64th of the limit, within these bounds.
static const uint64_t least_step = 256 * KIB, most_step = 64 * MIB;
// A buffer of this size gets a block of its own, which goes back to the driver with the buffer.
static const uint64_t own_block = 32 * MIB;
// A host allocation of this size asks the heap's budget first.
static const uint64_t asks_budget = 1 * MIB;

// Why a block could not be had.
struct refusal {
    enum { BY_DRIVER, BY_LIMIT, BY_HEAP } by;
    VkResult result;      // of the driver
    uint32_t heap;        // BY_HEAP
    uint64_t asked, free; // bytes of the block; of the heap or below the limit
};

VkBuffer fm_block_buffer(const struct fm_block *block) {
    return block->buffer;
}
uint64_t fm_view_address(struct fathom_view view) {
    return view.buffer->block->address + view.buffer->offset + view.offset;
}

VkBufferUsageFlags fm_buffer_usage(uint32_t caps) {
    return VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
        (caps & FATHOM_CAP_DEVICE_ADDRESS ? VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT : 0);
}

VkMemoryAllocateFlagsInfo fm_allocate_flags(uint32_t caps) {
    return (VkMemoryAllocateFlagsInfo){
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO,
        .flags = caps & FATHOM_CAP_DEVICE_ADDRESS ? VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT : 0,
    };
}

VkResult fm_block_bind(struct fathom_gpu *gpu, struct fm_block *b) {
    const VkResult result = gpu->vk.vkBindBufferMemory(gpu->device, b->buffer, b->memory, 0);
    const VkBufferDeviceAddressInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO,
        .buffer = b->buffer,
    };
    if (result == VK_SUCCESS && (gpu->info.caps & FATHOM_CAP_DEVICE_ADDRESS))
        b->address = gpu->vk.vkGetBufferDeviceAddress(gpu->device, &info);
    return result;
}

// Memory types that need a feature which the library does not enable, or that are slow.
static const VkMemoryPropertyFlags special = VK_MEMORY_PROPERTY_PROTECTED_BIT |
    VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT | VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD |
    VK_MEMORY_PROPERTY_DEVICE_UNCACHED_BIT_AMD;

uint32_t fm_find_type(const struct fathom_gpu *gpu, uint32_t allowed, VkMemoryPropertyFlags wanted,
    VkMemoryPropertyFlags liked, VkMemoryPropertyFlags disliked) {
    uint32_t best = UINT32_MAX;
    int most = -1;
    for (uint32_t i = 0; i < gpu->memory.memoryTypeCount; i++) {
        const VkMemoryPropertyFlags flags = gpu->memory.memoryTypes[i].propertyFlags;
        if (!(allowed >> i & 1) || (flags & wanted) != wanted || (flags & special)) continue;
        const int score = 2 * !(flags & disliked) + ((flags & liked) == liked);
        if (score > most) most = score, best = i;
    }
    return best;
}

static const VkMemoryPropertyFlags host_access =
    VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;

static uint32_t memory_type(const struct fathom_gpu *gpu, uint32_t allowed, enum fathom_memory kind) {
    const VkMemoryPropertyFlags local = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT,
                                cached = VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
    const bool unified = gpu->info.unified_memory;
    // a card whose memory the host can write has types of device memory that the host sees
    if (kind == FATHOM_MEMORY_HOST)
        return fm_find_type(gpu, allowed, host_access, cached, unified ? 0 : local);
    uint32_t type = UINT32_MAX;
    if (unified) type = fm_find_type(gpu, allowed, host_access | local, cached, 0);
    if (type == UINT32_MAX) type = fm_find_type(gpu, allowed, local, 0, 0);
    return type != UINT32_MAX ? type : fm_find_type(gpu, allowed, 0, 0, 0);
}

// ---- Limits ----------------------------------------------------------------------------------------------

static uint64_t *allocated(struct fathom_gpu *gpu, enum fathom_memory kind) {
    return kind == FATHOM_MEMORY_HOST ? &gpu->counters.host_allocated : &gpu->counters.device_allocated;
}

static uint64_t limit_of(const struct fathom_gpu *gpu, enum fathom_memory kind) {
    return kind == FATHOM_MEMORY_HOST ? gpu->params.host_limit : gpu->params.device_limit;
}

// What may still be allocated, in whole pages.
static uint64_t below_limit(struct fathom_gpu *gpu, enum fathom_memory kind) {
    const uint64_t limit = limit_of(gpu, kind), taken = *allocated(gpu, kind);
    return !limit ? UINT64_MAX : limit > taken ? (limit - taken) / PAGE * PAGE : 0;
}

static bool is_limited(const struct fathom_gpu *gpu) {
    return gpu->params.device_limit || gpu->params.host_limit;
}

// Adds `size` bytes (negative: takes away) to the counters.
static void count(struct fathom_gpu *gpu, const struct fm_block *b, int64_t size) {
    struct fathom_gpu_counters *c = &gpu->counters;
    c->memory_allocated += (uint64_t)size;
    *allocated(gpu, b->kind) += (uint64_t)size;
    gpu->heap_held[b->heap] += (uint64_t)size;
    if (c->device_allocated > c->device_peak) c->device_peak = c->device_allocated;
    if (c->host_allocated > c->host_peak) c->host_peak = c->host_allocated;
}

// ---- Blocks ----------------------------------------------------------------------------------------------

void fm_block_destroy(struct fathom_gpu *gpu, struct fm_block *b) {
    gpu->vk.vkDestroyBuffer(gpu->device, b->buffer, NULL);
    gpu->vk.vkFreeMemory(gpu->device, b->memory, NULL);
    if (b->memory) count(gpu, b, -(int64_t)b->allocated);
    free(b->holes.list);
    free(b);
}

// Allocates from the best memory type that has room. Drivers of integrated devices split one memory into
// heaps, and a card has a window that the host sees: when one heap is full, the next is tried. A card's heaps
// of the other kind are not: a weight would silently be slow, or a limit be passed.
static uint32_t allocate(struct fathom_gpu *gpu, struct fm_block *b, uint32_t allowed, struct refusal *why) {
    const VkMemoryAllocateFlagsInfo flags = fm_allocate_flags(gpu->info.caps);
    const VkMemoryPropertyFlags local = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
    // the driver of a CPU takes device memory from the process's own, as malloc() does
    const bool ask = b->allocated >= asks_budget &&
        (b->kind == FATHOM_MEMORY_HOST || (gpu->info.unified_memory && !gpu->marks));
    const uint32_t first = memory_type(gpu, allowed, b->kind);
    why->result = VK_ERROR_FEATURE_NOT_PRESENT;
    for (uint32_t type = first; type != UINT32_MAX; type = memory_type(gpu, allowed, b->kind)) {
        const VkMemoryType *t = &gpu->memory.memoryTypes[type], *f = &gpu->memory.memoryTypes[first];
        if (!gpu->info.unified_memory && (t->propertyFlags & local) != (f->propertyFlags & local)) break;
        const VkMemoryAllocateInfo info = {
            .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
            .pNext = &flags,
            .allocationSize = b->allocated,
            .memoryTypeIndex = type,
        };
        const uint64_t room = ask ? fm_heap_free(gpu, t->heapIndex) : UINT64_MAX;
        allowed &= ~(1u << type);
        if (b->allocated > room) {
            *why = (struct refusal){BY_HEAP, VK_ERROR_OUT_OF_DEVICE_MEMORY, t->heapIndex, b->allocated, room};
            continue;
        }
        b->heap = t->heapIndex;
        const VkResult result = FM_VK_CREATE(gpu, vkAllocateMemory, &info, &b->memory);
        if (result == VK_SUCCESS) return type;
        *why = (struct refusal){.by = BY_DRIVER, .result = result};
        if (result != VK_ERROR_OUT_OF_DEVICE_MEMORY) break;
    }
    return UINT32_MAX;
}

static bool bind_memory(struct fathom_gpu *gpu, struct fm_block *b, struct refusal *why) {
    VkMemoryRequirements need;
    gpu->vk.vkGetBufferMemoryRequirements(gpu->device, b->buffer, &need);
    b->allocated = need.size;
    const uint64_t rest = below_limit(gpu, b->kind);
    if (need.size > rest) {
        *why = (struct refusal){BY_LIMIT, VK_ERROR_OUT_OF_DEVICE_MEMORY, 0, need.size, rest};
        return false;
    }
    const uint32_t type = allocate(gpu, b, need.memoryTypeBits, why);
    if (type == UINT32_MAX) return false;
    count(gpu, b, (int64_t)b->allocated);
    const VkMemoryPropertyFlags flags = gpu->memory.memoryTypes[type].propertyFlags;
    const bool map =
        b->kind == FATHOM_MEMORY_HOST || (gpu->info.unified_memory && (flags & host_access) == host_access);
    why->by = BY_DRIVER;
    why->result = fm_block_bind(gpu, b);
    if (why->result == VK_SUCCESS && map)
        why->result =
            fm_vk_made(gpu->vk.vkMapMemory(gpu->device, b->memory, 0, VK_WHOLE_SIZE, 0, (void **)&b->mapped),
                &b->mapped, sizeof(b->mapped));
    return why->result == VK_SUCCESS;
}

// Creates a block with room for `size`. Returns NULL with *why set on failure.
static struct fm_block *create_block(
    struct fathom_gpu *gpu, uint64_t size, enum fathom_memory kind, struct refusal *why) {
    struct fm_block *b = calloc(1, sizeof(*b));
    *why = (struct refusal){.result = VK_ERROR_OUT_OF_HOST_MEMORY};
    if (!b) return NULL;
    b->kind = kind;
    b->size = size;
    if (!fm_holes_reserve(&b->holes)) goto fail;
    fm_holes_add(&b->holes, 0, size);
    const VkBufferCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = size,
        .usage = fm_buffer_usage(gpu->info.caps) | VK_BUFFER_USAGE_TRANSFER_DST_BIT |
            VK_BUFFER_USAGE_INDIRECT_BUFFER_BIT,
    };
    why->result = FM_VK_CREATE(gpu, vkCreateBuffer, &create, &b->buffer);
    if (why->result == VK_SUCCESS && bind_memory(gpu, b, why)) return b;
fail:
    fm_block_destroy(gpu, b);
    return NULL;
}

// Without gpu->lock.
static void fail_no_memory(const struct fathom_gpu *gpu, uint64_t size, enum fathom_memory kind,
    const struct refusal *why, struct fathom_error *err) {
    struct fathom_gpu_memory m = {.size = sizeof(m)};
    struct fathom_gpu_counters c = {.size = sizeof(c)};
    fathom_gpu_get_counters(gpu, &c);
    const struct fathom_gpu_limits limits = fathom_gpu_get_limits(gpu);
    const bool host = kind == FATHOM_MEMORY_HOST;
    const char *what = host ? "host" : "device";
    const unsigned long long taken = host ? c.host_allocated : c.device_allocated;
    if (why->by == BY_LIMIT)
        fm_fail(err, FATHOM_NO_MEMORY,
            "%s: no %s memory for a buffer of %llu bytes: %llu bytes are allocated, %s_limit allows %llu in "
            "all; a higher limit or a smaller context would work",
            gpu->info.name, what, (unsigned long long)size, taken, what,
            (unsigned long long)(host ? limits.host : limits.device));
    else if (why->by == BY_HEAP)
        fm_fail(err, FATHOM_NO_MEMORY,
            "%s: no %s memory for a buffer of %llu bytes: heap %u, of %llu bytes, has %llu left by the "
            "driver's budget and the system's available memory, and %llu were to be allocated; the driver "
            "might grant "
            "them and lose the device later",
            gpu->info.name, what, (unsigned long long)size, why->heap,
            (unsigned long long)gpu->memory.memoryHeaps[why->heap].size, (unsigned long long)why->free,
            (unsigned long long)why->asked);
    else {
        fathom_gpu_get_memory(gpu, &m);
        fm_fail(err, FATHOM_NO_MEMORY,
            "%s: no memory for a buffer of %llu bytes; %llu are in use, %llu are free (%s)", gpu->info.name,
            (unsigned long long)size, (unsigned long long)c.memory_used, (unsigned long long)m.device_free,
            fm_vk_result_name(why->result));
    }
}

struct fm_block *fm_block_create(
    struct fathom_gpu *gpu, uint64_t size, void **mapped, struct fathom_error *err) {
    struct refusal why;
    fm_lock_take(&gpu->lock);
    struct fm_block *b = create_block(gpu, size, FATHOM_MEMORY_HOST, &why);
    fm_lock_release(&gpu->lock);
    if (b)
        *mapped = b->mapped;
    else
        fail_no_memory(gpu, size, FATHOM_MEMORY_HOST, &why, err);
    return b;
}

// Without a limit a new block is as large as all earlier blocks of its kind together, so that small programs
// take little memory and large programs need few blocks. With a limit a shared block is a small part of it.
static uint64_t shared_size(const struct fathom_gpu *gpu, enum fathom_memory kind) {
    const uint64_t limit = limit_of(gpu, kind);
    uint64_t size = 0, lowest = first_block, highest = largest_block;
    for (const struct fm_block *b = gpu->blocks; b; b = b->next) size += b->kind == kind ? b->size : 0;
    if (limit) size = limit / 64 / PAGE * PAGE, lowest = least_step, highest = most_step;
    size = size < lowest ? lowest : fm_least(size, highest);
    return fm_least(size, gpu->info.max_allocation / ALIGN * ALIGN);
}

// A buffer this large does not share its block. With a limit, an eighth of a shared block: then what stays
// free at the ends of shared blocks is at most an eighth of them.
static uint64_t own_size(const struct fathom_gpu *gpu, enum fathom_memory kind) {
    return limit_of(gpu, kind) ? shared_size(gpu, kind) / 8 : own_block;
}

static struct fm_block *take_hole(
    struct fathom_gpu *gpu, uint64_t room, enum fathom_memory kind, uint64_t *offset) {
    for (struct fm_block *b = gpu->blocks; b; b = b->next)
        if (b->kind == kind && fm_holes_reserve(&b->holes) && fm_holes_take(&b->holes, room, offset))
            return b;
    return NULL;
}

static struct fm_block *find_room(
    struct fathom_gpu *gpu, uint64_t room, enum fathom_memory kind, uint64_t *offset, struct refusal *why) {
    const bool own = room >= own_size(gpu, kind) && gpu->n_blocks < gpu->max_imports / 2;
    struct fm_block *b = own ? NULL : take_hole(gpu, room, kind, offset);
    if (b) return b;
    const uint64_t pages = (room + PAGE - 1) / PAGE * PAGE, shared = shared_size(gpu, kind),
                   rest = below_limit(gpu, kind);
    uint64_t size = own || shared < pages ? pages : shared;
    if (size > rest) size = rest < room ? room : rest;
    b = create_block(gpu, size, kind, why);
    if (!b && size > room) b = create_block(gpu, room, kind, why); // a smaller block may be possible
    if (!b) return own ? take_hole(gpu, room, kind, offset) : NULL;
    b->next = gpu->blocks;
    gpu->blocks = b;
    gpu->n_blocks++;
    return fm_holes_reserve(&b->holes) && fm_holes_take(&b->holes, room, offset) ? b : NULL;
}

// Finds room for a buffer, without gpu->lock. Where there is none until the device has done what destroyed
// buffers wait for, waits for that.
static bool take_room(struct fathom_gpu *gpu, struct fathom_buffer *buffer, struct refusal *why) {
    fm_retired_collect(gpu);
    do {
        fm_lock_take(&gpu->lock);
        buffer->block = find_room(gpu, buffer->room, buffer->memory, &buffer->offset, why);
        if (buffer->block) gpu->counters.memory_used += buffer->room;
        fm_lock_release(&gpu->lock);
    } while (!buffer->block && fm_retired_wait(gpu));
    return buffer->block;
}

// Gives a block without buffers back to the driver, if it is large or memory is limited. Small ones stay for
// the next buffer.
static void release_if_empty(struct fathom_gpu *gpu, struct fm_block *b) {
    if (b->holes.n_taken || (b->size <= first_block && !is_limited(gpu))) return;
    struct fm_block **link = &gpu->blocks;
    while (*link != b) link = &(*link)->next;
    *link = b->next;
    gpu->n_blocks--;
    fm_block_destroy(gpu, b);
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
    struct refusal why = {.result = VK_ERROR_OUT_OF_HOST_MEMORY};
    if (!buffer) goto fail;
    *buffer = (struct fathom_buffer){
        .gpu = gpu,
        .size = size,
        .room = (size + ALIGN - 1) / ALIGN * ALIGN,
        .memory = memory,
    };
    if (!take_room(gpu, buffer, &why)) goto fail;
    if (buffer->block->mapped) buffer->mapped = buffer->block->mapped + buffer->offset;
    return buffer;
fail:
    free(buffer);
    fail_no_memory(gpu, size, memory, &why, err);
    return NULL;
}

static void release(struct fathom_gpu *gpu, struct fm_retired *retired) {
    struct fathom_buffer *buffer = (struct fathom_buffer *)retired;
    if (buffer->read_only) {
        gpu->n_imports--;
        gpu->counters.memory_in_place -= buffer->size;
        fm_block_destroy(gpu, buffer->block);
    } else {
        fm_holes_give_back(&buffer->block->holes, buffer->offset, buffer->room);
        gpu->counters.memory_used -= buffer->room;
        release_if_empty(gpu, buffer->block);
    }
    free(buffer);
}

void fathom_buffer_destroy(struct fathom_buffer **pointer) {
    struct fathom_buffer *buffer = pointer ? *pointer : NULL;
    if (!buffer) return;
    struct fathom_gpu *gpu = buffer->gpu;
    // the caller may unmap the host's memory as soon as a buffer in place is gone
    if (buffer->read_only && buffer->in_use) fm_gpu_idle(gpu);
    fm_retire(gpu, &buffer->retired, buffer->in_use ? gpu->last_ticket : 0, release);
    *pointer = NULL;
}

struct fathom_view fathom_buffer_view(struct fathom_buffer *buffer) {
    if (!buffer) return (struct fathom_view){0};
    return (struct fathom_view){buffer, 0, buffer->size};
}
void *fathom_buffer_map(struct fathom_buffer *buffer) {
    if (!buffer) return NULL;
    return buffer->memory == FATHOM_MEMORY_HOST ? buffer->mapped : NULL;
}

void fm_memory_free_blocks(struct fathom_gpu *gpu) {
    fm_lock_take(&gpu->lock);
    while (gpu->blocks) {
        struct fm_block *b = gpu->blocks;
        gpu->blocks = b->next;
        fm_block_destroy(gpu, b);
    }
    fm_lock_release(&gpu->lock);
}
