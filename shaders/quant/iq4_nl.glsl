// FATHOM_IQ4_NL: blocks of 18 bytes: float16 scale, 16 bytes of nibbles as in Q4_0, which stand for 16 levels
float W_FN(_iq4_nl_integers)(uint row, uint part, out ivec4 low, out ivec4 high) {
    const uint block = row + (part >> 2) * 18u, v = W_FN(_bits)(block + 2u + (part & 3u) * 4u);
    low = iq4_levels(v & 0x0f0f0f0fu);
    high = iq4_levels((v >> 4) & 0x0f0f0f0fu);
    return half_decode(W_FN(_bits16)(block));
}

W_OF_INTEGERS(iq4_nl)
