// Unicode normalization form C.
#ifndef FM_TEXT_NORMALIZE_H
#define FM_TEXT_NORMALIZE_H
#include "base/error.h"
#include <stddef.h>

// The NFC of valid UTF-8: *out is `text` itself where nothing changes, else a new string that *owned holds (free it).
bool fm_nfc(const char *text, size_t length, const char **out, size_t *n_out, char **owned, struct fathom_error *err);
#endif
