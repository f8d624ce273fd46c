// FATHOM_BF16: the upper halves of float32, pairs in words, low half first
vec4 W_FN(_bf16_4)(uint row, uint k) {
    const uint i = (row >> 2) + (k >> 1), a = W_WORD(i), b = W_WORD(i + 1u);
    return uintBitsToFloat(uvec4(a << 16, a & 0xffff0000u, b << 16, b & 0xffff0000u));
}

float W_FN(_bf16_32)(uint row, uint k, out vec4 q[8]) {
    for (uint i = 0u; i < 8u; i++) q[i] = W_FN(_bf16_4)(row, k + 4u * i);
    return 1.0;
}

float W_FN(_bf16_8)(uint row, uint part, out vec4 low, out vec4 high) {
    const uint k = (part >> 2) * 32u + (part & 3u) * 4u;
    low = W_FN(_bf16_4)(row, k);
    high = W_FN(_bf16_4)(row, k + 16u);
    return 1.0;
}
