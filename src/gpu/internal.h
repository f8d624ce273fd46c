// The internals of a gpu, private to this folder.
#ifndef FM_GPU_INTERNAL_H
#define FM_GPU_INTERNAL_H
#include "base/lock.h"
#include "base/log.h"
#include "gpu/dispatch.h"
#include "gpu/instance.h"
#include "gpu/retire.h"
#include "gpu/spirv.h"
#include "gpu/watched.h"
#include <fathom/debug.h>
#include <fathom/vulkan.h>
#include <stdatomic.h>
#include <string.h>

struct fm_pipeline;
struct fm_block;

enum { FM_N_STAGING = 3 };
struct fm_staging {
    struct fathom_buffer *buffer; // FATHOM_MEMORY_HOST
    VkCommandPool pool;
    VkCommandBuffer commands;
    uint64_t ticket; // ticket of the last transfer
    bool taken;      // by a thread
};

// Several threads use a gpu at once. Fields that have no lock are set while the gpu is created, or atomic.
// The order of locks: an engine's turn (engine/engine.h), `lock`, `queue_lock`, the lock of `shared_log`. No
// function takes `lock` while it holds `queue_lock`; messages are logged without either. No lock is held
// while the device is waited for, but for a device that fails (fm_gpu_idle).
struct fathom_gpu {
    // strings are owned copies; debug points to the next member; log goes to shared_log
    struct fathom_gpu_params params;
    struct fathom_gpu_debug debug;
    struct fm_shared_log shared_log;
    struct fathom_gpu_info info;
    struct fm_instance instance;
    VkPhysicalDevice physical;
    struct fm_offer offer; // of the driver; on a program's own device what the program has enabled
    VkDevice device;
    struct fm_device_functions vk;
    struct fathom_vulkan program; // size 0: the device is Fathom's own. The lists are not kept.
    VkPhysicalDeviceMemoryProperties memory;
    uint32_t queue_family;
    uint64_t timestamp_mask; // valid bits of the queue's timestamps
    VkSemaphore timeline;    // counts submits
    struct fm_marks *marks;  // NULL: the device is no CPU; see gpu/marks.c
    _Atomic double pace;     // of a CPU: measured seconds of an estimated one; see gpu/split.c
    bool creation_feedback;  // the driver distinguishes cache hits from builds
    bool device_fault;       // the driver reports why it lost the device
    uint32_t max_groups[3];
    uint64_t max_imports; // each import is an allocation, and the driver limits allocations
    uint64_t uncounted;   // submits of the gpu's creation, which the counters leave out
    VkPipelineCache pipeline_cache;

    // The queue is used under queue_lock, which makes tickets and submits come in the same order.
    struct fm_lock queue_lock;
    VkQueue queue;
    _Atomic uint64_t last_ticket, done_ticket; // last ticket submitted; last ticket known to be done
    atomic_bool lost, ended;           // the device is lost; what it was given before is known to have ended
    _Atomic uint64_t import_alignment; // of imported host memory, in bytes; 0: the device cannot import
    atomic_size_t n_retired;           // in `retired`

    // All that follows is used under `lock`, and params.device_limit and params.host_limit.
    struct fm_lock lock;
    char loss[400];                          // the message of the loss; does not change once `lost` is true
    struct fathom_gpu_counters counters;     // but submits, which are the tickets
    struct fm_block *blocks;                 // list of the allocations from the driver
    uint32_t n_blocks;                       // in that list
    uint64_t heap_held[VK_MAX_MEMORY_HEAPS]; // bytes that are allocated in each heap
    uint64_t n_imports;
    struct fm_retired *retired; // list; see gpu/retire.h
    // buffers of the gpu itself, for the bindings from FM_GRIDS_BINDING on; NULL: no shader has needed the
    // buffer yet. A thread that has a layout with the binding reads the pointer without the lock.
    struct fathom_buffer *own[FM_END_BINDINGS - FM_MAX_BINDINGS];
    // Used when the host does not see device memory. A thread takes one for each transfer.
    struct fm_staging staging[FM_N_STAGING];
    uint32_t next_staging;
    struct fm_pipeline **pipelines; // hash table, open addressing
    size_t n_pipelines, pipeline_slots;
    struct fm_layout **layouts; // one for each shader in use
    size_t n_layouts;
    struct fm_build *builds; // list of the ones that calls have left
    struct fm_tuned *tuned;  // the measured best choices
    size_t n_tuned;
};

// A sub-allocation of a block.
struct fathom_buffer {
    struct fm_retired retired;
    struct fathom_gpu *gpu;
    struct fm_block *block;
    uint64_t offset, size; // offset in the block; the requested size (room is the rounded size)
    uint64_t room;
    char *mapped; // NULL: the host does not see it
    enum fathom_memory memory;
    bool read_only;     // imported host memory
    atomic_bool in_use; // a stream or a transfer was given the buffer: a submit may use it
};
// Call when a buffer is given to a stream or a transfer.
static inline void fm_buffer_use(struct fathom_buffer *buffer) {
    if (!atomic_load_explicit(&buffer->in_use, memory_order_relaxed))
        atomic_store_explicit(&buffer->in_use, true, memory_order_relaxed);
}
VkBuffer fm_block_buffer(const struct fm_block *block);
// A block for the gpu's own use, in host memory and outside the gpu's list. NULL with *err set on failure.
struct fm_block *fm_block_create(
    struct fathom_gpu *gpu, uint64_t size, void **mapped, struct fathom_error *err);
void fm_block_destroy(struct fathom_gpu *gpu, struct fm_block *block); // gpu->lock is held
// Creates a buffer without filling it with zeros, for a caller that overwrites the whole buffer.
struct fathom_buffer *fm_buffer_create_raw(
    struct fathom_gpu *gpu, uint64_t size, enum fathom_memory memory, struct fathom_error *err);
// Returns the alignment in bytes of the start and end of imported memory, or 0 when the device cannot import.
// Callable before the device is created.
uint64_t fm_import_alignment(
    const struct fm_instance_functions *vki, VkPhysicalDevice physical, const struct fathom_gpu_info *info);
// Sets max_import by what the driver says.
void fm_import_measure(
    const struct fm_instance_functions *vki, VkPhysicalDevice physical, struct fathom_gpu_info *info);
// Does the device read a page of a mapped file? Imports the page and reads it in a submit, which may lose the
// device.
bool fm_import_works(struct fathom_gpu *gpu);
// Imports `size` bytes of host memory from `data` on, which the device reads in place. `readable` is the
// range that may be read around these bytes and must outlive the buffer. Returns NULL when the device or this
// memory does not allow it.
struct fathom_buffer *fm_buffer_import(
    struct fathom_gpu *gpu, const void *data, uint64_t size, struct fathom_host_range readable);
// Uploads to any byte of a buffer, like fathom_upload() but without checks.
bool fm_upload_bytes(struct fathom_gpu *gpu, struct fathom_buffer *buffer, uint64_t offset, const void *data,
    uint64_t size, struct fathom_error *err);
// Reads 256 bytes of a buffer that the host does not see, through memory of the call's own.
bool fm_read_back(struct fathom_gpu *gpu, struct fathom_buffer *buffer, uint32_t words[64]);
void fm_staging_destroy(struct fathom_gpu *gpu);
void fm_memory_free_blocks(struct fathom_gpu *gpu);

// The bytes that may still be allocated in a heap: what the driver's budget and, for a heap of host memory,
// the system leave. Without a budget: the heap's size without what this gpu holds there. gpu->lock is held.
uint64_t fm_heap_free(const struct fathom_gpu *gpu, uint32_t heap);

// Fills info from a physical device, with the capabilities that the offer allows; info->unusable says what is
// missing.
void fm_capabilities(const struct fm_instance_functions *vki, VkPhysicalDevice physical,
    const struct fm_offer *offer, struct fathom_gpu_info *info);
// Sets unified_memory, memory_total, memory_free and host_visible_device_memory, from info->type and the
// heaps. budget NULL: the driver has none.
void fm_memory_sizes(const VkPhysicalDeviceMemoryProperties *memory,
    const VkPhysicalDeviceMemoryBudgetPropertiesEXT *budget, struct fathom_gpu_info *info);
// The same with the present values of a device; the budget is read if info->caps has it.
void fm_memory_measure(
    const struct fm_instance_functions *vki, VkPhysicalDevice physical, struct fathom_gpu_info *info);
// Returns caps without the capabilities that this driver implements badly. Reads the type and the subgroup
// sizes of info.
uint32_t fm_quirks(
    uint32_t caps, uint32_t driver_version, VkDriverId driver, const struct fathom_gpu_info *info);

// The bindings of a shader and the Vulkan objects for its dispatches. Each shader has one layout, which lives
// as long as the gpu.
struct fm_layout {
    const struct fm_shader *shader;
    struct fm_spirv spirv;
    VkDescriptorSetLayout set;
    VkPipelineLayout pipeline;
};
enum fm_pipeline_state { FM_PIPELINE_WANTED, FM_PIPELINE_IN_WORK, FM_PIPELINE_BUILT, FM_PIPELINE_FAILED };
// Whoever sets IN_WORK owns what follows `state`, until that thread sets BUILT or FAILED.
struct fm_pipeline {
    const struct fm_layout *layout;
    uint32_t spec[FM_MAX_SPEC], n_spec, subgroup_size;
    enum fm_pipeline_state state; // under gpu->lock
    VkPipeline handle;            // VK_NULL_HANDLE until built
    VkResult result;              // of the last attempt
    uint32_t splits;              // fm_spirv_splits
    const char *failed_call;
    bool from_cache;
};
// Creates the buffer of grid points for shaders/quant/grids.glsl. Returns NULL with *err set on failure.
struct fathom_buffer *fm_grids_create(struct fathom_gpu *gpu, struct fathom_error *err);
bool fm_pipeline_cache_open(struct fathom_gpu *gpu, struct fathom_error *err);
void fm_pipelines_destroy(struct fathom_gpu *gpu); // saves the cache
// Returns the layout of a shader, or NULL with *err set.
const struct fm_layout *fm_layout_get(
    struct fathom_gpu *gpu, const struct fm_shader *shader, struct fathom_error *err);
// Returns the pipeline of a stream's entry, which may not be built yet.
struct fm_entry;
struct fm_pipeline *fm_pipeline_request(
    struct fathom_gpu *gpu, const struct fm_entry *entry, struct fathom_error *err);
// Builds those of the list that are not built yet, on several threads. Waits for those that another call has
// in work. NULL entries are passed over. A call that is cancelled leaves those in work to their threads.
bool fm_pipelines_build(struct fathom_gpu *gpu, struct fm_pipeline *const *list, size_t n,
    struct fm_watch *watch, struct fathom_error *err);
// Waits for the threads that cancelled calls have left; for the ended ones, unless `all`.
void fm_builds_join(struct fathom_gpu *gpu, bool all);

// Logs the statistics of the driver's compiler for a built pipeline. Only for gpus with params.statistics.
void fm_pipeline_log_statistics(struct fathom_gpu *gpu, const struct fm_pipeline *pipeline);

// Submits commands, which run after all earlier submits. *ticket as in fathom_stream_submit().
bool fm_gpu_submit(
    struct fathom_gpu *gpu, VkCommandBuffer commands, uint64_t *ticket, struct fathom_error *err);
bool fm_gpu_wait_all(struct fathom_gpu *gpu, struct fathom_error *err);
// Returns the last ticket that is done, without waiting.
uint64_t fm_gpu_poll(struct fathom_gpu *gpu);
// Call before what the device may use is freed or recorded anew. Waits until all submits so far have ended,
// also on a lost device and where waiting fails. Returns false if nothing tells that they have ended: then
// keep what they use. Where waiting for the timeline fails, queue_lock is held while the queue is waited for.
bool fm_gpu_idle(struct fathom_gpu *gpu);

// Marks in host memory at the end of each submit, for devices that are CPUs.
enum { FM_MOST_IN_FLIGHT = 16 /* submits of a gpu with marks */ };
bool fm_marks_create(struct fathom_gpu *gpu, struct fathom_error *err);
void fm_marks_destroy(struct fathom_gpu *gpu);
// The commands to run at the end of the submit with this ticket.
VkCommandBuffer fm_mark_commands(const struct fathom_gpu *gpu, uint64_t ticket);
// Has the last submit ended?
bool fm_mark_reached(const struct fathom_gpu *gpu);

// What a failed call leaves in its output handle is undefined. All calls that create, allocate or map pass
// here, so that the handle is then VK_NULL_HANDLE and may be destroyed.
static inline VkResult fm_vk_made(VkResult result, void *handle, size_t size) {
    if (result != VK_SUCCESS) memset(handle, 0, size);
    return result;
}
#define FM_VK_CREATE(gpu, name, info, handle) \
    fm_vk_made((gpu)->vk.name((gpu)->device, info, NULL, handle), handle, sizeof(*(handle)))
#define FM_VK_ALLOCATE(gpu, name, info, handle) \
    fm_vk_made((gpu)->vk.name((gpu)->device, info, handle), handle, sizeof(*(handle)))
// Converts a failed Vulkan call to an error that names the call, and records a lost device. Returns
// result == VK_SUCCESS.
bool fm_vk_check(struct fathom_gpu *gpu, VkResult result, const char *call, struct fathom_error *err);
const char *fm_vk_result_name(VkResult result);

enum { FM_MOST_FAMILIES = 32 };
// Lists the families of queues; returns how many.
uint32_t fm_queue_families(const struct fm_instance_functions *vki, VkPhysicalDevice physical,
    VkQueueFamilyProperties list[FM_MOST_FAMILIES]);
// Finds a queue that computes, preferably one without graphics, which does not wait for the desktop.
bool fm_find_queue(const struct fm_instance_functions *vki, VkPhysicalDevice physical, uint32_t *family);
// Takes over a program's own instance, device and queue: sets instance, physical, device, queue, vk, offer
// and info of the gpu.
bool fm_program_device_take(
    struct fathom_gpu *gpu, const struct fathom_vulkan *vulkan, struct fathom_error *err);

// Writes the driver's report on the last loss as the end of a sentence, or an empty text when the device does
// not report faults.
void fm_fault_describe(const struct fathom_gpu *gpu, char *text, size_t capacity);
#endif
