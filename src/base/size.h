// Arithmetic on sizes. Sizes read from files take the functions that check for overflow.
#ifndef FM_BASE_SIZE_H
#define FM_BASE_SIZE_H
#include <stdbool.h>
#include <stdint.h>

// Return false on overflow; *result is then unusable.
static inline bool fm_add(uint64_t a, uint64_t b, uint64_t *result) {
    return !__builtin_add_overflow(a, b, result);
}
static inline bool fm_mul(uint64_t a, uint64_t b, uint64_t *result) {
    return !__builtin_mul_overflow(a, b, result);
}

// Rounds a up to a multiple of `to`, which is a power of two. Returns false on overflow.
static inline bool fm_align(uint64_t a, uint64_t to, uint64_t *result) {
    if (!fm_add(a, to - 1, result)) return false;
    *result &= ~(to - 1);
    return true;
}

static inline uint64_t fm_least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}
// Rounds a up to a multiple of `unit`, which is above 0, where the sum cannot overflow.
static inline uint64_t fm_round_up(uint64_t a, uint64_t unit) {
    return (a + unit - 1) / unit * unit;
}
#endif
