#include "base/error.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool fm_fail(struct fathom_error *err, enum fathom_status status, const char *format, ...) {
    if (!err || err->status != FATHOM_OK) return false;
    va_list args;
    va_start(args, format);
    vsnprintf(err->message, sizeof(err->message), format, args);
    va_end(args);
    err->status = status;
    return false;
}

void fm_error_prefix(struct fathom_error *err, const char *format, ...) {
    if (!err || err->status == FATHOM_OK) return;
    char old[sizeof(err->message)];
    memcpy(old, err->message, sizeof(old));
    va_list args;
    va_start(args, format);
    int n = vsnprintf(err->message, sizeof(err->message), format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof(err->message)) n = 0;
    if (!strncmp(old, err->message, (size_t)n) &&
        old[n] == ':') { // the message begins with the prefix already
        memcpy(err->message, old, sizeof(old));
        return;
    }
    snprintf(err->message + n, sizeof(err->message) - (size_t)n, ": %s", old);
}
