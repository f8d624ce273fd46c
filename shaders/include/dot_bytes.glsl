// Integer dot products of activations in 8 bits. 32 activations share a scale: their largest magnitude / 127.
// Enable GL_EXT_spirv_intrinsics.
#define ONES 0x01010101u // a dot product with these is the sum of the bytes

// OpSDot of four signed bytes, for which glslc 2023 has no GLSL
spirv_instruction(extensions = ["SPV_KHR_integer_dot_product"], capabilities = [6018, 6019], id = 4450)
int dot_bytes(uint a, uint b, spirv_literal int packed_4x8);

float largest_of(vec4 v) {
    return max(max(v.x, v.y), max(v.z, v.w));
}

// The factor from activations to bytes, when `largest` is the largest magnitude
float to_bytes(float largest) {
    return largest < 1e-30 ? 0.0 : 127.0 / largest;
}

// v * factor, rounded to signed bytes, low byte first. The sum
// has unit 1, so that its low bits are the rounded product.
uint bytes_of(vec4 v, float factor) {
    const uvec4 q = floatBitsToUint(v * factor + 12582912.0); // 1.5 * 2^23
    return (q.x & 255u) | (q.y & 255u) << 8 | (q.z & 255u) << 16 | q.w << 24;
}
