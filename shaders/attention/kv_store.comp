#version 460
#extension GL_GOOGLE_include_directive : require
#include "attention/kv_store.h"
// Exact: a head's norm is that of rms_norm.comp.
layout(local_size_x = 64) in;
shared float partial[64];

float sum_all(float v) {
    const uint lane = gl_LocalInvocationID.x;
    barrier(); // all invocations have read the last token's partial[0]
    partial[lane] = v;
    for (uint half_n = 32u; half_n > 0u; half_n /= 2u) {
        barrier();
        if (lane < half_n) {
            precise float pair = partial[lane] + partial[lane + half_n];
            partial[lane] = pair;
        }
    }
    barrier();
    return partial[0];
}
#include "attention/kv_store.glsl"
