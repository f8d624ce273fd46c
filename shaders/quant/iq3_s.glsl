// FATHOM_IQ3_S: blocks of 110 bytes: float16 scale; for each 4 elements the low byte of a point; the ninth
// bits of the points; for each 8 elements a byte of signs; scales of 32 elements, 4 bits each
vec4 W_FN(_iq3_s_quad)(uint at, uint ninth, uint signs) {
    return with_signs(2 * indices_3(grid_point(GRID_IQ3_S + (W_FN(_byte)(at) | (ninth & 1u) << 8))) + 1,
        signs);
}

float W_FN(_iq3_s_8)(uint row, uint part, out vec4 low, out vec4 high) {
    const uint block = row + (part >> 5) * 110u, j = (part >> 2) & 7u, c = part & 3u,
        at = block + 2u + j * 8u + c;
    const uint ninth = W_FN(_byte)(block + 66u + j) >> c, signs_at = block + 74u + j * 4u + (c >> 1),
        second = 4u * (c & 1u);
    low = W_FN(_iq3_s_quad)(at, ninth, W_FN(_byte)(signs_at) >> second);
    high = W_FN(_iq3_s_quad)(at + 4u, ninth >> 4, W_FN(_byte)(signs_at + 2u) >> second);
    const uint scale = (W_FN(_byte)(block + 106u + (j >> 1)) >> (4u * (j & 1u))) & 15u;
    precise float d = half_decode(W_FN(_bits16)(block)) * float(1u + 2u * scale);
    return d;
}
