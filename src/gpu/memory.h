// Blocks of memory, which memory.c allocates and import.c imports, and their free ranges (holes.c).
#ifndef FM_GPU_MEMORY_H
#define FM_GPU_MEMORY_H
#include "gpu/internal.h"

struct fm_range {
    uint64_t offset, size;
};

// The free ranges, ascending and never adjacent.
struct fm_holes {
    struct fm_range *list;
    uint32_t n, capacity;
    uint32_t n_taken; // ranges that are in use
};
// Holes lie between taken ranges, so the number of holes is at most that of the taken ranges plus one. After
// a reservation, taking a range, giving one back, and adding the first hole need no memory.
bool fm_holes_reserve(struct fm_holes *holes);
void fm_holes_add(struct fm_holes *holes, uint64_t offset, uint64_t size);
// First fit. Returns false if no hole is large enough.
bool fm_holes_take(struct fm_holes *holes, uint64_t size, uint64_t *offset);
void fm_holes_give_back(struct fm_holes *holes, uint64_t offset, uint64_t size);

// A block in place has one buffer, and is not in the gpu's list.
struct fm_block {
    struct fm_block *next;
    VkDeviceMemory memory;
    VkBuffer buffer;
    enum fathom_memory kind;
    uint64_t size;      // of the buffer, in bytes
    uint64_t allocated; // bytes from the driver, which may want more; 0: the host's memory, in place
    uint32_t heap;
    VkDeviceAddress address; // with FATHOM_CAP_DEVICE_ADDRESS
    char *mapped;
    struct fm_holes holes;
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
