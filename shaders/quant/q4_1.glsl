// FATHOM_Q4_1: blocks of 20 bytes: float16 scale, float16 minimum, 16 bytes of nibbles as in Q4_0; scale * nibble + minimum. Words are aligned.
vec2 W_FN(_q4_1_scale)(uint block) {
    const uint v = W_WORD(block >> 2);
    return vec2(half_decode(v & 0xffffu), half_decode(v >> 16));
}

vec4 W_FN(_q4_1_4)(uint row, uint k) {
    const uint block = row + (k >> 5) * 20u;
    const vec2 s = W_FN(_q4_1_scale)(block);
    precise vec4 w = s.x * unsigned_nibbles(W_WORD((block + 4u + (k & 15u)) >> 2) >> ((k & 16u) >> 2));
    w = w + s.y;
    return w;
}

float W_FN(_q4_1_32)(uint row, uint k, out vec4 q[8]) {
    const uint block = row + (k >> 5) * 20u;
    const vec2 s = W_FN(_q4_1_scale)(block);
    for (uint i = 0u; i < 4u; i++) {
        const uint v = W_WORD((block >> 2) + 1u + i);
        q[i] = s.x * unsigned_nibbles(v) + s.y;
        q[4u + i] = s.x * unsigned_nibbles(v >> 4) + s.y;
    }
    return 1.0;
}

float W_FN(_q4_1_8)(uint row, uint part, out vec4 low, out vec4 high) {
    const uint block = row + (part >> 2) * 20u, v = W_WORD((block >> 2) + 1u + (part & 3u));
    const vec2 s = W_FN(_q4_1_scale)(block);
    low = s.x * unsigned_nibbles(v) + s.y;
    high = s.x * unsigned_nibbles(v >> 4) + s.y;
    return 1.0;
}
