// FATHOM_Q5_1: blocks of 24 bytes: float16 scale, float16 minimum, 32 fifth bits, 16 bytes of nibbles as in
// Q4_0. Words are aligned.
vec3 W_FN(_q5_1_packed)(uint row, uint part, out uint low, out uint high) {
    const uint word = (row >> 2) + (part >> 2) * 6u, c = part & 3u;
    const uint scales = W_WORD(word), fifth = W_WORD(word + 1u) >> (4u * c), v = W_WORD(word + 2u + c);
    low = (v & 0x0f0f0f0fu) | spread(fifth & 15u) << 4;
    high = ((v >> 4) & 0x0f0f0f0fu) | spread((fifth >> 16) & 15u) << 4;
    return vec2(half_decode(scales & 0xffffu), half_decode(scales >> 16)).xxy;
}

W_OF_MINIMUM(q5_1)

vec2 W_FN(_q5_1_32)(uint row, uint k, out vec4 q[8]) {
    const uint word = (row >> 2) + (k >> 5) * 6u, scales = W_WORD(word), fifth = W_WORD(word + 1u);
    for (uint i = 0u; i < 4u; i++) {
        const uint v = W_WORD(word + 2u + i), bits = fifth >> (4u * i);
        q[i] = unsigned_bytes((v & 0x0f0f0f0fu) | spread(bits & 15u) << 4);
        q[4u + i] = unsigned_bytes(((v >> 4) & 0x0f0f0f0fu) | spread((bits >> 16) & 15u) << 4);
    }
    return vec2(half_decode(scales & 0xffffu), half_decode(scales >> 16));
}
