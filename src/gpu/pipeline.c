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
    fm_lock_take(&gpu->lock);
    const bool exists = *own;
    fm_lock_release(&gpu->lock);
    if (exists) return true;
    struct fathom_buffer *made = binding == FM_GRIDS_BINDING
        ? fm_grids_create(gpu, err)
        : fathom_buffer_create(gpu, FM_TILES_SIZE, FATHOM_MEMORY_DEVICE, err);
    if (!made) return false;
    fm_lock_take(&gpu->lock);
    if (!*own) *own = made, made = NULL;
    fm_lock_release(&gpu->lock);
    fathom_buffer_destroy(&made); // another thread was first
    return true;
}

static void destroy_layout(const struct fathom_gpu *gpu, struct fm_layout *l) {
    if (!l) return;
    gpu->vk.vkDestroyPipelineLayout(gpu->device, l->pipeline, NULL);
    gpu->vk.vkDestroyDescriptorSetLayout(gpu->device, l->set, NULL);
    free(l);
}

static struct fm_layout *create_layout(
    struct fathom_gpu *gpu, const struct fm_shader *shader, struct fathom_error *err) {
    struct fm_layout *l = calloc(1, sizeof(*l));
    if (!l) {
        fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
        return NULL;
    }
    l->shader = shader;
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
    if (fm_vk_check(gpu, FM_VK_CREATE(gpu, vkCreatePipelineLayout, &layout, &l->pipeline),
            "vkCreatePipelineLayout", err))
        return l;
fail:
    fm_error_prefix(err, "shader %s", shader->name);
    destroy_layout(gpu, l);
    return NULL;
}

// Under gpu->lock. NULL: there is none yet.
static struct fm_layout *find_layout(const struct fathom_gpu *gpu, const struct fm_shader *shader) {
    for (size_t i = 0; i < gpu->n_layouts; i++)
        if (gpu->layouts[i]->shader == shader) return gpu->layouts[i];
    return NULL;
}

// Adds a layout, unless another thread has added one for its shader. Returns the one that counts; NULL: out
// of host memory.
static struct fm_layout *add_layout(struct fathom_gpu *gpu, struct fm_layout *made) {
    fm_lock_take(&gpu->lock);
    struct fm_layout *l = find_layout(gpu, made->shader);
    struct fm_layout **grown = l ? NULL : realloc(gpu->layouts, (gpu->n_layouts + 1) * sizeof(*grown));
    if (grown) {
        gpu->layouts = grown;
        l = gpu->layouts[gpu->n_layouts++] = made;
    }
    fm_lock_release(&gpu->lock);
    return l;
}

const struct fm_layout *fm_layout_get(
    struct fathom_gpu *gpu, const struct fm_shader *shader, struct fathom_error *err) {
    fm_lock_take(&gpu->lock);
    struct fm_layout *l = find_layout(gpu, shader);
    fm_lock_release(&gpu->lock);
    if (l) return l;
    struct fm_layout *made = create_layout(gpu, shader, err);
    if (!made) return NULL;
    if (!(l = add_layout(gpu, made))) fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
    if (l != made) destroy_layout(gpu, made);
    return l;
}

static uint64_t hash_key(const struct fm_pipeline *key) {
    uint64_t hash = (uintptr_t)key->layout * 0x9e3779b97f4a7c15u + key->subgroup_size;
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

// Returns the key's pipeline, which is added if need be; NULL: out of host memory. Under gpu->lock.
static struct fm_pipeline *find_pipeline(struct fathom_gpu *gpu, const struct fm_pipeline *key) {
    struct fm_pipeline **at = grow_table(gpu) ? slot(gpu, key) : NULL;
    if (!at || *at) return at ? *at : NULL;
    struct fm_pipeline *p = malloc(sizeof(*p));
    if (!p) return NULL;
    *p = *key;
    *at = p;
    gpu->n_pipelines++;
    return p;
}

struct fm_pipeline *fm_pipeline_request(
    struct fathom_gpu *gpu, const struct fm_entry *e, struct fathom_error *err) {
    const struct fm_dispatch *d = &e->dispatch;
    const struct fm_layout *layout = fm_layout_get(gpu, d->variant->shader, err);
    if (!layout) return NULL;
    struct fm_pipeline key = {.layout = layout, .n_spec = e->n_spec};
    if (gpu->info.caps & FATHOM_CAP_SUBGROUP_SIZE_CONTROL) key.subgroup_size = d->subgroup_size;
    memcpy(key.spec, e->spec, e->n_spec * sizeof(*key.spec));
    fm_lock_take(&gpu->lock);
    struct fm_pipeline *p = find_pipeline(gpu, &key);
    // one that failed is tried again: memory may be free by now
    if (p && p->state == FM_PIPELINE_FAILED) p->state = FM_PIPELINE_WANTED;
    fm_lock_release(&gpu->lock);
    if (!p) fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
    return p;
}

// Creates the shader module, without the code that this pipeline's constants switch off.
static VkResult create_module(struct fathom_gpu *gpu, struct fm_pipeline *p, VkShaderModule *module) {
    uint32_t *words;
    size_t n_words;
    if (!fm_spirv_trim(p->layout->shader, p->spec, p->n_spec, &words, &n_words))
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    p->splits = fm_spirv_splits(words, n_words, p->spec, p->n_spec);
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
            (gpu->info.type == FATHOM_GPU_CPU && p->splits ? VK_PIPELINE_CREATE_DISPATCH_BASE_BIT : 0),
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
        .layout = p->layout->pipeline,
    };
    p->failed_call = "vkCreateComputePipelines";
    p->result = fm_vk_made(
        gpu->vk.vkCreateComputePipelines(gpu->device, gpu->pipeline_cache, 1, &create, NULL, &p->handle),
        &p->handle, sizeof(p->handle));
    gpu->vk.vkDestroyShaderModule(gpu->device, module, NULL);
    p->from_cache = whole.flags & VK_PIPELINE_CREATION_FEEDBACK_APPLICATION_PIPELINE_CACHE_HIT_BIT;
}

// ---- Building on threads ---------------------------------------------------------------------------------

enum { MOST_THREADS = 64 };

// One call's pipelines that were missing. The threads share them, and outlive a call that is cancelled.
struct fm_build {
    struct fm_build *next_left; // in gpu->builds
    struct fathom_gpu *gpu;
    struct fm_pipeline **missing;
    size_t n_missing;
    atomic_size_t next;
    atomic_size_t n_running; // threads
    pthread_t threads[MOST_THREADS];
    size_t n_threads;
};

// Tells all who wait what became of a pipeline, and counts it.
static void note_built(struct fathom_gpu *gpu, struct fm_pipeline *p) {
    fm_lock_take(&gpu->lock);
    p->state = p->result == VK_SUCCESS ? FM_PIPELINE_BUILT : FM_PIPELINE_FAILED;
    gpu->counters.pipelines_from_cache += p->result == VK_SUCCESS && p->from_cache;
    gpu->counters.pipelines_built += p->result == VK_SUCCESS && !p->from_cache;
    fm_lock_signal(&gpu->lock);
    fm_lock_release(&gpu->lock);
}

static void build_some(struct fm_build *b) {
    for (size_t i; (i = atomic_fetch_add(&b->next, 1)) < b->n_missing;) {
        build(b->gpu, b->missing[i]);
        note_built(b->gpu, b->missing[i]);
    }
}

static void *run(void *argument) {
    struct fm_build *b = argument;
    build_some(b);
    b->n_running--;
    return NULL;
}

static size_t thread_count(const struct fathom_gpu *gpu, size_t n_missing) {
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    size_t n = gpu->params.n_threads ? gpu->params.n_threads : cores > 0 ? (size_t)cores : 1;
    if (n > n_missing) n = n_missing;
    return n > MOST_THREADS ? MOST_THREADS : n;
}

static void start_threads(struct fm_build *b) {
    const size_t n_wanted = thread_count(b->gpu, b->n_missing);
    bool ok = true;
    while (ok && b->n_threads < n_wanted) {
        b->n_running++;
        ok = !pthread_create(&b->threads[b->n_threads], NULL, run, b);
        if (ok) b->n_threads++;
        if (!ok) b->n_running--;
    }
    if (!b->n_threads) build_some(b);
}

static void end_build(struct fm_build *b) {
    if (!b) return;
    for (size_t i = 0; i < b->n_threads; i++) pthread_join(b->threads[i], NULL);
    free(b->missing);
    free(b);
}

// Takes those of the list that nobody builds yet. *build is NULL if there are none.
static bool take_missing(struct fathom_gpu *gpu, struct fm_pipeline *const *list, size_t n,
    struct fm_build **build, struct fathom_error *err) {
    struct fm_build *b = calloc(1, sizeof(*b));
    *build = NULL;
    if (b) *b = (struct fm_build){.gpu = gpu, .missing = malloc((n + 1) * sizeof(*b->missing))};
    if (!b || !b->missing) {
        end_build(b);
        return fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
    }
    fm_lock_take(&gpu->lock);
    for (size_t i = 0; i < n; i++)
        if (list[i] && list[i]->state == FM_PIPELINE_WANTED) {
            list[i]->state = FM_PIPELINE_IN_WORK;
            b->missing[b->n_missing++] = list[i];
        }
    fm_lock_release(&gpu->lock);
    if (b->n_missing)
        *build = b;
    else
        end_build(b);
    return true;
}

// Begins no more of them. Those that a thread has in work stay with it; fm_builds_join() ends it.
static void leave(struct fm_build *b) {
    struct fathom_gpu *gpu = b->gpu;
    const size_t first = atomic_exchange(&b->next, b->n_missing);
    fm_lock_take(&gpu->lock);
    for (size_t i = first; i < b->n_missing; i++) b->missing[i]->state = FM_PIPELINE_WANTED;
    b->next_left = gpu->builds;
    gpu->builds = b;
    fm_lock_signal(&gpu->lock);
    fm_lock_release(&gpu->lock);
}

void fm_builds_join(struct fathom_gpu *gpu, bool all) {
    struct fm_build *ended = NULL;
    fm_lock_take(&gpu->lock);
    for (struct fm_build **at = &gpu->builds, *b; (b = *at);) {
        if (!all && b->n_running) {
            at = &b->next_left;
            continue;
        }
        *at = b->next_left;
        b->next_left = ended;
        ended = b;
    }
    fm_lock_release(&gpu->lock);
    for (struct fm_build *b; (b = ended);) {
        ended = b->next_left;
        end_build(b);
    }
}

// How many of the list a thread has in work. The lock is held.
static size_t in_work(struct fm_pipeline *const *list, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += list[i] && list[i]->state == FM_PIPELINE_IN_WORK;
    return count;
}

// Waits until none of the list is in work, and tells how many of those that were are not any more.
static bool wait_for_builds(struct fathom_gpu *gpu, struct fm_pipeline *const *list, size_t n,
    struct fm_watch *watch, struct fathom_error *err) {
    bool ok = true;
    fm_lock_take(&gpu->lock);
    const size_t total = in_work(list, n);
    for (size_t left = total; ok && left;) {
        fm_lock_release(&gpu->lock);
        ok = fm_watch_tell(watch, FATHOM_PHASE_PIPELINES, total - left, total, err);
        fm_lock_take(&gpu->lock);
        const double start = fm_clock();
        while (ok && (left = in_work(list, n)) && fm_clock() - start < FM_WATCH_SECONDS)
            fm_lock_wait_for(&gpu->lock, FM_WATCH_SECONDS);
    }
    fm_lock_release(&gpu->lock);
    return ok && (!total || fm_watch_tell(watch, FATHOM_PHASE_PIPELINES, total, total, err));
}

// What this call has built.
static bool check_built(const struct fm_build *b, struct fathom_error *err) {
    bool ok = true;
    for (size_t i = 0; i < b->n_missing; i++) {
        const struct fm_pipeline *p = b->missing[i];
        if (p->result == VK_SUCCESS && b->gpu->debug.statistics) fm_pipeline_log_statistics(b->gpu, p);
        if (p->result == VK_SUCCESS || !ok) continue;
        ok = fm_vk_check(b->gpu, p->result, p->failed_call, err);
        fm_error_prefix(err, "shader %s", p->layout->shader->name);
    }
    return ok;
}

// Whether there are pipelines that another call has failed to build, or has left: this call must build them.
static bool some_left(struct fathom_gpu *gpu, struct fm_pipeline *const *list, size_t n) {
    bool left = false;
    fm_lock_take(&gpu->lock);
    for (size_t i = 0; i < n; i++) {
        if (!list[i] || list[i]->state == FM_PIPELINE_BUILT) continue;
        if (list[i]->state == FM_PIPELINE_FAILED) list[i]->state = FM_PIPELINE_WANTED;
        left = true;
    }
    fm_lock_release(&gpu->lock);
    return left;
}

static bool build_all(struct fathom_gpu *gpu, struct fm_pipeline *const *list, size_t n,
    struct fm_watch *watch, struct fathom_error *err) {
    do {
        const double start = fm_clock();
        struct fm_build *b;
        if (!take_missing(gpu, list, n, &b, err)) return false;
        if (b) start_threads(b);
        if (!wait_for_builds(gpu, list, n, watch, err)) {
            if (b) leave(b);
            return false;
        }
        const bool ok = !b || check_built(b, err);
        fm_lock_take(&gpu->lock);
        if (b) gpu->counters.pipeline_seconds += fm_clock() - start;
        fm_lock_release(&gpu->lock);
        end_build(b);
        if (!ok) return false;
    } while (some_left(gpu, list, n));
    return true;
}

bool fm_pipelines_build(struct fathom_gpu *gpu, struct fm_pipeline *const *list, size_t n,
    struct fm_watch *watch, struct fathom_error *err) {
    const struct fm_watch before = watch ? *watch : (struct fm_watch){0};
    fm_builds_join(gpu, false);
    const bool ok = build_all(gpu, list, n, watch, err);
    if (ok && watch) watch->phase = before.phase, watch->done = before.done, watch->total = before.total;
    return ok;
}
