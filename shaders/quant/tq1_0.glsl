// FATHOM_TQ1_0: blocks of 54 bytes: digits -1, 0, 1 as a base-3 fraction of 256, five to a byte: elements 0..159 in bytes 0..31, up to 239 in
// 32..47; four to each of 4 more bytes; float16 scale
vec4 W_FN(_tq1_0_quad)(uint block, uint e) {
    const uint byte = e < 160u ? e & 31u : e < 240u ? 32u + (e & 15u) : 48u;
    const uint digit = e < 160u ? e >> 5 : e < 240u ? (e - 160u) >> 4 : (e - 240u) >> 2;
    const uint power = digit == 0u ? 1u : digit == 1u ? 3u : digit == 2u ? 9u : digit == 3u ? 27u : 81u, v = W_FN(_bits)(block + byte);
    const uvec4 rest = (uvec4(v, v >> 8, v >> 16, v >> 24) * power) & 255u;
    return vec4(ivec4((rest * 3u) >> 8) - 1);
}

float W_FN(_tq1_0_8)(uint row, uint part, out vec4 low, out vec4 high) {
    const uint block = row + (part >> 5) * 54u, e = ((part >> 2) & 7u) * 32u + (part & 3u) * 4u;
    low = W_FN(_tq1_0_quad)(block, e);
    high = W_FN(_tq1_0_quad)(block, e + 16u);
    return half_decode(W_FN(_bits16)(block + 52u));
}
