// Measures the variants of one operator at one shape on this device, checks what they compute, and puts the winner into the gpu's table
// (gpu/tuned.h). Knows no model: the caller records the calls.
#ifndef FM_OP_TUNE_H
#define FM_OP_TUNE_H
#include "gpu/tuned.h"
#include "op/op.h"

// What to measure. `record` appends one or more calls of `op`, all of the same shape, n_calls of them; the last one writes `out`, whose
// float32 values are compared.
struct fm_trial {
    const struct fm_op *op;
    uint32_t first_token, last_token; // token counts that the winner is to be used for
    uint32_t n_calls;
    void (*record)(struct fathom_stream *stream, void *user);
    void *user;
    struct fathom_view out;
    const char *what;                 // for messages: "q4_0 3072 x 2048, 1 token"
};

// One choice, and what it took.
struct fm_timing {
    struct fm_choice choice;
    double nanoseconds;               // of one call, the least of all rounds; 0: not measured
};
struct fm_trial_result {
    struct fm_timing usual, best;     // the operator's own choice, and what is used from now on
    uint32_t n_measured, n_wrong;     // choices; of them, whose results were wrong
};

// One tuning of several trials.
struct fm_tuner {
    struct fathom_gpu *gpu;           // idle, neither exact nor with forced variants
    double deadline;                  // of fm_clock(); what would pass it is left out
    bool quick;                       // compare with the operator's own choice, few rounds; else with the plain variant, more rounds
    double patience;                  // once one choice took longer than this to prepare, no more are tried; 0: any time
    double prepare_seconds;           // what building a pipeline and its first run may take: the most of late; 0 at first
};

// False only when the device or memory fails. A trial for which there is no time leaves the table as it is and nanoseconds 0.
bool fm_tune(struct fm_tuner *tuner, const struct fm_trial *trial, struct fm_trial_result *result, struct fathom_error *err);

// Do two results of the same operator agree within what a change of order, and of precision to float16 or 8-bit activations, explains?
bool fm_tune_agrees(const float *want, const float *got, size_t n);
#endif
