#version 460
// y[i] = x[i] after ROUNDS times v = v * a + b, in integers, which the host can compute easily. x may be y.
layout(local_size_x = 64) in;
layout(constant_id = 0) const uint ROUNDS = 1;
layout(binding = 0) readonly buffer X { uint x[]; };
layout(binding = 1) writeonly buffer Y { uint y[]; };
layout(push_constant) uniform affine_args { uint n, a, b; } args;

void main() {
    const uint i = gl_GlobalInvocationID.x;
    if (i >= args.n) return;
    uint v = x[i];
    for (uint round = 0u; round < ROUNDS; round++) v = v * args.a + args.b;
    y[i] = v;
}
