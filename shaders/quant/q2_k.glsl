// FATHOM_Q2_K: blocks of 84 bytes: scales and minima of 16 elements, 4 bits each; 64 bytes of 2 bits, 32
// bytes to 128 elements; float16 scales of the scales and of the minima. Words are aligned.
float W_FN(_q2_k_8)(uint row, uint part, out vec4 low, out vec4 high) {
    const uint word = (row >> 2) + (part >> 5) * 21u, j = (part >> 2) & 7u,
        at = word + 4u + (j >> 2) * 8u + (part & 3u);
    const uint shift = (j & 3u) * 2u, scales = W_WORD(word + (j >> 1)) >> ((j & 1u) * 16u),
        both = W_WORD(word + 20u);
    const float d = half_decode(both & 0xffffu), m = half_decode(both >> 16);
    precise vec4 s =
        vec4(d, d, -m, -m) *
        vec4(uvec4(scales & 15u, (scales >> 8) & 15u, (scales >> 4) & 15u, (scales >> 12) & 15u));
    low = scale_add(s.x, unsigned_bytes((W_WORD(at) >> shift) & 0x03030303u), s.z);
    high = scale_add(s.y, unsigned_bytes((W_WORD(at + 4u) >> shift) & 0x03030303u), s.w);
    return 1.0;
}
