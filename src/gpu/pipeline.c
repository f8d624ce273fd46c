// Pipelines, one for each shader and set of constants.
#include "gpu/stream.h"
#include <stdlib.h>
#include <string.h>

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
