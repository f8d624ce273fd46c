// Translates a stream's list into command buffers: descriptor sets, derived barriers, and short submits.
#include "gpu/split.h"
#include <stdlib.h>

enum { SETS_PER_POOL = 256 };

// ---- Barriers: the ranges touched since the last one -----------------------------------------------------

struct access {
    const struct fm_block *block;
    uint64_t begin, end;
    bool write;
};
struct accesses {
    struct access *list;
    uint32_t n, capacity;
};

static struct access access(struct fathom_view v, bool write) {
    const uint64_t begin = v.buffer->offset + v.offset;
    return (struct access){v.buffer->block, begin, begin + v.size, write};
}

// The ranges that one entry accesses.
static uint32_t entry_accesses(
    const struct fathom_gpu *gpu, const struct fm_entry *e, struct access out[FM_END_BINDINGS + 1]) {
    uint32_t n = 0;
    const struct fm_dispatch *d = &e->dispatch;
    const struct fm_spirv *spirv = e->is_copy ? NULL : &e->pipeline->layout->spirv;
    for (uint32_t i = 0; i < d->n_views; i++)
        if (d->views[i].buffer) out[n++] = access(d->views[i], spirv ? spirv->writes[i] : i == 1);
    for (uint32_t i = FM_MAX_BINDINGS; spirv && i < FM_END_BINDINGS; i++)
        if (spirv->writes[i]) out[n++] = access(fathom_buffer_view(gpu->own[i - FM_MAX_BINDINGS]), true);
    if (d->indirect.buffer) {
        const uint64_t begin = d->indirect.buffer->offset + d->indirect.offset;
        out[n++] = (struct access){d->indirect.buffer->block, begin, begin + 12, false};
    }
    return n;
}

static bool conflicts(const struct accesses *past, const struct access *now, uint32_t n_now) {
    for (uint32_t i = 0; i < past->n; i++)
        for (uint32_t j = 0; j < n_now; j++) {
            const struct access *a = &past->list[i], *b = &now[j];
            if ((a->write || b->write) && a->block == b->block && a->begin < b->end && b->begin < a->end)
                return true;
        }
    return false;
}

static bool remember(struct accesses *past, const struct access *now, uint32_t n_now) {
    if (past->n + n_now > past->capacity) {
        const uint32_t capacity = 2 * (past->n + n_now);
        struct access *grown = realloc(past->list, capacity * sizeof(*grown));
        if (!grown) return false;
        past->list = grown;
        past->capacity = capacity;
    }
    for (uint32_t i = 0; i < n_now; i++) past->list[past->n++] = now[i];
    return true;
}

static void barrier(struct fathom_stream *s, VkCommandBuffer c) {
    const VkMemoryBarrier memory = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT |
            VK_ACCESS_INDIRECT_COMMAND_READ_BIT | VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT,
    };
    const VkPipelineStageFlags work = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
    s->gpu->vk.vkCmdPipelineBarrier(
        c, work, work | VK_PIPELINE_STAGE_DRAW_INDIRECT_BIT, 0, 1, &memory, 0, NULL, 0, NULL);
    s->n_barriers++;
}

// ---- Command buffers -------------------------------------------------------------------------------------

// The commands begin after everything submitted before, and after the host's writes.
static VkCommandBuffer begin_commands(struct fathom_stream *s, struct fathom_error *err) {
    struct fathom_gpu *gpu = s->gpu;
    if (s->n_buffers == s->buffer_capacity) {
        VkCommandBuffer *grown = realloc(s->buffers, (2 * s->buffer_capacity + 4) * sizeof(*grown));
        if (!grown) {
            fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
            return VK_NULL_HANDLE;
        }
        s->buffers = grown;
        double *seconds = realloc(s->seconds, (2 * s->buffer_capacity + 4) * sizeof(*seconds));
        if (!seconds) {
            fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
            return VK_NULL_HANDLE;
        }
        s->seconds = seconds;
        s->buffer_capacity = 2 * s->buffer_capacity + 4;
    }
    VkCommandBuffer c;
    const VkCommandBufferAllocateInfo allocate = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = s->pool,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1,
    };
    const VkCommandBufferBeginInfo begin = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT,
    };
    if (!fm_vk_check(gpu, FM_VK_ALLOCATE(gpu, vkAllocateCommandBuffers, &allocate, &c),
            "vkAllocateCommandBuffers", err))
        return VK_NULL_HANDLE;
    s->seconds[s->n_buffers] = 0;
    s->buffers[s->n_buffers++] = c;
    if (!fm_vk_check(gpu, gpu->vk.vkBeginCommandBuffer(c, &begin), "vkBeginCommandBuffer", err))
        return VK_NULL_HANDLE;
    barrier(s, c);
    return c;
}

// After the submit the host sees all writes.
static bool end_commands(struct fathom_stream *s, VkCommandBuffer c, struct fathom_error *err) {
    const VkMemoryBarrier memory = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_HOST_READ_BIT,
    };
    s->gpu->vk.vkCmdPipelineBarrier(c, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT,
        VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &memory, 0, NULL, 0, NULL);
    return fm_vk_check(s->gpu, s->gpu->vk.vkEndCommandBuffer(c), "vkEndCommandBuffer", err);
}

static bool add_descriptor_pool(struct fathom_stream *s, struct fathom_error *err) {
    VkDescriptorPool *grown = realloc(s->descriptor_pools, (s->n_descriptor_pools + 1) * sizeof(*grown));
    if (!grown) return fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
    s->descriptor_pools = grown;
    const VkDescriptorPoolSize size = {
        .type = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
        .descriptorCount = SETS_PER_POOL * FM_END_BINDINGS,
    };
    const VkDescriptorPoolCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
        .maxSets = SETS_PER_POOL,
        .poolSizeCount = 1,
        .pPoolSizes = &size,
    };
    if (!fm_vk_check(s->gpu,
            FM_VK_CREATE(
                s->gpu, vkCreateDescriptorPool, &create, &s->descriptor_pools[s->n_descriptor_pools]),
            "vkCreateDescriptorPool", err))
        return false;
    s->n_descriptor_pools++;
    return true;
}

// The view for a binding that the constants switch off. The dispatch reads or writes this view anyway, so
// that no other range is accessed.
static struct fathom_view stand_in(
    const struct fm_layout *layout, const struct fm_dispatch *d, bool written) {
    uint32_t i = 0;
    while (i + 1 < d->n_views && (!d->views[i].buffer || (written && !layout->spirv.writes[i]))) i++;
    return d->views[i];
}

static bool bind_views(struct fathom_stream *s, VkCommandBuffer c, const struct fm_entry *e, uint32_t n_sets,
    struct fathom_error *err) {
    struct fathom_gpu *gpu = s->gpu;
    const struct fm_layout *layout = e->pipeline->layout;
    if (n_sets / SETS_PER_POOL >= s->n_descriptor_pools && !add_descriptor_pool(s, err)) return false;
    VkDescriptorSet set;
    const VkDescriptorSetAllocateInfo allocate = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
        .descriptorPool = s->descriptor_pools[n_sets / SETS_PER_POOL],
        .descriptorSetCount = 1,
        .pSetLayouts = &layout->set,
    };
    if (!fm_vk_check(gpu, FM_VK_ALLOCATE(gpu, vkAllocateDescriptorSets, &allocate, &set),
            "vkAllocateDescriptorSets", err))
        return false;
    VkDescriptorBufferInfo infos[FM_END_BINDINGS];
    VkWriteDescriptorSet writes[FM_END_BINDINGS];
    uint32_t n_writes = 0;
    for (uint32_t i = 0; i < FM_END_BINDINGS; i++) {
        if (!fm_spirv_binds(&layout->spirv, i)) continue;
        struct fathom_view v =
            i < FM_MAX_BINDINGS ? e->dispatch.views[i] : fathom_buffer_view(gpu->own[i - FM_MAX_BINDINGS]);
        if (!v.buffer) v = stand_in(layout, &e->dispatch, layout->spirv.writes[i]);
        infos[n_writes] =
            (VkDescriptorBufferInfo){fm_block_buffer(v.buffer->block), v.buffer->offset + v.offset, v.size};
        writes[n_writes] = (VkWriteDescriptorSet){
            .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
            .dstSet = set,
            .dstBinding = i,
            .descriptorCount = 1,
            .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
            .pBufferInfo = &infos[n_writes],
        };
        n_writes++;
    }
    gpu->vk.vkUpdateDescriptorSets(gpu->device, n_writes, writes, 0, NULL);
    gpu->vk.vkCmdBindDescriptorSets(c, VK_PIPELINE_BIND_POINT_COMPUTE, layout->pipeline, 0, 1, &set, 0, NULL);
    return true;
}

// Tells include/tiles.glsl where a part begins.
static void write_first_tile(struct fathom_stream *s, VkCommandBuffer c, const uint32_t first[3]) {
    const struct fathom_buffer *tiles = s->gpu->own[FM_TILES_BINDING - FM_MAX_BINDINGS];
    barrier(s, c);
    s->gpu->vk.vkCmdUpdateBuffer(c, fm_block_buffer(tiles->block), tiles->offset + 8, 12, first);
    barrier(s, c);
}

static void dispatch(
    struct fathom_stream *s, VkCommandBuffer c, const struct fm_entry *e, uint32_t i, uint32_t n) {
    const struct fm_device_functions *vk = &s->gpu->vk;
    const struct fm_dispatch *d = &e->dispatch;
    static const uint32_t zero[3];
    const bool tiles = fm_spirv_binds(&e->pipeline->layout->spirv, FM_TILES_BINDING);
    if (d->indirect.buffer) {
        vk->vkCmdDispatchIndirect(
            c, fm_block_buffer(d->indirect.buffer->block), d->indirect.buffer->offset + d->indirect.offset);
    } else if (n == 1) {
        vk->vkCmdDispatch(c, d->groups[0], d->groups[1], d->groups[2]);
    } else {
        const struct fm_range r = fm_range(e, i, n);
        if (tiles) write_first_tile(s, c, r.first);
        vk->vkCmdDispatchBase(c, r.first[0], r.first[1], r.first[2], r.n[0], r.n[1], r.n[2]);
        if (tiles) write_first_tile(s, c, zero);
    }
    s->n_dispatches++;
}

// Records an entry, or part i of n.
static bool record(struct fathom_stream *s, VkCommandBuffer c, const struct fm_entry *e, uint32_t i,
    uint32_t n, uint32_t *n_sets, struct fathom_error *err) {
    const struct fm_device_functions *vk = &s->gpu->vk;
    const struct fm_dispatch *d = &e->dispatch;
    if (e->is_copy) {
        const struct fathom_view src = d->views[0], dst = d->views[1];
        const VkBufferCopy copy = {
            .srcOffset = src.buffer->offset + src.offset,
            .dstOffset = dst.buffer->offset + dst.offset,
            .size = src.size,
        };
        vk->vkCmdCopyBuffer(
            c, fm_block_buffer(src.buffer->block), fm_block_buffer(dst.buffer->block), 1, &copy);
        return true;
    }
    vk->vkCmdBindPipeline(c, VK_PIPELINE_BIND_POINT_COMPUTE, e->pipeline->handle);
    if (!bind_views(s, c, e, (*n_sets)++, err)) return false;
    if (d->args_size)
        vk->vkCmdPushConstants(
            c, e->pipeline->layout->pipeline, VK_SHADER_STAGE_COMPUTE_BIT, 0, d->args_size, e->args);
    dispatch(s, c, e, i, n);
    return true;
}

static bool create_timers(struct fathom_stream *s, struct fathom_error *err) {
    if (!s->wants_timers || s->gpu->info.timestamp_period == 0 || s->n_entries == 0) return true;
    const VkQueryPoolCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
        .queryType = VK_QUERY_TYPE_TIMESTAMP,
        .queryCount = 2 * s->n_entries,
    };
    return fm_vk_check(
        s->gpu, FM_VK_CREATE(s->gpu, vkCreateQueryPool, &create, &s->timers), "vkCreateQueryPool", err);
}

static void stamp(struct fathom_stream *s, VkCommandBuffer c, uint32_t entry, bool end) {
    if (!s->timers) return;
    const uint32_t query = 2 * entry + end;
    s->gpu->vk.vkCmdResetQueryPool(c, s->timers, query, 1);
    s->gpu->vk.vkCmdWriteTimestamp(
        c, end ? VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT : VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT, s->timers, query);
}

// Ends the parts before entry `entry`. *n_cuts counts the parts that have ended. Returns how many end here.
static uint32_t end_parts(struct fathom_stream *s, uint32_t entry, uint32_t *n_cuts) {
    const uint32_t before = *n_cuts;
    for (; *n_cuts < s->n_cuts && s->cuts[*n_cuts].n_entries == entry; ++*n_cuts)
        s->cuts[*n_cuts].n_buffers = s->n_buffers;
    return *n_cuts - before;
}

// What is being recorded.
struct encoding {
    struct fathom_stream *stream;
    VkCommandBuffer commands; // VK_NULL_HANDLE: between two
    struct accesses past;
    double seconds, most; // of work in the commands; limit
    uint32_t n_sets;
};

static bool end_submit(struct encoding *e, struct fathom_error *err) {
    const VkCommandBuffer c = e->commands;
    e->commands = VK_NULL_HANDLE;
    e->past.n = 0;
    e->seconds = 0;
    return !c || end_commands(e->stream, c, err);
}

// Appends part i of n of an entry to the commands, or to new ones.
static bool encode_part(
    struct encoding *e, uint32_t entry, uint32_t i, uint32_t n, struct fathom_error *err) {
    struct fathom_stream *s = e->stream;
    const struct fm_entry *d = &s->entries[entry];
    const double seconds = fm_estimate_seconds(s->gpu, &d->dispatch) / n;
    if (e->commands && e->seconds + seconds > e->most && !end_submit(e, err)) return false;
    if (!e->commands && !(e->commands = begin_commands(s, err))) return false;
    struct access now[FM_END_BINDINGS + 1];
    const uint32_t n_now = entry_accesses(s->gpu, d, now);
    if (conflicts(&e->past, now, n_now) || (s->gpu->debug.full_barriers && e->past.n)) {
        barrier(s, e->commands);
        e->past.n = 0;
    }
    if (i == 0) stamp(s, e->commands, entry, false);
    if (!remember(&e->past, now, n_now)) return fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
    if (!record(s, e->commands, d, i, n, &e->n_sets, err)) return false;
    if (i + 1 == n) stamp(s, e->commands, entry, true);
    e->seconds += seconds;
    s->seconds[s->n_buffers - 1] = e->seconds;
    return true;
}

static void count_commands(const struct fathom_stream *s) {
    struct fathom_gpu_counters *c = &s->gpu->counters;
    fm_lock_take(&s->gpu->lock);
    c->recorded += s->n_buffers;
    c->dispatches += s->n_dispatches;
    c->barriers += s->n_barriers;
    fm_lock_release(&s->gpu->lock);
}

bool fm_stream_encode(struct fathom_stream *s, struct fathom_error *err) {
    s->n_dispatches = s->n_barriers = 0;
    struct encoding e = {.stream = s, .most = fm_submit_seconds(s)};
    uint32_t n_cuts = 0;
    bool ok = create_timers(s, err);
    for (uint32_t i = 0; ok && i < s->n_entries; i++) {
        const uint32_t n = fm_count_ranges(s->gpu, &s->entries[i], e.most);
        if (end_parts(s, i, &n_cuts)) ok = end_submit(&e, err);
        for (uint32_t j = 0; ok && j < n; j++) ok = encode_part(&e, i, j, n, err);
    }
    free(e.past.list);
    end_parts(s, s->n_entries, &n_cuts);
    count_commands(s);
    return ok && end_submit(&e, err);
}

void fm_stream_release(struct fathom_stream *s) {
    const struct fathom_gpu *gpu = s->gpu;
    if (s->n_buffers) gpu->vk.vkFreeCommandBuffers(gpu->device, s->pool, s->n_buffers, s->buffers);
    s->n_buffers = 0;
    for (uint32_t i = 0; i < s->n_descriptor_pools; i++)
        gpu->vk.vkResetDescriptorPool(gpu->device, s->descriptor_pools[i], 0);
    gpu->vk.vkDestroyQueryPool(gpu->device, s->timers, NULL);
    s->timers = VK_NULL_HANDLE;
    free(s->times);
    s->times = NULL;
    s->n_times = 0;
}

static bool read_time(const struct fathom_stream *s, uint32_t i, struct fathom_dispatch_time *time) {
    const struct fathom_gpu *gpu = s->gpu;
    const struct fm_dispatch *d = &s->entries[i].dispatch;
    uint64_t ticks[2];
    const VkResult result = gpu->vk.vkGetQueryPoolResults(
        gpu->device, s->timers, 2 * i, 2, sizeof(ticks), ticks, sizeof(*ticks), VK_QUERY_RESULT_64_BIT);
    const double n_ticks = (double)((ticks[1] - ticks[0]) & gpu->timestamp_mask);
    *time = FATHOM_INIT(fathom_dispatch_time, .op = d->op, .variant = d->variant ? d->variant->name : "",
        .nanoseconds = n_ticks * (double)gpu->info.timestamp_period, .flops = d->flops, .bytes = d->bytes);
    return result == VK_SUCCESS;
}

size_t fathom_stream_read_timings(struct fathom_stream *s) {
    if (!s) return 0;
    free(s->times);
    s->times = NULL;
    s->n_times = 0;
    if (!s->timers || !s->last_ticket || !fathom_gpu_wait(s->gpu, s->last_ticket, NULL)) return 0;
    if (!(s->times = calloc(s->n_entries + 1, sizeof(*s->times)))) return 0;
    for (uint32_t i = 0; i < s->n_entries; i++)
        if (!read_time(s, i, &s->times[i]))
            return 0; // a part of the dispatches would look like a faster step
    return s->n_times = s->n_entries;
}

const struct fathom_dispatch_time *fathom_stream_get_timing(const struct fathom_stream *s, size_t i) {
    if (!s) return NULL;
    return i < s->n_times ? &s->times[i] : NULL;
}
