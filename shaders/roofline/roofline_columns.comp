#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_buffer_reference2 : require
#extension GL_EXT_buffer_reference_uvec2 : require
// roofline.comp with the access pattern of include/columns.glsl: a workgroup
// reads every word once, at an address that is the same for all its lanes. For
// y, the first invocation has read the words. There are at least N_LOADS words.
layout(local_size_x_id = 0) in;
#define ELEMENT uint
#include "roofline/roofline.glsl"
#include "include/words.glsl"

const uint N_LOADS = 256u;

void main() {
    const uint n_blocks = args.n_words / N_LOADS, last = args.x_base + args.n_words - N_LOADS;
    uint folded[4] = uint[](0u, 0u, 0u, 0u);
    for (uint b = gl_WorkGroupID.x; b < n_blocks; b += gl_NumWorkGroups.x) {
        Words block =
            words_at(uvec2(args.x_address[0], args.x_address[1]), 4u * min(args.x_base + b * N_LOADS, last));
        [[unroll]] for (uint i = 0u; i < N_LOADS; i++) folded[i % 4u] ^= block.word[i];
    }
    if (gl_WorkGroupID.x == 0u)
        for (uint i = n_blocks * N_LOADS; i < args.n_words; i++) folded[0] ^= x[args.x_base + i];
    y[args.y_base + gl_GlobalInvocationID.x] =
        gl_LocalInvocationID.x == 0u ? folded[0] ^ folded[1] ^ folded[2] ^ folded[3] : 0u;
}
