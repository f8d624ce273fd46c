// Marks that the device writes to host memory at the end of each submit. A device that is a CPU consists of
// threads of this process. They read command buffers and memory until they have ended, whatever a failed
// call has said, and no call of Vulkan tells of their end without failing itself. The mark tells.
#include "gpu/internal.h"
#include <stdlib.h>

struct fm_marks {
    struct fm_block *block;
    volatile uint32_t *word; // the mark of the last submit that has ended
    VkCommandPool pool;
    VkCommandBuffer commands[FM_MOST_IN_FLIGHT]; // number i writes i + 1
};

static bool record(struct fathom_gpu *gpu, uint32_t i, struct fathom_error *err) {
    const VkCommandBuffer c = gpu->marks->commands[i];
    const VkCommandBufferBeginInfo begin = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT,
    };
    const VkMemoryBarrier before = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_MEMORY_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
    };
    const VkMemoryBarrier after = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_HOST_READ_BIT,
    };
    const VkPipelineStageFlags transfer = VK_PIPELINE_STAGE_TRANSFER_BIT;
    if (!fm_vk_check(gpu, gpu->vk.vkBeginCommandBuffer(c, &begin), "vkBeginCommandBuffer", err)) return false;
    gpu->vk.vkCmdPipelineBarrier(
        c, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, transfer, 0, 1, &before, 0, NULL, 0, NULL);
    gpu->vk.vkCmdFillBuffer(c, fm_block_buffer(gpu->marks->block), 0, 4, i + 1);
    gpu->vk.vkCmdPipelineBarrier(c, transfer, VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &after, 0, NULL, 0, NULL);
    return fm_vk_check(gpu, gpu->vk.vkEndCommandBuffer(c), "vkEndCommandBuffer", err);
}

bool fm_marks_create(struct fathom_gpu *gpu, struct fathom_error *err) {
    struct fm_marks *m = calloc(1, sizeof(*m));
    if (!m) return fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
    gpu->marks = m; // on failure, destroyed with the gpu
    void *mapped;
    if (!(m->block = fm_block_create(gpu, 256, &mapped, err))) return false;
    m->word = mapped;
    *m->word = 0;
    const VkCommandPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .queueFamilyIndex = gpu->queue_family,
    };
    if (!fm_vk_check(
            gpu, FM_VK_CREATE(gpu, vkCreateCommandPool, &pool, &m->pool), "vkCreateCommandPool", err))
        return false;
    const VkCommandBufferAllocateInfo allocate = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = m->pool,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = FM_MOST_IN_FLIGHT,
    };
    bool ok = fm_vk_check(gpu, FM_VK_ALLOCATE(gpu, vkAllocateCommandBuffers, &allocate, m->commands),
        "vkAllocateCommandBuffers", err);
    for (uint32_t i = 0; ok && i < FM_MOST_IN_FLIGHT; i++) ok = record(gpu, i, err);
    return ok;
}

void fm_marks_destroy(struct fathom_gpu *gpu) {
    struct fm_marks *m = gpu->marks;
    if (!m) return;
    gpu->vk.vkDestroyCommandPool(gpu->device, m->pool, NULL);
    fm_lock_take(&gpu->lock);
    if (m->block) fm_block_destroy(gpu, m->block);
    fm_lock_release(&gpu->lock);
    free(m);
    gpu->marks = NULL;
}

VkCommandBuffer fm_mark_commands(const struct fathom_gpu *gpu, uint64_t ticket) {
    return gpu->marks->commands[ticket % FM_MOST_IN_FLIGHT];
}

bool fm_mark_reached(const struct fathom_gpu *gpu) {
    return gpu->last_ticket == 0 || *gpu->marks->word == gpu->last_ticket % FM_MOST_IN_FLIGHT + 1;
}
