// Engine: a model's weights on a device. An engine serves several sessions.
#ifndef FATHOM_ENGINE_H
#define FATHOM_ENGINE_H

#include <fathom/gpu.h>

#ifdef __cplusplus
extern "C" {
#endif

// How variants of operators are chosen. Measured choices are kept in a file of the cache folder: one file for
// a device, its driver, Fathom's shaders and a model's shapes. Where the file exists it decides, so every
// start makes the same choices. Without a cache folder, with gpu.exact or with gpu.variants, nothing is
// measured and no file is read.
enum fathom_tuning {
    // Reads the file. Where there is none, measures for less than 2 s (nothing on a CPU), says so in the log,
    // and writes the file.
    FATHOM_TUNING_QUICK,
    // The operators' default variants.
    FATHOM_TUNING_OFF,
};

// Where the experts of a model are that do not fit into device memory.
enum fathom_experts {
    FATHOM_EXPERTS_AUTO,   // in device memory as many as fit, the others in host memory, the rest in the file
    FATHOM_EXPERTS_DEVICE, // all in device memory (on a device that shares the host's: in place), or an error
    FATHOM_EXPERTS_HOST,   // all in host memory, which the device reads or copies from, or an error
    FATHOM_EXPERTS_DISK,   // in the file
};

struct fathom_engine_params {
    size_t size;
    // A GGUF file, or a hub folder. On a device that shares the host's memory the engine uses weights in the
    // mapped file: the file may be replaced meanwhile, but not changed or cut short (a read past the new end
    // ends the process). FATHOM_CAP_HOST_IMPORT in fathom_gpu_debug.disabled_caps makes the engine copy the
    // weights.
    const char *model;
    // The bytes of a GGUF file of one part in memory, in place of a path: a program that has a descriptor
    // maps it. They must stay as they are until the engine or the inspection is destroyed. They may lie at
    // any address. A device that shares the host's memory uses weights in place that lie there as it needs
    // them (a mapping of the file does), and the engine copies the others. Experts that would be read from
    // the file are refused with FATHOM_UNSUPPORTED, because there is no file: they must fit into device
    // memory and host memory. `model` may name the bytes for messages; NULL: "the model in memory".
    const void *model_data;
    uint64_t model_size;
    const struct fathom_gpu_params *gpu; // device, cache folder, exact mode, log; NULL: the defaults
    // The most positions that any session will hold, for the memory plan; 0: the model's limit or 4096,
    // whichever is less.
    uint32_t n_context;
    // The cache keeps 8 bits a value in place of 16. Refused in exact mode, which keeps float32.
    bool cache_8bit;
    // Tokens that the model's draft layer guesses ahead of each step, at most FATHOM_MAX_DRAFTS; 0: none. The
    // text stays the same, token for token; outside exact mode a near tie may fall the other way. Refused for
    // models without the layer.
    uint32_t n_drafts;
    // Where experts may be. gpu.device_limit and gpu.host_limit bound the bytes.
    enum fathom_experts experts;
    // A second copy of the model's file on another drive, which shares the reads; NULL: none. Its size and
    // its first and last bytes must be the model's.
    const char *mirror;
    struct fathom_progress progress; // of fathom_engine_create
    enum fathom_tuning tuning;
};

struct fathom_engine;
// Loads a model: seconds to minutes. FATHOM_IO: a file cannot be read; FATHOM_INVALID: it is damaged, or a
// parameter is wrong; FATHOM_UNSUPPORTED: an architecture or a type that Fathom lacks, or a parameter that
// this model or this device does not allow; FATHOM_NO_MEMORY: it does not fit, and the message says by how
// much; FATHOM_NO_DEVICE, FATHOM_CANCELLED.
FATHOM_API struct fathom_engine *fathom_engine_create(
    const struct fathom_engine_params *params, struct fathom_error *err);
FATHOM_API void fathom_engine_destroy(struct fathom_engine **engine); // destroy the engine's sessions first

// A model's shape and needs. Sizes in bytes.
struct fathom_model_info {
    size_t size;
    char name[128], architecture[32]; // "deepseek2", "llama", "qwen2", "qwen3"
    uint32_t n_layers, n_dense_layers, n_hidden, n_vocab, n_heads, n_experts, n_experts_used,
        n_experts_shared;
    uint32_t n_kv; // heads of keys and values, of n_value values each; 0: latent attention
    uint32_t q_rank, kv_rank, n_rope, n_nope,
        n_value;             // ranks of the query's and the key-value latent; head widths
    uint32_t n_draft_layers; // multi-token-prediction layers in the file
    uint32_t n_context_trained;
    // All parameters; and those that one token uses (an embedding row, the chosen experts), without draft
    // layers.
    uint64_t parameters, parameters_active;
    uint64_t weight_bytes;          // of the tensors that are loaded
    uint64_t cache_bytes_per_token; // in the mode asked for
};
// Rates of a machine, in bytes a second; 0: a typical rate of the device's type. Never grows.
struct fathom_rates {
    double device; // the device reads weights in its own memory, while it computes with them
    double link;   // copies from host memory to device memory
    double host;   // the device computes with weights that lie in host memory
    double disk;
    double token_seconds; // of a token, whatever its bytes are
    double cut_seconds;   // that the device waits where the host must act in the middle of a token
};
// What a token of a plan takes by the rates: seconds of the parts add up to `seconds`. Never
// grows.
struct fathom_forecast {
    double seconds, device_seconds, copy_seconds, disk_seconds, wait_seconds;
    // Share of the chosen experts that are in slots (all of them: 1), and in slots or homes.
    double hit_rate, home_rate;
    double link_bytes, disk_bytes; // of a token, over the bus and from the file
};

// The plan for a device and a context length, made before a byte is uploaded.
struct fathom_memory_plan {
    size_t size;
    uint32_t n_context, n_chunk; // n_chunk: most tokens of a prefill step
    // Of device memory: `total` is what the plan takes, `available` what is free within the limit. Weights
    // that are used in place are part of `weights`, and not of the memory that must be available.
    uint64_t weights, cache, scratch, total, available, in_place;
    uint64_t fixed; // device memory of everything but experts, without which nothing runs
    bool fits;
    // Experts. Of every layer with experts n_slots are in device memory and n_homes in host memory; the
    // others are in the file. n_slots is the number of experts: all are in device memory. n_slots 0:
    // `experts` HOST, the device reads them in host memory; DISK, all layers share `floor` slots, which keep
    // nothing. With DISK the layers also share homes, one for each slot that has none of its layer;
    // these keep nothing. A model without experts: DEVICE, and all of these are 0.
    enum fathom_experts experts; // where the experts lie that have no slot
    uint32_t n_slots, n_homes;
    uint32_t n_slots_fit; // slots that would fit; HOST has none where no slots are foretold to be faster
    uint32_t floor;       // least slots of a layer that keep anything: top-k
    uint32_t n_expert_layers;
    enum fathom_type expert_type; // of the first layer's gate matrices
    uint64_t expert_bytes;        // of all experts; part of `weights`
    uint64_t slot_bytes, host_bytes,
        disk_bytes; // of slots and their tables, of experts' homes in host memory, read from the file
    uint64_t host_available;
    struct fathom_rates rates;
    struct fathom_forecast forecast; // by these rates, and hit rates of published traces
};

// Owned by the engine, until it is destroyed. The gpu serves a program's own buffers and streams (gpu.h),
// too.
FATHOM_API const struct fathom_model_info *fathom_engine_get_info(const struct fathom_engine *engine);
FATHOM_API const struct fathom_memory_plan *fathom_engine_get_plan(const struct fathom_engine *engine);
FATHOM_API struct fathom_gpu *fathom_engine_get_gpu(const struct fathom_engine *engine);

// Seconds of the host's clock that parts of the start took.
struct fathom_start_times {
    size_t size;
    double file, tokenizer, device, weights, tuning;
};
FATHOM_API void fathom_engine_get_start_times(
    const struct fathom_engine *engine, struct fathom_start_times *times);

// What became of the experts that did not fit, since the engine was created. All zero where all fit.
struct fathom_expert_stats {
    size_t size;
    uint64_t needed;        // experts of layers that steps used, each once a step
    uint64_t fetched;       // of these, the ones that were in no slot
    uint64_t fetched_bytes; // copied from host memory into slots
    uint64_t read;          // from the file: of these, the ones in no host memory either; and wrong guesses
    uint64_t read_bytes;    // read from the file
    double read_seconds;    // in which the device waited for the file
    // of copying to slots, where the host does so because it sees the device's memory
    double copy_seconds;
    // Of `read`, the ones whose read began before the device asked: they followed from the tokens; they were
    // guessed; they were guessed, and the device then asked for them.
    uint64_t known, guessed, guessed_right;
    uint64_t ahead_bytes; // of these reads
};
// Waits for the device.
FATHOM_API bool fathom_engine_get_expert_stats(
    struct fathom_engine *engine, struct fathom_expert_stats *stats, struct fathom_error *err);

// One operator at one shape and number of tokens, as tuning found it.
struct fathom_tuned {
    size_t size;
    char op[32], what[96]; // "matmul", "q4_0 2048 x 2048"
    uint32_t n_tokens;
    char default_variant[32],
        best[32]; // variants, with a tile size after a colon where one was chosen; empty: there was no time
    double default_nanoseconds, best_nanoseconds; // of one call; default 0: its results were wrong
    // choices that were timed; that gave wrong results, which is also a warning in the log
    uint32_t n_measured, n_wrong;
};
struct fathom_tune_params {
    size_t size;
    double seconds; // 0: 300
    struct fathom_progress progress;
};
// Measures every variant of every operator at this model's shapes on its device, for 1, 2, 4 and 8 tokens and
// a prefill chunk; compares the results with the plain variant's; uses the fastest variants from now on; and
// writes the file that engines start with. A call for which `seconds` leave no time keeps its choice. A
// tuning that is cancelled keeps what it has found, also in the file. Refused while the engine has sessions,
// in exact mode and with forced variants. No session can be created meanwhile.
FATHOM_API bool fathom_engine_tune(
    struct fathom_engine *engine, const struct fathom_tune_params *params, struct fathom_error *err);
// What the last fathom_engine_tune() found: the number of entries, and entry i, which the engine owns until
// the next one; NULL: there is none.
FATHOM_API size_t fathom_engine_count_tuned(const struct fathom_engine *engine);
FATHOM_API const struct fathom_tuned *fathom_engine_get_tuned(const struct fathom_engine *engine, size_t i);

// A machine to plan for, which need not exist.
struct fathom_machine {
    size_t size;
    const struct fathom_gpu_info *gpu; // NULL: no device, `available` 0
    uint64_t host_memory;              // free bytes of the host's memory; 0: of this machine, now
    struct fathom_rates rates;
};
// Bytes of host memory that can be taken now without swapping, by the system and by the limits of containers.
// UINT64_MAX where nothing is known.
FATHOM_API uint64_t fathom_host_memory_free(void);

// Reads a model's header and plans its memory for the engine that `params` describes, without a device and
// without loading the model. params->gpu gives exact mode and limits; its device is not opened. machine NULL:
// no device.
struct fathom_inspection;
FATHOM_API struct fathom_inspection *fathom_model_inspect(const struct fathom_engine_params *params,
    const struct fathom_machine *machine, struct fathom_error *err);
FATHOM_API void fathom_inspection_destroy(struct fathom_inspection **inspection);
// Owned by the inspection.
FATHOM_API const struct fathom_model_info *fathom_inspection_get_info(const struct fathom_inspection *i);
FATHOM_API const struct fathom_memory_plan *fathom_inspection_get_plan(const struct fathom_inspection *i);

// The tensors of the file, under GGUF's names ("blk.0.attn_q_a.weight"), a hub folder's too.
struct fathom_tensor_info {
    size_t size;
    const char *name;
    enum fathom_type type; // or a number that is no enum fathom_type, of tables (26: 32-bit integers)
    uint32_t n_dims;
    uint64_t dims[4]; // GGUF's order: dims[0] is the length of a row; unused ones are 1
    uint64_t bytes;
};
FATHOM_API size_t fathom_inspection_count_tensors(const struct fathom_inspection *inspection);
// Tensor i, whose name lives as long as the inspection. Returns false, and writes nothing, where there is
// none.
FATHOM_API bool fathom_inspection_get_tensor(
    const struct fathom_inspection *inspection, size_t i, struct fathom_tensor_info *tensor);
// Is the path one of the model's own files, which an output must not replace?
FATHOM_API bool fathom_inspection_has_file(const struct fathom_inspection *inspection, const char *path);

#ifdef __cplusplus
}
#endif
#endif
