// Reads little-endian values from bytes in memory. Errors are sticky: a read past the end returns zero and
// sets `failed`, and every later read returns zero too. A parser may check `failed` once after several reads,
// before it uses their values.
#ifndef FM_BASE_CURSOR_H
#define FM_BASE_CURSOR_H
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct fm_cursor {
    const uint8_t *data;
    uint64_t size, at; // at <= size
    bool failed;
};

static inline uint64_t fm_cursor_left(const struct fm_cursor *c) {
    return c->failed ? 0 : c->size - c->at;
}

// Returns the next n bytes, or NULL when fewer are left.
static inline const uint8_t *fm_cursor_bytes(struct fm_cursor *c, uint64_t n) {
    if (c->failed || n > c->size - c->at) {
        c->failed = true;
        return NULL;
    }
    c->at += n;
    return c->data + (c->at - n);
}

// Returns the next n bytes as a number; n is at most 8.
static inline uint64_t fm_cursor_uint(struct fm_cursor *c, uint32_t n) {
    const uint8_t *bytes = fm_cursor_bytes(c, n);
    uint64_t value = 0;
    for (uint32_t i = 0; bytes && i < n; i++) value |= (uint64_t)bytes[i] << 8 * i;
    return value;
}

static inline uint32_t fm_cursor_u32(struct fm_cursor *c) {
    return (uint32_t)fm_cursor_uint(c, 4);
}
static inline uint64_t fm_cursor_u64(struct fm_cursor *c) {
    return fm_cursor_uint(c, 8);
}
#endif
