// Reads little-endian values from bytes in memory. An error is sticky: a read past the end gives zero, sets `failed`, and so
// does every read after it, so a parser may check once after several reads, before it uses what they gave.
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

// The next n bytes, NULL when there are fewer.
static inline const uint8_t *fm_cursor_bytes(struct fm_cursor *c, uint64_t n) {
    if (c->failed || n > c->size - c->at) {
        c->failed = true;
        return NULL;
    }
    c->at += n;
    return c->data + (c->at - n);
}

// The next n <= 8 bytes as a number.
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
