// Blocks of memory, which memory.c allocates and import.c imports.
#ifndef FM_GPU_MEMORY_H
#define FM_GPU_MEMORY_H
#include "gpu/internal.h"

struct fm_range {
    uint64_t offset, size;
};

struct fm_block {
    struct fm_block *next;
    VkDeviceMemory memory;
    VkBuffer buffer;
    enum fathom_memory kind;
    uint64_t size, allocated; // bytes of the buffer; bytes from the driver, which may want more
    uint32_t heap;
    VkDeviceAddress address; // with FATHOM_CAP_DEVICE_ADDRESS
    char *mapped;
    bool in_place;          // the host's memory: one buffer, and not in the gpu's list
    struct fm_range *holes; // free ranges, ascending, never adjacent
    uint32_t n_holes, n_taken, capacity;
};

// The uses of a buffer: by shaders, and as the source of copies.
VkBufferUsageFlags fm_buffer_usage(uint32_t caps);
VkMemoryAllocateFlagsInfo fm_allocate_flags(uint32_t caps);
VkResult fm_block_bind(struct fathom_gpu *gpu, struct fm_block *block);
// The first memory type with all of `wanted`, preferably without any of `disliked`, then preferably with all
// of `liked`. UINT32_MAX if there is none.
uint32_t fm_find_type(const struct fathom_gpu *gpu, uint32_t allowed, VkMemoryPropertyFlags wanted,
    VkMemoryPropertyFlags liked, VkMemoryPropertyFlags disliked);
#endif
