// FATHOM_TQ2_0: blocks of 66 bytes: 64 bytes of 2 bits as in Q2_K, minus 1; float16 scale
float W_FN(_tq2_0_8)(uint row, uint part, out vec4 low, out vec4 high) {
    const uint block = row + (part >> 5) * 66u, j = (part >> 2) & 7u,
        at = block + (j >> 2) * 32u + (part & 3u) * 4u, shift = (j & 3u) * 2u;
    low = offset_bytes((W_FN(_bits)(at) >> shift) & 0x03030303u, 1);
    high = offset_bytes((W_FN(_bits)(at + 16u) >> shift) & 0x03030303u, 1);
    return half_decode(W_FN(_bits16)(block + 64u));
}
