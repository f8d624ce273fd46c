// FATHOM_Q4_0: blocks of 18 bytes: float16 scale, 16 bytes. Element i < 16 is the low nibble of byte i,
// element 16 + i the high one, minus 8.
vec4 W_FN(_q4_0_4)(uint row, uint k) {
    const uint block = row + (k >> 5) * 18u;
    precise vec4 w =
        half_decode(W_FN(_bits16)(block)) * nibbles(W_FN(_bits)(block + 2u + (k & 15u)) >> ((k & 16u) >> 2));
    return w;
}

float W_FN(_q4_0_32)(uint row, uint k, out vec4 q[8]) {
    const uint block = row + (k >> 5) * 18u, word = block >> 2;
    const bool odd = (block & 2u) != 0u; // the block starts in the upper half of a word
    uint this_word = W_WORD(word);
    const float scale = half_decode((this_word >> (odd ? 16u : 0u)) & 0xffffu);
    for (uint i = 0u; i < 4u; i++) {
        const uint next = W_WORD(word + 1u + i), both = (this_word >> 16) | (next << 16),
            v = odd ? next : both;
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

vec3 W_FN(_q4_0_packed)(uint row, uint part, out uint low, out uint high) {
    const uint block = row + (part >> 2) * 18u, v = W_FN(_bits)(block + 2u + (part & 3u) * 4u);
    low = packed_bytes(v & 0x0f0f0f0fu, 8u);
    high = packed_bytes((v >> 4) & 0x0f0f0f0fu, 8u);
    return vec3(half_decode(W_FN(_bits16)(block)).xx, 0.0);
}

// Two blocks: the first begins at a whole word, the second in the middle of
// another. Nibbles stay at their places in the words, as 0 to 15 times 2^place.
// Their factors are divided by 2^place, and the sums account for the missing -8.
float W_FN(_q4_0_64_dot)(uint row, uint k, vec4 a[8], vec4 b[8], vec2 sums) {
    const uint word = (row >> 2) + (k >> 6) * 9u;
    uint w[9];
    for (uint i = 0u; i < 9u; i++) w[i] = W_WORD(word + i);
    vec2 part = vec2(0.0);
    for (uint i = 0u; i < 16u; i++) {
        const uvec2 both = uvec2(w[(i + 2u) >> 2], w[5u + (i >> 2)]),
            mask = uvec2(15u) << uvec2(pair_place(0u, i), pair_place(1u, i));
        part = fma(vec2(ivec2(both & mask)), vec2(a[i >> 2][i & 3u], b[i >> 2][i & 3u]), part);
        part =
            fma(vec2(ivec2((both >> 4) & mask)), vec2(a[4u + (i >> 2)][i & 3u], b[4u + (i >> 2)][i & 3u]),
            part);
    }
    part -= 8.0 * sums;
    return unpackHalf2x16(w[0]).x * part.x + unpackHalf2x16(w[4]).y * part.y;
}
