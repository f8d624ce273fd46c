// Builds the bytes of a file, for the readers' tests.
#ifndef TEST_FILE_BYTES_H
#define TEST_FILE_BYTES_H
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bytes {
    uint8_t data[16384];
    size_t size;
};

static inline void put(struct bytes *b, const void *data, size_t size) {
    if (size > sizeof(b->data) - b->size) abort();
    if (data)
        memcpy(b->data + b->size, data, size);
    else
        memset(b->data + b->size, 0, size);
    b->size += size;
}

static inline void put_u32(struct bytes *b, uint32_t value) {
    put(b, &value, sizeof(value));
}
static inline void put_u64(struct bytes *b, uint64_t value) {
    put(b, &value, sizeof(value));
}

// A copy that ends where its memory ends, so that a sanitizer sees a read past the end. Free it.
static inline uint8_t *exact_copy(const struct bytes *b) {
    uint8_t *copy = malloc(b->size ? b->size : 1);
    if (!copy) abort();
    memcpy(copy, b->data, b->size);
    return copy;
}
#endif
