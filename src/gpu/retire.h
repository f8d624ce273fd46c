// What was destroyed while the device may still use it: it is released when the last submit that may use it
// is known to be done. Nobody waits for the device.
#ifndef FM_GPU_RETIRE_H
#define FM_GPU_RETIRE_H
#include <stdbool.h>
#include <stdint.h>

struct fathom_gpu;

// Part of each object that can be retired, so that no memory is needed to destroy it.
struct fm_retired {
    struct fm_retired *next;
    uint64_t ticket;                                                     // of that submit; 0: there is none
    void (*release)(struct fathom_gpu *gpu, struct fm_retired *retired); // called with gpu->lock held
};
// Releases an object now if its submits are done, else later.
void fm_retire(struct fathom_gpu *gpu, struct fm_retired *retired, uint64_t ticket,
    void (*release)(struct fathom_gpu *gpu, struct fm_retired *retired));
// Releases what can be released without waiting. Costs next to nothing where nothing is retired.
void fm_retired_collect(struct fathom_gpu *gpu);
// Waits for the device and releases everything that was retired before. Returns false if nothing was.
bool fm_retired_wait(struct fathom_gpu *gpu);
// Releases everything. The device must be idle.
void fm_retired_release_all(struct fathom_gpu *gpu);
#endif
