// FATHOM_IQ2_XS: blocks of 74 bytes: float16 scale; for each 8 elements a point, 9 bits, and 7 signs; scales
// of 16 elements, 4 bits each
float W_FN(_iq2_xs_8)(uint row, uint part, out vec4 low, out vec4 high) {
    const uint block = row + (part >> 5) * 74u, j = (part >> 2) & 7u, at = block + 2u + j * 8u + (part & 2u),
        second = part & 1u;
    const uint a = W_FN(_bits16)(at), b = W_FN(_bits16)(at + 4u), scales = W_FN(_byte)(block + 66u + j);
    precise vec4 x =
        (0.5 + float(scales & 15u)) * iq2_quad(GRID_IQ2_XS + (a & 511u), eight_signs(a >> 9), second);
    precise vec4 y =
        (0.5 + float(scales >> 4)) * iq2_quad(GRID_IQ2_XS + (b & 511u), eight_signs(b >> 9), second);
    low = x;
    high = y;
    precise float d = half_decode(W_FN(_bits16)(block)) * 0.25;
    return d;
}
