#include "gpu/cache_file.h"
#include "gpu/internal.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_PATH = 4096 };

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
    vkGetPhysicalDeviceProperties(gpu->physical, &p);
    uint64_t key = fm_cache_key_add(0xcbf29ce484222325u, p.pipelineCacheUUID, sizeof(p.pipelineCacheUUID));
    const uint32_t ids[] = {p.vendorID, p.deviceID, p.driverVersion, p.apiVersion, gpu->info.subgroup_size};
    key = fm_cache_key_add(key, ids, sizeof(ids));
    for (size_t i = 0; i < fm_n_shaders; i++)
        key = fm_cache_key_add(key, fm_shaders[i]->words, 4 * fm_shaders[i]->n_words);
    return key;
}

static void cache_path(
    const struct fathom_gpu *gpu, const char *stem, uint64_t key, const char *suffix, char path[MAX_PATH]) {
    snprintf(path, MAX_PATH, "%s/%s-%016llx%s", gpu->params.cache_dir, stem, (unsigned long long)key, suffix);
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
    char path[MAX_PATH];
    *unusable = false;
    if (!gpu->params.cache_dir) return NULL;
    cache_path(gpu, stem, key, "", path);
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    void *data = read_contents(f, stem, key, size);
    fclose(f);
    *unusable = !data;
    return data;
}

// Makes a folder and its parents, like mkdir -p.
static bool make_folders(const char *path) {
    char part[MAX_PATH];
    const size_t n = strlen(path);
    if (n >= sizeof(part)) return false;
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != 0) continue;
        memcpy(part, path, i);
        part[i] = 0;
        if (mkdir(part, 0777) != 0 && errno != EEXIST) return false;
    }
    return true;
}

void fm_cache_write(
    const struct fathom_gpu *gpu, const char *stem, uint64_t key, const void *data, size_t size) {
    char path[MAX_PATH], temporary[MAX_PATH], suffix[32];
    struct header header = {.key = key, .size = size, .checksum = fm_cache_key_add(key, data, size)};
    if (!gpu->params.cache_dir) return;
    write_magic(stem, header.magic);
    snprintf(suffix, sizeof(suffix), ".%ld", (long)getpid());
    cache_path(gpu, stem, key, "", path);
    cache_path(gpu, stem, key, suffix, temporary);
    FILE *f = make_folders(gpu->params.cache_dir) ? fopen(temporary, "wb") : NULL;
    bool ok = f && fwrite(&header, sizeof(header), 1, f) == 1 && fwrite(data, 1, size, f) == size;
    if (f) ok = fclose(f) == 0 && ok;
    if (!ok || rename(temporary, path) != 0) {
        fm_log(&gpu->params.log, FATHOM_LOG_WARNING, "%s could not be written: %s", path, strerror(errno));
        if (f) remove(temporary);
    }
}
