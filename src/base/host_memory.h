#ifndef FM_BASE_HOST_MEMORY_H
#define FM_BASE_HOST_MEMORY_H
#include <stdint.h>

// Bytes of the host's memory that programs can still take without swapping: free memory and what the system
// keeps of files, less what a container's limit forbids. UINT64_MAX: the system does not say.
uint64_t fm_host_memory_free(void);
// Bytes of all of the memory, or a container's limit.
uint64_t fm_host_memory_size(void);
#endif
