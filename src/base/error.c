#include "base/error.h"
#include "base/utf8.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool fm_fail(struct fathom_error *err, enum fathom_status status, const char *format, ...) {
    if (!err) return false;
    char raw[sizeof(err->message)];
    va_list args;
    va_start(args, format);
    vsnprintf(raw, sizeof(raw), format, args);
    va_end(args);
    fm_printable(err->message, sizeof(err->message), raw);
    err->status = status;
    return false;
}

void fm_error_prefix(struct fathom_error *err, const char *format, ...) {
    if (!err || err->status == FATHOM_OK) return;
    char raw[2 * sizeof(err->message) + 2], prefix[sizeof(err->message)];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(raw, sizeof(err->message), format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof(err->message)) n = 0;
    // the message of a function below may name the same file already
    fm_printable(prefix, sizeof(prefix), raw);
    const size_t length = strlen(prefix);
    if (n && !strncmp(err->message, prefix, length) && !strncmp(err->message + length, ": ", 2)) return;
    snprintf(raw + n, sizeof(raw) - (size_t)n, ": %s", err->message);
    fm_printable(err->message, sizeof(err->message), raw);
}
