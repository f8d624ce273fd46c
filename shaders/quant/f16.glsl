// FATHOM_F16: pairs in words, low half first. A row is a multiple of 4 elements, so it starts at a word.
vec4 W_FN(_f16_4)(uint row, uint k) {
    const uint i = (row >> 2) + (k >> 1), a = W_WORD(i), b = W_WORD(i + 1u);
    return vec4(half_decode(a & 0xffffu), half_decode(a >> 16), half_decode(b & 0xffffu),
        half_decode(b >> 16));
}

// In the forms of the faster variants the device converts.
vec4 W_FN(_f16_fast)(uint row, uint k) {
    const uint i = (row >> 2) + (k >> 1);
    return vec4(unpackHalf2x16(W_WORD(i)), unpackHalf2x16(W_WORD(i + 1u)));
}

float W_FN(_f16_32)(uint row, uint k, out vec4 q[8]) {
    for (uint i = 0u; i < 8u; i++) q[i] = W_FN(_f16_fast)(row, k + 4u * i);
    return 1.0;
}

float W_FN(_f16_8)(uint row, uint part, out vec4 low, out vec4 high) {
    const uint k = (part >> 2) * 32u + (part & 3u) * 4u;
    low = W_FN(_f16_fast)(row, k);
    high = W_FN(_f16_fast)(row, k + 16u);
    return 1.0;
}
