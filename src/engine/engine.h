// The inside of an engine, for sessions and chats.
#ifndef FM_ENGINE_ENGINE_H
#define FM_ENGINE_ENGINE_H
#include "base/clock.h"
#include "base/lock.h"
#include "engine/pressure.h"
#include "engine/residency.h"
#include "model/weights.h"
#include "op/experts/expert_history.h"
#include "text/tokenizer.h"
#include <fathom/debug.h>

enum { FM_STEPS_KEPT = 64 };

struct fathom_engine {
    struct fathom_gpu *gpu;
    struct fm_tensors *tensors; // open while loading, and longer where weights are used in place
    struct fm_hparams hp;
    struct fm_weights weights;
    struct fm_pressure pressure;
    struct fathom_log log;
    struct fm_residency *residency;     // NULL: the experts are all in memory
    struct fathom_tokenizer *tokenizer; // NULL: the model's file has none
    struct fathom_model_info info;
    struct fathom_memory_plan plan;
    struct fathom_start_times start;
    struct fathom_sampling sampling; // the defaults of the model
    enum fathom_type cache_type;
    bool exact;
    uint32_t n_drafts;
    struct fm_expert_history history; // of earlier runs
    uint64_t tuning_key;              // of the model and the cache's type, for the tuning file
    uint64_t model_key;               // fm_model_key, for sessions in files

    // Experts in slots are shared by all sessions: `turn` is the right to record and submit streams that use
    // weights.slots, and to use the slots, `pressure` and `residency`. It is taken before any lock.
    struct fm_turn turn;
    struct fm_lock lock;             // for what follows
    uint32_t n_sessions, n_decoding; // sessions; those in fathom_session_generate()
    uint64_t n_begun;                // calls of it so far
    bool is_tuning;
    struct fathom_tuned *tuned; // what the last tuning has found
    size_t n_tuned;
    struct {
        uint64_t n_tokens, link_bytes;
        double seconds[FM_STEPS_KEPT]; // of the last steps, without waiting for the file
        uint64_t n_steps;
    } decoded; // by plain steps of this run, while one session decoded alone
};

// The parameters of an engine as this version of the library knows them. engine.gpu points to gpu, whose
// debug points to debug.
struct fm_engine_params {
    struct fathom_engine_params engine;
    struct fathom_gpu_params gpu;
    struct fathom_gpu_debug debug;
};
bool fm_engine_params_read(struct fm_engine_params *params, const struct fathom_engine_params *given,
    const char *function, struct fathom_error *err);

// Opens the model of an engine's parameters; `function` is for messages. The name is for messages, too.
struct fm_tensors *fm_model_open(
    const struct fathom_engine_params *params, const char *function, struct fathom_error *err);
const char *fm_model_name(const struct fathom_engine_params *params);
// The sampling that the model's file asks for. A number that makes no sense is left out, with a warning.
struct fathom_sampling fm_model_sampling(const struct fm_tensors *tensors, const struct fathom_log *log);

// Tokens of one prefill step unless the caller says: enough to use each weight many times, short enough for
// one submit.
uint32_t fm_default_chunk(const struct fathom_gpu_info *gpu, const struct fm_hparams *hp, uint32_t n_context);

// Positions that a session of n_context has room for: rounds of drafting that are in flight when a text ends
// run on past it.
uint32_t fm_positions(const struct fm_hparams *hp, uint32_t n_context);

// A hash of everything in the engine that choices of variants depend on: tensors, numbers in the metadata,
// the cache's type. `tensors` must be open.
uint64_t fm_tuning_key(const struct fathom_engine *engine);
// The same of a directory of tensors alone; `key` is what the hash begins with.
uint64_t fm_directory_key(const struct fm_tensors *tensors, uint64_t key);
// Tells models apart, also those whose tensors have the same names and sizes: see model_key.c.
uint64_t fm_model_key(const struct fm_tensors *tensors, const struct fm_hparams *hp);

// Reads the model's tuning file, or measures quickly and writes the file; see enum fathom_tuning. Returns
// false only if the device fails or the caller cancels.
bool fm_tune_start(struct fathom_engine *engine, struct fm_watch *watch, struct fathom_error *err);
// The quick form itself: up to `seconds`; once one choice takes longer than `build_budget` to build, no more
// are tried (0: any time). False when anything fails; the table then has no rows.
struct fm_tune_outcome {
    size_t n_calls, n_measured, n_better;
    double slow_seconds; // what one choice takes, where that is more than the build_budget; else 0
};
bool fm_tune_quickly(struct fathom_engine *engine, double seconds, double build_budget,
    struct fm_watch *watch, struct fm_tune_outcome *outcome, struct fathom_error *err);

// Adds what this run has measured to the file with the history of the model's experts. A run of few tokens
// adds nothing. Waits for the device.
void fm_engine_remember(struct fathom_engine *engine);

// Where the model has slots, takes the turn, and changes the number of slots if that is due: streams that
// were recorded for another fm_slots.version must then be recorded again. A failure leaves no turn.
bool fm_engine_begin(struct fathom_engine *engine, struct fm_watch *watch, struct fathom_error *err);
// The turn alone, where the model has slots.
bool fm_engine_take_turn(struct fathom_engine *engine, struct fm_watch *watch, struct fathom_error *err);
void fm_engine_end_turn(struct fathom_engine *engine);

// Submits a stream whose operators may read experts; the caller has the turn. After a failure in the middle
// the slots may lack experts that the device counts on; the next call then empties them first. ids: the
// tokens that the stream computes, as far as they are known (fm_residency_submit).
bool fm_engine_submit(const struct fathom_engine *engine, struct fathom_stream *stream, const int32_t *ids,
    uint32_t n_ids, struct fm_watch *watch, uint64_t *ticket, struct fathom_error *err);

// The device memory that is left from now on is the headroom that slots keep free.
bool fm_engine_settle(struct fathom_engine *engine, struct fm_watch *watch, struct fathom_error *err);

// Counts sessions. While the engine is tuned there is only the tuner's.
bool fm_engine_add_session(struct fathom_engine *engine, struct fathom_error *err);
void fm_engine_remove_session(struct fathom_engine *engine);
bool fm_engine_begin_tuning(struct fathom_engine *engine, struct fathom_error *err);
void fm_engine_end_tuning(struct fathom_engine *engine);

// Whether sessions that can draft should do so now.
bool fm_engine_drafts(struct fathom_engine *engine, struct fm_watch *watch);
// A session begins and ends to decode. Returns a mark for the end, where the counts are noted if no other
// session decoded meanwhile.
uint64_t fm_engine_begin_decoding(struct fathom_engine *engine);
void fm_engine_end_decoding(
    struct fathom_engine *engine, uint64_t mark, uint64_t n_tokens, uint64_t link_bytes);
// Notes what a step, or a round of drafting, took.
struct fm_taken {
    uint32_t n_tokens;
    double seconds, waited; // waited: of these, for the file
};
void fm_engine_took(struct fathom_engine *engine, const struct fm_taken *taken, bool drafts, bool may_draft,
    struct fm_watch *watch);

// As fathom_engine_get_expert_stats, to a struct of this library.
bool fm_engine_count_experts(struct fathom_engine *engine, struct fathom_expert_stats *stats,
    struct fm_watch *watch, struct fathom_error *err);
struct fathom_gpu_counters fm_engine_counters(const struct fathom_engine *engine);

// The type of the caches' values.
enum fathom_type fm_cache_type(bool exact, bool cache_8bit);

// What a plan is made for: an engine's parameters, and a machine.
struct fm_plan_request {
    const char *model;                 // named in errors
    const struct fathom_gpu_info *gpu; // NULL: no device
    bool exact, cache_8bit;
    bool in_memory; // the model is in a program's memory: no file has the experts
    uint32_t n_context;
    enum fathom_experts experts;
    uint64_t device_limit, host_limit, host_memory; // host_memory 0: of this machine, now
    bool keep_slots; // experts in host memory get slots wherever these fit, not only where they are faster
    struct fathom_rates rates;
};
struct fm_plan_request fm_plan_request(
    const struct fathom_engine_params *params, const struct fathom_gpu_info *gpu);

// Describes a model and plans its memory; see fathom_model_inspect.
// history NULL: the forecast knows nothing of earlier runs.
bool fm_memory_plan(const struct fm_tensors *tensors, const struct fm_hparams *hp,
    const struct fm_plan_request *params, const struct fm_expert_history *history,
    struct fathom_model_info *info, struct fathom_memory_plan *plan, struct fathom_error *err);
#endif
