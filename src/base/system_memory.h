// How much memory the system can still give this process.
#ifndef FM_BASE_SYSTEM_MEMORY_H
#define FM_BASE_SYSTEM_MEMORY_H
#include <stdint.h>

// The bytes that can be taken without swapping: MemAvailable of the kernel, and what the process's control
// groups (containers) leave. Page cache counts as available. UINT64_MAX where nothing is known.
uint64_t fm_available_memory(void);
// The same for a system whose folders /proc and /sys lie below `root` (tests).
uint64_t fm_available_memory_below(const char *root);
#endif
