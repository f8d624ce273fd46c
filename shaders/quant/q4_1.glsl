// FATHOM_Q4_1: blocks of 20 bytes: float16 scale, float16 minimum, 16 bytes of nibbles as in Q4_0; scale *
// nibble + minimum. Words are aligned.
vec3 W_FN(_q4_1_packed)(uint row, uint part, out uint low, out uint high) {
    const uint word = (row >> 2) + (part >> 2) * 5u, scales = W_WORD(word),
        v = W_WORD(word + 1u + (part & 3u));
    low = v & 0x0f0f0f0fu;
    high = (v >> 4) & 0x0f0f0f0fu;
    return vec2(half_decode(scales & 0xffffu), half_decode(scales >> 16)).xxy;
}

W_OF_MINIMUM(q4_1)

vec2 W_FN(_q4_1_32)(uint row, uint k, out vec4 q[8]) {
    const uint word = (row >> 2) + (k >> 5) * 5u, scales = W_WORD(word);
    for (uint i = 0u; i < 4u; i++) {
        const uint v = W_WORD(word + 1u + i);
        q[i] = unsigned_nibbles(v);
        q[4u + i] = unsigned_nibbles(v >> 4);
    }
    return vec2(half_decode(scales & 0xffffu), half_decode(scales >> 16));
}
