// FATHOM_MXFP4: blocks of 17 bytes: exponent, 16 bytes of nibbles as in Q4_0, which are E2M1 floats. Bytes are not aligned at all.
uint W_FN(_mxfp4_bits)(uint at) {
    const uint shift = (at & 3u) * 8u;
    return W_WORD(at >> 2) >> shift | (W_WORD((at >> 2) + 1u) << 1) << (31u - shift);
}

float W_FN(_mxfp4_integers)(uint row, uint part, out ivec4 low, out ivec4 high) {
    const uint block = row + (part >> 2) * 17u, e = W_FN(_mxfp4_bits)(block) & 255u, v = W_FN(_mxfp4_bits)(block + 1u + (part & 3u) * 4u);
    low = e2m1(v & 0x0f0f0f0fu);
    high = e2m1((v >> 4) & 0x0f0f0f0fu);
    const uint small = 0x00200000u << (e & 1u), normal = (e - 1u) << 23;
    return uintBitsToFloat(e < 2u ? small : normal); // 2^(e - 128): e2m1() is doubled
}

float W_FN(_mxfp4_8)(uint row, uint part, out vec4 low, out vec4 high) {
    ivec4 a, b;
    const float scale = W_FN(_mxfp4_integers)(row, part, a, b);
    low = vec4(a);
    high = vec4(b);
    return scale;
}

vec3 W_FN(_mxfp4_packed)(uint row, uint part, out uint low, out uint high) {
    ivec4 a, b;
    const float scale = W_FN(_mxfp4_integers)(row, part, a, b);
    low = packed_bytes(a);
    high = packed_bytes(b);
    return vec3(scale, scale, 0.0);
}
