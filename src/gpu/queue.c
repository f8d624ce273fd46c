// Submits commands to the queue, and waits for them.
#include "base/clock.h"
#include "gpu/internal.h"

static const double wait_seconds = 0.5; // of a slice of waiting
enum { RETRY_MS = 10, MOST_RETRIES = 200, MOST_RETRIES_ON_CPU = 3000 };
// A submit that takes longer than this is named in the log. A CPU is given whole passes.
enum { LONG_SECONDS = 10, LONG_SECONDS_ON_CPU = 120 };

static bool check_alive(const struct fathom_gpu *gpu, struct fathom_error *err) {
    return !gpu->lost ||
        fm_fail(err, FATHOM_DEVICE_LOST,
            "%s was lost earlier, and has to be opened anew (start the program again): %s", gpu->info.name,
            gpu->loss);
}

// A program's own queue is used under the program's lock.
static void lock_queue(const struct fathom_gpu *gpu) {
    if (gpu->program.lock_queue) gpu->program.lock_queue(gpu->program.user);
}
static void unlock_queue(const struct fathom_gpu *gpu) {
    if (gpu->program.unlock_queue) gpu->program.unlock_queue(gpu->program.user);
}

// Notes that all submits up to `ticket` are done.
static void note_done(struct fathom_gpu *gpu, uint64_t ticket) {
    uint64_t known = gpu->done_ticket;
    while (known < ticket && !atomic_compare_exchange_weak(&gpu->done_ticket, &known, ticket)) {}
}

// Takes queue_lock when one more submit may be in flight. *value is its ticket.
static bool enter_queue(struct fathom_gpu *gpu, uint64_t *value, struct fathom_error *err) {
    while (check_alive(gpu, err)) {
        fm_lock_take(&gpu->queue_lock);
        *value = gpu->last_ticket + 1;
        const uint64_t before = *value > FM_MOST_IN_FLIGHT ? *value - FM_MOST_IN_FLIGHT : 0;
        if (!gpu->marks || before <= gpu->done_ticket) return true;
        fm_lock_release(&gpu->queue_lock);
        if (!fathom_gpu_wait(gpu, before, err)) return false;
    }
    return false;
}

bool fm_gpu_submit(
    struct fathom_gpu *gpu, VkCommandBuffer commands, uint64_t *ticket, struct fathom_error *err) {
    uint64_t value;
    if (!enter_queue(gpu, &value, err)) return false;
    const VkTimelineSemaphoreSubmitInfo timeline = {
        .sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
        .signalSemaphoreValueCount = 1,
        .pSignalSemaphoreValues = &value,
    };
    const VkCommandBuffer list[] = {commands, gpu->marks ? fm_mark_commands(gpu, value) : VK_NULL_HANDLE};
    const VkSubmitInfo submit = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .pNext = &timeline,
        .commandBufferCount = gpu->marks ? 2 : 1,
        .pCommandBuffers = list,
        .signalSemaphoreCount = 1,
        .pSignalSemaphores = &gpu->timeline,
    };
    lock_queue(gpu);
    const VkResult result = gpu->vk.vkQueueSubmit(gpu->queue, 1, &submit, VK_NULL_HANDLE);
    unlock_queue(gpu);
    if (result == VK_SUCCESS) gpu->last_ticket = value;
    fm_lock_release(&gpu->queue_lock);
    if (!fm_vk_check(gpu, result, "vkQueueSubmit", err)) return false;
    if (ticket) *ticket = value;
    fm_retired_collect(gpu);
    return true;
}

// In time slices: a driver that has lost the device may report the loss only at the next call. VK_TIMEOUT:
// the watch has been cancelled.
static VkResult wait_for(struct fathom_gpu *gpu, uint64_t ticket, struct fm_watch *watch) {
    const VkSemaphoreWaitInfo wait = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
        .semaphoreCount = 1,
        .pSemaphores = &gpu->timeline,
        .pValues = &ticket,
    };
    const int most = gpu->marks ? LONG_SECONDS_ON_CPU : LONG_SECONDS;
    const double start = fm_clock(), slice = fm_watch_exists(watch) ? FM_WATCH_SECONDS : wait_seconds;
    bool told = false;
    VkResult result = VK_TIMEOUT;
    while (result == VK_TIMEOUT && fm_watch_goes_on(watch, NULL)) {
        result = gpu->vk.vkWaitSemaphores(gpu->device, &wait, (uint64_t)(1e9 * slice));
        if (result != VK_TIMEOUT || told || fm_clock() - start < most) continue;
        fm_log(&gpu->params.log, FATHOM_LOG_WARNING, "%s has not finished a submit for %d s; it may hang",
            gpu->info.name, most);
        told = true;
    }
    return result;
}

bool fm_gpu_wait(struct fathom_gpu *gpu, uint64_t ticket, struct fm_watch *watch, struct fathom_error *err) {
    if (!check_alive(gpu, err)) return false;
    if (ticket > gpu->last_ticket)
        return fm_fail(err, FATHOM_INVALID, "wait for submit %llu, of %llu", (unsigned long long)ticket,
            (unsigned long long)gpu->last_ticket);
    if (ticket <= gpu->done_ticket) return fm_watch_goes_on(watch, err);
    const VkResult result = wait_for(gpu, ticket, watch);
    if (result == VK_TIMEOUT) return fm_watch_goes_on(watch, err);
    if (!fm_vk_check(gpu, result, "vkWaitSemaphores", err)) return false;
    note_done(gpu, ticket);
    fm_retired_collect(gpu);
    return true;
}

bool fathom_gpu_wait(struct fathom_gpu *gpu, uint64_t ticket, struct fathom_error *err) {
    if (!FM_GIVEN(gpu, "gpu", err)) return false;
    return fm_gpu_wait(gpu, ticket, NULL, err);
}

bool fm_gpu_settle(struct fathom_gpu *gpu, struct fm_watch *watch, struct fathom_error *err) {
    return fm_gpu_wait(gpu, gpu->last_ticket, watch, err);
}

uint64_t fm_gpu_poll(struct fathom_gpu *gpu) {
    if (gpu->lost) return gpu->done_ticket;
    uint64_t value;
    const VkResult result = gpu->vk.vkGetSemaphoreCounterValue(gpu->device, gpu->timeline, &value);
    if (fm_vk_check(gpu, result, "vkGetSemaphoreCounterValue", NULL)) note_done(gpu, value);
    return gpu->done_ticket;
}

bool fm_gpu_wait_all(struct fathom_gpu *gpu, struct fathom_error *err) {
    return fathom_gpu_wait(gpu, gpu->last_ticket, err);
}

// Does this result of a wait say that all has ended? By the specification, what a lost device was given has
// ended when a wait returns. Records a loss.
static bool says_idle(struct fathom_gpu *gpu, VkResult result, const char *call) {
    if (result == VK_ERROR_DEVICE_LOST) fm_vk_check(gpu, result, call, NULL);
    return result == VK_SUCCESS || result == VK_ERROR_DEVICE_LOST;
}

// *sure: a call has said so, not a mark alone, after which the driver still has a few steps to do.
static bool has_ended(struct fathom_gpu *gpu, uint64_t ticket, bool *sure) {
    if (!gpu->lost && says_idle(gpu, wait_for(gpu, ticket, NULL), "vkWaitSemaphores") && !gpu->lost)
        return *sure = true;
    // the threads of a CPU device may go on after a call has said that the device is lost
    if (gpu->marks) return fm_mark_reached(gpu);
    fm_lock_take(&gpu->queue_lock);
    // a program may be using other queues of its own device
    VkResult device = VK_INCOMPLETE, queue;
    if (!gpu->program.size) device = gpu->vk.vkDeviceWaitIdle(gpu->device);
    queue = device;
    if (device != VK_SUCCESS && device != VK_ERROR_DEVICE_LOST) {
        lock_queue(gpu);
        queue = gpu->vk.vkQueueWaitIdle(gpu->queue);
        unlock_queue(gpu);
    }
    fm_lock_release(&gpu->queue_lock);
    return says_idle(gpu, device, "vkDeviceWaitIdle") || says_idle(gpu, queue, "vkQueueWaitIdle");
}

bool fm_gpu_idle(struct fathom_gpu *gpu) {
    const uint64_t ticket = gpu->last_ticket;
    if (gpu->lost ? gpu->ended : gpu->done_ticket >= ticket) return true;
    const int most = gpu->marks ? MOST_RETRIES_ON_CPU : MOST_RETRIES;
    bool sure = false;
    for (int i = 0; !has_ended(gpu, ticket, &sure); i++) {
        if (i == most && !gpu->lost) return false;
        if (i == most) break;
        fm_sleep(RETRY_MS / 1e3);
    }
    if (!sure && gpu->marks) fm_sleep(RETRY_MS / 1e3);
    note_done(gpu, ticket);
    if (gpu->lost) gpu->ended = true;
    return true;
}
