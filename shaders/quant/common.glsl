// What the decoders of all bindings share: the numbers of the types and the sizes of rows.
#ifndef QUANT_COMMON_GLSL
#define QUANT_COMMON_GLSL
#include "quant/types.h"
const uint TYPE_F32 = 0u, TYPE_F16 = 1u, TYPE_BF16 = 30u, TYPE_F8_E4M3 = 0x10000u;
#define W_NUMBER(NAME, name, number, elements, bytes) const uint TYPE_##NAME = uint(number);
#define W_GRID_NUMBER(NAME, name, number, elements, bytes, grid) const uint TYPE_##NAME = uint(number);
WRITTEN_TYPES(W_NUMBER)
READ_TYPES(W_NUMBER)
GRID_TYPES(W_GRID_NUMBER)

#define W_PASTE_(a, b) a##b
#define W_PASTE(a, b) W_PASTE_(a, b)
#define W_FN(suffix) W_PASTE(W_NAME, suffix)

// Bytes of a row, as fathom_row_size().
#define W_ROW_SIZE(NAME, name, number, elements, bytes) \
    case TYPE_##NAME: return n_cols / uint(elements) * uint(bytes);
#define W_GRID_ROW_SIZE(NAME, name, number, elements, bytes, grid) \
    case TYPE_##NAME: return n_cols / uint(elements) * uint(bytes);
uint row_size(const uint type, uint n_cols) {
    switch (type) {
    case TYPE_F32: return n_cols * 4u;
    case TYPE_F16: return n_cols * 2u;
    case TYPE_BF16: return n_cols * 2u;
    case TYPE_F8_E4M3: return n_cols + (n_cols + 127u) / 128u * 4u;
        WRITTEN_TYPES(W_ROW_SIZE)
        READ_TYPES(W_ROW_SIZE)
        GRID_TYPES(W_GRID_ROW_SIZE)
    }
    return 0u;
}

// Is the type stored in blocks? If so, the block forms are faster than the form of 4.
bool has_blocks(const uint type) {
    return type != TYPE_F32 && type != TYPE_F16 && type != TYPE_BF16;
}

// Derives w8 and w8_packed of a format NAME from small integers and their scale.
#define W_OF_INTEGERS(NAME) \
    float W_FN(_##NAME##_8)(uint row, uint part, out vec4 low, out vec4 high) { \
        ivec4 a, b; \
        const float scale = W_FN(_##NAME##_integers)(row, part, a, b); \
        low = vec4(a); \
        high = vec4(b); \
        return scale; \
    } \
    vec3 W_FN(_##NAME##_packed)(uint row, uint part, out uint low, out uint high) { \
        ivec4 a, b; \
        const float scale = W_FN(_##NAME##_integers)(row, part, a, b); \
        low = packed_bytes(a); \
        high = packed_bytes(b); \
        return vec3(scale, scale, 0.0); \
    }

// Derives w8 and w8_packed of a format NAME from unsigned bytes before OFFSET is subtracted,
// the scales of the halves, and a scale of these.
#define W_OF_HALVES(NAME, OFFSET) \
    float W_FN(_##NAME##_8)(uint row, uint part, out vec4 low, out vec4 high) { \
        uint a, b; \
        const vec3 s = W_FN(_##NAME##_bytes)(row, part, a, b); \
        precise vec4 x = s.x * offset_bytes(a, int(OFFSET)); \
        precise vec4 y = s.y * offset_bytes(b, int(OFFSET)); \
        low = x; \
        high = y; \
        return s.z; \
    } \
    vec3 W_FN(_##NAME##_packed)(uint row, uint part, out uint low, out uint high) { \
        uint a, b; \
        const vec3 s = W_FN(_##NAME##_bytes)(row, part, a, b); \
        low = packed_bytes(a, OFFSET); \
        high = packed_bytes(b, OFFSET); \
        return vec3(s.xy * s.z, 0.0); \
    }

// Derives w8 of a format NAME with a minimum from its w8_packed.
#define W_OF_MINIMUM(NAME) \
    float W_FN(_##NAME##_8)(uint row, uint part, out vec4 low, out vec4 high) { \
        uint a, b; \
        const vec3 s = W_FN(_##NAME##_packed)(row, part, a, b); \
        low = scale_add(s.x, unsigned_bytes(a), s.z); \
        high = scale_add(s.x, unsigned_bytes(b), s.z); \
        return 1.0; \
    }

// Does the format have a minimum that is the same for 32 elements?
bool has_minimum(const uint type) {
    return type == TYPE_Q4_1 || type == TYPE_Q5_1 || type == TYPE_Q4_K || type == TYPE_Q5_K;
}

// Do the signed bytes have a scale for each half of 32 elements?
bool has_halves(const uint type) {
    return type == TYPE_Q3_K || type == TYPE_Q6_K;
}

// Do the format's odd blocks begin in the middle of a word?
// If so, an even and an odd block have a faster dot product.
bool has_pairs(const uint type) {
    return type == TYPE_Q4_0 || type == TYPE_Q8_0;
}

// The lowest bit of element i in a word, as w64_dot leaves the first (0) or second (1) block of a pair. The
// element is multiplied by x / 2^place.
uint pair_place(uint block, uint i) {
    return ((block == 0u ? i + 2u : i) & 3u) * 8u;
}

// Do the integers at this place have an offset, stored or not, so that the dot product needs sums of x?
bool pair_has_offset(const uint type, uint place) {
    return type != TYPE_Q8_0 || place != 24u; // the stored byte is signed
}

// Four signed bytes, low byte first
vec4 signed_bytes(uint v) {
    const int i = int(v);
    return vec4(bitfieldExtract(i, 0, 8), bitfieldExtract(i, 8, 8), bitfieldExtract(i, 16, 8),
        bitfieldExtract(i, 24, 8));
}

// Four bytes, low byte first
vec4 unsigned_bytes(uint v) {
    return vec4(uvec4(v & 255u, (v >> 8) & 255u, (v >> 16) & 255u, v >> 24));
}

// Four bytes minus `offset`
vec4 offset_bytes(uint v, int offset) {
    return vec4(ivec4(uvec4(v & 255u, (v >> 8) & 255u, (v >> 16) & 255u, v >> 24)) - offset);
}

// The low halves of four bytes, low byte first
vec4 unsigned_nibbles(uint v) {
    return unsigned_bytes(v & 0x0f0f0f0fu);
}

// The low halves of four bytes minus 8
vec4 nibbles(uint v) {
    const int i = int(v ^ 0x08080808u); // n - 8 is n ^ 8 as a signed number of 4 bits
    return vec4(bitfieldExtract(i, 0, 4), bitfieldExtract(i, 8, 4), bitfieldExtract(i, 16, 4),
        bitfieldExtract(i, 24, 4));
}

// Four bytes below 128 minus `offset`, as signed bytes in a word.
// The top bit of each byte absorbs the borrow from the next byte.
uint packed_bytes(uint v, uint offset) {
    return ((v | 0x80808080u) - offset * 0x01010101u) ^ 0x80808080u;
}
uint packed_bytes(ivec4 v) {
    return uint((v.x & 255) | (v.y & 255) << 8 | (v.z & 255) << 16 | v.w << 24);
}

// Four bits, one to each byte
uint spread(uint bits) {
    return (bits * 0x00204081u) & 0x01010101u;
}

// Elements of formats with a minimum. The product is exact:
// a float16 has 11 bits, its scale at most 6, n at most 5.
vec4 scale_add(float scale, vec4 n, float minimum) {
    precise vec4 w = scale * n;
    w = w + minimum;
    return w;
}

// IQ4_NL's and IQ4_XS's levels -127 -104 -83 -65 -49 -35
// -22 -10 1 13 25 38 53 69 89 113, for four bytes 0..15
int iq4_level(uint n) {
    const uint low = (n & 4u) == 0u ? 0xbfad9881u : 0xf6eaddcfu,
        high = (n & 4u) == 0u ? 0x26190d01u : 0x71594535u;
    return bitfieldExtract(int((n & 8u) == 0u ? low : high), int(n & 3u) * 8, 8);
}
ivec4 iq4_levels(uint v) {
    return ivec4(iq4_level(v & 15u), iq4_level((v >> 8) & 15u), iq4_level((v >> 16) & 15u),
        iq4_level(v >> 24));
}

// E2M1, doubled: 0 1 2 3 4 6 8 12 and their negatives, for four bytes 0..15
int e2m1_doubled(uint n) {
    const int size = int(((n & 4u) == 0u ? 0x03020100u : 0x0c080604u) >> ((n & 3u) * 8u) & 255u);
    return size * (1 - int(n >> 3) * 2); // no -0: the same bits as ggml's
}
ivec4 e2m1(uint v) {
    return ivec4(e2m1_doubled(v & 15u), e2m1_doubled((v >> 8) & 15u), e2m1_doubled((v >> 16) & 15u),
        e2m1_doubled(v >> 24));
}

// E4M3 for four bytes: subnormals below 2^-6
float e4m3_byte(uint n) {
    const uint size = n & 0x7fu;
    precise float small = float(size) * 0.001953125; // 2^-9
    const uint normal = (size << 20) + 0x3c000000u, subnormal = floatBitsToUint(small);
    return uintBitsToFloat((n & 0x80u) << 24 | (size < 8u ? subnormal : normal));
}
vec4 e4m3(uint v) {
    return vec4(e4m3_byte(v & 255u), e4m3_byte((v >> 8) & 255u), e4m3_byte((v >> 16) & 255u),
        e4m3_byte(v >> 24));
}

// E4M3 for four bytes times 2^-8, by the device's float16, which has the same exponent and mantissa bits in
// the same places. May flush subnormals.
vec4 e4m3_half(uint v) {
    const vec2 even = unpackHalf2x16(((v << 7) & 0x3f803f80u) | ((v << 8) & 0x80008000u));
    const vec2 odd = unpackHalf2x16(((v >> 1) & 0x3f803f80u) | (v & 0x80008000u));
    return vec4(even.x, odd.x, even.y, odd.y);
}
#endif
