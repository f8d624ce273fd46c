// How the library reports a failure: fill the caller's error once, return false up the chain.
#ifndef FM_BASE_ERROR_H
#define FM_BASE_ERROR_H
#include <fathom/status.h>
#include <stdbool.h>

// Fills *err (which may be NULL) and returns false, so that a failing function can end with `return fm_fail(...)`.
// The first failure wins: an error that is already set is kept.
bool fm_fail(struct fathom_error *err, enum fathom_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// Puts "prefix: " before the message that is already there, so that a caller can add the file or the tensor.
void fm_error_prefix(struct fathom_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
#endif
