// The points of IQ1, IQ2 and IQ3: all of src/quant/grids.c's, in order, two in a word. They are in a buffer,
// because compilers copy large constant tables for each invocation.
#ifndef QUANT_GRIDS_GLSL
#define QUANT_GRIDS_GLSL
#include "include/bindings.h"
layout(binding = FM_GRIDS_BINDING) readonly buffer Grids { uint grids[]; };
#define GRID_IQ2_XXS 0u
#define GRID_IQ2_XS 256u
#define GRID_IQ2_S 768u
#define GRID_IQ3_XXS 1792u
#define GRID_IQ3_S 2048u
#define GRID_IQ1 2560u

uint grid_point(uint i) {
    return (grids[i >> 1] >> ((i & 1u) * 16u)) & 0xffffu;
}

// Indices of four elements
ivec4 indices_2(uint v) {
    return ivec4(uvec4(v, v >> 2, v >> 4, v >> 6) & 3u);
}
ivec4 indices_3(uint v) {
    return ivec4(uvec4(v, v >> 3, v >> 6, v >> 9) & 7u);
}

// The lowest of four bits is the first element's
vec4 with_signs(ivec4 v, uint signs) {
    return vec4(v * (1 - 2 * ivec4(uvec4(signs, signs >> 1, signs >> 2, signs >> 3) & 1u)));
}

// Seven signs, and an eighth that makes the number of signs even
uint eight_signs(uint seven) {
    return (seven & 127u) | (uint(bitCount(seven & 127u)) & 1u) << 7;
}

// Half `second` of a point of IQ2: 8, 25, 43
vec4 iq2_quad(uint point, uint signs, uint second) {
    const ivec4 n = indices_2(grid_point(point) >> (8u * second));
    return with_signs(8 + 17 * n + (n >> 1), signs >> (4u * second));
}

// A point of IQ1: -1, 0, 1, plus or minus an eighth
vec4 iq1_quad(uint point, bool down, uint second) {
    const ivec4 n = indices_2(grid_point(GRID_IQ1 + point) >> (8u * second)) * 8 - (down ? 9 : 7);
    precise vec4 w = 0.125 * vec4(n);
    return w;
}
#endif
