// Fathom's backend: a Vulkan device, its memory, streams of commands, and the operators of DeepSeek-class
// models. The backend can be used alone: it knows no files and no models. Users need no Vulkan headers.
//
// Shapes are written outermost first: x[n_tokens][n_cols] is row-major, n_cols adjacent. Activations are
// float32. Errors of recording calls are sticky in the stream; fathom_stream_finish() returns them.
//
// Threads
//  - Any function may be called from any thread. Several threads may use a gpu at once: all functions that
//    take a gpu may run at the same time. A stream is used by one thread at a time, and so is a buffer or a
//    weight that is uploaded to.
//  - Submits of all threads run on the device one after the other, in the order of the calls, as do uploads.
//    The submits of one fathom_stream_submit() may have those of another thread between them.
//  - Destroy an object when no other thread uses it, and buffers, weights and streams before their gpu. No
//    destruction waits for the device, but fathom_gpu_destroy() and that of a weight in place; memory comes
//    back when the submits so far are done. A stream that has recorded a buffer must not be submitted after
//    the buffer is destroyed.
//  - Callbacks run in a thread that calls the library. `log.write` gets one call at a time; it must not use
//    the gpu.
//
// A lost device
//  - A driver gives up on a device whose submit runs too long, or that fails. The call that learns of this
//    fails with FATHOM_DEVICE_LOST, and so does every later call that submits work or waits for work, in all
//    threads. What buffers and weights hold is lost.
//  - Destroy streams, buffers and weights, then the gpu; this works as always. Then create a gpu and upload
//    anew.
#ifndef FATHOM_GPU_H
#define FATHOM_GPU_H

#include <fathom/status.h>

#ifdef __cplusplus
extern "C" {
#endif

// ---- Devices ---------------------------------------------------------------------------------------------

// The capabilities of a device beyond the required minimum, which is Vulkan 1.2, timeline semaphores, 256
// invocations and 32 KiB of shared memory.
enum fathom_gpu_caps {
    FATHOM_CAP_SUBGROUP_ARITHMETIC = 1u << 0, // subgroupAdd, subgroupBroadcast, … in compute, of 4 or more
    FATHOM_CAP_SUBGROUP_SIZE_CONTROL = 1u << 1, // a pipeline may require a subgroup size, and full subgroups
    FATHOM_CAP_STORAGE_16BIT = 1u << 2,         // 16-bit types in storage buffers
    FATHOM_CAP_STORAGE_8BIT = 1u << 3,          // 8-bit types in storage buffers
    FATHOM_CAP_FLOAT16 = 1u << 4,               // float16 arithmetic
    FATHOM_CAP_INT8 = 1u << 5,                  // 8-bit integer arithmetic
    FATHOM_CAP_INT16 = 1u << 6,
    FATHOM_CAP_INT64 = 1u << 7,
    FATHOM_CAP_INTEGER_DOT = 1u << 8,        // integer dot product instructions (perhaps not accelerated)
    FATHOM_CAP_COOPERATIVE_MATRIX = 1u << 9, // a subgroup multiplies float16 matrices and adds in float32
    FATHOM_CAP_MEMORY_BUDGET = 1u << 10,     // the driver says how much memory is free
    FATHOM_CAP_HOST_IMPORT = 1u << 11,       // VK_EXT_external_memory_host
    FATHOM_CAP_STATISTICS = 1u << 12,        // the driver reports registers and spills of a pipeline
    FATHOM_CAP_READ_AHEAD = 1u << 13,        // a CPU whose prefetchers follow few streams; shaders read on
    FATHOM_CAP_DEVICE_ADDRESS = 1u << 14,    // a CPU whose shaders may read buffers by address
    FATHOM_CAP_UNIFORM_LOADS = 1u << 15,     // a CPU whose driver merges reads of all lanes at one address
};

enum fathom_gpu_type {
    FATHOM_GPU_DISCRETE,
    FATHOM_GPU_INTEGRATED,
    FATHOM_GPU_VIRTUAL,
    FATHOM_GPU_CPU,
    FATHOM_GPU_OTHER
};

struct fathom_gpu_info {
    size_t size;
    uint32_t index; // position in the list; accepted by fathom_gpu_params.device
    char name[256];
    char driver[256]; // name and version of the driver
    uint32_t vendor_id, device_id, api_version;
    enum fathom_gpu_type type;
    uint32_t caps;         // enum fathom_gpu_caps, without those that driver bugs break
    uint64_t memory_total; // bytes of the heaps that can hold weights
    uint64_t memory_free;  // free bytes there by the driver's budget; without a budget memory_total
    bool unified_memory;   // the host can access that memory directly
    // bytes of the heaps of device memory that the host can write: on a card with a resizable BAR as many as
    // memory_total, on others a window of often 256 MiB, or 0
    uint64_t host_visible_device_memory;
    uint64_t max_storage_range; // bytes that one binding can address
    uint64_t max_allocation;    // most bytes of one allocation
    // Most bytes of a mapped file that the device uses in place, as one slice of a weight; more slices of a
    // weight may use more. Does not count against memory_total. 0: mapped files are copied. By what the
    // driver says in a list of devices; in a gpu the device has read a page of a mapped file.
    uint64_t max_import;
    uint32_t storage_alignment; // alignment in bytes of a binding's offset
    uint32_t max_shared_memory; // bytes per workgroup
    uint32_t max_invocations;   // invocations per workgroup
    uint32_t subgroup_size, min_subgroup_size, max_subgroup_size;
    uint32_t matrix_m, matrix_n, matrix_k; // with FATHOM_CAP_COOPERATIVE_MATRIX: [m][k] times [k][n]
    float timestamp_period;                // nanoseconds per tick; 0: no timers
    char unusable[256];                    // why Fathom cannot use it; empty: it can
};

// The devices of this machine, in the drivers' order. Returns NULL with *err set when there is no Vulkan
// driver, or the drivers find no device.
struct fathom_gpu_list;
FATHOM_API struct fathom_gpu_list *fathom_gpu_list_create(struct fathom_error *err);
FATHOM_API void fathom_gpu_list_destroy(struct fathom_gpu_list **list);
FATHOM_API size_t fathom_gpu_list_count(const struct fathom_gpu_list *list);
// Owned by the list; NULL when there is no device i.
FATHOM_API const struct fathom_gpu_info *fathom_gpu_list_get(const struct fathom_gpu_list *list, size_t i);

struct fathom_gpu_debug; // debug.h
struct fathom_vulkan;    // vulkan.h
struct fathom_gpu_params {
    size_t size;
    const char *device; // index, or part of the name, any case; NULL: the best usable one (discrete first)
    // folder of the pipeline cache, made when missing; one that cannot be written is a warning in the log.
    // NULL: nothing is kept on disk
    const char *cache_dir;
    bool exact; // only the plain variants, whose results are the same bits on every device
    // "op=variant,op=variant": choose these instead of the defaults; NULL: defaults. A name that no operator
    // or no variant has is ignored.
    const char *variants;
    // Most bytes of device memory and of host memory that the gpu allocates; 0: no limit but the driver's. An
    // allocation past a limit fails with FATHOM_NO_MEMORY. With a limit, blocks are small, so that buffers of
    // nearly the limit in all fit: what is lost is at most an eighth of the buffers that are smaller than a
    // 512th of the limit (but 32 KiB to 8 MiB), and 4095 bytes of each larger one. On a card that stages,
    // three staging buffers of a 16th of host_limit each (64 KiB to 8 MiB) count as host memory.
    uint64_t device_limit, host_limit;
    bool timers;        // keep a GPU time for every dispatch
    uint32_t n_threads; // that build pipelines; 0: one a core
    struct fathom_log log;
    // A gpu over a program's own VkDevice and queue (<fathom/vulkan.h>); `device` must be NULL then. NULL:
    // Fathom makes an instance and a device of its own.
    const struct fathom_vulkan *vulkan;
    const struct fathom_gpu_debug *debug; // NULL: none
};

struct fathom_gpu;
FATHOM_API struct fathom_gpu *fathom_gpu_create(
    const struct fathom_gpu_params *params, struct fathom_error *err);
// Waits for the device, frees the gpu and writes NULL. Accepts NULL and a pointer to NULL. Destroy the gpu's
// buffers and streams first.
FATHOM_API void fathom_gpu_destroy(struct fathom_gpu **gpu);
FATHOM_API const struct fathom_gpu_info *fathom_gpu_get_info(const struct fathom_gpu *gpu);

struct fathom_gpu_counters {
    size_t size;
    uint64_t submits;    // vkQueueSubmit calls
    uint64_t recorded;   // recorded command buffers
    uint64_t dispatches; // recorded dispatches
    uint64_t barriers;   // recorded barriers
    uint64_t pipelines_built, pipelines_from_cache;
    uint64_t memory_used;      // bytes of device memory in use by buffers
    uint64_t memory_allocated; // bytes allocated from the driver
    // of these, FATHOM_MEMORY_DEVICE and FATHOM_MEMORY_HOST, and the most that there ever were at once
    uint64_t device_allocated, host_allocated, device_peak, host_peak;
    uint64_t memory_in_place; // bytes of host memory that weights use in place
    double pipeline_seconds;  // host time spent waiting for pipelines; lavapipe builds none while it
                              // executes, so its execution time counts too
};
FATHOM_API void fathom_gpu_get_counters(const struct fathom_gpu *gpu, struct fathom_gpu_counters *counters);

// The present state of memory, in bytes. The call asks the driver and the system, takes well under a
// millisecond, and may come between any two submits. "device" is the heaps that hold weights, "host" the
// heaps of the system's memory; with unified_memory both are the same memory.
// When another program takes video memory, device_budget falls. Most drivers let it fall only as far as
// device_usage, and then move memory of this process out of the way: shrink as soon as device_budget -
// device_usage is below the wanted headroom, and grow when it is above the headroom and what would be added.
struct fathom_gpu_memory {
    size_t size;
    uint64_t device_total;  // size of the heaps
    uint64_t device_budget; // of this process, by the driver; without FATHOM_CAP_MEMORY_BUDGET device_total,
                            // on CPUs what the system leaves
    uint64_t device_usage;  // of that, in use by this process (lavapipe: by all); without the capability what
                            // the gpu has allocated
    uint64_t device_free;   // what can be allocated now: within the budget, the system's memory, device_limit
    uint64_t host_total, host_budget, host_usage, host_free; // the same of host memory, and host_limit
};
FATHOM_API void fathom_gpu_get_memory(const struct fathom_gpu *gpu, struct fathom_gpu_memory *memory);

// The limits of fathom_gpu_params, which may change while the gpu is in use: what is allocated stays, and an
// engine whose experts have slots gives slots back, or takes them again, at its next steps. Never grows.
struct fathom_gpu_limits {
    uint64_t device, host; // bytes; 0: none
};
FATHOM_API struct fathom_gpu_limits fathom_gpu_get_limits(const struct fathom_gpu *gpu);
FATHOM_API void fathom_gpu_set_limits(struct fathom_gpu *gpu, struct fathom_gpu_limits limits);

// ---- Memory ----------------------------------------------------------------------------------------------

enum fathom_memory {
    FATHOM_MEMORY_DEVICE, // fastest for the device; the host uses uploads and downloads
    FATHOM_MEMORY_HOST,   // visible to both, cached for the host; for small results that the host polls
};

struct fathom_buffer;

// A range of a buffer, in bytes. Operators take views. An offset must be a multiple of 4. Where the device
// requires a larger alignment, the shader receives the remainder, so every multiple of 4 works. A view may be
// larger than an operator needs (ops.h). A view is a value: it owns nothing, and the buffer must outlive its
// use. Never grows.
struct fathom_view {
    struct fathom_buffer *buffer;
    uint64_t offset, size;
};

// Creates a buffer of at most max_allocation bytes, sub-allocated from larger blocks and filled with zeros.
FATHOM_API struct fathom_buffer *fathom_buffer_create(
    struct fathom_gpu *gpu, uint64_t size, enum fathom_memory memory, struct fathom_error *err);
// Does not wait for the device: the memory comes back when the submits so far are done. An allocation that
// finds no room waits for that.
FATHOM_API void fathom_buffer_destroy(struct fathom_buffer **buffer);
FATHOM_API struct fathom_view fathom_buffer_view(struct fathom_buffer *buffer); // the whole buffer
// Returns the host pointer of a FATHOM_MEMORY_HOST buffer, until it is destroyed, and NULL for other buffers.
// The host reads what a submit has written after fathom_gpu_wait(). What the host has written, later submits
// read.
FATHOM_API void *fathom_buffer_map(struct fathom_buffer *buffer);

// Copy the bytes of a view between host and device; the view's size is that of `data`. The functions return
// when `data` may be reused (upload) or is complete (download). An upload comes after every earlier submit
// and before every later one. Discrete cards copy through a ring of staging buffers. With unified memory the
// host copies directly; an upload then waits for all submits so far, unless nothing has used the buffer yet.
// A download always waits for them.
FATHOM_API bool fathom_upload(
    struct fathom_gpu *gpu, struct fathom_view dst, const void *data, struct fathom_error *err);
FATHOM_API bool fathom_download(
    struct fathom_gpu *gpu, struct fathom_view src, void *data, struct fathom_error *err);

// ---- Weights ---------------------------------------------------------------------------------------------

// The stored type of a weight's elements. All but F8_E4M3 are those of ggml (github.com/ggml-org/ggml), as in
// GGUF files: the numbers are those of enum ggml_type in include/ggml.h; a block is the struct block_q4_0,
// block_q2_K, … in src/ggml-common.h; its elements are what dequantize_row_q4_0(), … in src/ggml-quants.c
// makes of it. Numbers are little-endian. A row is whole blocks, one behind the other.
// "32 in 18": a block of 32 elements has 18 bytes. d and m are float16.
enum fathom_type {
    FATHOM_F32 = 0,      // 1 in 4: IEEE 754 binary32
    FATHOM_F16 = 1,      // 1 in 2: IEEE 754 binary16
    FATHOM_Q4_0 = 2,     // 32 in 18: d, 16 bytes n; element i < 16 is d * (low nibble of n[i] - 8), element
                         // 16 + i the same of the high nibble
    FATHOM_Q4_1 = 3,     // 32 in 20: d, m, 16 bytes of nibbles as in Q4_0; d * nibble + m
    FATHOM_Q5_0 = 6,     // 32 in 22
    FATHOM_Q5_1 = 7,     // 32 in 24
    FATHOM_Q8_0 = 8,     // 32 in 34: d, 32 signed bytes n; d * n
    FATHOM_Q2_K = 10,    // 256 in 84
    FATHOM_Q3_K = 11,    // 256 in 110
    FATHOM_Q4_K = 12,    // 256 in 144
    FATHOM_Q5_K = 13,    // 256 in 176
    FATHOM_Q6_K = 14,    // 256 in 210
    FATHOM_IQ2_XXS = 16, // 256 in 66
    FATHOM_IQ2_XS = 17,  // 256 in 74
    FATHOM_IQ3_XXS = 18, // 256 in 98
    FATHOM_IQ1_S = 19,   // 256 in 50
    FATHOM_IQ4_NL = 20,  // 32 in 18
    FATHOM_IQ3_S = 21,   // 256 in 110
    FATHOM_IQ2_S = 22,   // 256 in 82
    FATHOM_IQ4_XS = 23,  // 256 in 136
    FATHOM_IQ1_M = 29,   // 256 in 56
    FATHOM_BF16 = 30,    // 1 in 2: the high half of a binary32
    FATHOM_TQ1_0 = 34,   // 256 in 54
    FATHOM_TQ2_0 = 35,   // 256 in 66
    FATHOM_MXFP4 = 39,   // 32 in 17
    FATHOM_NVFP4 = 40,   // 64 in 36
    FATHOM_Q1_0 = 41,    // 128 in 18: d, 16 bytes of bits, low bit first; d where the bit is set, else -d
    // 128 in 132: float32 s, 128 bytes of a sign (high bit), 4 bits e, 3 bits f. The element is s times
    // 2^(e - 7) * (1 + f / 8), or s times f * 2^-9 for e = 0, with the sign. The bytes 0x7f and 0xff must not
    // occur. The last block of a row may have fewer elements, a multiple of 32, and as many bytes less.
    FATHOM_F8_E4M3 = 0x10000,
};

// Returns the bytes of one row of n_cols elements. Returns 0 when the type is unknown, or n_cols is not a
// multiple of the type's block (4 for F32, F16 and BF16, 32 for F8_E4M3) above 0.
FATHOM_API uint64_t fathom_row_size(enum fathom_type type, uint32_t n_cols);
// The type's name, "Q4_K", which lives as long as the program; "?" for a number that is no type.
FATHOM_API const char *fathom_type_name(enum fathom_type type);
// The type of a name, in any case. Returns false, and leaves *type as it was, where there is none.
FATHOM_API bool fathom_type_find(const char *name, enum fathom_type *type);

// The part of a weight that one binding addresses: rows [first_row, first_row + n_rows), counted through all
// matrices. Never grows.
struct fathom_slice {
    struct fathom_view view;
    uint32_t first_row, n_rows;
};

// n_mats matrices (heads, experts; 1 for a plain weight), [n_mats][n_rows][n_cols], in device memory. A
// weight larger than a binding can address is split into slices: between matrices when n_mats > 1, otherwise
// between rows. The members are for reading; the functions below own what they point to.
struct fathom_weight {
    enum fathom_type type;
    uint32_t n_mats, n_rows, n_cols;
    uint32_t n_slices;
    struct fathom_slice *slices;
};

// What a new weight holds is undefined. Fails with FATHOM_INVALID, and names the type and the multiple, where
// fathom_row_size() is 0; with FATHOM_UNSUPPORTED where one matrix (one row, when n_mats is 1) is more than a
// binding addresses.
FATHOM_API struct fathom_weight *fathom_weight_create(struct fathom_gpu *gpu, enum fathom_type type,
    uint32_t n_mats, uint32_t n_rows, uint32_t n_cols, struct fathom_error *err);
// The same in FATHOM_MEMORY_HOST, which the device reads over its bus: slower, for weights that do not fit.
// Fails with FATHOM_NO_MEMORY when the heap's budget does not cover the weight, even where the driver would
// grant the memory: some drivers lose the device later. Uploads copy to the memory directly.
FATHOM_API struct fathom_weight *fathom_weight_create_host(struct fathom_gpu *gpu, enum fathom_type type,
    uint32_t n_mats, uint32_t n_rows, uint32_t n_cols, struct fathom_error *err);
// Creates a weight in place, from bytes in host memory, [n_mats][n_rows][n_cols] in their stored form. The
// function copies nothing; the device must share the host's memory. `readable` is the range that may be read
// around the bytes in whole pages (the mapped file); it must not change until the weight is destroyed. Such a
// weight cannot be uploaded to, and the device never writes to it. Fails with FATHOM_UNSUPPORTED when the
// device, the driver or the alignment of the bytes does not allow this; then create a weight and upload to
// it. fathom_host_range never grows.
struct fathom_host_range {
    const void *data;
    uint64_t size;
};
FATHOM_API struct fathom_weight *fathom_weight_create_in_place(struct fathom_gpu *gpu, enum fathom_type type,
    uint32_t n_mats, uint32_t n_rows, uint32_t n_cols, const void *data, struct fathom_host_range readable,
    struct fathom_error *err);
// As fathom_buffer_destroy(). For a weight in place, waits for the device.
FATHOM_API void fathom_weight_destroy(struct fathom_weight **weight);
// Writes n_rows rows from first_row on (counted through all matrices), in the weight's stored type:
// n_rows * fathom_row_size() bytes. Otherwise as fathom_upload().
FATHOM_API bool fathom_weight_upload(struct fathom_gpu *gpu, struct fathom_weight *weight, uint32_t first_row,
    uint32_t n_rows, const void *data, struct fathom_error *err);

// ---- Streams ---------------------------------------------------------------------------------------------

// A list of dispatches: record, finish, then submit any number of times. The stream derives barriers from
// what each dispatch declares to read and write, so operators may be recorded in the order of the data.
//
// A stream that is too long for one submit is split when it is finished: a piece has about 0.2 s of estimated
// work (on CPUs 0.1 s, where all takes more than 0.25 s), so that no driver's watchdog ends it. The program
// sees this in three ways: work of other threads and programs may run between two pieces; a submit that fails
// may have begun some pieces; fathom_gpu_counters.submits counts pieces. The ticket stands for all pieces.
// The views, weights and buffers that are recorded must live until the last submit has been made; parameter
// structs are read during the call alone.
struct fathom_stream;
FATHOM_API struct fathom_stream *fathom_stream_create(struct fathom_gpu *gpu, struct fathom_error *err);
FATHOM_API void fathom_stream_destroy(struct fathom_stream **stream); // its submits run to their end
// Empties the stream for a new recording; waits until its earlier submits are done.
FATHOM_API void fathom_stream_begin(struct fathom_stream *stream);
// Records a copy. Both views must have the same size, a multiple of 4 bytes.
FATHOM_API void fathom_stream_copy(
    struct fathom_stream *stream, struct fathom_view src, struct fathom_view dst);
// Ends the recording: builds missing pipelines in parallel and records the commands. Reports the first error
// of all recording calls; fathom_stream_begin() then starts anew. With a cache folder (fathom_gpu_params) the
// driver keeps pipelines from one run to the next; without one, each run may spend seconds here.
FATHOM_API bool fathom_stream_finish(struct fathom_stream *stream, struct fathom_error *err);
// Submits a finished stream. *ticket (ticket may be NULL) identifies the submit for fathom_gpu_wait(). The
// same stream may be in flight several times. Work begins after all earlier submits. The call does not wait
// for the device, but where a CPU is the device and many submits are in flight.
FATHOM_API bool fathom_stream_submit(
    struct fathom_stream *stream, uint64_t *ticket, struct fathom_error *err);
// Ends a part of the recording, so that the host can act before the next part runs. `tag` says what for.
FATHOM_API void fathom_stream_cut(struct fathom_stream *stream, uint64_t tag);
// The number of parts of a finished stream: its cuts and one. fathom_stream_submit_part() submits part i, as
// fathom_stream_submit() does all of them. fathom_stream_tag() is the tag of the cut before part i, i > 0.
FATHOM_API uint32_t fathom_stream_parts(const struct fathom_stream *stream);
FATHOM_API uint64_t fathom_stream_tag(const struct fathom_stream *stream, uint32_t i);
FATHOM_API bool fathom_stream_submit_part(
    struct fathom_stream *stream, uint32_t i, uint64_t *ticket, struct fathom_error *err);
// Waits for a submit of any stream of this gpu, and, because the queue is in order, for all earlier submits.
FATHOM_API bool fathom_gpu_wait(struct fathom_gpu *gpu, uint64_t ticket, struct fathom_error *err);

// The time of each dispatch of the stream's last completed submit. Needs fathom_gpu_params.timers.
// fathom_stream_read_timings() returns the number of dispatches, or 0 when not all can be read;
// fathom_stream_get_timing() gives dispatch i of these until the next read, begin or destroy; NULL: there is
// none.
struct fathom_dispatch_time {
    size_t size;
    const char *op, *variant;
    double nanoseconds, flops, bytes;
};
FATHOM_API size_t fathom_stream_read_timings(struct fathom_stream *stream);
FATHOM_API const struct fathom_dispatch_time *fathom_stream_get_timing(
    const struct fathom_stream *stream, size_t i);

#ifdef __cplusplus
}
#endif

#include <fathom/ops.h>
#endif
