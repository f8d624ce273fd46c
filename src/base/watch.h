// Tells the progress of a long call, and whether the call is to go on. A call owns one and passes it down to
// everything that takes long or waits. NULL in its place, or a progress without `report`: nobody is told.
#ifndef FM_BASE_WATCH_H
#define FM_BASE_WATCH_H
#include "base/error.h"

// The longest time between two reports that fm_watch_goes_on() leaves, where it is called often enough.
#define FM_WATCH_SECONDS 0.05

struct fm_watch {
    struct fathom_progress progress;
    enum fathom_phase phase;
    uint64_t done, total;
    double last;    // of the last report, of fm_clock()
    bool cancelled; // a report has returned false: all that follows fails
};

// Reports now. Returns false with *err set (FATHOM_CANCELLED) when the call is to end.
bool fm_watch_tell(
    struct fm_watch *watch, enum fathom_phase phase, uint64_t done, uint64_t total, struct fathom_error *err);
// Reports again what was told last, if that is FM_WATCH_SECONDS ago. Returns as fm_watch_tell().
bool fm_watch_goes_on(struct fm_watch *watch, struct fathom_error *err);
// Whether anybody is told.
bool fm_watch_exists(const struct fm_watch *watch);

// Runs work(argument), which cannot tell anything itself, in another thread, and reports meanwhile in this
// one. Returns after `work`, also when the call is cancelled; then as fm_watch_tell().
bool fm_watch_run(
    struct fm_watch *watch, void (*work)(void *argument), void *argument, struct fathom_error *err);
#endif
