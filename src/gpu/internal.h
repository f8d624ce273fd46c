// Inside of a gpu, for the files of this folder.
#ifndef FM_GPU_INTERNAL_H
#define FM_GPU_INTERNAL_H
#include "base/log.h"
#include "gpu/dispatch.h"
#include "gpu/spirv.h"
#define VK_NO_PROTOTYPES
#include "gpu/vulkan_compat.h"

struct fm_pipeline;
struct fm_block;

enum { FM_N_STAGING = 3 };
struct fm_staging {
    struct fathom_buffer *buffer;        // FATHOM_MEMORY_HOST
    VkCommandPool pool;
    VkCommandBuffer commands;
    uint64_t ticket;                     // of its last transfer
};

struct fathom_gpu {
    struct fathom_gpu_params params;     // strings are owned copies
    struct fathom_gpu_info info;
    struct fathom_gpu_counters counters;
    VkInstance instance;
    VkPhysicalDevice physical;
    VkDevice device;
    struct VolkDeviceTable vk;
    VkPhysicalDeviceMemoryProperties memory;
    VkQueue queue;
    uint32_t queue_family;
    uint64_t timestamp_mask;             // the bits that the queue's timestamps have
    VkSemaphore timeline;                // counts submits
    uint64_t last_ticket, done_ticket;   // submitted; known to be done
    bool lost;

    struct fm_block *blocks;             // list of what was taken from the driver
    struct fathom_buffer *own[FM_END_BINDINGS - FM_MAX_BINDINGS]; // from FM_GRIDS_BINDING on; NULL: no shader has wanted it yet
    struct fm_staging staging[FM_N_STAGING]; // for hosts that don't see device memory
    uint32_t next_staging;

    struct fm_pipeline **pipelines;      // hash table, open addressing
    size_t n_pipelines, pipeline_slots;
    struct fm_layout *layouts;           // one a shader in use
    size_t n_layouts;
    VkPipelineCache pipeline_cache;
    bool creation_feedback;              // the driver tells cache hits from builds
    uint32_t max_groups[3];
    uint64_t import_alignment;           // bytes, of host memory that the device may use in place; 0: it cannot
    uint64_t n_imports, max_imports;     // each is an allocation, which the driver counts
    bool device_fault;                   // the driver tells why it gave up

    struct fm_tuned *tuned;              // what measuring found best
    size_t n_tuned;
    struct fm_call last_call;            // of an operator that may be tuned
    struct fm_choice last_choice;        // that it got
};

// A sub-allocation of a block.
struct fathom_buffer {
    struct fathom_gpu *gpu;
    struct fm_block *block;
    uint64_t offset, size;               // within the block; size as asked for, room is rounded up
    uint64_t room;
    char *mapped;                        // NULL: the host does not see it
    enum fathom_memory memory;
    bool read_only;                      // the host's memory, in place
};
VkBuffer fm_block_buffer(const struct fm_block *block);
// Without zero-fill, for what is about to be overwritten.
struct fathom_buffer *fm_buffer_create_raw(struct fathom_gpu *gpu, uint64_t size, enum fathom_memory memory, struct fathom_error *err);
// Bytes that imported memory must start and end at; 0: this device imports none. Asked before the device is made.
uint64_t fm_import_alignment(const struct fathom_gpu *gpu);
// `size` bytes of the host's memory from `data` on, for the device to read in place; `readable` is what may be read around them and outlives
// the buffer. NULL: not here, or not this memory.
struct fathom_buffer *fm_buffer_import(struct fathom_gpu *gpu, const void *data, uint64_t size, struct fathom_host_range readable);
// fathom_upload to any byte of a buffer, unchecked.
bool fm_upload_bytes(struct fathom_gpu *gpu, struct fathom_buffer *buffer, uint64_t offset, const void *data, uint64_t size, struct fathom_error *err);
void fm_staging_destroy(struct fathom_gpu *gpu);
void fm_memory_free_blocks(struct fathom_gpu *gpu);

// Fills info from a physical device; info->unusable says what is missing.
void fm_capabilities(VkInstance instance, VkPhysicalDevice physical, struct fathom_gpu_info *info);
// Of info: unified_memory (from its type), memory_total and memory_free, as they are now.
void fm_memory_sizes(VkPhysicalDevice physical, bool budget, struct fathom_gpu_info *info);
// caps less what this driver gets wrong; of info, the type and the subgroups.
uint32_t fm_quirks(uint32_t caps, uint32_t driver_version, VkDriverId driver, const struct fathom_gpu_info *info);

// What to bind, and the objects that a dispatch needs. One layout a shader.
struct fm_layout {
    const struct fm_shader *shader;
    struct fm_spirv spirv;
    VkDescriptorSetLayout set;
    VkPipelineLayout pipeline;
};
struct fm_pipeline {
    uint32_t layout;                     // index into gpu->layouts
    uint32_t spec[FM_MAX_SPEC], n_spec, subgroup_size;
    VkPipeline handle;                   // VK_NULL_HANDLE: not built yet
    VkResult result;
    bool from_cache;
};
// The points of shaders/quant/grids.glsl. NULL with *err set.
struct fathom_buffer *fm_grids_create(struct fathom_gpu *gpu, struct fathom_error *err);
bool fm_pipeline_cache_open(struct fathom_gpu *gpu, struct fathom_error *err);
void fm_pipelines_destroy(struct fathom_gpu *gpu); // saves the cache
// The layout of a shader; NULL with *err set.
const struct fm_layout *fm_layout_get(struct fathom_gpu *gpu, const struct fm_shader *shader, struct fathom_error *err);
// The pipeline of a stream's entry, perhaps not built yet.
struct fm_entry;
struct fm_pipeline *fm_pipeline_request(
    struct fathom_gpu *gpu, const struct fm_entry *entry, struct fathom_error *err);
// Builds what was requested and is missing, on several threads.
bool fm_pipelines_build(struct fathom_gpu *gpu, struct fathom_error *err);

// Logs what the driver's compiler says of a built pipeline. For gpus made with params.statistics.
void fm_pipeline_log_statistics(struct fathom_gpu *gpu, const struct fm_pipeline *pipeline);

// Submits commands; they run after everything submitted before. *ticket as in fathom_stream_submit.
bool fm_gpu_submit(struct fathom_gpu *gpu, VkCommandBuffer commands, uint64_t *ticket, struct fathom_error *err);
bool fm_gpu_wait_all(struct fathom_gpu *gpu, struct fathom_error *err);
// Turns a failed Vulkan call into an error that names the call; notes a lost device. Returns result == VK_SUCCESS.
bool fm_vk_check(struct fathom_gpu *gpu, VkResult result, const char *call, struct fathom_error *err);
const char *fm_vk_result_name(VkResult result);

bool fm_has_extension(VkPhysicalDevice physical, const char *name);
// Does the driver tell why it lost a device? What it says of the last loss, as the end of a sentence; empty without the extension.
bool fm_fault_offered(VkPhysicalDevice physical);
void fm_fault_describe(const struct fathom_gpu *gpu, char *text, size_t capacity);
#endif
