// What earlier runs of a model tell of its experts and of the device's speed, for forecasts. A file of the
// cache folder keeps it.
#ifndef FM_OP_EXPERTS_EXPERT_HISTORY_H
#define FM_OP_EXPERTS_EXPERT_HISTORY_H
#include <fathom/gpu.h>

// A run's decode steps.
struct fm_decode_sample {
    double link_bytes, seconds; // of a token: copied from host memory to slots, and all in all
};

enum { FM_HISTORY_EXPERTS = 512, FM_HISTORY_SAMPLES = 8 };
struct fm_expert_history {
    uint64_t depths[FM_HISTORY_EXPERTS + 1]; // as FATHOM_EXPERT_STATE's, summed over layers and runs
    uint32_t n_experts;
    uint32_t n_samples; // of all runs; the last FM_HISTORY_SAMPLES are kept
    struct fm_decode_sample samples[FM_HISTORY_SAMPLES];
};

// Reads the file of a model. Without one, nothing is known.
void fm_expert_history_load(
    struct fathom_gpu *gpu, uint64_t model_key, uint32_t n_experts, struct fm_expert_history *history);
void fm_expert_history_save(
    const struct fathom_gpu *gpu, uint64_t model_key, const struct fm_expert_history *history);
// Adds a run. Older depths count less.
void fm_expert_history_add(
    struct fm_expert_history *history, const uint64_t *depths, const struct fm_decode_sample *sample);

// Fits seconds = device_seconds + link_bytes / *link to the samples. Where they all copied about the same,
// *link stays as it is. False: there is no sample.
bool fm_expert_history_fit(const struct fm_expert_history *history, double *device_seconds, double *link);

// Checks the contents of a file.
bool fm_expert_history_parse(
    const void *data, size_t size, uint32_t n_experts, struct fm_expert_history *history);
#endif
