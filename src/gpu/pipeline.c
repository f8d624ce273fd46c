// Pipelines, one for each shader and set of constants, built on several threads.
#include "base/clock.h"
#include "gpu/stream.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Creates, unless it exists, the gpu's own buffer for a binding.
static bool create_own(struct fathom_gpu *gpu, uint32_t binding, struct fathom_error *err) {
    struct fathom_buffer **own = &gpu->own[binding - FM_MAX_BINDINGS];
    if (!*own)
        *own = binding == FM_GRIDS_BINDING
            ? fm_grids_create(gpu, err)
            : fathom_buffer_create(gpu, FM_TILES_SIZE, FATHOM_MEMORY_DEVICE, err);
    return *own != NULL;
}

const struct fm_layout *fm_layout_get(
    struct fathom_gpu *gpu, const struct fm_shader *shader, struct fathom_error *err) {
    for (size_t i = 0; i < gpu->n_layouts; i++)
        if (gpu->layouts[i].shader == shader) return &gpu->layouts[i];
    struct fm_layout *grown = realloc(gpu->layouts, (gpu->n_layouts + 1) * sizeof(*grown));
    if (!grown) {
        fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
        return NULL;
    }
    gpu->layouts = grown;
    struct fm_layout *l = &gpu->layouts[gpu->n_layouts];
    *l = (struct fm_layout){.shader = shader};
    if (!fm_spirv_reflect(shader, &l->spirv, err)) goto fail;
    VkDescriptorSetLayoutBinding bindings[FM_END_BINDINGS];
    uint32_t n_bindings = 0;
    for (uint32_t i = 0; i < FM_END_BINDINGS; i++) {
        if (!fm_spirv_binds(&l->spirv, i)) continue;
        if (i >= FM_MAX_BINDINGS && !create_own(gpu, i, err)) goto fail;
        bindings[n_bindings++] = (VkDescriptorSetLayoutBinding){
            .binding = i,
            .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
            .descriptorCount = 1,
            .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
        };
    }
    const VkDescriptorSetLayoutCreateInfo set = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
        .bindingCount = n_bindings,
        .pBindings = bindings,
    };
    if (!fm_vk_check(gpu, FM_VK_CREATE(gpu, vkCreateDescriptorSetLayout, &set, &l->set),
            "vkCreateDescriptorSetLayout", err))
        goto fail;
    const VkPushConstantRange range = {.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT, .size = l->spirv.args_size};
    const VkPipelineLayoutCreateInfo layout = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
        .setLayoutCount = 1,
        .pSetLayouts = &l->set,
        .pushConstantRangeCount = l->spirv.args_size > 0,
        .pPushConstantRanges = &range,
    };
    if (!fm_vk_check(gpu, FM_VK_CREATE(gpu, vkCreatePipelineLayout, &layout, &l->pipeline),
            "vkCreatePipelineLayout", err))
        goto fail;
    gpu->n_layouts++;
    return l;
fail:
    fm_error_prefix(err, "shader %s", shader->name);
    gpu->vk.vkDestroyDescriptorSetLayout(gpu->device, l->set, NULL);
    return NULL;
}

static uint64_t hash_key(const struct fm_pipeline *key) {
    uint64_t hash = key->layout * 0x9e3779b97f4a7c15u + key->subgroup_size;
    for (uint32_t i = 0; i < key->n_spec; i++) hash = (hash ^ key->spec[i]) * 0x100000001b3u;
    return hash ^ hash >> 29;
}

static bool same_key(const struct fm_pipeline *a, const struct fm_pipeline *b) {
    return a->layout == b->layout && a->subgroup_size == b->subgroup_size && a->n_spec == b->n_spec &&
        !memcmp(a->spec, b->spec, a->n_spec * sizeof(*a->spec));
}

// The slot that holds the key's pipeline, or the free slot for it.
static struct fm_pipeline **slot(const struct fathom_gpu *gpu, const struct fm_pipeline *key) {
    size_t at = hash_key(key) & (gpu->pipeline_slots - 1);
    while (gpu->pipelines[at] && !same_key(gpu->pipelines[at], key))
        at = (at + 1) & (gpu->pipeline_slots - 1);
    return &gpu->pipelines[at];
}

static bool grow_table(struct fathom_gpu *gpu) {
    if (2 * (gpu->n_pipelines + 1) <= gpu->pipeline_slots) return true;
    struct fm_pipeline **old = gpu->pipelines;
    const size_t n_old = gpu->pipeline_slots, n_new = n_old ? 2 * n_old : 64;
    struct fm_pipeline **table = calloc(n_new, sizeof(*table));
    if (!table) return false;
    gpu->pipelines = table;
    gpu->pipeline_slots = n_new;
    for (size_t i = 0; i < n_old; i++)
        if (old[i]) *slot(gpu, old[i]) = old[i];
    free(old);
    return true;
}

struct fm_pipeline *fm_pipeline_request(
    struct fathom_gpu *gpu, const struct fm_entry *e, struct fathom_error *err) {
    const struct fm_dispatch *d = &e->dispatch;
    const struct fm_layout *layout = fm_layout_get(gpu, d->variant->shader, err);
    if (!layout) return NULL;
    struct fm_pipeline key = {.layout = (uint32_t)(layout - gpu->layouts), .n_spec = e->n_spec};
    if (gpu->info.caps & FATHOM_CAP_SUBGROUP_SIZE_CONTROL) key.subgroup_size = d->subgroup_size;
    memcpy(key.spec, e->spec, e->n_spec * sizeof(*key.spec));
    struct fm_pipeline **at = grow_table(gpu) ? slot(gpu, &key) : NULL;
    if (at && *at) {
        (*at)->result = VK_SUCCESS; // one that failed is tried again: memory may be free by now
        return *at;
    }
    struct fm_pipeline *p = at ? malloc(sizeof(*p)) : NULL;
    if (!p) {
        fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
        return NULL;
    }
    *p = key;
    *at = p;
    gpu->n_pipelines++;
    return p;
}

// Creates the shader module, without the code that this pipeline's constants switch off.
static VkResult create_module(struct fathom_gpu *gpu, struct fm_pipeline *p, VkShaderModule *module) {
    uint32_t *words;
    size_t n_words;
    if (!fm_spirv_trim(gpu->layouts[p->layout].shader, p->spec, p->n_spec, &words, &n_words))
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    p->whole = fm_spirv_whole(words, n_words);
    const VkShaderModuleCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
        .codeSize = 4 * n_words,
        .pCode = words,
    };
    const VkResult result = FM_VK_CREATE(gpu, vkCreateShaderModule, &create, module);
    free(words);
    return result;
}

static void build(struct fathom_gpu *gpu, struct fm_pipeline *p) {
    const struct fm_layout *l = &gpu->layouts[p->layout];
    VkShaderModule module;
    p->failed_call = "vkCreateShaderModule";
    p->result = create_module(gpu, p, &module);
    if (p->result != VK_SUCCESS) return;
    VkSpecializationMapEntry entries[FM_MAX_SPEC];
    for (uint32_t i = 0; i < p->n_spec; i++)
        entries[i] = (VkSpecializationMapEntry){.constantID = i, .offset = 4 * i, .size = 4};
    const VkSpecializationInfo constants = {
        .mapEntryCount = p->n_spec,
        .pMapEntries = entries,
        .dataSize = 4 * p->n_spec,
        .pData = p->spec,
    };
    const VkPipelineShaderStageRequiredSubgroupSizeCreateInfo size = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO,
        .requiredSubgroupSize = p->subgroup_size,
    };
    VkPipelineCreationFeedback whole = {0}, stage = {0};
    const VkPipelineCreationFeedbackCreateInfo feedback = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_CREATION_FEEDBACK_CREATE_INFO,
        .pPipelineCreationFeedback = &whole,
        .pipelineStageCreationFeedbackCount = 1,
        .pPipelineStageCreationFeedbacks = &stage,
    };
    const VkComputePipelineCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .pNext = gpu->creation_feedback ? &feedback : NULL,
        .flags = (gpu->debug.statistics ? VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR : 0) |
            (gpu->info.type == FATHOM_GPU_CPU && !p->whole ? VK_PIPELINE_CREATE_DISPATCH_BASE_BIT : 0),
        .stage =
            {
                .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                .pNext = p->subgroup_size ? &size : NULL,
                .flags = p->subgroup_size ? VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT : 0,
                .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                .module = module,
                .pName = "main",
                .pSpecializationInfo = &constants,
            },
        .layout = l->pipeline,
    };
    p->failed_call = "vkCreateComputePipelines";
    p->result = fm_vk_made(
        gpu->vk.vkCreateComputePipelines(gpu->device, gpu->pipeline_cache, 1, &create, NULL, &p->handle),
        &p->handle, sizeof(p->handle));
    gpu->vk.vkDestroyShaderModule(gpu->device, module, NULL);
    p->from_cache = whole.flags & VK_PIPELINE_CREATION_FEEDBACK_APPLICATION_PIPELINE_CACHE_HIT_BIT;
}

// The missing pipelines, which the threads share.
struct work {
    struct fathom_gpu *gpu;
    struct fm_pipeline **missing;
    size_t n_missing;
    atomic_size_t next;
};

static void *build_some(void *argument) {
    struct work *work = argument;
    for (size_t i; (i = atomic_fetch_add(&work->next, 1)) < work->n_missing;)
        build(work->gpu, work->missing[i]);
    return NULL;
}

static size_t thread_count(const struct fathom_gpu *gpu, size_t n_missing) {
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    size_t n = gpu->params.n_threads ? gpu->params.n_threads : cores > 0 ? (size_t)cores : 1;
    if (n > n_missing) n = n_missing;
    return n > 64 ? 64 : n;
}

static bool check_built(struct fathom_gpu *gpu, const struct work *work, struct fathom_error *err) {
    bool ok = true;
    for (size_t i = 0; i < work->n_missing; i++) {
        const struct fm_pipeline *p = work->missing[i];
        if (p->result == VK_SUCCESS) {
            if (p->from_cache)
                gpu->counters.pipelines_from_cache++;
            else
                gpu->counters.pipelines_built++;
            if (gpu->debug.statistics) fm_pipeline_log_statistics(gpu, p);
        } else if (ok) {
            ok = fm_vk_check(gpu, p->result, p->failed_call, err);
            fm_error_prefix(err, "shader %s", gpu->layouts[p->layout].shader->name);
        }
    }
    return ok;
}

bool fm_pipelines_build(struct fathom_gpu *gpu, struct fm_watch *watch, struct fathom_error *err) {
    struct work work = {.gpu = gpu, .missing = malloc((gpu->n_pipelines + 1) * sizeof(*work.missing))};
    if (!work.missing) return fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
    if (!fm_watch_goes_on(watch, err)) return free(work.missing), false;
    for (size_t i = 0; i < gpu->pipeline_slots; i++)
        if (gpu->pipelines[i] && !gpu->pipelines[i]->handle && gpu->pipelines[i]->result == VK_SUCCESS)
            work.missing[work.n_missing++] = gpu->pipelines[i];
    const double start = fm_clock();
    pthread_t threads[64];
    const size_t n_wanted = thread_count(gpu, work.n_missing);
    size_t n_threads = 0;
    while (n_threads + 1 < n_wanted && !pthread_create(&threads[n_threads], NULL, build_some, &work))
        n_threads++;
    build_some(&work);
    for (size_t i = 0; i < n_threads; i++) pthread_join(threads[i], NULL);
    if (work.n_missing) gpu->counters.pipeline_seconds += fm_clock() - start;
    const bool ok = check_built(gpu, &work, err);
    free(work.missing);
    return ok;
}
