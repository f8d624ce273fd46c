#version 460
#extension GL_GOOGLE_include_directive : require
// Rotates pairs (2i, 2i + 1) of every head by the angle of
// the token's position. An invocation rotates one pair.
layout(local_size_x = 64) in;
#include "attention/rope.glsl"

void main() {
    const uint n_pairs = args.n_rope / 2u, head = gl_GlobalInvocationID.x / n_pairs,
        pair = gl_GlobalInvocationID.x % n_pairs;
    if (head >= args.n_heads) return;
    for (uint t = gl_WorkGroupID.y; t < args.n_tokens; t += gl_NumWorkGroups.y) {
        const uint at = position[args.position_base] + t;
        if (at >= args.n_positions) return;
        const uint angle = args.table_base + at * args.n_rope + 2u * pair;
        const uint from = args.x_base + t * args.x_token_stride + head * args.x_head_stride + 2u * pair;
        const uint to = args.y_base + t * args.y_token_stride + head * args.y_head_stride + 2u * pair;
        const float a = x[from], b = x[from + 1u], c = table[angle], s = args.direction * table[angle + 1u];
        precise float rotated_a = a * c - b * s;
        precise float rotated_b = a * s + b * c;
        y[to] = rotated_a;
        y[to + 1u] = rotated_b;
    }
}
