// The stored types whose elements are small integers times a scale. Integer dot
// products take these integers as signed bytes. T(type, its decoder). In GLSL
// these types are the cases of w8_packed; in C, fm_op_packed() knows them.
#define PACKED_TYPES(T) \
    T(Q8_0, q8_0) T(Q4_0, q4_0) T(Q4_1, q4_1) T(Q5_0, q5_0) T(Q5_1, q5_1) T(Q3_K, q3_k) T(Q4_K, \
        q4_k) T(Q5_K, q5_k) T(Q6_K, q6_k) \
    T(IQ4_NL, iq4_nl) T(IQ4_XS, iq4_xs) T(MXFP4, mxfp4)
