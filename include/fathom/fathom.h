// Fathom: DeepSeek-class language models on any Vulkan device.
//
//   engine   a model's weights on a device                 (one gpu, may serve several sessions)
//   session  one text in the making: its cache and position (one thread at a time; sessions of one engine take turns)
//   chat     questions and answers in the model's own form, over a session
//
// Every object has create and destroy; destroy takes a pointer to it, accepts NULL, and writes NULL. Parameters come in a struct
// where zero means default. See status.h for errors, gpu.h for the backend alone.
#ifndef FATHOM_H
#define FATHOM_H

#include <fathom/gpu.h>
#include <fathom/message.h>

#ifdef __cplusplus
extern "C" {
#endif

FATHOM_API const char *fathom_version(void); // "0.1.0"

// ---- Engine ----------------------------------------------------------------------------------------------------

// Called now and then while something long runs: done of total (bytes, tokens). Return false to cancel.
struct fathom_progress {
    bool (*report)(void *user, const char *what, uint64_t done, uint64_t total);
    void *user;
};

// What measuring may decide. Measured choices are kept in a file of the cache folder, one for a device, driver, Fathom's shaders and a
// model's shapes; once it is there the file alone decides, so that every start chooses the same. Without a cache folder, with
// gpu.exact or gpu.variants, nothing is measured and nothing is read.
enum fathom_tuning {
    FATHOM_TUNING_QUICK, // reads the file; where there is none, measures what it can in less than 2 s, says so in the log, and writes it
    FATHOM_TUNING_OFF,   // the operators' own choices
};

struct fathom_engine_params {
    const char *model;              // a GGUF file, or a hub folder. Where the device shares the host's memory, weights are used in the mapped file
                                    // itself: while an engine has it open the file may be replaced, but not changed or cut short (a read past
                                    // its new end ends the process). gpu.disabled_caps with FATHOM_CAP_HOST_IMPORT copies them instead
    struct fathom_gpu_params gpu;   // device, cache folder, exact mode, log
    uint32_t n_context;             // most positions that any session will hold, for the memory plan; 0: the model's own limit or
                                    // 4096, whichever is less
    bool cache_8bit;                // the cache keeps 8 bits a value in place of 16; not in exact mode, which keeps float32
    uint32_t n_drafts;              // tokens that the model's own draft layer guesses ahead of each step, at most FATHOM_MAX_DRAFTS; 0: none. The
                                    // text stays the same, token for token (outside exact mode but for near ties); sessions hold a few
                                    // more positions. Refused for models without such a layer
    struct fathom_progress progress;
    enum fathom_tuning tuning;
};

struct fathom_engine;
FATHOM_API struct fathom_engine *fathom_engine_create(const struct fathom_engine_params *params, struct fathom_error *err);
FATHOM_API void fathom_engine_destroy(struct fathom_engine **engine); // its sessions must have been destroyed before

// What a model is, and what it needs. Sizes in bytes.
struct fathom_model_info {
    char name[128], architecture[32];     // "deepseek2", "llama", "qwen2", "qwen3"
    uint32_t n_layers, n_dense_layers, n_hidden, n_vocab, n_heads, n_experts, n_experts_used, n_experts_shared;
    uint32_t n_kv;                        // heads of keys and values, of n_value values each; 0: latent attention
    uint32_t q_rank, kv_rank, n_rope, n_nope, n_value; // ranks of the query's and the key-value latent; head widths
    uint32_t n_draft_layers;              // multi-token-prediction layers in the file
    uint32_t n_context_trained;
    uint64_t parameters, parameters_active; // all; and those that one token meets (embedding row, chosen experts), draft layers left out
    uint64_t weight_bytes;                // of the tensors that are loaded
    uint64_t cache_bytes_per_token;       // in the mode asked for
};
// The plan for a device and a context length, made before a byte is uploaded.
struct fathom_memory_plan {
    uint32_t n_context;
    uint64_t weights, cache, scratch, total, available;
    bool fits;
};
FATHOM_API const struct fathom_model_info *fathom_engine_get_info(const struct fathom_engine *engine);
FATHOM_API const struct fathom_memory_plan *fathom_engine_get_plan(const struct fathom_engine *engine);
FATHOM_API struct fathom_gpu *fathom_engine_get_gpu(const struct fathom_engine *engine);

// One operator at one shape and number of tokens, as tuning found it.
struct fathom_tuned {
    char op[32], what[96];                 // "matmul", "q4_0 2048 x 2048"
    uint32_t n_tokens;
    char usual[32], best[32];              // variants, with a tile size after a colon where one was chosen; empty: there was no time
    double usual_nanoseconds, best_nanoseconds; // of one call; usual 0: its results were wrong
    uint32_t n_measured, n_wrong;          // choices that were timed; that gave wrong results, which is also a warning in the log
};
// Measures every variant of every operator at this model's shapes on its device, for 1 token, a prefill chunk, and 2, 4 and 8 tokens,
// compares their results with the plain variant's, uses the fastest from now on and writes the file that engines start with. What does
// not fit into `seconds` (0: 300), or comes after `progress` asked to stop, keeps the choice that it had. Fills `list` (may be NULL)
// with at most `capacity` entries; *n is how many there are. The engine must have no session yet. Refused in exact mode and with forced
// variants.
FATHOM_API bool fathom_engine_tune(struct fathom_engine *engine, double seconds, const struct fathom_progress *progress,
    struct fathom_tuned *list, size_t capacity, size_t *n, struct fathom_error *err);

// Reads a model's header and plans its memory on `gpu` (NULL: no device, `available` 0), without loading it. `exact` as in the engine.
FATHOM_API bool fathom_model_inspect(const char *model, const struct fathom_gpu_info *gpu, bool exact, uint32_t n_context,
    struct fathom_model_info *info, struct fathom_memory_plan *plan, struct fathom_error *err);

// ---- Session ---------------------------------------------------------------------------------------------------

struct fathom_session_params {
    uint32_t n_context; // positions; 0: the engine's
    uint32_t n_chunk;   // tokens of one prefill step; 0: chosen for the device
};
struct fathom_session;
FATHOM_API struct fathom_session *fathom_session_create(struct fathom_engine *engine, const struct fathom_session_params *params, struct fathom_error *err);
FATHOM_API void fathom_session_destroy(struct fathom_session **session);

// Positions filled so far; their ids.
FATHOM_API uint32_t fathom_session_length(const struct fathom_session *session);
FATHOM_API const int32_t *fathom_session_tokens(const struct fathom_session *session);
// Forgets all positions from `length` on.
FATHOM_API bool fathom_session_truncate(struct fathom_session *session, uint32_t length, struct fathom_error *err);

// Appends tokens (prefill, in chunks). logits, if not NULL, gets [n_tokens][n_vocab] floats, one row a token appended.
FATHOM_API bool fathom_session_append(struct fathom_session *session, const int32_t *ids, uint32_t n_tokens, float *logits,
    const struct fathom_progress *progress, struct fathom_error *err);
// The same through the recorded decode step, one token a step.
FATHOM_API bool fathom_session_append_decode(struct fathom_session *session, const int32_t *ids, uint32_t n_tokens, float *logits, struct fathom_error *err);

struct fathom_sampling {
    float temperature;     // 0: greedy
    uint32_t top_k;        // 0: off
    float top_p;           // 0 or 1: off
    float min_p;           // 0: off
    float repeat_penalty;  // 0 or 1: off; over the whole text so far
    uint64_t seed;         // the same seed gives the same text on the same device; exact mode: on any device
};

struct fathom_timings {
    double load_seconds, prefill_seconds, decode_seconds; // host clock
    uint32_t prefill_tokens, decode_tokens;
};

// Generates after at least one appended token. on_token is called for each new token, in order, while the next steps are already
// running; it returns false to stop (a stop token, a limit). The token for which it returned false is not kept in the session;
// the others are. Ends with FATHOM_OK too when the context is full: *n_generated says how many tokens on_token has accepted.
FATHOM_API bool fathom_session_generate(struct fathom_session *session, const struct fathom_sampling *sampling, uint32_t max_tokens,
    bool (*on_token)(void *user, int32_t id), void *user, uint32_t *n_generated, struct fathom_error *err);

// Seconds of the host's clock until the first prompt could be read. Pipelines are built when a step first needs them: their time is part of
// the first prefill's and decode's, and grows with them.
struct fathom_start_times {
    double file, tokenizer, device, weights, tuning, session, pipelines;
};

struct fathom_session_stats {
    struct fathom_timings timings;       // of all appends and generates so far
    struct fathom_start_times start;
    uint64_t decode_steps, decode_submits, decode_recordings; // steps run; vkQueueSubmit calls and command buffers recorded for them
    uint64_t drafts, drafts_accepted;    // tokens guessed by the draft layer; and those that the model agreed with
};
FATHOM_API struct fathom_session_stats fathom_session_get_stats(const struct fathom_session *session);
// With gpu.timers: the time of each dispatch of the last prefill chunk, or of the last decode step. Returns how many there are; fills at most
// `capacity`.
FATHOM_API size_t fathom_session_get_timings(const struct fathom_session *session, bool decode, struct fathom_timing *list, size_t capacity);

// ---- Chat ------------------------------------------------------------------------------------------------------

struct fathom_chat_params {
    const char *system;              // system prompt, or NULL
    struct fathom_sampling sampling; // all zero: greedy. R1's own advice: temperature 0.6, top_p 0.95
    const char *tools;               // that the model may call: a JSON array of {"type": "function", "function": {"name", "description",
                                     // "parameters"}}, or NULL. Refused where the template has no place for them
    const char *template_name;       // deepseek-r1, deepseek-v3, deepseek-v3.1, deepseek-v3.2, deepseek-v4, qwen3, qwen2.5, smollm2, chatml, llama3; NULL: the model's own
    bool no_thought;                 // answer at once, where the template can say so
    bool raw;                        // no template: the text is continued as it is
    uint32_t max_tokens;             // of one answer, thought included; 0: as many as the context holds
    struct fathom_progress progress; // of reading a prompt
    struct fathom_session_params session;
};
struct fathom_chat;
FATHOM_API struct fathom_chat *fathom_chat_create(struct fathom_engine *engine, const struct fathom_chat_params *params, struct fathom_error *err);
FATHOM_API void fathom_chat_destroy(struct fathom_chat **chat);

enum fathom_piece { FATHOM_PIECE_THOUGHT, FATHOM_PIECE_ANSWER };
// Called with whole UTF-8 characters, zero-terminated, as they come. Return false to stop the answer; what came so far is kept.
typedef bool (*fathom_piece_fn)(void *user, enum fathom_piece kind, const char *text);

enum fathom_end { FATHOM_END_STOP, FATHOM_END_LENGTH, FATHOM_END_CONTEXT, FATHOM_END_CALLER };
struct fathom_reply {
    const char *thought, *answer;    // whole texts, owned by the chat, until the next ask or destroy
    const int32_t *ids;              // the tokens generated, the end token included
    uint32_t n_ids, n_prompt_ids;    // prompt tokens in all, those already in the cache included
    enum fathom_end end;
    const struct fathom_tool_call *tool_calls; // that end the answer, left out of its text; to be answered by messages with the results
    size_t n_tool_calls;
};
// Adds a message to the conversation: earlier turns, or a tool's result.
FATHOM_API bool fathom_chat_add(struct fathom_chat *chat, const struct fathom_message *message, struct fathom_error *err);
// question NULL: answers the messages that were added.
FATHOM_API bool fathom_chat_ask(struct fathom_chat *chat, const char *question, fathom_piece_fn on_piece, void *user, struct fathom_reply *reply,
    struct fathom_error *err);
FATHOM_API void fathom_chat_clear(struct fathom_chat *chat);     // a new conversation
FATHOM_API struct fathom_session *fathom_chat_get_session(const struct fathom_chat *chat);

#ifdef __cplusplus
}
#endif
#endif
