// float16 and bfloat16 as 16-bit patterns. Rounding is to nearest, ties to even; subnormals are kept.
#ifndef FM_BASE_HALF_H
#define FM_BASE_HALF_H
#include <stdint.h>
#include <string.h>

static inline uint32_t fm_float_bits(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof(bits));
    return bits;
}

static inline float fm_bits_float(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof(x));
    return x;
}

static inline float fm_from_half(uint16_t h) {
    const uint32_t sign = (uint32_t)(h & 0x8000u) << 16, exponent = h >> 10 & 31, mantissa = h & 0x3ffu;
    if (exponent == 31) return fm_bits_float(sign | 0x7f800000u | mantissa << 13);
    if (exponent) return fm_bits_float(sign | (exponent + 112) << 23 | mantissa << 13);
    const float magnitude = (float)mantissa * 0x1p-24f; // exact
    return sign ? -magnitude : magnitude;
}

static inline uint16_t fm_to_half(float x) {
    const uint32_t bits = fm_float_bits(x), sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
    // a NaN stays a NaN
    if (magnitude > 0x7f800000u) return (uint16_t)(sign | 0x7e00u | (magnitude >> 13 & 0x3ffu));
    if (magnitude >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u); // rounds past 65504
    if (magnitude < 0x38800000u) {                                   // below 2^-14: subnormal
        // adding 0.5 leaves the multiple of 2^-24, rounded, in the low bits
        return (uint16_t)(sign | (fm_float_bits(fm_bits_float(magnitude) + 0.5f) - 0x3f000000u));
    }
    return (uint16_t)(sign | ((magnitude - 0x38000000u + 0xfffu + (magnitude >> 13 & 1)) >> 13));
}

static inline float fm_from_bf16(uint16_t b) {
    return fm_bits_float((uint32_t)b << 16);
}

static inline uint16_t fm_to_bf16(float x) {
    const uint32_t bits = fm_float_bits(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(bits >> 16 | 64); // a NaN stays one
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}
#endif
