// Files of the cache folder. Each is made for one device, driver and set of shaders, and for what its user adds to the key; one that is
// of something else, cut or changed is never used.
#ifndef FM_GPU_CACHE_FILE_H
#define FM_GPU_CACHE_FILE_H
#include <fathom/gpu.h>

// Hash of the device, its driver and all shaders; more of what a file's contents depend on.
uint64_t fm_cache_key(const struct fathom_gpu *gpu);
uint64_t fm_cache_key_add(uint64_t key, const void *data, size_t size);

// The contents of cache_dir/<stem>-<key>; NULL: there is no such file (or no folder), or, with *unusable set, it is damaged or foreign.
// free() them.
void *fm_cache_read(const struct fathom_gpu *gpu, const char *stem, uint64_t key, size_t *size, bool *unusable);

// Written beside and renamed, so that a reader never sees half a file. A failure is a warning in the log: it costs only time at the
// next start.
void fm_cache_write(const struct fathom_gpu *gpu, const char *stem, uint64_t key, const void *data, size_t size);
#endif
