// A device that does nothing until the host waits. The device holds each submit back, and runs the submits in
// order at the first wait for that submit or a later one. If the host overwrites or reads memory without a
// wait, the result is wrong every time, not now and then.
#ifndef TEST_GPU_LAZY_H
#define TEST_GPU_LAZY_H
#include "gpu/internal.h"

enum { LAZY_SUBMITS = 256 };
static struct {
    PFN_vkQueueSubmit submit;
    PFN_vkWaitSemaphores wait;
    PFN_vkDeviceWaitIdle wait_idle;
    PFN_vkFreeCommandBuffers free_commands;
    VkQueue queue;
    VkSemaphore semaphore;
    struct {
        VkCommandBuffer commands;
        uint64_t ticket;
    } kept[LAZY_SUBMITS];
    uint32_t n_kept, most_kept;
    bool freed_early; // commands were freed before they ran
} lazy;

static VkResult lazy_run(uint64_t until) {
    uint32_t n = 0;
    VkResult result = VK_SUCCESS;
    for (; n < lazy.n_kept && lazy.kept[n].ticket <= until && result == VK_SUCCESS; n++) {
        const VkTimelineSemaphoreSubmitInfo timeline = {
            .sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
            .signalSemaphoreValueCount = 1,
            .pSignalSemaphoreValues = &lazy.kept[n].ticket,
        };
        const VkSubmitInfo submit = {
            .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
            .pNext = &timeline,
            .commandBufferCount = 1,
            .pCommandBuffers = &lazy.kept[n].commands,
            .signalSemaphoreCount = 1,
            .pSignalSemaphores = &lazy.semaphore,
        };
        result = lazy.submit(lazy.queue, 1, &submit, VK_NULL_HANDLE);
    }
    for (uint32_t i = n; i < lazy.n_kept; i++) lazy.kept[i - n] = lazy.kept[i];
    lazy.n_kept -= n;
    return result;
}

static VkResult lazy_submit(VkQueue queue, uint32_t n, const VkSubmitInfo *submits, VkFence fence) {
    (void)queue, (void)fence;
    for (uint32_t i = 0; i < n; i++) {
        const VkTimelineSemaphoreSubmitInfo *timeline = submits[i].pNext;
        if (lazy.n_kept == LAZY_SUBMITS) return VK_ERROR_OUT_OF_HOST_MEMORY;
        lazy.kept[lazy.n_kept].commands = submits[i].pCommandBuffers[0];
        lazy.kept[lazy.n_kept++].ticket = timeline->pSignalSemaphoreValues[0];
        if (lazy.n_kept > lazy.most_kept) lazy.most_kept = lazy.n_kept;
    }
    return VK_SUCCESS;
}

static VkResult lazy_wait(VkDevice device, const VkSemaphoreWaitInfo *info, uint64_t timeout) {
    const VkResult result = lazy_run(info->pValues[0]);
    return result == VK_SUCCESS ? lazy.wait(device, info, timeout) : result;
}

static VkResult lazy_wait_idle(VkDevice device) {
    const VkResult result = lazy_run(UINT64_MAX);
    return result == VK_SUCCESS ? lazy.wait_idle(device) : result;
}

static void lazy_free_commands(
    VkDevice device, VkCommandPool pool, uint32_t n, const VkCommandBuffer *commands) {
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < lazy.n_kept; j++) lazy.freed_early |= lazy.kept[j].commands == commands[i];
    if (!lazy.freed_early) lazy.free_commands(device, pool, n, commands);
}

// Makes a gpu lag from now on, until it is destroyed. One gpu at a time.
static inline void make_lazy(struct fathom_gpu *gpu) {
    lazy.submit = gpu->vk.vkQueueSubmit;
    lazy.wait = gpu->vk.vkWaitSemaphores;
    lazy.wait_idle = gpu->vk.vkDeviceWaitIdle;
    lazy.free_commands = gpu->vk.vkFreeCommandBuffers;
    lazy.queue = gpu->queue;
    lazy.semaphore = gpu->timeline;
    lazy.n_kept = lazy.most_kept = 0;
    lazy.freed_early = false;
    gpu->vk.vkQueueSubmit = lazy_submit;
    gpu->vk.vkWaitSemaphores = lazy_wait;
    gpu->vk.vkDeviceWaitIdle = lazy_wait_idle;
    gpu->vk.vkFreeCommandBuffers = lazy_free_commands;
}
#endif
