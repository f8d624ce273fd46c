#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
// 16 independent chains of ROUNDS fused multiply-adds an invocation, in float32. v = v * 1.5 - 0.5 keeps 1 at
// exactly 1. Each invocation stores its sum in y.
layout(local_size_x_id = 0) in;
#define ELEMENT float
#include "roofline/roofline.glsl"
layout(constant_id = 1) const uint ROUNDS = 256; // a multiple of 16

void main() {
    const float one = x[args.x_base]; // x holds a 1, and the compiler does not know this
    vec4 a = vec4(one), b = a, c = a, d = a;
    for (uint i = 0u; i < ROUNDS; i += 16u) {
        [[unroll]] for (uint j = 0u; j < 16u; j++) {
            a = fma(a, vec4(1.5), vec4(-0.5));
            b = fma(b, vec4(1.5), vec4(-0.5));
            c = fma(c, vec4(1.5), vec4(-0.5));
            d = fma(d, vec4(1.5), vec4(-0.5));
        }
    }
    const vec4 sum = (a + b) + (c + d);
    y[args.y_base + gl_GlobalInvocationID.x] = (sum.x + sum.y) + (sum.z + sum.w);
}
