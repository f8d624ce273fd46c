// FATHOM_Q3_K: blocks of 110 bytes: 32 bytes of third bits, where a clear bit subtracts 4; 64 bytes of 2 bits
// as in Q2_K; scales of 16 elements, 6 bits each, minus 32, in 12 bytes; float16 scale
// The bytes before 4 is subtracted. Returns the scales of the halves, and the scale of both.
vec3 W_FN(_q3_k_bytes)(uint row, uint part, out uint low, out uint high) {
    const uint block = row + (part >> 5) * 110u, j = (part >> 2) & 7u, c = (part & 3u) * 4u,
        at = block + 32u + (j >> 2) * 32u + c;
    const uint shift = (j & 3u) * 2u;
    const uint low_third = (W_FN(_bits)(block + c) >> j) & 0x01010101u,
        high_third = (W_FN(_bits)(block + 16u + c) >> j) & 0x01010101u;
    const uint low_two = (W_FN(_bits)(at) >> shift) & 0x03030303u,
        high_two = (W_FN(_bits)(at + 16u) >> shift) & 0x03030303u;
    // of both halves, in two bytes
    const uint four = W_FN(_bits16)(block + 96u + ((2u * j) & 6u)) >> ((j >> 2) * 4u);
    const uint two = W_FN(_bits16)(block + 104u + ((2u * j) & 2u)) >> ((j >> 1) * 2u),
        scales = (four & 0x0f0fu) | (two & 0x0303u) << 4;
    low = low_two | low_third << 2;
    high = high_two | high_third << 2;
    return vec3(ivec2(scales & 255u, scales >> 8) - 32, half_decode(W_FN(_bits16)(block + 108u)));
}

W_OF_HALVES(q3_k, 4u)
