// The stored types in blocks, written once for GLSL and C. A line has the type's name, the name of its
// decoders, GGUF's number, and the elements and bytes of a block. GLSL takes from this list the numbers, the
// sizes of rows and the cases of w8 (quant/decode.glsl); C takes the rows of src/quant/types.c.
#ifndef QUANT_TYPES_H
#define QUANT_TYPES_H
// T(NAME, name, number, elements, bytes): types that src/quant also writes
#define WRITTEN_TYPES(T) \
    T(Q8_0, q8_0, 8, 32, 34) \
    T(Q4_0, q4_0, 2, 32, 18) \
    T(Q4_1, q4_1, 3, 32, 20) \
    T(Q5_0, q5_0, 6, 32, 22) \
    T(Q5_1, q5_1, 7, 32, 24) \
    T(Q2_K, q2_k, 10, 256, 84) \
    T(Q3_K, q3_k, 11, 256, 110) \
    T(Q4_K, q4_k, 12, 256, 144) \
    T(Q5_K, q5_k, 13, 256, 176) \
    T(Q6_K, q6_k, 14, 256, 210) \
    T(IQ4_NL, iq4_nl, 20, 32, 18) \
    T(IQ4_XS, iq4_xs, 23, 256, 136)
// Types that are only read
#define READ_TYPES(T) \
    T(TQ1_0, tq1_0, 34, 256, 54) \
    T(TQ2_0, tq2_0, 35, 256, 66) \
    T(MXFP4, mxfp4, 39, 32, 17) \
    T(NVFP4, nvfp4, 40, 64, 36) \
    T(Q1_0, q1_0, 41, 128, 18)
// T(…, grid): types that are only read, whose elements are points of a grid (src/quant/grids.h)
#define GRID_TYPES(T) \
    T(IQ2_XXS, iq2_xxs, 16, 256, 66, IQ2_XXS) \
    T(IQ2_XS, iq2_xs, 17, 256, 74, IQ2_XS) \
    T(IQ2_S, iq2_s, 22, 256, 82, IQ2_S) \
    T(IQ3_XXS, iq3_xxs, 18, 256, 98, IQ3_XXS) \
    T(IQ3_S, iq3_s, 21, 256, 110, IQ3_S) \
    T(IQ1_S, iq1_s, 19, 256, 50, IQ1) \
    T(IQ1_M, iq1_m, 29, 256, 56, IQ1)
// Types that are known by name and not supported
#define KNOWN_TYPES(T) \
    T(Q8_1, q8_1, 9, 32, 40) \
    T(Q8_K, q8_k, 15, 256, 292) \
    T(I8, i8, 24, 1, 1) \
    T(I16, i16, 25, 1, 2) \
    T(I64, i64, 27, 1, 8) \
    T(F64, f64, 28, 1, 8)
#endif
