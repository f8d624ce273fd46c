// FATHOM_Q5_0: blocks of 22 bytes: float16 scale, 32 fifth bits, 16 bytes of nibbles as in Q4_0; minus 16
float W_FN(_q5_0_8)(uint row, uint part, out vec4 low, out vec4 high) {
    const uint block = row + (part >> 2) * 22u, c = (part & 3u) * 4u;
    const uint fifth = W_FN(_bits)(block + 2u) >> c, v = W_FN(_bits)(block + 6u + c);
    low = offset_bytes((v & 0x0f0f0f0fu) | spread(fifth & 15u) << 4, 16);
    high = offset_bytes(((v >> 4) & 0x0f0f0f0fu) | spread((fifth >> 16) & 15u) << 4, 16);
    return half_decode(W_FN(_bits16)(block));
}
