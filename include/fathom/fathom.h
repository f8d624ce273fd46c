// Fathom: DeepSeek-class language models on any Vulkan device.
//
//   engine   a model's weights on a device; serves several sessions
//   session  one text, its cache and its position; one thread at a time, and sessions of one engine do not
//   run at once chat     questions and answers in the model's own form, over a session
//
// Every object has create and destroy. destroy takes a pointer to the object, accepts NULL, and writes NULL.
// Parameters come in a struct where zero means default. status.h describes errors, gpu.h the backend alone.
#ifndef FATHOM_H
#define FATHOM_H

#include <fathom/gpu.h>
#include <fathom/message.h>

#ifdef __cplusplus
extern "C" {
#endif

// ---- Engine ----------------------------------------------------------------------------------------------

// Called repeatedly during long work: `done` of `total` bytes or tokens. Return false to cancel.
struct fathom_progress {
    bool (*report)(void *user, const char *what, uint64_t done, uint64_t total);
    void *user;
};

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
    // A GGUF file, or a hub folder. On a device that shares the host's memory the engine uses weights in the
    // mapped file: the file may be replaced meanwhile, but not changed or cut short (a read past the new end
    // ends the process). FATHOM_CAP_HOST_IMPORT in gpu.disabled_caps makes the engine copy the weights.
    const char *model;
    struct fathom_gpu_params gpu; // device, cache folder, exact mode, log
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
    struct fathom_progress progress;
    enum fathom_tuning tuning;
};

struct fathom_engine;
FATHOM_API struct fathom_engine *fathom_engine_create(
    const struct fathom_engine_params *params, struct fathom_error *err);
FATHOM_API void fathom_engine_destroy(struct fathom_engine **engine); // destroy the engine's sessions first

// A model's shape and needs. Sizes in bytes.
struct fathom_model_info {
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
// Rates of a machine, in bytes a second; 0: a typical rate of the device's type.
struct fathom_rates {
    double device; // the device reads weights in its own memory, while it computes with them
    double link;   // copies from host memory to device memory
    double host;   // the device computes with weights that lie in host memory
    double disk;
    double token_seconds; // of a token, whatever its bytes are
    double cut_seconds;   // that the device waits where the host must act in the middle of a token
};
// What a token of a plan takes by the rates: seconds of the parts add up to `seconds`.
struct fathom_forecast {
    double seconds, device_seconds, copy_seconds, disk_seconds, wait_seconds;
    // Share of the chosen experts that are in slots (all of them: 1), and in slots or homes.
    double hit_rate, home_rate;
    double link_bytes, disk_bytes; // of a token, over the bus and from the file
};

// The plan for a device and a context length, made before a byte is uploaded.
struct fathom_memory_plan {
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
FATHOM_API const struct fathom_model_info *fathom_engine_get_info(const struct fathom_engine *engine);
FATHOM_API const struct fathom_memory_plan *fathom_engine_get_plan(const struct fathom_engine *engine);
FATHOM_API struct fathom_gpu *fathom_engine_get_gpu(const struct fathom_engine *engine);

// What became of the experts that did not fit, since the engine was created. All zero where all fit.
struct fathom_expert_stats {
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
    char op[32], what[96]; // "matmul", "q4_0 2048 x 2048"
    uint32_t n_tokens;
    char default_variant[32],
        best[32]; // variants, with a tile size after a colon where one was chosen; empty: there was no time
    double default_nanoseconds, best_nanoseconds; // of one call; default 0: its results were wrong
    // choices that were timed; that gave wrong results, which is also a warning in the log
    uint32_t n_measured, n_wrong;
};
// Measures every variant of every operator at this model's shapes on its device, for 1, 2, 4 and 8 tokens and
// a prefill chunk; compares the results with the plain variant's; uses the fastest variants from now on; and
// writes the file that engines start with. A call for which `seconds` (0: 300) leave no time, or that comes
// after `progress` asked to stop, keeps its choice. Fills `list` (may be NULL) with at most `capacity`
// entries; *n is the number of entries there are. The engine must have no session yet. Refused in exact mode
// and with forced variants.
FATHOM_API bool fathom_engine_tune(struct fathom_engine *engine, double seconds,
    const struct fathom_progress *progress, struct fathom_tuned *list, size_t capacity, size_t *n,
    struct fathom_error *err);

// Reads a model's header and plans its memory, without a device and without loading the model. The device
// may be one that is thought of.
struct fathom_inspect_params {
    const char *model;
    const struct fathom_gpu_info *gpu; // NULL: no device, `available` 0
    // As in fathom_engine_params.
    bool exact, cache_8bit;
    uint32_t n_context;
    enum fathom_experts experts;
    uint64_t device_limit, host_limit;
    uint64_t host_memory; // free bytes of the host's memory; 0: of this machine, now
    // Experts in host memory get slots wherever these fit (tests); else where this is not slower.
    bool keep_slots;
    struct fathom_rates rates;
};
FATHOM_API bool fathom_model_inspect(const struct fathom_inspect_params *params,
    struct fathom_model_info *info, struct fathom_memory_plan *plan, struct fathom_error *err);

// ---- Session ---------------------------------------------------------------------------------------------

struct fathom_session_params {
    uint32_t n_context; // positions; 0: the engine's
    uint32_t n_chunk;   // tokens of one prefill step; 0: chosen for the device
};
struct fathom_session;
FATHOM_API struct fathom_session *fathom_session_create(
    struct fathom_engine *engine, const struct fathom_session_params *params, struct fathom_error *err);
FATHOM_API void fathom_session_destroy(struct fathom_session **session);

// Positions filled so far; their ids.
FATHOM_API uint32_t fathom_session_length(const struct fathom_session *session);
FATHOM_API const int32_t *fathom_session_tokens(const struct fathom_session *session);
// Drops all positions from `length` on.
FATHOM_API bool fathom_session_truncate(
    struct fathom_session *session, uint32_t length, struct fathom_error *err);

// Logits that are not finite are an error: append and append_decode with logits, and generate, then fail with
// FATHOM_INVALID and name the position. `logits` holds the rows up to that position, that row included.

// Appends tokens by prefill, in chunks. logits, if not NULL, gets [n_tokens][n_vocab] floats: a row for each
// token. A call that fails or is cancelled keeps the tokens of the chunks that were read, and their logits:
// fathom_session_length() tells how many. Append the others, truncate, or generate from there.
FATHOM_API bool fathom_session_append(struct fathom_session *session, const int32_t *ids, uint32_t n_tokens,
    float *logits, const struct fathom_progress *progress, struct fathom_error *err);
// Appends tokens by the recorded decode step, one token a step.
FATHOM_API bool fathom_session_append_decode(struct fathom_session *session, const int32_t *ids,
    uint32_t n_tokens, float *logits, struct fathom_error *err);

struct fathom_sampling {
    // 0, below 2^-126, or so little that the best logit divided by it is infinite: greedy, which takes the
    // lowest id among equals
    float temperature;
    uint32_t top_k;       // 0: off; 1: greedy
    float top_p;          // 0 or 1: off
    float min_p;          // 0: off; 1: greedy
    float repeat_penalty; // 0 or 1: off; over the whole text so far
    uint64_t seed;        // the same seed gives the same text on the same device; exact mode: on any device
};

struct fathom_session_times {
    double load_seconds, prefill_seconds, decode_seconds; // host clock
    uint32_t prefill_tokens, decode_tokens;
};

// Generates after at least one appended token. on_token is called for each new token, in order, while later
// steps already run; it returns false to stop (a stop token, a limit). The session keeps every token but the
// one for which on_token returned false. A full context ends with FATHOM_OK: *n_generated is the number of
// tokens that on_token accepted. max_tokens 0 reads the text and generates nothing.
FATHOM_API bool fathom_session_generate(struct fathom_session *session,
    const struct fathom_sampling *sampling, uint32_t max_tokens, bool (*on_token)(void *user, int32_t id),
    void *user, uint32_t *n_generated, struct fathom_error *err);

// Seconds of the host's clock until the first prompt can be read. A step builds the pipelines that it needs
// first, so `pipelines` is part of the first prefill's and decode's time, and grows with them.
struct fathom_start_times {
    double file, tokenizer, device, weights, tuning, session, pipelines;
};

struct fathom_session_stats {
    struct fathom_session_times timings; // of all appends and generates so far
    struct fathom_start_times start;
    // steps run; vkQueueSubmit calls and command buffers recorded for them
    uint64_t decode_steps, decode_submits, decode_recordings;
    // tokens guessed by the draft layer; and those that the model agreed with
    uint64_t drafts, drafts_accepted;
    struct fathom_expert_stats experts; // of the decode steps
};
FATHOM_API struct fathom_session_stats fathom_session_get_stats(const struct fathom_session *session);
// With gpu.timers: the time of each dispatch of the last prefill chunk, or of the last decode step. Returns
// the number of dispatches, and fills at most `capacity` entries; returns 0 when not all can be read.
FATHOM_API size_t fathom_session_get_timings(
    const struct fathom_session *session, bool decode, struct fathom_dispatch_time *list, size_t capacity);

// ---- Chat ------------------------------------------------------------------------------------------------

struct fathom_chat_params {
    const char *system;              // system prompt, or NULL
    struct fathom_sampling sampling; // all zero: greedy. R1's own advice: temperature 0.6, top_p 0.95
    // Tools that the model may call: a JSON array of {"type": "function", "function": {"name", "description",
    // "parameters"}}, or NULL. Refused where the template has no place for tools.
    const char *tools;
    // The chat template: the model's own when both are NULL, one that is built in, or a text in Jinja. Built
    // in are the encoders deepseek-v3.2 and deepseek-v4, and deepseek-r1, deepseek-v3, chatml and llama3 for
    // models that bring no template.
    const char *template_name, *chat_template;
    // Answer at once, where the template has a switch: its variables enable_thinking and thinking become
    // false. They are true otherwise.
    bool disable_thinking;
    bool raw;                        // no template: the model continues the text
    uint32_t max_tokens;             // of one answer, its thought included; 0: as many as the context holds
    bool prompt_only;                // fathom_chat_ask reads the prompt, and generates nothing
    struct fathom_progress progress; // of reading a prompt
    struct fathom_session_params session;
};
struct fathom_chat;
FATHOM_API struct fathom_chat *fathom_chat_create(
    struct fathom_engine *engine, const struct fathom_chat_params *params, struct fathom_error *err);
FATHOM_API void fathom_chat_destroy(struct fathom_chat **chat);

enum fathom_piece { FATHOM_PIECE_THOUGHT, FATHOM_PIECE_ANSWER };
// Called with whole UTF-8 characters, zero-terminated, as they come. Return false to stop; the answer so far
// is kept.
typedef bool (*fathom_piece_fn)(void *user, enum fathom_piece kind, const char *text);

enum fathom_end { FATHOM_END_STOP, FATHOM_END_LENGTH, FATHOM_END_CONTEXT, FATHOM_END_CALLER };
struct fathom_reply {
    const char *thought, *answer; // whole texts, owned by the chat, until the next ask or destroy
    const int32_t *ids;           // the tokens generated, the end token included
    uint32_t n_ids, n_prompt_ids; // prompt tokens in all, those already in the cache included
    enum fathom_end end;
    // The calls in the answer; its text leaves them out. Answer them by messages with the results.
    const struct fathom_tool_call *tool_calls;
    size_t n_tool_calls;
};
// Adds a message to the conversation: earlier turns, or a tool's result.
FATHOM_API bool fathom_chat_add(
    struct fathom_chat *chat, const struct fathom_message *message, struct fathom_error *err);
// question NULL: answers the messages that were added.
FATHOM_API bool fathom_chat_ask(struct fathom_chat *chat, const char *question, fathom_piece_fn on_piece,
    void *user, struct fathom_reply *reply, struct fathom_error *err);
FATHOM_API void fathom_chat_clear(struct fathom_chat *chat); // a new conversation
FATHOM_API struct fathom_session *fathom_chat_get_session(const struct fathom_chat *chat);

#ifdef __cplusplus
}
#endif
#endif
