#include "text/normalize.h"
#include "text/utf8.h"
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

// All characters below U+0300 are their own NFC, whatever stands around them, if no combining mark (all are above) follows.
static bool surely_normal(const char *text, size_t length) {
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] >= 0xcc) return false; // 0xcc 0x80 is U+0300
    return true;
}

bool fm_nfc(const char *text, size_t length, const char **out, size_t *n_out, char **owned, struct fathom_error *err) {
    *out = text;
    *n_out = length;
    *owned = NULL;
    if (surely_normal(text, length)) return true;
    utf8proc_uint8_t *normal = NULL;
    utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)length, &normal, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    if (n < 0) {
        free(normal);
        return fm_fail(err, n == UTF8PROC_ERROR_NOMEM ? FATHOM_NO_MEMORY : FATHOM_INVALID, "tokenizer: normalization: %s", utf8proc_errmsg(n));
    }
    *out = *owned = (char *)normal;
    *n_out = (size_t)n;
    return true;
}
