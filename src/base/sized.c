#include "base/sized.h"
#include <string.h>

enum { MOST = 65536 }; // bytes of a struct; a larger size is one that was never set

bool fm_sized_read(void *known, size_t size, const void *given, const char *name, struct fathom_error *err) {
    size_t n;
    if (!given) return true;
    memcpy(&n, given, sizeof(n));
    // the size of a struct is a multiple of that of its first member: no size cuts a pointer in half
    if (n < sizeof(n) || n % sizeof(n) || n > MOST)
        return fm_fail(err, FATHOM_INVALID, "%s.size is %zu: set it to the sizeof of the struct", name, n);
    for (size_t i = size; i < n; i++)
        if (((const unsigned char *)given)[i])
            return fm_fail(err, FATHOM_UNSUPPORTED,
                "%s: the struct has %zu bytes, this library knows %zu of them, and byte %zu is set", name, n,
                size, i);
    memcpy((char *)known + sizeof(n), (const char *)given + sizeof(n), (n < size ? n : size) - sizeof(n));
    return true;
}

void fm_sized_write(void *given, const void *known, size_t size) {
    size_t n;
    memcpy(&n, given, sizeof(n));
    if (n > size) n = size;
    if (n > sizeof(n)) memcpy((char *)given + sizeof(n), (const char *)known + sizeof(n), n - sizeof(n));
}
