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

// As Q4_0's: bytes stay at their places in the words. The top one is signed there, the others have 128 added, a matter of their sums.
float W_FN(_q8_0_64_dot)(uint row, uint k, vec4 a[8], vec4 b[8]) {
    const uint word = (row >> 2) + (k >> 6) * 17u;
    uint w[17];
    for (uint i = 0u; i < 17u; i++) w[i] = W_WORD(word + i);
    float a_part = 0.0, b_part = 0.0, a_sum = 0.0, b_sum = 0.0;
    for (uint i = 0u; i < 32u; i++) {
        const uint a_place = ((i + 2u) & 3u) * 8u, b_place = (i & 3u) * 8u;
        const float a_i = a[i >> 2][i & 3u], b_i = b[i >> 2][i & 3u];
        a_part = fma(float(int((w[(i + 2u) >> 2] ^ 0x808080u) & (255u << a_place))), a_i / float(1u << a_place), a_part);
        b_part = fma(float(int((w[9u + (i >> 2)] ^ 0x808080u) & (255u << b_place))), b_i / float(1u << b_place), b_part);
        if (a_place != 24u) a_sum += a_i;
        if (b_place != 24u) b_sum += b_i;
    }
    return unpackHalf2x16(w[0]).x * (a_part - 128.0 * a_sum) + unpackHalf2x16(w[8]).y * (b_part - 128.0 * b_sum);
}
