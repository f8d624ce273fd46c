// Decoders of stored weights, for one binding. Include this file once a binding, after defining
//   W_NAME     a prefix, and
//   W_WORD(i)  the 32-bit word i of the binding, e.g. `#define W_WORD(i) gate_words[i]`.
// A shader with one weight, `uint words[]`, defines neither; the prefix is then w. The shader gets
//   vec4 w4(uint type, uint row, uint k)
//       elements k..k+3 (k a multiple of 4) of the row at byte offset `row`; exact
//   float w32(uint type, uint row, uint k, out vec4 q[8])
//       elements k..k+31 (k a multiple of 32) are the returned scale times q[]
//   vec2 w32_parts(uint type, uint row, uint k, out vec4 q[8])
//       the same elements are q[] times x plus y; y is 0 unless has_minimum(type)
//   float w64_dot(uint type, uint row, uint k, vec4 a[8], vec4 b[8], vec2 sums)
//       the dot product of elements k..k+63 (k a multiple of 64, row of 4) with x, for the types that
//       has_pairs() names: a and b are x / 2^pair_place(), `sums` are those of the two halves' x where
//       pair_has_offset()
//   float w8(uint type, uint row, uint part, out vec4 low, out vec4 high)
//       a quarter of a block, so that neighbours share the block: elements k..k+3 and k+16..k+19 with
//       k = 32 * (part / 4) + 4 * (part % 4), scaled like w32's
//   vec3 w8_packed(uint type, uint row, uint part, out uint low, out uint high)
//       the same as signed bytes, low byte first: with s returned, s.x * low + s.z and s.y * high + s.z;
//       for the types of quant/packed.h
// w32 and w8 of formats with a minimum return a scale of 1, and q[] are the elements.
// `type` is an enum fathom_type, a specialization constant. src/gpu/spirv_trim.c removes the other types'
// decoders. This works only while functions pass `type` on through `const` parameters and the cases return.
// Both macros are undefined at the end.
// A format in blocks of integers needs one function, w8, which is exact. w4 and w32 derive from w8, and may
// have a faster function of their own.
// A choice between two names is one instruction. A choice between expressions is a branch, which takes
// compilers longer than all the rest.
// Bytes are GGUF's: most block formats are aligned to 16 bits only. F8_E4M3 is this project's own format, and
// consists of whole words.
#ifndef W_NAME
#define W_NAME w
#define W_WORD(i) words[i]
#endif
#include "include/exact.glsl"
#include "quant/common.glsl"
#include "quant/grids.glsl"
#include "quant/packed.h"

// 32 bits from byte offset `at`, a multiple of 2
uint W_FN(_bits)(uint at) {
    const uint low = W_WORD(at >> 2), high = W_WORD((at + 2u) >> 2), both = (low >> 16) | (high << 16);
    return (at & 2u) == 0u ? low : both;
}

// 16 bits from byte offset `at`, a multiple of 2
uint W_FN(_bits16)(uint at) {
    return (W_WORD(at >> 2) >> ((at & 2u) << 3)) & 0xffffu;
}

uint W_FN(_byte)(uint at) {
    return (W_WORD(at >> 2) >> ((at & 3u) << 3)) & 255u;
}

#include "quant/f32.glsl"
#include "quant/f16.glsl"
#include "quant/bf16.glsl"
#include "quant/q8_0.glsl"
#include "quant/q4_0.glsl"
#include "quant/q4_1.glsl"
#include "quant/q5_0.glsl"
#include "quant/q5_1.glsl"
#include "quant/q2_k.glsl"
#include "quant/q3_k.glsl"
#include "quant/q4_k.glsl"
#include "quant/q5_k.glsl"
#include "quant/q6_k.glsl"
#include "quant/iq4_nl.glsl"
#include "quant/iq4_xs.glsl"
#include "quant/iq2_xxs.glsl"
#include "quant/iq2_xs.glsl"
#include "quant/iq2_s.glsl"
#include "quant/iq3_xxs.glsl"
#include "quant/iq3_s.glsl"
#include "quant/iq1_s.glsl"
#include "quant/iq1_m.glsl"
#include "quant/tq1_0.glsl"
#include "quant/tq2_0.glsl"
#include "quant/mxfp4.glsl"
#include "quant/nvfp4.glsl"
#include "quant/q1_0.glsl"
#include "quant/f8_e4m3.glsl"

// w8 of the formats in blocks. Exact, because each of these formats needs multiplying and adding alone.
#define W_BLOCK_8(NAME, name, number, elements, bytes) \
    case TYPE_##NAME: return W_FN(_##name##_8)(row, part, low, high);
#define W_GRID_8(NAME, name, number, elements, bytes, grid) \
    case TYPE_##NAME: return W_FN(_##name##_8)(row, part, low, high);
float W_FN(_block_8)(const uint type, uint row, uint part, out vec4 low, out vec4 high) {
    switch (type) {
        WRITTEN_TYPES(W_BLOCK_8)
        READ_TYPES(W_BLOCK_8)
        GRID_TYPES(W_GRID_8)
    }
    low = high = vec4(0.0);
    return 0.0;
}
#undef W_BLOCK_8
#undef W_GRID_8

vec4 W_FN(_block_4)(const uint type, uint row, uint k) {
    vec4 low, high;
    const float scale = W_FN(_block_8)(type, row, (k >> 5) * 4u + ((k >> 2) & 3u), low, high);
    precise vec4 w = scale * ((k & 16u) == 0u ? low : high);
    return w;
}

float W_FN(_block_32)(const uint type, uint row, uint k, out vec4 q[8]) {
    float scale;
    for (uint i = 0u; i < 4u; i++) scale = W_FN(_block_8)(type, row, (k >> 3) + i, q[i], q[4u + i]);
    return scale;
}

vec4 W_FN(4)(const uint type, uint row, uint k) {
    switch (type) {
    case TYPE_F32: return W_FN(_f32_4)(row, k);
    case TYPE_F16: return W_FN(_f16_4)(row, k);
    case TYPE_BF16: return W_FN(_bf16_4)(row, k);
    case TYPE_Q8_0: return W_FN(_q8_0_4)(row, k);
    case TYPE_Q4_0: return W_FN(_q4_0_4)(row, k);
    case TYPE_F8_E4M3: return W_FN(_f8_e4m3_4)(row, k);
    default: return W_FN(_block_4)(type, row, k);
    }
}

vec2 W_FN(32_parts)(const uint type, uint row, uint k, out vec4 q[8]) {
    switch (type) {
    case TYPE_F32: return vec2(W_FN(_f32_32)(row, k, q), 0.0);
    case TYPE_F16: return vec2(W_FN(_f16_32)(row, k, q), 0.0);
    case TYPE_BF16: return vec2(W_FN(_bf16_32)(row, k, q), 0.0);
    case TYPE_F8_E4M3: return vec2(W_FN(_f8_e4m3_32)(row, k, q), 0.0);
    case TYPE_Q8_0: return vec2(W_FN(_q8_0_32)(row, k, q), 0.0);
    case TYPE_Q4_0: return vec2(W_FN(_q4_0_32)(row, k, q), 0.0);
    case TYPE_Q4_1: return W_FN(_q4_1_32)(row, k, q);
    case TYPE_Q5_1: return W_FN(_q5_1_32)(row, k, q);
    case TYPE_Q4_K: return W_FN(_q4_k_32)(row, k, q);
    case TYPE_Q5_K: return W_FN(_q5_k_32)(row, k, q);
    case TYPE_Q6_K: return vec2(W_FN(_q6_k_32)(row, k, q), 0.0);
    default: return vec2(W_FN(_block_32)(type, row, k, q), 0.0);
    }
}

float W_FN(32)(const uint type, uint row, uint k, out vec4 q[8]) {
    const vec2 s = W_FN(32_parts)(type, row, k, q);
    if (!has_minimum(type)) return s.x;
    for (uint i = 0u; i < 8u; i++) q[i] = s.x * q[i] + s.y;
    return 1.0;
}

float W_FN(64_dot)(const uint type, uint row, uint k, vec4 a[8], vec4 b[8], vec2 sums) {
    switch (type) {
    case TYPE_Q8_0: return W_FN(_q8_0_64_dot)(row, k, a, b, sums);
    default: return W_FN(_q4_0_64_dot)(row, k, a, b, sums);
    }
}

float W_FN(8)(const uint type, uint row, uint part, out vec4 low, out vec4 high) {
    switch (type) {
    case TYPE_F32: return W_FN(_f32_8)(row, part, low, high);
    case TYPE_F16: return W_FN(_f16_8)(row, part, low, high);
    case TYPE_BF16: return W_FN(_bf16_8)(row, part, low, high);
    case TYPE_F8_E4M3: return W_FN(_f8_e4m3_8)(row, part, low, high);
    default: return W_FN(_block_8)(type, row, part, low, high);
    }
}

#define W_PACKED(T, NAME) \
    case TYPE_##T: return W_FN(_##NAME##_packed)(row, part, low, high);
vec3 W_FN(8_packed)(const uint type, uint row, uint part, out uint low, out uint high) {
    switch (type) {
        PACKED_TYPES(W_PACKED)
    }
    low = high = 0;
    return vec3(0.0);
}
#undef W_PACKED

#undef W_NAME
#undef W_WORD
