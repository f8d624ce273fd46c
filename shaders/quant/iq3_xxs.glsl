// FATHOM_IQ3_XXS: blocks of 98 bytes: float16 scale; for each 4 elements a point; for each 32 elements four
// times 7 signs and 4 bits of scale
vec4 W_FN(_iq3_xxs_quad)(uint at, uint signs) {
    const ivec4 n = indices_3(grid_point(GRID_IQ3_XXS + W_FN(_byte)(at)));
    return with_signs(4 + 8 * n + 2 * ivec4(equal(n, ivec4(7))), signs);
}

float W_FN(_iq3_xxs_8)(uint row, uint part, out vec4 low, out vec4 high) {
    const uint block = row + (part >> 5) * 98u, j = (part >> 2) & 7u, c = part & 3u,
        at = block + 2u + j * 8u + c;
    const uint v = W_FN(_bits)(block + 66u + j * 4u), signs = v >> (7u * (c >> 1)), second = 4u * (c & 1u);
    low = W_FN(_iq3_xxs_quad)(at, eight_signs(signs) >> second);
    high = W_FN(_iq3_xxs_quad)(at + 4u, eight_signs(signs >> 14) >> second);
    precise float d = half_decode(W_FN(_bits16)(block)) * (0.5 + float(v >> 28));
    d = d * 0.5;
    return d;
}
