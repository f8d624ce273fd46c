// FATHOM_IQ1_M: blocks of 56 bytes: for each 8 elements the low byte of a point; for each 8 the point's high
// 3 bits and the sign of the shift; in each of 4 times 16 bits four scales of 16 elements, 3 bits each, and
// above them 4 bits of the block's float16 scale
float W_FN(_iq1_m_8)(uint row, uint part, out vec4 low, out vec4 high) {
    const uint block = row + (part >> 5) * 56u, j = (part >> 2) & 7u, i = (part >> 1) & 1u,
        at = block + j * 4u + i, second = part & 1u;
    const uint above = W_FN(_bits16)(block + 32u + j * 2u) >> (4u * i);
    const uint scales = W_FN(_bits16)(block + 48u + (j >> 1) * 2u) >> ((j & 1u) * 6u);
    const uint a = W_FN(_bits)(block + 48u), b = W_FN(_bits)(block + 52u);
    const uint half_bits = (a >> 12 & 0xfu) | (a >> 24 & 0xf0u) | (b >> 4 & 0xf00u) | (b >> 16 & 0xf000u);
    precise vec4 x =
        float(2u * (scales & 7u) + 1u) *
        iq1_quad(W_FN(_byte)(at) | (above & 7u) << 8, (above & 8u) != 0u, second);
    precise vec4 y =
        float(2u * ((scales >> 3) & 7u) + 1u) *
        iq1_quad(W_FN(_byte)(at + 2u) | ((above >> 8) & 7u) << 8, (above & 0x800u) != 0u, second);
    low = x;
    high = y;
    return half_decode(half_bits);
}
