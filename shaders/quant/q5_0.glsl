// FATHOM_Q5_0: blocks of 22 bytes: float16 scale, 32 fifth bits, 16 bytes of nibbles as in Q4_0; minus 16
// The bytes before 16 is subtracted
float W_FN(_q5_0_bytes)(uint row, uint part, out uint low, out uint high) {
    const uint block = row + (part >> 2) * 22u, c = (part & 3u) * 4u;
    const uint fifth = W_FN(_bits)(block + 2u) >> c, v = W_FN(_bits)(block + 6u + c);
    low = (v & 0x0f0f0f0fu) | spread(fifth & 15u) << 4;
    high = ((v >> 4) & 0x0f0f0f0fu) | spread((fifth >> 16) & 15u) << 4;
    return half_decode(W_FN(_bits16)(block));
}

float W_FN(_q5_0_8)(uint row, uint part, out vec4 low, out vec4 high) {
    uint a, b;
    const float scale = W_FN(_q5_0_bytes)(row, part, a, b);
    low = offset_bytes(a, 16);
    high = offset_bytes(b, 16);
    return scale;
}

vec3 W_FN(_q5_0_packed)(uint row, uint part, out uint low, out uint high) {
    uint a, b;
    const float scale = W_FN(_q5_0_bytes)(row, part, a, b);
    low = packed_bytes(a, 16u);
    high = packed_bytes(b, 16u);
    return vec3(scale, scale, 0.0);
}
