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

float W_FN(_q8_0_packed)(uint row, uint part, out int low, out int high) {
    const uint block = row + (part >> 2) * 34u, at = block + 2u + (part & 3u) * 4u;
    low = int(W_FN(_bits)(at));
    high = int(W_FN(_bits)(at + 16u));
    return half_decode(W_FN(_bits16)(block));
}
