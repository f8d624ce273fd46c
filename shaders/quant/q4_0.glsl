// FATHOM_Q4_0: blocks of 18 bytes: float16 scale, 16 bytes; element i < 16 is the low nibble of byte i, element 16 + i the high one, minus
// 8
vec4 W_FN(_q4_0_4)(uint row, uint k) {
    const uint block = row + (k >> 5) * 18u;
    precise vec4 w = half_decode(W_FN(_bits16)(block)) * nibbles(W_FN(_bits)(block + 2u + (k & 15u)) >> ((k & 16u) >> 2));
    return w;
}

float W_FN(_q4_0_32)(uint row, uint k, out vec4 q[8]) {
    const uint block = row + (k >> 5) * 18u, word = block >> 2;
    const bool odd = (block & 2u) != 0u; // the block starts in the upper half of a word
    uint this_word = W_WORD(word);
    const float scale = half_decode((this_word >> (odd ? 16u : 0u)) & 0xffffu);
    for (uint i = 0u; i < 4u; i++) {
        const uint next = W_WORD(word + 1u + i), both = (this_word >> 16) | (next << 16), v = odd ? next : both;
        q[i] = nibbles(v);
        q[4u + i] = nibbles(v >> 4);
        this_word = next;
    }
    return scale;
}

float W_FN(_q4_0_8)(uint row, uint part, out vec4 low, out vec4 high) {
    const uint block = row + (part >> 2) * 18u, v = W_FN(_bits)(block + 2u + (part & 3u) * 4u);
    low = nibbles(v);
    high = nibbles(v >> 4);
    return half_decode(W_FN(_bits16)(block));
}

float W_FN(_q4_0_packed)(uint row, uint part, out int low, out int high) {
    const uint block = row + (part >> 2) * 18u, v = W_FN(_bits)(block + 2u + (part & 3u) * 4u);
    low = packed_nibbles(v);
    high = packed_nibbles(v >> 4);
    return half_decode(W_FN(_bits16)(block));
}
