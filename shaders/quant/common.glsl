// What the decoders share, whatever the binding: numbers of the types, sizes of rows.
#ifndef QUANT_COMMON_GLSL
#define QUANT_COMMON_GLSL
#define TYPE_F32 0u
#define TYPE_F16 1u
#define TYPE_Q4_0 2u
#define TYPE_Q4_1 3u
#define TYPE_Q8_0 8u
#define TYPE_BF16 30u

#define W_PASTE_(a, b) a##b
#define W_PASTE(a, b) W_PASTE_(a, b)
#define W_FN(suffix) W_PASTE(W_NAME, suffix)

// Bytes of a row, as fathom_row_size().
uint row_size(const uint type, uint n_cols) {
    switch (type) {
    case TYPE_F32: return n_cols * 4u;
    case TYPE_Q8_0: return n_cols / 32u * 34u;
    case TYPE_Q4_0: return n_cols / 32u * 18u;
    case TYPE_Q4_1: return n_cols / 32u * 20u;
    default: return n_cols * 2u;
    }
}

// Stored in blocks, so that the block forms beat the form of 4
bool has_blocks(const uint type) {
    return type != TYPE_F32 && type != TYPE_F16 && type != TYPE_BF16;
}

// Four signed bytes, low one first
vec4 signed_bytes(uint v) {
    const int i = int(v);
    return vec4(bitfieldExtract(i, 0, 8), bitfieldExtract(i, 8, 8), bitfieldExtract(i, 16, 8), bitfieldExtract(i, 24, 8));
}

// Four bytes 0..15, the low halves of v's, low one first
vec4 unsigned_nibbles(uint v) {
    return vec4(uvec4(v & 15u, (v >> 8) & 15u, (v >> 16) & 15u, (v >> 24) & 15u));
}

// The same minus 8
vec4 nibbles(uint v) {
    const int i = int(v ^ 0x08080808u); // n - 8 is n ^ 8 as a signed number of 4 bits
    return vec4(bitfieldExtract(i, 0, 4), bitfieldExtract(i, 8, 4), bitfieldExtract(i, 16, 4), bitfieldExtract(i, 24, 4));
}
#endif
