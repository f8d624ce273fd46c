// A fuzz target is one function over bytes. libFuzzer calls it (clang, -DFATHOM_FUZZ=ON); in every other
// build replay.c feeds it the seeds of tests/data/seeds/, as a test.
#ifndef FUZZ_H
#define FUZZ_H
#include <fathom/status.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// For every input, a failure has a status and a message of one line, and a success has neither.
static inline void fuzz_check(const struct fathom_error *err, int ok) {
    if (ok != (err->status == FATHOM_OK) || ok != (err->message[0] == '\0')) abort();
    for (const char *c = err->message; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127) abort();
}

// Keeps reads from being optimised away, and makes the sanitizer see every byte.
static inline void fuzz_use(const void *data, size_t size) {
    static volatile uint8_t sink;
    for (size_t i = 0; i < size; i++) sink ^= ((const uint8_t *)data)[i];
}
#endif
