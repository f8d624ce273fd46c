// FATHOM_Q1_0: blocks of 18 bytes for 128 elements: float16 scale, 16 bytes of bits, low bit first. A set bit
// stands for 1, a clear bit for -1.
float W_FN(_q1_0_8)(uint row, uint part, out vec4 low, out vec4 high) {
    const uint block = row + (part >> 4) * 18u, i = (part & 3u) * 4u;
    const uint v = W_FN(_bits)(block + 2u + ((part >> 2) & 3u) * 4u) >> i;
    low = offset_bytes(spread(v & 15u) << 1, 1);
    high = offset_bytes(spread((v >> 16) & 15u) << 1, 1);
    return half_decode(W_FN(_bits16)(block));
}
