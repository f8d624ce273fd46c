// FATHOM_Q4_K: blocks of 144 bytes: float16 scales of the scales and of the minima; scales and minima of 32
// elements, 6 bits each, in 12 bytes; 128 bytes of nibbles, 32 bytes to 64 elements, the first 32 in the low
// halves. Words are aligned.

// Factor and summand of sub-block j of the 8 of a block; also Q5_K's
vec2 W_FN(_k_scales)(uint word, uint j) {
    const uint both = W_WORD(word), shift = (j & 3u) * 8u;
    const uint a = W_WORD(word + 1u) >> shift, b = W_WORD(word + 2u) >> shift, c = W_WORD(word + 3u) >> shift;
    const uvec2 first = uvec2(a, b) & 63u, last = (uvec2(c, c >> 4) & 15u) | ((uvec2(a, b) >> 2) & 48u),
        n = j < 4u ? first : last;
    precise vec2 s = vec2(half_decode(both & 0xffffu), -half_decode(both >> 16)) * vec2(n);
    return s;
}

vec3 W_FN(_q4_k_packed)(uint row, uint part, out uint low, out uint high) {
    const uint word = (row >> 2) + (part >> 5) * 36u, j = (part >> 2) & 7u,
        at = word + 4u + (j >> 1) * 8u + (part & 3u);
    const uint shift = (j & 1u) * 4u;
    low = (W_WORD(at) >> shift) & 0x0f0f0f0fu;
    high = (W_WORD(at + 4u) >> shift) & 0x0f0f0f0fu;
    return W_FN(_k_scales)(word, j).xxy;
}

W_OF_MINIMUM(q4_k)

vec2 W_FN(_q4_k_32)(uint row, uint k, out vec4 q[8]) {
    const uint word = (row >> 2) + (k >> 8) * 36u, j = (k >> 5) & 7u, at = word + 4u + (j >> 1) * 8u,
        shift = (j & 1u) * 4u;
    const vec2 s = W_FN(_k_scales)(word, j);
    for (uint i = 0u; i < 8u; i++) q[i] = unsigned_nibbles(W_WORD(at + i) >> shift);
    return s;
}
