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
