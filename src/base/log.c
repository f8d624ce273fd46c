#include "base/log.h"
#include "base/utf8.h"
#include <stdarg.h>
#include <stdio.h>

void fm_log(const struct fathom_log *log, enum fathom_log_level level, const char *format, ...) {
    if (!log || !log->write) return;
    char raw[1024], message[sizeof(raw)];
    va_list args;
    va_start(args, format);
    vsnprintf(raw, sizeof(raw), format, args);
    va_end(args);
    fm_printable(message, sizeof(message), raw);
    log->write(log->user, level, message);
}

bool fm_shared_log_create(struct fm_shared_log *shared, const struct fathom_log *to) {
    shared->to = *to;
    return fm_lock_create(&shared->lock);
}
void fm_shared_log_destroy(struct fm_shared_log *shared) {
    fm_lock_destroy(&shared->lock);
}

static void pass_on(void *user, enum fathom_log_level level, const char *message) {
    const struct fm_shared_log *shared = user;
    fm_lock_take(&shared->lock);
    shared->to.write(shared->to.user, level, message);
    fm_lock_release(&shared->lock);
}

struct fathom_log fm_shared_log(struct fm_shared_log *shared) {
    return shared->to.write ? (struct fathom_log){pass_on, shared} : (struct fathom_log){0};
}
