// Formats a message like printf and passes it to the caller's log callback.
#ifndef FM_BASE_LOG_H
#define FM_BASE_LOG_H
#include "base/lock.h"
#include <fathom/status.h>

void fm_log(const struct fathom_log *log, enum fathom_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// A log that several threads use: it passes on one message at a time. Its lock is held meanwhile, so the
// callback must not log to it.
struct fm_shared_log {
    struct fm_lock lock;
    struct fathom_log to;
};
bool fm_shared_log_create(struct fm_shared_log *shared, const struct fathom_log *to); // false: no memory
void fm_shared_log_destroy(struct fm_shared_log *shared);
struct fathom_log fm_shared_log(struct fm_shared_log *shared);
#endif
