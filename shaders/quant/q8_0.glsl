// FATHOM_Q8_0: blocks of 34 bytes: float16 scale, 32 signed bytes
vec4 W_FN(_q8_0_4)(uint row, uint k) {
    const uint block = row + (k >> 5) * 34u;
    precise vec4 w = half_decode(W_FN(_bits16)(block)) * signed_bytes(W_FN(_bits)(block + 2u + (k & 31u)));
    return w;
}

float W_FN(_q8_0_32)(uint row, uint k, out vec4 q[8]) {
    const uint block = row + (k >> 5) * 34u, word = block >> 2;
    const bool odd = (block & 2u) != 0u; // the block starts in the upper half of a word
    uint this_word = W_WORD(word);
    const float scale = half_decode((this_word >> (odd ? 16u : 0u)) & 0xffffu);
    for (uint i = 0u; i < 8u; i++) {
        const uint next = W_WORD(word + 1u + i), both = (this_word >> 16) | (next << 16);
        q[i] = signed_bytes(odd ? next : both);
        this_word = next;
    }
    return scale;
}

float W_FN(_q8_0_8)(uint row, uint part, out vec4 low, out vec4 high) {
    const uint block = row + (part >> 2) * 34u, at = block + 2u + (part & 3u) * 4u;
    low = signed_bytes(W_FN(_bits)(at));
    high = signed_bytes(W_FN(_bits)(at + 16u));
    return half_decode(W_FN(_bits16)(block));
}

vec3 W_FN(_q8_0_packed)(uint row, uint part, out uint low, out uint high) {
    const uint block = row + (part >> 2) * 34u, at = block + 2u + (part & 3u) * 4u;
    low = W_FN(_bits)(at);
    high = W_FN(_bits)(at + 16u);
    return vec3(half_decode(W_FN(_bits16)(block)).xx, 0.0);
}

// As in Q4_0, bytes stay at their places in the words. The top byte is signed there. 128 is added to the
// others, and the sums account for this.
float W_FN(_q8_0_64_dot)(uint row, uint k, vec4 a[8], vec4 b[8], vec2 sums) {
    const uint word = (row >> 2) + (k >> 6) * 17u;
    uint w[17];
    for (uint i = 0u; i < 17u; i++) w[i] = W_WORD(word + i);
    vec2 part = vec2(0.0);
    for (uint i = 0u; i < 32u; i++) {
        const uvec2 both = uvec2(w[(i + 2u) >> 2], w[9u + (i >> 2)]) ^ 0x808080u,
            mask = uvec2(255u) << uvec2(pair_place(0u, i), pair_place(1u, i));
        part = fma(vec2(ivec2(both & mask)), vec2(a[i >> 2][i & 3u], b[i >> 2][i & 3u]), part);
    }
    part -= 128.0 * sums;
    return unpackHalf2x16(w[0]).x * part.x + unpackHalf2x16(w[8]).y * part.y;
}
