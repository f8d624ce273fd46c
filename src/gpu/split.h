// How a stream is split into submits, and a dispatch into parts.
#ifndef FM_GPU_SPLIT_H
#define FM_GPU_SPLIT_H
#include "gpu/stream.h"

// What a dispatch takes, on a slow device of its kind; fm_pace_note() measures what CPUs take.
double fm_estimate_seconds(const struct fathom_gpu *gpu, const struct fm_dispatch *dispatch);
// Seconds of work in one submit of a stream, as fm_estimate_seconds() counts them.
double fm_submit_seconds(const struct fathom_stream *stream);

// A part of a dispatch: a range of the workgroups in one dimension.
struct fm_range {
    uint32_t first[3], n[3];
};

// The number of parts for an entry, where `most` seconds go into a submit; and part i of n.
uint32_t fm_count_ranges(const struct fathom_gpu *gpu, const struct fm_entry *entry, double most);
struct fm_range fm_range(const struct fm_entry *entry, uint32_t i, uint32_t n);
#endif
