#include "base/log.h"
#include <stdarg.h>
#include <stdio.h>

void fm_log(const struct fathom_log *log, enum fathom_log_level level, const char *format, ...) {
    if (!log || !log->write) return;
    char message[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    log->write(log->user, level, message);
}
