// FATHOM_MXFP4: blocks of 17 bytes: exponent, 16 bytes of nibbles
// as in Q4_0, which are E2M1 floats. Blocks have no alignment.
uint W_FN(_mxfp4_bits)(uint at) {
    const uint shift = (at & 3u) * 8u;
    return W_WORD(at >> 2) >> shift | (W_WORD((at >> 2) + 1u) << 1) << (31u - shift);
}

float W_FN(_mxfp4_integers)(uint row, uint part, out ivec4 low, out ivec4 high) {
    const uint block = row + (part >> 2) * 17u, e = W_FN(_mxfp4_bits)(block) & 255u,
        v = W_FN(_mxfp4_bits)(block + 1u + (part & 3u) * 4u);
    low = e2m1(v & 0x0f0f0f0fu);
    high = e2m1((v >> 4) & 0x0f0f0f0fu);
    const uint small = 0x00200000u << (e & 1u), normal = (e - 1u) << 23;
    return uintBitsToFloat(e < 2u ? small : normal); // 2^(e - 128): e2m1() is doubled
}

W_OF_INTEGERS(mxfp4)
