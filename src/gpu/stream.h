// Inside of a stream, for stream.c (the list) and commands.c (what it becomes).
#ifndef FM_GPU_STREAM_H
#define FM_GPU_STREAM_H
#include "gpu/internal.h"

// A call of fm_stream_choose().
struct fm_called {
    struct fm_call call;
    struct fm_choice choice; // that it got
    uint32_t serial;         // of the stream's calls, from 1; 0: none
};

struct fm_entry {
    struct fm_dispatch dispatch;
    struct fm_pipeline *pipeline;
    bool is_copy;            // from views[0] to views[1]
    struct fm_called called; // what the dispatch is part of; see gpu/calls.h
    unsigned char args[FM_MAX_ARGS];
    uint32_t spec[FM_MAX_SPEC], n_spec; // the dispatch's constants, by constant_id
};

// The end of a part of a stream: the entries and, once encoded, the command buffers before it.
struct fm_cut {
    uint64_t tag;
    uint32_t n_entries, n_buffers;
};

struct fathom_stream {
    struct fm_retired retired;
    struct fathom_gpu *gpu;
    struct fathom_error error; // sticky
    struct fm_entry *entries;
    uint32_t n_entries, capacity;
    struct fm_cut *cuts;
    uint32_t n_cuts, cut_capacity;
    bool finished;
    uint64_t last_ticket;
    VkCommandPool pool;
    VkCommandBuffer *buffers; // in the order of submission
    double *seconds;          // of each, estimated; without the pace
    uint32_t n_buffers, buffer_capacity;
    VkDescriptorPool *descriptor_pools;
    uint32_t n_descriptor_pools;
    bool wants_timers;                  // fathom_gpu_params.timers
    VkQueryPool timers;                 // two timestamps an entry
    uint64_t n_dispatches, n_barriers;  // of the recording at hand
    struct fm_called called;            // the last one of an operator that may be tuned
    bool joined;                        // what is recorded is part of it, whatever its name
    struct fathom_dispatch_time *times; // that were read last
    size_t n_times;
    struct fm_call only;                  // only dispatches of such calls are kept; op NULL: everything is
    uint32_t max_kept, n_kept, last_kept; // calls; the last one's serial
};

// Records the entries into command buffers.
bool fm_stream_encode(struct fathom_stream *s, struct fathom_error *err);
// Lets go of the command buffers, descriptor sets and timers of the last recording.
void fm_stream_release(struct fathom_stream *s);
// Takes note that work with this estimate took so many seconds.
void fm_pace_note(struct fathom_gpu *gpu, double estimate, double seconds);
#endif
