// Locks between the threads of one process.
#ifndef FM_BASE_LOCK_H
#define FM_BASE_LOCK_H
#include "base/watch.h"
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

// A lock, and a signal to those who wait for a change of what the lock protects. A lock is no part of what
// `const` promises, so the functions take const ones.
struct fm_lock {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
};
bool fm_lock_create(struct fm_lock *lock); // false: out of host memory
void fm_lock_destroy(struct fm_lock *lock);
void fm_lock_take(const struct fm_lock *lock);
void fm_lock_release(const struct fm_lock *lock);
// Gives the lock away, waits for fm_lock_signal() (or returns for no reason), and takes the lock again.
void fm_lock_wait(const struct fm_lock *lock);
void fm_lock_wait_for(const struct fm_lock *lock, double seconds); // the same, but not for longer
void fm_lock_signal(const struct fm_lock *lock);                   // to all who wait

// The right to do something that takes long, also while the device computes. No lock is held meanwhile. Those
// who ask get their turn in the order in which they asked.
struct fm_turn {
    struct fm_lock lock;
    struct fm_asking *first, *last; // those who ask, in their order; they are in the frames of fm_turn_take()
    bool taken;
};
bool fm_turn_create(struct fm_turn *turn); // false: out of host memory
void fm_turn_destroy(struct fm_turn *turn);
// False: the watch has been cancelled, and there is no turn.
bool fm_turn_take(struct fm_turn *turn, struct fm_watch *watch, struct fathom_error *err);
void fm_turn_end(struct fm_turn *turn);
#endif
