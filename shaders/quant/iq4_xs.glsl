// FATHOM_IQ4_XS: blocks of 136 bytes: float16 scale; high 2 bits of the scales of 32 elements in 2 bytes, their low 4 bits in 4, minus 32;
// for each 32 elements 16 bytes as in IQ4_NL. Words are aligned.
float W_FN(_iq4_xs_integers)(uint row, uint part, out ivec4 low, out ivec4 high) {
    const uint word = (row >> 2) + (part >> 5) * 34u, j = (part >> 2) & 7u, first = W_WORD(word);
    const uint v = W_WORD(word + 2u + j * 4u + (part & 3u));
    const uint scale = ((W_WORD(word + 1u) >> (4u * j)) & 15u) | ((first >> (16u + 2u * j)) & 3u) << 4;
    precise float d = half_decode(first & 0xffffu) * float(int(scale) - 32);
    low = iq4_levels(v & 0x0f0f0f0fu);
    high = iq4_levels((v >> 4) & 0x0f0f0f0fu);
    return d;
}

float W_FN(_iq4_xs_8)(uint row, uint part, out vec4 low, out vec4 high) {
    ivec4 a, b;
    const float scale = W_FN(_iq4_xs_integers)(row, part, a, b);
    low = vec4(a);
    high = vec4(b);
    return scale;
}

vec3 W_FN(_iq4_xs_packed)(uint row, uint part, out uint low, out uint high) {
    ivec4 a, b;
    const float scale = W_FN(_iq4_xs_integers)(row, part, a, b);
    low = packed_bytes(a);
    high = packed_bytes(b);
    return vec3(scale, scale, 0.0);
}
