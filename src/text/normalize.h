// Unicode normalization form C.
#ifndef FM_TEXT_NORMALIZE_H
#define FM_TEXT_NORMALIZE_H
#include "base/error.h"
#include <stddef.h>

// Converts valid UTF-8 to NFC. When nothing changes, *out is `text`; otherwise *out is a new string, which
// *owned holds and the caller frees.
bool fm_nfc(
    const char *text, size_t length, const char **out, size_t *n_out, char **owned, struct fathom_error *err);
#endif
