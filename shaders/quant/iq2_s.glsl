// FATHOM_IQ2_S: blocks of 82 bytes: float16 scale; for each 8 elements the low byte of a point; as many bytes
// of signs; high 2 bits of the points; scales of 16 elements, 4 bits each
float W_FN(_iq2_s_8)(uint row, uint part, out vec4 low, out vec4 high) {
    const uint block = row + (part >> 5) * 82u, j = (part >> 2) & 7u, i = (part >> 1) & 1u,
        at = block + 2u + j * 4u + i;
    const uint second = part & 1u;
    const uint above = W_FN(_byte)(block + 66u + j) >> (2u * i), scales = W_FN(_byte)(block + 74u + j);
    const uint a = W_FN(_byte)(at) | (above & 3u) << 8, b = W_FN(_byte)(at + 2u) | ((above >> 4) & 3u) << 8;
    precise vec4 x = (0.5 + float(scales & 15u)) * iq2_quad(GRID_IQ2_S + a, W_FN(_byte)(at + 32u), second);
    precise vec4 y = (0.5 + float(scales >> 4)) * iq2_quad(GRID_IQ2_S + b, W_FN(_byte)(at + 34u), second);
    low = x;
    high = y;
    precise float d = half_decode(W_FN(_bits16)(block)) * 0.25;
    return d;
}
