// C twins of shaders/include/exact.glsl and shaders/quant: the same operations in the same order. Compile
// with -ffp-contract=off.
#ifndef TEST_EXACT_H
#define TEST_EXACT_H
#include <fathom/gpu.h>
#include <stdint.h>

float exact_exp(float x);
float exact_reciprocal(float a);
float exact_divide(float a, float b);
float exact_rsqrt(float a);
float exact_sigmoid(float x);
float exact_silu(float x);
float exact_sqrt_softplus(float x);
float half_decode(uint32_t half);
uint32_t half_encode(float x);

// A stored row, bit for bit as the shaders see it.
void exact_row(enum fathom_type type, const void *row, uint32_t n_cols, float *out);
#endif
