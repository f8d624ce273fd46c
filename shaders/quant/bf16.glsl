// FATHOM_BF16: the upper halves of float32, pairs in words, low one first
vec4 W_FN(_bf16_4)(uint row, uint k) {
    const uint i = (row >> 2) + (k >> 1), a = W_WORD(i), b = W_WORD(i + 1u);
    return uintBitsToFloat(uvec4(a << 16, a & 0xffff0000u, b << 16, b & 0xffff0000u));
}

float W_FN(_bf16_32)(uint row, uint k, out vec4 q[8]) {
    for (uint i = 0u; i < 8u; i++) q[i] = W_FN(_bf16_4)(row, k + 4u * i);
    return 1.0;
}
