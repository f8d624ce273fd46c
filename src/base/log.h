// Formats a message like printf and passes it to the caller's log callback.
#ifndef FM_BASE_LOG_H
#define FM_BASE_LOG_H
#include <fathom/status.h>

void fm_log(const struct fathom_log *log, enum fathom_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#endif
