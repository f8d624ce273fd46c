// FATHOM_IQ4_NL: blocks of 18 bytes: float16 scale, 16 bytes of nibbles as in Q4_0, which stand for 16 levels
float W_FN(_iq4_nl_integers)(uint row, uint part, out ivec4 low, out ivec4 high) {
    const uint block = row + (part >> 2) * 18u, v = W_FN(_bits)(block + 2u + (part & 3u) * 4u);
    low = iq4_levels(v & 0x0f0f0f0fu);
    high = iq4_levels((v >> 4) & 0x0f0f0f0fu);
    return half_decode(W_FN(_bits16)(block));
}

float W_FN(_iq4_nl_8)(uint row, uint part, out vec4 low, out vec4 high) {
    ivec4 a, b;
    const float scale = W_FN(_iq4_nl_integers)(row, part, a, b);
    low = vec4(a);
    high = vec4(b);
    return scale;
}

vec3 W_FN(_iq4_nl_packed)(uint row, uint part, out uint low, out uint high) {
    ivec4 a, b;
    const float scale = W_FN(_iq4_nl_integers)(row, part, a, b);
    low = packed_bytes(a);
    high = packed_bytes(b);
    return vec3(scale, scale, 0.0);
}
