// Files in the cache folder. A file belongs to one device, driver and set of shaders, and to what its user
// adds to the key. A file with another key, a truncated file or a changed file is never used.
#ifndef FM_GPU_CACHE_FILE_H
#define FM_GPU_CACHE_FILE_H
#include <fathom/gpu.h>

// fm_cache_key() hashes the device, its driver and all shaders. fm_cache_key_add() adds what else the
// contents of a file depend on.
uint64_t fm_cache_key(const struct fathom_gpu *gpu);
uint64_t fm_cache_key_add(uint64_t key, const void *data, size_t size);

// Returns the contents of cache_dir/<stem>-<key>, which the caller frees. Returns NULL when there is no such
// file (or no folder), and NULL with *unusable set when the file is damaged or foreign.
void *fm_cache_read(
    const struct fathom_gpu *gpu, const char *stem, uint64_t key, size_t *size, bool *unusable);

// Writes a part file (base/part_file.h), so that a reader never sees half a file. A failure is only a
// warning in the log, because it costs only time at the next start.
void fm_cache_write(
    const struct fathom_gpu *gpu, const char *stem, uint64_t key, const void *data, size_t size);
#endif
