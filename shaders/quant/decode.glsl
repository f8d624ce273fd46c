// Decoders of stored weights, for one binding. Include once a binding, after defining
//   W_NAME     a prefix, and
//   W_WORD(i)  the 32-bit word i of the binding, e.g. `#define W_WORD(i) words[i]`.
// With W_NAME w it defines
//   vec4 w4(uint type, uint row, uint k)                       elements k..k+3 (k a multiple of 4) of the row at byte offset `row`; exact
//   float w32(uint type, uint row, uint k, out vec4 q[8])      elements k..k+31 (k a multiple of 32) are the returned scale times q[]
//   float w8(uint type, uint row, uint part, out vec4 low, out vec4 high)   a quarter of a block, so that neighbours share it: elements
//                                                              k..k+3 and k+16..k+19, k = 32 * (part / 4) + 4 * (part % 4), scaled alike
// Formats with a minimum return a scale of 1, and q[] are the elements.
// `type` is an enum fathom_type; make it a specialization constant and the branches go. Both macros are undefined at the end.
// Bytes are GGUF's: 16-bit alignment is all that block formats have.
#include "include/exact.glsl"
#include "quant/common.glsl"

// 32 bits from byte offset `at`, a multiple of 2
uint W_FN(_bits)(uint at) {
    const uint low = W_WORD(at >> 2), high = W_WORD((at + 2u) >> 2);
    return (at & 2u) == 0u ? low : (low >> 16) | (high << 16);
}

// 16 bits from byte offset `at`, a multiple of 2
uint W_FN(_bits16)(uint at) {
    return (W_WORD(at >> 2) >> ((at & 2u) << 3)) & 0xffffu;
}

#include "quant/f32.glsl"
#include "quant/f16.glsl"
#include "quant/bf16.glsl"
#include "quant/q8_0.glsl"
#include "quant/q4_0.glsl"
#include "quant/q4_1.glsl"

vec4 W_FN(4)(const uint type, uint row, uint k) {
    switch (type) {
    case TYPE_F32: return W_FN(_f32_4)(row, k);
    case TYPE_F16: return W_FN(_f16_4)(row, k);
    case TYPE_BF16: return W_FN(_bf16_4)(row, k);
    case TYPE_Q8_0: return W_FN(_q8_0_4)(row, k);
    case TYPE_Q4_1: return W_FN(_q4_1_4)(row, k);
    default: return W_FN(_q4_0_4)(row, k);
    }
}

float W_FN(32)(const uint type, uint row, uint k, out vec4 q[8]) {
    switch (type) {
    case TYPE_F32: return W_FN(_f32_32)(row, k, q);
    case TYPE_F16: return W_FN(_f16_32)(row, k, q);
    case TYPE_BF16: return W_FN(_bf16_32)(row, k, q);
    case TYPE_Q8_0: return W_FN(_q8_0_32)(row, k, q);
    case TYPE_Q4_1: return W_FN(_q4_1_32)(row, k, q);
    default: return W_FN(_q4_0_32)(row, k, q);
    }
}

float W_FN(8)(const uint type, uint row, uint part, out vec4 low, out vec4 high) {
    switch (type) {
    case TYPE_F32: return W_FN(_f32_8)(row, part, low, high);
    case TYPE_F16: return W_FN(_f16_8)(row, part, low, high);
    case TYPE_BF16: return W_FN(_bf16_8)(row, part, low, high);
    case TYPE_Q8_0: return W_FN(_q8_0_8)(row, part, low, high);
    case TYPE_Q4_1: return W_FN(_q4_1_8)(row, part, low, high);
    default: return W_FN(_q4_0_8)(row, part, low, high);
    }
}

#undef W_NAME
#undef W_WORD
