// Keeps the driver's compiled pipelines on disk, in one file for each device, driver and set of shaders.
#include "gpu/cache_file.h"
#include "gpu/internal.h"
#include <stdlib.h>

bool fm_pipeline_cache_open(struct fathom_gpu *gpu, struct fathom_error *err) {
    size_t size = 0;
    bool unusable;
    void *data =
        gpu->params.cache_dir ? fm_cache_read(gpu, "pipelines", fm_cache_key(gpu), &size, &unusable) : NULL;
    const VkPipelineCacheCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO,
        .initialDataSize = size,
        .pInitialData = data,
    };
    const bool ok = fm_vk_check(gpu, FM_VK_CREATE(gpu, vkCreatePipelineCache, &create, &gpu->pipeline_cache),
        "vkCreatePipelineCache", err);
    free(data);
    return ok;
}

static void save_cache(struct fathom_gpu *gpu) {
    size_t size = 0;
    if (!gpu->params.cache_dir || gpu->counters.pipelines_built == 0 || gpu->lost) return;
    if (gpu->vk.vkGetPipelineCacheData(gpu->device, gpu->pipeline_cache, &size, NULL) != VK_SUCCESS ||
        size == 0)
        return;
    void *data = malloc(size);
    if (data && gpu->vk.vkGetPipelineCacheData(gpu->device, gpu->pipeline_cache, &size, data) == VK_SUCCESS)
        fm_cache_write(gpu, "pipelines", fm_cache_key(gpu), data, size);
    free(data);
}

void fm_pipelines_destroy(struct fathom_gpu *gpu) {
    fm_builds_join(gpu, true);
    if (gpu->pipeline_cache) save_cache(gpu);
    for (size_t i = 0; i < gpu->pipeline_slots; i++) {
        if (!gpu->pipelines[i]) continue;
        gpu->vk.vkDestroyPipeline(gpu->device, gpu->pipelines[i]->handle, NULL);
        free(gpu->pipelines[i]);
    }
    for (size_t i = 0; i < gpu->n_layouts; i++) {
        gpu->vk.vkDestroyPipelineLayout(gpu->device, gpu->layouts[i]->pipeline, NULL);
        gpu->vk.vkDestroyDescriptorSetLayout(gpu->device, gpu->layouts[i]->set, NULL);
        free(gpu->layouts[i]);
    }
    gpu->vk.vkDestroyPipelineCache(gpu->device, gpu->pipeline_cache, NULL);
    free(gpu->pipelines);
    free(gpu->layouts);
}
