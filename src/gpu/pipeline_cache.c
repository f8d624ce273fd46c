// The driver's compiled pipelines on disk, one file for each device, driver and set of shaders.
#include "gpu/internal.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// What stands before the driver's bytes in the file. A file that does not match is as good as none.
struct header { char magic[8]; uint64_t key, size, checksum; };
static const char magic[8] = "fathompc";

static uint64_t hash_bytes(uint64_t hash, const void *data, size_t n) {
    for (const unsigned char *at = data, *end = at + n; at < end; at++) hash = (hash ^ *at) * 0x100000001b3u;
    return hash;
}

// Device, driver and shaders: what a cached pipeline depends on.
static uint64_t cache_key(const struct fathom_gpu *gpu) {
    VkPhysicalDeviceProperties p;
    vkGetPhysicalDeviceProperties(gpu->physical, &p);
    uint64_t hash = hash_bytes(0xcbf29ce484222325u, p.pipelineCacheUUID, sizeof(p.pipelineCacheUUID));
    const uint32_t ids[] = {p.vendorID, p.deviceID, p.driverVersion, p.apiVersion, gpu->info.subgroup_size};
    hash = hash_bytes(hash, ids, sizeof(ids));
    for (size_t i = 0; i < fm_n_shaders; i++) hash = hash_bytes(hash, fm_shaders[i]->words, 4 * fm_shaders[i]->n_words);
    return hash;
}

static void cache_path(const struct fathom_gpu *gpu, uint64_t key, const char *suffix, char *path, size_t capacity) {
    snprintf(path, capacity, "%s/pipelines-%016llx%s", gpu->params.cache_dir, (unsigned long long)key, suffix);
}

// The driver's bytes of an earlier run; NULL: none that can be used. free() them.
static void *read_cache(const char *path, uint64_t key, size_t *size) {
    struct header header;
    struct stat status;
    void *data = NULL;
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    if (fread(&header, sizeof(header), 1, f) == 1 && !memcmp(header.magic, magic, 8) && header.key == key && !fstat(fileno(f), &status) &&
        header.size == (uint64_t)status.st_size - sizeof(header) && header.size > 0 && (data = malloc(header.size))) {
        if (fread(data, 1, header.size, f) != header.size || hash_bytes(key, data, header.size) != header.checksum) {
            free(data);
            data = NULL;
        }
        *size = header.size;
    }
    fclose(f);
    return data;
}

bool fm_pipeline_cache_open(struct fathom_gpu *gpu, struct fathom_error *err) {
    size_t size = 0;
    void *data = NULL;
    if (gpu->params.cache_dir) {
        char path[4096];
        const uint64_t key = cache_key(gpu);
        cache_path(gpu, key, "", path, sizeof(path));
        data = read_cache(path, key, &size);
    }
    const VkPipelineCacheCreateInfo create = {.sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO, .initialDataSize = data ? size : 0, .pInitialData = data};
    const bool ok = fm_vk_check(gpu, gpu->vk.vkCreatePipelineCache(gpu->device, &create, NULL, &gpu->pipeline_cache), "vkCreatePipelineCache", err);
    free(data);
    return ok;
}

// mkdir -p
static bool make_folders(const char *path) {
    char part[4096];
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

// Written beside and renamed, so that a reader never sees half a file. A failure costs only time at the next start.
static void write_cache(const struct fathom_gpu *gpu, const void *data, size_t size) {
    char path[4096], temporary[4096], suffix[32];
    const uint64_t key = cache_key(gpu);
    const struct header header = {.magic = {'f', 'a', 't', 'h', 'o', 'm', 'p', 'c'}, .key = key, .size = size, .checksum = hash_bytes(key, data, size)};
    snprintf(suffix, sizeof(suffix), ".%ld", (long)getpid());
    cache_path(gpu, key, "", path, sizeof(path));
    cache_path(gpu, key, suffix, temporary, sizeof(temporary));
    FILE *f = make_folders(gpu->params.cache_dir) ? fopen(temporary, "wb") : NULL;
    bool ok = f && fwrite(&header, sizeof(header), 1, f) == 1 && fwrite(data, 1, size, f) == size;
    if (f) ok = fclose(f) == 0 && ok;
    if (!ok || rename(temporary, path) != 0) {
        fm_log(&gpu->params.log, FATHOM_LOG_WARNING, "the pipeline cache could not be written to %s: %s", path, strerror(errno));
        if (f) remove(temporary);
    }
}

static void save_cache(struct fathom_gpu *gpu) {
    size_t size = 0;
    if (!gpu->params.cache_dir || gpu->counters.pipelines_built == 0 || gpu->lost) return;
    if (gpu->vk.vkGetPipelineCacheData(gpu->device, gpu->pipeline_cache, &size, NULL) != VK_SUCCESS || size == 0) return;
    void *data = malloc(size);
    if (data && gpu->vk.vkGetPipelineCacheData(gpu->device, gpu->pipeline_cache, &size, data) == VK_SUCCESS) write_cache(gpu, data, size);
    free(data);
}

void fm_pipelines_destroy(struct fathom_gpu *gpu) {
    if (gpu->pipeline_cache) save_cache(gpu);
    for (size_t i = 0; i < gpu->pipeline_slots; i++) {
        if (!gpu->pipelines[i]) continue;
        gpu->vk.vkDestroyPipeline(gpu->device, gpu->pipelines[i]->handle, NULL);
        free(gpu->pipelines[i]);
    }
    for (size_t i = 0; i < gpu->n_layouts; i++) {
        gpu->vk.vkDestroyPipelineLayout(gpu->device, gpu->layouts[i].pipeline, NULL);
        gpu->vk.vkDestroyDescriptorSetLayout(gpu->device, gpu->layouts[i].set, NULL);
    }
    gpu->vk.vkDestroyPipelineCache(gpu->device, gpu->pipeline_cache, NULL);
    free(gpu->pipelines);
    free(gpu->layouts);
}
