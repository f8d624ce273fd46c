#version 460
#extension GL_GOOGLE_include_directive : require
// rope.comp where an invocation reads one pair's angle once
// and rotates that pair of several heads: g, g + groups, …
layout(local_size_x = 32) in;
#include "attention/rope.glsl"

void main() {
    const uint pair = gl_LocalInvocationID.x;
    for (uint t = gl_WorkGroupID.y; t < args.n_tokens; t += gl_NumWorkGroups.y) {
        const uint at = position[args.position_base] + t;
        if (at >= args.n_positions) return;
        for (uint i = pair; i < args.n_rope / 2u; i += gl_WorkGroupSize.x) {
            const uint angle = args.table_base + at * args.n_rope + 2u * i;
            const float c = table[angle], s = args.direction * table[angle + 1u];
            for (uint head = gl_WorkGroupID.x; head < args.n_heads; head += gl_NumWorkGroups.x) {
                const uint from = args.x_base + t * args.x_token_stride + head * args.x_head_stride + 2u * i;
                const uint to = args.y_base + t * args.y_token_stride + head * args.y_head_stride + 2u * i;
                const float a = x[from], b = x[from + 1u];
                y[to] = a * c - b * s;
                y[to + 1u] = a * s + b * c;
            }
        }
    }
}
