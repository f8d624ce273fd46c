// FATHOM_IQ4_XS: blocks of 136 bytes: float16 scale; scales of 32 elements, minus 32: their high 2 bits in 2
// bytes, their low 4 bits in 4; for each 32 elements 16 bytes as in IQ4_NL. Words are aligned.
float W_FN(_iq4_xs_integers)(uint row, uint part, out ivec4 low, out ivec4 high) {
    const uint word = (row >> 2) + (part >> 5) * 34u, j = (part >> 2) & 7u, first = W_WORD(word);
    const uint v = W_WORD(word + 2u + j * 4u + (part & 3u));
    const uint scale = ((W_WORD(word + 1u) >> (4u * j)) & 15u) | ((first >> (16u + 2u * j)) & 3u) << 4;
    precise float d = half_decode(first & 0xffffu) * float(int(scale) - 32);
    low = iq4_levels(v & 0x0f0f0f0fu);
    high = iq4_levels((v >> 4) & 0x0f0f0f0fu);
    return d;
}

W_OF_INTEGERS(iq4_xs)
