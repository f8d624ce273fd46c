// FATHOM_F32: words
vec4 W_FN(_f32_4)(uint row, uint k) {
    const uint i = (row >> 2) + k;
    return uintBitsToFloat(uvec4(W_WORD(i), W_WORD(i + 1u), W_WORD(i + 2u), W_WORD(i + 3u)));
}

float W_FN(_f32_32)(uint row, uint k, out vec4 q[8]) {
    for (uint i = 0u; i < 8u; i++) q[i] = W_FN(_f32_4)(row, k + 4u * i);
    return 1.0;
}

float W_FN(_f32_8)(uint row, uint part, out vec4 low, out vec4 high) {
    const uint k = (part >> 2) * 32u + (part & 3u) * 4u;
    low = W_FN(_f32_4)(row, k);
    high = W_FN(_f32_4)(row, k + 16u);
    return 1.0;
}
