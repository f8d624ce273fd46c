// Builds pipelines, on several threads, which outlive a call that is cancelled.
#include "base/clock.h"
#include "gpu/internal.h"
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

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
