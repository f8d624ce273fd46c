#include "ops/exact.h"
#include <math.h>
#include "quant/types.h"
#include <string.h>

static uint32_t to_bits(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof(bits));
    return bits;
}

static float from_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof(x));
    return x;
}

float exact_exp(float x) {
    if (x < -87.33f) return 0.0f;
    if (x > 88.722839f) return from_bits(0x7f800000u);
    const float t = x * 1.44269504088896341f + 12582912.0f;
    const float n = t - 12582912.0f;
    float r = x - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    float q = r * r;
    q = p * q + r;
    q = q + 1.0f;
    const int32_t e = (int32_t)(to_bits(t) - 0x4b400000u), half_e = e >> 1;
    q = q * from_bits((uint32_t)(half_e + 127) << 23);
    return q * from_bits((uint32_t)(e - half_e + 127) << 23);
}

float exact_reciprocal(float a) {
    const uint32_t bits = to_bits(a), sign = bits & 0x80000000u, size = bits & 0x7fffffffu;
    if (size > 0x7f800000u) return a;
    if (size >= 0x7e800000u) return from_bits(sign);
    if (size < 0x00800000u) return from_bits(sign | 0x7f800000u);
    float y = from_bits(sign | (0x7ef311c3u - size));
    for (int i = 0; i < 3; i++) {
        const float e = 1.0f - a * y;
        y = y + y * e;
    }
    return y;
}

float exact_divide(float a, float b) {
    return a * exact_reciprocal(b);
}

float exact_rsqrt(float a) {
    float y = from_bits(0x5f375a86u - (to_bits(a) >> 1));
    const float h = 0.5f * a;
    for (int i = 0; i < 3; i++) {
        float e = h * y;
        e = 0.5f - e * y;
        y = y + y * e;
    }
    return y;
}

float exact_sigmoid(float x) {
    return exact_reciprocal(exact_exp(-x) + 1.0f);
}

float exact_silu(float x) {
    return x * exact_sigmoid(x);
}

float exact_sqrt_softplus(float x) {
    const float z = exact_exp(-fabsf(x)), s = z * exact_reciprocal(z + 2.0f), t = s * s;
    float p = t * 6.6666666667e-2f + 7.6923076923e-2f;
    p = p * t + 9.0909090909e-2f;
    p = p * t + 1.1111111111e-1f;
    p = p * t + 1.4285714286e-1f;
    p = p * t + 2.0000000000e-1f;
    p = p * t + 3.3333333333e-1f;
    p = p * t;
    p = p * s + s;
    const float y = fmaxf(x, 0.0f) + 2.0f * p;
    return y < 1.17549435e-38f ? 0.0f : y * exact_rsqrt(y);
}

float half_decode(uint32_t half) {
    const uint32_t sign = (half & 0x8000u) << 16, size = half & 0x7fffu;
    const float small = (float)size * 5.9604644775390625e-8f;
    const uint32_t normal = (size << 13) + (size >= 0x7c00u ? 0x70000000u : 0x38000000u);
    return from_bits(sign | (size < 0x400u ? to_bits(small) : normal));
}

uint32_t half_encode(float x) {
    const uint32_t bits = to_bits(x), sign = (bits >> 16) & 0x8000u, size = bits & 0x7fffffffu;
    if (size > 0x7f800000u) return sign | 0x7e00u;
    if (size >= 0x47800000u) return sign | 0x7c00u;
    if (size >= 0x38800000u) {
        const uint32_t n = size - 0x38000000u;
        return sign | ((n + 0xfffu + ((n >> 13) & 1u)) >> 13);
    }
    const uint32_t exponent = size >> 23;
    if (exponent < 102u) return sign;
    const uint32_t shift = 126u - exponent, mantissa = (size & 0x7fffffu) | 0x800000u;
    const uint32_t n = mantissa >> shift, rest = mantissa & ((1u << shift) - 1u),
                   half_unit = 1u << (shift - 1u);
    return sign | (n + (rest > half_unit || (rest == half_unit && (n & 1u))));
}

void exact_row(enum fathom_type type, const void *row, uint32_t n_cols, float *out) {
    fm_dequantize_row(type, row, out, n_cols);
}
