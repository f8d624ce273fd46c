#include "gpu/cache_file.h"
#include "base/part_file.h"
#include "gpu/internal.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

// The header of a file. A file whose header does not match is ignored.
struct header {
    char magic[8];
    uint64_t key, size, checksum;
};

uint64_t fm_cache_key_add(uint64_t key, const void *data, size_t size) {
    for (const unsigned char *at = data, *end = at + size; at < end; at++) key = (key ^ *at) * 0x100000001b3u;
    return key;
}

uint64_t fm_cache_key(const struct fathom_gpu *gpu) {
    VkPhysicalDeviceProperties p;
    gpu->instance.vk.vkGetPhysicalDeviceProperties(gpu->physical, &p);
    uint64_t key = fm_cache_key_add(0xcbf29ce484222325u, p.pipelineCacheUUID, sizeof(p.pipelineCacheUUID));
    const uint32_t ids[] = {p.vendorID, p.deviceID, p.driverVersion, p.apiVersion, gpu->info.subgroup_size};
    key = fm_cache_key_add(key, ids, sizeof(ids));
    for (size_t i = 0; i < fm_n_shaders; i++)
        key = fm_cache_key_add(key, fm_shaders[i]->words, 4 * fm_shaders[i]->n_words);
    return key;
}

// Returns the path of a file in the cache folder, which the caller frees; NULL: out of memory.
static char *cache_path(const struct fathom_gpu *gpu, const char *stem, uint64_t key) {
    const size_t size = strlen(gpu->params.cache_dir) + strlen(stem) + 32;
    char *path = malloc(size);
    if (path) snprintf(path, size, "%s/%s-%016llx", gpu->params.cache_dir, stem, (unsigned long long)key);
    return path;
}

// The magic is the first 8 letters of the stem, padded with '.'.
static void write_magic(const char *stem, char magic[8]) {
    memset(magic, '.', 8);
    for (int i = 0; i < 8 && stem[i]; i++) magic[i] = stem[i];
}

static void *read_contents(FILE *f, const char *stem, uint64_t key, size_t *size) {
    struct header header;
    struct stat status;
    char magic[8];
    write_magic(stem, magic);
    if (fread(&header, sizeof(header), 1, f) != 1 || memcmp(header.magic, magic, 8) || header.key != key ||
        fstat(fileno(f), &status) || header.size != (uint64_t)status.st_size - sizeof(header) ||
        header.size == 0)
        return NULL;
    void *data = malloc(header.size);
    if (data && fread(data, 1, header.size, f) == header.size &&
        fm_cache_key_add(key, data, header.size) == header.checksum) {
        *size = header.size;
        return data;
    }
    free(data);
    return NULL;
}

void *fm_cache_read(
    const struct fathom_gpu *gpu, const char *stem, uint64_t key, size_t *size, bool *unusable) {
    *unusable = false;
    if (!gpu->params.cache_dir) return NULL;
    char *path = cache_path(gpu, stem, key);
    FILE *f = path ? fopen(path, "rb") : NULL;
    free(path);
    if (!f) return NULL;
    void *data = read_contents(f, stem, key, size);
    fclose(f);
    *unusable = !data;
    return data;
}

// Makes a folder and its parents, like mkdir -p. Returns false with errno set.
static bool make_folders(const char *path) {
    const size_t n = strlen(path);
    char *part = n < PATH_MAX ? strdup(path) : (errno = ENAMETOOLONG, NULL);
    bool ok = part != NULL;
    for (size_t i = 1; ok && i <= n; i++) {
        if (path[i] != '/' && path[i] != 0) continue;
        part[i] = 0;
        ok = mkdir(part, 0777) == 0 || errno == EEXIST;
        part[i] = path[i];
    }
    const int error = errno;
    free(part);
    errno = error;
    return ok;
}

static bool write_file(
    const char *path, const struct header *header, const void *data, struct fathom_error *err) {
    struct fm_part_file file;
    if (!fm_part_file_create(&file, path, err)) return false;
    const bool ok = fm_part_file_write(&file, header, sizeof(*header), err) &&
        fm_part_file_write(&file, data, header->size, err) && fm_part_file_finish(&file, false, err);
    if (!ok) fm_part_file_discard(&file);
    return ok;
}

void fm_cache_write(
    const struct fathom_gpu *gpu, const char *stem, uint64_t key, const void *data, size_t size) {
    struct header header = {.key = key, .size = size, .checksum = fm_cache_key_add(key, data, size)};
    struct fathom_error err = {0};
    if (!gpu->params.cache_dir) return;
    write_magic(stem, header.magic);
    char *path = cache_path(gpu, stem, key);
    if (!path)
        fm_fail(&err, FATHOM_NO_MEMORY, "out of host memory");
    else if (!make_folders(gpu->params.cache_dir))
        fm_fail(&err, FATHOM_IO, "%s: cannot create: %s", gpu->params.cache_dir, strerror(errno));
    else
        write_file(path, &header, data, &err);
    free(path);
    if (err.status != FATHOM_OK)
        fm_log(&gpu->params.log, FATHOM_LOG_WARNING, "the cache could not be written: %s", err.message);
}
