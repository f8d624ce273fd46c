// FATHOM_TQ1_0: blocks of 54 bytes: digits -1, 0, 1 as a base-3 fraction
// of 256, five in a byte: elements 0..159 in bytes 0..31, elements up to
// 239 in bytes 32..47; four digits in each of 4 more bytes; float16 scale
vec4 W_FN(_tq1_0_quad)(uint block, uint e) {
    // [0]: first byte, [1]: digit
    const uvec2 first = uvec2(e & 31u, e >> 5), second = uvec2(32u + (e & 15u), (e - 160u) >> 4),
        last = uvec2(48u, (e - 240u) >> 2);
    const uvec2 later = e < 240u ? second : last, at = e < 160u ? first : later;
    // 3^digit as its factors
    const uint power = (at.y & 1u) * 2u + 1u, more = (at.y >> 1 & 1u) * 8u + 1u,
        most = (at.y >> 2) * 80u + 1u;
    const uint v = W_FN(_bits)(block + at.x);
    const uvec4 rest = (uvec4(v, v >> 8, v >> 16, v >> 24) * (power * more * most)) & 255u;
    return vec4(ivec4((rest * 3u) >> 8) - 1);
}

float W_FN(_tq1_0_8)(uint row, uint part, out vec4 low, out vec4 high) {
    const uint block = row + (part >> 5) * 54u, e = ((part >> 2) & 7u) * 32u + (part & 3u) * 4u;
    low = W_FN(_tq1_0_quad)(block, e);
    high = W_FN(_tq1_0_quad)(block, e + 16u);
    return half_decode(W_FN(_bits16)(block + 52u));
}
