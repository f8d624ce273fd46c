// Knobs for tests and measurements of Fathom itself. Programs do not need them, and they may change with any
// version.
#ifndef FATHOM_DEBUG_H
#define FATHOM_DEBUG_H

#include <fathom/fathom.h>

#ifdef __cplusplus
extern "C" {
#endif

// fathom_gpu_params.debug
struct fathom_gpu_debug {
    size_t size;
    uint32_t disabled_caps;     // pretend that the device lacks these
    uint64_t max_storage_range; // pretend that a binding addresses no more than this; 0: the device's
    // Pretend that the host sees none of the device's memory: buffers and weights are staged, nothing is used
    // in place. Experts in host memory get slots wherever these fit, not only where slots are faster.
    bool separate_memory;
    bool discrete; // pretend that the device is a discrete card: the same, and what only CPUs have is missing
    bool short_submits; // a submit holds a hundred-thousandth of a real card's work: small models are split
    bool full_barriers; // a full barrier after every dispatch, to find a missing one
    bool statistics;    // log what the driver tells of every pipeline it builds (FATHOM_CAP_STATISTICS)
};

// Appends tokens by the recorded decode step, one token a step. logits, if not NULL, gets
// [n_tokens][n_vocab] floats.
FATHOM_API bool fathom_session_append_decode(struct fathom_session *session, const int32_t *ids,
    uint32_t n_tokens, float *logits, struct fathom_error *err);

// The limits of a device, by two kernels, each in the quickest of several runs: one reads and computes
// nothing, one computes and reads nothing. An operator is compared with the larger of the two times that its
// bytes and its operations would take (the roofline model, Williams et al. 2009). The gpu must have timers.
// Never grows.
struct fathom_roofline {
    double bytes_per_second, flops_per_second; // flops: of float32 multiply-adds
};
FATHOM_API bool fathom_gpu_measure_roofline(
    struct fathom_gpu *gpu, struct fathom_roofline *roofline, struct fathom_error *err);

#ifdef __cplusplus
}
#endif
#endif
