// FATHOM_IQ1_S: blocks of 50 bytes: float16 scale; for each 8 elements the low byte of a point; for each 32
// the points' high 3 bits, 3 bits of scale, and the sign of the shift
float W_FN(_iq1_s_8)(uint row, uint part, out vec4 low, out vec4 high) {
    const uint block = row + (part >> 5) * 50u, j = (part >> 2) & 7u, i = (part >> 1) & 1u,
        at = block + 2u + j * 4u + i;
    const uint second = part & 1u;
    const uint v = W_FN(_bits16)(block + 34u + j * 2u), above = v >> (3u * i);
    low = iq1_quad(W_FN(_byte)(at) | (above & 7u) << 8, (v >> 15) != 0u, second);
    high = iq1_quad(W_FN(_byte)(at + 2u) | ((above >> 6) & 7u) << 8, (v >> 15) != 0u, second);
    precise float d = half_decode(W_FN(_bits16)(block)) * float(2u * ((v >> 12) & 7u) + 1u);
    return d;
}
