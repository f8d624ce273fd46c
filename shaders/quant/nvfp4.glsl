// FATHOM_NVFP4: blocks of 36 bytes for 64 elements: four scales, one for 16 elements, then 8 bytes of nibbles
// for each 16, which are E2M1 floats: element j in byte j % 8, high nibbles from 8 on. A scale is a byte of
// 4 bits of exponent (bias 7) and 3 of mantissa; the highest bit is ignored, and 0x7f stands for 0.
float W_FN(_nvfp4_scale)(uint n) { // half of the scale: e2m1() is doubled
    const uint size = n & 0x7fu;
    precise float small = float(size) * 0.0009765625; // 2^-10
    const uint normal = (size << 20) + 0x3b800000u, subnormal = floatBitsToUint(small);
    const uint bits = size < 8u ? subnormal : normal;
    return uintBitsToFloat(n == 0x7fu ? 0u : bits);
}

// Elements k..k+3 and k+16..k+19 have two scales: the elements are scaled here.
float W_FN(_nvfp4_8)(uint row, uint part, out vec4 low, out vec4 high) {
    const uint block = (row >> 2) + (part >> 3) * 9u, pair = (part >> 2) & 1u, shift = (part & 2u) * 2u;
    const uint scales = W_WORD(block) >> (pair * 16u), at = block + 1u + pair * 4u + (part & 1u);
    precise vec4 a = W_FN(_nvfp4_scale)(scales & 255u) * vec4(e2m1((W_WORD(at) >> shift) & 0x0f0f0f0fu));
    precise vec4 b =
        W_FN(_nvfp4_scale)((scales >> 8) & 255u) * vec4(e2m1((W_WORD(at + 2u) >> shift) & 0x0f0f0f0fu));
    low = a;
    high = b;
    return 1.0;
}
