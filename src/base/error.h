// How the library reports a failure: the failing function sets the caller's error anew, and every caller
// above returns false.
#ifndef FM_BASE_ERROR_H
#define FM_BASE_ERROR_H
#include <fathom/status.h>
#include <stdbool.h>

// Fills *err (which may be NULL) and returns false, so that a function can end with `return fm_fail(...)`. A
// function that goes on after a failure gives an error of its own to what failed, so that *err is the
// caller's last failure or what it was.
bool fm_fail(struct fathom_error *err, enum fathom_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// Puts "prefix: " before the message in *err, so that a caller can add the file or the tensor. A message that
// begins so is left as it is. Both functions write the message as fm_printable() does (base/utf8.h), because
// it may hold names from a file.
void fm_error_prefix(struct fathom_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

// For the functions of the public interface: fails where the caller gave NULL for the parameter `name`.
#define FM_GIVEN(pointer, name, err) \
    ((pointer) || fm_fail(err, FATHOM_INVALID, "%s: %s is NULL", __func__, name))
#endif
