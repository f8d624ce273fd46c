#include "text/normalize.h"
#include "text/utf8.h"
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

// utf8proc can normalize in one call, but that call needs time quadratic in the length of a run of combining
// marks. This file therefore sorts the marks itself.
static const utf8proc_option_t options = UTF8PROC_STABLE | UTF8PROC_COMPOSE;

// Text below U+0300 is already NFC, because all combining marks are at or above U+0300.
static bool surely_normal(const char *text, size_t length) {
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] >= 0xcc) return false; // 0xcc 0x80 is U+0300
    return true;
}

static bool decompose(
    const char *text, size_t length, utf8proc_int32_t **codes, size_t *count, struct fathom_error *err) {
    size_t capacity = length + 16, n = 0;
    *codes = malloc(capacity * sizeof(**codes));
    for (size_t i = 0; *codes && i < length;) {
        uint32_t code;
        i += (size_t)fm_utf8_decode(text + i, length - i, &code);
        int boundary = 0;
        utf8proc_ssize_t used = utf8proc_decompose_char(
            (utf8proc_int32_t)code, *codes + n, (utf8proc_ssize_t)(capacity - n), options, &boundary);
        if (used < 0)
            return fm_fail(err, FATHOM_INVALID, "tokenizer: normalization: %s", utf8proc_errmsg(used));
        n += (size_t)used;
        if (n + 16 <= capacity) continue; // no character decomposes into more
        capacity = 2 * n + 16;
        utf8proc_int32_t *grown = realloc(*codes, capacity * sizeof(**codes));
        if (!grown) free(*codes);
        *codes = grown;
    }
    *count = n;
    return *codes || fm_fail(err, FATHOM_NO_MEMORY, "tokenizer: no memory to normalize %zu bytes", length);
}

static unsigned combining_class(utf8proc_int32_t code) {
    return (unsigned)utf8proc_get_property(code)->combining_class & 0xff;
}

// Sorts a run of marks by combining class. The sort is stable.
static bool sort_run(utf8proc_int32_t *codes, size_t n, struct fathom_error *err) {
    size_t at[257] = {0};
    utf8proc_int32_t *sorted = malloc(n * sizeof(*sorted));
    if (!sorted) return fm_fail(err, FATHOM_NO_MEMORY, "tokenizer: no memory to sort %zu marks", n);
    for (size_t i = 0; i < n; i++) at[combining_class(codes[i]) + 1]++;
    for (size_t i = 0; i < 256; i++) at[i + 1] += at[i];
    for (size_t i = 0; i < n; i++) sorted[at[combining_class(codes[i])]++] = codes[i];
    memcpy(codes, sorted, n * sizeof(*sorted));
    free(sorted);
    return true;
}

static bool order_marks(utf8proc_int32_t *codes, size_t n, struct fathom_error *err) {
    for (size_t start = 0, end; start < n; start = end + 1) {
        bool ordered = true;
        unsigned before = 0;
        for (end = start; end < n; end++) {
            unsigned class = combining_class(codes[end]);
            if (!class) break;
            ordered = ordered && class >= before;
            before = class;
        }
        if (!ordered && !sort_run(codes + start, end - start, err)) return false;
    }
    return true;
}

bool fm_nfc(const char *text, size_t length, const char **out, size_t *n_out, char **owned,
    struct fathom_error *err) {
    *out = text;
    *n_out = length;
    *owned = NULL;
    if (surely_normal(text, length)) return true;
    utf8proc_int32_t *codes = NULL;
    size_t n = 0;
    if (!decompose(text, length, &codes, &n, err) || !order_marks(codes, n, err)) goto fail;
    utf8proc_ssize_t composed = utf8proc_normalize_utf32(codes, (utf8proc_ssize_t)n, options);
    if (composed < 0) {
        fm_fail(err, FATHOM_INVALID, "tokenizer: normalization: %s", utf8proc_errmsg(composed));
        goto fail;
    }
    char *normal = malloc(4 * (size_t)composed + 1);
    if (!normal) {
        fm_fail(err, FATHOM_NO_MEMORY, "tokenizer: no memory to normalize %zu bytes", length);
        goto fail;
    }
    *n_out = 0;
    for (utf8proc_ssize_t i = 0; i < composed; i++)
        *n_out += (size_t)utf8proc_encode_char(codes[i], (utf8proc_uint8_t *)normal + *n_out);
    *out = *owned = normal;
    free(codes);
    return true;
fail:
    free(codes);
    return false;
}
