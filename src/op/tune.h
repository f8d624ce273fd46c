// Measures the variants of one operator at one shape on this device, checks their results, and puts the
// fastest variant into the gpu's table (gpu/tuned.h). The tuner knows no model: the caller records a pass,
// and the tuner takes the calls from the recording.
#ifndef FM_OP_TUNE_H
#define FM_OP_TUNE_H
#include "gpu/calls.h"
#include "gpu/tuned.h"
#include "op/op.h"
#include <fathom/fathom.h>

// One measurement: the first max_calls calls that equal `call` in the recording that `record` appends to a
// stream. Their inputs are in memory already. The tuner compares their float32 results, and restores all
// memory that they write.
struct fm_trial {
    const struct fm_op *op;
    struct fm_call call;
    uint32_t first_token, last_token; // token counts that the winner is to be used for
    uint32_t max_calls;
    void (*record)(struct fathom_stream *stream, void *user);
    void *user;
    const struct fathom_buffer *scratch; // results are never in this buffer
    const char *what;                    // for messages: "q4_0 1 x 3072 x 2048"
};

// One choice and its time.
struct fm_timing {
    struct fm_choice choice;
    double nanoseconds; // of one call, the least of all rounds; 0: not measured
};
struct fm_trial_result {
    struct fm_timing by_default, best; // the operator's own choice; the choice from now on
    uint32_t n_measured, n_wrong;      // choices measured; choices with wrong results
};

// One tuning of several trials.
struct fm_tuner {
    struct fathom_gpu *gpu; // idle, neither exact nor with forced variants
    double deadline;        // of fm_clock(); the tuner begins nothing that would end later
    // Compare with the operator's own choice in few rounds; else with the plain variant, in more rounds.
    bool quick;
    double build_budget; // once one choice took longer than this to prepare, no more are tried; 0: any time
    // An estimate of the time to build and first run one choice: the most of late. 0 at first.
    double prepare_seconds;
    struct fm_watch *watch; // told `done` of `total`
    uint64_t done, total;
};

// Returns false only if the device, memory or the recording fails, or the watch is cancelled. A trial
// without time leaves the table unchanged and nanoseconds 0.
bool fm_tune(struct fm_tuner *tuner, const struct fm_trial *trial, struct fm_trial_result *result,
    struct fathom_error *err);

// Tells the watch. Returns false when tuning is cancelled.
bool fm_tune_goes_on(const struct fm_tuner *tuner, struct fathom_error *err);

// Do two results of the same operator agree? They may differ as far as another order of additions, and
// float16 or 8-bit activations, explain. Results are filled with FM_TUNE_UNWRITTEN before a run; words that
// still are FM_TUNE_UNWRITTEN must be so in both.
#define FM_TUNE_UNWRITTEN 0xffffffffu /* a NaN */
bool fm_tune_agrees(const float *want, const float *got, size_t n);
#endif
