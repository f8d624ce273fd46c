// FATHOM_F32: words
vec4 W_FN(_f32_4)(uint row, uint k) {
    const uint i = (row >> 2) + k;
    return uintBitsToFloat(uvec4(W_WORD(i), W_WORD(i + 1u), W_WORD(i + 2u), W_WORD(i + 3u)));
}

float W_FN(_f32_32)(uint row, uint k, out vec4 q[8]) {
    for (uint i = 0u; i < 8u; i++) q[i] = W_FN(_f32_4)(row, k + 4u * i);
    return 1.0;
}
