// FATHOM_Q6_K: blocks of 210 bytes: 128 bytes of nibbles, 64 bytes to 128 elements, the first 64 in the low
// halves; 64 bytes of 2 more bits, 32 bytes to 128 elements; signed scales of 16 elements; float16 scale.
// Elements are minus 32.
// The bytes before 32 is subtracted. Returns the scales of the halves, and the scale of both.
vec3 W_FN(_q6_k_bytes)(uint row, uint part, out uint low, out uint high) {
    const uint block = row + (part >> 5) * 210u, j = (part >> 2) & 7u, c = (part & 3u) * 4u;
    const uint at = block + (j >> 2) * 64u + (j & 1u) * 32u + c, two_at = block + 128u + (j >> 2) * 32u + c;
    const uint shift = (j & 2u) * 2u, two_shift = (j & 3u) * 2u;
    const int scales = int(W_FN(_bits16)(block + 192u + 2u * j));
    const uint a = (W_FN(_bits)(at) >> shift) & 0x0f0f0f0fu,
        b = (W_FN(_bits)(at + 16u) >> shift) & 0x0f0f0f0fu;
    const uint two_a = (W_FN(_bits)(two_at) >> two_shift) & 0x03030303u,
        two_b = (W_FN(_bits)(two_at + 16u) >> two_shift) & 0x03030303u;
    low = a | two_a << 4;
    high = b | two_b << 4;
    return vec3(float(bitfieldExtract(scales, 0, 8)), float(bitfieldExtract(scales, 8, 8)),
        half_decode(W_FN(_bits16)(block + 208u)));
}

W_OF_HALVES(q6_k, 32u)

float W_FN(_q6_k_32)(uint row, uint k, out vec4 q[8]) {
    const uint block = row + (k >> 8) * 210u, j = (k >> 5) & 7u, shift = (j & 2u) * 2u,
        two_shift = (j & 3u) * 2u;
    const uint word = (block + (j >> 2) * 64u + (j & 1u) * 32u) >> 2,
        two_word = (block + 128u + (j >> 2) * 32u) >> 2;
    const bool odd = (block & 2u) != 0u; // the block starts in the upper half of a word
    const int scales = int(W_FN(_bits16)(block + 192u + 2u * j));
    const float a = float(bitfieldExtract(scales, 0, 8)), b = float(bitfieldExtract(scales, 8, 8));
    uint v = W_WORD(word), two = W_WORD(two_word);
    for (uint i = 0u; i < 8u; i++) {
        const uint next = W_WORD(word + 1u + i), two_next = W_WORD(two_word + 1u + i);
        const uint both = (v >> 16) | (next << 16), two_both = (two >> 16) | (two_next << 16);
        const uint low = (odd ? both : v) >> shift, high = (odd ? two_both : two) >> two_shift;
        q[i] = (i < 4u ? a : b) * offset_bytes((low & 0x0f0f0f0fu) | (high & 0x03030303u) << 4, 32);
        v = next;
        two = two_next;
    }
    return half_decode(W_FN(_bits16)(block + 208u));
}
