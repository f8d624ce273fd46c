// The functions that exact mode may not take from the driver. They use only correctly rounded float32 add,
// subtract and multiply, and operations on bits, so that every device returns the same bits.
// tests/ops/exact.c has the same functions in C. Relative errors are about 1e-7. Every float is precise, the
// returned values of helpers too: one product that the compiler may contract is enough to change the result.
#ifndef EXACT_GLSL
#define EXACT_GLSL

// e^x. 0 below -87.33 (no subnormals), infinity above 88.72.
float exact_exp(float x) {
    // x = n ln 2 + r, |r| <= ln 2 / 2. Adding 1.5 * 2^23 rounds to an integer, which is in the low bits. ln 2
    // is split in two parts so that n * 0.693359375 is exact.
    precise float t = x * 1.44269504088896341 + 12582912.0;
    precise float n = t - 12582912.0;
    precise float r = x - n * 0.693359375;
    r = r + n * 2.12194440e-4;
    precise float p = 1.9875691500e-4;
    p = p * r + 1.3981999507e-3;
    p = p * r + 8.3334519073e-3;
    p = p * r + 4.1665795894e-2;
    p = p * r + 1.6666665459e-1;
    p = p * r + 5.0000001201e-1;
    precise float q = r * r;
    q = p * q + r;
    q = q + 1.0;
    // times 2^n in two steps: 2^128 is no float32
    const int e = floatBitsToInt(t) - 0x4b400000, half_e = e >> 1;
    q = q * intBitsToFloat((half_e + 127) << 23);
    q = q * intBitsToFloat((e - half_e + 127) << 23);
    return x < -87.33 ? 0.0 : x > 88.722839 ? uintBitsToFloat(0x7f800000u) : q;
}

// 1 / a for any sign. 0 for |a| >= 2^126, infinity for |a| < 2^-126.
float exact_reciprocal(float a) {
    const uint bits = floatBitsToUint(a), sign = bits & 0x80000000u, size = bits & 0x7fffffffu;
    precise float y = uintBitsToFloat(sign | (0x7ef311c3u - size));
    for (int i = 0; i < 3; i++) {
        precise float e = 1.0 - a * y;
        y = y + y * e;
    }
    return size > 0x7f800000u ? a
        : size >= 0x7e800000u ? uintBitsToFloat(sign)
        : size < 0x00800000u ? uintBitsToFloat(sign | 0x7f800000u)
        : y;
}

float exact_divide(float a, float b) {
    precise float q = a * exact_reciprocal(b);
    return q;
}

// 1 / sqrt(a) for a normal and positive.
float exact_rsqrt(float a) {
    precise float y = uintBitsToFloat(0x5f375a86u - (floatBitsToUint(a) >> 1));
    precise float h = 0.5 * a;
    for (int i = 0; i < 3; i++) {
        precise float e = h * y;
        e = 0.5 - e * y;
        y = y + y * e;
    }
    return y;
}

// 1 / (1 + e^-x)
float exact_sigmoid(float x) {
    precise float d = exact_exp(-x) + 1.0;
    return exact_reciprocal(d);
}

float exact_silu(float x) {
    precise float y = x * exact_sigmoid(x);
    return y;
}

// sqrt(ln(1 + e^x)). 0 below -87.33.
float exact_sqrt_softplus(float x) {
    // ln(1 + z) = 2 artanh(s), s = z / (2 + z), and z = e^-|x| <= 1: s <= 1 / 3
    const float z = exact_exp(-abs(x));
    precise float d = z + 2.0;
    precise float s = z * exact_reciprocal(d);
    precise float t = s * s;
    precise float p = t * 6.6666666667e-2 + 7.6923076923e-2;
    p = p * t + 9.0909090909e-2;
    p = p * t + 1.1111111111e-1;
    p = p * t + 1.4285714286e-1;
    p = p * t + 2.0000000000e-1;
    p = p * t + 3.3333333333e-1;
    p = p * t;
    p = p * s + s;
    precise float y = max(x, 0.0) + 2.0 * p;
    precise float root = y * exact_rsqrt(y);
    return y < 1.17549435e-38 ? 0.0 : root;
}

// Converts the float16 in the low 16 bits. unpackHalf2x16 may flush subnormals.
float half_decode(uint h) {
    const uint sign = (h & 0x8000u) << 16, size = h & 0x7fffu;
    precise float small = float(size) * 5.9604644775390625e-8; // 2^-24
    const uint normal = (size << 13) + (size >= 0x7c00u ? 0x70000000u : 0x38000000u),
        subnormal = floatBitsToUint(small);
    return uintBitsToFloat(sign | (size < 0x400u ? subnormal : normal));
}

// Nearest float16, ties to even, in the low 16 bits. packHalf2x16 may round differently.
uint half_encode(float x) {
    const uint bits = floatBitsToUint(x), sign = (bits >> 16) & 0x8000u, size = bits & 0x7fffffffu;
    if (size > 0x7f800000u) return sign | 0x7e00u;
    if (size >= 0x47800000u) return sign | 0x7c00u;
    if (size >= 0x38800000u) {
        const uint n = size - 0x38000000u;
        return sign | ((n + 0xfffu + ((n >> 13) & 1u)) >> 13);
    }
    const uint exponent = size >> 23;
    if (exponent < 102u) return sign; // less than half the least subnormal
    const uint shift = 126u - exponent, mantissa = (size & 0x7fffffu) | 0x800000u;
    const uint n = mantissa >> shift, rest = mantissa & ((1u << shift) - 1u), half_unit = 1u << (shift - 1u);
    return sign | (n + (rest > half_unit || (rest == half_unit && (n & 1u) != 0u) ? 1u : 0u));
}

float bf16_decode(uint h) {
    return uintBitsToFloat(h << 16);
}
#endif
