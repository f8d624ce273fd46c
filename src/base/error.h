// How the library reports a failure: the failing function fills the caller's error once, and every caller
// above returns false.
#ifndef FM_BASE_ERROR_H
#define FM_BASE_ERROR_H
#include <fathom/status.h>
#include <stdbool.h>

// Fills *err (which may be NULL) and returns false, so that a function can end with `return fm_fail(...)`.
// An error that is already set is kept: the first failure wins.
bool fm_fail(struct fathom_error *err, enum fathom_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// Puts "prefix: " before the message in *err, so that a caller can add the file or the tensor. A message that
// begins so is left as it is. Both functions write the message as fm_printable() does (base/utf8.h), because
// it may hold names from a file.
void fm_error_prefix(struct fathom_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
#endif
