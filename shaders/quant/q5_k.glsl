// FATHOM_Q5_K: blocks of 176 bytes: as Q4_K, with 32 bytes of fifth bits before the nibbles: bit j of byte i
// belongs to element i of sub-block j
vec3 W_FN(_q5_k_packed)(uint row, uint part, out uint low, out uint high) {
    const uint word = (row >> 2) + (part >> 5) * 44u, j = (part >> 2) & 7u, c = part & 3u,
        at = word + 12u + (j >> 1) * 8u + c;
    const uint shift = (j & 1u) * 4u;
    const uint low_fifth = (W_WORD(word + 4u + c) >> j) & 0x01010101u,
        high_fifth = (W_WORD(word + 8u + c) >> j) & 0x01010101u;
    low = ((W_WORD(at) >> shift) & 0x0f0f0f0fu) | low_fifth << 4;
    high = ((W_WORD(at + 4u) >> shift) & 0x0f0f0f0fu) | high_fifth << 4;
    return W_FN(_k_scales)(word, j).xxy;
}

W_OF_MINIMUM(q5_k)

vec2 W_FN(_q5_k_32)(uint row, uint k, out vec4 q[8]) {
    const uint word = (row >> 2) + (k >> 8) * 44u, j = (k >> 5) & 7u, at = word + 12u + (j >> 1) * 8u,
        shift = (j & 1u) * 4u;
    const vec2 s = W_FN(_k_scales)(word, j);
    for (uint i = 0u; i < 8u; i++) {
        const uint fifth = (W_WORD(word + 4u + i) >> j) & 0x01010101u;
        q[i] = unsigned_bytes(((W_WORD(at + i) >> shift) & 0x0f0f0f0fu) | fifth << 4);
    }
    return s;
}
