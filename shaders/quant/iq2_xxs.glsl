// FATHOM_IQ2_XXS: blocks of 66 bytes: float16 scale; for each 32 elements 4 bytes of points, then four times
// 7 signs and 4 bits of scale
float W_FN(_iq2_xxs_8)(uint row, uint part, out vec4 low, out vec4 high) {
    const uint block = row + (part >> 5) * 66u, at = block + 2u + ((part >> 2) & 7u) * 8u,
        i = (part >> 1) & 1u, second = part & 1u;
    const uint points = W_FN(_bits)(at) >> (8u * i), v = W_FN(_bits)(at + 4u), signs = v >> (7u * i);
    low = iq2_quad(GRID_IQ2_XXS + (points & 255u), eight_signs(signs), second);
    high = iq2_quad(GRID_IQ2_XXS + ((points >> 16) & 255u), eight_signs(signs >> 14), second);
    precise float d = half_decode(W_FN(_bits16)(block)) * (0.5 + float(v >> 28));
    d = d * 0.25;
    return d;
}
