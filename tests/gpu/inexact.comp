#version 460
// Breaks each rule of exact mode once; test_exact_spirv must see it.
layout(local_size_x = 1) in;
layout(binding = 0) readonly buffer X { float x[]; };
layout(binding = 1) writeonly buffer Y { float y[]; };

void main() {
    y[0] = x[0] + x[1];
    y[1] = x[0] / x[1];
    y[2] = sqrt(x[0]);
    y[3] = dot(vec2(x[0], x[1]), vec2(x[2], x[3]));
    precise float product = x[0] * x[1];
    y[4] = product;
    y[5] = unpackHalf2x16(floatBitsToUint(x[0])).x;
}
