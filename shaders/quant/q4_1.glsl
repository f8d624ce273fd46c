// FATHOM_Q4_1: blocks of 20 bytes: float16 scale, float16 minimum, 16 bytes of nibbles as in Q4_0; scale * nibble + minimum. Words are
// aligned.
float W_FN(_q4_1_8)(uint row, uint part, out vec4 low, out vec4 high) {
    const uint word = (row >> 2) + (part >> 2) * 5u, scales = W_WORD(word), v = W_WORD(word + 1u + (part & 3u));
    const float d = half_decode(scales & 0xffffu), m = half_decode(scales >> 16);
    low = scale_add(d, unsigned_nibbles(v), m);
    high = scale_add(d, unsigned_nibbles(v >> 4), m);
    return 1.0;
}

vec2 W_FN(_q4_1_32)(uint row, uint k, out vec4 q[8]) {
    const uint word = (row >> 2) + (k >> 5) * 5u, scales = W_WORD(word);
    for (uint i = 0u; i < 4u; i++) {
        const uint v = W_WORD(word + 1u + i);
        q[i] = unsigned_nibbles(v);
        q[4u + i] = unsigned_nibbles(v >> 4);
    }
    return vec2(half_decode(scales & 0xffffu), half_decode(scales >> 16));
}
