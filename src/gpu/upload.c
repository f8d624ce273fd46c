// Copies bytes between host and device: directly where the host sees the memory, else through staging buffers
// and the queue. The staging buffers alternate, so that the host fills one while the device empties another.
#include "gpu/internal.h"
#include <string.h>

// Bytes of a staging buffer that is created now; the limit may change later. All of them take 3/16 of
// host_limit at most, but for very small limits.
static uint64_t staging_bytes(const struct fathom_gpu *gpu) {
    const uint64_t limit = fathom_gpu_get_limits(gpu).host;
    const uint64_t most = 8 << 20, few = 64 << 10, part = limit / 16 / few * few;
    return !limit || part > most ? most : part < few ? few : part;
}

static bool check_view(
    const struct fathom_gpu *gpu, struct fathom_view v, const char *what, struct fathom_error *err) {
    if (!v.buffer) return fm_fail(err, FATHOM_INVALID, "%s: the view's buffer is NULL", what);
    if (v.buffer->gpu != gpu)
        return fm_fail(err, FATHOM_INVALID, "%s: the view's buffer is of another gpu", what);
    if (v.offset <= v.buffer->size && v.size <= v.buffer->size - v.offset && v.offset % 4 == 0) return true;
    return fm_fail(err, FATHOM_INVALID, "%s: bytes %llu to %llu are not a range of a buffer of %llu", what,
        (unsigned long long)v.offset, (unsigned long long)(v.offset + v.size),
        (unsigned long long)v.buffer->size);
}

static bool create_commands(struct fathom_gpu *gpu, struct fm_staging *s, struct fathom_error *err) {
    const VkCommandPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .queueFamilyIndex = gpu->queue_family,
    };
    if (!s->pool &&
        !fm_vk_check(
            gpu, FM_VK_CREATE(gpu, vkCreateCommandPool, &pool, &s->pool), "vkCreateCommandPool", err))
        return false;
    const VkCommandBufferAllocateInfo allocate = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = s->pool,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1,
    };
    return s->commands ||
        fm_vk_check(gpu, FM_VK_ALLOCATE(gpu, vkAllocateCommandBuffers, &allocate, &s->commands),
            "vkAllocateCommandBuffers", err);
}

// Takes a staging buffer that no thread uses, for give_staging(). Waits for one if need be.
static struct fm_staging *take_staging(struct fathom_gpu *gpu) {
    struct fm_staging *s = NULL;
    fm_lock_take(&gpu->lock);
    while (!s) {
        for (uint32_t i = 0; !s && i < FM_N_STAGING; i++) {
            struct fm_staging *next = &gpu->staging[(gpu->next_staging + i) % FM_N_STAGING];
            if (!next->taken) s = next;
        }
        if (!s) fm_lock_wait(&gpu->lock);
    }
    s->taken = true;
    gpu->next_staging = (uint32_t)(s - gpu->staging + 1) % FM_N_STAGING;
    fm_lock_release(&gpu->lock);
    return s;
}

static void give_staging(struct fathom_gpu *gpu, struct fm_staging *s) {
    fm_lock_take(&gpu->lock);
    s->taken = false;
    fm_lock_signal(&gpu->lock);
    fm_lock_release(&gpu->lock);
}

// Creates the staging buffer at first use, and waits until its last transfer is done.
static bool prepare_staging(struct fathom_gpu *gpu, struct fm_staging *s, struct fathom_error *err) {
    return create_commands(gpu, s, err) &&
        (s->buffer || (s->buffer = fm_buffer_create_raw(gpu, staging_bytes(gpu), FATHOM_MEMORY_HOST, err))) &&
        fathom_gpu_wait(gpu, s->ticket, err) &&
        fm_vk_check(gpu, gpu->vk.vkResetCommandPool(gpu->device, s->pool, 0), "vkResetCommandPool", err);
}

void fm_staging_destroy(struct fathom_gpu *gpu) {
    for (int i = 0; i < FM_N_STAGING; i++) {
        fathom_buffer_destroy(&gpu->staging[i].buffer);
        gpu->vk.vkDestroyCommandPool(gpu->device, gpu->staging[i].pool, NULL);
    }
}

// Submits one copy or fill between full barriers; s->ticket tells when the transfer is done. Without src,
// fills with zeros.
static bool transfer(struct fathom_gpu *gpu, struct fm_staging *s, const struct fathom_view *src,
    struct fathom_view dst, struct fathom_error *err) {
    const VkCommandBuffer c = s->commands;
    const VkCommandBufferBeginInfo begin = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
    };
    const VkAccessFlags all = VK_ACCESS_MEMORY_READ_BIT | VK_ACCESS_MEMORY_WRITE_BIT;
    const VkMemoryBarrier barrier = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = all,
        .dstAccessMask = all,
    };
    const VkPipelineStageFlags commands = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT;
    fm_buffer_use(dst.buffer);
    if (src) fm_buffer_use(src->buffer);
    if (!fm_vk_check(gpu, gpu->vk.vkBeginCommandBuffer(c, &begin), "vkBeginCommandBuffer", err)) return false;
    gpu->vk.vkCmdPipelineBarrier(c, commands, commands, 0, 1, &barrier, 0, NULL, 0, NULL);
    const VkBuffer to = fm_block_buffer(dst.buffer->block);
    const uint64_t to_offset = dst.buffer->offset + dst.offset;
    if (src) {
        const VkBufferCopy copy = {
            .srcOffset = src->buffer->offset + src->offset,
            .dstOffset = to_offset,
            .size = src->size,
        };
        gpu->vk.vkCmdCopyBuffer(c, fm_block_buffer(src->buffer->block), to, 1, &copy);
    } else {
        gpu->vk.vkCmdFillBuffer(c, to, to_offset, dst.size, 0);
    }
    gpu->vk.vkCmdPipelineBarrier(
        c, commands, commands | VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &barrier, 0, NULL, 0, NULL);
    return fm_vk_check(gpu, gpu->vk.vkEndCommandBuffer(c), "vkEndCommandBuffer", err) &&
        fm_gpu_submit(gpu, c, &s->ticket, err);
}

struct fathom_buffer *fathom_buffer_create(
    struct fathom_gpu *gpu, uint64_t size, enum fathom_memory memory, struct fathom_error *err) {
    if (!FM_GIVEN(gpu, "gpu", err)) return NULL;
    struct fathom_buffer *buffer = fm_buffer_create_raw(gpu, size, memory, err);
    if (!buffer) return NULL;
    if (buffer->mapped) {
        memset(buffer->mapped, 0, buffer->room);
    } else {
        const struct fathom_view all = {buffer, 0, buffer->room};
        struct fm_staging *s = take_staging(gpu);
        const bool ok = prepare_staging(gpu, s, err) && transfer(gpu, s, NULL, all, err);
        give_staging(gpu, s);
        if (!ok) fathom_buffer_destroy(&buffer);
    }
    return buffer;
}

// Uploads as much of dst as the staging buffer takes. *n: bytes.
static bool upload_part(struct fathom_gpu *gpu, struct fm_staging *s, struct fathom_view dst,
    const void *data, uint64_t *n, struct fathom_error *err) {
    if (dst.size > s->buffer->size) dst.size = s->buffer->size;
    const struct fathom_view src = {s->buffer, 0, dst.size};
    *n = dst.size;
    memcpy(s->buffer->mapped, data, dst.size);
    return transfer(gpu, s, &src, dst, err);
}

static bool download_part(struct fathom_gpu *gpu, struct fm_staging *s, struct fathom_view src, void *data,
    uint64_t *n, struct fathom_error *err) {
    if (src.size > s->buffer->size) src.size = s->buffer->size;
    const struct fathom_view dst = {s->buffer, 0, src.size};
    *n = src.size;
    if (!transfer(gpu, s, &src, dst, err) || !fathom_gpu_wait(gpu, s->ticket, err)) return false;
    memcpy(data, s->buffer->mapped, src.size);
    return true;
}

bool fm_upload_bytes(struct fathom_gpu *gpu, struct fathom_buffer *buffer, uint64_t offset, const void *data,
    uint64_t size, struct fathom_error *err) {
    if (buffer->read_only)
        return fm_fail(
            err, FATHOM_INVALID, "upload: the buffer is the host's own memory, which is only read");
    if (buffer->mapped) {
        // a submit may still read the old bytes; a new weight has none
        if (buffer->in_use && !fm_gpu_wait_all(gpu, err)) return false;
        memcpy(buffer->mapped + offset, data, size);
        return true;
    }
    bool ok = true;
    for (uint64_t done = 0, n; ok && done < size; done += n) {
        struct fm_staging *s = take_staging(gpu);
        n = size - done;
        ok = prepare_staging(gpu, s, err) &&
            upload_part(
                gpu, s, (struct fathom_view){buffer, offset + done, n}, (const char *)data + done, &n, err);
        give_staging(gpu, s);
    }
    return ok;
}

bool fathom_upload(
    struct fathom_gpu *gpu, struct fathom_view dst, const void *data, struct fathom_error *err) {
    if (!FM_GIVEN(gpu, "gpu", err) || !FM_GIVEN(data, "data", err)) return false;
    return check_view(gpu, dst, "upload", err) &&
        fm_upload_bytes(gpu, dst.buffer, dst.offset, data, dst.size, err);
}

bool fathom_download(struct fathom_gpu *gpu, struct fathom_view src, void *data, struct fathom_error *err) {
    if (!FM_GIVEN(gpu, "gpu", err) || !FM_GIVEN(data, "data", err)) return false;
    if (!check_view(gpu, src, "download", err) || !fm_gpu_wait_all(gpu, err)) return false;
    if (src.buffer->mapped) {
        memcpy(data, src.buffer->mapped + src.offset, src.size);
        return true;
    }
    bool ok = true;
    for (uint64_t done = 0, n; ok && done < src.size; done += n) {
        struct fm_staging *s = take_staging(gpu);
        n = src.size - done;
        ok = prepare_staging(gpu, s, err) &&
            download_part(
                gpu, s, (struct fathom_view){src.buffer, src.offset + done, n}, (char *)data + done, &n, err);
        give_staging(gpu, s);
    }
    return ok;
}

bool fm_read_back(struct fathom_gpu *gpu, struct fathom_buffer *buffer, uint32_t words[64]) {
    enum { SIZE = 64 * 4 };
    void *mapped;
    struct fm_block *block = fm_block_create(gpu, SIZE, &mapped, NULL);
    struct fathom_buffer to = {.gpu = gpu, .block = block, .size = SIZE, .room = SIZE};
    const struct fathom_view src = {buffer, 0, SIZE}, dst = {&to, 0, SIZE};
    struct fm_staging s = {0};
    const bool ok = block && create_commands(gpu, &s, NULL) && transfer(gpu, &s, &src, dst, NULL) &&
        fathom_gpu_wait(gpu, s.ticket, NULL);
    if (ok) memcpy(words, mapped, SIZE);
    if (!fm_gpu_idle(gpu)) return false; // the device may still use all of it
    gpu->vk.vkDestroyCommandPool(gpu->device, s.pool, NULL);
    fm_lock_take(&gpu->lock);
    if (block) fm_block_destroy(gpu, block);
    fm_lock_release(&gpu->lock);
    return ok;
}
