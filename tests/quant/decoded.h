// The block types' test data: tests/data/decoded.inc, which tests/data/hash_decoded.py prints.
#ifndef FM_TESTS_DECODED_H
#define FM_TESTS_DECODED_H
#include <fathom/gpu.h>
#include <stdint.h>

static const struct decoded {
    enum fathom_type type;
    // Last bytes of the block's float16 numbers. The highest bit of the exponent is cleared there: no scale
    // is infinite.
    uint8_t n_halves, halves[4];
    uint64_t hash; // of 64 blocks as the gguf package decodes them
    // Bytes [first, end) of the block's scales that are no float16 in two bytes. For small elements a random
    // byte r becomes (r & keep) | set.
    struct {
        uint8_t first, end, keep, set;
    } scales;
} decoded[] = {
#include "data/decoded.inc"
};
enum { N_DECODED_TYPES = sizeof(decoded) / sizeof(*decoded) };
#endif
