// The functions of gpu.h that take long, for calls that tell their progress and may be cancelled. Once a
// report has returned false they return false with FATHOM_CANCELLED. The public functions are these without a
// watch.
#ifndef FM_GPU_WATCHED_H
#define FM_GPU_WATCHED_H
#include "base/watch.h"
#include <fathom/gpu.h>

bool fm_gpu_wait(struct fathom_gpu *gpu, uint64_t ticket, struct fm_watch *watch, struct fathom_error *err);
// Waits for all submits so far.
bool fm_gpu_settle(struct fathom_gpu *gpu, struct fm_watch *watch, struct fathom_error *err);
bool fm_stream_finish(struct fathom_stream *stream, struct fm_watch *watch, struct fathom_error *err);
// With a watch, a command buffer is submitted only when the one but last has ended, so that little is in
// flight when the call is cancelled. What is in flight then runs on; nothing waits for it.
bool fm_stream_submit(
    struct fathom_stream *stream, struct fm_watch *watch, uint64_t *ticket, struct fathom_error *err);
bool fm_stream_submit_part(struct fathom_stream *stream, uint32_t i, struct fm_watch *watch, uint64_t *ticket,
    struct fathom_error *err);
#endif
