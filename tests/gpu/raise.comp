#version 460
// y[i] = x[i] plus `by`, ROUNDS times, in float32. x may be y. Counts its runs in a word.
layout(local_size_x = 64) in;
layout(constant_id = 0) const uint ROUNDS = 1;
layout(binding = 0) readonly buffer X { float x[]; };
layout(binding = 1) writeonly buffer Y { float y[]; };
layout(binding = 2) buffer Counter { uint n_runs; };
layout(push_constant) uniform raise_args { uint n; float by; } args;

void main() {
    const uint i = gl_GlobalInvocationID.x;
    if (i == 0u) n_runs++;
    if (i >= args.n) return;
    float v = x[i];
    for (uint round = 0u; round < ROUNDS; round++) v += args.by;
    y[i] = v;
}
