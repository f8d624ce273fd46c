// FATHOM_F8_E4M3: blocks of 132 bytes: float32 scale; 128 bytes, each of a sign, 4 bits of exponent (bias 7)
// and 3 of mantissa. The last block of a row may be shorter. A row is a multiple of 32 elements, so every
// block starts at a word. No byte is a NaN.
float W_FN(_f8_e4m3_scale)(uint row, uint k) {
    return uintBitsToFloat(W_WORD((row >> 2) + (k >> 7) * 33u));
}

uint W_FN(_f8_e4m3_bits)(uint row, uint k) {
    return W_WORD((row >> 2) + (k >> 7) * 33u + 1u + ((k & 127u) >> 2));
}

vec4 W_FN(_f8_e4m3_4)(uint row, uint k) {
    precise vec4 w = W_FN(_f8_e4m3_scale)(row, k) * e4m3(W_FN(_f8_e4m3_bits)(row, k));
    return w;
}

// In the forms of the faster variants the device converts:
// the same bits, read as float16, are 2^-8 of the value.
float W_FN(_f8_e4m3_32)(uint row, uint k, out vec4 q[8]) {
    const uint word = (row >> 2) + (k >> 7) * 33u + 1u + ((k & 127u) >> 2);
    for (uint i = 0u; i < 8u; i++) q[i] = e4m3_half(W_WORD(word + i));
    return 256.0 * W_FN(_f8_e4m3_scale)(row, k);
}

float W_FN(_f8_e4m3_8)(uint row, uint part, out vec4 low, out vec4 high) {
    const uint k = (part >> 2) * 32u + (part & 3u) * 4u;
    low = e4m3_half(W_FN(_f8_e4m3_bits)(row, k));
    high = e4m3_half(W_FN(_f8_e4m3_bits)(row, k + 16u));
    return 256.0 * W_FN(_f8_e4m3_scale)(row, k);
}
