#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_ballot : require
// Counts in y[] how often each of 7 x 5 x 29 tiles is taken. No workgroup asks for the number of
// workgroups, so that a dispatch may be split.
layout(local_size_x = 4) in; // no subgroup is smaller
layout(binding = 0) buffer Y { uint y[]; };
#include "include/tiles.glsl"

void main() {
    for (uint round = 0u; take_tile(round); round++)
        if (gl_LocalInvocationID.x == 0u) y[(tile.z * 5u + tile.y) * 7u + tile.x]++;
}
