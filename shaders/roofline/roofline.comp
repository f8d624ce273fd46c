#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
// Reads every word once. A workgroup takes blocks of N_LOADS words an
// invocation; neighbouring invocations read neighbouring words. Each invocation
// stores the exclusive or of its words in y, so that no load can be removed.
layout(local_size_x_id = 0) in;
#define ELEMENT uint
#include "roofline/roofline.glsl"

const uint N_LOADS = 32u;

void main() {
    const uint lanes = gl_WorkGroupSize.x, block = N_LOADS * lanes,
        n_blocks = (args.n_words + block - 1u) / block;
    uint folded[4] = uint[](0u, 0u, 0u, 0u);
    for (uint b = gl_WorkGroupID.x; b < n_blocks; b += gl_NumWorkGroups.x) {
        const uint first = b * block + gl_LocalInvocationID.x;
        if ((b + 1u) * block <= args.n_words) {
            [[unroll]] for (uint i = 0u; i < N_LOADS; i++)
                folded[i % 4u] ^= x[args.x_base + first + i * lanes];
        } else {
            for (uint at = first; at < args.n_words; at += lanes) folded[0] ^= x[args.x_base + at];
        }
    }
    y[args.y_base + gl_GlobalInvocationID.x] = folded[0] ^ folded[1] ^ folded[2] ^ folded[3];
}
